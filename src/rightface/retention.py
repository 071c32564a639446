"""The operator's desk for retention: interactions noted, purposes ended, what is due erased.

Dates are moved under a permit and with a leaf in the ledger; what erases, erases through the one
way out of the gallery, with a signed receipt. Must never know: a command line, a wire format.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Self

from sqlalchemy import select
from sqlalchemy.orm import Session

from rightface.errors import CollectionNotFound, FaceNotFound, GalleryError, LicenceError
from rightface.gallery import retention
from rightface.gallery.erasure import (
    OVERDUE_AT_ONCE,
    Erasure,
    Record,
    complete_erasure,
    erase_collection,
    erase_faces,
    erase_overdue,
)
from rightface.gallery.receipts import Receipt
from rightface.gallery.retention import Due, Moved
from rightface.gallery.rows import CollectionRow
from rightface.gallery.store import Collection
from rightface.instance import Instance
from rightface.law import licences, suppressions
from rightface.law.suppressions import Entry
from rightface.permit import Permit

INTERACTION = "retention-interaction"
PURPOSE_ENDED = "retention-purpose-ended"
_ALL = 10**9


@dataclass(frozen=True, kw_only=True)
class Ended:
    """What the end of a gallery's purpose did."""

    faces_due: int
    """How many faces became due by it."""
    receipts: tuple[Receipt, ...]
    """One for each part that was erased; none if nothing was enrolled."""


@dataclass(frozen=True, kw_only=True)
class Ending:
    """A client whose last licence has ended, and what is to become of its galleries."""

    client: str
    galleries: tuple[str, ...]
    ended_at: datetime
    erased_from: datetime
    """When the days of grace are over (the setting `licence_grace_days`)."""


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """What a sweep would erase, in counts."""

    past_date: int
    """Faces past one of their dates."""
    consent_ended: int
    """Faces whose consent has ended by itself."""
    licences_ended: tuple[Ending, ...]
    """Clients whose last licence has ended, those in their days of grace too."""


def erase_as_operator(
    instance: Instance, work: Callable[[Session, Record, Permit], Erasure]
) -> Receipt:
    """The one way in which the operator erases: permit, one transaction, indexes, receipt.

    Raises:
        Refused: the gate refused the erasure. StorageError, GalleryError: it was not done.
    """
    with instance.permitted(instance.own_operation("erase")) as permit:

        def record(session: Session, erasure: Erasure) -> int:
            return instance.record_erasure(session, permit, erasure)

        erasure = instance.database.write(lambda session: work(session, record, permit))
        return complete_erasure(
            erasure, database=instance.database, room=instance.indexes, keyring=instance.keyring
        )


class RetentionDesk:
    """Retention of one instance. Use it in a `with` block if it was opened here."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance

    @classmethod
    def open(cls, data: Path) -> Self:
        """Open the instance in `data`; see `Instance.open` for the errors."""
        return cls(Instance.open(data))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._instance.close()

    def due(self, *, within_days: int = 0) -> list[Due]:
        """What is overdue now or due within so many days; a dry run. Counts only."""
        now = datetime.now(UTC)
        with self._instance.database.read() as session:
            return retention.due(session, at=now, until=now + timedelta(days=within_days))

    def sweep(self) -> tuple[Receipt, ...]:
        """Erase what is due; a receipt for each part.

        1. Faces that are past one of their dates.
        2. Faces whose consent has ended by itself, and no other covers them.
        3. The galleries of clients whose last licence ended, when the days of grace are over.

        Each part is done although another one failed; the first failure is raised at the end.

        Raises:
            Refused: the gate refused the erasure. StorageError, GalleryError: it was not done.
        """
        receipts: list[Receipt] = []
        failures: list[Exception] = []
        parts: tuple[Callable[[], tuple[Receipt, ...]], ...] = (
            lambda: self._erase_due(None, "retention"),
            self._erase_expired,
            self.erase_ended,
        )
        for part in parts:
            try:
                receipts += part()
            except Exception as error:  # noqa: BLE001  # raised below
                failures.append(error)
        if failures:
            raise failures[0]
        return tuple(receipts)

    def would_sweep(self) -> Sweep:
        """What `sweep` would erase now, in counts; nothing is erased."""
        now, keyring = datetime.now(UTC), self._instance.keyring
        with self._instance.database.read() as session:
            return Sweep(
                past_date=sum(one.overdue for one in retention.due(session, at=now, until=now)),
                consent_ended=len(retention.expired(session, keyring, now, _ALL)),
                licences_ended=tuple(self._endings(session, now)),
            )

    def overdue(self, *, for_seconds: float = 0) -> int:
        """How many faces have been overdue for so long. A keeper that sweeps leaves none."""
        at = datetime.now(UTC) - timedelta(seconds=for_seconds)
        with self._instance.database.read() as session:
            return retention.count_overdue(session, self._instance.keyring, at)

    def ending(self) -> tuple[Ending, ...]:
        """The clients with galleries whose last licence has ended, and when these are erased."""
        with self._instance.database.read() as session:
            return tuple(self._endings(session, datetime.now(UTC)))

    def erase_ended(
        self, client: str | None = None, *, at_once: bool = False
    ) -> tuple[Receipt, ...]:
        """Erase the galleries of clients whose last licence ended and whose grace is over.

        Args:
            client: of this one only.
            at_once: whether the days of grace are left out.

        Raises:
            Refused: the gate refused the erasure. StorageError, GalleryError: it was not done.
        """
        now, receipts = datetime.now(UTC), []
        for one in self.ending():
            if client in (None, one.client) and (at_once or one.erased_from <= now):
                receipts += [self._erase_whole(one.client, name) for name in one.galleries]
        return tuple(receipts)

    def _erase_whole(self, client: str, name: str) -> Receipt:
        instance = self._instance

        def work(session: Session, record: Record, permit: Permit) -> Erasure:
            still = self._endings(session, datetime.now(UTC))
            if client not in {one.client for one in still}:
                raise GalleryError("The client has a licence again; nothing was erased.")
            return erase_collection(
                session,
                instance.vault,
                instance.store.find_collection(session, client=client, name=name),
                reason="licence-ended",
                record=record,
                permit=permit,
            )

        return erase_as_operator(instance, work)

    def _endings(self, session: Session, now: datetime) -> Iterator[Ending]:
        grace = timedelta(days=self._instance.settings.licence_grace_days)
        rows = session.execute(
            select(CollectionRow.client, CollectionRow.name).order_by(
                CollectionRow.client, CollectionRow.name
            )
        ).all()
        for client, own in groupby(rows, lambda row: row.client):
            try:
                held = licences.of_client(session, self._instance.keyring, client)
            except LicenceError:  # a damaged licence is no end of one
                continue
            ends = [min(one.valid_until, one.revoked_at or one.valid_until) for one in held]
            if ends and max(ends) <= now:
                yield Ending(
                    client=client,
                    galleries=tuple(row.name for row in own),
                    ended_at=max(ends),
                    erased_from=max(ends) + grace,
                )

    def _erase_expired(self) -> tuple[Receipt, ...]:
        instance, receipts = self._instance, []

        def work(session: Session, record: Record, permit: Permit) -> Erasure:
            now, keyring = datetime.now(UTC), instance.keyring
            due = retention.expired(session, keyring, now, OVERDUE_AT_ONCE)
            return erase_faces(
                session,
                instance.vault,
                None,
                due,
                reason="expiry",
                record=record,
                permit=permit,
            )

        while self._has_expired():
            receipts.append(erase_as_operator(instance, work))
        return tuple(receipts)

    def _has_expired(self) -> bool:
        with self._instance.database.read() as session:
            return bool(retention.expired(session, self._instance.keyring, datetime.now(UTC), 1))

    def interaction(
        self, subject: str, *, gallery: str, client: str | None = None, at: datetime | None = None
    ) -> Moved:
        """The person did something with the client at `at` (None: now): the idle dates move.

        A date never moves back, and a face that is past a date already stays so.

        Raises:
            GalleryError: no such gallery, more than one, nobody of that reference in it, or an
                `at` in the future. The message holds no name.
        """
        instance, now = self._instance, datetime.now(UTC)
        when = now if at is None else at
        if when > now:
            raise GalleryError("The interaction would lie in the future.", mend="Give its date.")
        operation = instance.own_operation("manage-gallery", gallery=gallery)
        with instance.permitted(operation) as permit:

            def work(session: Session) -> Moved:
                collection = self._collection(session, gallery, client)
                known = instance.vault.commitment(session, subject)
                moved = retention.interacted(
                    session,
                    instance.vault,
                    collection,
                    subject,
                    at=when,
                    now=now,
                    permit=permit,
                )
                if not moved.faces:
                    raise FaceNotFound("No face of this person is enrolled there.")
                instance.record_act(
                    session,
                    INTERACTION,
                    client=collection.client,
                    subjects=(known,),
                    counts={"faces": moved.moved},
                )
                instance.record_outcome(session, permit, "noted")
                return moved

            return instance.database.write(work)

    def end_purpose(self, *, client: str, gallery: str) -> Ended:
        """The purpose of a gallery is met: all that is enrolled there is due, and erased now.

        Due first, erased then: what a crash leaves is erased by the next sweep. From then on
        nobody is enrolled there on a consent given before.

        Raises:
            CollectionNotFound: no such gallery of that client.
            Refused: the gate refused. StorageError, GalleryError: not all was erased.
        """
        instance = self._instance
        operation = instance.own_operation("erase", gallery=gallery)
        with instance.permitted(operation) as permit:

            def work(session: Session) -> tuple[Collection, int]:
                collection = self._collection(session, gallery, client)
                faces = retention.end_purpose(
                    session, collection, at=datetime.now(UTC), permit=permit
                )
                keyring, now = instance.keyring, datetime.now(UTC)
                place = suppressions.gallery_of(keyring, client, gallery)
                everybody = Entry(suppressions.ANY, suppressions.client_of(keyring, client), place)
                suppressions.write(session, keyring, [everybody], reason="purpose-ended", at=now)
                instance.record_suppressions(
                    session, (), client=client, gallery=place, reason="purpose-ended", at=now
                )
                counts = {"faces": faces}
                instance.record_act(session, PURPOSE_ENDED, client=client, counts=counts)
                instance.record_outcome(session, permit, "due", counts=counts)
                return collection, faces

            collection, faces = instance.database.write(work)
        return Ended(faces_due=faces, receipts=self._erase_due(collection.id, "purpose-ended"))

    def _erase_due(self, collection_id: str | None, reason: str) -> tuple[Receipt, ...]:
        instance, receipts = self._instance, []

        def work(session: Session, record: Record, permit: Permit) -> Erasure:
            return erase_overdue(
                session,
                instance.vault,
                datetime.now(UTC),
                collection_id=collection_id,
                reason=reason,
                record=record,
                permit=permit,
            )

        while self._has_overdue(collection_id):
            receipts.append(erase_as_operator(instance, work))
        return tuple(receipts)

    def _has_overdue(self, collection_id: str | None) -> bool:
        with self._instance.database.read() as session:
            return self._instance.store.has_overdue(
                session, datetime.now(UTC), collection_id=collection_id
            )

    def _collection(self, session: Session, name: str, client: str | None) -> Collection:
        if client is None:
            named = select(CollectionRow.client).where(CollectionRow.name == name).limit(2)
            clients = session.execute(named).scalars().all()
            if len(clients) > 1:
                raise GalleryError(
                    "More than one client has a gallery of this name.", mend="Give --client NAME."
                )
            if not clients:
                raise CollectionNotFound("There is no gallery of this name.")
            client = clients[0]
        return self._instance.store.find_collection(session, client=client, name=name)
