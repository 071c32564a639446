"""Counts what the ledger's leaves say of a span of time. A pure function of the leaves.

So anybody who holds the ledger's public files gets the same numbers (`check.py`). Requests are
counted exactly: what the clients did is what a report is for. People are not: see `few`. Must never
know a database, or a page.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from rightface.ledger.leaf import Leaf

FEWEST = 5
"""Numbers of people from 1 to one less are not told."""
OF_ONE_PERSON = frozenset({"enroll", "erase"})
"""Operations of which each request concerns one person: few of them are few people."""
ADDED_UP = {
    "faces_enrolled": ("enrolled", "faces"),
    "faces_erased": ("erased", "faces"),
    "crops_erased": ("erased", "crops"),
    "keys_destroyed": ("erased", "keys"),
    "leads_told": ("searched", "candidates"),
}
"""Figures that add up a count of outcomes: name → (outcome, count)."""
COUNTED_ACTS = {
    "consents_recorded": "consent-record",
    "consents_withdrawn": "consent-withdraw",
    "interactions_noted": "retention-interaction",
}
"""Figures that count acts: name → act."""

Figure = int | str


def few(number: int) -> Figure:
    """The number; from 1 to 4, which could single people out, only that it is fewer than five."""
    return f"fewer than {FEWEST}" if 0 < number < FEWEST else number


def tally(leaves: Iterable[Leaf], start: datetime, end: datetime) -> dict[str, Any]:
    """The counts of the leaves whose time lies in [start, end), as plain JSON values.

    `leaves` are all leaves up to a checkpoint, in order.
    """
    counted = _Counted()
    for leaf in leaves:
        if start <= leaf.time < end:
            counted.add(leaf)
    return counted.document()


class _Counted:
    """The counters, one leaf at a time."""

    def __init__(self) -> None:
        self._entries = 0
        self._decisions: Counter[tuple[str, str, str, str]] = Counter()
        self._months: Counter[tuple[str, str]] = Counter()
        self._rules: Counter[str] = Counter()
        self._acts: Counter[str] = Counter()
        self._of_people: set[str] = set()
        self._outcomes: Counter[tuple[str, str]] = Counter()
        self._sums: Counter[tuple[str, str]] = Counter()
        self._told: set[tuple[int, str]] = set()

    def add(self, leaf: Leaf) -> None:
        """Count one leaf."""
        self._entries += 1
        if leaf.kind == "decision":
            self._decide(leaf)
        elif leaf.kind == "act":
            self._acts[leaf.operation] += 1
            if leaf.subjects:
                self._of_people.add(leaf.operation)
        elif leaf.of is not None and (leaf.of, leaf.outcome) not in self._told:
            # More people than one leaf holds are told in several leaves, each with the counts.
            self._told.add((leaf.of, leaf.outcome))
            self._outcomes[leaf.operation, leaf.outcome] += 1
            for name, number in leaf.counts.items():
                self._sums[leaf.outcome, name] += number

    def _decide(self, leaf: Leaf) -> None:
        asked = (leaf.operation, leaf.purpose or "none", leaf.outcome, leaf.client or "none")
        self._decisions[asked] += 1
        self._months[f"{leaf.time:%Y-%m}", leaf.outcome] += 1
        if leaf.outcome == "refused":
            self._rules.update(set(leaf.reasons))

    def document(self) -> dict[str, Any]:
        """The counts as plain JSON values, sorted."""
        outcomes = Counter[str]()
        for (_, _, outcome, _), number in self._decisions.items():
            outcomes[outcome] += number
        return {
            "entries": self._entries,
            "decisions": {
                "permitted": outcomes["permitted"],
                "refused": outcomes["refused"],
                "by_operation_purpose_outcome_client": [
                    {
                        "operation": operation,
                        "purpose": purpose,
                        "outcome": outcome,
                        "client": client,
                        "number": few(number) if operation in OF_ONE_PERSON else number,
                    }
                    for (operation, purpose, outcome, client), number in sorted(
                        self._decisions.items()
                    )
                ],
                "by_month": [
                    {
                        "month": month,
                        "permitted": self._months[month, "permitted"],
                        "refused": self._months[month, "refused"],
                    }
                    for month in sorted({month for month, _ in self._months})
                ],
            },
            "refusals": [_refusal(key, number) for key, number in sorted(self._rules.items())],
            "outcomes": [
                {
                    "operation": operation,
                    "outcome": outcome,
                    "number": few(number) if operation in OF_ONE_PERSON else number,
                }
                for (operation, outcome), number in sorted(self._outcomes.items())
            ],
            "acts": [
                {"act": act, "number": few(number) if act in self._of_people else number}
                for act, number in sorted(self._acts.items())
            ],
            "people": self._people(),
        }

    def _people(self) -> Mapping[str, Figure]:
        told = {name: few(self._acts[act]) for name, act in COUNTED_ACTS.items()}
        told["erasures"] = few(sum(n for (_, one), n in self._outcomes.items() if one == "erased"))
        return told | {name: few(self._sums[key]) for name, key in ADDED_UP.items()}


def _refusal(key: str, number: int) -> dict[str, Any]:
    instrument, _, rule = key.partition("#")
    return {"instrument": instrument, "rule": rule, "number": number}
