"""What the gate knows when it judges one operation: the records, the rules, the facts.

Built once per operation, read by the steps, changed by none. Revocation, consent, adoption and
duties are read afresh each time; only what cannot change is cached elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cached_property
from typing import NamedTuple

from rightface.errors import LawError
from rightface.law.consents import Consent
from rightface.law.evidence import Evidence, measured_facts
from rightface.law.library import InstrumentLibrary
from rightface.law.licences import Licence
from rightface.law.operation import Operation
from rightface.law.policies import RuleSet
from rightface.law.provenance import Provenance
from rightface.law.suppressions import Suppression
from rightface.law.vocabulary import Fact
from rightface.law.warrants import Warrant, problems

CONSENT = "consent-warranted"
FACELESS = frozenset({"erase", "manage-gallery", "rebuild-index", "measure-accuracy"})
"""Operations that single out no person by name."""
SEALED = frozenset({"identify-1toN"})
"""Operations whose results this service can seal until people have reviewed them."""


@dataclass(frozen=True, kw_only=True)
class Records:
    """What the instance has on record for one operation, as of now."""

    licence: Licence | None
    licence_broken: bool = False
    """A licence was found, and its signature is not that of its text."""
    adopted: frozenset[str] = frozenset()
    duties: frozenset[str] = frozenset()
    consents: Mapping[str, Consent] = field(default_factory=dict)
    """Subject → the consent that covers this operation."""
    suppressed: frozenset[str] = frozenset()
    """Subjects who withdrew and have not consented anew."""
    suppressions: Mapping[str, tuple[Suppression, ...]] = field(default_factory=dict)
    """Subject → what was erased of them here for other reasons. A later consent lifts it."""
    evidence: tuple[Evidence, ...] = ()
    """What was measured of the pack in use, and stands: shipped with it, and put on record."""
    evidence_damaged: tuple[str, ...] = ()
    """Ids of records of measurements whose signature is broken."""
    faces: int = 0
    """How many the gallery holds that is searched; more than a thousand: as of a minute ago."""
    warrant: Warrant | None = None
    """The warrant that the operation relies on, if it is on record and its signature is good."""
    warrant_damaged: bool = False
    """There is a record of that id, and its signature is broken."""
    facts: frozenset[str] = frozenset()
    """The states of the world on record as holding, as known at the time that counts."""
    standing: Mapping[str, Fact] = field(default_factory=dict)
    """Conditions on record for this client and gallery."""
    provenance: Provenance = field(default_factory=Provenance)
    """What the findings that the operation cites rest on."""
    reviewers: int = 0
    """How many people may review what this client searches for, each with a credential."""
    damaged: tuple[str, ...] = ()
    """Ids of facts on record that may be about this operation and whose signature is broken."""

    @property
    def other_evidence(self) -> str | None:
        """What the cited findings amount to; None: none is cited."""
        return self.provenance.other_evidence


class Judged(NamedTuple):
    """Somebody who is judged; `name` is empty for the client itself."""

    actor: str
    name: str


@dataclass(frozen=True, kw_only=True)
class World:
    """One operation and all that is known about it."""

    operation: Operation
    as_of: datetime
    live: bool
    """Whether a permit is asked for; else it is a question."""
    library: InstrumentLibrary
    records: Records | None
    """None: a question that names no client; licences and consent records are left out."""
    adopted: frozenset[str]
    strict: bool = False
    """Whether to refuse to rely on rules that were not read at their source."""
    performed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Duties that count as met because this service performs them → the instruments that ask."""

    @cached_property
    def day(self) -> date:
        """The day, in UTC, whose law applies."""
        return self.as_of.astimezone(UTC).date()

    @cached_property
    def known_day(self) -> date:
        """The day, in UTC, whose knowledge of the law counts."""
        return (self.operation.known_at or self.as_of).astimezone(UTC).date()

    @cached_property
    def authorisation(self) -> str:
        """The authorisation that counts: as stated in a question, else the record that covers."""
        told = self.operation
        if self.records is None or (not self.live and told.warrant_id is None):
            return told.warrant
        return "none" if self.warrant is None else self.warrant.kind

    @cached_property
    def warrant(self) -> Warrant | None:
        """The warrant on record that the operation names, if it covers the operation."""
        warrant = None if self.records is None else self.records.warrant
        found = problems(warrant, self.operation, self.as_of, live=self.live)
        return None if any(True for _ in found) else warrant

    @cached_property
    def relied_on(self) -> tuple[str, ...]:
        """The warrant, findings and searches that it names and that are this client's, by id."""
        if self.records is None:
            return ()
        warrant = self.records.warrant
        own = warrant is not None and warrant.client == self.operation.client
        first = (warrant.warrant_id,) if warrant is not None and own else ()
        return (*first, *self.records.provenance.known)

    @cached_property
    def licence(self) -> Licence | None:
        """The licence, if there is a genuine one."""
        return None if self.records is None else self.records.licence

    @cached_property
    def basis(self) -> str:
        """The legal basis that is relied on."""
        if self.operation.legal_basis is not None:
            return self.operation.legal_basis
        return CONSENT if self.licence is None else self.licence.basis

    @cached_property
    def chain(self) -> tuple[Judged, ...]:
        """Everybody who is judged, each sector once: the client, then who stands behind it."""
        names = {self.operation.actor: ""}
        behind = self.operation.parties
        if self.licence is not None:
            names.setdefault(self.licence.sector, "")
            behind = (*self.licence.parties, *behind)
        for party in behind:
            names.setdefault(party.actor, party.name)
        return tuple(Judged(actor, name) for actor, name in names.items())

    @cached_property
    def jurisdictions(self) -> tuple[str, ...]:
        """Where it happens, the licence's own statement of the client's place included."""
        stated = () if self.licence is None else (self.licence.jurisdiction,)
        return tuple(dict.fromkeys((*self.operation.jurisdictions, *stated)))

    @cached_property
    def rules(self) -> RuleSet:
        """The rules in force here and now."""
        return self.library.in_force(
            self.day, frozenset(self.jurisdictions), self.adopted, self.known_day
        )

    def facts(self, *, licensed: bool) -> Mapping[str, Fact]:
        """Every condition with its value: from the records, from the question, else its default."""
        operation, words = self.operation, self.library.vocabulary
        facts: dict[str, Fact] = {n: c.default for n, c in words.conditions.items()}
        purpose = operation.purpose if operation.purpose in words.purposes else ""
        facts |= {
            "licensed": licensed,
            "purpose": purpose or "",
            "consequential": bool(purpose) and words.purposes[purpose or ""].consequential,
            "warrant": self.authorisation,
            "legal_basis": self.basis,
            "realtime": operation.realtime or operation.action == "identify-live",
            "device": operation.device,
        }
        if self.records is not None:
            named, consents = operation.subjects, self.records.consents
            covered = all(subject in consents for subject in named)
            if self.live:
                # This instance runs the search. Without a record nobody knows when a use began.
                facts |= {"channel": "own-system", "hours_since_start": NEVER_STARTED}
            facts |= self.records.standing
            facts |= measured_facts(self.records.evidence, facts, self.day)
            if self.warrant is not None:
                facts |= self.warrant.facts(self.as_of)
            facts |= {
                "facts": tuple(sorted(self.records.facts)),
                "other_evidence": self.records.other_evidence or facts["other_evidence"],
                "duties": tuple(sorted(self.records.duties.union(self.performed))),
                # Nobody named: the licence says whether the client warrants their consent.
                "consent": covered if named else self.basis == CONSENT,
                "written_release": bool(named)
                and covered
                and all(consents[subject].written for subject in named),
                "explicit_consent": bool(named)
                and covered
                and all(consents[subject].how in words.explicit for subject in named),
                # Released in writing by all, and by somebody with a click only.
                "electronic_signature": covered
                and all(consents[subject].written for subject in named)
                and any(consents[subject].how == "electronic-signature" for subject in named),
            }
        if not self.live:
            recorded = {name: facts[name] for name in ("duties", "facts")}
            facts |= operation.conditions
            for name, known in recorded.items():  # what is on record stays; the question adds
                facts[name] = tuple(sorted({*_words(known), *_words(facts[name])}))
        facts |= operation.declared
        offence = words.offences[str(facts["offence"])]
        facts |= {"offence_violent": offence.violent, "offence_felony": offence.felony}
        return facts


def _words(value: Fact) -> tuple[str, ...]:
    return value if isinstance(value, tuple) else ()


NEVER_STARTED = 1_000_000
"""Hours: past every limit that a law sets."""
STATED_ELSEWHERE = frozenset({"purpose", "warrant", "legal_basis", "realtime", "device"})
"""Conditions that an operation states as fields of its own."""


def check_words(operation: Operation, library: InstrumentLibrary) -> None:
    """Let the gate go on only if every word of the operation is one of the vocabulary.

    Purposes are left to step 1, which answers an unknown one with a refusal.

    Raises:
        LawError: one is not; the message names it.
    """
    words = library.vocabulary
    if words.operation(operation.action) != operation.action:
        raise LawError(
            f"'{operation.action}' is an alias.", mend=f"Use '{words.operation(operation.action)}'."
        )
    for actor in (operation.actor, *(party.actor for party in operation.parties)):
        words.actor(actor)
    for place in operation.jurisdictions:
        words.place(place)
    words.warrant(operation.warrant)
    words.value("device", operation.device)
    if operation.legal_basis is not None:
        words.basis(operation.legal_basis)
    for name, value in operation.declared.items():
        words.declared(name, value)
    for name, value in operation.conditions.items():
        if words.condition(name).derived or name in STATED_ELSEWHERE:
            raise LawError(
                f"'{name}' cannot be stated as a condition.",
                why="The gate finds it, or the operation has a field for it.",
            )
        words.value(name, value)
