"""What an assay says in a few sentences: on whom, the one number, worst and best, what it cannot.

Every figure is the document's own; where it does not say, neither does this. Plain text.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from rightface.assay.report import words
from rightface.assay.result import (
    Assay,
    CrossMatrix,
    Differential,
    Group,
    OperatingPoint,
    Partition,
)

PREFERRED = 1e-3
"""The false match rate that is looked at first; NIST's and LFW's reports show it as well."""


@dataclass(frozen=True)
class Headline:
    """The report's first screen."""

    measured: str
    number: str
    """The one number that matters; empty if there is none."""
    number_means: str
    groups: tuple[str, ...]
    """Worst and best, and how far apart."""
    cannot_say: tuple[str, ...]


def point_at(points: tuple[OperatingPoint, ...], target: float | None) -> OperatingPoint | None:
    """The operating point of that target."""
    found = (one for one in points if target is not None and near(one.fmr_target, target))
    return next(found, None)


def near(one: float, other: float) -> bool:
    """The same target, as floats go."""
    return math.isclose(one, other, rel_tol=1e-6)


def main_target(assay: Assay) -> float | None:
    """One in a thousand if the comparisons show it, else the strictest that they show, or None."""
    shown = [one for one in assay.verification.at if one.threshold is not None]
    solid = [one for one in shown if not one.fmr.too_few] or shown
    for one in solid:
        if near(one.fmr_target, PREFERRED):
            return one.fmr_target
    return min((one.fmr_target for one in solid), default=None)


def differential(
    partition: Partition, target: float | None, of: str = "fmr"
) -> Differential | None:
    """Worst over best at that target, if it is defined."""
    for one in partition.differentials:
        wanted = one.measure == "worst-over-best" and one.of == of
        if wanted and target is not None and near(one.fmr_target, target):
            return one if one.value.value is not None else None
    return None


def most_unequal(assay: Assay, target: float | None, of: str = "fmr") -> Partition | None:
    """The partition whose worst and best group are furthest apart; else the first one.

    By the lower end of the ratio: of many small groups chance alone makes it large.
    """
    measured = [
        ((one.value.low or 0.0, one.value.value or 0.0), part)
        for part in assay.partitions
        if (one := differential(part, target, of)) is not None
    ]
    if measured:
        return max(measured, key=lambda each: each[0])[1]
    return assay.partitions[0] if assay.partitions else None


def matrix_at(partition: Partition, target: float | None) -> CrossMatrix | None:
    """Group against group at that target."""
    found = (one for one in partition.cross if target is not None and near(one.fmr_target, target))
    return next(found, None)


def headline(assay: Assay) -> Headline:
    """The sentences of the first screen."""
    target = main_target(assay)
    number, means = _number(assay, target)
    return Headline(
        measured=_measured(assay),
        number=number,
        number_means=means,
        groups=tuple(_groups(assay, target)),
        cannot_say=tuple(_cannot_say(assay, target)),
    )


def _measured(assay: Assay) -> str:
    verification = assay.verification
    what = {
        "model-pack": f"The model {assay.measured.name}",
        "scores": f"The scores of {assay.measured.name}",
        "service": f"The service {assay.measured.name}",
    }[assay.measured.kind]
    people = assay.data.subjects
    whom = "" if people is None else f" of {words.counted(people, 'people')}"
    pairs = verification.genuine + verification.impostor
    if not pairs:
        return f"{what} on the data set {assay.data.name}: nothing was compared."
    split = f"of which {verification.genuine:,} of one person and {verification.impostor:,} of two."
    if assay.data.rows_are == "comparisons":
        return f"{what} are of {words.counted(pairs, 'comparisons')}{whom}, {split}"
    photographs = (
        f"{words.counted(assay.data.images, 'photographs')}{whom} from the data set "
        f"{assay.data.name}"
    )
    return f"{what} was measured on {photographs}: {words.counted(pairs, 'comparisons')}, {split}"


def _number(assay: Assay, target: float | None) -> tuple[str, str]:
    at = point_at(assay.verification.at, target)
    if at is None:
        return "", ""
    if at.fnmr.rate is not None:
        spread = words.interval(at.fnmr)
        little = f" {words.sentence(at.fnmr.too_few)}" if at.fnmr.too_few else ""
        number, part = words.percent(at.fnmr.rate), "of "
        if at.fnmr.errors == 0:
            number, part = f"0 of {at.fnmr.trials:,}", ""
        return number, (
            f"{part}comparisons of one person fail, with the threshold set so that "
            f"{words.odds(at.fmr_target)} comparisons of two different people pass (false "
            f"non-match rate{f'; 95 %: {spread}' if spread else ''}).{little}"
        )
    return words.odds(at.fmr.rate), (
        "comparisons of two different people passes for one person. The data set does not say "
        f"which {words.things(assay.data)} are of one person, so misses could not be counted."
    )


def _groups(assay: Assay, target: float | None) -> list[str]:
    said = []
    for of, pass_for in (("fmr", "take two people for one"), ("fnmr", "fail to know one person")):
        part = most_unequal(assay, target, of)
        if part is None:
            continue
        told = _worst_and_best(part, target, of, pass_for)
        if told:
            said.append(told)
    if not said and assay.partitions:
        said.append("Too few comparisons in the groups to say which is worst and which is best.")
    return said


def _worst_and_best(part: Partition, target: float | None, of: str, pass_for: str) -> str:
    one = differential(part, target, of)
    if one is None or one.value.value is None:
        return ""
    worst, best = (_rate(part, name, target, of) for name in (one.worst, one.best))
    left = f" Too small to count: {words.listed(one.left_out)}." if one.left_out else ""
    if one.worst == one.best:
        return (
            f"By {words.columns(part.columns)}, at that one threshold: comparisons {pass_for} as "
            f"often in one group as in another ({worst}).{left}"
        )
    spread, least = "", ""
    if one.value.low is not None:
        spread = f" (95 %: from {words.figure(one.value.low)})"
        least = "at least "  # the best group had no error: its upper bound stands for it
        if one.value.high is not None:
            spread = f" (95 %: {words.figure(one.value.low)} to {words.figure(one.value.high)})"
            least = ""
    chance = ""
    if one.value.low is not None and one.value.low <= 1:
        chance = " That may be chance: the interval holds 1, which is no difference."
    if least and chance:
        return (
            f"By {words.columns(part.columns)}, at that one threshold: which group's comparisons "
            f"{pass_for} more often cannot be told apart from chance ({worst} for {one.worst}, "
            f"{best} for {one.best}).{left}"
        )
    return (
        f"By {words.columns(part.columns)}, at that one threshold: comparisons within the group "
        f"{one.worst} {pass_for} {least}{words.times(one.value.value)} as often as within "
        f"{one.best}{spread}: {worst} against {best}.{chance}{left}"
    )


def _rate(part: Partition, name: str, target: float | None, of: str) -> str:
    for group in part.groups:
        at = point_at(group.at, target)
        if group.name == name and at is not None:
            rate = at.fmr if of == "fmr" else at.fnmr
            return words.odds(rate.rate) if of == "fmr" else words.percent(rate.rate)
    return words.NOTHING


def weak(group: Group, target: float | None, of: str = "fmr") -> str:
    """Why the group's rate says little; empty if it says something. The ratios' own rule."""
    at = point_at(group.at, target)
    if at is None:
        return group.too_few or "no comparison at this threshold"
    rate = at.fmr if of == "fmr" else at.fnmr
    return rate.too_few or ("no comparison within the group" if rate.rate is None else "")


def _too_small(part: Partition, target: float | None) -> list[str]:
    said = []
    by = words.columns(part.columns)
    for of, what in (
        ("fmr", "How often two different people match within"),
        ("fnmr", "How often one person is missed in"),
    ):
        small = tuple(one.name for one in part.groups if weak(one, target, of))
        anything = any(not weak(one, target, of) for one in part.groups)
        if small and (anything or of == "fmr"):
            said.append(f"{what} {words.listed(small)} (by {by}): too few comparisons.")
    return said


def _cannot_say(assay: Assay, target: float | None) -> list[str]:
    said = []
    missing = [one for one in assay.verification.at if one.threshold is None or one.fmr.too_few]
    if missing:
        rates = words.listed(tuple(words.odds(one.fmr_target) for one in missing))
        said.append(f"What happens at false match rates of {rates}: too few comparisons.")
    if not assay.verification.at:
        said.append("Any error rate at a chosen threshold: no threshold was looked at.")
    if assay.verification.genuine == 0:
        said.append("How often one person is missed: no comparison of one person was made.")
    if not assay.partitions:
        said.append("How equally it works: the data set was not split by any label.")
    for part in assay.partitions:
        said += _too_small(part, target)
    if not assay.identification:
        said.append("How often a search of many people finds the wrong one: not measured.")
    if not assay.stress:
        said.append("What masks, blur or bad light do to it: not measured.")
    if assay.data.subjects is None:
        said.append(
            "Who is who: the data set does not say. "
            + (
                "People who are in many comparisons make intervals too narrow."
                if assay.data.rows_are == "comparisons"
                else "Photographs were taken for different people; false match rates are upper "
                "bounds where people recur."
            )
        )
    said.append(
        "Whether the people on whom the system is used are like those in this data set, and "
        "whether it tells a face from a picture of a face. Neither was measured."
    )
    return said
