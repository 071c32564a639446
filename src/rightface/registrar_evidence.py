"""The operator's desk for evidence: what was measured of the model pack, put on record and ended.

Each act is one transaction with its own leaf in the ledger, which names the record by its id alone.
Must never know: a command line, a wire format.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Literal

from sqlalchemy.orm import Session

from rightface.assay.evidence import EvidenceError, figures_of
from rightface.errors import NotOnRecord
from rightface.instance import OPERATOR, Instance, acting
from rightface.law import evidence_records
from rightface.law.evidence import Evidence
from rightface.law.evidence_records import EvidenceOnRecord
from rightface.law.figures import Figures, evidence_of, is_same, tells_against
from rightface.law.steps.evidence import Use, uses

State = Literal["stands", "of-another-pack", "ended", "damaged"]


@dataclass(frozen=True, kw_only=True)
class Told:
    """One measurement, and what it is good for today."""

    evidence_id: str
    """`shipped`: the calibration of the model pack."""
    state: State
    shipped: bool = False
    """Whether it came with the model pack: part of the release, signed by nobody."""
    evidence: Evidence | None = None
    figures: Figures | None = None
    """None of what is damaged, and of a calibration."""
    uses: tuple[Use, ...] = ()
    """Of each row of the table; none of what does not stand."""
    recorded_at: datetime | None = None
    by: str = ""
    ended_at: datetime | None = None
    ended_why: str = ""


class EvidenceDesk:
    """Where evidence is kept. Get it from `Registrar.evidence`."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance

    def add(self, document: bytes, *, fmr_target: float = 1e-3) -> Told:
        """Put an assay's document on record as evidence for the model pack in use.

        Args:
            document: the assay's JSON.
            fmr_target: the false match rate at whose threshold groups are compared.

        Raises:
            EvidenceError: it is no such document, about another pack, does not add up, or is on
                record already.
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
            self._require_new(session, figures)
            found = evidence_records.record(
                session,
                instance.keyring,
                figures,
                at=datetime.now(UTC),
                by=next(iter(acting()), OPERATOR),
            )
            instance.record_act(session, "evidence-record", records=(found.evidence_id,))
            if tells_against(figures):  # what a restore must not forget
                instance.record_act(session, "evidence-against", records=(found.evidence_id,))
            return found

        return self._told(instance.database.write(work))

    def end(self, evidence_id: str, *, why: str) -> EvidenceOnRecord | None:
        """End a record, or what shipped, for good; None: it was damaged, and is not believed.

        Raises:
            NotOnRecord: there is none of that id. LawError: no reason is given.
        """
        instance = self._instance

        def work(session: Session) -> EvidenceOnRecord | None:
            ended = evidence_records.end(
                session,
                instance.keyring,
                evidence_id,
                at=datetime.now(UTC),
                why=why,
                shipped=instance.shipped_figures(),
            )
            instance.record_act(session, "evidence-end", records=(evidence_id,))
            return ended

        return instance.database.write(work)

    def listed(self) -> list[Told]:
        """What ships, then every record, oldest first; ended and damaged ones included."""
        with self._instance.database.read() as session:
            rows = evidence_records.all_evidence(session, self._instance.keyring)
        on_record = {row.evidence_id for row in rows}
        told = [one for one in self._shipped() if one.evidence_id not in on_record]
        for row in rows:
            if row.found is not None:
                told.append(self._told(row.found))
            else:
                state: State = "ended" if row.ended else "damaged"
                told.append(Told(evidence_id=row.evidence_id, state=state))
        return told

    def find(self, evidence_id: str) -> Told:
        """The measurement of that id.

        Raises:
            NotOnRecord: there is none. LawError: its signature is broken.
        """
        try:
            with self._instance.database.read() as session:
                found = evidence_records.find(session, self._instance.keyring, evidence_id)
        except NotOnRecord:
            for one in self._shipped():
                if one.evidence_id == evidence_id:
                    return one
            raise
        return self._told(found)

    # ------------------------------------------------------------ inside
    def _require_new(self, session: Session, figures: Figures) -> None:
        keyring, shipped = self._instance.keyring, self._instance.shipped_figures()
        known = evidence_records.standing_copy(session, keyring, figures)
        named = None if known is None else known.evidence_id
        for evidence_id, one in shipped.items():
            gone = evidence_records.is_on_record(session, evidence_id)  # its end
            if is_same(one, figures) and not gone:
                named = evidence_id
        if named is not None:
            raise EvidenceError(
                f"This document is on record already: {named}.",
                why="A measurement counts once, however often it is added.",
                mend="Add another measurement; to add this one anew, end the first.",
            )

    def _shipped(self) -> list[Told]:
        used = self._instance.shipped_evidence()[:1]
        told = [
            Told(
                evidence_id=one.source,
                state="stands",
                shipped=True,
                evidence=one,
                uses=uses(one, _today()),
            )
            for one in used
        ]
        for evidence_id, figures in self._instance.shipped_figures().items():
            one = evidence_of(figures, evidence_id, shipped=True)
            state = self._state(one)
            told.append(
                Told(
                    evidence_id=evidence_id,
                    state=state,
                    shipped=True,
                    evidence=one,
                    figures=figures,
                    uses=uses(one, _today()) if state == "stands" else (),
                )
            )
        return told

    def _told(self, found: EvidenceOnRecord) -> Told:
        state = "ended" if found.ended_at is not None else self._state(found.evidence)
        return Told(
            evidence_id=found.evidence_id,
            state=state,
            shipped=found.evidence.shipped,
            evidence=found.evidence,
            figures=found.figures,
            uses=uses(found.evidence, _today()) if state == "stands" else (),
            recorded_at=found.recorded_at,
            by=found.by,
            ended_at=found.ended_at,
            ended_why=found.ended_why,
        )

    def _state(self, one: Evidence) -> State:
        used = self._instance.pack.digest, self._instance.comparison_digest
        return "stands" if (one.pack_digest, one.comparison_digest) == used else "of-another-pack"


def _today() -> date:
    return datetime.now(UTC).date()
