"""`kill -9` under load: nothing acknowledged is lost, nothing erased comes back."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from instance import TemporaryInstance
from rightface.acts import require_agreement
from rightface.client import ApiError, Client, Unreachable
from rightface.instance import Instance
from rightface.ledger.verify import verify
from rightface.registrar_credentials import CredentialDesk
from rightface.settings import Settings
from tests.faults.forks import Nursery
from tests.portraits import grace_hopper, small
from tests.storage import Storage

ROUNDS = int(os.environ.get("RIGHTFACE_KILLS", "200"))
SUBJECTS = [f"person-{number}" for number in range(25 * ROUNDS)]


class _Load:
    """Clients that enrol and erase, and remember what was acknowledged."""

    def __init__(self, key: dict[str, Any], token: str) -> None:
        self._session = boto3.session.Session(region_name="us-east-1", **key)
        self._token = token
        self._photo = small(grace_hopper(), 120)
        self._subjects = iter(SUBJECTS)
        self._lock = threading.Lock()
        self.enrolled: set[str] = set()
        self.erased: set[str] = set()
        self.answered = threading.Event()
        self.subjects: dict[str, str] = {}  # whose face it is
        self.in_flight: set[str] = set()  # asked to be erased; no answer came
        self.refused: list[Exception] = []

    def client(self, url: str) -> Any:
        return self._session.client(
            "rekognition",
            endpoint_url=url,
            config=Config(retries={"total_max_attempts": 1}, read_timeout=300),
        )

    def run(self, client: Any, url: str) -> None:
        people = Client(url, token=self._token)
        try:
            while True:
                self._enrol(client)
                drawn = random.random()
                if drawn < 0.3:
                    self._erase(lambda face_id, _: _delete(client, face_id))
                elif drawn < 0.6:
                    self._erase(lambda _, subject: people.withdraw_consent(subject))
        except (ClientError, ApiError) as error:  # the server lived, and refused
            self.refused.append(error)
        except (BotoCoreError, Unreachable):
            return  # the server was killed

    def _enrol(self, client: Any) -> None:
        with self._lock:
            subject = next(self._subjects)
        answer = client.index_faces(
            CollectionId="staff", Image={"Bytes": self._photo}, ExternalImageId=subject
        )
        (record,) = answer["FaceRecords"]  # an answer is whole, or there is none
        with self._lock:
            self.subjects[record["Face"]["FaceId"]] = subject
            self.enrolled.add(record["Face"]["FaceId"])
        self.answered.set()

    def _erase(self, erase: Callable[[str, str], object]) -> None:
        with self._lock:
            mine = [face_id for face_id in self.enrolled if face_id in self.subjects]
            if not mine:
                return
            face_id = mine[0]
            self.enrolled.discard(face_id)
            self.in_flight.add(face_id)
        erase(face_id, self.subjects[face_id])
        with self._lock:
            self.in_flight.discard(face_id)
            self.erased.add(face_id)

    def compare(self, found: set[str]) -> None:
        """Hold what was acknowledged against what is there."""
        assert self.enrolled <= found, "an acknowledged enrolment was lost"
        assert not self.erased & found, "an erased face came back"
        # What was in flight may have gone either way; from here on it is as it is found.
        self.enrolled |= self.in_flight & found
        self.erased |= self.in_flight - found
        self.in_flight.clear()


def _delete(client: Any, face_id: str) -> None:
    assert client.delete_faces(CollectionId="staff", FaceIds=[face_id])["DeletedFaces"] == [face_id]


def _all_faces(client: Any) -> set[str]:
    pages = client.get_paginator("list_faces").paginate(
        CollectionId="staff", PaginationConfig={"PageSize": 1000}
    )
    return {face["FaceId"] for page in pages for face in page["Faces"]}


@pytest.mark.timeout(1800)
def test_two_hundred_kills_lose_nothing_and_bring_nothing_back(
    tmp_path: Path, storage: Storage, models: Path
) -> None:
    data = tmp_path / "data"
    rounds = ROUNDS if storage.is_sqlite else min(ROUNDS, max(4, ROUNDS // 10))
    url = "" if storage.is_sqlite else storage.url(filled="migrated")
    settings = Settings(data=data, sector="private-entity", jurisdiction="US-OH", database=url)
    with Instance.create(settings) as instance:
        (data / "models").symlink_to(models.absolute())
        prepared = TemporaryInstance(instance)
        issued = prepared.licence("acme")
        prepared.consent(*SUBJECTS[: 25 * rounds])
        token = CredentialDesk(instance).issue(role="operator", name="the-test").token
        _ = instance.engine  # the models are converted now
    load = _Load(
        {
            "aws_access_key_id": issued.licence.access_key_id,
            "aws_secret_access_key": issued.secret_access_key,
        },
        token,
    )
    nursery = Nursery()
    try:
        with nursery.server(data) as (_, url):
            load.client(url).create_collection(CollectionId="staff")
        for number in range(rounds):
            with nursery.server(data) as (process, url):
                client = load.client(url)
                load.compare(_all_faces(client))
                load.answered.clear()
                workers = [threading.Thread(target=load.run, args=(client, url)) for _ in range(2)]
                for worker in workers:
                    worker.start()
                if number % 2:  # else wherever it is: in its first request, or before
                    while not load.answered.wait(1):
                        assert any(worker.is_alive() for worker in workers), load.refused
                time.sleep(random.uniform(0.0, 0.3))
                os.kill(process, signal.SIGKILL)
                for worker in workers:
                    worker.join()
                assert not load.refused
        with nursery.server(data) as (_, url):
            load.compare(_all_faces(load.client(url)))
            checked = verify(f"{url}/ledger")
    finally:
        nursery.close()
    assert checked.ok, checked.problems
    with Instance.open(data) as instance:
        assert require_agreement(instance) > len(SUBJECTS[: 25 * rounds])
    assert len(load.enrolled) + len(load.erased) >= rounds // 2, "the load did nothing"
