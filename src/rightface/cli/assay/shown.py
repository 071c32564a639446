"""What an assay found, printed for a person: `assay run`, `scores` and `api`.

Names come from whoever made the data set, so every line goes through `output.visible`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rightface.assay.exclusions import named
from rightface.cli.output import say, show_table, visible

if TYPE_CHECKING:
    from rightface.assay.result import (
        Assay,
        Exclusion,
        Identification,
        OperatingPoint,
        Partition,
        Rate,
        TenFold,
        Value,
    )

MOST_SUSPICIONS = 5


def show(told: Assay) -> None:
    """The document's main figures, for a person."""
    data, verified = told.data, told.verification
    _show_data(told)
    _line(f"{verified.genuine:,} genuine and {verified.impostor:,} impostor comparisons.")
    if verified.ten_fold is not None:
        _line(_folds(verified.ten_fold))
    if verified.eer.value is not None:
        _line(f"Equal error rate: {verified.eer.value:.2%}{_ends(verified.eer, '{:.2%}')}")
    say()
    show_table(
        ("FMR asked", "threshold", "FNMR", "95 %", "true matches"),
        [
            (
                f"{at.fmr_target:g}",
                "–" if at.threshold is None else score_shown(at.threshold),
                *_fnmr(at.fnmr),
                "–" if at.fnmr.rate is None else f"{1 - at.fnmr.rate:.2%}",
            )
            for at in verified.at
        ],
    )
    shown = _shown_target(told)
    for partition in told.partitions:
        if shown is not None:
            _show_partition(partition, shown, data.rows_are)
    _show_searches(told, shown)
    _show_stress(told, shown)
    for suspicion in data.suspicions[:MOST_SUSPICIONS]:
        named_there = "row" in suspicion.what or not suspicion.rows
        where = "" if named_there else f" See {named(suspicion.rows)}."
        _line(f"Look at this: {suspicion.what}{where}")
    if len(data.suspicions) > MOST_SUSPICIONS:
        _line(f"… and {len(data.suspicions) - MOST_SUSPICIONS} more in the document.")
    for each in data.not_checked:
        _line(f"Not looked at: {each}")
    for warning in told.warnings:
        _line(f"Note: {warning}")
    for caveat in data.caveats:
        _line(f"Caveat: {caveat}")


def _line(text: str) -> None:
    say(visible(text))


def _show_data(told: Assay) -> None:
    """What was used, and what was left out and why."""
    data = told.data
    if data.rows_are == "comparisons":
        _line(f"{data.name}: {data.images:,} of {data.rows:,} rows are comparisons that count")
    else:
        people = f"{data.subjects:,} people, " if data.subjects else ""
        _line(f"{data.name}: {data.images:,} of {data.rows:,} rows, {people}{_failures(told)}")
    _show_exclusions(data.exclusions)
    if data.pairs is not None:
        _line(f"Pairs stated: {data.pairs.used:,} of {data.pairs.rows:,} rows")
        _show_exclusions(data.pairs.exclusions)


def _show_exclusions(exclusions: Sequence[Exclusion]) -> None:
    for each in exclusions:
        where = f" ({named(each.rows, each.count)})" if each.rows else ""
        _line(f"  left out: {each.count:,}{where}: {each.reason}")


def _folds(told: TenFold) -> str:
    how = "folds" if told.stated else "equal parts in the order of the table, which states no folds"
    return (
        f"{told.pairs:,} pairs in {told.folds} {how}: accuracy "
        f"{told.accuracy:.2%} ± {told.standard_error:.2%}"
    )


def score_shown(score: float) -> str:
    """With four places, as similarities have; of other scales four digits."""
    return f"{score:.4f}" if 1e-2 <= abs(score) < 1e5 else f"{score:.4g}"


def _show_partition(partition: Partition, shown: float, rows_are: str) -> None:
    name = " × ".join(partition.columns)
    say()
    _line(f"By {name}, at everybody's threshold for an FMR of {shown:g}:")
    rows: list[tuple[str, ...]] = []
    for group in partition.groups:
        at = next(each for each in group.at if each.fmr_target == shown)
        lost = None if group.failures is None else f"{group.failures.errors:,}"
        rows.append(
            (
                group.name,
                f"{group.images if group.subjects is None else group.subjects:,}",
                *(() if lost is None else (lost,)),
                *_fmr(at.fmr),
                *_fnmr(at.fnmr),
                _too_few(at),
            )
        )
    known = any(group.subjects is not None for group in partition.groups)
    counted = "people" if known else rows_are
    looked = any(group.failures is not None for group in partition.groups)
    head = ("group", counted, *(("no face",) if looked else ()))
    show_table((*head, "FMR", "95 %", "FNMR", "95 %", ""), rows)
    if partition.unlabelled:
        things = "photographs" if rows_are == "images" else rows_are
        _line(f"In no group: {partition.unlabelled:,} {things}")
    for each in partition.differentials:
        if each.measure == "worst-over-best" and each.fmr_target == shown and each.of == "fmr":
            if each.value.value is not None:
                figure = f"{each.value.value:.1f}{_ends(each.value, '{:.1f}')}"
                least = "" if each.value.high is not None else "at least "
                who = f"{each.worst} over {each.best}" if each.worst != each.best else "all alike"
                _line(f"Worst over best FMR: {least}{figure}: {who}")
            if each.left_out:
                _line(f"Too small to count in it: {', '.join(each.left_out)}")


def _ends(told: Value, form: str) -> str:
    """The interval, in brackets."""
    if told.low is None:
        return ""
    low = form.format(told.low)
    high = "without an upper end" if told.high is None else f"to {form.format(told.high)}"
    return f" (95 %: {low} {high})"


def _too_few(at: OperatingPoint) -> str:
    """Which of both rates rests on too little; a rate of nothing shows that by itself."""
    rates = (("FMR", at.fmr), ("FNMR", at.fnmr))
    short = [name for name, rate in rates if rate.too_few and rate.trials]
    return f"too few: {', '.join(short)}" if short else ""


def _show_searches(told: Assay, shown: float | None) -> None:
    rows: list[tuple[str, ...]] = []
    for each in told.identification:
        at = next((one for one in each.at if one.fmr_target == shown), None)
        if at is not None and each.ranks:
            rows.append(
                (
                    f"{each.gallery_size:,}",
                    f"{each.mated_searches:,}",
                    *_fnmr(at.fnir),
                    f"{each.non_mated_searches:,}",
                    *_fnmr(at.fpir),
                    _fnmr(each.ranks[0].hit)[0],
                )
            )
    if rows:
        say()
        say(f"Searches, at everybody's threshold for an FMR of {shown:g}:")
        head = ("gallery", "mated", "FNIR", "95 %", "non-mated", "FPIR", "95 %", "rank 1")
        show_table(head, rows)
    if told.identification and shown is not None:
        _show_searched_groups(told.identification[-1], shown)


def _show_searched_groups(told: Identification, shown: float) -> None:
    for columns in dict.fromkeys(group.columns for group in told.groups):
        say()
        _line(f"Searches by {' × '.join(columns)}, in the gallery of {told.gallery_size:,}:")
        rows: list[tuple[str, ...]] = []
        for group in told.groups:
            at = next((each for each in group.at if each.fmr_target == shown), None)
            if group.columns == columns and at is not None:
                rates = (("FNIR", at.fnir), ("FPIR", at.fpir))
                few = [name for name, each in rates if each.too_few and each.trials]
                rows.append(
                    (
                        group.name,
                        f"{at.fnir.trials:,}",
                        *_fnmr(at.fnir),
                        f"{at.fpir.trials:,}",
                        *_fnmr(at.fpir),
                        _fnmr(group.rank_one)[0],
                        f"too few: {', '.join(few)}" if few else "",
                    )
                )
        head = ("group", "mated", "FNIR", "95 %", "non-mated", "FPIR", "95 %", "rank 1", "")
        show_table(head, rows)


def _show_stress(told: Assay, shown: float | None) -> None:
    rows: list[tuple[str, ...]] = []
    for each in told.stress:
        everybody = next((group for group in each.groups if not group.name), None)
        if everybody is not None and each.fmr_target == shown:
            rows.append(
                (
                    f"{each.kind} {each.level:g}",
                    each.unit,
                    _fnmr(everybody.failures)[0],
                    _fmr(everybody.fmr)[0],
                    *_fnmr(everybody.fnmr),
                )
            )
    if rows:
        say()
        say(f"Under stress, at everybody's threshold for an FMR of {shown:g}:")
        show_table(("change", "", "no face", "FMR", "FNMR", "95 %"), rows)


def _shown_target(told: Assay) -> float | None:
    """0.001, or the smallest false match rate that could be set."""
    settled = [at.fmr_target for at in told.verification.at if at.threshold is not None]
    if not settled:
        return None
    return 1e-3 if 1e-3 in settled else min(settled)


def _failures(told: Assay) -> str:
    if told.failures is None:
        return "whether faces were found is not known"
    return f"{told.failures.errors:,} without a face that could be used"


def _fmr(told: Rate) -> tuple[str, str]:
    """A false match rate and its interval: it spans many powers of ten."""
    if told.rate is None or told.low is None or told.high is None:
        return "–", ""
    rate, low, high = (f"{each:.1e}" if each else "0" for each in (told.rate, told.low, told.high))
    return rate, f"{low} – {high}"


def _fnmr(told: Rate) -> tuple[str, str]:
    """A false non-match rate and its interval, in hundredths."""
    if told.rate is None or told.low is None or told.high is None:
        return "–", ""
    return f"{told.rate:.2%}", f"{told.low:.2%} – {told.high:.2%}"
