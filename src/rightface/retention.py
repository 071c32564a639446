"""The operator's desk for retention: interactions noted, purposes ended, what is due erased.

Dates are moved under a permit and with a leaf in the ledger; what erases, erases through the one
way out of the gallery, with a signed receipt. Must never know: a command line, a wire format.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

from sqlalchemy import select
from sqlalchemy.orm import Session

from rightface.errors import CollectionNotFound, FaceNotFound, GalleryError
from rightface.gallery import retention
from rightface.gallery.erasure import Erasure, Record, complete_erasure, erase_overdue
from rightface.gallery.receipts import Receipt
from rightface.gallery.retention import Due, Moved
from rightface.gallery.rows import CollectionRow
from rightface.gallery.store import Collection
from rightface.instance import Instance
from rightface.permit import Permit

INTERACTION = "retention-interaction"
PURPOSE_ENDED = "retention-purpose-ended"


@dataclass(frozen=True, kw_only=True)
class Ended:
    """What the end of a gallery's purpose did."""

    faces_due: int
    """How many faces became due by it."""
    receipts: tuple[Receipt, ...]
    """One for each part that was erased; none if nothing was enrolled."""


def erase_as_operator(
    instance: Instance, work: Callable[[Session, Record, Permit], Erasure]
) -> Receipt:
    """The one way in which the operator erases: permit, one transaction, indexes, receipt.

    Raises:
        Refused: the gate refused the erasure. StorageError, GalleryError: it was not done.
    """
    with instance.permitted(instance.own_operation("erase")) as permit:

        def record(session: Session, erasure: Erasure) -> int:
            return instance.record_outcome(
                session, permit, "erased", subjects=erasure.subjects, counts=erasure.counts
            )

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
        """Erase every face that is past one of its dates; a receipt for each part.

        Raises:
            Refused: the gate refused the erasure. StorageError, GalleryError: it was not done.
        """
        return self._erase_due(None, "retention")

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

        Due first, erased then: what a crash leaves is erased by the next sweep. It stops no later
        enrolment; a licence that is revoked does.

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
