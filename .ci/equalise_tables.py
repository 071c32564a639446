"""Prints the tables of docs/equalise.md from the equalise.json that `assay equalise` wrote.

python .ci/equalise_tables.py OUT/equalise.json
"""

from __future__ import annotations

import sys
from pathlib import Path

from rightface.assay.equalise_table import LEAST_IMAGES, AtRate, Equalised, Judged
from rightface.assay.equalise_variants import SHIPPED
from rightface.assay.result import Value

RATE = 1e-3


def main() -> None:
    """Both tables."""
    told = Equalised.model_validate_json(Path(sys.argv[1]).read_bytes())
    raw, ours = (
        next(one for one in told.variants if one.name == name) for name in ("raw", SHIPPED)
    )
    print_groups(at(raw, told.fitted_on, RATE), at(ours, told.fitted_on, RATE))
    print_variants(told)


def at(one: Judged, data_set: str, fmr: float) -> AtRate:
    """A variant on a set at a rate."""
    return next(each for each in one.at if each.data_set == data_set and each.fmr == fmr)


def print_groups(before: AtRate, after: AtRate) -> None:
    """False matches in a thousand, group by group."""
    print("| group | photographs | raw | equalised |\n| --- | --- | --- | --- |")
    for was, now in zip(before.groups, after.groups, strict=True):
        name = now.name if now.images >= LEAST_IMAGES else f"{now.name} (in no ratio)"
        print(f"| {name} | {now.images} | {figure(was.fmr, 1e3)} | {figure(now.fmr, 1e3)} |")
    ends = (figure(each.worst_over_best, 1) for each in (before, after))
    print("| **worst / best** | | " + " | ".join(f"**{each}**" for each in ends) + " |\n")


def print_variants(told: Equalised) -> None:
    """Every variant: the ratio on the fitted set, true matches on the others."""
    others = [each.data_set for each in told.variants[0].at[::2] if each.true_match is not None]
    heads = [f"{name} {rate}" for name in others for rate in ("1e-3", "1e-4")]
    columns = ["variant", "numbers", "worst / best, 1e-3", "1e-4", *heads]
    print("| " + " | ".join(columns) + " |\n|" + " --- |" * len(columns))
    for one in told.variants:
        cells = [f"**{one.name}** (shipped)" if one.name == SHIPPED else one.name]
        cells += [str(one.dimensions)]
        cells += [figure(at(one, told.fitted_on, rate).worst_over_best, 1) for rate in (1e-3, 1e-4)]
        for name in others:
            for rate in (1e-3, 1e-4):
                point = at(one, name, rate)
                share = point.true_match
                gain = "" if point.true_match_gain is None else gained(point.true_match_gain)
                cells.append("–" if share is None else f"{(share.value or 0):.2%}{gain}")
        print("| " + " | ".join(cells) + " |")


def gained(told: Value) -> str:
    """More true matches than with raw scores, in hundredths."""
    value, low, high = ((end or 0) * 100 for end in (told.value, told.low, told.high))
    if value == low == high == 0:
        return " (=)"
    return f" ({value:+.2f}; {low:+.2f} to {high:+.2f})"


def figure(told: Value | None, times: float, places: int = 1) -> str:
    """A value with its interval."""
    if told is None or told.value is None:
        return "–"
    low, high = (
        "∞" if end is None else f"{end * times:.{places}f}" for end in (told.low, told.high)
    )
    return f"{told.value * times:.{places}f} ({low}–{high})"


if __name__ == "__main__":
    main()
