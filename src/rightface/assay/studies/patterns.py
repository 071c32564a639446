"""Which of NIST IR 8280's published patterns hold in an assay of one's own.

    holds          the interval of what was measured lies where the pattern says
    does not hold  it lies elsewhere
    cannot tell    it reaches over both, or the groups are too small
    not measured   the assay has no such labels, or no such test

A ratio's interval is made of the far ends of both rates' intervals: wider than need be, never
narrower. Labels are the data set's; the words that are understood are `WORDS`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import inf
from typing import Literal

from rightface.assay.report import words
from rightface.assay.result import Assay, Group, Partition, Rate, Value
from rightface.assay.studies.facts import Confidence, Range, StudyFacts

USUAL_FMR = 1e-3
MORE = 1.0

Place = Literal["inside", "outside", "unclear"]
PatternVerdict = Literal["holds", "does not hold", "cannot tell", "not measured"]

WORDS: Mapping[str, frozenset[str]] = {
    "women": frozenset({"female", "f", "woman", "women"}),
    "men": frozenset({"male", "m", "man", "men"}),
    "black": frozenset({"black", "african american", "african-american", "african"}),
    "asian": frozenset({"asian", "east asian", "east-asian"}),
    "white": frozenset({"white", "caucasian", "european"}),
    "american indian": frozenset({"american indian", "native american"}),
}
"""What a group is called in data sets, in small letters, `_` as a space."""


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """One group's rate over another's."""

    over: str
    under: str
    value: float | None
    low: float
    high: float | None
    """None: without end, as no error was seen below."""
    too_few: str = ""


@dataclass(frozen=True, kw_only=True)
class PatternFound:
    """One published pattern, and what an assay says of it."""

    name: str
    text: str
    confidence: Confidence
    sources: tuple[int, ...]
    verdict: PatternVerdict
    why: str
    ratios: tuple[Ratio, ...] = ()


def patterns(facts: StudyFacts, told: Assay, fmr: float = USUAL_FMR) -> tuple[PatternFound, ...]:
    """Every published pattern beside the assay, at the threshold for `fmr` over everybody."""
    race = [
        *_ratios(told, "asian", "white", fmr),
        *_ratios(told, "black", "white", fmr),
    ]
    women = _ratios(told, "women", "men", fmr)
    asian = _ratios(told, "asian", "white", fmr)
    bounds = facts.ranges
    judged: dict[str, tuple[PatternVerdict, str, tuple[Ratio, ...]]] = {
        "some-differential": _some_differential(told, fmr),
        "race-false-positives": _within(race, bounds["race-false-positives"]),
        "women-false-positives": _within(women, bounds["women-false-positives"]),
        "american-indians-highest": _highest(told, "american indian", fmr),
        "asian-developed": _no_gap(asian, bounds["women-false-positives"].low),
        "one-to-many-women": _not("The assay's searches are not split by group."),
        "false-negatives-smaller": _smaller(told, fmr),
        "best-undetectable": _not("The assay's searches are not split by group."),
        "by-country": _not("The assay has no countries of birth."),
    }
    return tuple(
        PatternFound(
            name=name,
            text=facts.statements[name].text,
            confidence=facts.statements[name].confidence,
            sources=facts.statements[name].sources,
            verdict=verdict,
            why=why,
            ratios=ratios,
        )
        for name, (verdict, why, ratios) in judged.items()
    )


_Judged = tuple[PatternVerdict, str, tuple[Ratio, ...]]


def _not(why: str) -> _Judged:
    return "not measured", why, ()


# ------------------------------------------------------------ ratios
def _ratios(told: Assay, over: str, under: str, fmr: float) -> list[Ratio]:
    """Of false match rates, in every single column in which both groups are."""
    made = []
    for partition in told.partitions:
        if len(partition.columns) == 1:
            one, other = (_group(partition, name) for name in (over, under))
            if one is not None and other is not None:
                made.append(_ratio(one, other, fmr))
    return [each for each in made if each is not None]


def _group(partition: Partition, meant: str) -> Group | None:
    for group in partition.groups:
        if group.name.casefold().replace("_", " ") in WORDS[meant]:
            return group
    return None


def _ratio(one: Group, other: Group, fmr: float) -> Ratio | None:
    above, below = _fmr(one, fmr), _fmr(other, fmr)
    if above is None or below is None:
        return None
    if above.low is None or above.high is None or below.low is None or below.high is None:
        return None
    return Ratio(
        over=one.name,
        under=other.name,
        value=above.rate / below.rate if above.rate is not None and below.rate else None,
        low=above.low / below.high if below.high else 0.0,
        high=above.high / below.low if below.low else None,
        too_few=above.too_few or below.too_few,
    )


def _fmr(group: Group, fmr: float) -> Rate | None:
    return next((point.fmr for point in group.at if point.fmr_target == fmr), None)


def _said(ratios: Iterable[Ratio]) -> str:
    return "; ".join(
        f"{one.over} over {one.under}: "
        f"{'not defined' if one.value is None else f'{one.value:.2g}'} "
        f"({one.low:.2g} to {'no end' if one.high is None else f'{one.high:.2g}'})"
        + (" (too few)" if one.too_few else "")
        for one in ratios
    )


# ------------------------------------------------------------ patterns
def _within(ratios: list[Ratio], bounds: Range) -> _Judged:
    """Whether all ratios lie within the published factors."""
    if not ratios:
        return _not("No column has both groups.")
    found = tuple(ratios)
    verdicts = {_place(one, bounds.low, bounds.high) for one in ratios}
    said = f"Published: {bounds.low:g} to {bounds.high:g} times. Here {_said(ratios)}."
    if "outside" in verdicts:
        return "does not hold", said, found
    return ("holds" if verdicts == {"inside"} else "cannot tell"), said, found


def _place(one: Ratio, low: float, high: float) -> Place:
    if one.too_few:
        return "unclear"
    end = inf if one.high is None else one.high
    if end < low or one.low > high:
        return "outside"
    return "inside" if one.low >= low and end <= high else "unclear"


def _no_gap(ratios: list[Ratio], least: float) -> _Judged:
    """Whether there is no gap as large as NIST calls one: a factor of `least`, either way."""
    if not ratios:
        return _not("No column has both groups.")
    found = tuple(ratios)
    places = {_place(one, 1 / least, least) for one in ratios}
    said = f"No gap: less than {least:g} times, either way. Here {_said(ratios)}."
    if "outside" in places:
        return "does not hold", said, found
    return ("holds" if places == {"inside"} else "cannot tell"), said, found


def _highest(told: Assay, meant: str, fmr: float) -> _Judged:
    for partition in told.partitions:
        one = _group(partition, meant) if len(partition.columns) == 1 else None
        if one is None:
            continue
        others = [
            ratio
            for each in partition.groups
            if each is not one and (ratio := _ratio(one, each, fmr)) is not None
        ]
        if any(each.high is not None and each.high < MORE for each in others):
            return "does not hold", f"{_said(others)}.", tuple(others)
        surely = others and all(each.low > MORE and not each.too_few for each in others)
        return "holds" if surely else "cannot tell", f"{_said(others)}.", tuple(others)
    return _not(f"No column has a group of that name ({meant}).")


def _some_differential(told: Assay, fmr: float) -> _Judged:
    """Whether in any partition one group's rates lie wholly above another's."""
    surely: list[Ratio] = []
    looked = 0
    for partition in told.partitions:
        for one in partition.groups:
            for other in partition.groups:
                ratio = None if one is other else _ratio(one, other, fmr)
                if ratio is not None and not ratio.too_few:
                    looked += 1
                    if ratio.low > MORE:
                        surely.append(ratio)
    if not looked:
        return _not("No two groups are large enough.")
    if not surely:
        return "cannot tell", "No two groups' intervals lie apart.", ()
    worst = max(surely, key=lambda each: each.low)
    return "holds", f"The surest: {_said([worst])}.", (worst,)


def _smaller(told: Assay, fmr: float) -> _Judged:
    """Whether the groups' false non-match rates are nearer one another than false match rates."""
    said, verdicts = [], set()
    for partition in told.partitions:
        found = {
            each.of: each.value
            for each in partition.differentials
            if each.measure == "worst-over-best" and each.fmr_target == fmr
        }
        if "fmr" in found and "fnmr" in found:
            name = " × ".join(partition.columns)
            said.append(
                f"{name}: FMR {words.value(found['fmr'])}, FNMR {words.value(found['fnmr'])}"
            )
            verdicts.add(_nearer(found["fnmr"], found["fmr"]))
    if not said:
        return _not("No column has ratios of both kinds of error.")
    told_so = f"Worst over best: {'; '.join(said)}."
    if "outside" in verdicts:
        return "does not hold", told_so, ()
    return ("holds" if verdicts == {"inside"} else "cannot tell"), told_so, ()


def _nearer(misses: Value, matches: Value) -> Place:
    """Whether the one ratio's interval lies wholly below the other's."""
    if misses.value is None or matches.value is None:
        return "unclear"
    if misses.high is not None and matches.low is not None and misses.high < matches.low:
        return "inside"
    if misses.low is not None and matches.high is not None and misses.low > matches.high:
        return "outside"
    return "unclear"
