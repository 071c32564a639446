"""NIST IR 8280: the measures on a worked example, by the assay's own functions.

Which of its published patterns hold on one's own data is asked of `patterns`.
"""

from __future__ import annotations

import numpy as np

from rightface.assay import differentials, regions
from rightface.assay.studies.facts import StudyFacts
from rightface.assay.studies.reproduction import (
    Finding,
    Reproduction,
    compared,
    reproduction,
    stated,
)


def reproduce(facts: StudyFacts) -> Reproduction:
    """Each measure of the example's rates."""
    example = facts.tables["example"]
    fmr, fnmr = (np.array(example.rows[name]) for name in ("FMR", "FNMR"))
    computed = {
        "FDR": differentials.fairness_discrepancy_rate(fmr, fnmr),
        "INEQ": differentials.inequity_rate(fmr, fnmr),
        "GARBE": differentials.garbe(fmr, fnmr),
        "GINI_FMR": regions.gini(fmr),
        "GINI_FNMR": regions.gini(fnmr),
        "MAX_OVER_GEOMEAN_FMR": differentials.max_over_geometric_mean(fmr),
    }
    measures = facts.tables["measures"]
    cells = tuple(
        compared(measures, "example", name, float(computed[name]), "the assay's own function")
        for name in measures.columns
    )
    ratio = float(differentials.worst_over_best(fmr))
    indifferent = ratio >= 9.99 and float(computed["FDR"]) > 0.99 and float(computed["INEQ"]) > 4
    findings = [
        stated(facts, name, indifferent if name == "choose-first" else None)
        for name in facts.statements
    ]
    findings += [
        Finding(
            text=f"{one.name} ({one.id}): {one.formula}. {one.reference}.",
            confidence=one.confidence,
            note="; ".join(part for part in (one.note, one.at) if part),
        )
        for one in facts.measures
    ]
    return reproduction(facts, cells, tuple(findings))
