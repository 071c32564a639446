"""Facts on record: states of the world that rules wait for, and conditions that stand.

Two kinds, told apart by their name. A *fact* is a word of the vocabulary's facts; its value is true
and it is the same for everybody. A *standing condition* is a recordable condition with a value, for
one client or all, for galleries of one pattern or all. Each bears dates, an attester, the digest of
a document, and this instance's signature, its end included.

Two clocks. A record holds for a question at `as_of`, as known at `known_at`, if
valid_from <= as_of < valid_until, recorded_at <= known_at, and it was not ended by known_at. For a
permit both are now, and an end counts at once. A record whose signature is broken does not hold;
while it stands it stops every permit that it may be about, for it may have been one that forbids.

What is of one case (`Condition.case`) stands for one client and for at most `LONGEST_CASE`.

Where several standing values of one condition hold, the one with the narrower scope counts (client
and gallery, then client, then gallery, then all), among those the one recorded last.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property, lru_cache
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from rightface.errors import LawError, NotOnRecord
from rightface.keys import KeyRing
from rightface.law.attestations import Attestation, check_against, read_attestation
from rightface.law.attesters import Trusted, all_attesters, check_name, trusted
from rightface.law.checklists import checklist
from rightface.law.clocks import holds
from rightface.law.duties import DIGEST, check_scope, concerns
from rightface.law.signed import opened, sealed
from rightface.law.tables import FactRow, moment, stamp
from rightface.law.vocabulary import Fact, Vocabulary

LONGEST_CASE = timedelta(days=90)
"""For how long a condition of one case may stand on record."""


@dataclass(frozen=True, kw_only=True)
class FactTerms:
    """What is to be put on record."""

    name: str
    """A fact, or a recordable condition."""
    valid_from: datetime
    attester: str
    """A named person or office."""
    document_digest: str
    """Hex SHA-256 of the document that shows it."""
    valid_until: datetime | None = None
    """The first moment at which it no longer holds; None: open."""
    value: Fact | None = None
    """Of a condition; None: true, of a fact."""
    client: str | None = None
    gallery: str | None = None
    """A pattern of collections' names."""
    attestation: str | None = None
    """The attester's signed answers, where the fact names a checklist."""


@dataclass(frozen=True, kw_only=True)
class FactOnRecord:
    """One record, its signature verified. Term: half-open, [valid_from, valid_until)."""

    fact_id: str
    name: str
    value: Fact
    client: str | None
    gallery: str | None
    valid_from: datetime
    valid_until: datetime | None
    recorded_at: datetime
    attester: str
    document_digest: str
    attestation_digest: str | None
    """Hex SHA-256 of the attestation as canonical JSON."""
    ended_at: datetime | None
    attestation: Attestation | None = None
    """The attestation, if it is the one that was recorded and its signature is good."""

    @cached_property
    def is_condition(self) -> bool:
        """Whether it is a standing condition, not a state of the world."""
        return self.name in Vocabulary.load().conditions

    @cached_property
    def rank(self) -> tuple[bool, bool, datetime, str]:
        """What decides between several: client, gallery, time of record, id; the greatest wins."""
        return (self.client is not None, self.gallery is not None, self.recorded_at, self.fact_id)

    def concerns(self, client: str | None, gallery: str | None) -> bool:
        """Whether it speaks of this client and gallery."""
        return concerns(self.client, self.gallery, client, gallery)

    def holds(self, as_of: datetime, known_at: datetime, *, live: bool) -> bool:
        """Whether its dates hold, by both clocks."""
        return holds(
            as_of,
            known_at,
            live=live,
            start=self.valid_from,
            until=self.valid_until,
            recorded=self.recorded_at,
            ended=self.ended_at,
        )

    def is_attested(self, known: Trusted) -> bool:
        """Whether it needs no attestation, or has one under a key that is trusted."""
        wanted = Vocabulary.load().facts.get(self.name)
        if wanted is None or not wanted.checklist:
            return True
        told = self.attestation
        return (
            told is not None
            and told.checklist == wanted.checklist
            and told.attester == self.attester
            and told.public_key in known.get(self.attester, ())
            and told.holds_for(wanted.jurisdiction, self.valid_from.astimezone(UTC).date())
        )

    def state(self, known: Trusted, now: datetime) -> str:
        """One word for people: holds, not-yet, over, ended or not-attested."""
        if self.ended_at is not None:
            return "ended"
        if now < self.valid_from:
            return "not-yet"
        if self.valid_until is not None and now >= self.valid_until:
            return "over"
        return "holds" if self.is_attested(known) else "not-attested"


def record_fact(
    session: Session, keyring: KeyRing, terms: FactTerms, *, at: datetime
) -> FactOnRecord:
    """Check and sign a fact or a standing condition. Call inside `Database.write`.

    Raises:
        LawError: an unknown or unrecordable name, a value that it cannot have, a malformed scope,
            attester or digest, dates out of order, a condition of one case without a client or
            a near end, or an attestation that does not suffice.
    """
    value = _checked_value(terms)
    check_name(terms.attester)
    if not DIGEST.fullmatch(terms.document_digest):
        raise LawError("The document's digest is not a hexadecimal SHA-256.")
    if terms.valid_until is not None and stamp(terms.valid_until) <= stamp(terms.valid_from):
        raise LawError("The record ends before it starts.", mend="Give a later end.")
    _check_case(terms)
    attestation = _checked_attestation(session, keyring, terms, at)
    fact_id = "fct-" + secrets.token_hex(12)
    told: dict[str, Any] = {
        "fact_id": fact_id,
        "name": terms.name,
        "value": value,
        "client": terms.client,
        "gallery": terms.gallery,
        "valid_from": stamp(terms.valid_from),
        "valid_until": None if terms.valid_until is None else stamp(terms.valid_until),
        "recorded_at": stamp(at),
        "attester": terms.attester,
        "document": terms.document_digest,
        "attestation": None if attestation is None else attestation.digest,
        "ended_at": None,
    }
    body, signature = sealed(keyring, "fact", told)
    row = FactRow(
        fact_id=fact_id,
        name=terms.name,
        client=terms.client,
        body=body,
        signature=signature,
        attestation=None if attestation is None else attestation.text,
        recorded_at=stamp(at),
    )
    session.add(row)
    session.flush()
    return _verified(keyring, row)


def end_fact(session: Session, keyring: KeyRing, fact_id: str, *, at: datetime) -> FactOnRecord:
    """End a record at `at`, for good. A second time changes nothing. Call in `Database.write`.

    A damaged one ends as well: a signed record takes its place that never held.

    Raises:
        LawError: there is none of that id.
    """
    row = session.get(FactRow, fact_id)
    if row is None:
        raise NotOnRecord("There is no fact of that id.", mend="rightface law facts list")
    fact = _of_row(keyring, row)
    if fact is None:
        _close(keyring, row, at)
        session.flush()
    elif fact.ended_at is None:
        told = dict(opened(keyring, "fact", row.body, row.signature) or {})
        row.ended_at = stamp(at)
        row.body, row.signature = sealed(keyring, "fact", {**told, "ended_at": stamp(at)})
        session.flush()
    return _verified(keyring, row)


def _close(keyring: KeyRing, row: FactRow, at: datetime) -> None:
    """Make an ended record out of a damaged row. Nothing of its text is believed."""
    words = Vocabulary.load()
    if row.name not in words.facts and row.name not in words.conditions:
        row.name = "unknown"
    row.client, row.attestation = None, None
    row.recorded_at = row.ended_at = stamp(at)
    told = {
        "fact_id": row.fact_id,
        "name": row.name,
        "value": True,
        "client": None,
        "gallery": None,
        "valid_from": stamp(at),
        "valid_until": stamp(at),  # an interval without a moment in it
        "recorded_at": stamp(at),
        "attester": "nobody: the record was damaged",
        "document": hashlib.sha256(row.body.encode()).hexdigest(),
        "attestation": None,
        "ended_at": stamp(at),
    }
    row.body, row.signature = sealed(keyring, "fact", told)


def all_facts(session: Session, keyring: KeyRing) -> tuple[list[FactOnRecord], list[str]]:
    """Every record, oldest first, ended ones included; and the ids of those that are damaged."""
    found: list[FactOnRecord] = []
    damaged: list[str] = []
    for row in session.scalars(select(FactRow).order_by(FactRow.recorded_at, FactRow.fact_id)):
        fact = _of_row(keyring, row)
        if fact is None:
            damaged.append(row.fact_id)
        else:
            found.append(fact)
    return found, damaged


def read_fact(
    keyring: KeyRing,
    fact_id: str,
    name: str,
    client: str | None,
    body: str,
    signature: bytes,
    attestation: str | None,
    recorded_at: str,
    ended_at: str | None,
) -> FactOnRecord | None:
    """The record of a row's columns; None: unsigned, broken, or text and columns disagree."""
    told = opened(keyring, "fact", body, signature)
    if told is None or (fact_id, name, client, recorded_at, ended_at) != (
        told["fact_id"],
        told["name"],
        told["client"],
        told["recorded_at"],
        told["ended_at"],
    ):
        return None
    fact, digest = _fact(body), told["attestation"]
    if attestation is None or digest is None:
        return fact
    return replace(fact, attestation=_intact(attestation, digest))


def choose(
    facts: Iterable[FactOnRecord],
    known: Trusted,
    *,
    client: str | None,
    gallery: str | None,
    as_of: datetime,
    known_at: datetime,
    live: bool,
) -> tuple[frozenset[str], dict[str, Fact]]:
    """The facts that hold, and the standing conditions of this client and gallery.

    Args:
        facts: records with good signatures.
        known: the attesters' keys that are trusted as known at `known_at`.
        client: who asks.
        gallery: the collection; None: none is touched, and no gallery's condition counts.
        as_of: the time that is asked about.
        known_at: the time whose knowledge counts.
        live: whether a permit is asked for; then an end counts at once.
    """
    holding = [
        fact
        for fact in facts
        if fact.holds(as_of, known_at, live=live) and fact.concerns(client, gallery)
    ]
    states = frozenset(f.name for f in holding if not f.is_condition and f.is_attested(known))
    conditions = sorted((f for f in holding if f.is_condition), key=lambda fact: fact.rank)
    return states, {fact.name: fact.value for fact in conditions}


# ---------------------------------------------------------------- what may be recorded
def _checked_value(terms: FactTerms) -> Fact:
    words = Vocabulary.load()
    if terms.name in words.facts:
        if terms.value not in (None, True) or terms.client or terms.gallery:
            raise LawError(
                f"'{terms.name}' is a state of the world: true, and the same for everybody.",
                mend="Give no value, client or gallery; end it when it holds no more.",
            )
        return True
    if terms.name not in words.conditions:
        recordable = (n for n, c in words.conditions.items() if c.recordable)
        raise LawError(
            "There is no fact or condition of that name.",
            why=f"Allowed: {', '.join([*words.facts, *recordable])}.",
        )
    if not words.conditions[terms.name].recordable:
        raise LawError(
            f"'{terms.name}' cannot stand on record.",
            why="The gate finds it, reads it elsewhere, or it differs from request to request.",
        )
    if terms.value is None:
        raise LawError(f"'{terms.name}' needs a value.", mend="Give --value.")
    check_scope(terms.client, terms.gallery)
    return words.value(terms.name, terms.value)


def _check_case(terms: FactTerms) -> None:
    condition = Vocabulary.load().conditions.get(terms.name)
    if condition is None or not condition.case:
        return
    end = terms.valid_until
    if terms.client is None or end is None or end - terms.valid_from > LONGEST_CASE:
        raise LawError(
            f"'{terms.name}' is of one case: it stands for one client, and not for long.",
            why=f"It needs a client, and an end at most {LONGEST_CASE.days} days after its start.",
            mend="Give --client and --until; or state it in a warrant's record: "
            "rightface warrant record … --condition NAME=VALUE.",
        )


def _checked_attestation(
    session: Session, keyring: KeyRing, terms: FactTerms, at: datetime
) -> Attestation | None:
    fact = Vocabulary.load().facts.get(terms.name)
    if fact is None or not fact.checklist:
        if terms.attestation is not None:
            raise LawError(f"'{terms.name}' has no checklist to attest to.")
        return None
    if terms.attestation is None:
        raise LawError(
            f"'{terms.name}' holds only with an attestation.",
            why="It is a judgement: a named person answers for it, item by item.",
            mend=f"rightface law attest --checklist {fact.checklist} --answers FILE.yaml …",
        )
    told = read_attestation(terms.attestation)
    if told.attester != terms.attester:
        raise LawError("The attestation is another attester's.", mend="Name the one who signed it.")
    known = trusted(all_attesters(session, keyring), at, live=True)
    if told.public_key not in known.get(terms.attester, ()):
        raise LawError(
            "The attestation is signed with a key that this instance does not trust.",
            mend="rightface law attester add NAME --public-key FILE, if you trust them.",
        )
    check_against(told, checklist(fact.checklist))
    if told.on > at.astimezone(UTC).date():
        raise LawError("The attestation bears a date that is yet to come.")
    if told.law.jurisdiction != fact.jurisdiction:
        raise LawError(
            f"The attestation is about a law of {told.law.jurisdiction}.",
            why=f"'{terms.name}' asks for one of {fact.jurisdiction}.",
        )
    if not told.holds_for(fact.jurisdiction, terms.valid_from.astimezone(UTC).date()):
        raise LawError(
            f"The law is in force from {told.law.in_force_from} on.",
            why="The fact cannot hold before the law does.",
            mend=f"Give --from {told.law.in_force_from} or later.",
        )
    return told


# ---------------------------------------------------------------- reading
def _of_row(keyring: KeyRing, row: FactRow) -> FactOnRecord | None:
    return read_fact(
        keyring,
        row.fact_id,
        row.name,
        row.client,
        row.body,
        row.signature,
        row.attestation,
        row.recorded_at,
        row.ended_at,
    )


def _verified(keyring: KeyRing, row: FactRow) -> FactOnRecord:
    fact = _of_row(keyring, row)
    if fact is None:
        raise LawError(
            "The fact does not bear this instance's signature.",
            why="Its record was changed, or it was made with other keys. It does not hold.",
            mend="Record it anew.",
        )
    return fact


@lru_cache(maxsize=4_096)
def _fact(body: str) -> FactOnRecord:
    told = json.loads(body)
    value = told["value"]
    until, ended = told["valid_until"], told["ended_at"]
    return FactOnRecord(
        fact_id=told["fact_id"],
        name=told["name"],
        value=tuple(value) if isinstance(value, list) else value,
        client=told["client"],
        gallery=told["gallery"],
        valid_from=moment(told["valid_from"]),
        valid_until=None if until is None else moment(until),
        recorded_at=moment(told["recorded_at"]),
        attester=told["attester"],
        document_digest=told["document"],
        attestation_digest=told["attestation"],
        ended_at=None if ended is None else moment(ended),
    )


@lru_cache(maxsize=32)  # each up to 256 KiB
def _intact(text: str, digest: str) -> Attestation | None:
    try:
        told = read_attestation(text)
    except LawError:
        return None
    return told if told.digest == digest else None
