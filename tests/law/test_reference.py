"""The gate against the reference: thousands of worlds, one answer."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from hypothesis import event, given, settings

from rightface.law.gate import judge
from rightface.law.reference import verdict
from rightface.law.world import World
from tests.law.worlds import LIBRARY, gate_world, question_world, questions, seeds, worlds

EACH = 25  # worlds of one seed


def agree(world: World) -> str:
    """The outcome, if gate and reference agree on it, the instruments and the missing duties."""
    ruling = judge(world)
    told = verdict(
        world.operation,
        world.as_of,
        LIBRARY.instruments.values(),
        world.adopted,
        world.records,
        live=world.live,
    )
    assert ruling.outcome == told.outcome, world
    assert set(ruling.missing) == told.missing, world
    assert set(ruling.instruments) == told.instruments, world
    return ruling.outcome


@settings(max_examples=300, deadline=None)
@given(questions)
def test_what_the_instruments_say(world: World) -> None:
    event(agree(world))


@settings(max_examples=300, deadline=None)
@given(worlds)
def test_what_the_gate_says(world: World) -> None:
    event(agree(world))


@settings(max_examples=200, deadline=None)
@given(seeds)
def test_five_thousand_questions(seed: int) -> None:
    rng = Random(seed)
    for _ in range(EACH):
        agree(question_world(rng))


@settings(max_examples=200, deadline=None)
@given(seeds)
def test_five_thousand_worlds(seed: int) -> None:
    rng = Random(seed)
    for _ in range(EACH):
        agree(gate_world(rng))


@pytest.mark.parametrize("draw", [question_world, gate_world])
def test_the_worlds_are_worth_drawing(draw: object) -> None:
    # A generator that only ever draws refusals would prove little.
    rng = Random(20261122)
    outcomes = Counter(agree(draw(rng)) for _ in range(2_000))  # type: ignore[operator]
    assert outcomes["deny"] > 300
    assert outcomes["allow"] > 200
    assert outcomes["require-duty"] > 40
