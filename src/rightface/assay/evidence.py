"""From an assay's document to the figures that go on record as evidence; checked on the way.

A document is believed as far as it agrees with itself: rows and exclusions add up, groups and those
in none add up to all, a rate is its errors over its trials, and how unequal the groups are follows
from their rates. Never knows where the record goes, nor who signs it.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator
from datetime import UTC

from pydantic import ValidationError

from rightface.assay.errors import AssayError
from rightface.assay.intervals import RULE_OF_30
from rightface.assay.result import FORMAT, Assay, Group, OperatingPoint, Partition, Rate
from rightface.assay.result import Differential as Told
from rightface.faces.packs import RAW
from rightface.law.evidence import Differential
from rightface.law.figures import Figures, GroupFigures

_CLOSE = 1e-9
_SAME = 1e-6
"""How far, as a share, a figure may lie from what the rates of its groups give."""
WORST_OVER_BEST = ("worst-over-best", "fmr")
LOWEST_TRUE_MATCH = ("lowest-true-match-rate", "fnmr")


class EvidenceError(AssayError):
    """An assay's document cannot be evidence as it stands."""

    code = "evidence"
    exit_status = 2


def read_document(content: bytes) -> Assay:
    """The assay of a document's bytes.

    Raises:
        EvidenceError: it is no assay's document, or of another format.
    """
    try:
        return Assay.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the document"
        raise EvidenceError(
            "The file is no assay's document of this format.",
            why=f"Format {FORMAT} is read. {place}: {first['msg']}.",
            mend="Give the assay.json that `rightface assay run` wrote.",
        ) from error


def figures_of(
    content: bytes, *, pack_digest: str, comparison_digest: str = "", fmr_target: float = 1e-3
) -> Figures:
    """What an assay's document says of the model pack in use.

    Where the comparisons are too few to set a threshold at that rate, there are no figures of
    groups, and no differential.

    Args:
        content: the document's bytes; their SHA-256 goes on record.
        pack_digest: of the pack in use, hex.
        comparison_digest: of its score normalisation; empty: raw scores.
        fmr_target: the false match rate over all at whose threshold the groups are compared.

    Raises:
        EvidenceError: it is no document of this format, is about something else, does not add up,
            or has no figures at that rate.
    """
    assay = read_document(content)
    _require_pack(assay, pack_digest, comparison_digest)
    for problem in _contradictions(assay):
        raise EvidenceError(
            "The document does not add up; nothing was put on record.",
            why=problem,
            mend="Run the assay again; a document is never edited.",
        )
    if not any(math.isclose(each.fmr_target, fmr_target) for each in assay.verification.at):
        measured = ", ".join(f"{point.fmr_target:g}" for point in assay.verification.at)
        raise EvidenceError(
            f"The assay has no figures at a false match rate of {fmr_target:g}.",
            why=f"It has them at: {measured or 'none'}.",
            mend="Give --fmr one of these.",
        )
    told = assay.verification
    return Figures(
        pack_digest=pack_digest,
        comparison=assay.measured.comparison or "raw",
        comparison_digest=comparison_digest,
        software=assay.software,
        data_set=assay.data.name,
        data_digest=assay.data.digest,
        document_digest=hashlib.sha256(content).hexdigest(),
        measured_on=assay.made_at.astimezone(UTC).date(),
        images=assay.data.images,
        people=assay.data.subjects,
        impostor_pairs=told.impostor,
        genuine_pairs=told.genuine,
        smallest_fmr=min(1.0, RULE_OF_30 / told.impostor),
        fmr_target=fmr_target,
        differential=_differential(assay.partitions, fmr_target),
        lowest_tmr=_lowest_tmr(assay.partitions, fmr_target),
        groups=tuple(_groups(assay.partitions, fmr_target)),
        left_out=tuple(_left_out(assay.partitions, fmr_target)),
    )


def _require_pack(assay: Assay, pack_digest: str, comparison_digest: str) -> None:
    measured = assay.measured
    if measured.kind != "model-pack":
        raise EvidenceError(
            "The assay is not about a model pack of rightface.",
            why=f"It measured: {measured.kind}. The gate relies on the pack that is in use.",
        )
    if measured.pack_digest != pack_digest:
        raise EvidenceError(
            "The assay measured another model pack than the one in use.",
            why=f"Measured: {measured.pack_digest[:16]}…; in use: {pack_digest[:16]}….",
            mend="Run the assay with this release.",
        )
    if measured.comparison_digest != comparison_digest:
        raise EvidenceError(
            "The assay measured scores that are normalised otherwise than those in use.",
            why=f"Measured: {measured.comparison_digest[:16] or 'raw'};"
            f" in use: {comparison_digest[:16] or 'raw'}.",
            mend="Run the assay with the normalisation that is in use.",
        )
    if (measured.comparison in ("", RAW)) != (not measured.comparison_digest):
        raise EvidenceError(
            "The document does not add up; nothing was put on record.",
            why="The comparison's name and its digest do not belong together.",
            mend="Run the assay again; a document is never edited.",
        )


# ---------------------------------------------------------------- does it add up
def _contradictions(assay: Assay) -> Iterator[str]:
    data, told = assay.data, assay.verification
    left_out = sum(one.count for one in data.exclusions)
    if data.images + left_out != data.rows:
        yield f"{data.images} images and {left_out} left out are not {data.rows} rows."
    for number, values in enumerate(data.columns.values(), 1):
        if sum(values.values()) != data.images:
            yield f"Column {number}: its values do not count {data.images} images."
    if told.impostor == 0:
        yield "No different people were compared."
    if told.impostor + told.genuine > data.images * (data.images - 1) // 2:
        yield f"There are more comparisons than pairs of {data.images} images."
    yield from _of_points("all", told.at, told.impostor, told.genuine)
    if data.columns and not assay.partitions:
        yield "The people have columns to be split by, and nothing is told of their groups."
    for number, partition in enumerate(assay.partitions, 1):
        inside = sum(group.images for group in partition.groups)
        if inside + partition.unlabelled != data.images:
            yield f"Partition {number}: its groups do not count {data.images} images."
        if sum(group.impostor for group in partition.groups) > told.impostor:
            yield f"Partition {number}: its groups have more comparisons than all together."
        for place, group in enumerate(partition.groups, 1):
            name = f"partition {number}, group {place}"
            yield from _of_points(name, group.at, group.impostor, group.genuine)
        for one in partition.differentials:
            if (one.measure, one.of) in (WORST_OVER_BEST, LOWEST_TRUE_MATCH):
                yield from _of_differential(f"Partition {number}", partition, one)
        yield from _taken_out(f"Partition {number}", partition)
        yield from _of_cross(f"Partition {number}", partition)


def _of_points(
    name: str, points: Iterable[OperatingPoint], impostor: int, genuine: int
) -> Iterator[str]:
    for point in points:
        at = f"{name}, at {point.fmr_target:g}"
        if point.threshold is None:
            continue
        for what, rate, trials in (("FMR", point.fmr, impostor), ("FNMR", point.fnmr, genuine)):
            if rate.trials != trials:
                yield f"{at}: {what} has {rate.trials} trials, and {trials} were made."
            yield from _of_rate(f"{at}: {what}", rate)


def _of_rate(name: str, rate: Rate) -> Iterator[str]:
    if rate.errors > rate.trials:
        yield f"{name} has more errors than trials."
    elif rate.trials and (rate.rate is None or abs(rate.rate - rate.errors / rate.trials) > _CLOSE):
        yield f"{name} is not its errors over its trials."
    elif rate.rate is not None:
        low = rate.rate if rate.low is None else rate.low
        high = rate.rate if rate.high is None else rate.high
        if not low - _CLOSE <= rate.rate <= high + _CLOSE:
            yield f"{name} lies outside its interval."


# ---------------------------------------------------------------- does it follow
def _of_differential(partition_name: str, partition: Partition, told: Told) -> Iterator[str]:
    """A differential is that of all groups that are large enough, and of their rates."""
    name = f"{partition_name}, at {told.fmr_target:g}: {told.measure}"
    rates = {
        group.name: point.fmr if told.of == "fmr" else point.fnmr
        for group in partition.groups
        for point in group.at
        if point.threshold is not None and math.isclose(point.fmr_target, told.fmr_target)
    }
    large = {each for each, rate in rates.items() if rate.trials and not rate.too_few}
    if len(set(told.groups)) != len(told.groups) or set(told.groups) != large:
        yield f"{name} is not that of all its groups that are large enough, each once."
        return
    counted = [rates[each] for each in told.groups]
    follows = _worst_over_best(counted) if told.of == "fmr" else _lowest_true_match(counted)
    if not _same(told.value.value, follows):
        yield f"{name} does not follow from the rates of its groups."
    without = any(rate.errors == 0 for rate in counted)
    if told.of == "fmr" and without and told.value.high is not None:
        yield f"{name} has an upper end, and a group had no error."


def _taken_out(name: str, partition: Partition) -> Iterator[str]:
    """Two groups or more have a worst over best at every threshold, even if nothing can be said."""
    if len(partition.groups) < 2:
        return
    set_at = {
        point.fmr_target
        for group in partition.groups
        for point in group.at
        if point.threshold is not None
    }
    told = {
        one.fmr_target
        for one in partition.differentials
        if (one.measure, one.of) == WORST_OVER_BEST
    }
    for target in sorted(set_at - told):
        yield f"{name}, at {target:g}: it has no worst over best of its groups."


def _of_cross(name: str, partition: Partition) -> Iterator[str]:
    """Within a group the table of groups with groups counts what the group's own figure does."""
    own = {
        (group.name, point.fmr_target): point.fmr
        for group in partition.groups
        for point in group.at
    }
    for matrix in partition.cross:
        for place, group in enumerate(matrix.groups):
            within, told = matrix.rates[place][place], own.get((group, matrix.fmr_target))
            if told is None or (within.errors, within.trials) != (told.errors, told.trials):
                yield f"{name}, at {matrix.fmr_target:g}: group {place + 1} is told twice, unlike."


def _same(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    return math.isclose(one, other, rel_tol=_SAME, abs_tol=_CLOSE)


def _worst_over_best(counted: list[Rate]) -> float | None:
    """As `differentials` has it: a group without an error counts by its upper bound."""
    shares = [rate.errors / rate.trials for rate in counted if rate.errors]
    if len(counted) < 2 or not shares:
        return None
    bounds = [rate.high for rate in counted if not rate.errors and rate.high is not None]
    return max(shares) / min([*shares, *bounds])


def _lowest_true_match(counted: list[Rate]) -> float | None:
    return min((1 - rate.errors / rate.trials for rate in counted), default=None)


# ---------------------------------------------------------------- what goes on record
def _differential(partitions: Iterable[Partition], target: float) -> Differential | None:
    """The worst of all partitions: whichever way the people are split, it is no more.

    One partition without an upper end leaves the whole without one.
    """
    found = [
        told
        for partition in partitions
        for told in partition.differentials
        if (told.measure, told.of) == WORST_OVER_BEST
        and math.isclose(told.fmr_target, target)
        and told.value.value is not None
    ]
    if not found:
        return None
    # A ratio of worst over best is 1 at least: that is what one without an interval shows.
    lows = [1.0 if told.value.low is None else told.value.low for told in found]
    highs = [told.value.high for told in found if told.value.high is not None]
    return Differential(
        value=max(told.value.value for told in found if told.value.value is not None),
        low=max(lows),
        high=max(highs) if len(highs) == len(found) else None,
        fmr_target=target,
        groups=max(len(told.groups) for told in found),
    )


def _left_out(partitions: Iterable[Partition], target: float) -> Iterator[str]:
    """Which ways to split the people say nothing of how unequal they are, and why."""
    for partition in partitions:
        told = _differential([partition], target)
        if told is not None:
            continue
        points = [_point(group.at, target) for group in partition.groups]
        known = [point.fmr for point in points if point is not None]
        large = sum(1 for rate in known if rate.trials and not rate.too_few)
        name = " × ".join(partition.columns)
        if not known:
            yield f"{name}: there are too few comparisons to set a threshold at {target:g}"
        elif large < 2:
            yield f"{name}: {large} of {len(points)} groups are large enough at {target:g}"
        else:
            yield f"{name}: nobody of its {large} large groups was matched at {target:g}"


def _lowest_tmr(partitions: Iterable[Partition], target: float) -> float | None:
    """By the lower end of its interval; the figure itself where it has none."""
    ends = [
        told.value.value if told.value.low is None else told.value.low
        for partition in partitions
        for told in partition.differentials
        if (told.measure, told.of) == LOWEST_TRUE_MATCH and math.isclose(told.fmr_target, target)
    ]
    return min((end for end in ends if end is not None), default=None)


def _groups(partitions: Iterable[Partition], target: float) -> Iterator[GroupFigures]:
    for partition in partitions:
        for group in partition.groups:
            point = _point(group.at, target)
            if point is not None:
                yield _figures(partition, group, point)


def _figures(partition: Partition, group: Group, point: OperatingPoint) -> GroupFigures:
    missed = point.fnmr.rate
    return GroupFigures(
        name=group.name,
        columns=partition.columns,
        impostor_pairs=group.impostor,
        genuine_pairs=group.genuine,
        fmr=point.fmr.rate,
        fmr_low=point.fmr.low,
        fmr_high=point.fmr.high,
        tmr=None if missed is None else 1 - missed,
        too_few=group.too_few or point.fmr.too_few,
    )


def _point(points: Iterable[OperatingPoint], target: float) -> OperatingPoint | None:
    for point in points:
        if math.isclose(point.fmr_target, target) and point.threshold is not None:
            return point
    return None
