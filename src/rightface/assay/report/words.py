"""Figures in words: shares, odds, intervals, names. English that a newspaper could print.

Never knows a page's markup: every function returns plain text, which the page escapes.
"""

from __future__ import annotations

import math

from rightface.assay.result import DataSet, Exclusion, Measure, Rate, Suspicion, Value

NOTHING = "–"
MOST_ROWS = 20
"""Numbers of rows that are told one by one."""
EVERYBODY = "Everybody"

MEASURES: dict[Measure, tuple[str, str]] = {
    "worst-over-best": (
        "Worst over best",
        "The highest group's rate divided by the lowest group's. 1 is equal.",
    ),
    "max-over-geometric-mean": (
        "Highest over geometric mean",
        "The highest group's rate divided by the geometric mean of all (NIST). 1 is equal.",
    ),
    "gini": ("Gini coefficient", "How unevenly the rates are spread over the groups. 0 is equal."),
    "garbe": (
        "GARBE",
        "The Gini coefficients of both kinds of error, weighed and added. 0 is equal.",
    ),
    "inequity-rate": (
        "Inequity rate",
        "The ratios of worst to best of both kinds of error, weighed and multiplied. 1 is equal.",
    ),
    "fairness-discrepancy-rate": (
        "Fairness discrepancy rate",
        "1 less the largest differences of both kinds of error, weighed. 1 is equal.",
    ),
    "lowest-true-match-rate": (
        "Lowest true match rate",
        "The share of comparisons of one person that match, in the group where it is lowest.",
    ),
}
"""Each measure's name, and what it says."""

ERRORS = {"fmr": "false matches", "fnmr": "false non-matches", "both": "both kinds of error"}

GLOSSARY: tuple[tuple[str, str], ...] = (
    ("Comparison", "Two photographs' templates held against each other; its result is a score."),
    ("Template", "The numbers that a model makes of a face."),
    ("Threshold", "The score from which on two photographs are told to be of one person."),
    ("Genuine, impostor", "A comparison of one person with themselves; of two different people."),
    (
        "False match rate (FMR)",
        "The share of comparisons of two different people that are told to be one person.",
    ),
    (
        "False non-match rate (FNMR)",
        "The share of comparisons of one person that are told to be two people.",
    ),
    (
        "Operating point",
        "A threshold, with both error rates that follow. Here each is set so that a stated share "
        "of all impostor comparisons matches.",
    ),
    ("DET curve", "Both error rates at every threshold: what one costs in the other."),
    ("Equal error rate (EER)", "The rate at the threshold where both error rates are the same."),
    (
        "False positive identification rate (FPIR)",
        "The share of searches for somebody who is not enrolled that return anybody.",
    ),
    (
        "False negative identification rate (FNIR)",
        "The share of searches for somebody who is enrolled that do not return them.",
    ),
    ("Rank", "The place in a list of candidates, best first."),
    ("Gallery", "The people who are enrolled and can be found."),
    ("Failure to acquire", "A photograph in which no face was found."),
    (
        "Interval",
        "A range made so that it holds the true rate for 95 of 100 data sets like this one. It "
        "covers chance, not a data set that is unlike the people on whom the system is used.",
    ),
    ("Cohort, group", "People with one label in common, for example by age. The labels are the "
     "data set's, not ours."),
)  # fmt: skip
"""Words of ISO/IEC 2382-37 and 19795-1, in plain English."""


def things(data: DataSet) -> str:
    """What the rows of the data set are called."""
    return {"images": "photographs", "comparisons": "comparisons"}[data.rows_are]


def count(number: int | None) -> str:
    """`12,345`; a dash for what is not known."""
    return NOTHING if number is None else f"{number:,}"


def counted(number: int, things: str) -> str:
    """`1 photograph`, `2 photographs`, `1 person`, `2 people`."""
    one = "person" if things == "people" else things.removesuffix("s")
    return f"{number:,} {one if number == 1 else things}"


def figure(value: float | None) -> str:
    """Three digits that matter."""
    if value is None:
        return NOTHING
    if value == 0:
        return "0"
    size = abs(value)
    if size >= 1000:
        return f"{value:,.0f}"
    return (
        f"{value:,.{max(0, 2 - math.floor(math.log10(size)))}f}" if size >= 1e-4 else f"{value:.2g}"
    )


def percent(share: float | None) -> str:
    """`0.012 %`, `4.3 %`, `99.970 %`: two digits that tell; never rounded to none or to all."""
    return NOTHING if share is None else f"{_hundredths(share)} %"


def _hundredths(share: float) -> str:
    value = share * 100
    if value in (0, 100):
        return f"{value:.0f}"
    if value > 99.9995:
        return "over 99.999"
    if value >= 99:
        lacking = float(f"{100 - value:.2g}")
        return f"{value:.{max(1, 1 - math.floor(math.log10(lacking)))}f}"
    two = float(f"{value:.2g}")
    return f"{value:.{min(9, max(1, 1 - math.floor(math.log10(two))))}f}"


def tick(share: float) -> str:
    """A share on an axis: `5 %`, `0.001 %`."""
    return f"{share * 100:.6f}".rstrip("0").rstrip(".") + " %"


def plain(number: float) -> str:
    """A level on an axis: `30`, `2.5`."""
    return f"{number:g}".replace("-", "−")


def odds(share: float | None) -> str:
    """`1 in 83`; per cent where more than a tenth is wrong."""
    if share is None:
        return NOTHING
    if share <= 0:
        return "none"
    if share > 0.1:
        return percent(share)
    every = 1 / share
    digits = max(0, math.floor(math.log10(every)) - 2)
    return f"1 in {round(every / 10**digits) * 10**digits:,}"


def interval(rate: Rate) -> str:
    """`1.1–1.4 %`; empty where there is none."""
    if rate.low is None and rate.high is None:
        return ""
    if rate.low is None:
        return f"at most {percent(rate.high)}"
    return between(rate.low, rate.high)


def between(low: float | None, high: float | None) -> str:
    """`1.1–1.4 %`; a dash where an end is not known."""
    if low is None or high is None:
        return NOTHING
    return f"{_hundredths(low)}–{_hundredths(high)} %"


def told(rate: Rate) -> str:
    """A rate with its counts and interval, in one line."""
    if rate.rate is None:
        return "no comparison"
    many = f"{rate.errors:,} of {rate.trials:,}"
    if rate.errors == 0:
        most = "" if rate.high is None else f"; at most {percent(rate.high)}"
        return f"none in {rate.trials:,}{most}"
    spread = interval(rate)
    return f"{percent(rate.rate)} ({many}{f'; 95 %: {spread}' if spread else ''})"


def value(told_value: Value) -> str:
    """A figure with its interval."""
    if told_value.value is None:
        return "not defined"
    if told_value.low is None:
        return figure(told_value.value)
    if told_value.high is None:
        return f"at least {figure(told_value.value)} (from {figure(told_value.low)})"
    return f"{figure(told_value.value)} ({figure(told_value.low)} to {figure(told_value.high)})"


def times(ratio: float) -> str:
    """`12 times`, `1.4 times`."""
    return f"{ratio:.1f} times" if ratio < 10 else f"{ratio:,.0f} times"


def columns(names: tuple[str, ...]) -> str:
    """`gender`, `race × gender`."""
    return " × ".join(names)


def rows(numbers: tuple[int, ...], all_: int) -> str:
    """`rows 3, 5 and 8`; `rows 3, 5 and 8, and 12 more`; empty where none is told."""
    if not numbers:
        return ""
    shown = numbers[:MOST_ROWS]
    told = listed(tuple(f"{row:,}" for row in shown), MOST_ROWS)
    more = max(all_, len(numbers)) - len(shown)
    return f"row{'s' if len(shown) > 1 else ''} {told}{f', and {more:,} more' if more else ''}"


def excluded(one: Exclusion) -> str:
    """Which rows were left out."""
    return rows(one.rows, one.count)


def suspected(one: Suspicion) -> str:
    """What looks wrong, and in which rows."""
    where = rows(one.rows, len(one.rows))
    return f"{sentence(one.what)}{f' See {where}.' if where else ''}"


def sentence(text: str) -> str:
    """With a capital first and a full stop last."""
    text = text.strip()
    if not text:
        return ""
    return text[0].upper() + text[1:] + ("" if text[-1] in ".!?" else ".")


def listed(names: tuple[str, ...], most: int = 6) -> str:
    """`a, b and c`; from many the first few and how many more."""
    if len(names) > most:
        return f"{', '.join(names[:most])} and {len(names) - most:,} more"
    return " and ".join((", ".join(names[:-1]), names[-1])) if len(names) > 1 else "".join(names)
