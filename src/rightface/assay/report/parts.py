"""The chapters on everybody, on groups, on before and after: pictures and tables, never markup."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rightface.assay.report import explorer, heat, pictures, tables, words
from rightface.assay.report.headline import (
    differential,
    matrix_at,
    near,
    point_at,
    weak,
)
from rightface.assay.report.pictures import Bar, Picture, Tradeoff
from rightface.assay.report.tables import Table
from rightface.assay.result import Assay, Group, OperatingPoint, Partition

MOST_LINES = 7
"""Groups in one picture of lines, beside everybody."""
MOST_ROWS = 24
"""Groups in one picture of rows."""


@dataclass(frozen=True)
class Chapter:
    """Pictures and tables of one subject; `said` are sentences before them."""

    title: str
    said: tuple[str, ...]
    pictures: tuple[Picture, ...]
    tables: tuple[Table, ...]
    folded: tuple[Table, ...] = ()
    """Tables that a reader opens."""
    heat: heat.HeatMap | None = None


def everybody(assay: Assay) -> Chapter:
    """All together."""
    one = assay.verification
    said = []
    if one.eer.value is not None:
        said.append(f"Equal error rate: {_share(one.eer.value, one.eer.low, one.eer.high)}.")
    if one.ten_fold is not None:
        fold = one.ten_fold
        said.append(
            f"Accuracy by LFW's protocol: {words.percent(fold.accuracy)} ± "
            f"{words.percent(fold.standard_error)} (standard error of {fold.folds} "
            f"{'folds' if fold.stated else 'equal parts: the pairs state no folds'}, "
            f"{fold.pairs:,} pairs; {fold.without_face:,} more had no face found and count as "
            "told to be different people)."
        )
    if assay.failures is not None:
        said.append(f"No face found: {words.told(assay.failures)}.")
    lines = [Tradeoff(words.EVERYBODY, one.curve, one.at, everybody=True)]
    return Chapter(
        "Everybody",
        tuple(said),
        kept(pictures.det("False non-match rate over false match rate, everybody", lines)),
        (tables.operating_points(one.at),),
    )


def _share(value: float, low: float | None, high: float | None) -> str:
    spread = ""
    if low is not None and high is not None:
        spread = f" (95 %: {words.between(low, high)})"
    return words.percent(value) + spread


# ---------------------------------------------------------------- groups
def partition(assay: Assay, part: Partition, target: float | None) -> Chapter:
    """One split of the people: pictures, heat map, tables."""
    by = words.columns(part.columns)
    ordered = in_order(part.groups, target)
    said = [f"{words.counted(len(part.groups), 'groups')}."]
    if part.unlabelled:
        said.append(
            f"{words.counted(part.unlabelled, words.things(assay.data))} without a label are in no "
            "group here."
        )
    said += _undefined(part, target)
    matrix = matrix_at(part, target)
    map_ = heat.heat_map(matrix, by) if matrix else None
    if len(ordered) > MOST_ROWS:
        said.append(
            f"The pictures show {MOST_ROWS} groups with the highest and lowest false match rates; "
            "the table has all."
        )
    folded = [
        tables.groups(part, at.fmr_target, words.things(assay.data))
        for at in assay.verification.at
        if at.threshold is not None and not (target is not None and near(at.fmr_target, target))
    ]
    shown = [
        *(_beside(by, ordered, target) if target is not None else ()),
        _det(by, assay, ordered, target),
    ]
    return Chapter(
        f"By {by}",
        tuple(said),
        tuple(one for one in shown if one is not None),
        _shown(part, target, words.things(assay.data)),
        (*folded, *((tables.differentials(part),) if part.differentials else ())),
        map_,
    )


def _shown(part: Partition, target: float | None, things: str) -> tuple[Table, ...]:
    if target is None:
        return (tables.differentials(part),) if part.differentials else ()
    measures = tables.differentials(part, target)
    return (tables.groups(part, target, things), *((measures,) if measures.rows else ()))


def _undefined(part: Partition, target: float | None) -> list[str]:
    """Which measures of inequality the target's groups do not allow, by reason."""
    reasons: dict[str, list[str]] = {}
    for one in part.differentials:
        if target is not None and near(one.fmr_target, target) and one.value.value is None:
            name = f"{words.MEASURES[one.measure][0].lower()} of {words.ERRORS[one.of]}"
            reasons.setdefault(one.value.note or "it is not defined", []).append(name)
    return [
        f"Not told here: {words.listed(tuple(names), 12)}. {words.sentence(reason)}"
        for reason, names in reasons.items()
    ]


def in_order(groups: Sequence[Group], target: float | None) -> list[Group]:
    """The highest false match rate first; what says little last."""

    def place(group: Group) -> tuple[bool, float]:
        at = point_at(group.at, target)
        return bool(weak(group, target)), -((at.fmr.rate if at else None) or 0.0)

    return sorted(groups, key=place)


def some(ordered: Sequence[Group], most: int) -> list[Group]:
    """The first and the last few, where there are too many to show."""
    if len(ordered) <= most:
        return list(ordered)
    first = most - most // 3
    return [*ordered[:first], *ordered[first - most :]]


def _beside(by: str, ordered: list[Group], target: float) -> list[Picture | None]:
    found: list[Picture | None] = []
    chosen = some(ordered, MOST_ROWS)
    fmr = [
        Bar(group.name, at.fmr, bool(weak(group, target)))
        for group in chosen
        if (at := point_at(group.at, target)) is not None
    ]
    found.append(pictures.beside(f"False match rate by {by}", fmr, kind="fmr", target=target))
    fnmr = [
        Bar(group.name, at.fnmr, bool(weak(group, target, "fnmr")))
        for group in chosen
        if (at := point_at(group.at, target)) is not None
    ]
    found.append(pictures.beside(f"False non-match rate by {by}", fnmr, kind="fnmr"))
    return found


def _det(by: str, assay: Assay, ordered: list[Group], target: float | None) -> Picture | None:
    solid = [group for group in ordered if not weak(group, target)]

    def marked(group: Group) -> tuple[OperatingPoint, ...]:
        at = point_at(group.at, target)
        return () if at is None else (at,)

    lines = [
        Tradeoff(words.EVERYBODY, assay.verification.curve, assay.verification.at, everybody=True),
        *(Tradeoff(group.name, group.curve, marked(group)) for group in some(solid, MOST_LINES)),
    ]
    if len(lines) == 1:
        return None
    return pictures.det(f"False non-match rate over false match rate by {by}", lines)


# ---------------------------------------------------------------- before and after
def change(before: Assay, after: Assay, target: float | None) -> tuple[Chapter, ...]:
    """Every partition that both have, at the same target: one chapter each."""
    if target is None:
        return ()
    found = []
    for part in after.partitions:
        earlier = next((one for one in before.partitions if one.columns == part.columns), None)
        if earlier is not None and (chapter := _changed(earlier, part, target)) is not None:
            found.append(chapter)
    return tuple(found)


def _changed(earlier: Partition, part: Partition, target: float) -> Chapter | None:
    by = words.columns(part.columns)
    was = {group.name: group for group in earlier.groups}
    bars, misses, rows = [], [], []
    for group in in_order(part.groups, target):
        now = point_at(group.at, target)
        then = point_at(was[group.name].at, target) if group.name in was else None
        if now is None or then is None:
            continue
        little = bool(weak(group, target) or weak(was[group.name], target))
        bars.append(Bar(group.name, now.fmr, little, then.fmr))
        little = bool(weak(group, target, "fnmr") or weak(was[group.name], target, "fnmr"))
        misses.append(Bar(group.name, now.fnmr, little, then.fnmr))
        rows.append(
            (group.name, *(words.told(rate) for rate in (then.fmr, now.fmr, then.fnmr, now.fnmr)))
        )
    if not rows:
        return None
    said = []
    for of, kind in (("fmr", "False match rates"), ("fnmr", "False non-match rates")):
        old, new = (differential(one, target, of) for one in (earlier, part))
        if old is not None and new is not None:
            said.append(
                f"{kind}, worst over best: {words.value(old.value)} before, "
                f"{words.value(new.value)} after."
            )
    title = f"By {by}, before and after"
    shown = (
        pictures.beside(f"False match rate by {by}, before and after", bars[:MOST_ROWS],
                        kind="fmr", target=target),
        pictures.beside(f"False non-match rate by {by}, before and after", misses[:MOST_ROWS],
                        kind="fnmr"),
    )  # fmt: skip
    return Chapter(
        title,
        tuple(said),
        tuple(one for one in shown if one is not None),
        (
            tables.table(
                f"{title}, each at the threshold where {words.odds(target)} of all impostor "
                "comparisons match",
                ("group", "FMR before", "FMR after", "FNMR before", "FNMR after"),
                rows,
            ),
        ),
    )


# ---------------------------------------------------------------- explorer
@dataclass(frozen=True)
class Step:
    """One group at the step that stands on the page before anybody moves the slider."""

    row: int
    name: str
    too_few: bool
    fmr: str
    fnmr: str
    fmr_bar: float
    fnmr_bar: float
    """Of 100."""


@dataclass(frozen=True)
class Steps:
    """The rows of one partition; `title` is empty for everybody."""

    title: str
    rows: tuple[Step, ...]


def first_step(ladder: explorer.Ladder) -> tuple[Steps, ...]:
    """The explorer's table as it stands without a script."""
    at = ladder["start"]
    most_fmr = max((row["fmr"][at] or 0.0 for row in ladder["rows"]), default=0.0)
    most_fnmr = max((row["fnmr"][at] or 0.0 for row in ladder["rows"]), default=0.0)
    parts: dict[str, list[Step]] = {}
    for place, row in enumerate(ladder["rows"]):
        fmr, fnmr = row["fmr"][at], row["fnmr"][at]
        parts.setdefault(row["part"], []).append(
            Step(
                place,
                row["name"],
                row["too_few"],
                row["fmr_told"][at],
                row["fnmr_told"][at],
                _of_100(fmr, most_fmr),
                _of_100(fnmr, most_fnmr),
            )
        )
    return tuple(Steps(title, tuple(rows)) for title, rows in parts.items())


def _of_100(rate: float | None, most: float) -> float:
    return round(100 * (rate or 0.0) / most, 2) if most else 0.0


def kept(picture: Picture | None) -> tuple[Picture, ...]:
    """The picture, where there is one."""
    return () if picture is None else (picture,)
