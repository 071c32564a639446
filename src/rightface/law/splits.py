"""By what people were split into groups, and what a measurement says of each way.

Step 5 asks for groups of people, not for any groups: by chance alone eight batches of one set come
out alike. Knows the names of columns; never who is in a group.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

ATTRIBUTES: Mapping[str, frozenset[str]] = {
    "sex": frozenset({"sex", "gender"}),
    "race": frozenset(
        {"race", "ethnicity", "skin", "skin colour", "skin color", "skin tone", "skin type"}
        | {"fitzpatrick", "monk"}
    ),
}
"""What the table of step 5 asks about → the columns that tell it, however they are spelt."""
_BETWEEN_WORDS = re.compile(r"[\s_\-]+")


@dataclass(frozen=True, kw_only=True)
class Split:
    """One way in which the people measured were split into groups."""

    columns: tuple[str, ...]
    groups: int
    """How many of its groups count: large enough for a rate."""
    small_times: float = 0.0
    """How many times as often as the best group that counts its worst small one was matched: too
    small to count, and yet clearly matched more often than everybody. 0: there is none."""
    small_group: str = ""
    """The name of that one."""


def attributes_of(columns: Iterable[str]) -> frozenset[str] | None:
    """What the columns tell of people; None: a column is none that is known."""
    told = set()
    for column in columns:
        spelt = _BETWEEN_WORDS.sub(" ", column.strip().casefold())
        names = [name for name, columns in ATTRIBUTES.items() if spelt in columns]
        if not names:
            return None
        told.update(names)
    return frozenset(told)


def answers(split: Split, asked: Iterable[str]) -> bool:
    """Whether it is by all that is asked, and by nothing that is not known.

    A further column (age, a batch) makes groups without making the people more various: so a split
    by one does not answer.
    """
    told = attributes_of(split.columns)
    return bool(told) and told is not None and told.issuperset(asked)
