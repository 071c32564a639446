"""What stands on record besides licences, consents and warrants, in one query.

Commitments adopted, duties met, facts, standing conditions, and the attesters who are trusted. Each
row's signature is checked (`signed.py` remembers what verified); who reads what is in the modules
of each.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import LargeBinary, String, bindparam, cast, literal, null, select, union_all
from sqlalchemy.orm import Session

from rightface.keys import KeyRing
from rightface.law import adoptions, duties, facts
from rightface.law.attesters import read_attester, trusted
from rightface.law.tables import AdoptionRow, AttesterRow, DutyRow, FactRow, stamp
from rightface.law.vocabulary import Fact


@dataclass(frozen=True, kw_only=True)
class OnRecord:
    """What holds for one client and gallery, by both clocks."""

    adopted: frozenset[str] = frozenset()
    duties: frozenset[str] = frozenset()
    facts: frozenset[str] = frozenset()
    standing: Mapping[str, Fact] = field(default_factory=dict)


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
    rows = session.connection().execute(_QUERY, {"known": known_stamp, "client": client}).all()
    adopted: set[str] = set()
    met: set[str] = set()
    recorded: list[facts.FactOnRecord] = []
    attesters = []
    for kind, name, whose, body, signature, more, more_signature, since, ended in rows:
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
            fact = facts.read_fact(keyring, name, whose, body, signature, more, since, ended)
            recorded += [] if fact is None else [fact]
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
        adopted=frozenset(adopted), duties=frozenset(met), facts=states, standing=standing
    )


# One shape for all: `more` is a withdrawal or an attestation.
_ADOPTIONS, _DUTIES = AdoptionRow.__table__.c, DutyRow.__table__.c
_FACTS, _ATTESTERS = FactRow.__table__.c, AttesterRow.__table__.c
_KNOWN, _CLIENT = bindparam("known", type_=String()), bindparam("client", type_=String())
_NO_TEXT, _NO_BYTES = cast(null(), String()), cast(null(), LargeBinary())
_QUERY = union_all(
    select(  # all of them: what was signed says from when an adoption binds
        literal("adoption").label("kind"),
        _ADOPTIONS.instrument.label("name"),
        _NO_TEXT.label("client"),
        _ADOPTIONS.body,
        _ADOPTIONS.signature,
        _ADOPTIONS.withdrawal.label("more"),
        _ADOPTIONS.withdrawal_signature.label("more_signature"),
        _ADOPTIONS.adopted_at.label("recorded_at"),
        _ADOPTIONS.withdrawn_at.label("ended_at"),
    ),
    select(
        literal("duty"),
        _DUTIES.duty,
        _NO_TEXT,
        _DUTIES.body,
        _DUTIES.signature,
        _NO_TEXT,
        _NO_BYTES,
        _DUTIES.recorded_at,
        _DUTIES.ended_at,
    ).where(_DUTIES.recorded_at <= _KNOWN),
    select(
        literal("fact"),
        _FACTS.name,
        _FACTS.client,
        _FACTS.body,
        _FACTS.signature,
        _FACTS.attestation,
        _NO_BYTES,
        _FACTS.recorded_at,
        _FACTS.ended_at,
    ).where(
        _FACTS.recorded_at <= _KNOWN,
        (_FACTS.ended_at == null()) | (_FACTS.ended_at > _KNOWN),
        (_FACTS.client == null()) | (_FACTS.client == _CLIENT),
    ),
    select(
        literal("attester"),
        _ATTESTERS.name,
        _NO_TEXT,
        _ATTESTERS.body,
        _ATTESTERS.signature,
        _NO_TEXT,
        _NO_BYTES,
        _ATTESTERS.added_at,
        _ATTESTERS.ended_at,
    ),
)
