"""The operator's desk for findings, and for asking the gate about an act on a match.

Recording is one transaction with its own leaf in the ledger, which names the finding and what it
was derived from by their ids alone. Must never know: a command line, a wire format.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy.orm import Session

from rightface.errors import LawError, LicenceError, NotOnRecord
from rightface.instance import Instance
from rightface.law import findings, licences
from rightface.law.findings import ACTS, FindingTerms, Listed
from rightface.law.operation import Operation
from rightface.law.provenance import Finding
from rightface.law.ruling import Refusal, Ruling


@dataclass(frozen=True, kw_only=True)
class Traced:
    """A finding, and what its chain says."""

    finding: Finding
    origin: str
    """independent, derived-from-match, or unknown: its chain has a gap."""


@dataclass(frozen=True, kw_only=True)
class ActAsked:
    """The gate's decision of record on an act on a match."""

    allowed: bool
    ledger_index: int
    permit_id: str | None
    ruling: Ruling | None
    """Why not; None: it is allowed."""
    obligations: tuple[object, ...] = ()

    @property
    def reasons(self) -> tuple[str, ...]:
        """The reasons, as the ledger keeps them."""
        told = () if self.ruling is None else self.ruling.reasons
        return tuple(dict.fromkeys(reason.key for reason in told))


class FindingDesk:
    """Where findings are kept. Get it from `Registrar.findings`."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance

    def record(self, terms: FindingTerms) -> Traced:
        """Put a finding on record with what it was derived from.

        Raises:
            LawError: malformed terms, or a parent that is not on record for the client.
        """
        instance = self._instance

        def work(session: Session) -> Finding:
            found = findings.record(
                session,
                instance.keyring,
                terms,
                at=datetime.now(UTC),
                searched=instance.searched,
            )
            instance.record_act(
                session,
                "finding-record",
                client=found.client,
                reasons=(found.kind,),
                records=(found.finding_id, *found.parents),
            )
            return found

        recorded = instance.database.write(work)
        with instance.database.read() as session:
            return self._traced(session, recorded)

    def listed(self, client: str | None = None) -> list[tuple[Listed, Traced | None]]:
        """Every finding, oldest first; None: its record is damaged."""
        with self._instance.database.read() as session:
            rows = findings.all_findings(session, self._instance.keyring, client)
            return [
                (row, None if row.finding is None else self._traced(session, row.finding))
                for row in rows
            ]

    def find(self, finding_id: str) -> Traced:
        """The finding of that id.

        Raises:
            LawError: there is none, or its record is damaged.
        """
        with self._instance.database.read() as session:
            row = findings.find(session, self._instance.keyring, finding_id)
            if row is None:
                raise NotOnRecord("There is no finding of that id.", mend="rightface finding list")
            if row.finding is None:
                raise LawError(
                    f"The record of {row.finding_id} does not bear this instance's signature.",
                    why="It was changed, or it was made with other keys.",
                    mend="Put the finding on record again.",
                )
            return self._traced(session, row.finding)

    def ask(
        self,
        *,
        client: str,
        licence_id: str,
        operation: str,
        cited: Sequence[str],
        warrant_id: str | None = None,
        purpose: str | None = None,
    ) -> ActAsked:
        """Ask the gate whether a match may be acted on. The decision is recorded; nothing is done.

        A permit for such an act touches no face and no template.

        Raises:
            LawError: `operation` is no act on a match. LicenceError: there is no such licence.
        """
        instance = self._instance
        if operation not in ACTS:
            raise LawError(
                "That is no act on a match.", why=f"Acts are: {', '.join(sorted(ACTS))}."
            )
        with instance.database.read() as session:
            licence = licences.by_id(session, instance.keyring, licence_id)
        if licence is None:
            raise LicenceError("There is no licence of that id.", mend="rightface licence list")
        if purpose is None and len(licence.purposes) == 1:
            purpose = licence.purposes[0]
        asked = Operation(
            action=operation,
            client=client,
            actor=licence.sector,
            parties=licence.parties,
            client_jurisdiction=licence.jurisdiction,
            place_jurisdiction=licence.jurisdiction,
            gallery_jurisdiction=instance.settings.jurisdiction,
            licence_id=licence_id,
            purpose=purpose,
            warrant_id=warrant_id,
            findings=tuple(cited),
            legal_basis=licence.basis,
            request_id=f"act-{uuid.uuid4()}",
        )
        answer = instance.gate.decide(asked)
        if isinstance(answer, Refusal):
            return ActAsked(
                allowed=False,
                ledger_index=answer.ledger_index,
                permit_id=None,
                ruling=answer.ruling,
            )
        with answer.exercise(asked):  # spent at once: it covers nothing but its record
            return ActAsked(
                allowed=True,
                ledger_index=answer.ledger_index,
                permit_id=answer.permit_id,
                ruling=None,
                obligations=answer.obligations,
            )

    def _traced(self, session: Session, finding: Finding) -> Traced:
        known = findings.trace(
            session,
            self._instance.keyring,
            finding.client,
            (finding.finding_id,),
            self._instance.searched,
        )
        return Traced(finding=finding, origin=known.origin.get(finding.finding_id, "unknown"))
