"""Whole worlds, drawn from the vocabulary: operations, licences, records, dates.

Each is built with a `random.Random`. Hypothesis gives either one that it can shrink (`questions`,
`worlds`), or a seed for many at once (`seeds`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any, TypeVar

from hypothesis import strategies as st

from rightface.law.consents import Consent
from rightface.law.evidence import Differential, Evidence
from rightface.law.library import InstrumentLibrary
from rightface.law.licences import Licence
from rightface.law.operation import Operation, Party
from rightface.law.provenance import Finding, Provenance
from rightface.law.splits import Split
from rightface.law.suppressions import Suppression
from rightface.law.vocabulary import Vocabulary
from rightface.law.warrants import Warrant
from rightface.law.world import STATED_ELSEWHERE, Records, World

T = TypeVar("T")
LIBRARY = InstrumentLibrary.load()
WORDS = Vocabulary.load()
ACTORS = sorted(WORDS.actors)
PLACES = ["US", "US-IL", "US-IL-CHICAGO", "US-CA", "US-CA-SF", "US-TX", "DE", "GB", "JP"]
SUBJECTS = ["alice", "bob", "carol"]
GALLERIES = ["staff", "staff-2", "visitors"]
# Few purposes and operations are special; those that are come up more often.
PURPOSES = ["access-control", "criminal-investigation", "missing-child"] * 3 + sorted(
    WORDS.purposes
)
ACTIONS = ["enroll", "identify-1toN", "identify-live", "verify-1to1"] * 3 + sorted(WORDS.operations)
STATEABLE = sorted(
    name
    for name, condition in WORDS.conditions.items()
    if not condition.derived and name not in STATED_ELSEWHERE
)
STANDING = [name for name in STATEABLE if WORDS.conditions[name].recordable]
PROVED = [name for name in STATEABLE if WORDS.conditions[name].case]
KINDS = sorted(set(WORDS.warrants) - {"none"})
CITED = [f"fnd-{number}" for number in range(6)] + ["search:1", "search:2", "search:3"]
# Days around every edge that an instrument or rule has.
_EDGES = {
    edge
    for one in LIBRARY.instruments.values()
    for edge in (
        one.effective_from,
        one.effective_until,
        *(edge for rule in one.rules for edge in (rule.start, rule.until)),
    )
    if edge is not None
}
_DAYS = sorted(edge + timedelta(days=step) for edge in _EDGES for step in (-1, 0, 1))


def subset(rng: Random, names: Sequence[T], *, at_most: int = 99) -> tuple[T, ...]:
    """Some of `names`, none twice."""
    return tuple(rng.sample(list(names), rng.randint(0, min(len(names), at_most))))


def one_in(rng: Random, number: int) -> bool:
    """True once in `number` times."""
    return rng.randrange(number) == 0


def moment(rng: Random) -> datetime:
    """A time: on an edge of some rule, or anywhere from 2000 to 2030."""
    if rng.randrange(2):
        day = rng.choice(_DAYS)
        return datetime(day.year, day.month, day.day, tzinfo=UTC)
    return datetime(2000, 1, 1, tzinfo=UTC) + timedelta(hours=rng.randrange(24 * 365 * 30))


def stated(rng: Random) -> dict[str, Any]:
    """Some conditions with values that they may have."""
    return {name: _value(rng, name) for name in subset(rng, STATEABLE, at_most=6)}


def _value(rng: Random, name: str) -> Any:
    condition = WORDS.conditions[name]
    if condition.kind == "bool":
        return bool(rng.randrange(2))
    if condition.kind == "int":
        least = condition.default
        return max(int(str(least)), rng.choice([-1, 0, 1, 24, 25, 48, 980, 999]))
    if condition.kind == "duties":
        return list(subset(rng, sorted(WORDS.duties)))
    if condition.kind == "facts":
        return list(subset(rng, sorted(WORDS.facts)))
    if condition.kind == "actor":
        return rng.choice(ACTORS)
    if condition.kind == "offence":
        return rng.choice(sorted(WORDS.offences))
    return rng.choice(condition.words)


DECLARABLE = [
    (name, True if word == "true" else word)
    for name, condition in sorted(WORDS.conditions.items())
    for word in condition.declarable
]


def declared(rng: Random) -> dict[str, Any]:
    """What a client may say against its own request."""
    return dict(subset(rng, DECLARABLE, at_most=2))


def parties(rng: Random) -> tuple[Party, ...]:
    """Who stands behind a client; often nobody."""
    if rng.randrange(2):
        return ()
    return tuple(Party(f"P{number}", rng.choice(ACTORS)) for number in range(rng.randint(1, 3)))


def operation(rng: Random, client: str | None = None) -> Operation:
    """An operation whose words are all of the vocabulary, the purpose perhaps excepted."""
    places = rng.choices(PLACES, k=3) if rng.randrange(2) else [rng.choice(PLACES)] * 3
    return Operation(
        action=rng.choice(ACTIONS),
        client=client,
        actor=rng.choice(ACTORS),
        client_jurisdiction=places[0],
        place_jurisdiction=places[1],
        gallery_jurisdiction=places[2],
        parties=parties(rng),
        licence_id=None if one_in(rng, 9) else "lic-1",
        purpose=rng.choice([None, "no such purpose"]) if one_in(rng, 15) else rng.choice(PURPOSES),
        gallery=None if one_in(rng, 9) else rng.choice(GALLERIES),
        subjects=subset(rng, SUBJECTS, at_most=2),
        realtime=bool(rng.randrange(2)),
        device=rng.choice(WORDS.conditions["device"].words),
        warrant=rng.choice(sorted(WORDS.warrants)) if one_in(rng, 9) else "none",
        warrant_id="wrt-1" if client is not None and one_in(rng, 3) else None,
        findings=subset(rng, CITED, at_most=3) if client is not None and one_in(rng, 3) else (),
        legal_basis=rng.choice(sorted(WORDS.bases)) if one_in(rng, 15) else None,
        conditions=stated(rng),
        declared=declared(rng) if one_in(rng, 6) else {},
    )


def licence(rng: Random, asked: Operation, at: datetime) -> Licence:
    """A licence that may or may not cover `asked` at `at`; most of them nearly do."""

    def near(value: str, others: Sequence[str]) -> tuple[str, ...]:
        some = subset(rng, others, at_most=2)
        return some if one_in(rng, 15) else (value, *some)

    start = at + timedelta(days=rng.choice([-400] * 9 + [-1, 0, 1]))
    return Licence(
        licence_id="lic-1",
        client="other" if one_in(rng, 15) else "acme",
        sector=rng.choice(ACTORS) if one_in(rng, 15) else asked.actor,
        jurisdiction=rng.choice(PLACES),
        parties=parties(rng) if one_in(rng, 3) else (),
        purposes=near(asked.purpose or "access-control", PURPOSES),
        operations=near(asked.action, ["enroll", "identify-1toN", "verify-1to1"]),
        galleries=tuple(rng.choice([["*"]] * 9 + [["staff*"], ["staff"], []])),
        jurisdictions=tuple(PLACES) if rng.randrange(9) else near("US", ["EU", "GB", "US-CA-SF"]),
        basis=rng.choice(sorted(WORDS.bases)) if one_in(rng, 5) else "consent-warranted",
        issued_at=start,
        valid_from=start,
        valid_until=start + timedelta(days=rng.choice([1, 400, *[4000] * 9])),
        access_key_id="RFAK",
        revoked_at=at + timedelta(days=rng.choice([-9, 0, 9])) if one_in(rng, 9) else None,
        differential_limit=rng.choice(EDGES_OF_LIMITS) if one_in(rng, 4) else None,
    )


def consent(rng: Random, at: datetime) -> Consent:
    """A consent that covers; whether one does is for `consents.covering`, tested elsewhere."""
    return Consent(
        consent_id=1,
        subject_commitment="",
        purposes=(),
        galleries=(),
        client=None,
        notice_digest="",
        retention_days=rng.randint(1, 4000),
        how=rng.choice(sorted(WORDS.how)),
        obtained_at=at,
        expires_at=None,
        withdrawn_at=None,
    )


def warrant(rng: Random, asked: Operation, at: datetime) -> Warrant:
    """A warrant that may or may not cover `asked` at `at`; most of them nearly do.

    Valid, not yet valid, expired, ended, overdue, out of scope, or another client's.
    """

    def scope(value: str | None, others: Sequence[str]) -> tuple[str, ...]:
        some = subset(rng, others, at_most=2)
        return some if value is None or one_in(rng, 9) else (value, *some)

    def hours(*choices: int) -> datetime:
        return start + timedelta(hours=rng.choice(choices), minutes=rng.choice([-1, 0, 0, 1]))

    start = at - timedelta(hours=rng.choice([30] * 12 + [-1, 0, 1, 23, 24, 25, 47, 48, 49, 500]))
    stated = asked.warrant if asked.warrant != "none" and not one_in(rng, 9) else rng.choice(KINDS)
    exigent = stated == "exigent"
    ended = hours(1, 30, 60) if one_in(rng, 9) else None
    return Warrant(
        warrant_id="wrt-1",
        kind=stated,
        issuer="court",
        number="1",
        client="other" if one_in(rng, 15) else "acme",
        operations=scope(asked.action, ACTIONS),
        purposes=scope(asked.purpose, PURPOSES),
        galleries=tuple(rng.choice([["*"]] * 9 + [["staff*"], ["staff"], []])),
        jurisdictions=tuple(PLACES) if rng.randrange(9) else scope(None, ["EU", "US-CA-SF", "GB"]),
        valid_from=start,
        valid_until=hours(0, 1, 30, 400, 4_000, 4_000, 4_000, 4_000, 4_000, 4_000),
        document_digest="",
        recorded_at=start,
        sealed=one_in(rng, 2),
        conditions={name: _value(rng, name) for name in subset(rng, PROVED, at_most=3)},
        limit_hours=rng.choice([1, 24, 48, 168]) if exigent else None,
        requested_at=hours(-5, 0, 1, 24, 47, 48, 49) if rng.randrange(2) else None,
        reported_at=hours(0, 1, 24, 47, 48, 49) if rng.randrange(2) else None,
        ended_at=ended,
        ended_as=None if ended is None else rng.choice(["ended", "refused"]),
    )


def provenance(rng: Random, asked: Operation) -> Provenance:
    """What is on record behind the citations; now and then something is missing."""
    names = rng.sample(CITED[:6], 6)
    missing = set(subset(rng, CITED, at_most=2)) if one_in(rng, 3) else set()
    findings = {
        name: Finding(
            finding_id=name,
            client="acme",
            kind="other",
            parents=subset(rng, [*names[:place], "search:1", "search:2"], at_most=2),
            document_digest="",
            found_at=datetime(2020, 1, 1, tzinfo=UTC),
            recorded_at=datetime(2020, 1, 1, tzinfo=UTC),
        )
        for place, name in enumerate(names)
        if name not in missing and asked.client == "acme"
    }
    searches = frozenset({"search:1", "search:2"} - missing) if asked.client else frozenset[str]()
    return Provenance(cited=asked.findings, findings=findings, searches=searches)


EDGES_OF_DAYS = [-1, 0, 364, 365, 366, 729, 730, 731, 732, 1094, 1095, 1096, 1097]
EDGES_OF_PAIRS = [0, 2_999, 3_000, 99_999, 100_000, 999_999, 10**6, 10**7 - 1]
EDGES_OF_GENUINE = [0, 299, 300, 2_999]
EDGES_OF_PEOPLE = [2, 79, 80, 449, 450, 999, 1_000, 1_999, 2_000]
COLUMNS = [("sex", "race")] * 9 + [
    *(("gender", "ethnicity"), ("race",), ("sex",), ("sex", "race", "age"), ("batch",), ()),
]
EDGES_OF_LIMITS = [1.0, 1.9, 2.0, 2.1, 3.0, 3.5, 9.0, 10.0, 10.5, 182.0]


def differential(rng: Random) -> Differential:
    """How unequal the groups may be found to be; the ends lie on the limits and beside them."""
    ends = sorted(rng.choices(EDGES_OF_LIMITS, k=3))
    return Differential(
        value=ends[1],
        low=ends[0],
        high=None if one_in(rng, 6) else ends[2],
        fmr_target=rng.choice([1e-2, 1e-3, 1e-3, 1e-3, 1e-4, 1e-5]),
        groups=rng.choice([1, 2, 3, 4, 7, 8, 10, 10]),
    )


def split(rng: Random) -> Split:
    """How the people were split: by what is asked for, or by something else."""
    return Split(
        columns=rng.choice(COLUMNS),
        groups=rng.choice([1, 2, 3, 4, 7, 8, 10, 10]),
        small_times=rng.choice(EDGES_OF_LIMITS) if one_in(rng, 5) else 0.0,
    )


def evidence(rng: Random, at: datetime) -> Evidence:
    """A measurement that may or may not suffice; most of them nearly do."""
    days = rng.choice(EDGES_OF_DAYS) if one_in(rng, 3) else 30
    return Evidence(
        pack_digest="",
        measured_on=max(at.date() - timedelta(days=days), date(1990, 1, 1)),
        impostor_pairs=rng.choice([*EDGES_OF_PAIRS, *[10**7] * 12, 10**9]),
        genuine_pairs=rng.choice([*EDGES_OF_GENUINE, *[3_000] * 12]),
        people=rng.choice([*EDGES_OF_PEOPLE, *[4_000] * 12]),
        splits=tuple(split(rng) for _ in range(rng.choice([0, 1, 1, 1, 1, 2]))),
        differential=differential(rng) if rng.randrange(3) else None,
        lowest_tmr=rng.choice([None, None, 0.5, 0.9794, 0.98, 0.981, 1.0]),
    )


def records(rng: Random, asked: Operation, at: datetime) -> Records:
    """What may be on record for `asked` at `at`."""
    covered = SUBJECTS if rng.randrange(4) else subset(rng, SUBJECTS)
    return Records(
        licence=None if one_in(rng, 12) else licence(rng, asked, at),
        adopted=LIBRARY.commitments,
        duties=frozenset(subset(rng, sorted(WORDS.duties))),
        consents={subject: consent(rng, at) for subject in covered},
        suppressed=frozenset(subset(rng, SUBJECTS)) if one_in(rng, 4) else frozenset(),
        suppressions={
            subject: tuple(
                Suppression("deletion", rng.choice([at - timedelta(days=400), at]))
                for _ in range(rng.choice([1, 2]))
            )
            for subject in (subset(rng, SUBJECTS) if one_in(rng, 4) else ())
        },
        evidence=tuple(evidence(rng, at) for _ in range(rng.choice([0, 1, 1, 1, 1, 2, 3]))),
        evidence_damaged=("evd-1",) if one_in(rng, 30) else (),
        faces=rng.choice([0, 5, 5, 1_000, 1_001, 100_000, 100_001, 10**7]),
        warrant=None if asked.warrant_id is None or one_in(rng, 9) else warrant(rng, asked, at),
        facts=frozenset(subset(rng, sorted(WORDS.facts))) if one_in(rng, 2) else frozenset(),
        standing={name: _value(rng, name) for name in subset(rng, STANDING, at_most=4)},
        provenance=provenance(rng, asked),
        damaged=("fct-1",) if one_in(rng, 15) else (),
        reviewers=rng.choice([0, 0, 1, 1, 2, 5]),
    )


def question_world(rng: Random) -> World:
    """A world without records: what the instruments say."""
    return World(
        operation=operation(rng),
        as_of=moment(rng),
        live=False,
        library=LIBRARY,
        records=None,
        adopted=LIBRARY.commitments if rng.randrange(3) else frozenset(),
    )


def gate_world(rng: Random) -> World:
    """A world with records: what the whole gate says, live or as a question."""
    asked = operation(rng, client=None if one_in(rng, 15) else "acme")
    at = moment(rng)
    live = bool(rng.randrange(2))
    if live and not one_in(rng, 12):
        asked = replace(asked, conditions={})
    if live and not one_in(rng, 12):
        asked = replace(asked, warrant="none")
    return World(
        operation=asked,
        as_of=at,
        live=live,
        library=LIBRARY,
        records=records(rng, asked, at),
        adopted=LIBRARY.commitments if rng.randrange(3) else frozenset(),
    )


_randoms = st.randoms(use_true_random=False)
seeds = st.integers(0, 2**63)
questions = _randoms.map(question_world)
worlds = _randoms.map(gate_world)
any_question = seeds.map(lambda seed: question_world(Random(seed)))
any_world = seeds.map(lambda seed: gate_world(Random(seed)))
