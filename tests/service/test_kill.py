"""`kill -9` under load: nothing acknowledged is lost, nothing erased comes back."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from instance import TemporaryInstance
from rightface.instance import Instance
from rightface.ledger.verify import verify
from tests.portraits import grace_hopper, small

ROUNDS = 30
SUBJECTS = [f"person-{number}" for number in range(3000)]


def _rightface(*words: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "rightface", *words], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


@contextmanager
def _server(data: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, "-m", "rightface", "serve", "--data", str(data), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().split()[-1]
        finally:
            process.kill()


class _Load:
    """Two clients that enrol and erase, and remember what was acknowledged."""

    def __init__(self, key: dict[str, Any]) -> None:
        self._key = key
        self._photo = small(grace_hopper(), 120)
        self._subjects = iter(SUBJECTS)
        self._lock = threading.Lock()
        self.enrolled: set[str] = set()
        self.erased: set[str] = set()
        self.cut_off = 0
        self.in_flight: set[str] = set()  # asked to be erased; no answer came

    def client(self, url: str) -> Any:
        return boto3.client(
            "rekognition",
            endpoint_url=url,
            region_name="us-east-1",
            config=Config(retries={"total_max_attempts": 1}, read_timeout=30),
            **self._key,
        )

    def run(self, url: str) -> None:
        client = self.client(url)
        try:
            while True:
                self._enrol(client)
                if random.random() < 0.5:
                    self._erase(client)
        except (BotoCoreError, ClientError):
            return  # the server was killed

    def _enrol(self, client: Any) -> None:
        with self._lock:
            subject = next(self._subjects)
        answer = client.index_faces(
            CollectionId="staff", Image={"Bytes": self._photo}, ExternalImageId=subject
        )
        with self._lock:
            if "FaceRecords" not in answer:  # seen once in 90 rounds; taken for an answer cut off
                self.cut_off += 1
                return
            self.enrolled.update(r["Face"]["FaceId"] for r in answer["FaceRecords"])

    def _erase(self, client: Any) -> None:
        with self._lock:
            if not self.enrolled:
                return
            face_id = self.enrolled.pop()
            self.in_flight.add(face_id)
        client.delete_faces(CollectionId="staff", FaceIds=[face_id])
        with self._lock:
            self.in_flight.discard(face_id)
            self.erased.add(face_id)


def _all_faces(client: Any) -> set[str]:
    pages = client.get_paginator("list_faces").paginate(
        CollectionId="staff", PaginationConfig={"PageSize": 1000}
    )
    return {face["FaceId"] for page in pages for face in page["Faces"]}


@pytest.mark.timeout(600)
def test_thirty_kills_lose_nothing_and_bring_nothing_back(tmp_path: Path) -> None:
    data = tmp_path / "data"
    _rightface(
        *("init", "--data", str(data), "--sector", "private-entity"),
        *("--jurisdiction", "US-TX", "--yes", "--json"),
    )
    with Instance.open(data) as instance:
        prepared = TemporaryInstance(instance)
        issued = prepared.licence("acme")
        prepared.consent(*SUBJECTS)
    load = _Load(
        {
            "aws_access_key_id": issued.licence.access_key_id,
            "aws_secret_access_key": issued.secret_access_key,
        }
    )
    with _server(data) as (_, url):
        load.client(url).create_collection(CollectionId="staff")
    for _round in range(ROUNDS):
        with _server(data) as (process, url):
            found = _all_faces(load.client(url))
            assert load.enrolled <= found, "an acknowledged enrolment was lost"
            assert not load.erased & found, "an erased face came back"
            # What was in flight may have gone either way; from here on it is as it is found.
            load.enrolled |= load.in_flight & found
            load.erased |= load.in_flight - found
            load.in_flight.clear()
            workers = [threading.Thread(target=load.run, args=(url,)) for _ in range(2)]
            for worker in workers:
                worker.start()
            time.sleep(random.uniform(0.1, 1.0))
            process.send_signal(signal.SIGKILL)
            for worker in workers:
                worker.join()
    with _server(data) as (_, url):
        found = _all_faces(load.client(url))
        assert load.enrolled <= found
        assert not load.erased & found
        checked = verify(f"{url}/ledger")
    assert checked.ok, checked.problems
    assert len(load.enrolled) + len(load.erased) >= ROUNDS, "the load did nothing"
    assert load.cut_off <= 3, "answers without faces are not the kills' doing"
