"""The operator's desk for evidence: what was measured of the model pack, put on record and ended.

Each act is one transaction with its own leaf in the ledger, which names the record by its id alone.
Must never know: a command line, a wire format.
"""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy.orm import Session

from rightface.assay.evidence import figures_of
from rightface.instance import OPERATOR, Instance, acting
from rightface.law import evidence_records
from rightface.law.evidence import Evidence
from rightface.law.evidence_records import EvidenceOnRecord, Listed


class EvidenceDesk:
    """Where evidence is kept. Get it from `Registrar.evidence`."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance

    def add(self, document: bytes, *, fmr_target: float = 1e-3) -> EvidenceOnRecord:
        """Put an assay's document on record as evidence for the model pack in use.

        Args:
            document: the assay's JSON.
            fmr_target: the false match rate at whose threshold groups are compared.

        Raises:
            EvidenceError: it is no such document, about another pack, or does not add up.
            LawError: figures that cannot be, or a date in the future.
            WeightsError: the pack in use cannot be loaded.
        """
        instance = self._instance
        figures = figures_of(
            document,
            pack_digest=instance.pack.digest,
            comparison_digest=instance.comparison_digest,
            fmr_target=fmr_target,
        )

        def work(session: Session) -> EvidenceOnRecord:
            found = evidence_records.record(
                session,
                instance.keyring,
                figures,
                at=datetime.now(UTC),
                by=next(iter(acting()), OPERATOR),
            )
            instance.record_act(session, "evidence-record", records=(found.evidence_id,))
            if evidence_records.tells_against(figures):  # what a restore must not forget
                instance.record_act(session, "evidence-against", records=(found.evidence_id,))
            return found

        return instance.database.write(work)

    def end(self, evidence_id: str, *, why: str) -> EvidenceOnRecord | None:
        """End a record, for good; None: it was damaged, and nothing of it is believed.

        Raises:
            NotOnRecord: there is none of that id. LawError: no reason is given.
        """
        instance = self._instance

        def work(session: Session) -> EvidenceOnRecord | None:
            ended = evidence_records.end(
                session, instance.keyring, evidence_id, at=datetime.now(UTC), why=why
            )
            instance.record_act(session, "evidence-end", records=(evidence_id,))
            return ended

        return instance.database.write(work)

    def listed(self) -> list[Listed]:
        """Every record, oldest first, ended and damaged ones included."""
        with self._instance.database.read() as session:
            return evidence_records.all_evidence(session, self._instance.keyring)

    def find(self, evidence_id: str) -> EvidenceOnRecord:
        """The record of that id.

        Raises:
            NotOnRecord: there is none. LawError: its signature is broken.
        """
        with self._instance.database.read() as session:
            return evidence_records.find(session, self._instance.keyring, evidence_id)

    def shipped(self) -> tuple[Evidence, ...]:
        """What came with the model pack in use; empty where its calibration cannot be read."""
        return self._instance.shipped_evidence()

    def in_use(self, found: EvidenceOnRecord) -> bool:
        """Whether a record is about the pack in use, and the way in which it compares."""
        told = found.evidence
        return (told.pack_digest, told.comparison_digest) == (
            self._instance.pack.digest,
            self._instance.comparison_digest,
        )
