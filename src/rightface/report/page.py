"""The accountability report as one HTML page: no script, nothing fetched, made to be printed.

Must never know where the numbers come from.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from rightface.report import charts

_PAGE = "accountability.html.jinja"


def html(report: dict[str, Any]) -> str:
    """The page of a report made by `accountability`. Every value is escaped."""
    environment = Environment(
        loader=PackageLoader("rightface.report", "."),
        autoescape=True,
        undefined=StrictUndefined,  # a field that is missing is an error, never a gap
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["told"] = _told
    counts = report["counts"]
    months = [
        (one["month"], one["permitted"], one["refused"]) for one in counts["decisions"]["by_month"]
    ]
    refusals: Counter[str] = Counter()
    for one in counts["refusals"]:
        refusals[one["instrument"]] += one["number"]
    return environment.get_template(_PAGE).render(
        report=report,
        counts=counts,
        by_month=charts.months(months),
        by_instrument=charts.bars(
            "Reasons for refusals, by instrument", sorted(refusals.items(), key=_largest)
        ),
    )


def _largest(one: tuple[str, int]) -> tuple[int, str]:
    return -one[1], one[0]


def _told(value: Any) -> str:
    """A value as text: numbers with separators, lists with commas, nothing as a dash."""
    if value is None or value in ("", []):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, list):
        return ", ".join(_told(one) for one in value)
    return str(value)
