"""What a running server does by itself: follow the database, publish, forget, erase what is due.

One thread; nothing in it may end it. Must never know: a wire format.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

from sqlalchemy.orm import Session

from rightface.errors import GalleryError, RightfaceError, StorageError
from rightface.gallery import change_log, jobs, request_tokens, reviews
from rightface.gallery.erasure import complete_abandoned
from rightface.instance import Instance
from rightface.migrations.backup import drop_old
from rightface.registrar import Registrar
from rightface.registrar_reviews import ReviewDesk
from rightface.retention import RetentionDesk

_log = logging.getLogger(__name__)
FOLLOW_SECONDS = 0.5
"""How often it looks for what other processes wrote."""
SWEEP_SECONDS = 60.0
"""How often it erases what is past its retention date."""
OVERDUE_SECONDS = 300.0
"""A face that is due for so long is an alarm."""
TRIMS = 50
"""How often in a row it trims the log of changes before it does something else."""
LATE_SECONDS = 30.0
"""After this long without a good round it is not well."""


class Keeper:
    """Keeps one instance in order while it serves."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._registrar = Registrar(instance)
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._last_good = time.monotonic()
        self._swept = self._finished = self._reviewed = float("-inf")
        self._expired = self._untokened = self._trimmed = float("-inf")
        self._dropped = float("-inf")
        self._overdue = 0
        self._troubles: dict[str, str] = {}
        self._damage: RightfaceError | None = None

    def start(self) -> None:
        """Start the thread."""
        self._thread = threading.Thread(target=self._run, name="rightface-keeper", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread, and wait for it. Idempotent."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def require_well(self) -> None:
        """Whether it does its rounds, and found the ledger undamaged.

        Raises:
            RightfaceError: the damage that was found, or that it is late.
        """
        if self._damage is not None:
            raise self._damage
        if self._thread is not None and time.monotonic() - self._last_good > LATE_SECONDS:
            raise StorageError("The keeper has not finished a round.", mend="Read the log.")

    def require_swept(self) -> None:
        """Whether what was due has been erased.

        Raises:
            GalleryError: faces have been overdue for more than five minutes.
        """
        if self.overdue():
            raise GalleryError("Faces are overdue.", mend="rightface retention sweep")

    def overdue(self) -> int:
        """How many faces were overdue for more than five minutes after the last sweep."""
        return self._overdue

    def _run(self) -> None:
        self._try("audit", self._audit)
        while not self._stopping.wait(FOLLOW_SECONDS):
            tasks = (
                self._sole,
                self._instance.indexes.follow,
                self._publish,
                self._forget,
                self._sweep,
                self._close_reviews,
                self._expire_jobs,
                self._expire_tokens,
                self._trim,
                self._finish,
                self._drop_copies,
            )
            went_well = [self._try(task.__name__, task) for task in tasks]  # each is tried
            if all(went_well):
                self._last_good = time.monotonic()

    def _try(self, name: str, task: Callable[[], object]) -> bool:
        try:
            task()
        except Exception as error:  # noqa: BLE001  # one task that fails must not end the others
            told = error.what if isinstance(error, RightfaceError) else type(error).__name__
            if self._troubles.get(name) != told:  # once, not twice a second
                _log.error("the keeper's %s failed: %s", name.strip("_"), told)
            self._troubles[name] = told
            return False
        self._troubles.pop(name, None)
        return True

    def _audit(self) -> None:
        # Every row against every public file, once at start: publishing looks at some only.
        try:
            self._instance.publisher.audit()
        except RightfaceError as error:
            self._damage = error
            raise

    def _sole(self) -> None:
        # The database's lock is lost with its connection. Another server may have it by now: then
        # this one does nothing more, for what it remembers is not all that happened.
        instance = self._instance
        if instance.sole is None:
            return
        try:
            instance.sole.check()
        except StorageError as error:
            instance.trouble = instance.trouble or error
            raise
        if isinstance(instance.trouble, StorageError):
            instance.trouble = None

    def _publish(self) -> None:
        if self._instance.publisher.behind():
            self._instance.publisher.publish()

    def _forget(self) -> None:
        self._instance.database.tidy()

    def _close_reviews(self) -> None:
        if time.monotonic() - self._reviewed >= SWEEP_SECONDS:
            self._reviewed = time.monotonic()
            ReviewDesk(self._instance).sweep()

    def _expire_jobs(self) -> None:
        if time.monotonic() - self._expired >= SWEEP_SECONDS:
            self._expired = time.monotonic()
            database = self._instance.database
            if database.write(expire_jobs):
                database.forget_deleted()

    def _expire_tokens(self) -> None:
        if time.monotonic() - self._untokened >= SWEEP_SECONDS:
            self._untokened = time.monotonic()
            database, now = self._instance.database, datetime.now(UTC)
            with database.read() as session:
                due = request_tokens.overdue(session, at=now)
            if due:
                database.write(lambda session: request_tokens.sweep(session, at=now))
                database.forget_deleted()

    def _trim(self) -> None:
        # The oldest of the log of changes: some at a time, for others write in between.
        if time.monotonic() - self._trimmed >= SWEEP_SECONDS:
            self._trimmed = time.monotonic()
            database, now = self._instance.database, datetime.now(UTC)
            with database.read() as session:
                due = change_log.overdue(session, at=now)
            for _ in range(TRIMS if due else 0):
                went = database.write(lambda session: change_log.trim(session, at=now))
                if went < change_log.AT_ONCE:
                    break
            if due:
                database.forget_deleted()

    def _sweep(self) -> None:
        if time.monotonic() - self._swept >= SWEEP_SECONDS:
            self._swept = time.monotonic()
            try:
                self._registrar.erase_overdue()
            finally:
                desk = RetentionDesk(self._instance)
                self._overdue = desk.overdue(for_seconds=OVERDUE_SECONDS)

    def _finish(self) -> None:
        # Erasures whose last look and receipt a crash prevented.
        if time.monotonic() - self._finished >= SWEEP_SECONDS:
            self._finished = time.monotonic()
            instance = self._instance
            complete_abandoned(
                database=instance.database, room=instance.indexes, keyring=instance.keyring
            )

    def _drop_copies(self) -> None:
        # Of the database as it was before a migration: they hold what was erased since.
        if time.monotonic() - self._dropped >= SWEEP_SECONDS:
            self._dropped = time.monotonic()
            drop_old(self._instance.settings.data, datetime.now(UTC))


def expire_jobs(session: Session) -> int:
    """Destroy jobs that have expired, and what their reviews hold (inside `write`); how many."""
    now = datetime.now(UTC)
    reviews.end(session, jobs.reviews_due(session, now), at=now)
    return jobs.expire(session, now)
