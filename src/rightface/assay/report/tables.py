"""The report's tables as plain cells: captions, headings, rows. A model card has the same ones.

Never knows markup; every cell is text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rightface.assay.report import words
from rightface.assay.report.headline import near, point_at, weak
from rightface.assay.result import (
    Assay,
    Differential,
    Exclusion,
    Identification,
    OperatingPoint,
    Partition,
    Rate,
)


@dataclass(frozen=True)
class Table:
    """Rows all as long as `columns`; `numbers` says which columns are numbers."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: frozenset[int] = frozenset()

    @property
    def notes(self) -> tuple[str, ...]:
        """What its last column notes, each once: a page has room for it below the table only."""
        if not self.columns or self.columns[-1] != "note":
            return ()
        return tuple(dict.fromkeys(row[-1] for row in self.rows if row[-1]))


def table(
    caption: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    numbers: Iterable[int] = (),
) -> Table:
    """A table; every row must have every column."""
    kept = tuple(tuple(row) for row in rows)
    if any(len(row) != len(columns) for row in kept):
        raise AssertionError(f"a row of '{caption}' has not as many cells as the heading")
    return Table(caption, tuple(columns), kept, frozenset(numbers))


def _noted(told: Table) -> Table:
    """Its last column, the notes, in sentences; without it where nothing is noted."""
    if any(row[-1] for row in told.rows):
        rows = ((*row[:-1], words.sentence(row[-1])) for row in told.rows)
        return table(told.caption, told.columns, rows, told.numbers)
    return table(told.caption, told.columns[:-1], (row[:-1] for row in told.rows), told.numbers)


def rate_cells(rate: Rate) -> tuple[str, str, str]:
    """The rate, its interval, its counts."""
    if rate.rate is None:
        return words.NOTHING, words.NOTHING, words.NOTHING
    return (
        words.percent(rate.rate),
        words.interval(rate) or words.NOTHING,
        f"{rate.errors:,} of {rate.trials:,}",
    )


def operating_points(points: Sequence[OperatingPoint]) -> Table:
    """Both error rates of everybody at every threshold that was looked at."""
    rows = []
    for at in points:
        fmr, fnmr = rate_cells(at.fmr), rate_cells(at.fnmr)
        match = words.NOTHING if at.fnmr.rate is None else words.percent(1 - at.fnmr.rate)
        note = at.fmr.too_few or at.fnmr.too_few
        if at.threshold is None:
            note = note or "too few comparisons for this rate"
        rows.append(
            (words.odds(at.fmr_target), words.figure(at.threshold), *fmr[:2], match, *fnmr, note)
        )
    told = table(
        "Everybody: error rates at each threshold",
        ("asked for: FMR", "score", "FMR", "95 %", "matches found (TAR)", "FNMR", "95 %",
         "missed", "note"),
        rows,
        range(1, 8),
    )  # fmt: skip
    return _noted(told)


def groups(part: Partition, target: float, things: str) -> Table:
    """Every group at everybody's threshold for one target; `things`: what its rows are."""
    rows = []
    for group in part.groups:
        at = point_at(group.at, target)
        fmr = rate_cells(at.fmr) if at else (words.NOTHING,) * 3
        fnmr = rate_cells(at.fnmr) if at else (words.NOTHING,) * 3
        failures = words.NOTHING
        if group.failures is not None and group.failures.rate is not None:
            share, _, many = rate_cells(group.failures)
            failures = f"{share} ({many})"
        notes = weak(group, target), at.fnmr.too_few if at else ""
        note = " ".join(words.sentence(one) for one in dict.fromkeys(notes) if one)
        people = (words.count(group.subjects), words.count(group.images))
        rows.append((group.name, *people, *fmr, *fnmr, failures, note))
    told = table(
        f"By {words.columns(part.columns)}, at the threshold where {words.odds(target)} of all "
        "impostor comparisons match",
        ("group", "people", things, "FMR", "95 %", "matched", "FNMR", "95 %", "missed",
         "no face found", "note"),
        rows,
        range(1, 9),
    )  # fmt: skip
    return _noted(told)


def differentials(part: Partition, target: float | None = None) -> Table:
    """How unequal the groups are: by every measure at every target; or by those defined at one."""
    told = table(
        f"By {words.columns(part.columns)}: how unequal"
        + ("" if target is not None else ", at every threshold"),
        ("measure", "of", "at FMR", "value (95 %)", "by chance", "highest", "lowest", "note"),
        (
            _differential(one)
            for one in part.differentials
            if target is None or (near(one.fmr_target, target) and one.value.value is not None)
        ),
    )
    return _noted(told)


def _differential(one: Differential) -> tuple[str, ...]:
    note = one.value.note
    if one.left_out:
        note = f"{words.sentence(note)} Left out: {words.listed(one.left_out, 8)}.".strip()
    apart = one.worst != one.best
    return (
        words.MEASURES[one.measure][0],
        words.ERRORS[one.of],
        words.odds(one.fmr_target),
        words.value(one.value),
        words.figure(one.chance),
        (apart and one.worst) or words.NOTHING,
        (apart and one.best) or words.NOTHING,
        note,
    )


def searches(found: Sequence[Identification]) -> Table:
    """Identification at each gallery size and threshold."""
    rows = [
        (
            words.count(size.gallery_size),
            words.NOTHING if at.fmr_target is None else words.odds(at.fmr_target),
            words.told(at.fpir),
            words.told(at.fnir),
        )
        for size in found
        for at in size.at
    ]
    return table(
        "Searches by gallery size",
        ("people enrolled", "threshold's FMR", "FPIR: somebody found who is not there",
         "FNIR: somebody there not found"),
        rows,
        (0,),
    )  # fmt: skip


def searched_groups(found: Sequence[Identification], target: float | None) -> Table:
    """Searches of each group's people, at one threshold, in the largest gallery that tells them."""
    rows = [
        (
            words.columns(group.columns),
            group.name,
            words.told(at.fpir),
            words.told(at.fnir),
            words.told(group.rank_one),
            " ".join(
                words.sentence(one)
                for one in dict.fromkeys((at.fpir.too_few, at.fnir.too_few))
                if one
            ),
        )
        for size in found
        for group in size.groups
        for at in group.at
        if target is not None and at.fmr_target is not None and near(at.fmr_target, target)
    ]
    sizes = [size.gallery_size for size in found if size.groups]
    told = table(
        f"Searches by group of who is searched for, among {words.count(max(sizes, default=0))} "
        f"people, at the threshold for {words.odds(target)}",
        ("by", "group", "FPIR: somebody found who is not there", "FNIR: somebody there not found",
         "the right person first", "note"),
        rows,
    )  # fmt: skip
    return _noted(told)


def ranks(found: Sequence[Identification]) -> Table:
    """How often the right person is among the first candidates."""
    rows = [
        (words.count(size.gallery_size), words.count(one.rank), words.told(one.hit))
        for size in found
        for one in size.ranks
    ]
    return table(
        "The right person among the first candidates, whatever the score",
        ("people enrolled", "first", "share of searches"),
        rows,
        (0, 1),
    )


def predictions(assay: Assay, target: float | None = None) -> Table:
    """What larger galleries would do; sizes that were measured too show how far off it is.

    At every target, or at one.
    """
    rows = []
    for one in assay.predictions:
        if target is not None and not near(one.fmr_target, target):
            continue
        value = one.fpir
        ends = words.between(value.low, value.high)
        kind = "measured too, to check" if one.held_back else "beyond the data"
        rows.append(
            (
                words.count(one.gallery_size),
                words.odds(one.fmr_target),
                words.percent(value.value),
                ends,
                words.percent(one.measured) if one.held_back else "not measured",
                f"{kind}. {words.sentence(value.note)}" if value.note else kind,
            )
        )
    return table(
        "Predicted for larger galleries"
        + ("" if target is None else f", at the threshold for {words.odds(target)}"),
        ("people enrolled", "threshold's FMR", "FPIR predicted", "95 %", "FPIR measured", "kind"),
        rows,
        range(5),
    )


def stress(assay: Assay) -> Table:
    """What changes to the photographs do, to everybody and to each group."""
    rows = [
        (
            one.kind,
            f"{words.figure(one.level)} {one.unit}".strip(),
            group.name or words.EVERYBODY,
            words.told(group.failures),
            words.told(group.fnmr),
            words.told(group.fmr),
        )
        for one in assay.stress
        for group in one.groups
    ]
    return table(
        "Changed photographs, at the unchanged threshold",
        ("change", "level", "group", "no face found", "FNMR", "FMR"),
        rows,
    )


def discards(assay: Assay) -> Table:
    """Error versus discard."""
    rows = [
        (one.quality, words.odds(one.fmr_target), words.percent(point.discarded),
         words.told(point.fnmr))
        for one in assay.discards
        for point in one.points
    ]  # fmt: skip
    return table(
        "Misses when the worst photographs are left out",
        ("quality measure", "threshold's FMR", "left out", "FNMR of the rest"),
        rows,
        (2,),
    )


def exclusions(assay: Assay) -> Table:
    """Every row of the data set, and of its table of pairs: used, or left out for a reason."""
    data = assay.data
    rows = _less("rows in the data set", data.rows, data.exclusions)
    rows.append((f"{words.things(data)} used", words.count(data.images), ""))
    if data.pairs is not None:
        rows += _less("rows in the table of pairs", data.pairs.rows, data.pairs.exclusions)
        rows.append(("pairs used", words.count(data.pairs.used), ""))
    return table("Rows, less what was left out", ("what", "rows", "which"), rows, (1,))


def _less(what: str, all_: int, left_out: Sequence[Exclusion]) -> list[tuple[str, str, str]]:
    rows = [(what, words.count(all_), "")]
    for one in left_out:
        rows.append((f"left out: {one.reason}", f"−{one.count:,}", words.excluded(one)))
    return rows


def adds_up(assay: Assay) -> bool:
    """Whether rows less exclusions are what was used, of images and of pairs."""
    data, pairs = assay.data, assay.data.pairs
    left_out = sum(one.count for one in data.exclusions)
    if pairs is not None and pairs.rows - sum(one.count for one in pairs.exclusions) != pairs.used:
        return False
    return data.rows - left_out == data.images


def labels(assay: Assay) -> Table:
    """Who is in the data set, by its own labels."""
    rows = [
        (column, value or "no value", words.count(images))
        for column, values in assay.data.columns.items()
        for value, images in values.items()
    ]
    columns = ("column", "value", words.things(assay.data))
    return table("Labels of the data set", columns, rows, (2,))
