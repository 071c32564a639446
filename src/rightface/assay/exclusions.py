"""What is left out, counted: so that rows are what is used and what is left out, always."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rightface.assay.result import Exclusion

UNREADABLE = "The row has more or fewer fields than the heading, or is not UTF-8."
HEADING_AGAIN = "The heading again."
FIRST_ROWS = 20
"""So many row numbers are named for each reason."""


class Excluded:
    """Reasons with their counts, while a file is read."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._rows: dict[str, list[int]] = {}

    def add(self, reason: str, rows: Sequence[int] | Iterable[int]) -> None:
        """Those rows are left out for that reason."""
        numbers = [int(row) for row in rows]
        if numbers:
            self._counts[reason] = self._counts.get(reason, 0) + len(numbers)
            first = self._rows.setdefault(reason, [])
            first.extend(numbers[: FIRST_ROWS - len(first)])

    @property
    def total(self) -> int:
        """Rows left out."""
        return sum(self._counts.values())

    def told(self) -> tuple[Exclusion, ...]:
        """The exclusions, in the order in which they were first met."""
        return tuple(
            Exclusion(reason=reason, count=count, rows=tuple(sorted(self._rows[reason])))
            for reason, count in self._counts.items()
        )


def in_words(exclusions: Iterable[Exclusion]) -> str:
    """One line: each reason and its count."""
    return " ".join(f"{one.reason} ({one.count})" for one in exclusions)


def named(rows: Sequence[int], count: int = 0) -> str:
    """The first few row numbers, for a message; `count`: of how many, if not all are here."""
    shown = ", ".join(str(int(row)) for row in rows[:5])
    more = max(len(rows), count) > len(rows[:5])
    return f"row {shown}" if len(rows) == 1 and not more else f"rows {shown}" + " …" * more
