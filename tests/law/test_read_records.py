"""What is read from the tables is what a slow, obvious filter finds among what was written.

Rows are written through the real functions, some are damaged with SQL, and `read_records` is asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from random import Random
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from rightface.law import duties, facts
from rightface.law.facts import FactTerms
from rightface.law.operation import Operation
from rightface.law.records import read_records
from rightface.law.vocabulary import Fact
from rightface.law.world import Records
from tests.law.conftest import NOTICE, NOW, Instance

PLEDGES = [
    "microsoft-police-commitment-2020",
    "amazon-rekognition-moratorium-2020",
    "ibm-letter-2020",
]
DUTIES = ["public-retention-policy", "posted-sign"]
STATES = ["us-va-police-use-authorised", "us-vt-police-use-authorised"]
CONDITIONS: dict[str, list[Fact]] = {
    "capture": ["video", "photograph", "live-3d-scan"],
    "notice": [True, False],
}
CLIENTS = [None, "acme", "other"]
PATTERNS = [None, "staff*", "guests"]
GALLERIES = [None, "staff-1", "guests", "x"]
LAST = 12  # hours within which all of it happens


def hour(number: int) -> datetime:
    return NOW + timedelta(hours=number)


@dataclass
class Told:
    """What was written, as plain values; hours from NOW."""

    name: str
    start: int
    recorded: int
    value: Fact = True
    client: str | None = None
    gallery: str | None = None
    until: int | None = None
    ended: int | None = None
    damaged: bool = False
    fact_id: str = ""


@dataclass
class Written:
    adopted: list[Told] = field(default_factory=list)
    duties: list[Told] = field(default_factory=list)
    facts: list[Told] = field(default_factory=list)


def write(instance: Instance, rng: Random) -> Written:
    """Rows through the real functions, in the order of time, as an operator would."""
    written = Written()
    for now in range(LAST):
        for _ in range(rng.choice([0, 1, 1, 2])):
            rng.choice([_adopt, _adopt, _duty, _duty, _end_duty, _fact, _fact, _fact, _end_fact])(
                instance, rng, written, now
            )
    for duty in written.duties:
        duty.damaged = rng.randrange(8) == 0
    with instance.database.read() as session:
        rows = session.execute(text("SELECT id FROM duties_on_record ORDER BY id")).scalars().all()
    for number, duty in zip(rows, written.duties, strict=True):
        if duty.damaged:
            _sql(instance, f"UPDATE duties_on_record SET signature = NULL WHERE id = {number}")
    for fact in written.facts:
        # Of an ended record only the signature: bent columns would open it again.
        changes = ["signature = :zeros", "body = replace(body, 'Council', 'council')"]
        if fact.ended is None:
            changes += ["recorded_at = '2099-01-01T00:00:00.000000Z'", "client = 'third'"]
        if rng.randrange(12) == 0:
            fact.damaged = True
            where = f"WHERE fact_id = '{fact.fact_id}'"
            _sql(instance, f"UPDATE facts_on_record SET {rng.choice(changes)} {where}")
    return written


def _sql(instance: Instance, statement: str) -> None:
    values = {"zeros": bytes(64)} if ":zeros" in statement else {}
    instance.database.write(lambda s: s.execute(text(statement), values))


def _adopt(instance: Instance, rng: Random, written: Written, now: int) -> None:
    name = rng.choice(PLEDGES)
    standing = [one for one in written.adopted if one.name == name and one.ended is None]
    instance.now = hour(now)
    if standing and rng.randrange(2):
        instance.withdraw_commitment(name)
        standing[0].ended = now
        return
    instance.adopt(name)
    if not standing:
        written.adopted.append(Told(name, now, now))


def _duty(instance: Instance, rng: Random, written: Written, now: int) -> None:
    told = Told(
        name=rng.choice(DUTIES),
        start=rng.randrange(LAST),
        recorded=now,
        client=rng.choice(CLIENTS),
        gallery=rng.choice(PATTERNS),
    )
    instance.database.write(
        lambda s: duties.record_duty(
            s,
            instance.keyring,
            told.name,
            document_digest=NOTICE,
            at=hour(now),
            by="operator",
            met_from=hour(told.start),
            client=told.client,
            gallery=told.gallery,
        )
    )
    written.duties.append(told)


def _end_duty(instance: Instance, rng: Random, written: Written, now: int) -> None:
    name = rng.choice(DUTIES)
    instance.end_duty(name, hour(now))
    for one in written.duties:
        if one.name == name and one.ended is None:
            one.ended = now


def _fact(instance: Instance, rng: Random, written: Written, now: int) -> None:
    start = rng.randrange(LAST)
    told = Told(rng.choice(STATES), start, now)
    if rng.randrange(2):
        told.name = rng.choice(sorted(CONDITIONS))
        told.value = rng.choice(CONDITIONS[told.name])
        told.client, told.gallery = rng.choice(CLIENTS), rng.choice(PATTERNS)
    told.until = rng.choice([None, None, start + 1, start + 4])
    terms = FactTerms(
        name=told.name,
        value=told.value,
        client=told.client,
        gallery=told.gallery,
        valid_from=hour(start),
        valid_until=None if told.until is None else hour(told.until),
        attester="Council",
        document_digest=NOTICE,
    )
    told.fact_id = instance.database.write(
        lambda s: facts.record_fact(s, instance.keyring, terms, at=hour(now))
    ).fact_id
    written.facts.append(told)


def _end_fact(instance: Instance, rng: Random, written: Written, now: int) -> None:
    standing = [one for one in written.facts if one.ended is None]
    if standing:
        one = rng.choice(standing)
        one.ended = now
        instance.database.write(
            lambda s: facts.end_fact(s, instance.keyring, one.fact_id, at=hour(now))
        )


# ---------------------------------------------------------------- slow and obvious
def _about(one: Told, client: str | None, gallery: str | None) -> bool:
    if one.client is not None and one.client != client:
        return False
    return one.gallery is None or (gallery is not None and fnmatchcase(gallery, one.gallery))


def _stands(one: Told, as_of: int, known_at: int, live: bool) -> bool:
    if one.damaged or as_of < one.start or known_at < one.recorded:
        return False
    if one.until is not None and as_of >= one.until:
        return False
    return one.ended is None or (not live and known_at < one.ended)


def slow(
    written: Written,
    client: str | None,
    gallery: str | None,
    as_of: int,
    known_at: int,
    live: bool,
) -> dict[str, Any]:
    adopted = set()
    for one in written.adopted:
        if one.start <= as_of and one.recorded <= known_at:
            over = one.ended is not None and one.ended <= as_of and one.ended <= known_at
            if not over:
                adopted.add(one.name)
    met = set()
    for one in written.duties:
        if _stands(one, as_of, known_at, live) and _about(one, client, gallery):
            met.add(one.name)
    states = set()
    standing: dict[str, Fact] = {}
    rank: dict[str, Any] = {}
    damaged = []
    for one in written.facts:
        if one.damaged:
            if one.client in (None, client):
                damaged.append(one)
        elif _stands(one, as_of, known_at, live) and _about(one, client, gallery):
            if one.name in STATES:
                states.add(one.name)
                continue
            mine = (
                one.client is not None,
                one.gallery is not None,
                one.recorded,
                one.fact_id,
            )
            if one.name not in rank or mine > rank[one.name]:
                rank[one.name], standing[one.name] = mine, one.value
    # One that is ended and signed as such is no longer looked at.
    return {
        "adopted": adopted,
        "duties": met,
        "facts": states,
        "standing": standing,
        "damaged": {
            one.fact_id
            for one in damaged
            if one.ended is None or (not live and one.ended > known_at)
        },
    }


@contextmanager
def _emptied(instance: Instance) -> Iterator[Instance]:
    for table in ("adoptions", "duties_on_record", "facts_on_record"):
        _sql(instance, f"DELETE FROM {table}")
    yield instance


def _read(
    instance: Instance,
    client: str | None,
    gallery: str | None,
    as_of: int,
    known_at: int,
    live: bool,
) -> Records:
    asked = Operation(
        action="detect",
        client=client,
        actor="private-entity",
        client_jurisdiction="US-TX",
        place_jurisdiction="US-TX",
        gallery_jurisdiction="US-TX",
        gallery=gallery,
        known_at=hour(known_at),
    )
    with instance.database.read() as session:
        return read_records(session, instance.keyring, asked, hour(as_of), lambda: (), live=live)


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(0, 2**63))
def test_what_is_read_is_what_a_slow_filter_finds(instance: Instance, seed: int) -> None:
    rng = Random(seed)
    with _emptied(instance):
        written = write(instance, rng)
        for _ in range(12):
            client, gallery = rng.choice([*CLIENTS, "fourth"]), rng.choice(GALLERIES)
            live = bool(rng.randrange(2))
            as_of, known_at = rng.randrange(-1, LAST + 2), rng.randrange(-1, LAST + 2)
            if live:  # a permit is for now, and now is after all that was recorded
                as_of = known_at = LAST + rng.randrange(3)
            found = _read(instance, client, gallery, as_of, known_at, live)
            assert {
                "adopted": set(found.adopted),
                "duties": set(found.duties),
                "facts": set(found.facts),
                "standing": dict(found.standing),
                "damaged": set(found.damaged),
            } == slow(written, client, gallery, as_of, known_at, live)
