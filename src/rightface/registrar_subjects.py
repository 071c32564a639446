"""The operator's desk for one person: what is held on them, every use of it, their erasure.

For requests of access and of erasure. Each is an act in the ledger. Also here: suppressions, which
can be asked after and never lifted by hand, and the receipts that are kept. Must never know: a
command line, a wire format.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from rightface.errors import LedgerError
from rightface.gallery import jobs, kept_receipts, reviews
from rightface.gallery.erasure import Erasure, Record, erase_subject
from rightface.gallery.receipts import Receipt
from rightface.gallery.rows import CollectionRow, FaceRow, SubjectRow, UserRow
from rightface.instance import Instance
from rightface.law import consents, licences, suppressions
from rightface.law.consents import Consent
from rightface.ledger import log
from rightface.ledger.leaf import Leaf
from rightface.permit import Permit
from rightface.retention import erase_as_operator

REPORT = "subject-report"
_LEAVES = 4_096  # read together


@dataclass(frozen=True, kw_only=True)
class FaceHeld:
    """One face of the person: where, since when, until when, on what basis. Never its template."""

    face_id: str
    client: str
    gallery: str
    basis: str
    purpose: str
    enrolled_at: datetime
    retain_until: datetime | None
    idle_until: datetime | None
    crop_kept: bool
    in_user: bool
    """Whether it is grouped with other faces of the person under a user's id."""
    enrolment: int
    """The ledger's entry of the decision that allowed it."""


@dataclass(frozen=True, kw_only=True)
class Use:
    """One entry of the ledger in which the person occurs."""

    index: int
    time: datetime
    kind: str
    operation: str
    outcome: str
    client: str | None
    purpose: str | None
    decision: int | None
    """The permit's decision, by its index in the ledger; None: it is none, or this is one."""


@dataclass(frozen=True, kw_only=True)
class SuppressionHeld:
    """Where the person is not enrolled again without a newer consent."""

    client: str
    """`every`, or the client's name."""
    gallery: str
    """`every`, or the gallery's name; `unknown`: it is gone since."""
    reason: str
    since: datetime


@dataclass(frozen=True, kw_only=True)
class SubjectReport:
    """Everything held on one person, and every use of it that the ledger can still tie to them."""

    made_at: datetime
    consents: tuple[Consent, ...]
    faces: tuple[FaceHeld, ...]
    suppressions: tuple[SuppressionHeld, ...]
    elsewhere: Mapping[str, int]
    """What else holds something of their faces, in counts: `users`, `job_results`, `reviews`."""
    uses: tuple[Use, ...]
    ledger_index: int
    """The entry that records this report."""


@dataclass(frozen=True, kw_only=True)
class Standing:
    """Whether a person is suppressed, in words and dates alone."""

    withdrew: bool
    """They withdrew, or said no, and have not consented anew."""
    entries: tuple[SuppressionHeld, ...]
    last_consent: datetime | None
    """When the last consent was given that is not withdrawn. Entries before it are lifted there
    where it covers the enrolment."""


class SubjectDesk:
    """Where the operator answers a person. Get it from `Registrar.subjects`."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance

    # ------------------------------------------------------------ access
    def report(self, subject: str) -> SubjectReport:
        """All that is held on a person; an act in the ledger. Needs a moment: it reads all of it.

        Raises:
            StorageError: it could not be read, or the act not be recorded.
        """
        instance = self._instance

        def act(session: Session) -> int:
            known = instance.vault.commitment(session, subject)
            return instance.record_act(session, REPORT, subjects=(known,))

        index = instance.database.write(act)
        with instance.database.read() as session:
            faces = self._faces(session, subject)
            known = {
                instance.vault.commitment(session, subject),
                instance.vault.instance_commitment(subject),
            }
            held = SubjectReport(
                made_at=datetime.now(UTC),
                consents=tuple(consents.of_subject(session, instance.keyring, subject)),
                faces=faces,
                suppressions=self._entries(session, subject),
                elsewhere=_elsewhere(
                    session,
                    instance.vault.row_commitment(subject),
                    [one.face_id for one in faces],
                ),
                uses=(),
                ledger_index=index,
            )
        return replace(held, uses=tuple(self._uses(known, index)))

    def _faces(self, session: Session, subject: str) -> tuple[FaceHeld, ...]:
        known = self._instance.vault.row_commitment(subject)
        rows = session.execute(
            select(FaceRow, CollectionRow.client, CollectionRow.name)
            .join(SubjectRow, SubjectRow.id == FaceRow.subject_id)
            .join(CollectionRow, CollectionRow.id == FaceRow.collection_id)
            .where(SubjectRow.commitment == known)
            .order_by(FaceRow.enrolled_at, FaceRow.id)
        )
        return tuple(
            FaceHeld(
                face_id=face.id,
                client=client,
                gallery=name,
                basis=face.basis,
                purpose=face.purpose,
                enrolled_at=face.enrolled_at,
                retain_until=face.retain_until,
                idle_until=face.idle_until,
                crop_kept=face.crop is not None,
                in_user=face.user_id is not None,
                enrolment=face.ledger_index,
            )
            for face, client, name in rows
        )

    def _uses(self, known: Set[str], before: int) -> Iterator[Use]:
        # Under their own key while they have one, and under the instance's before and after it. The
        # ledger only grows: it is read in short parts, so that no long one holds up the database.
        wanted = [one.encode() for one in known]
        concerned: dict[int, tuple[Leaf, Leaf | None]] = {}
        for start in range(0, before, _LEAVES):
            with self._instance.database.read() as session:
                bodies = log.entries(session, start, min(start + _LEAVES, before))
                for index, body in enumerate(bodies, start):
                    if any(one in body for one in wanted):
                        leaf = Leaf.parse(body)
                        asked = leaf if leaf.of is None else _leaf(session, leaf.of)
                        concerned[index] = (leaf, asked)
        for index, (leaf, asked) in concerned.items():
            yield Use(
                index=index,
                time=leaf.time,
                kind=leaf.kind,
                operation=leaf.operation,
                outcome=leaf.outcome,
                client=leaf.client,
                purpose=leaf.purpose or (None if asked is None else asked.purpose),
                decision=leaf.of,
            )

    # ------------------------------------------------------------ erasure
    def erase(self, subject: str) -> Receipt:
        """Erase all that is held on a person, in every gallery; consents stay as they are.

        From then on the person is enrolled nowhere without a consent given since.

        Raises:
            Refused: the gate refused the erasure. StorageError, GalleryError: it was not done.
        """
        vault = self._instance.vault

        def work(session: Session, record: Record, permit: Permit) -> Erasure:
            return erase_subject(
                session, vault, subject, reason="request", record=record, permit=permit
            )

        return erase_as_operator(self._instance, work)

    # ------------------------------------------------------------ suppressions
    def suppressions(self) -> Mapping[str, int]:
        """How many entries there are, by reason. Nobody is named."""
        with self._instance.database.read() as session:
            return suppressions.counts(session)

    def standing(self, subject: str) -> Standing:
        """Whether a person is suppressed, where, why and since when."""
        keyring = self._instance.keyring
        with self._instance.database.read() as session:
            given = [
                one.obtained_at
                for one in consents.of_subject(session, keyring, subject)
                if one.withdrawn_at is None
            ]
            return Standing(
                withdrew=consents.suppressed(session, keyring, subject),
                entries=self._entries(session, subject),
                last_consent=max(given, default=None),
            )

    def _entries(self, session: Session, subject: str) -> tuple[SuppressionHeld, ...]:
        keyring = self._instance.keyring
        found = suppressions.of_subject(session, keyring, subject)
        if not found:
            return ()
        places = session.execute(select(CollectionRow.client, CollectionRow.name)).all()
        held = licences.all_licences(session, keyring)
        clients = {one.client for one in held} | {row.client for row in places}
        names = {suppressions.client_of(keyring, one): one for one in clients}
        names |= {
            suppressions.gallery_of(keyring, row.client, row.name): row.name for row in places
        }
        names[suppressions.ANY] = "every"
        return tuple(
            SuppressionHeld(
                client=names.get(one.client, "unknown"),
                gallery=names.get(one.gallery, "unknown"),
                reason=one.reason,
                since=one.at,
            )
            for one in found
        )

    # ------------------------------------------------------------ receipts
    def receipt(self, receipt_id: str, *, client: str | None = None) -> dict[str, Any]:
        """A receipt that is kept, as its JSON values; of this client's erasures only, if named.

        Raises:
            GalleryError: there is none of that id.
        """
        with self._instance.database.read() as session:
            return kept_receipts.find(session, receipt_id, client=client)

    def receipts_of(self, ledger_index: int) -> list[str]:
        """The ids of the receipts for an entry of the ledger."""
        with self._instance.database.read() as session:
            return kept_receipts.of_ledger_index(session, ledger_index)


def _leaf(session: Session, index: int) -> Leaf | None:
    try:
        return log.leaf_at(session, index)
    except LedgerError:
        return None


def _elsewhere(session: Session, known: str, face_ids: list[str]) -> dict[str, int]:
    users = select(func.count(FaceRow.user_id.distinct())).where(FaceRow.id.in_(face_ids))
    emptied = (  # their last face was taken out
        select(func.count(UserRow.id))
        .join(SubjectRow, SubjectRow.id == UserRow.subject_id)
        .where(SubjectRow.commitment == known)
    )
    held = int(session.execute(users).scalar_one()) if face_ids else 0
    return {
        "users": held + int(session.execute(emptied).scalar_one()),
        "job_results": jobs.left(session, face_ids),
        "reviews": reviews.left(session, face_ids),
    }


def receipt_text(document: Mapping[str, Any]) -> str:
    """A receipt as the text of a file."""
    return json.dumps(document, indent=2, sort_keys=True) + "\n"
