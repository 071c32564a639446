"""Stored video through the wire: a real server, an unmodified boto3, videos of known people."""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from sqlalchemy import select

from instance import PURPOSE, TemporaryInstance
from rightface.gallery.jobs import JobFaceRow
from rightface.gallery.rows import FaceRow
from rightface.ledger.leaf import Leaf
from rightface.ledger.log import entries, size
from tests.conftest import Server
from tests.portraits import eileen_collins, grace_hopper
from tests.video import clips

CLIENT = "wire-tests"
GRACE, EILEEN = "grace-of-the-videos", "eileen-of-the-videos"
PATIENCE = 240.0  # seconds; a shared machine may be slow, and the worker gives way to everybody


@pytest.fixture(scope="module")
def bucket(server: Server) -> Path:
    """The client's own bucket, with a video of two people."""
    directory = server.instance.instance.settings.data / "objects" / CLIENT
    directory.mkdir(parents=True, exist_ok=True)
    clips.two_people(directory / "entrance-alice-and-bob.mp4")
    return directory


@pytest.fixture(scope="module")
def client(server: Server, bucket: Path) -> Iterator[Any]:
    """A boto3 client with a collection in which both people are enrolled."""
    made = server.client()
    with contextlib.suppress(ClientError):
        made.delete_collection(CollectionId="seen")
    made.create_collection(CollectionId="seen")
    server.instance.consent(GRACE, EILEEN)
    _enrol(made, GRACE, grace_hopper())
    _enrol(made, EILEEN, eileen_collins())
    yield made
    with contextlib.suppress(ClientError):
        made.delete_collection(CollectionId="seen")


def _enrol(client: Any, subject: str, photo: bytes, collection: str = "seen") -> str:
    answer = client.index_faces(
        CollectionId=collection, Image={"Bytes": photo}, ExternalImageId=subject
    )
    return str(answer["FaceRecords"][0]["Face"]["FaceId"])


def _video(name: str, bucket: str = CLIENT) -> dict[str, Any]:
    return {"S3Object": {"Bucket": bucket, "Name": name}}


TWO = _video("entrance-alice-and-bob.mp4")


def _ended(get: Any, job_id: str) -> dict[str, Any]:
    until = time.monotonic() + PATIENCE
    shown = 0
    while time.monotonic() < until:
        answer: dict[str, Any] = get(JobId=job_id)
        told = int(answer["ResponseMetadata"]["HTTPHeaders"]["x-rightface-progress"])
        assert shown <= told <= 100, "progress went back"
        shown = told
        if answer["JobStatus"] != "IN_PROGRESS":
            return answer
        time.sleep(0.3)
    pytest.fail(f"no end after {PATIENCE} seconds")


def _code(ask: Any) -> str:
    with pytest.raises(ClientError) as caught:
        ask()
    return str(caught.value.response["Error"]["Code"])


def _leaves(server: Server, since: int) -> list[Leaf]:
    server.instance.instance.database.write(lambda _: None)  # behind the outcomes that wait
    with server.instance.instance.database.read() as session:
        return [Leaf.parse(body) for body in entries(session, since, size(session))]


@pytest.fixture(scope="module")
def search(client: Any) -> str:
    """A finished search for everybody in the video of two people."""
    started = client.start_face_search(Video=TWO, CollectionId="seen", JobTag="the-entrance")
    job_id = str(started["JobId"])
    assert _ended(client.get_face_search, job_id)["JobStatus"] == "SUCCEEDED"
    return job_id


def _names(person: dict[str, Any]) -> list[str]:
    return [match["Face"]["ExternalImageId"] for match in person["FaceMatches"]]


def test_who_appears_when(client: Any, search: str) -> None:
    answer = client.get_face_search(JobId=search)
    assert answer["JobTag"] == "the-entrance"
    assert answer["Video"] == TWO
    assert answer["VideoMetadata"] == {
        "Codec": "h264",
        "DurationMillis": 6000,
        "Format": "mov",
        "FrameRate": 25.0,
        "FrameHeight": 360,
        "FrameWidth": 640,
        "ColorRange": "LIMITED",
    }
    assert answer["ResponseMetadata"]["HTTPHeaders"]["x-rightface-progress"] == "100"
    when: dict[str, list[int]] = {GRACE: [], EILEEN: []}
    index: dict[str, set[int]] = {GRACE: set(), EILEEN: set()}
    for person in answer["Persons"]:
        (name,) = _names(person)
        assert person["FaceMatches"][0]["Similarity"] > 90
        when[name].append(person["Timestamp"])
        index[name].add(person["Person"]["Index"])
    assert when[GRACE] == list(range(0, 4000, 200))
    assert when[EILEEN] == list(range(2000, 6000, 200))
    assert index == {GRACE: {0}, EILEEN: {1}}, "the cut gave nobody another's number"


def test_leads_follow_the_gallerys_target(server: Server, client: Any, search: str) -> None:
    aim = server.instance.registrar.galleries.aim
    before = client.get_face_search(JobId=search)
    assert "x-rightface-fpir-target" not in before["ResponseMetadata"]["HTTPHeaders"]
    try:
        told = aim(client=CLIENT, gallery="seen", fpir=1e-9)
        answer = client.get_face_search(JobId=search)
        headers = answer["ResponseMetadata"]["HTTPHeaders"]
        assert headers["x-rightface-fpir-target"].rstrip("*") == "1.00e-09"
        assert headers["x-rightface-fmr"] == f"{told.fmr:.2e}"
        assert told.similarity is not None
        similar = [one["FaceMatches"][0]["Similarity"] for one in before["Persons"]]
        within = [one for one in similar if one >= told.similarity]
        assert len(answer["Persons"]) == len(within) < len(similar)
    finally:
        aim(client=CLIENT, gallery="seen", fpir=None)


def test_a_person_walks(client: Any, search: str) -> None:
    boxes = [
        person["Person"]["BoundingBox"]["Left"]
        for person in client.get_face_search(JobId=search)["Persons"]
        if person["Person"]["Index"] == 0
    ]
    # Twenty pixels a second, of 640, for 3.8 seconds.
    assert boxes[-1] - boxes[0] == pytest.approx(76 / 640, abs=0.01)


@pytest.mark.parametrize("order", ["INDEX", "TIMESTAMP"])
def test_pages_are_the_whole_in_order(client: Any, search: str, order: str) -> None:
    whole = client.get_face_search(JobId=search, SortBy=order)["Persons"]
    pages = _pages(client, search, order)
    assert [person for page in pages for person in page] == whole
    assert [len(page) for page in pages] == [7, 7, 7, 7, 7, 5]
    keys = [(one["Person"]["Index"], one["Timestamp"]) for one in whole]
    assert keys == sorted(keys, key=lambda key: key if order == "INDEX" else key[::-1])


def _pages(client: Any, job_id: str, order: str) -> list[list[Any]]:
    pages: list[list[Any]] = []
    more: dict[str, str] = {}
    while True:
        answer = client.get_face_search(JobId=job_id, SortBy=order, MaxResults=7, **more)
        pages.append(answer["Persons"])
        if "NextToken" not in answer:
            return pages
        more = {"NextToken": answer["NextToken"]}


def test_a_token_serves_its_own_list_alone(client: Any, search: str) -> None:
    token = client.get_face_search(JobId=search, MaxResults=1)["NextToken"]

    def other_order() -> None:
        client.get_face_search(JobId=search, SortBy="INDEX", NextToken=token)

    assert _code(other_order) == "InvalidPaginationTokenException"


def test_faces_and_their_milliseconds(client: Any, server: Server) -> None:
    with server.instance.instance.database.read() as session:
        since = size(session)
    job_id = client.start_face_detection(Video=TWO)["JobId"]
    answer = _ended(client.get_face_detection, job_id)
    assert answer["JobStatus"] == "SUCCEEDED"
    at = [face["Timestamp"] for face in answer["Faces"]]
    expected = [ms for ms in range(0, 6000, 200) for _ in range(2 if 2000 <= ms < 4000 else 1)]
    assert at == expected
    for told in answer["Faces"]:
        assert told["Face"]["Confidence"] > 50
        assert len(told["Face"]["Landmarks"]) == 5
        assert "AgeRange" not in told["Face"]
    first = client.get_face_detection(JobId=job_id, MaxResults=30)
    rest = client.get_face_detection(JobId=job_id, MaxResults=30, NextToken=first["NextToken"])
    assert first["Faces"] + rest["Faces"] == answer["Faces"]
    assert "NextToken" not in rest
    # One request, and each stretch of it decided and recorded; never more than `detect`.
    request = _start_request(server, since)
    mine = [leaf for leaf in _leaves(server, since) if leaf.request == request]
    assert len(mine) >= 4, "the start, the fetch, the frames, the result"
    assert {leaf.operation for leaf in mine} == {"detect"}
    assert {leaf.outcome for leaf in mine} == {"permitted"}


def _start_request(server: Server, since: int) -> str | None:
    submitted = [leaf for leaf in _leaves(server, since) if leaf.outcome == "submitted"]
    assert submitted[0].of is not None
    return _leaves(server, 0)[submitted[0].of].request


def test_who_withdraws_is_gone_from_what_was_found(client: Any, server: Server) -> None:
    client.create_collection(CollectionId="withdrawing")
    name = f"grace-{uuid.uuid4()}"
    server.instance.consent(name)
    _enrol(client, name, grace_hopper(), "withdrawing")
    _enrol(client, EILEEN, eileen_collins(), "withdrawing")
    job_id = client.start_face_search(Video=TWO, CollectionId="withdrawing")["JobId"]
    found = _ended(client.get_face_search, job_id)
    assert {each for person in found["Persons"] for each in _names(person)} == {name, EILEEN}
    receipt = server.instance.registrar.withdraw_consent(name)
    assert receipt.erased["faces"] == 1
    assert not any(receipt.remaining.values())
    told = client.get_face_search(JobId=job_id)["Persons"]
    assert {each for person in told for each in _names(person)} == {EILEEN}
    assert {person["Person"]["Index"] for person in told} == {1}, "not even where they stood"
    client.delete_collection(CollectionId="withdrawing")
    assert _code(lambda: client.get_face_search(JobId=job_id)) == "ResourceNotFoundException"
    client.create_collection(CollectionId="withdrawing")
    assert _code(lambda: client.get_face_search(JobId=job_id)) == "ResourceNotFoundException"


def test_another_clients_job_is_none(client: Any, server: Server, search: str) -> None:
    issued = server.instance.licence(f"other-{uuid.uuid4()}")
    other = server.client(
        aws_access_key_id=issued.licence.access_key_id,
        aws_secret_access_key=issued.secret_access_key,
    )
    assert _code(lambda: other.get_face_search(JobId=search)) == "ResourceNotFoundException"
    assert _code(lambda: client.get_face_detection(JobId=search)) == "ResourceNotFoundException"
    assert _code(lambda: client.get_face_search(JobId="no-such")) == "ResourceNotFoundException"
    ask = lambda: other.start_face_detection(Video=TWO)  # noqa: E731
    assert _code(ask) == "InvalidS3ObjectException", "nor does it read another's bucket"


def test_the_same_token_is_the_same_job(client: Any) -> None:
    token = uuid.uuid4().hex
    asked = {"Video": _video("a-token.mp4"), "ClientRequestToken": token}

    def missing() -> None:
        client.start_face_detection(**asked)

    assert _code(missing) == "InvalidS3ObjectException"
    asked["Video"] = TWO
    first = client.start_face_detection(**asked)["JobId"]
    assert client.start_face_detection(**asked)["JobId"] == first

    def mismatched() -> None:
        client.start_face_detection(**asked, JobTag="another")

    assert _code(mismatched) == "IdempotentParameterMismatchException"
    _ended(client.get_face_detection, first)


def test_what_is_not_offered_is_refused(client: Any) -> None:
    channel = {
        "SNSTopicArn": "arn:aws:sns:us-east-1:123456789012:topic",
        "RoleArn": "arn:aws:iam::123456789012:role/x",
    }

    def notified() -> None:
        client.start_face_detection(Video=TWO, NotificationChannel=channel)

    def everything() -> None:
        client.start_face_detection(Video=TWO, FaceAttributes="ALL")

    assert _code(notified) == "InvalidParameterException"
    assert _code(everything) == "AccessDeniedException"
    assert (
        _code(lambda: client.start_face_search(Video=TWO, CollectionId="no-such"))
        == "ResourceNotFoundException"
    )


def test_limits_of_bytes_and_of_jobs(
    client: Any, server: Server, bucket: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance = server.instance.instance
    monkeypatch.setattr(instance, "settings", replace(instance.settings, video_megabytes=0))
    assert _code(lambda: client.start_face_detection(Video=TWO)) == "VideoTooLargeException"
    monkeypatch.undo()
    monkeypatch.setattr(instance, "settings", replace(instance.settings, jobs_per_client=0))
    assert _code(lambda: client.start_face_detection(Video=TWO)) == "LimitExceededException"


@pytest.mark.parametrize("content", [b"", b"no video", grace_hopper()[:5000]])
def test_a_broken_file_fails_with_words(client: Any, bucket: Path, content: bytes) -> None:
    (bucket / "secret-name.mp4").write_bytes(content)
    job_id = client.start_face_detection(Video=_video("secret-name.mp4"))["JobId"]
    answer = _ended(client.get_face_detection, job_id)
    assert answer["JobStatus"] == "FAILED"
    assert "container or codec" in answer["StatusMessage"]
    assert "secret-name" not in answer["StatusMessage"]
    assert "Faces" not in answer


def test_a_refused_start_starts_nothing(server: Server, bucket: Path) -> None:
    name = f"finder-{uuid.uuid4()}"
    issued = server.instance.licence(name, operations=("detect", "manage-gallery"))
    made = server.client(
        aws_access_key_id=issued.licence.access_key_id,
        aws_secret_access_key=issued.secret_access_key,
    )
    made.create_collection(CollectionId="mine")

    def start() -> None:
        made.start_face_search(Video=_video("x.mp4", name), CollectionId="mine")

    assert _code(start) == "AccessDeniedException"
    assert server.instance.registrar.jobs.listed(name) == []


def _waiting(fresh: TemporaryInstance, *, enrolled: str | None = None) -> tuple[Any, str]:
    """A job that waits: no worker runs. The licence that it was started under, and its id."""
    from rightface.service_types import Caller, StoredObject

    issued = fresh.licence("acme")
    directory = fresh.instance.settings.data / "objects" / "acme"
    directory.mkdir(parents=True)
    clips.written(directory / "a.mp4", 1, lambda _: clips.placed((clips.grace(), 200)))
    caller = Caller(licence=issued.licence, purpose=PURPOSE, subject=None, request_id="r-1")
    fresh.service.create_collection(caller, "staff", {})
    if enrolled is not None:
        fresh.service.index_faces(
            caller,
            "staff",
            image=grace_hopper(),
            subject=enrolled,
            max_faces=None,
            quality_filter="AUTO",
        )
    started = fresh.service.start_face_search(
        caller,
        "staff",
        video=StoredObject(bucket="acme", name="a.mp4"),
        similarity=80.0,
        token=None,
        tag=None,
    )
    return caller, started.value


def test_a_licence_revoked_meanwhile_ends_the_job(fresh: TemporaryInstance) -> None:
    caller, job_id = _waiting(fresh)
    fresh.registrar.revoke_licence(caller.licence.licence_id)
    assert fresh.service._worker._work_once()
    job = fresh.registrar.jobs.find(job_id)
    assert job.state == "FAILED"
    assert job.message is not None
    assert "revoked" in job.message
    assert job.frames == 0


def test_a_licence_revoked_in_the_middle_ends_the_job(
    fresh: TemporaryInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rightface.service import video_work

    caller, job_id = _waiting(fresh)
    monkeypatch.setattr(video_work, "STRETCH_SECONDS", 0.0001)  # a batch to a stretch
    looked = fresh.service._look_through

    def look_and_revoke(*told: Any) -> bool:
        more = looked(*told)
        with contextlib.suppress(Exception):
            fresh.registrar.revoke_licence(caller.licence.licence_id)
        return more

    monkeypatch.setattr(fresh.service, "_look_through", look_and_revoke)
    assert fresh.service._worker._work_once()
    job = fresh.registrar.jobs.find(job_id)
    assert job.state == "FAILED"
    assert "revoked" in (job.message or "")


def test_consent_that_has_expired_hides_who_was_found(fresh: TemporaryInstance) -> None:
    until = datetime.now(UTC) + timedelta(seconds=25)
    fresh.consent("grace", expires_at=until)
    caller, _ = _waiting(fresh, enrolled="grace")
    assert fresh.service._worker._work_once()
    (job,) = fresh.registrar.jobs.listed()

    def told() -> list[str]:
        answer = fresh.service.get_face_search(caller, job.id, limit=9, after=None, by_index=True)
        leads = [lead for one in answer.value.sightings for lead in one.candidates]
        return sorted({str(lead.record.subject) for lead in leads})

    assert told() == ["grace"]
    while datetime.now(UTC) <= until:
        time.sleep(0.2)
    with fresh.instance.database.read() as session:
        found = session.execute(select(JobFaceRow.face_id)).scalars().all()
        assert session.get(FaceRow, found[0]) is not None, "no sweep has run here"
    assert told() == []


def test_another_purpose_is_not_told(fresh: TemporaryInstance) -> None:
    from rightface.errors import RequestError

    caller, job_id = _waiting(fresh)
    with pytest.raises(RequestError, match="another purpose"):
        fresh.service.get_face_search(
            replace(caller, purpose="research"), job_id, limit=10, after=None, by_index=False
        )


def test_a_job_that_ends_its_process_again_and_again_is_given_up(fresh: TemporaryInstance) -> None:
    _, job_id = _waiting(fresh)
    jobs, database = fresh.service.jobs, fresh.instance.database
    for _ in range(3):  # as three processes would that were killed in the middle
        database.write(lambda session: jobs.take(session, "killed"))
    database.write(lambda session: jobs.release_lease(session, "killed"))
    assert fresh.service._worker._work_once()
    job = fresh.registrar.jobs.find(job_id)
    assert job.state == "FAILED"
    assert job.message == "It was given up after 3 attempts that ended in the middle."


def test_metrics_tell_of_jobs(client: Any, server: Server, search: str) -> None:
    import urllib.request

    with urllib.request.urlopen(f"{server.endpoint_url}/metrics") as answer:
        page = answer.read().decode()
    assert 'rightface_jobs{state="SUCCEEDED"}' in page
    frames = next(
        line for line in page.splitlines() if line.startswith("rightface_job_frames_total")
    )
    assert float(frames.split()[-1]) >= 30
