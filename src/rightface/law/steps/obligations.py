"""Step 6: what has to hold while the permit is used, merged to the strictest of each kind."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from rightface.law.ruling import Obligation, StepResult
from rightface.law.steps import review
from rightface.law.steps.reasons import outcome_of
from rightface.law.world import World

_MOST = frozenset({review.KIND})
"""Kinds of which the larger value is the stricter; of all others it is the smaller."""


def merge(obligations: Iterable[Obligation]) -> tuple[Obligation, ...]:
    """One obligation of each kind, the strictest, in the order of their kinds."""
    strictest: dict[str, Obligation] = {}
    for one in sorted(obligations, key=lambda o: (o.kind, o.value, o.instrument)):
        kept = strictest.get(one.kind)
        if kept is None or (one.kind in _MOST and one.value > kept.value):
            strictest[one.kind] = one
    return tuple(strictest[kind] for kind in sorted(strictest))


def check(world: World, results: Sequence[StepResult]) -> StepResult:
    """The obligations of the steps before, merged; a review that cannot be held now refuses."""
    performed = tuple(review.performed(world))
    merged = merge([one for result in results for one in result.obligations] + [*performed])
    told = ", ".join(f"{one.kind} {one.value} ({one.instrument})" for one in merged)
    return replace(
        outcome_of(6, review.reasons(world, results, merged), told or "None."),
        obligations=merged,
        spoke=tuple(one.instrument for one in performed),
    )
