"""What `rightface assay study` prints for a person."""

from __future__ import annotations

from rightface.assay.report.words import told as in_words
from rightface.assay.studies.klare import CohortAccuracy
from rightface.assay.studies.page import marked, number
from rightface.assay.studies.patterns import PatternFound
from rightface.assay.studies.predictions import PredictionErrors, Split
from rightface.assay.studies.reproduction import Finding, Reproduction
from rightface.assay.studies.searching import OwnTest
from rightface.cli.output import say, show_table


def reproduction(told: Reproduction) -> None:
    """A published study: every cell, what is odd, where it was read."""
    say(f"{told.title} ({told.id})")
    say(f"{told.authors}. {told.venue}.")
    say(told.task)
    if told.unverified:
        say(f"UNVERIFIED. {told.unverified}")
    say("Published:")
    for one in told.published:
        _finding(one)
    table = ""
    rows: list[tuple[str, ...]] = []
    head = ("row", "column", "published", "computed", "tolerance", "verdict", "mark", "how")
    for cell in told.cells:
        if cell.table != table:
            _show_rows(table, head, rows)
            table, rows = cell.table, []
        rows.append(
            (
                cell.row,
                cell.column,
                number(cell.published, cell.unit),
                number(cell.computed, cell.unit),
                f"{cell.tolerance:g}",
                cell.verdict,
                marked(cell.confidence, cell.sources),
                cell.how,
            )
        )
    _show_rows(table, head, rows)
    say()
    if told.cells:
        say(f"{told.reproduced} of {len(told.cells)} cells are reproduced.")
    for one in told.findings:
        _finding(one)
    say("Sources:")
    for source in told.sources:
        say(f"  {source.n}. {source.at}: {source.what}")


def _finding(one: Finding) -> None:
    held = {None: "", True: " Borne out.", False: " Not borne out."}[one.holds]
    note = f" ({one.note})" if one.note else ""
    say(f"- {one.text}{held}{note} [{marked(one.confidence, one.sources)}]")


def _show_rows(table: str, head: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    if rows:
        say()
        say(f"{table}:")
        show_table(head, rows)


def own_test(told: OwnTest) -> None:
    """Searches of one's own, at every threshold."""
    show_table(
        ("threshold", "score", "similarity", "matched wrongly (FPIR)", "expected", "by"),
        [
            (
                each.setting.name,
                f"{each.setting.score:.4f}" + ("*" if each.setting.extrapolated else ""),
                f"{each.setting.similarity:.2f}",
                in_words(each.fpir),
                f"{each.expected_fpir:.2%}",
                each.setting.cohort or "everybody",
            )
            for each in told.at
        ],
    )
    say("* extrapolated: beyond what the calibration's comparisons can show")
    for each in told.at:
        if each.not_as_expected:
            say(f"At {each.setting.name}: {each.not_as_expected}")
    for each in told.at:
        if each.groups:
            say()
            say(f"At {each.setting.name}:")
            show_table(
                ("column", "group", "matched wrongly (FPIR)", ""),
                [
                    (one.column, one.group, in_words(one.fpir), one.fpir.too_few)
                    for one in each.groups
                ],
            )
    say()
    if told.threshold_found is not None:
        say(
            f"On these searches an FPIR of {told.target_fpir:g} needs a score above "
            f"{told.threshold_found:.4f}."
        )
    for warning in told.warnings:
        say(f"Note: {warning}")


def predictions(told: PredictionErrors) -> None:
    """Somebody's predictions, as Gender Shades lays them out."""
    say(f"{told.used:,} of {told.rows:,} rows. rightface infers nothing; it counts wrong answers.")
    for each in told.exclusions:
        say(f"Left out, {each.count:,}: {each.reason}")
    say(f"All: {in_words(told.everybody.error)}; no answer: {told.everybody.unanswered:,}")
    for split in told.splits:
        _show_split(split)
    say()
    say("Gender Shades 2018, in per cent:")
    names = tuple(next(iter(told.published.values())))
    show_table(
        ("", *names),
        [
            (vendor, *(f"{errors[name]:g}" for name in names))
            for vendor, errors in told.published.items()
        ],
    )
    for warning in told.warnings:
        say(f"Note: {warning}")


def _show_split(split: Split) -> None:
    say()
    say(f"By {' × '.join(split.columns)}:")
    show_table(
        ("group", "error (1 − recall)", "no answer", "1 − precision", ""),
        [
            (
                each.name,
                in_words(each.error),
                f"{each.unanswered:,}",
                "" if each.wrong_among_told is None else in_words(each.wrong_among_told),
                "too few" if each.error.too_few else "",
            )
            for each in split.groups
        ],
    )
    if split.unlabelled:
        say(f"In no group: {split.unlabelled:,}")
    if split.difference is not None:
        gap = split.difference
        say(
            f"{gap.worst} less {gap.best}: {100 * gap.value:.1f} points "
            f"({100 * gap.low:.1f} to {100 * gap.high:.1f})"
        )


def patterns(told: tuple[PatternFound, ...]) -> None:
    """NIST's patterns beside an assay."""
    for each in told:
        say(f"{each.verdict.upper()}: {each.text} [{each.confidence}]")
        say(f"    {each.why}")


def cohorts(told: tuple[CohortAccuracy, ...]) -> None:
    """Klare et al.'s layout of an assay."""
    say("True accepts at a false accept rate of 0.1 %, by cohort, as Klare et al. lay it out:")
    show_table(
        (
            "column",
            "group",
            "TAR, everybody's threshold",
            "false rejects",
            "TAR, own threshold",
            "",
        ),
        [
            (
                each.column,
                each.group,
                "–" if each.fnmr.rate is None else f"{1 - each.fnmr.rate:.2%}",
                in_words(each.fnmr),
                "–" if each.own_tar is None else f"{each.own_tar:.2%}",
                "too few" if each.fnmr.too_few else "",
            )
            for each in told
        ],
    )
    if not told:
        say("The assay has no threshold for that rate, or no groups.")
