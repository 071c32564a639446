"""Stored video: jobs that find faces, or search for those who appear, and what they found.

A stored file, after the event: the law's `detect` and `identify-1toN`. Live or ongoing surveillance
is another operation (`identify-live`), with a law of its own, and nothing here leads to it; nor can
a person be followed from one video to another.

The gate is asked when a job is started, for each stretch of the work (`video_work`), and whenever
results are told. Then each candidate's consent is looked at again: who withdrew meanwhile is gone.
Leads that people must review are told by their reviews alone (review.py); here, who waits for
which. Must never know: a wire format, a command line.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
from sqlalchemy.orm import Session

from rightface.errors import CollectionNotFound, RequestError, ReviewError, VideoTooLarge
from rightface.faces.calibration import similarity as similarity_of
from rightface.gallery import reviews
from rightface.gallery.jobs import DETECTION, SEARCH, SUCCEEDED, Asked, Job, Match
from rightface.gallery.pages import PageTokens
from rightface.instance import Instance
from rightface.permit import Permit
from rightface.service import sightings
from rightface.service.desk import answer, purpose_of, record_of, strictest
from rightface.service.floors import floor_of
from rightface.service.video_work import MOST_LEADS, VideoWork
from rightface.service_types import (
    Answer,
    Caller,
    Candidate,
    Floor,
    JobStatus,
    Sighting,
    StoredObject,
    VideoFaces,
    VideoMetadata,
    VideoPersons,
)

REVIEWS_AT_ONCE = 32
"""Reviews that one page tells of: their ids travel in a header."""


class Waiting(NamedTuple):
    """Which reviews the people of a page wait for, and until when the first of them lasts."""

    reviews: tuple[str, ...]
    expires_at: datetime | None


class Video(VideoWork):
    """Jobs on stored videos, as clients start them and read their results."""

    def __init__(self, instance: Instance) -> None:
        super().__init__(instance)
        self._tokens = PageTokens(instance.keyring)
        self.on_submit: Callable[[], None] = lambda: None
        """Told of each new job."""

    # ------------------------------------------------------------ start
    def start_face_detection(
        self, caller: Caller, *, video: StoredObject, token: str | None, tag: str | None
    ) -> Answer[str]:
        """Start a job that finds the faces of a stored video; its id.

        Raises:
            ObjectError: it cannot be read. VideoTooLarge: too many bytes.
            JobLimit, JobMismatch: see `Jobs.submit`.
        """
        return self._start(caller, DETECTION, None, video, 0.0, token, tag)

    def start_face_search(
        self,
        caller: Caller,
        collection: str,
        *,
        video: StoredObject,
        similarity: float,
        token: str | None,
        tag: str | None,
    ) -> Answer[str]:
        """Start a job that searches a collection for those who appear in a stored video; its id.

        Raises:
            CollectionNotFound: you have none of that name. And as `start_face_detection`.
            ReviewError: people must review its leads, and a face there has no picture.
        """
        return self._start(caller, SEARCH, collection, video, similarity, token, tag)

    def _start(
        self,
        caller: Caller,
        kind: str,
        collection: str | None,
        video: StoredObject,
        similarity: float,
        token: str | None,
        tag: str | None,
    ) -> Answer[str]:
        settings = self.instance.settings
        with self.job_permitted(caller, kind, collection) as permit:
            collection_id = None
            if collection is not None:
                with self.instance.database.read() as session:
                    gallery = self.searchable(session, caller, collection)
                    self.require_reviewable(session, permit, gallery)
                    collection_id = gallery.id
            size = self.instance.objects.size(
                video.bucket, video.name, video.version, client=caller.licence.client
            )
            if size > settings.video_megabytes << 20:
                raise VideoTooLarge(
                    "The video has too many bytes.",
                    why=f"{size} bytes; at most {settings.video_megabytes} MiB are read.",
                )
            asked = Asked(
                bucket=video.bucket,
                name=video.name,
                version=video.version,
                tag=tag,
                collection=collection,
                similarity=similarity,
                licence_id=caller.licence.licence_id,
                purpose=purpose_of(caller),
                subject=caller.subject,
                warrant=caller.warrant,
                declared=dict(caller.declared),
                request_id=caller.request_id,
            )

            def work(session: Session) -> str:
                job_id = self.jobs.submit(
                    session,
                    client=caller.licence.client,
                    kind=kind,
                    asked=asked,
                    collection_id=collection_id,
                    token=token,
                    most=settings.jobs_per_client,
                    expires_at=self.expiry(),
                )
                self.instance.record_outcome(session, permit, "submitted")
                return job_id

            job_id = self.instance.database.write(work)
            self.on_submit()
            return answer(permit, job_id)

    # ------------------------------------------------------------ tell
    def get_face_detection(
        self, caller: Caller, job_id: str, *, limit: int, after: str | None
    ) -> Answer[VideoFaces]:
        """One page of what a job found, by time.

        Raises:
            JobNotFound: no such job of this client. PageTokenError: `after` is not of this list.
            RequestError: it was started for another purpose.
        """
        job, asked = self._job(caller, DETECTION, job_id)
        with self.job_permitted(caller, DETECTION, None) as permit:
            start = self._position(job, "time", after)
            faces: list[tuple[int, Any]] = []
            total = 0
            if job.state == SUCCEEDED:
                with self.instance.database.read() as session:
                    sizes = self.jobs.sizes(session, job_id)
                    total = sum(sizes.values())
                    table, begins = self._some(session, permit, job_id, sizes, start, limit)
                some = table[start - begins : start - begins + limit]
                faces = [(int(entry["at"]), sightings.face_of(entry)) for entry in some]
            self.done(permit, "told", counts={"faces": len(faces)})
            told = VideoFaces(
                job=_status(job, asked),
                faces=faces,
                next=self._next(job, "time", start + limit, total),
            )
            return answer(permit, told)

    def _some(
        self,
        session: Session,
        permit: Permit,
        job_id: str,
        sizes: dict[int, int],
        start: int,
        limit: int,
    ) -> tuple[sightings.Table, int]:
        """The parts that hold the sightings from `start` on, and the place of their first."""
        wanted: list[int] = []
        first = place = 0
        for part, count in sizes.items():
            if place + count > start and place < start + limit:
                first = place if not wanted else first
                wanted.append(part)
            place += count
        opened = self.jobs.open_parts(session, job_id, wanted, permit=permit)
        return sightings.unpacked(b"".join(opened[part] for part in wanted)), first

    def get_face_search(
        self, caller: Caller, job_id: str, *, limit: int, after: str | None, by_index: bool
    ) -> Answer[VideoPersons]:
        """One page of the people for whom a job has leads that may be told now.

        By time, or by person (`by_index`). Of people whose leads are sealed no lead is told, but
        which reviews they wait for, in the order in which they appear on the page. Raises as
        `get_face_detection`, and:

        Raises:
            CollectionNotFound: the collection was deleted.
            ReviewError: people must review the leads, and when they were found nobody had to.
        """
        job, asked = self._job(caller, SEARCH, job_id)
        with self.job_permitted(caller, SEARCH, asked.collection) as permit:
            order = "index" if by_index else "time"
            start = self._position(job, order, after)
            told: list[Sighting] = []
            total, waiting = 0, Waiting((), None)
            floor: Floor | None = None
            if job.state == SUCCEEDED:
                with self.instance.database.read() as session:
                    leads, floor = self._usable_leads(session, caller, permit, job, asked)
                    sealed = self.jobs.reviews(session, job_id)
                    leads |= {part: [] for part in sealed}
                    parts = self.jobs.open_parts(session, job_id, list(leads), permit=permit)
                    subjects = [one.record.subject for each in leads.values() for one in each]
                    known = self.known(session, subjects)
                    entries = _ordered(parts, by_index)
                    total = len(entries)
                    page = _page(entries[start : start + limit], sealed)
                    waiting = self._waiting(session, sealed, [part for part, _ in page])
                told = [
                    Sighting(
                        at_ms=int(entry["at"]),
                        index=part,
                        face=sightings.face_of(entry),
                        candidates=leads[part],
                    )
                    for part, entry in page
                ]
                counts = {"candidates": sum(map(len, leads.values())), "persons": len(leads)}
                limit = len(page)
                self.done(permit, "told", subjects=known, counts=counts)
            else:
                self.done(permit, "told")
            value = VideoPersons(
                job=_status(job, asked),
                sightings=told,
                next=self._next(job, order, start + limit, total),
            )
            return replace(
                answer(permit, value, floor=floor),
                reviews=waiting.reviews,
                review_expires=waiting.expires_at,
            )

    def _waiting(self, session: Session, sealed: dict[int, str], shown: Sequence[int]) -> Waiting:
        """The reviews of the people on a page, each once, and when the first of them ends."""
        ids = tuple(dict.fromkeys(sealed[part] for part in shown if part in sealed))
        ends = [reviews.find(session, each).expires_at for each in ids]
        return Waiting(ids, min(ends, default=None))

    def _usable_leads(
        self, session: Session, caller: Caller, permit: Permit, job: Job, asked: Asked
    ) -> tuple[dict[int, list[Candidate]], Floor]:
        """By track, the leads that may be told here and now; and the rate that they are within."""
        assert asked.collection is not None  # a search has one
        gallery = self.searchable(session, caller, asked.collection)
        if gallery.id != job.collection_id:
            raise CollectionNotFound("The collection was deleted after the job had started.")
        obligations = strictest(permit)
        aim = self.aim_of(session, gallery)
        floor = floor_of(permit, self.instance.pack.calibration, asked.similarity, aim)
        most = int(min(MOST_LEADS, obligations.get("max-candidates", MOST_LEADS)))
        kept = self.jobs.open_matches(session, job.id, permit=permit)
        if kept and self.to_review(permit):
            raise ReviewError(
                "The law asks for human review of what this job found, and did not when it ran.",
                mend="Start the job again: then its leads are sealed for reviewers.",
            )
        matches = [one for one in kept if one.fmr <= floor.fmr]
        ids = list(dict.fromkeys(one.face_id for one in matches))
        found = self.instance.store.fetch_faces(session, gallery.id, ids, permit=permit)
        usable = self.usable(session, caller, gallery.name, found)
        leads: dict[int, list[Candidate]] = {}
        for one in matches:
            mine = leads.get(one.part, [])
            if one.face_id in usable and len(mine) < most:
                leads[one.part] = [*mine, _candidate(one, usable[one.face_id])]
        return leads, floor

    # ------------------------------------------------------------ jobs and pages
    def _job(self, caller: Caller, kind: str, job_id: str) -> tuple[Job, Asked]:
        with self.instance.database.read() as session:
            job = self.jobs.find(session, client=caller.licence.client, kind=kind, job_id=job_id)
            asked = self.jobs.asked_of(session, job_id)
        if asked.purpose != purpose_of(caller):
            raise RequestError(
                "The job was started for another purpose.",
                mend="State the purpose that it was started for.",
            )
        return job, asked

    def _position(self, job: Job, order: str, token: str | None) -> int:
        return 0 if token is None else int(self._tokens.open(_scope(job, order), token))

    def _next(self, job: Job, order: str, position: int, total: int) -> str | None:
        if position >= total:
            return None
        return self._tokens.seal(_scope(job, order), str(position))


def _scope(job: Job, order: str) -> str:
    return f"job\x1f{job.id}\x1f{order}"


def _status(job: Job, asked: Asked) -> JobStatus:
    return JobStatus(
        job_id=job.id,
        state=job.state,
        message=job.message,
        progress=100 if job.state == SUCCEEDED else job.progress,
        video=StoredObject(bucket=asked.bucket, name=asked.name, version=asked.version),
        metadata=None if job.video is None else VideoMetadata(**job.video),
        tag=asked.tag,
    )


def _candidate(match: Match, face: Any) -> Candidate:
    return Candidate(
        record=record_of(face, face.subject),
        similarity=similarity_of(match.fmr),
        fmr=match.fmr,
        extrapolated=match.extrapolated,
    )


def _page(
    entries: Sequence[tuple[int, np.void]], sealed: Mapping[int, str]
) -> Sequence[tuple[int, np.void]]:
    """As many of the first as have no more reviews than an answer can tell."""
    shown: set[int] = set()
    for place, (part, _) in enumerate(entries):
        if part in sealed:
            shown.add(part)
        if len(shown) > REVIEWS_AT_ONCE:
            return entries[:place]
    return entries


def _ordered(parts: dict[int, bytes], by_index: bool) -> Sequence[tuple[int, np.void]]:
    rows = [(part, entry) for part in sorted(parts) for entry in sightings.unpacked(parts[part])]
    if by_index:
        return rows
    return sorted(rows, key=lambda one: (int(one[1]["at"]), one[0]))
