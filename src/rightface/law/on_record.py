"""What stands on record besides licences, consents and warrants, in one query.

Commitments adopted, duties met, facts, standing conditions, measurements, and the attesters who are
trusted. Each row's signature is checked (`signed.py` remembers what verified); who reads what is in
the modules of each.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    CompoundSelect,
    LargeBinary,
    String,
    bindparam,
    case,
    cast,
    literal,
    null,
    select,
    union_all,
)
from sqlalchemy.orm import Session

from rightface.keys import KeyRing
from rightface.law import adoptions, duties, evidence_records, facts
from rightface.law.attesters import read_attester, trusted
from rightface.law.evidence import SHIPPED, Evidence
from rightface.law.tables import (
    AdoptionRow,
    AttesterRow,
    DutyRow,
    EvidenceRow,
    FactRow,
    stamp,
)
from rightface.law.vocabulary import Fact, Vocabulary


@dataclass(frozen=True, kw_only=True)
class OnRecord:
    """What holds for one client and gallery, by both clocks."""

    adopted: frozenset[str] = frozenset()
    duties: frozenset[str] = frozenset()
    facts: frozenset[str] = frozenset()
    standing: Mapping[str, Fact] = field(default_factory=dict)
    damaged: tuple[str, ...] = ()
    """Ids of facts that may be about this client, with a broken signature or another's columns."""
    evidence: tuple[Evidence, ...] = ()
    """What was measured, of whatever pack."""
    evidence_damaged: tuple[str, ...] = ()
    """Ids of measurements with a broken signature or another's columns."""
    evidence_ended: frozenset[str] = frozenset()
    """Ids of measurements that came with the model pack, and were ended."""


def on_record(
    session: Session,
    keyring: KeyRing,
    *,
    client: str | None = None,
    gallery: str | None = None,
    as_of: datetime,
    known_at: datetime | None = None,
    live: bool = False,
) -> OnRecord:
    """What stands on record for an operation.

    Args:
        session: for reading.
        keyring: checks the signatures.
        client: who asks; None: nobody in particular.
        gallery: the collection that is touched; None: none.
        as_of: the time that is asked about.
        known_at: the time whose knowledge counts; None: `as_of`.
        live: whether a permit is asked for; then an end counts at once.
    """
    known = as_of if known_at is None else known_at
    at, known_stamp = stamp(as_of), stamp(known)
    rows = session.connection().execute(
        _query(),
        {
            "known": known_stamp,
            "client": client,
            "since": _NEVER if live else known_stamp,
            "of_client": f'%"client":{_like(json.dumps(client))}%',
        },
    )
    adopted: set[str] = set()
    met: set[str] = set()
    recorded: list[facts.FactOnRecord] = []
    damaged: list[str] = []
    measured: list[Evidence] = []
    unreadable: list[str] = []
    over: set[str] = set()
    attesters = []
    for kind, key, name, whose, body, signature, more, more_signature, since, ended in rows.all():
        if kind == "adoption":
            told = adoptions.counts(keyring, name, since, body, signature, more, more_signature)
            adopted |= {one.instrument for one in told if one.binds(at, known_stamp)}
        elif kind == "duty":
            duty = duties.read_duty(keyring, name, body, signature, since, ended)
            if duty is not None and duties.is_met(
                duty, at, known_stamp, client=client, gallery=gallery, live=live
            ):
                met.add(name)
        elif kind == "fact":
            fact = facts.read_fact(keyring, key, name, whose, body, signature, more, since, ended)
            if fact is None:
                damaged.append(key)
            else:
                recorded.append(fact)
        elif kind == "evidence":
            one = evidence_records.read_row(keyring, key, name, body, signature, since, ended)
            if one is None:
                unreadable.append(key)
            elif one.by == SHIPPED:
                over |= {key} if one.is_ended(known_stamp, live=live) else set()
            elif one.holds(at, known_stamp, live=live):
                measured.append(one.evidence)
        else:
            attesters.append(read_attester(keyring, name, body, signature, since, ended))
    states, standing = facts.choose(
        recorded,
        trusted(attesters, known, live=live),
        client=client,
        gallery=gallery,
        as_of=as_of,
        known_at=known,
        live=live,
    )
    return OnRecord(
        adopted=frozenset(adopted),
        duties=frozenset(met),
        facts=states,
        standing=standing,
        damaged=tuple(sorted(damaged)),
        evidence=tuple(measured),
        evidence_damaged=tuple(sorted(unreadable)),
        evidence_ended=frozenset(over),
    )


_NEVER = "9999"  # later than every stamp


def _like(text: str) -> str:
    return re.sub(r"([\\%_])", r"\\\1", text)


@lru_cache(maxsize=1)
def _query() -> CompoundSelect[Any]:
    """One shape for all: `more` is a withdrawal or an attestation.

    Of facts, whatever the columns or the signed text say of this client and as still open: columns
    that were changed hide nothing.
    """
    adopted, duty = AdoptionRow.__table__.c, DutyRow.__table__.c
    fact, attester = FactRow.__table__.c, AttesterRow.__table__.c
    evidence = EvidenceRow.__table__.c
    known, client, since, of_client = (
        bindparam(name, type_=String()) for name in ("known", "client", "since", "of_client")
    )
    no_text, no_bytes = cast(null(), String()), cast(null(), LargeBinary())
    attested = [n for n, one in Vocabulary.load().facts.items() if one.checklist]
    return union_all(
        select(  # all of them: what was signed says from when an adoption binds
            literal("adoption").label("kind"),
            no_text.label("key"),
            adopted.instrument.label("name"),
            no_text.label("client"),
            adopted.body,
            adopted.signature,
            adopted.withdrawal.label("more"),
            adopted.withdrawal_signature.label("more_signature"),
            adopted.adopted_at.label("recorded_at"),
            adopted.withdrawn_at.label("ended_at"),
        ),
        select(
            literal("duty"),
            no_text,
            duty.duty,
            no_text,
            duty.body,
            duty.signature,
            no_text,
            no_bytes,
            duty.recorded_at,
            duty.ended_at,
        ).where(duty.recorded_at <= known, (duty.ended_at == null()) | (duty.ended_at > since)),
        select(
            literal("fact"),
            fact.fact_id,
            fact.name,
            fact.client,
            fact.body,
            fact.signature,
            case((fact.name.in_(attested), fact.attestation), else_=no_text),
            no_bytes,
            fact.recorded_at,
            fact.ended_at,
        ).where(
            (fact.ended_at == null())
            | (fact.ended_at > since)
            | fact.body.contains('"ended_at":null'),
            (fact.client == null())
            | (fact.client == client)
            | fact.body.contains('"client":null')
            | fact.body.like(of_client, escape="\\"),
        ),
        select(
            literal("evidence"),
            evidence.evidence_id,
            evidence.pack_digest,
            no_text,
            evidence.body,
            evidence.signature,
            no_text,
            no_bytes,
            evidence.recorded_at,
            evidence.ended_at,
        ).where(
            (evidence.ended_at == null())
            | (evidence.ended_at > since)
            | evidence.body.contains('"ended_at":null')
            | evidence.body.contains(f'"by":"{SHIPPED}"'),
        ),
        select(
            literal("attester"),
            no_text,
            attester.name,
            no_text,
            attester.body,
            attester.signature,
            no_text,
            no_bytes,
            attester.added_at,
            attester.ended_at,
        ),
    )
