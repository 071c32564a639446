"""Jobs on stored videos: what was asked, how far it is, the sealed results.

Each job has a key, wrapped by the instance's sub-key "jobs". It seals what was asked (a bucket's
and an object's name may be personal data), the sightings, and each match. A match is a row of
`job_faces`; so whoever is erased takes their matches along (`forget`), and the sightings of a track
that matched nobody else. Where people must review first, a track has no matches here but the id of
the review that holds them, and its sightings go when that has nothing left. A job expires with all
that it holds.

One worker at a time over all processes: it holds the lease, and every result is written in a
transaction that finds the lease still held. Must never know: HTTP, policy text, what a sighting is.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    JSON,
    ColumnElement,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Select,
    String,
    delete,
    exists,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column

from rightface.db import Base
from rightface.errors import JobLimit, JobMismatch, JobNotFound, KeysError
from rightface.gallery.rows import FaceRow, Moment
from rightface.keys import KeyRing, seal, unseal
from rightface.permit import Permit, Touch, require

SUBMITTED, IN_PROGRESS, SUCCEEDED, FAILED = "SUBMITTED", "IN_PROGRESS", "SUCCEEDED", "FAILED"
DETECTION, SEARCH = "face-detection", "face-search"
ATTEMPTS = 3
"""Processes that a job may take down with it before it is given up."""
LEASE_SECONDS = 15.0
_WORKER = "worker"
_AT_ONCE = 500
_LONGEST_MESSAGE = 1000


class JobRow(Base):
    """One job. The request is sealed; what is in the clear is for counting and finding."""

    __tablename__ = "jobs"
    __table_args__ = (
        Index("ix_jobs_state_created_at", "state", "created_at"),
        Index("ix_jobs_client", "client"),
        Index("ix_jobs_expires_at", "expires_at"),
    )

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    client: Mapped[str] = mapped_column(String(255))
    kind: Mapped[str] = mapped_column(String(16))
    state: Mapped[str] = mapped_column(String(16))
    message: Mapped[str | None] = mapped_column(String(_LONGEST_MESSAGE))
    progress: Mapped[int] = mapped_column(Integer)
    frames: Mapped[int] = mapped_column(Integer)
    attempts: Mapped[int] = mapped_column(Integer)
    collection_id: Mapped[str | None] = mapped_column(String(36))
    token: Mapped[str | None] = mapped_column(String(64), unique=True)
    """Keyed commitment of the client's request token."""
    asked: Mapped[str] = mapped_column(String(64))
    """Keyed commitment of what was asked, to tell a repeat from another request."""
    wrapped_key: Mapped[bytes] = mapped_column(LargeBinary)
    sealed_request: Mapped[bytes] = mapped_column(LargeBinary)
    video: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    """Codec, sides, rate, length: what the video says of itself."""
    created_at: Mapped[datetime] = mapped_column(Moment)
    finished_at: Mapped[datetime | None] = mapped_column(Moment)
    expires_at: Mapped[datetime] = mapped_column(Moment)


class JobPartRow(Base):
    """Sealed sightings: of one track of a search, or some of a detection."""

    __tablename__ = "job_parts"
    __table_args__ = (Index("ix_job_parts_review_id", "review_id"),)

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    part: Mapped[int] = mapped_column(Integer, primary_key=True)
    sightings: Mapped[int] = mapped_column(Integer)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    review_id: Mapped[str | None] = mapped_column(String(28))
    """The review that this track's leads are sealed for. They are there as long as it holds
    anything: then they go with it (reviews)."""


class JobFaceRow(Base):
    """One match: a track of a job, and an enrolled face that it may be."""

    __tablename__ = "job_faces"
    __table_args__ = (Index("ix_job_faces_face_id", "face_id"),)

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    part: Mapped[int] = mapped_column(Integer, primary_key=True)
    face_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)


class JobLeaseRow(Base):
    """Who works on jobs, until when."""

    __tablename__ = "job_lease"

    name: Mapped[str] = mapped_column(String(16), primary_key=True)
    owner: Mapped[str] = mapped_column(String(36))
    until: Mapped[datetime] = mapped_column(Moment)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a client asked of a job. Sealed at rest; never logged."""

    bucket: str = field(repr=False)
    name: str = field(repr=False)
    version: str | None = field(default=None, repr=False)
    tag: str | None = field(default=None, repr=False)
    collection: str | None = field(default=None, repr=False)
    similarity: float = 0.0
    licence_id: str
    purpose: str | None = None
    subject: str | None = field(default=None, repr=False)
    warrant: str | None = None
    declared: Mapping[str, bool | str] = field(default_factory=dict)
    request_id: str


@dataclass(frozen=True, kw_only=True)
class Job:
    """One job, without what was asked."""

    id: str
    client: str
    kind: str
    state: str
    message: str | None
    progress: int
    """Percent."""
    frames: int
    """Frames looked at so far."""
    attempts: int
    collection_id: str | None
    video: Mapping[str, Any] | None
    created_at: datetime
    finished_at: datetime | None
    expires_at: datetime


@dataclass(frozen=True, kw_only=True)
class Match:
    """A track, and an enrolled face that it may be."""

    part: int
    face_id: str
    fmr: float
    extrapolated: bool


_FIELDS = tuple(one.name for one in fields(Job))


def _jobs(*conditions: ColumnElement[bool]) -> Select[Any]:
    return select(*(getattr(JobRow, name) for name in _FIELDS)).where(*conditions)


class Jobs:
    """The jobs of one instance in SQL. Holds no state but keys; thread-safe."""

    def __init__(self, keyring: KeyRing) -> None:
        self._keyring = keyring

    # ------------------------------------------------------------ clients
    def submit(
        self,
        session: Session,
        *,
        client: str,
        kind: str,
        asked: Asked,
        collection_id: str | None,
        token: str | None,
        most: int,
        expires_at: datetime,
    ) -> str:
        """Put a job on record (inside `Database.write`); with an earlier token, the earlier job.

        Args:
            most: jobs that the client may have waiting or under way.

        Raises:
            JobMismatch: the token came with another request before.
            JobLimit: the client has `most` already.
        """
        told = asdict(asked)
        unseen = {name: value for name, value in told.items() if name != "request_id"}
        digest = self._keyring.commitment("job-asked", json.dumps([kind, unseen], sort_keys=True))
        marked = None
        if token is not None:
            marked = self._keyring.commitment("job-token", f"{client}\x1f{kind}\x1f{token}")
            earlier = session.execute(
                select(JobRow.id, JobRow.asked).where(JobRow.token == marked)
            ).one_or_none()
            if earlier is not None and earlier.asked != digest:
                raise JobMismatch(
                    "This ClientRequestToken came with another request before.",
                    mend="Give each job a token of its own.",
                )
            if earlier is not None:
                return str(earlier.id)
        waiting = JobRow.state.in_((SUBMITTED, IN_PROGRESS))
        query = select(func.count()).select_from(JobRow).where(waiting, JobRow.client == client)
        if session.execute(query).scalar_one() >= most:
            raise JobLimit(
                f"You have {most} jobs waiting or under way.", mend="Wait until one has ended."
            )
        job_id, key = secrets.token_hex(32), os.urandom(32)
        session.execute(
            insert(JobRow).values(
                id=job_id,
                client=client,
                kind=kind,
                state=SUBMITTED,
                progress=0,
                frames=0,
                attempts=0,
                collection_id=collection_id,
                token=marked,
                asked=digest,
                wrapped_key=seal(self._keyring.subkey("jobs"), key, key_place(job_id)),
                sealed_request=_sealed(key, told, "request", job_id),
                created_at=datetime.now(UTC),
                expires_at=expires_at,
            )
        )
        return job_id

    def find(self, session: Session, *, client: str, kind: str, job_id: str) -> Job:
        """The client's own job of that kind.

        Raises:
            JobNotFound: there is none, it has expired, or it is another client's.
        """
        row = session.execute(
            _jobs(JobRow.id == job_id, JobRow.client == client, JobRow.kind == kind)
        ).one_or_none()
        if row is None or row.expires_at <= datetime.now(UTC):
            raise JobNotFound("You have no such job.", why="A job's results expire.")
        return Job(**row._mapping)

    def asked_of(self, session: Session, job_id: str) -> Asked:
        """What was asked of a job.

        Raises:
            JobNotFound: it is gone. KeysError: the row does not open.
        """
        row = session.execute(
            select(JobRow.wrapped_key, JobRow.sealed_request).where(JobRow.id == job_id)
        ).one_or_none()
        if row is None:
            raise JobNotFound("The job is gone.")
        key = self._key(job_id, row.wrapped_key)
        return Asked(**json.loads(unseal(key, row.sealed_request, _place("request", job_id))))

    def sizes(self, session: Session, job_id: str) -> dict[int, int]:
        """How many sightings each part of a job's result has."""
        query = select(JobPartRow.part, JobPartRow.sightings).where(JobPartRow.job_id == job_id)
        return {row.part: row.sightings for row in session.execute(query.order_by(JobPartRow.part))}

    def reviews(self, session: Session, job_id: str) -> dict[int, str]:
        """The review that each track's leads are sealed for, by part; none: they are not sealed."""
        query = select(JobPartRow.part, JobPartRow.review_id).where(
            JobPartRow.job_id == job_id, JobPartRow.review_id.is_not(None)
        )
        return {row.part: row.review_id for row in session.execute(query.order_by(JobPartRow.part))}

    def open_parts(
        self, session: Session, job_id: str, parts: Sequence[int], *, permit: Permit
    ) -> dict[int, bytes]:
        """The sightings of some parts, as they were sealed. Needs DETECT.

        Raises:
            KeysError: a row does not open.
        """
        require(permit, Touch.DETECT)
        key = self._key_of(session, job_id)
        opened = {}
        for some in _in_parts(sorted(parts)):
            query = select(JobPartRow.part, JobPartRow.sealed).where(
                JobPartRow.job_id == job_id, JobPartRow.part.in_(some)
            )
            for part, sealed in session.execute(query):
                opened[part] = unseal(key, sealed, _place(f"part-{part}", job_id))
        return opened

    def open_matches(self, session: Session, job_id: str, *, permit: Permit) -> list[Match]:
        """Every match that is still there, by part, the closest first. Needs READ.

        Raises:
            KeysError: a row does not open.
        """
        require(permit, Touch.READ)
        key = self._key_of(session, job_id)
        query = select(JobFaceRow.part, JobFaceRow.face_id, JobFaceRow.sealed)
        found = []
        for part, face_id, sealed in session.execute(query.where(JobFaceRow.job_id == job_id)):
            place = _place(f"face-{part}-{face_id}", job_id)
            found.append(
                Match(part=part, face_id=face_id, **json.loads(unseal(key, sealed, place)))
            )
        return sorted(found, key=lambda one: (one.part, one.fmr, one.face_id))

    # ------------------------------------------------------------ the operator
    def listed(self, session: Session, client: str | None = None) -> list[Job]:
        """Every job, oldest first."""
        query = _jobs() if client is None else _jobs(JobRow.client == client)
        ordered = query.order_by(JobRow.created_at, JobRow.id)
        return [Job(**row._mapping) for row in session.execute(ordered)]

    def cancel(self, session: Session, job_id: str, expires_at: datetime) -> Job:
        """End a job that waits or is under way (inside `Database.write`).

        Raises:
            JobNotFound: there is none that could be ended.
        """
        row = session.execute(_jobs(JobRow.id == job_id)).one_or_none()
        if row is None or row.state in (SUCCEEDED, FAILED):
            raise JobNotFound("There is no such job waiting or under way.")
        self.fail(session, job_id, "Cancelled by the operator.", expires_at)
        return Job(**session.execute(_jobs(JobRow.id == job_id)).one()._mapping)

    def counts(self, session: Session) -> dict[str, int]:
        """How many jobs there are, by state."""
        query = select(JobRow.state, func.count().label("jobs")).group_by(JobRow.state)
        return {row.state: row.jobs for row in session.execute(query)}

    # ------------------------------------------------------------ the worker
    def take_lease(self, session: Session, owner: str) -> bool:
        """Take or prolong the lease (inside `Database.write`); whether `owner` has it now."""
        now = datetime.now(UTC)
        until = now + timedelta(seconds=LEASE_SECONDS)
        free = (JobLeaseRow.owner == owner) | (JobLeaseRow.until < now)
        taken = session.execute(
            update(JobLeaseRow)
            .where(JobLeaseRow.name == _WORKER, free)
            .values(owner=owner, until=until)
            .returning(JobLeaseRow.owner)
        ).first()
        if taken is not None:
            return True
        try:
            with session.begin_nested():
                session.execute(insert(JobLeaseRow).values(name=_WORKER, owner=owner, until=until))
        except IntegrityError:
            return False
        return True

    def release_lease(self, session: Session, owner: str) -> None:
        """Let the lease go (inside `Database.write`)."""
        session.execute(delete(JobLeaseRow).where(JobLeaseRow.owner == owner))

    def waits(self, session: Session) -> bool:
        """Whether there is anything to work on."""
        open_ = JobRow.state.in_((SUBMITTED, IN_PROGRESS))
        return session.execute(select(JobRow.id).where(open_).limit(1)).first() is not None

    def take(self, session: Session, owner: str) -> Job | None:
        """The next job, now in progress (inside `Database.write`); None: nothing to do.

        First what a process left unfinished; then the client who has waited the longest since one
        of theirs was finished, and of theirs the oldest.
        """
        if not self.take_lease(session, owner):
            return None
        waiting = session.execute(
            select(JobRow.id, JobRow.client, JobRow.state)
            .where(JobRow.state.in_((SUBMITTED, IN_PROGRESS)))
            .order_by(JobRow.created_at, JobRow.id)
        ).all()
        if not waiting:
            return None
        served = select(JobRow.client, func.max(JobRow.finished_at)).group_by(JobRow.client)
        last = {client: at for client, at in session.execute(served) if at is not None}
        never = datetime.min.replace(tzinfo=UTC)
        chosen = min(  # the first of the least, so the oldest
            waiting, key=lambda row: (row.state == SUBMITTED, last.get(row.client, never))
        )
        session.execute(
            update(JobRow)
            .where(JobRow.id == chosen.id)
            .values(state=IN_PROGRESS, attempts=JobRow.attempts + 1, progress=0, frames=0)
        )
        return Job(**session.execute(_jobs(JobRow.id == chosen.id)).one()._mapping)

    def note(
        self,
        session: Session,
        job_id: str,
        owner: str,
        *,
        progress: int,
        frames: int,
        video: Mapping[str, Any] | None,
    ) -> bool:
        """Tell how far a job is (inside `Database.write`); whether to go on with it."""
        if not self.take_lease(session, owner):
            return False
        still = session.execute(
            update(JobRow)
            .where(JobRow.id == job_id, JobRow.state == IN_PROGRESS)
            .values(progress=progress, frames=frames, video=None if video is None else dict(video))
            .returning(JobRow.id)
        ).first()
        return still is not None

    def put_back(self, session: Session, job_id: str, owner: str) -> None:
        """An attempt that does not count: the process ends in good order, or the records did not
        answer (inside `write`). Nothing, if `owner` has lost the lease: another works on it.
        """
        if not self.take_lease(session, owner):
            return
        session.execute(
            update(JobRow)
            .where(JobRow.id == job_id, JobRow.state == IN_PROGRESS)
            .values(state=SUBMITTED, attempts=JobRow.attempts - 1, progress=0)
        )

    def fail(
        self,
        session: Session,
        job_id: str,
        message: str,
        expires_at: datetime,
        *,
        owner: str | None = None,
    ) -> None:
        """A job has failed; `message` holds no personal data (inside `Database.write`).

        Nothing, if a worker says so (`owner`) that has lost the lease: another works on it.
        """
        if owner is not None and not self.take_lease(session, owner):
            return
        session.execute(
            update(JobRow)
            .where(JobRow.id == job_id, JobRow.state.in_((SUBMITTED, IN_PROGRESS)))
            .values(
                state=FAILED,
                message=message[:_LONGEST_MESSAGE],
                finished_at=datetime.now(UTC),
                expires_at=expires_at,
            )
        )
        self._forget_whom(session, job_id)

    def finish(
        self,
        session: Session,
        job_id: str,
        owner: str,
        *,
        parts: Mapping[int, tuple[int, bytes]],
        matches: Iterable[Match],
        reviews: Mapping[int, str],
        frames: int,
        video: Mapping[str, Any],
        expires_at: datetime,
        permit: Permit,
    ) -> bool:
        """Seal and keep a job's result (inside `Database.write`); whether it was kept. DETECT.

        Matches with faces that were erased meanwhile are not kept, nor is a part all of whose
        matches were with them.

        Args:
            parts: by number, how many sightings, and they.
            reviews: by part, the review that its leads are sealed for; it has no matches then.
        """
        require(permit, Touch.DETECT)
        if not self.note(session, job_id, owner, progress=100, frames=frames, video=video):
            return False
        key = self._key_of(session, job_id)
        matched = list(matches)
        there: set[str] = set()
        for some in _in_parts(sorted({one.face_id for one in matched})):
            there |= set(session.execute(select(FaceRow.id).where(FaceRow.id.in_(some))).scalars())
        lost = {one.part for one in matched} - {m.part for m in matched if m.face_id in there}
        for part, (count, plain) in parts.items():
            if part not in lost:
                sealed = seal(key, plain, _place(f"part-{part}", job_id))
                session.execute(
                    insert(JobPartRow).values(
                        job_id=job_id,
                        part=part,
                        sightings=count,
                        sealed=sealed,
                        review_id=reviews.get(part),
                    )
                )
        for one in matched:
            if one.face_id in there:
                told = {"fmr": one.fmr, "extrapolated": one.extrapolated}
                sealed = _sealed(key, told, f"face-{one.part}-{one.face_id}", job_id)
                session.execute(
                    insert(JobFaceRow).values(
                        job_id=job_id, part=one.part, face_id=one.face_id, sealed=sealed
                    )
                )
        session.execute(
            update(JobRow)
            .where(JobRow.id == job_id)
            .values(state=SUCCEEDED, finished_at=datetime.now(UTC), expires_at=expires_at)
        )
        self._forget_whom(session, job_id)
        return True

    def _forget_whom(self, session: Session, job_id: str) -> None:
        # Whom the client named is needed no longer once the work is over.
        try:
            asked = self.asked_of(session, job_id)
        except KeysError:  # damaged: nobody can read it; it goes with the row
            return
        if asked.subject is not None:
            told = asdict(asked) | {"subject": None}
            sealed = _sealed(self._key_of(session, job_id), told, "request", job_id)
            session.execute(update(JobRow).where(JobRow.id == job_id).values(sealed_request=sealed))

    # ------------------------------------------------------------ keys
    def _key_of(self, session: Session, job_id: str) -> bytes:
        wrapped = session.execute(
            select(JobRow.wrapped_key).where(JobRow.id == job_id)
        ).scalar_one_or_none()
        if wrapped is None:
            raise JobNotFound("The job is gone.")
        return self._key(job_id, wrapped)

    def _key(self, job_id: str, wrapped: bytes) -> bytes:
        return self._keyring.unseal("jobs", wrapped, key_place(job_id))


def drop_reviewed(session: Session, review_id: str) -> None:
    """Destroy the sightings of the track whose leads a review held, if it is a video's."""
    session.execute(delete(JobPartRow).where(JobPartRow.review_id == review_id))


def reviews_due(session: Session, at: datetime) -> list[str]:
    """The reviews of jobs that have expired: they are to be ended before `expire`."""
    query = (
        select(JobPartRow.review_id)
        .join(JobRow, JobRow.id == JobPartRow.job_id)
        .where(JobRow.expires_at <= at, JobPartRow.review_id.is_not(None))
    )
    return [review_id for review_id in session.scalars(query) if review_id is not None]


def expire(session: Session, at: datetime) -> int:
    """Destroy what has expired, results and keys and all (inside `Database.write`); how many.

    Its reviews are ended before (reviews.end).
    """
    due = session.execute(select(JobRow.id).where(JobRow.expires_at <= at)).scalars().all()
    for some in _in_parts(due):
        for table in (JobFaceRow, JobPartRow):
            session.execute(delete(table).where(table.job_id.in_(some)))
        session.execute(delete(JobRow).where(JobRow.id.in_(some)))
    return len(due)


def forget(session: Session, face_ids: Collection[str]) -> int:
    """Destroy whatever is kept here of these faces (inside the transaction that erases them).

    Called by the one erasure path (erasure.py), before the faces' rows go. Gone are their matches,
    and the sightings of every track that matches nobody any more.

    Returns:
        How many things were destroyed.
    """
    destroyed = 0
    for some in _in_parts(sorted(face_ids)):
        gone = session.execute(
            delete(JobFaceRow)
            .where(JobFaceRow.face_id.in_(some))
            .returning(JobFaceRow.job_id, JobFaceRow.part)
        ).all()
        destroyed += len(gone)
        for job_id, part in {(row.job_id, row.part) for row in gone}:
            others = exists().where(JobFaceRow.job_id == job_id, JobFaceRow.part == part)
            session.execute(
                delete(JobPartRow).where(
                    JobPartRow.job_id == job_id, JobPartRow.part == part, ~others
                )
            )
    return destroyed


def left(session: Session, face_ids: Collection[str]) -> int:
    """The verification query: how many things are still kept here of these faces."""
    return sum(
        session.execute(
            select(func.count()).select_from(JobFaceRow).where(JobFaceRow.face_id.in_(some))
        ).scalar_one()
        for some in _in_parts(sorted(face_ids))
    )


def _in_parts(items: Sequence[Any]) -> Iterable[Sequence[Any]]:
    return (items[start : start + _AT_ONCE] for start in range(0, len(items), _AT_ONCE))


def _sealed(key: bytes, told: Any, kind: str, job_id: str) -> bytes:
    return seal(key, json.dumps(told).encode(), _place(kind, job_id))


def key_place(job_id: str) -> bytes:
    """What binds a job's wrapped key to its job (the sub-key is `jobs`)."""
    return _place("key", job_id)


def _place(kind: str, job_id: str) -> bytes:
    return f"rightface/job-{kind}/1\x1f{job_id}".encode()
