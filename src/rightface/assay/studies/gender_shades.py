"""Gender Shades 2018, computed again from its counts; how its table is to be read.

1. The subgroups' sizes give the published shares.
2. A subgroup's error is 1 − recall: those sorted wrongly of those who are in it.
3. Margins are what the printed subgroups add up to.
4. The row that is labelled TPR is precision.
5. Face++'s lighter women: as printed, and as the margins imply.
"""

from __future__ import annotations

from statistics import fmean

from rightface.assay.studies import parliaments
from rightface.assay.studies.facts import Mark, StudyFacts
from rightface.assay.studies.parliaments import MARGINS, SUBGROUPS
from rightface.assay.studies.reproduction import (
    Cell,
    Finding,
    Reproduction,
    cell,
    compared,
    ours,
    reproduction,
    stated,
)

_MISPRINTED = "Face++"
_FROM_COUNTS = "sorted wrongly / in the subgroup"
_ADDED_UP = "the printed subgroups, weighed by their sizes"
_GAP_ROUNDING = 0.05


def reproduce(facts: StudyFacts) -> Reproduction:
    """The study's table, cell by cell, and what is odd about it."""
    sizes = sizes_of(facts)
    error = facts.tables["error"]
    cells = [*_shares(facts, sizes)]
    for vendor in error.rows:
        wrong = facts.tables["misclassified"].row(vendor)
        for one in SUBGROUPS:
            rate = 100 * wrong[one] / sizes[one]
            cells.append(compared(error, vendor, one, rate, _FROM_COUNTS))
        for name, rate in parliaments.margins(error.row(vendor), sizes).items():
            cells.append(compared(error, vendor, name, rate, _ADDED_UP))
    tpr = facts.tables["tpr"]
    for vendor in tpr.rows:
        for one, rate in parliaments.precisions(error.row(vendor), sizes).items():
            note = tpr.mark(vendor, one).note or tpr.tolerance_note
            cells.append(compared(tpr, vendor, one, rate, "precision", note=note))
    gaps = _gaps(facts)
    cells += gaps
    cells += _readings(facts, sizes)
    as_printed = all(each.verdict == "reproduced" for each in gaps)
    return reproduction(facts, tuple(cells), _findings(facts, sizes, gaps=as_printed))


def sizes_of(facts: StudyFacts) -> dict[str, int]:
    """Photographs of each subgroup."""
    return {one: facts.count(one) for one in SUBGROUPS}


def _shares(facts: StudyFacts, sizes: dict[str, int]) -> list[Cell]:
    table, total = facts.tables["shares"], facts.count("images")
    groups = {
        "female": MARGINS["F"],
        "male": MARGINS["M"],
        "darker": MARGINS["darker"],
        "lighter": MARGINS["lighter"],
        **{one: (one,) for one in SUBGROUPS},
    }
    return [
        compared(
            table,
            "PPB",
            name,
            100 * sum(sizes[one] for one in parts) / total,
            "photographs / all photographs",
        )
        for name, parts in groups.items()
    ]


def _gaps(facts: StudyFacts) -> list[Cell]:
    error = facts.tables["error"]
    told = []
    for name, high, low in (
        ("women less men", "F", "M"),
        ("darker less lighter", "darker", "lighter"),
    ):
        gaps = [error.row(vendor)[high] - error.row(vendor)[low] for vendor in error.rows]
        one = facts.ranges[name]
        mark = Mark(confidence=one.confidence, sources=one.sources)
        told += [
            cell(
                ("Gaps, in points", name, which),
                published,
                computed,
                _GAP_ROUNDING,
                mark,
                "printed margins",
                note=one.note,
            )
            for which, published, computed in (
                ("least", one.low, min(gaps)),
                ("most", one.high, max(gaps)),
            )
        ]
    return told


def _readings(facts: StudyFacts, sizes: dict[str, int]) -> list[Cell]:
    """The margins of both readings, and the precision of the other gender."""
    table, error, tpr = facts.tables["readings"], facts.tables["error"], facts.tables["tpr"]
    told = []
    for reading in table.rows:
        rates = error.row(_MISPRINTED) | table.row(reading)
        added = parliaments.margins(rates, sizes)
        place = f"{_MISPRINTED}, lighter women {table.row(reading)['LF']:.1f} % ({reading})"
        for name in ("All", "F", "lighter"):
            told.append(
                cell(
                    (table.what, place, name),
                    error.row(_MISPRINTED)[name],
                    added[name],
                    table.tolerance,
                    error.mark(_MISPRINTED, name),
                    _ADDED_UP,
                )
            )
        told.append(
            cell(
                (table.what, place, "LM, precision"),
                tpr.row(_MISPRINTED)["LM"],
                parliaments.precisions(rates, sizes)["LM"],
                tpr.tolerance,
                tpr.mark(_MISPRINTED, "LM"),
                "precision",
            )
        )
    return told


def _findings(facts: StudyFacts, sizes: dict[str, int], *, gaps: bool) -> tuple[Finding, ...]:
    error, tpr = facts.tables["error"], facts.tables["tpr"]
    worst = max(error.row(vendor)[one] for vendor in error.rows for one in SUBGROUPS)
    of_dark_women = max(error.row(vendor)["DF"] for vendor in error.rows)
    said = facts.ranges["worst"]
    of_light_men = max(error.row(vendor)["LM"] for vendor in error.rows)
    recall_off, precision_off = [], []
    for vendor in tpr.rows:
        rates = error.row(vendor)
        precise = parliaments.precisions(rates, sizes)
        for one in SUBGROUPS:
            recall_off.append(abs(tpr.row(vendor)[one] - (100 - rates[one])))
            precision_off.append(abs(tpr.row(vendor)[one] - precise[one]))
    return (
        stated(facts, "worst", worst == of_dark_women == said.high and of_light_men <= said.low),
        stated(facts, "gaps", gaps),
        stated(
            facts,
            "method",
            fmean(precision_off) < fmean(recall_off),
            f"the row 'TPR' lies {fmean(precision_off):.2f} points off precision on average, "
            f"{fmean(recall_off):.2f} off recall",
        ),
        _misprint(facts, sizes),
        *_not_whole(facts, sizes),
    )


def _misprint(facts: StudyFacts, sizes: dict[str, int]) -> Finding:
    error, readings = facts.tables["error"], facts.tables["readings"]
    rates = error.row(_MISPRINTED)
    ranges = {
        name: parliaments.implied(rates[name], MARGINS[name], "LF", rates, sizes, error.tolerance)
        for name in ("All", "F", "lighter")
    }
    fits = {
        reading: [
            name
            for name, (low, high) in ranges.items()
            if low <= readings.row(reading)["LF"] <= high
        ]
        for reading in readings.rows
    }
    spread = ", ".join(f"{name} {low:.1f} to {high:.1f} %" for name, (low, high) in ranges.items())
    low, high = max(one for one, _ in ranges.values()), min(one for _, one in ranges.values())
    between = f"; all three, {low:.2f} to {high:.2f} %" if low <= high else ""
    said = "; ".join(
        f"{readings.row(reading)['LF']:.1f} % fits {', '.join(names) or 'none'}"
        for reading, names in fits.items()
    )
    return stated(
        facts,
        "misprint",
        len(fits["as implied"]) > len(fits["as printed"]),
        f"within {error.tolerance:g} points of each margin: {spread}{between}. {said}",
    )


def _not_whole(facts: StudyFacts, sizes: dict[str, int]) -> tuple[Finding, ...]:
    error = facts.tables["error"]
    odd = [
        f"{vendor} {one} {error.row(vendor)[one]:g} % of {sizes[one]}"
        for vendor in error.rows
        for one in SUBGROUPS
        if parliaments.whole(error.row(vendor)[one], sizes[one]) is None
    ]
    if not odd:
        return ()
    return (
        ours(
            f"No whole number of photographs gives: {', '.join(odd)}. Either not every photograph "
            "was sorted, or the sizes are slightly other."
        ),
    )
