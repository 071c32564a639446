"""The worker of jobs: one thread of one process at a time, at the lowest priority.

It holds the lease while it works; a second thread prolongs that, so that a long fetch does not lose
it. When the process is killed the lease runs out, and the next process takes the job up from its
start; what was found before was in memory only. Interactive requests come first: the thread is
`nice`, uses one core, and takes small batches. Must never know: a wire format.
"""

from __future__ import annotations

import logging
import os
import threading
import time
import uuid
from dataclasses import asdict

from prometheus_client import Counter, Gauge
from sqlalchemy.orm import Session

from rightface.errors import RightfaceError, StorageError
from rightface.faces.video import VideoInfo
from rightface.gallery.jobs import ATTEMPTS, FAILED, IN_PROGRESS, SUBMITTED, SUCCEEDED, Job
from rightface.service.video_work import JobStopped, VideoWork

_log = logging.getLogger(__name__)
POLL_SECONDS = 1.0
"""How often it looks for jobs that another process put on record."""
BEAT_SECONDS = 3.0
"""How often the lease is prolonged."""
NOTE_SECONDS = 1.0
"""How often progress is written down."""
STOP_SECONDS = 15.0
AGAIN_SECONDS = 10.0
"""After this long a job is tried again that could not reach the records."""
NICE = 10
_STATES = (SUBMITTED, IN_PROGRESS, SUCCEEDED, FAILED)


class Worker:
    """Works on the jobs of one instance. `start` it, `stop` it."""

    def __init__(self, service: VideoWork) -> None:
        self._service = service
        self._database = service.instance.database
        self._owner = str(uuid.uuid4())
        self._stopping = threading.Event()
        self._called = threading.Event()
        self._holds = threading.Event()
        self._threads: list[threading.Thread] = []
        self._trouble = ""
        self._rested = 0.0
        registry = service.times.registry
        self._in_state = Gauge(
            "rightface_jobs", "Jobs on stored videos by state", ("state",), registry=registry
        )
        self._frames = Counter(
            "rightface_job_frames", "Frames of stored videos looked at", registry=registry
        )
        self._progress = Gauge(
            "rightface_job_progress_percent",
            "Of the job that is worked on here; 0 if there is none",
            registry=registry,
        )

    def start(self) -> None:
        """Start its threads. Once."""
        for name, run in (("rightface-jobs", self._run), ("rightface-jobs-beat", self._beat)):
            thread = threading.Thread(target=run, name=name, daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """Stop after the batch that is under way; the job is taken up again later. Idempotent.

        A fetch that takes longer than `STOP_SECONDS` is left behind; it ends with the process.
        """
        self._stopping.set()
        self._called.set()
        for thread in self._threads:
            thread.join(STOP_SECONDS)
        self._threads.clear()

    def call(self) -> None:
        """There is a new job."""
        self._called.set()

    # ------------------------------------------------------------ the threads
    def _run(self) -> None:
        _be_nice()
        while not self._stopping.is_set():
            try:
                worked = self._work_once()
                self._trouble = ""
            except Exception as error:  # noqa: BLE001  # the next round may go better
                worked = False
                told = error.what if isinstance(error, RightfaceError) else type(error).__name__
                if told != self._trouble:
                    _log.error("jobs cannot be worked on: %s", told)
                self._trouble = told
            if not worked:
                self._called.wait(POLL_SECONDS)
                self._called.clear()

    def _beat(self) -> None:
        while not self._stopping.wait(BEAT_SECONDS):
            if self._holds.is_set():
                try:
                    self._database.write(
                        lambda session: self._service.jobs.take_lease(session, self._owner)
                    )
                except RightfaceError as error:
                    _log.error("the lease of jobs was not prolonged: %s", error.what)

    def _work_once(self) -> bool:
        """Take a job and do it; whether there was one."""
        with self._database.read() as session:
            self._count(session)
            if not self._service.jobs.waits(session):
                return False
        self._holds.set()
        try:
            job = self._database.write(
                lambda session: self._service.jobs.take(session, self._owner)
            )
            if job is None:
                return False
            self._work_on(job)
            return True
        finally:
            self._holds.clear()
            self._progress.set(0)
            self._database.write(
                lambda session: self._service.jobs.release_lease(session, self._owner)
            )

    def _work_on(self, job: Job) -> None:
        if job.attempts > ATTEMPTS:
            self._fail(job, f"It was given up after {ATTEMPTS} attempts that ended in the middle.")
            return
        noted = [0.0, 0.0]  # when it was written down; how many frames were counted

        def going(progress: int, frames: int, video: VideoInfo) -> bool:
            if self._stopping.is_set():
                return False
            self._frames.inc(frames - noted[1])
            noted[1] = frames
            self._progress.set(progress)
            if time.monotonic() - noted[0] < NOTE_SECONDS:
                return True
            noted[0] = time.monotonic()
            return self._database.write(
                lambda session: self._service.jobs.note(
                    session,
                    job.id,
                    self._owner,
                    progress=progress,
                    frames=frames,
                    video=asdict(video),
                )
            )

        started = time.monotonic()
        try:
            self._service.carry_out(job, self._owner, going)
            _log.info("a job is done: %s, %.1f s", job.kind, time.monotonic() - started)
        except JobStopped:
            if self._stopping.is_set():
                self._put_back(job)
        except StorageError as error:
            _log.error("a job waits for the records: %s", error.what)
            self._stopping.wait(AGAIN_SECONDS)
            self._put_back(job)
        except RightfaceError as error:
            self._fail(job, str(error))
        except Exception as error:  # noqa: BLE001  # one job must not end the worker
            _log.error("%s in a job", type(error).__name__)
            self._fail(job, "An error inside rightface; its log has the place.")

    def _put_back(self, job: Job) -> None:
        self._database.write(
            lambda session: self._service.jobs.put_back(session, job.id, self._owner)
        )

    def _fail(self, job: Job, message: str) -> None:
        until = self._service.expiry()
        self._database.write(
            lambda session: self._service.jobs.fail(
                session, job.id, message, until, owner=self._owner
            )
        )

    def _count(self, session: Session) -> None:
        if time.monotonic() - self._rested < POLL_SECONDS:
            return
        self._rested = time.monotonic()
        counts = self._service.jobs.counts(session)
        for state in _STATES:
            self._in_state.labels(state).set(counts.get(state, 0))


def _be_nice() -> None:
    # On Linux a priority is a thread's own: this one's inference gives way to everybody's.
    try:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
    except OSError as error:
        _log.info("the worker of jobs has no lower priority: %s", error.strerror)
