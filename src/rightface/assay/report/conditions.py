"""The report's chapters on searches, harder photographs and quality. Never knows markup."""

from __future__ import annotations

from rightface.assay.report import pictures, tables, words
from rightface.assay.report.headline import most_unequal, near, weak
from rightface.assay.report.parts import MOST_LINES, Chapter, in_order, kept, some
from rightface.assay.report.pictures import Bar, Picture, Point, Series
from rightface.assay.result import Assay, Stress


# ---------------------------------------------------------------- searches
def searches(assay: Assay, target: float | None) -> Chapter | None:
    """One against many: by gallery size, with what larger ones would do."""
    if not assay.identification and not assay.predictions:
        return None
    said = []
    beyond = [one.gallery_size for one in assay.predictions if not one.held_back]
    if beyond:
        said.append(
            f"Sizes up to {max(beyond):,} were not measured: they are predicted from smaller "
            "galleries. The predictions for sizes that were measured too show how far off that is."
        )
    shown = (
        _found_wrongly(assay),
        _not_found(assay),
    )
    largest = max(assay.identification, key=lambda one: one.gallery_size, default=None)
    ranks = [largest] if largest is not None and largest.ranks else []
    foreseen = tables.predictions(assay, target)
    by_group = tables.searched_groups(assay.identification, target)
    listed = (
        *((foreseen,) if foreseen.rows else ()),
        *((tables.ranks(ranks),) if ranks else ()),
        *((by_group,) if by_group.rows else ()),
    )
    folded = (
        *((tables.searches(assay.identification),) if assay.identification else ()),
        *((tables.predictions(assay),) if assay.predictions else ()),
    )
    return Chapter(
        "Searching many people",
        tuple(said),
        tuple(one for one in shown if one is not None),
        listed,
        folded,
    )


def _found_wrongly(assay: Assay) -> Picture | None:
    series = []
    for target in _targets(assay):
        series.append(
            Series(
                f"threshold's FMR {words.odds(target)}",
                tuple(
                    Point(size.gallery_size, at.fpir.rate, at.fpir.low, at.fpir.high)
                    for size in assay.identification
                    for at in size.at
                    if at.fmr_target is not None
                    and near(at.fmr_target, target)
                    and at.fpir.rate is not None
                ),
                band=tuple(
                    Point(one.gallery_size, one.fpir.value, one.fpir.low, one.fpir.high)
                    for one in assay.predictions
                    if near(one.fmr_target, target) and one.fpir.value is not None
                ),
            )
        )
    return pictures.curves(
        "False positive identification rate by gallery size",
        series,
        along="people enrolled",
        up="FPIR: somebody found who is not there",
        caption="Both scales go by factors of ten. Dots: measured, with intervals (95 %). Thin "
        "lines without dots: predicted, with the interval as a band.",
        tell_x=pictures.large,
        x_kind="log",
        y_kind="log",
    )


def _not_found(assay: Assay) -> Picture | None:
    series = [
        Series(
            f"threshold's FMR {words.odds(target)}",
            tuple(
                Point(size.gallery_size, at.fnir.rate, at.fnir.low, at.fnir.high)
                for size in assay.identification
                for at in size.at
                if at.fmr_target is not None
                and near(at.fmr_target, target)
                and at.fnir.rate is not None
            ),
        )
        for target in _targets(assay)
    ]
    return pictures.curves(
        "False negative identification rate by gallery size",
        [one for one in series if one.points],
        along="people enrolled",
        up="FNIR: somebody there not found",
        caption="Searches for people who are enrolled that do not return them at this threshold. "
        "The sizes go by factors of ten. Lines are intervals (95 %).",
        tell_x=pictures.large,
        x_kind="log",
    )


def _targets(assay: Assay) -> list[float]:
    found = {at.fmr_target for size in assay.identification for at in size.at if at.fmr_target}
    return sorted(found | {one.fmr_target for one in assay.predictions}, reverse=True)[:4]


# ---------------------------------------------------------------- stress
def stress(assay: Assay, target: float | None) -> Chapter | None:
    """What changes to the photographs do: one picture per kind of change."""
    if not assay.stress:
        return None
    part = most_unequal(assay, target)
    chosen = set()
    if part is not None:
        solid = [one for one in in_order(part.groups, target) if not weak(one, target)]
        chosen = {one.name for one in some(solid, MOST_LINES - 1)}
    columns = part.columns if part is not None else ()
    kinds: dict[str, list[Stress]] = {}
    for one in assay.stress:
        kinds.setdefault(one.kind, []).append(one)
    shown = [_degrading(kind, levels, columns, chosen) for kind, levels in kinds.items()]
    return Chapter(
        "Harder photographs",
        (
            "The same photographs, changed, were compared with unchanged ones at the unchanged "
            "threshold. Photographs in which no face was found any more are counted apart: they "
            "are in no comparison.",
        ),
        tuple(one for one in shown if one is not None),
        (),
        (tables.stress(assay),),
    )


def _degrading(
    kind: str, levels: list[Stress], columns: tuple[str, ...], chosen: set[str]
) -> Picture | None:
    by = f" Groups by {words.columns(columns)}." if chosen else ""
    if len(levels) == 1:
        return _one_level(kind, levels[0], columns, chosen)
    names: dict[str, list[Point]] = {}
    for one in levels:
        for group in one.groups:
            everyone = not group.name
            if not everyone and (group.columns != columns or group.name not in chosen):
                continue
            if group.fnmr.rate is not None:
                names.setdefault(group.name, []).append(
                    Point(one.level, group.fnmr.rate, group.fnmr.low, group.fnmr.high)
                )
    return pictures.curves(
        f"False non-match rate by {kind}",
        [
            Series(name or words.EVERYBODY, tuple(points), everybody=not name)
            for name, points in names.items()
        ],
        along=levels[0].unit or "level",
        up=f"{kind}: FNMR",
        caption=f"{words.sentence(kind)} Lines are intervals (95 %).{by}",
    )


def _one_level(
    kind: str, only: Stress, columns: tuple[str, ...], chosen: set[str]
) -> Picture | None:
    bars = [
        Bar(group.name or words.EVERYBODY, group.fnmr, bool(group.fnmr.too_few))
        for group in only.groups
        if not group.name or (group.columns == columns and group.name in chosen)
    ]
    about = words.sentence(f"{kind} ({words.plain(only.level)} {only.unit})".replace(" )", ")"))
    return pictures.beside(f"False non-match rate by {kind}", bars, kind="fnmr", about=about)


# ---------------------------------------------------------------- quality
def quality(assay: Assay) -> Chapter | None:
    """Error versus discard."""
    if not assay.discards:
        return None
    series = [
        Series(
            one.quality,
            tuple(
                Point(point.discarded, point.fnmr.rate, point.fnmr.low, point.fnmr.high)
                for point in one.points
                if point.fnmr.rate is not None
            ),
        )
        for one in assay.discards[: MOST_LINES + 1]
    ]
    picture = pictures.curves(
        "False non-match rate by the share of photographs left out",
        [one for one in series if one.points],
        along="share of photographs left out",
        up="FNMR of the rest",
        caption="A quality measure that is worth its name lets misses fall fast as the worst "
        "photographs are left out (Grother and Tabassi 2007). Lines are intervals (95 %).",
        tell_x=words.tick,
    )
    return Chapter("Quality of the photographs", (), kept(picture), (), (tables.discards(assay),))
