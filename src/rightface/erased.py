"""What the ledger says was erased, and what of it is in the rows: put back, or restored.

The leaves name what is gone by keyed commitments alone. A row that is there again has the keys to
make the same commitments. Used at every start (acts.py) and after a restore (replay.py). Must never
know: a command line, a wire format.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby

from sqlalchemy import select
from sqlalchemy.orm import Session

from rightface.errors import KeysError
from rightface.gallery.rows import CollectionRow, FaceRow, SubjectRow, UserRow
from rightface.gallery.vault import Vault
from rightface.keys import KeyRing
from rightface.law import suppressions

_AT_ONCE = 4_096


@dataclass
class Erased:
    """What outcomes of the ledger took away. Each is noted once, in the ledger's order."""

    faces: set[str] = field(default_factory=set)
    """Commitments of faces."""
    subjects: set[str] = field(default_factory=set)
    """Commitments of subjects where the entry does not say which of their faces went: entries of
    earlier releases."""
    collections: dict[str, int] = field(default_factory=dict)
    """Commitment of a gallery → the last entry by which it went."""
    users: set[str] = field(default_factory=set)

    def note(
        self,
        index: int,
        outcome: str,
        *,
        gallery: str | None,
        subjects: Iterable[str],
        forgotten: Iterable[str],
        counts: Mapping[str, int],
    ) -> None:
        """Take over an outcome's leaf; one that erased nothing changes nothing."""
        if outcome == "erased":
            gone = set(forgotten)
            if counts.get("collections") and gallery:
                self.collections[gallery] = index
            elif gone:
                self.faces |= gone
            else:
                self.subjects.update(subjects)
        elif outcome == "deleted" and counts.get("users"):
            self.users.update(forgotten)

    def faces_in(
        self, session: Session, vault: Vault, *, unopened: bool, whole_subjects: bool
    ) -> Iterator[str]:
        """The ids of the erased faces that have a row. Opens the key of every subject.

        Args:
            session: for reading.
            vault: opens the keys.
            unopened: whether a face whose subject's key does not open is among them.
            whole_subjects: whether all faces of `subjects` are.
        """
        subjects = self.subjects if whole_subjects else set()
        if not self.faces and not subjects:
            return
        rows = session.execute(
            select(FaceRow.id, FaceRow.subject_id, SubjectRow.wrapped_key)
            .join(SubjectRow, SubjectRow.id == FaceRow.subject_id)
            .order_by(FaceRow.subject_id)
            .execution_options(yield_per=_AT_ONCE)
        )
        for (subject_id, wrapped), own in groupby(rows, lambda row: (row[1], row[2])):
            face_ids = [row[0] for row in own]
            try:
                subject, known = vault.erased_as(subject_id, wrapped, face_ids)
            except KeysError:
                yield from face_ids if unopened else ()
                continue
            for face_id, face in zip(face_ids, known, strict=True):
                if face in self.faces or subject in subjects:
                    yield face_id

    def users_in(self, session: Session, keyring: KeyRing) -> list[str]:
        """The row ids of the erased users that are there."""
        if not self.users:
            return []
        return [
            row_id
            for row_id in session.scalars(select(UserRow.id))
            if keyring.commitment("ledger-user", row_id)[:32] in self.users
        ]

    def collections_in(
        self, session: Session, keyring: KeyRing
    ) -> Iterator[tuple[str, str, str, int]]:
        """(id, client, name, entry) of each collection that is there, made anew or not."""
        if not self.collections:
            return
        rows = session.execute(select(CollectionRow.id, CollectionRow.client, CollectionRow.name))
        for row_id, client, name in rows.all():
            known = suppressions.gallery_of(keyring, client, name)
            if known in self.collections:
                yield row_id, client, name, self.collections[known]
