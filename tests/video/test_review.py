"""Where people must review first, a video's leads are sealed: a review for each track with leads.

A real server and boto3; the reviewers decide through the service.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import pytest
from botocore.exceptions import ClientError
from sqlalchemy import update

from rightface.api.app import create_app
from rightface.api.server import running
from rightface.boto3 import Waiting, review_of, reviews_of, stamp
from rightface.errors import ReviewError, VideoTooLarge
from rightface.faces.face import Box
from rightface.faces.tracks import Track
from rightface.faces.video import VideoInfo
from rightface.gallery.jobs import SEARCH, Job, JobRow, Match
from rightface.service import sightings, video, video_work
from rightface.service.keeper import expire_jobs
from rightface.service_types import StoredObject
from tests.service.reviewing import (
    GALLERY,
    PURPOSE,
    House,
    eileen_collins,
    grace_hopper,
    house,
)
from tests.video import clips

CLIENT = "finders"
ENDED = ("SUCCEEDED", "FAILED")


@dataclass
class Served:
    """A house that serves, and a video of two people who are both enrolled there."""

    made: House
    client: Any

    def start(self, **told: Any) -> str:
        place = {"S3Object": {"Bucket": CLIENT, "Name": "two.mp4"}}
        asked = {"Video": place, "CollectionId": GALLERY, "FaceMatchThreshold": 90} | told
        return str(self.client.start_face_search(**asked)["JobId"])

    def end(self, job_id: str, **asked: Any) -> dict[str, Any]:
        until = time.monotonic() + 240
        while time.monotonic() < until:
            told: dict[str, Any] = self.client.get_face_search(JobId=job_id, **asked)
            if told["JobStatus"] in ENDED:
                return told
            assert "x-rightface-review" not in told["ResponseMetadata"]["HTTPHeaders"]
            time.sleep(0.2)
        pytest.fail("no end after 240 seconds")

    def searched(self) -> tuple[str, dict[str, Any]]:
        job_id = self.start()
        told = self.end(job_id)
        assert told["JobStatus"] == "SUCCEEDED", told.get("StatusMessage")
        return job_id, told

    def of(self, table: str, job_id: str) -> list[Any]:
        return [row for row in self.made.rows(table) if row.job_id == job_id]

    def reviews(self) -> set[str]:
        return {row.review_id for row in self.made.rows("reviews")}


def _furnished(made: House) -> None:
    made.reviewer("ann")
    made.enrol("grace", grace_hopper())
    made.enrol("eileen", eileen_collins())
    bucket = made.opened.instance.settings.data / "objects" / CLIENT
    bucket.mkdir(parents=True)
    both = clips.placed((clips.grace(), 20), (clips.eileen(), 360))
    clips.written(bucket / "two.mp4", 0.6, lambda _: both)


@pytest.fixture
def served(models: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    with house(models, monkeypatch) as made:
        _furnished(made)
        made.service.prepare()
        with running(create_app(made.service)) as url:
            client = boto3.client(
                "rekognition",
                endpoint_url=url,
                region_name="us-east-1",
                aws_access_key_id=made.licence.licence.access_key_id,
                aws_secret_access_key=made.licence.secret_access_key,
            )
            yield Served(made, stamp(client, purpose=PURPOSE))


@pytest.fixture
def by_hand(models: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    """The same without a server: no worker takes up the jobs. Reviewers have longer than jobs."""
    with house(models, monkeypatch, review_hours="200") as made:
        _furnished(made)
        yield made


def _people(told: dict[str, Any]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for one in told["Persons"]:
        assert one["FaceMatches"] == []
        assert one["Person"]["BoundingBox"]["Width"] > 0
        found.setdefault(one["Person"]["Index"], []).append(one["Timestamp"])
    return found


def test_from_the_video_to_the_lead(served: Served) -> None:
    made = served.made
    before = len(made.leaves())
    job_id, told = served.searched()
    # Who appears when; for each a review; nobody's name.
    assert _people(told) == {0: [0, 200, 400], 1: [0, 200, 400]}
    waiting = reviews_of(told)
    assert sorted(waiting) == [0, 1]
    assert {one.review_id for one in waiting.values()} == served.reviews()
    first = review_of(told)
    assert first == waiting[0]
    assert isinstance(first, Waiting)
    assert abs(first.expires_at - datetime.now(UTC) - timedelta(hours=72)) < timedelta(minutes=5)
    assert "grace" not in repr(told)
    assert "eileen" not in repr(told)
    assert served.of("job_faces", job_id) == []
    # The ledger has each review, and nothing of what is in it.
    leaves = made.leaves()[before:]
    assert [leaf.operation for leaf in leaves].count("review-open") == 2
    assert not any(leaf.subjects for leaf in leaves)
    assert not any({"candidates", "tracks"} & leaf.counts.keys() for leaf in leaves[:-2])
    # One is confirmed and told by its review; the other is not, and its sightings go.
    shown = {index: made.open("ann", one.review_id) for index, one in waiting.items()}
    assert all(len(one.candidates) == 1 for one in shown.values())
    assert shown[0].probe.startswith(b"\x89PNG")
    assert made.decide("ann", waiting[0].review_id, {1: "same"}) == 0
    assert made.decide("ann", waiting[1].review_id, {1: "not-this-person"}) == 0
    assert [row.part for row in served.of("job_parts", job_id)] == [0]
    told = served.end(job_id)
    assert _people(told) == {0: [0, 200, 400]}
    assert reviews_of(told) == {0: told_of(waiting[0], told)}
    outcome = made.outcome(waiting[0].review_id)
    assert (outcome.outcome, [one.record.subject for one in outcome.candidates]) == (
        "confirmed",
        ["grace"],
    )
    assert made.outcome(waiting[1].review_id).outcome == "not-this-person"
    made.nothing_left(waiting[1].review_id)


def told_of(one: Waiting, told: dict[str, Any]) -> Waiting:
    """The same review, with the end that it has after its decision."""
    ends = told["ResponseMetadata"]["HTTPHeaders"]["x-rightface-review-expires"]
    return one._replace(expires_at=datetime.fromisoformat(ends))


def test_pages_tell_of_the_reviews_of_their_people(served: Served) -> None:
    job_id, told = served.searched()
    waiting = reviews_of(told)
    pages = [served.end(job_id, MaxResults=3, SortBy="INDEX")]
    pages.append(served.end(job_id, MaxResults=3, SortBy="INDEX", NextToken=pages[0]["NextToken"]))
    assert [reviews_of(page) for page in pages] == [{0: waiting[0]}, {1: waiting[1]}]
    assert "NextToken" not in pages[1]


def test_a_page_ends_where_it_has_as_many_reviews_as_a_header_holds() -> None:
    sealed = {part: f"rev-{part}" for part in range(40)}
    entry = np.zeros(1, sightings.unpacked(b"").dtype)[0]
    entries = [(part, entry) for part in range(40) for _ in range(2)]
    assert len(video._page(entries, sealed)) == 2 * video.REVIEWS_AT_ONCE
    assert video._page(entries, {}) == entries
    assert video._page(entries[:5], sealed) == entries[:5]


def test_whoever_is_erased_leaves_the_review_and_the_client_is_not_told(served: Served) -> None:
    job_id, told = served.searched()
    waiting = reviews_of(told)
    served.made.opened.registrar.withdraw_consent("eileen")
    assert served.made.row(waiting[1].review_id).sealed_probe is None
    assert [row.review_id for row in served.made.rows("review_candidates")] == [
        waiting[0].review_id
    ]
    # The client learns nothing by it: who is to be seen stays until the reviews' time is over.
    assert [row.part for row in served.of("job_parts", job_id)] == [0, 1]
    again = served.end(job_id)
    assert _people(again) == _people(told)
    assert reviews_of(again) == waiting
    assert served.made.outcome(waiting[1].review_id).state == "open"
    _expire_job(served, job_id)
    assert served.made.outcome(waiting[1].review_id).outcome == "timeout"
    assert served.of("job_parts", job_id) == []


def test_who_matches_nobody_waits_for_a_review_like_everybody(served: Served) -> None:
    served.made.opened.registrar.withdraw_consent("eileen")
    job_id, told = served.searched()
    assert _people(told) == {0: [0, 200, 400], 1: [0, 200, 400]}
    waiting = reviews_of(told)
    assert [served.made.outcome(one.review_id).state for one in waiting.values()] == ["open"] * 2
    seated = {row.review_id for row in served.made.rows("review_candidates")}
    assert seated == {waiting[0].review_id}  # nobody looks at the other
    opened = served.made.leaves("review-open")
    assert len(opened) == 2
    assert len({(leaf.outcome, tuple(leaf.counts)) for leaf in opened}) == 1
    _expire_job(served, job_id)
    outcomes = [served.made.outcome(one.review_id).outcome for one in waiting.values()]
    assert outcomes == ["timeout", "timeout"]


def test_reviews_end_with_their_job(served: Served) -> None:
    made = served.made
    job_id, told = served.searched()
    waiting = reviews_of(told)
    assert made.decide("ann", _opened(made, waiting[0]), {1: "same"}) == 0
    _expire_job(served, job_id)
    assert [made.row(one.review_id).outcome for one in waiting.values()] == [
        "confirmed",
        "timeout",
    ]
    for one in waiting.values():
        made.nothing_left(one.review_id)
        assert made.outcome(one.review_id).candidates == ()
    assert served.of("job_parts", job_id) == []


def _expire_job(served: Served, job_id: str) -> None:
    past = datetime.now(UTC) - timedelta(seconds=1)
    database = served.made.opened.instance.database
    database.write(
        lambda session: (
            session.execute(update(JobRow).where(JobRow.id == job_id).values(expires_at=past))
            and None
        )
    )
    assert database.write(expire_jobs) == 1


def _opened(made: House, one: Waiting) -> str:
    made.open("ann", one.review_id)
    return one.review_id


# ---------------------------------------------------------------- before anybody is looked at
def test_without_reviewers_there_is_no_job(served: Served) -> None:
    served.made.end("ann")
    with pytest.raises(ClientError) as caught:
        served.start()
    assert caught.value.response["Error"]["Code"] == "AccessDeniedException"
    headers = caught.value.response["ResponseMetadata"]["HTTPHeaders"]
    assert "review#too-few-reviewers" in headers["x-rightface-reasons"]
    assert served.made.opened.registrar.jobs.listed() == []


def test_a_gallery_with_a_face_without_a_picture_is_not_searched(served: Served) -> None:
    from rightface.gallery.rows import FaceRow

    made = served.made
    job_id, _ = served.searched()
    made.opened.instance.database.write(
        lambda session: session.execute(update(FaceRow).values(crop=None)) and None
    )
    with pytest.raises(ClientError, match="nothing for them to see"):
        served.start()
    assert [job.id for job in made.opened.registrar.jobs.listed()] == [job_id]


# ---------------------------------------------------------------- once, or not at all
def _taken(made: House) -> Job:
    """A job, in the hands of a worker."""
    place = StoredObject(bucket=CLIENT, name="two.mp4")
    job_id = made.service.start_face_search(
        made.caller(), GALLERY, video=place, similarity=90.0, token=None, tag=None
    ).value
    job = made.opened.instance.database.write(lambda session: made.service.jobs.take(session, "me"))
    assert job is not None
    assert job.id == job_id
    return job


def _stopped_at_the_end(made: House, then: Callable[[str], object]) -> str:
    """Carry out a job; `then(job_id)` happens right before its result is kept, and ends it."""
    job = _taken(made)

    def going(progress: int, _frames: int, _info: VideoInfo) -> bool:
        if progress == 99:
            then(job.id)
        return True

    with pytest.raises(video_work.JobStopped):
        made.service.carry_out(job, "me", going)
    return job.id


def test_a_cancelled_job_seals_nothing(by_hand: House) -> None:
    _stopped_at_the_end(by_hand, by_hand.opened.registrar.jobs.cancel)
    assert by_hand.rows("reviews") == by_hand.rows("job_parts") == []
    assert by_hand.leaves("review-open") == []


def test_a_job_that_is_taken_up_again_is_sealed_once(by_hand: House) -> None:
    service, database = by_hand.service, by_hand.opened.instance.database

    def lose(_job_id: str) -> None:
        database.write(lambda session: service.jobs.release_lease(session, "me"))
        again = database.write(lambda session: service.jobs.take(session, "another"))
        assert again is not None
        service.carry_out(again, "another", lambda *_: True)

    job_id = _stopped_at_the_end(by_hand, lose)
    told = service.get_face_search(by_hand.caller(), job_id, limit=10, after=None, by_index=False)
    assert told.value.job.state == "SUCCEEDED"
    assert len(told.reviews) == 2
    assert set(told.reviews) == {row.review_id for row in by_hand.rows("reviews")}
    assert len(by_hand.leaves("review-open")) == 2
    # And they last no longer than the job's result, seven days.
    assert told.review_expires is not None
    assert told.review_expires <= datetime.now(UTC) + timedelta(days=7)


def test_more_than_people_can_review_is_no_result(
    by_hand: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(video_work, "MOST_REVIEWS", 1)
    with pytest.raises(VideoTooLarge, match="more than 1 tracks"):
        by_hand.service.carry_out(_taken(by_hand), "me", lambda *_: True)
    assert by_hand.rows("reviews") == []


# ---------------------------------------------------------------- the law changed meanwhile
def test_leads_that_nobody_had_to_review_are_not_told_where_somebody_must(by_hand: House) -> None:
    made, service = by_hand, by_hand.service
    face_id = next(row.id for row in made.rows("faces"))
    job = _taken(made)
    with service.job_permitted(made.caller(), SEARCH, GALLERY) as permit:

        def finish(session: Any) -> bool:
            return service.jobs.finish(
                session,
                job.id,
                "me",
                parts={0: (0, sightings.packed([]))},
                matches=[Match(part=0, face_id=face_id, fmr=1e-6, extrapolated=False)],
                reviews={},
                frames=1,
                video={},
                expires_at=datetime.now(UTC) + timedelta(days=1),
                permit=permit,
            )

        assert made.opened.instance.database.write(finish)
    with pytest.raises(ReviewError, match="did not when it ran"):
        service.get_face_search(made.caller(), job.id, limit=10, after=None, by_index=False)


def test_a_job_without_pictures_for_reviewers_has_no_result(by_hand: House) -> None:
    service = by_hand.service
    tracks = [Track(0, 0, Box(0, 0, 1, 1))]
    with service.job_permitted(by_hand.caller(), SEARCH, GALLERY) as permit:
        with pytest.raises(ReviewError, match="while the job was under way"):
            service._require_pictures(permit, tracks, video_work._Seen())
        service._require_pictures(permit, [], video_work._Seen())


# ---------------------------------------------------------------- kill -9
@pytest.mark.timeout(600)
def test_reviews_are_sealed_once_whatever_is_killed(by_hand: House) -> None:
    """A process of its own carries out the job, and is killed: at its first frames, when all was
    searched, and in the transaction that keeps the result, with the reviews written already."""
    data = by_hand.opened.instance.settings.data
    service = by_hand.service
    place = StoredObject(bucket=CLIENT, name="two.mp4")
    job_id = service.start_face_search(
        by_hand.caller(), GALLERY, video=place, similarity=90.0, token=None, tag=None
    ).value
    for when in ("0", "99", "keeping", ""):
        done = subprocess.run(
            [sys.executable, "-c", _KILLED, str(data), when],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode in (-signal.SIGKILL, 0), done.stderr
        assert (done.returncode == 0) == (when == ""), "the last one comes to its end"
        kept = len(by_hand.rows("reviews"))
        assert kept == (0 if when else 2)
    assert [one.state for one in by_hand.opened.registrar.jobs.listed()] == ["SUCCEEDED"]
    assert len(by_hand.leaves("review-open")) == len(by_hand.rows("job_parts")) == 2
    assert {row.job_id for row in by_hand.rows("job_parts")} == {job_id}


_KILLED = """
import os, signal, sys
from pathlib import Path
from sqlalchemy import event
from rightface.instance import Instance
from rightface.service import Service

data, when = Path(sys.argv[1]), sys.argv[2]
with Instance.open(data) as instance:
    service = Service(instance)
    write = instance.database.write
    write(lambda session: session.connection().exec_driver_sql("DELETE FROM job_lease") and None)
    job = write(lambda session: service.jobs.take(session, "process"))

    def going(progress, frames, info):
        if when.isdigit() and progress >= int(when):
            os.kill(os.getpid(), signal.SIGKILL)
        return True

    def executing(connection, cursor, statement, *_):
        if when == "keeping" and statement.startswith("INSERT INTO job_parts"):
            cursor.execute("SELECT count(*) FROM reviews")
            assert cursor.fetchone() == (2,)
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(instance.database.engine, "before_cursor_execute", executing)

    service.carry_out(job, "process", going)
"""
