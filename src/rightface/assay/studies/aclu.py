"""The ACLU's test of 2018, computed again, and the threshold that its gallery would have needed.

FPIR is the share of searches that returned anybody; the FMR of one comparison follows from it and
the gallery's size. What a calibrated threshold would have been is told as an FMR, and for this
release's model pack as a score: Rekognition's own calibration is not public.
"""

from __future__ import annotations

import math

from rightface.assay.intervals import wilson
from rightface.assay.studies.facts import StudyFacts
from rightface.assay.studies.reproduction import (
    Cell,
    Finding,
    Reproduction,
    compared,
    ours,
    reproduction,
    stated,
)
from rightface.assay.thresholds import fmr_needed
from rightface.faces.calibration import Calibration, similarity

TARGETS = (1e-2, 1e-3, 1e-4)
"""Shares of searches that may return somebody wrongly."""


def reproduce(facts: StudyFacts, calibration: Calibration) -> Reproduction:
    """Rates with intervals, by group, and calibrated thresholds at that gallery's size."""
    probes, gallery, found = (
        facts.count("probes"),
        facts.count("gallery"),
        facts.count("false_matches"),
    )
    of_colour = facts.count("of_colour_matched")
    share = facts.number("of_colour_share_of_congress") / 100
    searched = round(share * probes)
    groups = {
        "FPIR": (found, probes),
        "FPIR of people of colour": (of_colour, searched),
        "FPIR of the others": (found - of_colour, probes - searched),
    }
    table = facts.tables["rates"]
    cells: list[Cell] = []
    for row, (errors, trials) in groups.items():
        low, high = wilson(errors, trials)
        for column, computed in (("rate", errors / trials), ("low", low), ("high", high)):
            how = f"{errors} / {trials}" + ("" if column == "rate" else ", Wilson's interval")
            cells.append(compared(table, row, column, computed, how))
    counted = found / (probes * gallery)
    how = f"{found} / ({probes} x {gallery:,})"
    cells.append(compared(facts.tables["per_comparison"], "by counting", "FMR", counted, how))
    rates = [errors / trials for errors, trials in groups.values()]
    ratio = rates[1] / rates[2]
    cells.append(compared(facts.tables["ratio"], "ratio", "FPIR", ratio, "of both shares"))
    implied = fmr_needed(found / probes, gallery)
    return reproduction(
        facts,
        tuple(cells),
        (
            _share_of_matches(facts),
            stated(
                facts,
                "lesson",
                1.5e-6 < counted < 2.5e-6 and round(probes / found) == 19,
                f"1 in {probes / found:.1f}; if comparisons are independent, an FPIR of "
                f"{found / probes:.4f} needs an FMR of {implied:.3g}",
            ),
            stated(facts, "one-side"),
            stated(facts, "contradiction"),
            _other_share(facts),
            *_thresholds(gallery, probes, calibration),
        ),
    )


def _share_of_matches(facts: StudyFacts) -> Finding:
    share = 100 * facts.count("of_colour_matched") / facts.count("false_matches")
    one = facts.quantities["of_colour_share_of_matches"]
    return Finding(
        text=f"Of the false matches {facts.number('of_colour_share_of_matches'):g} % were people "
        f"of colour, of Congress {facts.number('of_colour_share_of_congress'):g} %.",
        confidence=one.confidence,
        sources=facts.quantities["of_colour_matched"].sources,
        holds=round(share) == facts.number("of_colour_share_of_matches"),
        note=f"{facts.count('of_colour_matched')} of {facts.count('false_matches')} is "
        f"{share:.1f} %; {one.note}",
    )


def _other_share(facts: StudyFacts) -> Finding:
    probes, found = facts.count("probes"), facts.count("false_matches")
    of_colour = facts.count("of_colour_matched")
    share = facts.number("of_colour_share_at_most")
    searched = round(share / 100 * probes)
    rate, others = of_colour / searched, (found - of_colour) / (probes - searched)
    return ours(
        f"If people of colour were {share:g} % of Congress, {of_colour} / {searched} over "
        f"{found - of_colour} / {probes - searched} would be a ratio of {rate / others:.2f}."
    )


def _thresholds(gallery: int, probes: int, calibration: Calibration) -> list[Finding]:
    """What each target needs of a comparison; the last part is of this release's pack."""
    told = []
    for fpir in TARGETS:
        fmr = fmr_needed(fpir, gallery)
        told.append(
            ours(
                f"For an FPIR of {fpir:g} a gallery of {gallery:,} needs an FMR of {fmr:.3g} of "
                f"each comparison ({similarity(fmr):.2f} of 100 on rightface's scale of "
                f"similarity). Of {probes} searches, {fpir * probes:.2g} would then have been "
                "wrong."
            )
        )
        everybody = calibration.score_at(fmr)
        extrapolated = everybody > calibration.table.last_score
        worst = calibration.worst_threshold(fmr)
        told.append(
            ours(
                f"With this release's model pack ({calibration.provenance.comparison} scores) that "
                f"is a score of {everybody:.4f} for everybody{_beyond(extrapolated)}, "
                f"{worst.score:.4f} for the worst measured cohort{_beyond(worst.extrapolated)}.",
                of_pack=True,
            )
        )
    shown = 80.0
    fmr = (1 - shown / 100) ** 4
    told.append(
        ours(
            f"On rightface's scale {shown:g} stands for an FMR of {fmr:.2g}: meant for 1:1. Of "
            f"{gallery:,} faces it would return somebody in "
            f"{-100 * math.expm1(gallery * math.log1p(-fmr)):.0f} % of searches. So a search's "
            "threshold follows the gallery here, and 80 is not taken for it."
        )
    )
    return told


def _beyond(extrapolated: bool) -> str:
    return " (extrapolated: beyond what its comparisons can show)" if extrapolated else ""
