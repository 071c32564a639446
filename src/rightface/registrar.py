"""The operator's acts: licences, consents and their withdrawal; what else there is, by its desk.

Each act is one transaction with its own leaf in the ledger. None of them opens a door around the
gate: what erases, erases under a permit. Must never know: a command line, a wire format.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from sqlalchemy.orm import Session

from rightface import acts
from rightface.errors import ConsentError, LicenceError, SettingsError
from rightface.gallery.erasure import Erasure, Record, erase_subject
from rightface.gallery.receipts import Receipt
from rightface.instance import OPERATOR, Instance
from rightface.law import consents, licences
from rightface.law.consents import Consent
from rightface.law.decide import Desk
from rightface.law.licences import IssuedLicence, Licence
from rightface.law.operation import Party
from rightface.permit import Permit
from rightface.registrar_evidence import EvidenceDesk
from rightface.registrar_findings import FindingDesk
from rightface.registrar_galleries import GalleryDesk
from rightface.registrar_jobs import JobDesk
from rightface.registrar_law import LawDesk
from rightface.registrar_subjects import SubjectDesk
from rightface.registrar_warrants import WarrantDesk
from rightface.retention import RetentionDesk, erase_as_operator

_REFERENCE = re.compile(r"[a-zA-Z0-9_.\-:]{1,255}")  # Rekognition's ExternalImageId


@dataclass(frozen=True, kw_only=True)
class LicenceTerms:
    """What a licence grants, as asked for."""

    client: str
    sector: str
    jurisdiction: str
    purposes: tuple[str, ...]
    operations: tuple[str, ...]
    galleries: tuple[str, ...]
    on_behalf_of: tuple[str, ...]
    """`NAME:SECTOR` of everyone who stands behind the client."""
    basis: str
    valid_from: datetime | None
    valid_until: datetime | None
    per_second: int | None = None
    """Requests per second; None: as many as the server has room for."""
    per_day: int | None = None
    """Requests per day (UTC); None: no such limit."""
    differential_limit: float | None = None
    """How many times as often the worst group may match falsely as the best; None: no limit of
    its own."""


@dataclass(frozen=True, kw_only=True)
class ConsentTerms:
    """What was agreed to."""

    purposes: tuple[str, ...]
    galleries: tuple[str, ...]
    notice: bytes
    """The text that the person was shown. Only its SHA-256 is kept."""
    retention_days: int
    how: str
    obtained_at: datetime | None
    expires_at: datetime | None
    client: str | None


class Registrar:
    """The operator's desk. Use it in a `with` block."""

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

    # ------------------------------------------------------------ licences
    def issue_licence(self, terms: LicenceTerms) -> IssuedLicence:
        """Issue a licence for use where the client is and where the instance is.

        Raises:
            LawError: an unknown word. LicenceError: terms that make no licence.
        """
        instance = self._instance
        if terms.client == OPERATOR:
            raise LicenceError(f"'{OPERATOR}' is the instance's own name.", mend="Choose another.")
        if terms.valid_until is None:
            raise LicenceError("A licence has an end.", mend="Give --until DATE.")
        until = terms.valid_until

        def work(session: Session) -> IssuedLicence:
            issued = licences.issue(
                session,
                instance.keyring,
                client=terms.client,
                sector=terms.sector,
                jurisdiction=terms.jurisdiction,
                jurisdictions=(terms.jurisdiction, instance.settings.jurisdiction),
                purposes=terms.purposes,
                operations=terms.operations,
                galleries=terms.galleries,
                parties=tuple(Party.parse(each) for each in terms.on_behalf_of),
                basis=terms.basis,
                issued_at=datetime.now(UTC),
                valid_from=terms.valid_from,
                valid_until=until,
                per_second=terms.per_second,
                per_day=terms.per_day,
                differential_limit=terms.differential_limit,
            )
            licence_id = issued.licence.licence_id
            instance.record_act(session, "licence-issue", client=terms.client, licence=licence_id)
            return issued

        return instance.database.write(work)

    def licences(self) -> list[Licence]:
        """Every licence, oldest first, the operator's own included."""
        with self._instance.database.read() as session:
            return licences.all_licences(session, self._instance.keyring)

    def revoke_licence(self, licence_id: str) -> Licence:
        """End a licence now, for good.

        Raises:
            LicenceError: there is none of that id.
        """

        def work(session: Session) -> Licence:
            keyring = self._instance.keyring
            found = licences.by_id(session, keyring, licence_id)
            if found is not None and found.client == OPERATOR:
                raise LicenceError("The instance needs its own licence, to rebuild and to erase.")
            licence = licences.revoke(session, keyring, licence_id, datetime.now(UTC))
            self._instance.record_act(
                session, "licence-revoke", client=licence.client, licence=licence_id
            )
            return licence

        return self._instance.database.write(work)

    def erase_ended_galleries(self, client: str) -> tuple[Receipt, ...]:
        """Erase the galleries of a client whose last licence has ended, without days of grace.

        Raises:
            LicenceError: a licence of the client still stands.
            Refused: the gate refused the erasure. StorageError, GalleryError: it was not done.
        """
        with self._instance.database.read() as session:
            held = licences.of_client(session, self._instance.keyring, client)
        now = datetime.now(UTC)
        if any(one.revoked_at is None and one.valid_until > now for one in held):
            raise LicenceError(
                "A licence of this client still stands; nothing was erased.",
                mend="Revoke it too: rightface licence revoke ID --erase.",
            )
        return RetentionDesk(self._instance).erase_ended(client, at_once=True)

    # ------------------------------------------------------------ consents
    def record_consents(self, subjects: Sequence[str], terms: ConsentTerms) -> list[Consent]:
        """Put the same consent on record for each subject: all of them, or none.

        Raises:
            ConsentError, LawError: malformed terms. SettingsError: a reference is malformed.
        """
        instance = self._instance
        for subject in subjects:
            _require_reference(subject)
        if terms.obtained_at is not None and terms.obtained_at > datetime.now(UTC):
            raise ConsentError("The consent would be given in the future.", mend="Give its date.")
        digest = hashlib.sha256(terms.notice).hexdigest()

        def work(session: Session) -> list[Consent]:
            now = datetime.now(UTC)
            recorded = []
            if terms.obtained_at is None and len(subjects) > 1:
                self._require_no_withdrawal(session, subjects)
            for subject in subjects:
                consent = consents.record(
                    session,
                    instance.keyring,
                    subject,
                    purposes=terms.purposes,
                    galleries=terms.galleries,
                    notice_digest=digest,
                    retention_days=terms.retention_days,
                    obtained_at=terms.obtained_at or now,
                    how=terms.how,
                    expires_at=terms.expires_at,
                    client=terms.client,
                )
                known = instance.vault.commitment(session, subject)
                instance.record_act(session, "consent-record", subjects=(known,))
                recorded.append(consent)
            return recorded

        return instance.database.write(work)

    def _require_no_withdrawal(self, session: Session, subjects: Sequence[str]) -> None:
        # The moment of an import says nothing about when anybody agreed.
        keyring = self._instance.keyring
        withdrew = [each for each in subjects if consents.suppressed(session, keyring, each)]
        if withdrew:
            raise ConsentError(
                f"{len(withdrew)} of {len(subjects)} persons of the list withdrew.",
                why="An import does not say when they agreed anew.",
                mend="Give --obtained DATE, or record each of them alone.",
            )

    def consents_of(self, subject: str, *, client: str | None = None) -> list[Consent]:
        """Every consent of a person, oldest first.

        `client`: what this client may rely on; nothing of a person of whom it has neither a face
        nor a consent of its own.
        """
        instance = self._instance
        with instance.database.read() as session:
            found = consents.of_subject(session, instance.keyring, subject)
            if client is None:
                return found
            known = any(each.client == client for each in found)
            if not known and not instance.store.has_face_of(session, client, subject):
                return []
            return [each for each in found if each.client in (None, client)]

    def withdraw_consent(self, subject: str) -> Receipt:
        """Withdraw every consent of a person and erase all that is held, in one transaction.

        From then on the person is suppressed: not enrolled again until a newer consent is on
        record.

        Raises:
            Refused: the gate refused the erasure. StorageError: nothing was withdrawn or erased.
        """
        _require_reference(subject)
        instance = self._instance

        def work(session: Session, record: Record, permit: Permit) -> Erasure:
            consents.withdraw(session, instance.keyring, subject, datetime.now(UTC))
            known = instance.vault.commitment(session, subject)
            instance.record_act(session, "consent-withdraw", subjects=(known,))
            return erase_subject(
                session, instance.vault, subject, reason="withdrawal", record=record, permit=permit
            )

        return erase_as_operator(instance, work)

    def erase_overdue(self) -> int:
        """Erase every face that is past one of its dates; how many there were.

        Raises:
            Refused: the gate refused the erasure. StorageError, GalleryError: it was not done.
        """
        return sum(receipt.erased["faces"] for receipt in RetentionDesk(self._instance).sweep())

    # ------------------------------------------------------------ jobs
    @property
    def jobs(self) -> JobDesk:
        """Jobs on stored videos."""
        return JobDesk(self._instance)

    # ------------------------------------------------------------ galleries
    @property
    def galleries(self) -> GalleryDesk:
        """What searches of galleries may get wrong."""
        return GalleryDesk(self._instance)

    # ------------------------------------------------------------ people
    @property
    def subjects(self) -> SubjectDesk:
        """What is held on a person, and their erasure; suppressions; receipts kept."""
        return SubjectDesk(self._instance)

    # ------------------------------------------------------------ warrants and findings
    @property
    def warrants(self) -> WarrantDesk:
        """Warrants, orders and emergencies on record."""
        return WarrantDesk(self._instance)

    @property
    def findings(self) -> FindingDesk:
        """Findings on record, and acts on a match."""
        return FindingDesk(self._instance)

    # ------------------------------------------------------------ evidence
    @property
    def evidence(self) -> EvidenceDesk:
        """What was measured of the model pack, on record."""
        return EvidenceDesk(self._instance)

    # ------------------------------------------------------------ the ledger
    def audit_ledger(self) -> int:
        """Compare every row with every public file, and every act with the records.

        Returns:
            How many entries were compared.

        Raises:
            LedgerError: they differ; it says where.
        """
        size = self._instance.publisher.audit()
        acts.require_agreement(self._instance)
        return size

    def rebuild_ledger(self) -> int:
        """Make every public file again from the database; how many entries they hold.

        Raises:
            LedgerError: the database is not what was signed before.
        """
        return self._instance.publisher.rebuild().size

    # ------------------------------------------------------------ the law
    def desk(self, instruments: Sequence[str] | None = None, *, strict: bool = False) -> Desk:
        """Where questions about the law are answered, with this instance's records.

        Args:
            instruments: what these alone say; None: all that bind.
            strict: whether rules that were not read at their source are refused. An instance whose
                setting `strict_law` is on is strict in any case.
        """
        return Desk(
            self._instance.library, self._instance.gate, instruments=instruments, strict=strict
        )

    @property
    def law(self) -> LawDesk:
        """What the law waits for: commitments, duties, facts, attesters."""
        return LawDesk(self._instance)


def _require_reference(subject: str) -> None:
    if not _REFERENCE.fullmatch(subject):
        raise SettingsError(
            "A subject's reference has 1 to 255 letters, digits, '_', '.', '-' and ':'.",
            mend="Use the ExternalImageId that the client enrols with.",
        )
