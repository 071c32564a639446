"""The gate's answer, as values: steps, reasons, obligations, ruling, refusal.

Every reason says which instrument and section it comes from, where that is written, and what would
have to change. No personal data is ever in here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Outcome = Literal["allow", "deny", "require-duty"]
Confidence = Literal["seen", "recalled", "derived", "own"]
"""How a rule is known: read at its source, from memory, inferred; or our own, written here."""

STEPS = (
    "time and client",
    "licence",
    "instruments",
    "consent or another basis",
    "warrant",
    "evidence",
    "obligations",
    "ledger",
    "permit",
)


@dataclass(frozen=True, kw_only=True)
class Reason:
    """Why something was refused, and what would have to change."""

    step: int
    instrument: str
    """An instrument's id, or what the gate itself looked at: gate, licence, consent, evidence, …"""
    section: str
    citation: str
    rule: str
    """The rule's id within its instrument."""
    text: str
    change: str
    confidence: Confidence = "own"
    duty: str = ""
    """The duty that would cure it; empty: nothing but the change does."""
    party: str = ""
    """Who was judged, where it is somebody behind the client."""

    @property
    def key(self) -> str:
        """`instrument#rule`, the form that the ledger keeps."""
        return f"{self.instrument}#{self.rule}"

    @property
    def unverified(self) -> bool:
        """Whether the rule was not read at its source."""
        return self.confidence in ("recalled", "derived")

    def sentence(self) -> str:
        """The reason as one or two sentences with its citation."""
        mark = ", unverified" if self.unverified else ""
        return f"{self.text.removesuffix('.')} ({self.instrument}: {self.citation}{mark})."


@dataclass(frozen=True)
class Obligation:
    """What must hold while the permit is used. `value` is a count, days or a rate, by its kind."""

    kind: str
    """retention-days and retention-minutes (from enrolment), retention-idle-days (from the person's
    last interaction) · similarity-floor (a false match rate) · human-review (reviewers) ·
    max-candidates."""
    value: int | float
    instrument: str


@dataclass(frozen=True, kw_only=True)
class StepResult:
    """What one step found. `outcome` is `left-out` where the question gives nothing to judge."""

    step: int
    outcome: Literal["pass", "deny", "require-duty", "left-out"]
    note: str
    reasons: tuple[Reason, ...] = ()
    obligations: tuple[Obligation, ...] = ()
    spoke: tuple[str, ...] = ()
    """The instruments whose rules applied."""

    @property
    def name(self) -> str:
        """The step's name."""
        return STEPS[self.step]


@dataclass(frozen=True, kw_only=True)
class Ruling:
    """What law, licence and consent say of one operation."""

    outcome: Outcome
    instruments: tuple[str, ...]
    """The instruments that spoke: those that forbade or asked for a duty; if the answer is allow,
    those that set an obligation."""
    in_force: tuple[str, ...]
    """The instruments that bind here and now, whether or not they spoke."""
    reasons: tuple[Reason, ...]
    missing: tuple[str, ...]
    """The duties that are not met."""
    obligations: tuple[Obligation, ...]
    steps: tuple[StepResult, ...]
    policy_digest: str
    """Hex SHA-256 over the rules in force."""
    jurisdictions: tuple[str, ...]
    relied_on: tuple[str, ...] = ()
    """The warrant, findings and searches on record that it rests on, by id."""

    @property
    def allowed(self) -> bool:
        """Whether the outcome is `allow`."""
        return self.outcome == "allow"


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """The gate's no: the ruling, and where it is recorded."""

    ruling: Ruling
    ledger_index: int
    request_id: str

    @property
    def message(self) -> str:
        """What was refused, by which instrument and section, and what would have to change."""
        return refusal_text(self.ruling)


def refusal_text(ruling: Ruling) -> str:
    """The reasons of a ruling and the changes that would cure it, as plain sentences."""
    worst_first = sorted(ruling.reasons, key=lambda reason: bool(reason.duty))
    said = " ".join(_unique(reason.sentence() for reason in worst_first))
    changes = " ".join(_unique(reason.change for reason in worst_first))
    missing = f" Missing: {', '.join(ruling.missing)}." if ruling.missing else ""
    return f"Refused. {said}{missing} To change it: {changes}"


def _unique(texts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(texts))
