"""The Pilot Parliaments Benchmark: four subgroups, and the margins that they add up to.

Rates are in per cent, as the papers print them.
"""

from __future__ import annotations

from collections.abc import Mapping

SUBGROUPS = ("DF", "DM", "LF", "LM")
"""Darker women, darker men, lighter women, lighter men."""
MARGINS: Mapping[str, tuple[str, ...]] = {
    "All": SUBGROUPS,
    "F": ("DF", "LF"),
    "M": ("DM", "LM"),
    "darker": ("DF", "DM"),
    "lighter": ("LF", "LM"),
}


def margin(rates: Mapping[str, float], sizes: Mapping[str, int], parts: tuple[str, ...]) -> float:
    """The rate of several subgroups together."""
    return sum(sizes[one] * rates[one] for one in parts) / sum(sizes[one] for one in parts)


def margins(rates: Mapping[str, float], sizes: Mapping[str, int]) -> dict[str, float]:
    """Of every margin the rate that the subgroups' rates add up to."""
    return {name: margin(rates, sizes, parts) for name, parts in MARGINS.items()}


def precisions(rates: Mapping[str, float], sizes: Mapping[str, int]) -> dict[str, float]:
    """Of each subgroup the precision of its gender among people of its skin, in per cent.

    Args:
        rates: 1 − recall of each true subgroup, in per cent.
        sizes: photographs.
    """
    wrong = {one: sizes[one] * rates[one] / 100 for one in SUBGROUPS}
    other = {"DF": "DM", "DM": "DF", "LF": "LM", "LM": "LF"}
    right = {one: sizes[one] - wrong[one] for one in SUBGROUPS}
    return {one: 100 * right[one] / (right[one] + wrong[other[one]]) for one in SUBGROUPS}


def implied(
    margin_rate: float,
    parts: tuple[str, ...],
    wanted: str,
    rates: Mapping[str, float],
    sizes: Mapping[str, int],
    tolerance: float,
) -> tuple[float, float]:
    """The rates of the subgroup `wanted` for which a margin comes out within the tolerance."""
    others = sum(sizes[one] * rates[one] for one in parts if one != wanted)
    total = sum(sizes[one] for one in parts)
    low, high = (
        (total * (margin_rate + off) - others) / sizes[wanted] for off in (-tolerance, tolerance)
    )
    return low, high


def whole(rate: float, size: int, rounding: float = 0.05) -> int | None:
    """The count of `size` that rounds to `rate` per cent; None if no whole number does."""
    count = round(rate / 100 * size)
    return count if abs(100 * count / size - rate) <= rounding + 1e-9 else None
