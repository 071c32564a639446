"""Step 6: what has to hold while the permit is used, merged to the strictest of each kind."""

from __future__ import annotations

from collections.abc import Iterable

from rightface.law.ruling import Obligation, StepResult

_MOST = frozenset({"human-review"})
"""Kinds of which the larger value is the stricter; of all others it is the smaller."""


def merge(obligations: Iterable[Obligation]) -> tuple[Obligation, ...]:
    """One obligation of each kind, the strictest, in the order of their kinds."""
    strictest: dict[str, Obligation] = {}
    for one in sorted(obligations, key=lambda o: (o.kind, o.value, o.instrument)):
        kept = strictest.get(one.kind)
        if kept is None or (one.kind in _MOST and one.value > kept.value):
            strictest[one.kind] = one
    return tuple(strictest[kind] for kind in sorted(strictest))


def check(results: Iterable[StepResult]) -> StepResult:
    """The obligations of the steps before, merged."""
    merged = merge(one for result in results for one in result.obligations)
    told = ", ".join(f"{one.kind} {one.value} ({one.instrument})" for one in merged)
    return StepResult(step=6, outcome="pass", note=told or "None.", obligations=merged)
