"""The calibration of a model pack as a document: from comparisons to `calibration.json`.

Numbers of scores and counts only: no template, no name, no file. Never knows where it is written.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from rightface.assay.calibrate import CalibrationError, Curve, Rows, cohort_curve, curve
from rightface.assay.impostors import Compared
from rightface.faces.rate_table import RateTable

FORMAT = 2
COMPARED_AT = 1e-3
"""The rate of everybody at whose score cohorts are compared in a sentence."""
SMALLEST_UNKNOWN = 1e-3
"""Where nobody knows who is who a cohort's table ends here: below, people who recur in the set come
to be a good part of what is counted as different people."""


@dataclass(frozen=True, kw_only=True)
class MeasuredSet:
    """One data set, in words."""

    name: str
    images: int
    """Photographs of which there is a template."""
    without_face: int
    people: int | None
    """None where nobody knows who is who."""


@dataclass(frozen=True, kw_only=True)
class PackTold:
    """What was measured."""

    id: str
    digest: str
    comparison: str
    comparison_digest: str


def document(
    pack: PackTold,
    sets: Sequence[MeasuredSet],
    compared: Compared,
    *,
    on: date,
    caveats: Sequence[str],
    cross_fitted: Sequence[str] = (),
    seed: int = 0,
) -> dict[str, Any]:
    """What `Calibration.from_json` reads.

    Args:
        pack: what was measured.
        sets: on what.
        compared: how it scored.
        on: the day.
        caveats: sentences that stand beside the figures.
        cross_fitted: names of the sets whose cohorts were compared by normalisations fitted without
            the people compared.
        seed: of the resampling.

    Raises:
        CalibrationError: the comparisons are too few, or all alike.
    """
    overall = curve(compared.impostors, compared.highest, seed=seed)
    unknown = {one.name for one in sets if one.people is None}
    cohorts, too_small = [], []
    rates: dict[str, float] = {}
    for cohort in compared.cohorts:
        smallest = SMALLEST_UNKNOWN if cohort.data_set in unknown else 0.0
        try:
            made = cohort_curve(cohort.impostors, overall, smallest=smallest)
        except CalibrationError:
            too_small.append(cohort.name)
            continue
        cohorts.append({"name": cohort.name, "images": cohort.images} | _told(made))
        rates[cohort.name] = _rate_of(made, _table(overall).score_at(COMPARED_AT))
    return {
        "format": FORMAT,
        "pack": pack.id,
        "pack_digest": pack.digest,
        "comparison": pack.comparison,
        "comparison_digest": pack.comparison_digest,
        "data_sets": [_words(one) for one in sets],
        "genuine_pairs": len(compared.genuine),
        "measured_on": on.isoformat(),
        "caveats": [*caveats, *_unequal(rates)],
        **_told(overall),
        "band": [[round(score, 6), _short(low), _short(high)] for score, low, high in overall.band],
        "cohorts": cohorts,
        "too_small": too_small,
        "cross_fitted": list(cross_fitted),
    }


def written(told: dict[str, Any]) -> str:
    """The document as text: one line for each row of a table."""
    return _indented(told, 0) + "\n"


def _table(made: Curve) -> RateTable:
    return RateTable(made.rows, made.tail, made.extended)


def _rate_of(made: Curve, score: float) -> float:
    return float(10 ** _table(made).log_rate(score))


def _unequal(rates: Mapping[str, float]) -> list[str]:
    """How unequal the cohorts' rates are at one threshold for everybody, in a sentence."""
    if len(rates) < 2:
        return []
    worst, best = max(rates, key=rates.__getitem__), min(rates, key=rates.__getitem__)
    return [
        "The error is not equal across groups: at the score that everybody's comparisons reach "
        f"once in {1 / COMPARED_AT:,.0f}, those within {worst} reach it once in "
        f"{1 / rates[worst]:,.0f}, those within {best} once in {1 / rates[best]:,.0f}."
    ]


def _words(one: MeasuredSet) -> str:
    who = "of nobody knows whom" if one.people is None else f"of {one.people} people"
    return f"{one.name}: {one.images} photographs {who}"


def _told(made: Curve) -> dict[str, Any]:
    tail: dict[str, Any] = {
        "shape": round(made.tail.shape, 6),
        "scale": _short(made.tail.scale),
    }
    if made.fit is not None:
        tail["fitted_from"] = round(made.fit.start, 6)
        tail["exceedances"] = made.fit.exceedances
        tail["fitted_shape"] = round(made.fit.tail.shape, 4)
    if made.shape_interval is not None:
        tail["shape_interval"] = [round(end, 4) for end in made.shape_interval]
    return {
        "impostor_pairs": made.impostor_pairs,
        "smallest_fmr": float(f"{made.smallest_fmr:.4g}"),
        "tail": tail,
        "table": _rows(made.rows),
        **({"extended": _rows(made.extended)} if made.extended else {}),
    }


def _rows(rows: Rows) -> list[list[float]]:
    return [[round(score, 6), _short(rate)] for score, rate in rows]


def _short(number: float) -> float:
    return float(f"{number:.6g}")


def _indented(value: Any, depth: int) -> str:
    """JSON with a line for each member, but one for each row of numbers and each small object."""
    flat = json.dumps(value, ensure_ascii=False)
    plain = not isinstance(value, dict | list) or not any(
        isinstance(each, dict | list | str)
        for each in (value.values() if isinstance(value, dict) else value)
    )
    if plain or not value:
        return flat
    inner, outer = " " * (depth + 1), " " * depth
    if isinstance(value, dict):
        members = [
            f"{inner}{json.dumps(name, ensure_ascii=False)}: {_indented(each, depth + 1)}"
            for name, each in value.items()
        ]
        return "{\n" + ",\n".join(members) + f"\n{outer}}}"
    members = [inner + _indented(each, depth + 1) for each in value]
    return "[\n" + ",\n".join(members) + f"\n{outer}]"
