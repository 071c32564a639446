"""The gate against the reference: twenty thousand worlds and more, one answer."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random

import pytest
from hypothesis import event, given, settings

from rightface.law.gate import judge
from rightface.law.library import InstrumentLibrary
from rightface.law.splits import Split
from rightface.law.world import World
from tests.law.fuzz import compare, drawn_world
from tests.law.synthetic import libraries
from tests.law.worlds import LIBRARY, evidence, operation, questions, records, seeds, worlds

EACH = 50  # worlds of one seed


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> list[InstrumentLibrary]:
    folder: Path = tmp_path_factory.mktemp("drawn")
    return libraries(Random(20261122), folder, number=60, shipped=LIBRARY)


def agree(world: World) -> str:
    """The outcome, if gate and reference agree on it, the instruments and the missing duties."""
    outcome, wrong = compare(world)
    assert not wrong, world
    return outcome


@settings(max_examples=300, deadline=None)
@given(questions)
def test_what_the_instruments_say(world: World) -> None:
    event(agree(world))


@settings(max_examples=300, deadline=None)
@given(worlds)
def test_what_the_gate_says(world: World) -> None:
    event(agree(world))


@settings(max_examples=400, deadline=None)
@given(seed=seeds)
def test_twenty_thousand_worlds(pool: list[InstrumentLibrary], seed: int) -> None:
    rng = Random(seed)
    for _ in range(EACH):
        agree(drawn_world(rng, pool))


def test_the_age_of_what_an_instrument_hears() -> None:
    # Drawn worlds seldom ask the police of Virginia: three years are the edge.
    rng, heard = Random(20261122), Counter[tuple[int, bool]]()
    measured = date(2022, 9, 1)
    by_people = (Split(columns=("race",), groups=4),)
    for _ in range(300):
        days = rng.choice([-1, 0, 1_095, 1_096, 1_097])  # the last two: on the edge, and past it
        at = datetime(2022, 9, 1, 12, tzinfo=UTC) + timedelta(days=days)
        asked = replace(
            operation(rng, "acme"),
            action="enroll",
            actor="law-enforcement-local",
            client_jurisdiction="US-VA",
            place_jurisdiction="US-VA",
            gallery_jurisdiction="US-VA",
            known_at=None,
        )
        told = records(rng, asked, at)
        one = replace(evidence(rng, at), measured_on=measured, lowest_tmr=0.97, splits=by_people)
        world = World(
            operation=replace(asked, conditions={}),
            as_of=at,
            live=True,
            library=LIBRARY,
            records=replace(told, evidence=(one,), standing={}),
            adopted=LIBRARY.commitments,
        )
        agree(world)
        heard[days, "us-va-sb741-2022#accuracy" in _keys(world)] += 1
    assert set(heard) == {(-1, False), (0, True), (1_095, True), (1_096, True), (1_097, False)}


def _keys(world: World) -> set[str]:
    return {f"{one.instrument}#{one.rule}" for one in judge(world).reasons}


def test_the_worlds_are_worth_drawing(pool: list[InstrumentLibrary]) -> None:
    # A generator that only ever draws refusals would prove little.
    rng = Random(20261122)
    outcomes: Counter[str] = Counter()
    strict = live = known = drawn = warrants = 0
    for _ in range(3_000):
        world = drawn_world(rng, pool)
        outcomes[agree(world)] += 1
        strict += world.strict
        live += world.live
        known += world.operation.known_at is not None
        drawn += any(one.startswith("drawn-") for one in world.library.instruments)
        warrants += world.records is not None and world.records.warrant is not None
    assert outcomes["deny"] > 400
    assert outcomes["allow"] > 300
    assert outcomes["require-duty"] > 60
    assert min(strict, live, known, drawn, warrants) > 100
