"""SIGTERM while work is under way: what was taken on is answered whole, then the process goes."""

from __future__ import annotations

import http.client
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from rightface.instance import Instance
from rightface.ledger.leaf import Leaf
from rightface.ledger.log import entries, size
from tests.api import signing
from tests.portraits import eileen_collins, small
from tests.security.house import made, opened, serving
from tests.video import clips


@pytest.mark.timeout(600)
def test_sigterm_in_the_middle(tmp_path: Path, models: Path) -> None:
    data = tmp_path / "data"
    made(data, models)
    subjects = [f"s{number}" for number in range(12)]
    with opened(data) as house:
        issued = house.licence("acme")
        house.consent(*subjects)
    bucket = data / "objects" / "acme"
    bucket.mkdir(parents=True)
    grace = clips.grace()
    clips.written(bucket / "long.mp4", 20.0, lambda at: clips.placed((grace, round(30 * at) % 400)))
    photo = small(eileen_collins())
    with serving(data, tmp_path / "stderr") as server:
        client = server.client(issued, max_pool_connections=16)
        client.create_collection(CollectionId="staff")
        job_id = client.start_face_detection(
            Video={"S3Object": {"Bucket": "acme", "Name": "long.mp4"}}
        )["JobId"]

        # A request whose body is still on its way: half now, half after the signal.
        place = urlsplit(server.url)
        body = b'{"MaxResults":3}'
        key: dict[str, Any] = {
            "key": issued.licence.access_key_id,
            "secret": issued.secret_access_key,
        }
        headers = signing.signed_headers(body, host=place.netloc, **key)
        slow = http.client.HTTPConnection(place.hostname or "", place.port, timeout=60)
        slow.putrequest("POST", "/", skip_host=True, skip_accept_encoding=True)
        for name, value in (headers | {"content-length": str(len(body))}).items():
            slow.putheader(name, value)
        slow.endheaders()
        slow.send(body[:5])

        began = threading.Semaphore(0)

        def enrol(subject: str) -> Any:
            began.release()
            return client.index_faces(
                CollectionId="staff", Image={"Bytes": photo}, ExternalImageId=subject
            )

        with ThreadPoolExecutor(12) as threads:
            asked = [threads.submit(enrol, subject) for subject in subjects]
            for _ in subjects:
                began.acquire()
            until = time.monotonic() + 60
            while not any(each.done() for each in asked) and time.monotonic() < until:
                time.sleep(0.01)
            server.process.send_signal(signal.SIGTERM)
            refused = _refused(place.hostname or "", place.port or 0, within=10)
            slow.send(body[5:])
            answer = slow.getresponse()
            told = answer.read()
            answers = [each.exception() or each.result() for each in asked]
        assert refused, "no new connection is taken"
        assert (answer.status, b"CollectionIds" in told) == (200, True)
        assert server.process.wait(60) == 0
        assert (tmp_path / "stderr").read_text() == ""
    faces = [one for each in answers if isinstance(each, dict) for one in each["FaceRecords"]]
    cut = [each for each in answers if isinstance(each, Exception)]
    assert len(faces) == len(subjects), f"each that was under way was answered: {cut}"

    with Instance.open(data) as written:
        behind = written.publisher.behind()
        with written.database.read() as session:
            recorded = size(session)
            unpublished = [Leaf.parse(one) for one in entries(session, recorded - behind, recorded)]
        assert unpublished == [], "the ledger is published"
        checkpoint = (written.settings.ledger_directory / "checkpoint").read_text()
        assert int(checkpoint.splitlines()[1]) == recorded
    with serving(data, tmp_path / "stderr") as server:
        client = server.client(issued)
        there = {face["FaceId"] for face in client.list_faces(CollectionId="staff")["Faces"]}
        assert there == {one["Face"]["FaceId"] for one in faces}
        assert client.get_face_detection(JobId=job_id)["JobStatus"] in ("IN_PROGRESS", "SUCCEEDED")


def _refused(host: str, port: int, *, within: float) -> bool:
    until = time.monotonic() + within
    while time.monotonic() < until:
        try:
            socket.create_connection((host, port), timeout=1).close()
        except ConnectionRefusedError:
            return True
        time.sleep(0.02)
    return False
