"""What searches of a gallery may get wrong, as it is stated, kept and written into the ledger.

The ledger has whole numbers only, so that a target is so many wrong searches in a billion. Never
knows thresholds, or who may state it.
"""

from __future__ import annotations

from collections.abc import Mapping

from rightface.errors import SettingsError

GALLERY_TARGET = "gallery-target"
_COUNT = "wrong-in-a-billion"
_BILLION = 10**9


def stated(fpir: float | None) -> tuple[float | None, dict[str, int]]:
    """A target as it is kept, and the ledger's counts for it; None: none is stated any more.

    Raises:
        SettingsError: it is no share of searches between one in a billion and all.
    """
    if fpir is None:
        return None, {_COUNT: 0}
    number = round(fpir * _BILLION) if 0 < fpir < 1 else 0
    if not 0 < number < _BILLION:
        raise SettingsError(
            "A target for searches lies between 1e-9 and 1.",
            why="It is the share of searches that may find somebody wrongly.",
            mend="For example 0.001.",
        )
    return number / _BILLION, {_COUNT: number}


def stated_in(counts: Mapping[str, int]) -> float | None:
    """The target that the ledger's counts tell of."""
    number = counts.get(_COUNT, 0)
    return number / _BILLION if number else None
