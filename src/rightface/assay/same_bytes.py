"""The same photograph under two names: a copy, or a wrong label. Digests and labels only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rightface.assay.cohorts import UNKNOWN, Column
from rightface.assay.result import Suspicion


@dataclass(frozen=True)
class SameBytes:
    """What is a copy of what, and which copies have other labels."""

    same_as: NDArray[np.int32]
    """(n,): the place of the image that this one is a copy of and counts as; its own if of none."""
    suspicions: tuple[Suspicion, ...]


def same_bytes(
    digests: Sequence[bytes | None],
    subjects: NDArray[np.int32],
    columns: Sequence[Column],
    numbers: NDArray[np.int64],
) -> SameBytes:
    """Compare every image's digest with every other's; None is like no other.

    Images of known people come first, so that of two copies the one with a name stays.
    """
    same_as = np.arange(len(digests), dtype=np.int32)
    seen: dict[bytes, list[int]] = {}
    suspicions: list[Suspicion] = []
    for place in np.argsort(subjects == UNKNOWN, kind="stable").tolist():
        digest = digests[place]
        if digest is None:
            continue
        earlier = seen.setdefault(digest, [])
        original = next((at for at in earlier if _one_person(subjects[at], subjects[place])), None)
        rows = tuple(int(numbers[at]) for at in (*earlier, place))
        if original is None:
            earlier.append(place)
            if len(rows) > 1:
                what = "The same photograph is said to be of two people."
                suspicions.append(Suspicion(what=what, rows=rows))
            continue
        same_as[place] = original
        differing = [one.names[0] for one in columns if one.codes[original] != one.codes[place]]
        if differing:
            what = f"The same photograph has different values of {', '.join(differing)}."
            suspicions.append(
                Suspicion(what=what, rows=(int(numbers[original]), int(numbers[place])))
            )
    return SameBytes(same_as, tuple(suspicions))


def _one_person(first: int, second: int) -> bool:
    return UNKNOWN in (first, second) or first == second
