"""One job on a stored video, carried out: fetch, decode, detect, track, search.

The steps are numbered. A permit lives for two minutes and a job for as long as its video takes, so
the gate is asked for each stretch of the work: a licence revoked, a law come into force or a
consent withdrawn in the middle ends the job there. Each stretch is a decision in the ledger, of the
client and under the request that started the job.

A person is followed within one video and one job, by `Tracker`. Tracks, templates and everybody for
whom there is no lead are forgotten with the job. Where people must review first, each track's leads
are sealed for a review of its own, in the transaction that keeps the result. Must never know: a
wire format, a command line.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from rightface.errors import (
    CollectionNotFound,
    GalleryError,
    LicenceError,
    ObjectTooLarge,
    ReviewError,
    VideoTooLarge,
)
from rightface.faces.engine import Engine
from rightface.faces.face import Face
from rightface.faces.frames import Limits
from rightface.faces.tracks import Track, Tracker
from rightface.faces.video import Frame, VideoFile, VideoInfo, reading
from rightface.gallery.jobs import SEARCH, Asked, Job, Jobs, Match
from rightface.gallery.store import Collection
from rightface.instance import Instance
from rightface.law import licences
from rightface.permit import Permit
from rightface.service import sightings
from rightface.service.desk import named
from rightface.service.identification import Identification
from rightface.service.review import Probe
from rightface.service.sight import seen
from rightface.service_types import Caller, Candidate

STRETCH_SECONDS = 20.0
"""Work on frames under one permit."""
BATCH = 4
"""Frames that go through the networks together."""
MOST_LEADS = 10
"""Candidates of one track."""
MOST_SIGHTINGS = 200_000
"""Faces of one video, over all its frames: about 18 MB."""
MOST_REVIEWS = 200
"""Tracks of one video whose leads are sealed for people."""
_PART = 4096  # sightings of a detection that are sealed together
_LOOKED = 90  # percent, when all frames were looked at and the search begins


class JobStopped(GalleryError):
    """The job is not this worker's any more: cancelled, or another has the lease."""

    code = "job-stopped"


Going = Callable[[int, int, VideoInfo], bool]
"""Told how far a job is (percent, frames, the video); whether to go on."""
Row = tuple[int, list[float]]
Leads = dict[int, list[Candidate]]
"""By track, who it may be, best first; a track without anybody is not in it."""


@dataclass
class _Seen:
    """What was seen so far."""

    frames: int = 0
    faces: int = 0
    by_track: dict[int, list[Row]] = field(default_factory=dict)
    """By track; of a detection, all under 0."""
    pictures: dict[int, Probe] = field(default_factory=dict, repr=False)
    """By track: its best face so far, for those who must review its leads."""

    def add(self, part: int, row: Row) -> None:
        if self.faces >= MOST_SIGHTINGS:
            raise VideoTooLarge(f"The video shows more than {MOST_SIGHTINGS} faces.")
        self.faces += 1
        self.by_track.setdefault(part, []).append(row)


class VideoWork(Identification):
    """The work of jobs, for one worker's thread."""

    def __init__(self, instance: Instance) -> None:
        super().__init__(instance)
        self.jobs = Jobs(instance.keyring)
        self._single: Engine | None = None

    def expiry(self) -> datetime:
        """When what is finished now is destroyed."""
        return datetime.now(UTC) + timedelta(days=self.instance.settings.job_days)

    def video_limits(self) -> Limits:
        """What this instance reads of a video."""
        settings = self.instance.settings
        return Limits(rate=settings.video_rate, seconds=60 * settings.video_minutes)

    def carry_out(self, job: Job, owner: str, going: Going) -> None:
        """Do a job and keep its result.

        Raises:
            JobStopped: `going` said so, or the lease is lost; nothing was kept.
            Refused: the gate said no to a stretch of it.
            RightfaceError: it cannot be done; the message says why.
        """
        with self.instance.database.read() as session:
            asked = self.jobs.asked_of(session, job.id)
            caller = self._caller(session, asked)
        seen_ = _Seen()
        with ExitStack() as stack:
            # 1. The gate; then the video is fetched, and a decoder begins to read it.
            with self._stretch(caller, job, asked) as permit:
                self._gallery(caller, permit, job, asked)
                video = stack.enter_context(self._opened(caller, asked))
                self.done(permit, "fetched")
            tracker = Tracker(self.instance.pack) if job.kind == SEARCH else None
            more = True
            while more:
                # 2. The gate, for each stretch; faces are found, and followed if it is a search.
                with self._stretch(caller, job, asked) as permit:
                    frames, faces = seen_.frames, seen_.faces
                    more = self._look_through(permit, video, tracker, seen_, going)
                    counts = {"frames": seen_.frames - frames, "faces": seen_.faces - faces}
                    self.done(permit, "looked", counts=counts)
            info = replace(video.info, duration_ms=video.duration_ms)
        leads: Leads = {}
        tracks = [] if tracker is None else tracker.tracks
        pending = list(reversed(tracks))
        while True:
            # 3. The gate, for each stretch; each track is searched for.
            with self._stretch(caller, job, asked) as permit:
                self._require_pictures(permit, tracks, seen_)
                leads |= self._search_tracks(caller, permit, job, asked, pending)
                if not going(99 if not pending else _LOOKED, seen_.frames, info):
                    raise JobStopped("The job is not this worker's any more.")
                if not pending:
                    # 4. What was found is sealed, together with the outcome.
                    self._keep(caller, permit, job, asked, owner, seen_, leads, info)
                    return

    # ------------------------------------------------------------ the steps
    @contextmanager
    def _stretch(self, caller: Caller, job: Job, asked: Asked) -> Iterator[Permit]:
        with self.job_permitted(caller, job.kind, asked.collection) as permit:
            yield permit

    @contextmanager
    def job_permitted(self, caller: Caller, kind: str, collection: str | None) -> Iterator[Permit]:
        """The gate's question for a stored video: after the event, so never `identify-live`."""
        action = "identify-1toN" if kind == SEARCH else "detect"
        with self.permitted(caller, action, gallery=collection, subjects=named(caller)) as permit:
            yield permit

    @contextmanager
    def _opened(self, caller: Caller, asked: Asked) -> Iterator[VideoFile]:
        limit = self.instance.settings.video_megabytes << 20
        try:
            with (
                self.instance.objects.fetched(
                    asked.bucket,
                    asked.name,
                    asked.version,
                    client=caller.licence.client,
                    limit=limit,
                ) as path,
                reading(path, self.video_limits()) as video,
            ):
                yield video
        except ObjectTooLarge as error:
            raise VideoTooLarge(error.what, why=error.why, mend=error.mend) from error

    def _look_through(
        self,
        permit: Permit,
        video: VideoFile,
        tracker: Tracker | None,
        seen_: _Seen,
        going: Going,
    ) -> bool:
        """A stretch of frames; whether there are more."""
        until = time.monotonic() + STRETCH_SECONDS
        while time.monotonic() < until:
            frames = video.next_frames(BATCH, permit=permit)
            if not frames:
                return False
            self._look_at(permit, frames, tracker, seen_)
            length = max(video.info.duration_ms, frames[-1].at_ms, 1)
            percent = _LOOKED * frames[-1].at_ms // length if video.info.duration_ms else 0
            if not going(percent, seen_.frames, video.info):
                raise JobStopped("The job is not this worker's any more.")
        return True

    def _look_at(
        self, permit: Permit, frames: list[Frame], tracker: Tracker | None, seen_: _Seen
    ) -> None:
        found = self._engine_of_one.analyze(
            [frame.pixels for frame in frames], permit=permit, templates=tracker is not None
        )
        for frame, faces in zip(frames, found, strict=True):
            seen_.frames += 1
            told = [sightings.row(frame.at_ms, seen(face, frame.pixels)) for face in faces]
            parts = [0] * len(faces)
            if tracker is not None:
                followed = tracker.follow(frame.at_ms, faces, permit=permit)
                parts = [track.index for track in followed]
                for track, face in zip(followed, faces, strict=True):
                    if track.best[0][1] is face.template:
                        self._picture(permit, frame, face, track.index, seen_)
            for part, row in zip(parts, told, strict=True):
                seen_.add(part, row)

    def _picture(self, permit: Permit, frame: Frame, face: Face, track: int, seen_: _Seen) -> None:
        # Of the best face, and only where somebody is to look at it.
        probe = self.probe_of(frame.pixels, face, permit)
        if probe is not None:
            seen_.pictures[track] = probe

    def _require_pictures(self, permit: Permit, tracks: Sequence[Track], seen_: _Seen) -> None:
        # Asked of all tracks: what is said of one would tell that there are leads for it.
        if self.to_review(permit) and any(one.index not in seen_.pictures for one in tracks):
            raise ReviewError(
                "The law came to ask for human review while the job was under way.",
                why="No pictures were kept for the reviewers until then.",
                mend="Start the job again.",
            )

    def _search_tracks(
        self, caller: Caller, permit: Permit, job: Job, asked: Asked, pending: list[Track]
    ) -> Leads:
        """A stretch of searches; takes what it searched for from the end of `pending`."""
        gallery = self._gallery(caller, permit, job, asked)
        until = time.monotonic() + STRETCH_SECONDS
        leads: Leads = {}
        while pending and gallery is not None and time.monotonic() < until:
            track = pending.pop()
            found, _ = self._search(
                caller, permit, gallery, track.template, MOST_LEADS, asked.similarity
            )
            if self.to_review(permit):
                self.done(permit, "searched")  # what is to be sealed is not told here either
            else:
                self._searched(permit, found)
            if found:
                leads[track.index] = found
        return leads

    def _keep(
        self,
        caller: Caller,
        permit: Permit,
        job: Job,
        asked: Asked,
        owner: str,
        seen_: _Seen,
        leads: Leads,
        info: VideoInfo,
    ) -> None:
        rows, expires_at = seen_.by_track, self.expiry()
        sealing = self.to_review(permit)
        if job.kind == SEARCH:
            # Who is nobody's lead is not kept; but where people must review, the client is not to
            # learn before them whether anybody was found: everybody waits for a review then.
            parts = dict(rows) if sealing else {part: rows[part] for part in leads}
        else:
            everybody = rows.get(0, [])
            starts = range(0, len(everybody), _PART)
            parts = {place: everybody[start : start + _PART] for place, start in enumerate(starts)}
        packed = {part: (len(some), sightings.packed(some)) for part, some in parts.items()}
        counts = {"frames": seen_.frames, "faces": seen_.faces}
        if not sealing:
            counts["tracks"] = len(parts)

        def work(session: Session) -> None:
            reviews: dict[int, str] = {}
            if sealing:
                until = min(self.review_until(), expires_at)
                reviews = self._seal_leads(
                    session, caller, permit, job, asked, leads, parts, seen_.pictures, until
                )
            kept = self.jobs.finish(
                session,
                job.id,
                owner,
                parts=packed,
                matches=[] if sealing else _matches(leads),
                reviews=reviews,
                frames=seen_.frames,
                video=asdict(info),
                expires_at=expires_at,
                permit=permit,
            )
            if not kept:  # and so nothing is sealed
                raise JobStopped("The job is not this worker's any more.")
            self.instance.record_outcome(session, permit, "finished", counts=counts)

        self.instance.database.write(work)

    def _seal_leads(
        self,
        session: Session,
        caller: Caller,
        permit: Permit,
        job: Job,
        asked: Asked,
        leads: Leads,
        tracks: Iterable[int],
        pictures: Mapping[int, Probe],
        until: datetime,
    ) -> dict[int, str]:
        """A review for each track, of the leads who may still be used: its id by part."""
        assert asked.collection is not None  # only identifications are reviewed, so a search
        gallery = self._own_gallery(session, caller, permit, job, asked.collection)
        ids = list({one.record.face_id for found in leads.values() for one in found})
        faces = self.instance.store.fetch_faces(session, gallery.id, ids, permit=permit)
        usable = self.usable(session, caller, gallery.name, faces)
        there = {
            part: [one for one in leads.get(part, []) if one.record.face_id in usable]
            for part in tracks
        }
        if len(there) > MOST_REVIEWS:
            raise VideoTooLarge(
                f"People would have to review more than {MOST_REVIEWS} tracks.",
                mend="Search a shorter video.",
            )
        return {
            part: self.seal(
                session, caller, permit, gallery, some, probe=pictures[part], until=until
            )
            for part, some in there.items()
        }

    # ------------------------------------------------------------ who and what
    def _caller(self, session: Session, asked: Asked) -> Caller:
        licence = licences.by_id(session, self.instance.keyring, asked.licence_id)
        if licence is None:
            raise LicenceError("The licence that the job was started under is gone.")
        return Caller(
            licence=licence,
            purpose=asked.purpose,
            subject=asked.subject,
            request_id=asked.request_id,
            warrant=asked.warrant,
            declared=dict(asked.declared),
        )

    def _gallery(self, caller: Caller, permit: Permit, job: Job, asked: Asked) -> Collection | None:
        if asked.collection is None:
            return None
        with self.instance.database.read() as session:
            return self._own_gallery(session, caller, permit, job, asked.collection)

    def _own_gallery(
        self, session: Session, caller: Caller, permit: Permit, job: Job, name: str
    ) -> Collection:
        """The collection that the job was started on: that one, not another of its name."""
        gallery = self.searchable(session, caller, name)
        if gallery.id != job.collection_id:
            raise CollectionNotFound("The collection was deleted after the job had started.")
        self.require_reviewable(session, permit, gallery)
        return gallery

    @property
    def _engine_of_one(self) -> Engine:
        """An engine of one thread, so that a job never holds more than one core."""
        if self._single is None:
            settings: Any = self.instance.settings
            self._single = Engine(
                self.instance.pack,
                cache=settings.data / "models",
                threads=1,
                detector_side=settings.detector_side,
            )
        return self._single


def _matches(leads: Leads) -> list[Match]:
    return [
        Match(part=part, face_id=one.record.face_id, fmr=one.fmr, extrapolated=one.extrapolated)
        for part, found in leads.items()
        for one in found
    ]
