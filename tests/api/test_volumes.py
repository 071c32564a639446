"""Volumes of a licence, shares of clients, lanes: nobody takes all of a server."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import boto3
import pytest
import urllib3
from botocore.config import Config
from botocore.exceptions import ClientError

from instance import TemporaryInstance
from rightface.api.admission import Admission, Busy, Lane
from rightface.api.app import create_app
from rightface.api.rekognition.endpoint import _lane
from rightface.api.server import running
from rightface.api.volumes import TooFast, Volumes, VolumeUsedUp
from rightface.client import ApiError, Client
from rightface.law.licences import IssuedLicence, Licence
from rightface.registrar_credentials import CredentialDesk
from tests.portraits import eileen_collins, small


def licence_with(
    instance: TemporaryInstance, per_second: int | None = None, per_day: int | None = None
) -> IssuedLicence:
    return instance.licence("acme", per_second=per_second, per_day=per_day)


def client_of(url: str, issued: IssuedLicence) -> Any:
    return boto3.client(
        "rekognition",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id=issued.licence.access_key_id,
        aws_secret_access_key=issued.secret_access_key,
        config=Config(retries={"total_max_attempts": 1}),
    )


def test_a_daily_volume_outlives_a_restart(fresh: TemporaryInstance) -> None:
    issued = licence_with(fresh, per_day=3)
    for wanted in (2, 1):  # the second time with another server
        with running(create_app(fresh.service)) as url:
            client = client_of(url, issued)
            for _ in range(wanted):
                client.list_collections()
            if wanted == 1:
                with pytest.raises(ClientError, match="3 requests per day") as refused:
                    client.list_collections()
                named = refused.value.response["Error"]["Code"]
                assert named == "ProvisionedThroughputExceededException"


def test_a_rate_is_throttled_and_comes_back(fresh: TemporaryInstance) -> None:
    issued = licence_with(fresh, per_second=1)
    with running(create_app(fresh.service)) as url:
        client = client_of(url, issued)
        answers = []
        for _ in range(6):
            try:
                client.list_collections()
                answers.append("ok")
            except ClientError as error:
                answers.append(error.response["Error"]["Code"])
        assert answers[:2] == ["ok", "ok"]  # room for two seconds
        assert "ThrottlingException" in answers
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            time.sleep(0.3)
            try:
                client.list_collections()
                return
            except ClientError:
                continue
        pytest.fail("the rate never came back")


class _Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 11, 22, 23, 59, 59, tzinfo=UTC)
        self.ticks = 0.0


def _counting(clock: _Clock, used: int = 0) -> Volumes:
    return Volumes(lambda *_: used, clock=lambda: clock.now, ticks=lambda: clock.ticks)


def _licence(
    fresh: TemporaryInstance, per_second: int | None = None, per_day: int | None = None
) -> Licence:
    return licence_with(fresh, per_second, per_day).licence


def test_midnight_gives_a_new_day(fresh: TemporaryInstance) -> None:
    clock = _Clock()
    volumes = _counting(clock)
    licence = _licence(fresh, per_day=1)
    volumes.take(licence)
    with pytest.raises(VolumeUsedUp):
        volumes.take(licence)
    clock.now += timedelta(seconds=1)
    volumes.take(licence)


def test_a_refused_request_takes_nothing_of_the_day(fresh: TemporaryInstance) -> None:
    clock = _Clock()
    volumes = _counting(clock)
    licence = _licence(fresh, per_second=1, per_day=3)
    volumes.take(licence)
    volumes.take(licence)
    with pytest.raises(TooFast):
        volumes.take(licence)
    clock.ticks += 1.0
    volumes.take(licence)
    clock.ticks += 1.0
    with pytest.raises(VolumeUsedUp):
        volumes.take(licence)


def test_a_licence_without_volumes_has_none(fresh: TemporaryInstance) -> None:
    volumes = _counting(_Clock())
    licence = _licence(fresh)
    assert (licence.per_second, licence.per_day) == (None, None)
    for _ in range(1000):
        volumes.take(licence)


def _in_lanes(admission: Admission, jobs: list[dict[str, Any]]) -> list[Any]:
    """Each job in a task of its own; what it gave or raised, and the most that ran at once."""
    given: list[Any] = [None] * len(jobs)

    async def one(number: int, job: dict[str, Any]) -> None:
        try:
            given[number] = await admission.in_thread(**job)
        except Busy as error:
            given[number] = error

    async def all_of_them() -> None:
        async with anyio.create_task_group() as group:
            for number, job in enumerate(jobs):
                group.start_soon(one, number, job)

    anyio.run(all_of_them)
    return given


class _Together:
    """Work that notes how much of it runs at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._now = 0
        self.most = 0

    def work(self) -> str:
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
        time.sleep(0.02)
        with self._lock:
            self._now -= 1
        return "done"


def test_large_images_leave_threads_to_others() -> None:
    together = _Together()
    jobs = [{"work": together.work, "client": f"c{n}", "lane": Lane.HEAVY} for n in range(12)]
    assert _in_lanes(Admission(), jobs) == ["done"] * 12
    assert together.most == 2


def test_one_client_leaves_threads_to_others() -> None:
    together = _Together()
    jobs = [{"work": together.work, "client": "greedy"} for _ in range(30)]
    admission = Admission()
    assert _in_lanes(admission, jobs) == ["done"] * 30
    assert together.most == 6
    assert not admission._clients


def test_a_bulk_enrolment_meets_back_pressure() -> None:
    together = _Together()
    jobs = [{"work": together.work, "client": f"c{n}", "lane": Lane.BULK} for n in range(60)]
    given = _in_lanes(Admission(), jobs)
    assert given.count("done") == 48
    assert sum(isinstance(each, Busy) for each in given) == 12
    assert together.most == 4


def test_who_waits_too_long_is_told(fresh: TemporaryInstance) -> None:
    def slow() -> str:
        time.sleep(0.4)
        return "done"

    jobs = [{"work": slow} for _ in range(2)]
    given = _in_lanes(Admission(workers=1, wait_seconds=0.1), jobs)
    assert given.count("done") == 1
    (busy,) = (each for each in given if isinstance(each, Busy))
    assert "too long" in str(busy)


def test_searches_go_on_while_large_images_are_looked_at(fresh: TemporaryInstance) -> None:
    """A client that sends many large bodies does not hold up another one's small request."""
    greedy, modest = fresh.licence("greedy"), fresh.licence("modest")
    large = b"\xff\xd8\xff\xe0" + bytes(4 * 1024 * 1024)  # a broken JPEG of the heavy lane
    with running(create_app(fresh.service)) as url:
        client = client_of(url, modest)
        client.list_collections()
        stop = threading.Event()

        def flood() -> None:
            mine = client_of(url, greedy)
            while not stop.is_set():
                with pytest.raises(ClientError):
                    mine.detect_faces(Image={"Bytes": large})

        with ThreadPoolExecutor(6) as pool:
            floods = [pool.submit(flood) for _ in range(6)]
            time.sleep(0.5)
            for _ in range(10):
                client.list_collections()
            stop.set()
            for each in floods:
                each.result()


# ---------------------------------------------------------------- both wires, one volume
def _native(url: str, issued: IssuedLicence, role: str = "") -> Client:
    if role:
        return Client(url, token=role)
    return Client(
        url,
        access_key_id=issued.licence.access_key_id,
        secret_access_key=issued.secret_access_key,
    )


def test_the_native_api_counts_by_the_same_volume(fresh: TemporaryInstance) -> None:
    issued = licence_with(fresh, per_day=3)
    operator = CredentialDesk(fresh.instance).issue(role="operator", name="op").token
    with running(create_app(fresh.service)) as url, _native(url, issued) as native:
        rekognition = client_of(url, issued)
        rekognition.list_collections()
        native.whoami()
        rekognition.list_collections()
        with pytest.raises(ClientError, match="3 requests per day"):
            rekognition.list_collections()
        started = time.monotonic()
        with pytest.raises(ApiError, match="3 requests per day") as refused:
            native.whoami()
        assert time.monotonic() - started < 30, "nobody waits for midnight"
        assert (refused.value.status, refused.value.problem.code) == (429, "volume-used-up")
        with _native(url, issued, operator) as person:
            person.whoami()  # people have no licence, and no volume


def test_the_native_api_says_when_to_come_again(fresh: TemporaryInstance) -> None:
    fast, used = licence_with(fresh, per_second=1), licence_with(fresh, per_day=1)
    with running(create_app(fresh.service)) as url:
        answers = []
        for issued in (fast, fast, fast, fast, used, used):
            key = f"{issued.licence.access_key_id}:{issued.secret_access_key}"
            answers.append(
                urllib3.request(
                    "GET",
                    f"{url}/v1/whoami",
                    headers=urllib3.make_headers(basic_auth=key),
                    retries=False,
                )
            )
    assert [one.status for one in answers[4:]] == [200, 429]
    throttled = [one for one in answers[:4] if one.status == 429]
    assert throttled
    assert throttled[0].headers["content-type"] == "application/problem+json"
    assert throttled[0].headers["retry-after"] == "1"
    assert throttled[0].json()["code"] == "too-fast"
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0) + timedelta(days=1)
    told = int(answers[5].headers["retry-after"])
    assert abs(told - (midnight - datetime.now(UTC)).total_seconds()) < 120


def test_a_request_that_needs_several_decisions_counts_once(fresh: TemporaryInstance) -> None:
    issued = licence_with(fresh, per_day=100)
    fresh.consent("eileen")
    since = datetime.now(UTC) - timedelta(minutes=1)
    with running(create_app(fresh.service)) as url:
        client = client_of(url, issued)
        client.create_collection(CollectionId="staff")
        told = client.index_faces(
            CollectionId="staff",
            Image={"Bytes": small(eileen_collins())},
            ExternalImageId="eileen",
        )
        client.create_user(CollectionId="staff", UserId="her")
        faces = [each["Face"]["FaceId"] for each in told["FaceRecords"]]
        client.associate_faces(CollectionId="staff", UserId="her", FaceIds=faces)
    assert fresh.service.decided_since(issued.licence.licence_id, since) == 4


def test_an_escaped_word_is_no_way_round_the_heavy_lane() -> None:
    assert _lane("DetectFaces", b'{"Image":{"S3Object":{}}}') is Lane.HEAVY
    assert _lane("DetectFaces", rb'{"Image":{"S3\u004fbject":{}}}') is Lane.HEAVY
    assert _lane("DetectFaces", b'{"Image":{"Bytes":"QQ=="}}') is Lane.QUICK
    assert _lane("IndexFaces", b'{"Image":{"Bytes":"QQ=="}}') is Lane.BULK
