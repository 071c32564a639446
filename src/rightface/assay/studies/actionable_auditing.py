"""Actionable Auditing 2019, computed again: margins from subgroups, and what changed since 2018."""

from __future__ import annotations

from rightface.assay.studies import gender_shades, parliaments
from rightface.assay.studies.facts import Mark, StudyFacts, facts_of
from rightface.assay.studies.parliaments import SUBGROUPS
from rightface.assay.studies.reproduction import (
    Cell,
    Finding,
    Reproduction,
    cell,
    compared,
    reproduction,
    stated,
)

_DROPS = "Least and largest falls since Gender Shades, in points"
_ROUNDING = 0.05
"""Of drops that are printed with one decimal."""


def reproduce(facts: StudyFacts, earlier: StudyFacts | None = None) -> Reproduction:
    """The audit's table, and the changes since the `earlier` study (Gender Shades)."""
    before = earlier or facts_of("gender-shades")
    sizes = gender_shades.sizes_of(before)
    error = facts.tables["error"]
    cells: list[Cell] = []
    for vendor in error.rows:
        rates = error.row(vendor)
        for one in SUBGROUPS:
            count = round(rates[one] / 100 * sizes[one])
            how = f"the nearest whole number: {count} of {sizes[one]}"
            cells.append(compared(error, vendor, one, 100 * count / sizes[one], how))
        for name, rate in parliaments.margins(rates, sizes).items():
            how = "the printed subgroups, weighed by their sizes"
            cells.append(compared(error, vendor, name, rate, how))
    drops = facts.tables["drops_of_DF"]
    fallen = _fallen(facts, before, "DF")
    cells += [
        compared(drops, vendor, "DF", fallen[vendor], "2017 less 2018, as printed")
        for vendor in drops.rows
    ]
    changes = _changes(facts, before)
    cells += changes
    as_printed = all(each.verdict == "reproduced" for each in changes)
    return reproduction(facts, tuple(cells), _findings(facts, before, changes=as_printed))


def _fallen(facts: StudyFacts, before: StudyFacts, column: str) -> dict[str, float]:
    now, then = facts.tables["error"], before.tables["error"]
    return {vendor: then.row(vendor)[column] - now.row(vendor)[column] for vendor in then.rows}


def _changes(facts: StudyFacts, before: StudyFacts) -> list[Cell]:
    told = []
    for column, said in (("DF", "of_DF"), ("All", "of_all")):
        fallen = _fallen(facts, before, column).values()
        for which, computed in (("smallest", min(fallen)), ("largest", max(fallen))):
            one = facts.quantities[f"{which}_drop_{said}"]
            told.append(
                cell(
                    (_DROPS, which, column),
                    facts.number(f"{which}_drop_{said}"),
                    computed,
                    _ROUNDING,
                    Mark(confidence=one.confidence, sources=one.sources),
                    "2017 less 2018, as printed; Face++, Microsoft and IBM",
                )
            )
    return told


def _findings(facts: StudyFacts, before: StudyFacts, *, changes: bool) -> tuple[Finding, ...]:
    now, then = facts.tables["error"], before.tables["error"]
    fallen = _fallen(facts, before, "All")
    needed = []
    unlike = True
    for which, pick in (("smallest", min), ("largest", max)):
        vendor = pick(fallen, key=lambda each: fallen[each])
        drop = facts.number(f"{which}_drop_of_all")
        earlier = now.row(vendor)["All"] + drop
        printed = then.row(vendor)["All"]
        unlike = unlike and abs(earlier - printed) > _ROUNDING
        needed.append(
            f"{vendor}: a fall of {drop:g} to {now.row(vendor)['All']:g} % starts at "
            f"{earlier:.2f} %, printed is {printed:.1f} %"
        )
    return (
        stated(facts, "changes", changes),
        stated(facts, "inconsistency", unlike, "; ".join(needed)),
    )
