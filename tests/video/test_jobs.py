"""Jobs on record: tokens, limits, the lease, turns of clients, forgetting."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update

from instance import TemporaryInstance
from rightface.db import Database
from rightface.errors import JobLimit, JobMismatch, JobNotFound, KeysError
from rightface.gallery import jobs
from rightface.gallery.jobs import (
    DETECTION,
    SEARCH,
    Asked,
    JobFaceRow,
    JobLeaseRow,
    JobPartRow,
    JobRow,
    Jobs,
    Match,
)
from rightface.gallery.rows import CollectionRow, FaceRow, SubjectRow
from rightface.keys import KeyRing
from rightface.ledger.leaf import Leaf
from rightface.ledger.log import entries, size
from tests.conftest import Permitted

ASKED = Asked(
    bucket="acme",
    name="entrance/alice-and-bob.mp4",
    tag="case-of-alice",
    collection="staff",
    similarity=90.0,
    licence_id="lic-1",
    purpose="access-control",
    subject="alice",
    request_id="r-1",
)
TOMORROW = timedelta(days=1)
VIDEO = {"codec": "h264"}


@pytest.fixture
def held(keyring: KeyRing) -> Jobs:
    return Jobs(keyring)


def _submit(database: Database, held: Jobs, **changed: Any) -> str:
    told: dict[str, Any] = {
        "client": "acme",
        "kind": SEARCH,
        "asked": ASKED,
        "collection_id": "c-1",
        "token": None,
        "most": 20,
        "expires_at": datetime.now(UTC) + TOMORROW,
    }
    return database.write(lambda session: held.submit(session, **(told | changed)))


def _faces(database: Database, count: int) -> list[str]:
    """So many faces' rows. Their content matters to nobody here."""
    ids = [str(uuid.uuid4()) for _ in range(count)]
    now = datetime.now(UTC)

    def work(session: Any) -> None:
        session.add(
            CollectionRow(id="c-1", client="acme", name="staff", pack_digest="0", created_at=now)
        )
        session.add(SubjectRow(id="s-1", wrapped_key=b"", created_at=now))
        session.flush()
        for face_id in ids:
            session.add(
                FaceRow(
                    **{"id": face_id, "collection_id": "c-1", "subject_id": "s-1"},
                    **{"image_id": "i", "template": b"", "basis": "", "purpose": ""},
                    **{"box_left": 0, "box_top": 0, "box_width": 0, "box_height": 0},
                    **{"confidence": 0, "enrolled_at": now, "ledger_index": 0},
                )
            )

    database.write(work)
    return ids


def _finish(
    database: Database, held: Jobs, permitted: Permitted, job_id: str, matches: list[Match]
) -> bool:
    parts = {each.part: (1, b"sightings %d" % each.part) for each in matches}
    with permitted("identify-1toN") as permit:
        return database.write(
            lambda session: held.finish(
                session,
                job_id,
                "me",
                parts=parts,
                matches=matches,
                reviews={},
                frames=7,
                video=VIDEO,
                expires_at=datetime.now(UTC) + TOMORROW,
                permit=permit,
            )
        )


def _count(database: Database, table: Any) -> int:
    with database.read() as session:
        return session.execute(select(func.count()).select_from(table)).scalar_one()


def test_what_was_asked_is_sealed(database: Database, held: Jobs) -> None:
    job_id = _submit(database, held)
    with database.read() as session:
        row = session.get_one(JobRow, job_id)
        content = b"".join(
            value if isinstance(value, bytes) else str(value).encode()
            for name, value in vars(row).items()
            if not name.startswith("_")
        )
        assert held.asked_of(session, job_id) == ASKED
    for word in (b"alice", b"entrance", b"staff"):
        assert word not in content


def test_a_sealed_request_opens_in_its_own_place_alone(database: Database, held: Jobs) -> None:
    one, other = _submit(database, held), _submit(database, held)

    def swap(session: Any) -> None:
        sealed = session.get_one(JobRow, one).sealed_request
        session.execute(update(JobRow).where(JobRow.id == other).values(sealed_request=sealed))

    database.write(swap)
    with database.read() as session, pytest.raises(KeysError):
        held.asked_of(session, other)


def test_a_token_gives_the_same_job_and_never_another_request(
    database: Database, held: Jobs
) -> None:
    first = _submit(database, held, token="t-1")
    again = _submit(database, held, token="t-1", asked=replace(ASKED, request_id="r-2"))
    assert first == again
    with pytest.raises(JobMismatch):
        _submit(database, held, token="t-1", asked=replace(ASKED, similarity=91.0))
    assert _submit(database, held, token="t-1", client="other") != first
    assert _submit(database, held, token="t-2") != first
    assert _submit(database, held) != _submit(database, held), "without a token each is its own"


def test_a_client_has_so_many_jobs_at_once(database: Database, held: Jobs) -> None:
    for _ in range(3):
        _submit(database, held, most=3)
    with pytest.raises(JobLimit, match="3 jobs"):
        _submit(database, held, most=3)
    _submit(database, held, most=3, client="other")


def test_another_clients_job_is_none(database: Database, held: Jobs) -> None:
    job_id = _submit(database, held)
    with database.read() as session:
        assert held.find(session, client="acme", kind=SEARCH, job_id=job_id).state == "SUBMITTED"
        for client, kind in (("other", SEARCH), ("acme", DETECTION)):
            with pytest.raises(JobNotFound):
                held.find(session, client=client, kind=kind, job_id=job_id)


def test_one_worker_has_the_lease_until_it_runs_out(database: Database, held: Jobs) -> None:
    def take(owner: str) -> bool:
        return database.write(lambda session: held.take_lease(session, owner))

    assert take("me")
    assert not take("you")
    assert take("me"), "it is prolonged"
    past = datetime.now(UTC) - timedelta(seconds=1)
    database.write(lambda session: session.execute(update(JobLeaseRow).values(until=past)))
    assert take("you"), "whoever held it was killed"
    assert not take("me")
    database.write(lambda session: held.release_lease(session, "you"))
    assert take("me")


def test_what_was_left_unfinished_comes_first_then_clients_take_turns(
    database: Database, held: Jobs
) -> None:
    many = [_submit(database, held, client="busy") for _ in range(3)]
    other = _submit(database, held, client="quiet")

    def take() -> str | None:
        job = database.write(lambda session: held.take(session, "me"))
        return None if job is None else job.id

    def fail(job_id: str) -> None:
        until = datetime.now(UTC) + TOMORROW
        database.write(lambda session: held.fail(session, job_id, "No.", until))

    assert take() == many[0]
    assert take() == many[0], "a process was killed: it is taken up again"
    fail(many[0])
    assert take() == other, "who has not been served yet"
    fail(other)
    assert take() == many[1]
    fail(many[1])
    assert take() == many[2]
    fail(many[2])
    assert take() is None


def test_nothing_is_kept_of_a_worker_that_lost_its_lease(
    database: Database, held: Jobs, permitted: Permitted
) -> None:
    (face_id,) = _faces(database, 1)
    job_id = _submit(database, held)
    database.write(lambda session: held.take(session, "me"))
    match = Match(part=0, face_id=face_id, fmr=1e-5, extrapolated=False)
    past = datetime.now(UTC) - timedelta(seconds=1)
    database.write(
        lambda session: session.execute(update(JobLeaseRow).values(owner="me", until=past))
    )
    database.write(lambda session: held.take_lease(session, "you"))
    assert not _finish(database, held, permitted, job_id, [match])
    assert _count(database, JobPartRow) == _count(database, JobFaceRow) == 0


def test_a_cancelled_job_keeps_nothing(
    database: Database, held: Jobs, permitted: Permitted
) -> None:
    (face_id,) = _faces(database, 1)
    job_id = _submit(database, held)
    database.write(lambda session: held.take(session, "me"))
    until = datetime.now(UTC) + TOMORROW
    cancelled = database.write(lambda session: held.cancel(session, job_id, until))
    assert (cancelled.state, cancelled.message) == ("FAILED", "Cancelled by the operator.")
    match = Match(part=0, face_id=face_id, fmr=1e-5, extrapolated=False)
    assert not _finish(database, held, permitted, job_id, [match])
    assert _count(database, JobPartRow) == 0
    with pytest.raises(JobNotFound):
        database.write(lambda session: held.cancel(session, job_id, until))


def test_who_is_erased_takes_matches_along_and_tracks_that_matched_nobody_else(
    database: Database, held: Jobs, permitted: Permitted
) -> None:
    alice, bob, erased = _faces(database, 3)
    job_id = _submit(database, held)
    database.write(lambda session: held.take(session, "me"))
    database.write(
        lambda session: session.delete(session.get_one(FaceRow, erased))
    )  # after the search, before its result is kept
    matches = [
        Match(part=0, face_id=alice, fmr=1e-5, extrapolated=False),
        Match(part=1, face_id=alice, fmr=1e-6, extrapolated=True),
        Match(part=1, face_id=bob, fmr=1e-5, extrapolated=False),
        Match(part=2, face_id=erased, fmr=1e-5, extrapolated=False),
    ]
    assert _finish(database, held, permitted, job_id, matches)
    with database.read() as session, permitted("identify-1toN") as permit:
        assert held.open_matches(session, job_id, permit=permit) == matches[:3]
        assert held.sizes(session, job_id) == {0: 1, 1: 1}
        opened = held.open_parts(session, job_id, [0, 1], permit=permit)
        assert opened == {0: b"sightings 0", 1: b"sightings 1"}
        assert jobs.left(session, [alice, bob]) == 3
        assert held.asked_of(session, job_id).subject is None, "needed no longer"
    assert database.write(lambda session: jobs.forget(session, [alice])) == 2
    with database.read() as session, permitted("identify-1toN") as permit:
        assert jobs.left(session, [alice]) == 0
        assert [one.face_id for one in held.open_matches(session, job_id, permit=permit)] == [bob]
        assert held.sizes(session, job_id) == {1: 1}


def test_what_has_expired_is_gone_with_its_key(
    database: Database, held: Jobs, permitted: Permitted
) -> None:
    (face_id,) = _faces(database, 1)
    done, waiting = _submit(database, held), _submit(database, held, client="other")
    database.write(lambda session: held.take(session, "me"))
    match = Match(part=0, face_id=face_id, fmr=1e-5, extrapolated=False)
    assert _finish(database, held, permitted, done, [match])
    assert database.write(lambda session: jobs.expire(session, datetime.now(UTC))) == 0
    past = datetime.now(UTC) - timedelta(seconds=1)
    database.write(
        lambda session: session.execute(
            update(JobRow).where(JobRow.id == done).values(expires_at=past)
        )
    )
    with database.read() as session, pytest.raises(JobNotFound):
        held.find(session, client="acme", kind=SEARCH, job_id=done)
    assert database.write(lambda session: jobs.expire(session, datetime.now(UTC))) == 1
    assert _count(database, JobPartRow) == _count(database, JobFaceRow) == 0
    with database.read() as session:
        assert [job.id for job in held.listed(session)] == [waiting]


def test_the_operator_sees_no_names_and_the_ledger_keeps_a_cancellation(
    fresh: TemporaryInstance,
) -> None:
    instance = fresh.instance
    job_id = _submit(instance.database, Jobs(instance.keyring))
    (job,) = fresh.registrar.jobs.listed("acme")
    assert job.id == job_id
    assert "alice" not in repr(job)
    assert fresh.registrar.jobs.find(job_id[:8]).id == job_id
    with pytest.raises(JobNotFound):
        fresh.registrar.jobs.find(job_id[:7])
    assert fresh.registrar.jobs.cancel(job_id[:8]).state == "FAILED"
    assert fresh.registrar.jobs.listed("nobody") == []
    with instance.database.read() as session:
        (body,) = entries(session, size(session) - 1, size(session))
    leaf = Leaf.parse(body)
    assert (leaf.kind, leaf.operation, leaf.client) == ("act", "job-cancel", "acme")


def test_a_worker_that_lost_its_lease_ends_no_job(database: Database, held: Jobs) -> None:
    job_id = _submit(database, held)
    database.write(lambda session: held.take(session, "me"))
    past = datetime.now(UTC) - timedelta(seconds=1)
    database.write(lambda session: session.execute(update(JobLeaseRow).values(until=past)))
    taken = database.write(lambda session: held.take(session, "you"))
    assert taken is not None
    assert taken.id == job_id
    until = datetime.now(UTC) + TOMORROW
    database.write(lambda session: held.fail(session, job_id, "No.", until, owner="me"))
    database.write(lambda session: held.put_back(session, job_id, "me"))
    with database.read() as session:
        (job,) = held.listed(session)
    assert (job.state, job.attempts) == (jobs.IN_PROGRESS, 2)
    database.write(lambda session: held.put_back(session, job_id, "you"))
    with database.read() as session:
        (job,) = held.listed(session)
    assert (job.state, job.attempts) == (jobs.SUBMITTED, 1)


def test_a_damaged_job_fails_and_holds_up_nobody(database: Database, held: Jobs) -> None:
    bad, good = _submit(database, held), _submit(database, held, token="another")
    database.write(
        lambda session: session.execute(
            update(JobRow).where(JobRow.id == bad).values(sealed_request=b"damaged")
        )
    )
    taken = database.write(lambda session: held.take(session, "me"))
    assert taken is not None
    assert taken.id == bad
    with database.read() as session, pytest.raises(KeysError):
        held.asked_of(session, bad)
    until = datetime.now(UTC) + TOMORROW
    database.write(lambda session: held.fail(session, bad, "Damaged.", until, owner="me"))
    taken = database.write(lambda session: held.take(session, "me"))
    assert taken is not None
    assert taken.id == good
