"""Before and after score normalisation, from the table that `assay equalise` wrote.

Before: raw scores. After: the variant that is shipped. All variants stand in one table. Every
rate was measured on people the normalisation was not fitted on. Never knows markup.
"""

from __future__ import annotations

from rightface.assay.equalise_table import AtRate, Equalised, GroupRate, Judged
from rightface.assay.equalise_variants import SHIPPED
from rightface.assay.report import pictures, tables, words
from rightface.assay.report.headline import near
from rightface.assay.report.parts import MOST_ROWS, Chapter
from rightface.assay.report.pictures import Bar
from rightface.assay.result import Rate, Value

RAW = "raw"


def chapters(told: Equalised) -> tuple[Chapter, ...]:
    """One for each data set and rate with groups, then all variants."""
    by_name = {one.name: one for one in told.variants}
    raw, shipped = by_name.get(RAW), by_name.get(SHIPPED)
    found = []
    if raw is not None and shipped is not None:
        for was in raw.at:
            now = _same(shipped, was)
            if now is not None and was.groups:
                found.append(_before_and_after(was, now))
    return (*found, _variants(told))


def _same(variant: Judged, at: AtRate) -> AtRate | None:
    for one in variant.at:
        if one.data_set == at.data_set and near(one.fmr, at.fmr):
            return one
    return None


def _before_and_after(was: AtRate, now: AtRate) -> Chapter:
    earlier = {one.name: one for one in was.groups}
    both = [(earlier[one.name], one) for one in now.groups if one.name in earlier]
    both.sort(key=lambda pair: -(pair[0].fmr.value or 0.0))
    title = f"{was.data_set}: raw scores and normalised ones, at {words.odds(was.fmr)}"
    said = []
    if was.worst_over_best is not None and now.worst_over_best is not None:
        said.append(
            f"False match rates, worst over best: {words.value(was.worst_over_best)} before, "
            f"{words.value(now.worst_over_best)} after."
        )
    if was.true_match is not None and now.true_match is not None:
        said.append(
            f"True match rate: {_share(was.true_match)} before, {_share(now.true_match)} after."
        )
    bars = [Bar(new.name, _rate(new), False, _rate(old)) for old, new in both]
    picture = pictures.beside(
        f"False match rate by group on {was.data_set}, before and after",
        bars[:MOST_ROWS],
        kind="fmr",
        target=was.fmr,
    )
    rows = [
        (new.name, f"{new.images:,}", words.told(_rate(old)), words.told(_rate(new)))
        for old, new in both
    ]
    return Chapter(
        title,
        tuple(said),
        () if picture is None else (picture,),
        (
            tables.table(
                f"{title}: every group",
                ("group", "photographs", "FMR before", "FMR after"),
                rows,
                (1,),
            ),
        ),
    )


def _rate(group: GroupRate) -> Rate:
    none = group.fmr.value is None
    return Rate(
        errors=group.matches,
        trials=group.comparisons,
        rate=group.fmr.value,
        low=group.fmr.low,
        high=group.fmr.high,
        method="none" if none or group.fmr.low is None else "subject-bootstrap",
    )


def _share(value: Value | None) -> str:
    if value is None or value.value is None:
        return words.NOTHING
    if value.low is None or value.high is None:
        return words.percent(value.value)
    return f"{words.percent(value.value)} (95 %: {words.between(value.low, value.high)})"


def _variants(told: Equalised) -> Chapter:
    rows = [
        (
            one.name,
            at.data_set,
            words.odds(at.fmr),
            words.NOTHING if at.worst_over_best is None else words.value(at.worst_over_best),
            _share(at.true_match),
            f"{one.dimensions:,}",
            words.figure(one.microseconds),
        )
        for one in told.variants
        for at in one.at
    ]
    said = (
        f"Fitted on {told.fitted_on}, {told.made_on.isoformat()}. Its own people were judged by "
        f"fits without those compared ({told.parts} parts), all others by the fit to the whole. "
        f"Shipped: {SHIPPED}.",
        *(words.sentence(one) for one in told.caveats),
    )
    columns = ("variant", "data set", "FMR of all", "worst over best (95 %)",
               "true matches (95 %)", "numbers in a vector", "µs a template")  # fmt: skip
    listed = tables.table("Every variant that was tried", columns, rows, (5, 6))
    return Chapter("Every way that was tried", said, (), (), (listed,))
