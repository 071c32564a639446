"""An instance for the law's tests: a real database, real keys, a real gate, a clock to set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from rightface.db import Database
from rightface.keys import KeyRing
from rightface.law import adoptions, consents, duties, licences
from rightface.law.consents import Consent
from rightface.law.evidence import Differential, Evidence
from rightface.law.gate import Gate, Judged
from rightface.law.library import InstrumentLibrary
from rightface.law.licences import Licence
from rightface.law.operation import Operation
from rightface.law.ruling import Refusal, Ruling
from rightface.law.splits import Split
from rightface.permit import Permit

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
GOOD = Evidence(
    pack_digest="0" * 64,
    measured_on=date(2026, 6, 1),
    impostor_pairs=20_000_000,
    genuine_pairs=3_000,
    people=4_000,
    differential=Differential(value=1.5, low=1.2, high=1.9, fmr_target=1e-3, groups=10),
    splits=(Split(columns=("gender", "ethnicity"), groups=10),),
)
"""Enough for every row of the table."""
NOTICE = "ab" * 32


@dataclass
class Instance:
    """What a service would hold, and short ways to put things on record."""

    database: Database
    keyring: KeyRing
    library: InstrumentLibrary
    now: datetime = NOW
    evidence: Evidence | None = GOOD
    faces: int = 5
    """In the gallery that is searched."""
    recorded: list[tuple[Operation, Ruling]] = field(default_factory=list)
    gate: Gate = field(init=False)

    def __post_init__(self) -> None:
        self.gate = self.with_library(self.library)

    def with_library(self, library: InstrumentLibrary) -> Gate:
        return Gate(
            self.database,
            self.keyring,
            library,
            self.record,
            lambda: () if self.evidence is None else (self.evidence,),
            lambda: self.now,
            faces=lambda *_: self.faces,
        )

    def record(self, operation: Operation, judged: Judged) -> int:
        with self.database.read() as session:
            self.recorded.append((operation, judged(session)))
        return len(self.recorded) - 1

    def licence(self, **changed: Any) -> Licence:
        told: dict[str, Any] = {
            "client": "acme",
            "sector": "private-entity",
            "jurisdiction": "US-TX",
            "purposes": ["access-control"],
            "operations": ["enroll", "verify-1to1", "identify-1toN"],
            "galleries": ["staff*"],
            "issued_at": NOW - timedelta(days=1),
            "valid_until": NOW + timedelta(days=365),
        } | changed
        return self.database.write(
            lambda session: licences.issue(session, self.keyring, **told)
        ).licence

    def consent(self, subject: str, **changed: Any) -> Consent:
        told: dict[str, Any] = {
            "purposes": ["access-control"],
            "galleries": ["staff*"],
            "notice_digest": NOTICE,
            "retention_days": 365,
            "obtained_at": self.now if self.now > NOW else NOW - timedelta(hours=1),
        } | changed
        return self.database.write(
            lambda session: consents.record(session, self.keyring, subject, **told)
        )

    def withdraw(self, subject: str) -> list[Consent]:
        withdrawn = self.database.write(
            lambda session: consents.withdraw(session, self.keyring, subject, self.now)
        )
        self.now += timedelta(seconds=1)  # what is agreed to next is agreed to later
        return withdrawn

    def revoke(self, licence: Licence) -> Licence:
        return self.database.write(
            lambda session: licences.revoke(session, self.keyring, licence.licence_id, self.now)
        )

    def duty(self, duty: str = "public-retention-policy") -> None:
        self.database.write(
            lambda session: duties.record_duty(
                session, self.keyring, duty, document_digest=NOTICE, at=self.now, by="operator"
            )
        )

    def adopt(self, instrument: str = "microsoft-police-commitment-2020") -> None:
        self.database.write(
            lambda session: adoptions.adopt(
                session, self.keyring, instrument, at=self.now, by="operator"
            )
        )

    def withdraw_commitment(self, instrument: str, at: datetime | None = None) -> None:
        self.database.write(
            lambda session: adoptions.withdraw_adoption(
                session,
                self.keyring,
                instrument,
                reason="The pledge is over.",
                at=at or self.now,
                by="operator",
            )
        )

    def end_duty(self, duty: str, at: datetime | None = None) -> list[duties.DutyOnRecord]:
        return self.database.write(
            lambda session: duties.end_duty(session, self.keyring, duty, at=at or self.now)
        )

    def decide(self, operation: Operation) -> Permit | Refusal:
        return self.gate.decide(operation)

    def allowed(self, operation: Operation) -> Permit:
        answer = self.gate.decide(operation)
        assert isinstance(answer, Permit), answer.message
        return answer

    def refused(self, operation: Operation) -> Refusal:
        answer = self.gate.decide(operation)
        assert isinstance(answer, Refusal), "a permit was given"
        return answer


def operation(licence: Licence, action: str = "identify-1toN", **changed: Any) -> Operation:
    """What the client of `licence` may ask for; then with changes."""
    asked = Operation(
        action=action,
        client=licence.client,
        actor=licence.sector,
        parties=licence.parties,
        client_jurisdiction=licence.jurisdiction,
        place_jurisdiction=licence.jurisdiction,
        gallery_jurisdiction=licence.jurisdiction,
        licence_id=licence.licence_id,
        purpose=licence.purposes[0],
        gallery="staff",
        request_id="request-1",
    )
    return replace(asked, **changed)


def keys(refusal: Refusal | Ruling) -> list[str]:
    """The reasons, as the ledger would keep them."""
    ruling = refusal.ruling if isinstance(refusal, Refusal) else refusal
    return [reason.key for reason in ruling.reasons]


def jurisdiction(*places: str) -> dict[str, str]:
    """The three jurisdictions of an operation: client, place, gallery (the last repeats)."""
    told: Sequence[str] = [*places, *[places[-1]] * 2][:3]
    names = ("client_jurisdiction", "place_jurisdiction", "gallery_jurisdiction")
    return dict(zip(names, told, strict=True))


@pytest.fixture(scope="session")
def library() -> InstrumentLibrary:
    return InstrumentLibrary.load()


@pytest.fixture
def instance(database: Database, keyring: KeyRing, library: InstrumentLibrary) -> Instance:
    return Instance(database, keyring, library)
