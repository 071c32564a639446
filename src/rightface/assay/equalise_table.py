"""Judges score normalisations: every variant on the halves of the data sets it was not fitted on.

    1. The people of every set are drawn into two halves, several times; where a set does not say
       who is who, its images are.
    2. A variant is fitted on one half of one set, and judged on the other half of every set.
    3. One threshold for everybody in a half: that at which all its comparisons of different people
       match at the rate asked for. Errors and trials are added up over all halves.
    4. Intervals: people (or images) are drawn with replacement, together with all their
       comparisons; the fits and the thresholds stay as they are.

Never knows files, a command line, HTTP.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from rightface.assay.cohorts import UNKNOWN, Column
from rightface.assay.equalise import Method, fit
from rightface.assay.errors import AssayError
from rightface.assay.permits import Permitted, Renewed
from rightface.assay.result import Value
from rightface.faces.face import Templates
from rightface.faces.normalisation import Normalisation
from rightface.permit import Permit, Touch, require

Vectors: TypeAlias = NDArray[np.float32]
Sides: TypeAlias = Callable[[Templates], tuple[Vectors, Vectors]]
"""Templates → probe and reference vectors."""
Form: TypeAlias = Callable[[Normalisation], Sides]
RATES = (1e-3, 1e-4)
REPLICATES = 300
FEWEST = 10
"""Images of the smallest group that counts in a ratio."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A data set's templates."""

    name: str
    templates: Templates
    """(n, dimension)"""
    subjects: NDArray[np.int32]
    """(n,): UNKNOWN where it is not said who it is."""
    groups: Column | None

    def part(self, chosen: NDArray[np.int64]) -> Sample:
        """Some of its rows."""
        groups = self.groups
        if groups is not None:
            groups = replace(groups, codes=groups.codes[chosen])
        return replace(
            self, templates=self.templates[chosen], subjects=self.subjects[chosen], groups=groups
        )


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One way to compare."""

    name: str
    method: Method | None
    """None: raw scores."""
    form: Form | None = None
    """How m and d enter; None: as in `faces.normalisation`."""


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class GroupRate(_Told):
    """One group's comparisons of different people, at one threshold for everybody."""

    name: str
    images: int
    matches: int
    """Added up over all halves: a pair that both halves of a draw miss is in none of them."""
    comparisons: int
    fmr: Value


class AtRate(_Told):
    """One variant on one set at one rate."""

    data_set: str
    fmr: float
    true_match: Value | None
    """Share of same people's comparisons that match; None where nobody is named twice."""
    worst_over_best: Value | None
    """Of the groups' rates; None where the set has no groups."""
    groups: tuple[GroupRate, ...] = ()


class Judged(_Told):
    """One variant."""

    name: str
    method: str
    dimensions: int
    """Numbers in a vector."""
    microseconds: float
    """To make one template's vector, one at a time."""
    at: tuple[AtRate, ...]


class Equalised(_Told):
    """Every variant: what `equalise.json` holds."""

    format: int = 1
    made_on: date
    pack_digest: str
    fitted_on: str
    halves: int
    """How often the sets were halved."""
    seed: int
    data_sets: dict[str, int]
    """Name → photographs."""
    variants: tuple[Judged, ...]
    caveats: tuple[str, ...]


def product(made: Normalisation) -> Sides:
    """As the model pack does: two numbers more than a template."""
    return lambda some: (made.probe_vectors(some), made.reference_vectors(some))


def additive(made: Normalisation) -> Sides:
    """p·r − b_p − b_r with b = ½(m + 2d): no deviation in the denominator."""

    def sides(some: Templates) -> tuple[Vectors, Vectors]:
        mean, deviation = made.crowd(some)
        off, ones = -(mean / 2 + deviation)[:, None], np.ones((len(some), 1))
        return _single(np.hstack([some, ones, off])), _single(np.hstack([some, off, ones]))

    return sides


def symmetric(made: Normalisation) -> Sides:
    """The s-norm as it was published: ½(s − m_p)/d_p + ½(s − m_r)/d_r, in 2·128 + 2 numbers."""

    def sides(some: Templates) -> tuple[Vectors, Vectors]:
        mean, deviation = (each[:, None] for each in made.crowd(some))
        ones, own, off = np.ones_like(mean), some / deviation / 2, -mean / deviation / 2
        return (
            _single(np.hstack([some, own, off, ones])),
            _single(np.hstack([own, some, ones, off])),
        )

    return sides


def one_sided(made: Normalisation) -> Sides:
    """The reference's crowd only (t-norm): (s − m_r)/d_r."""

    def sides(some: Templates) -> tuple[Vectors, Vectors]:
        mean, deviation = (each[:, None] for each in made.crowd(some))
        ones = np.ones_like(mean)
        return (
            _single(np.hstack([some, ones])),
            _single(np.hstack([some / deviation, -mean / deviation])),
        )

    return sides


VARIANTS = (
    Variant(name="raw", method=None),
    Variant(
        name="s-norm, linear, unbalanced (the prototype)",
        method=Method(share=0.05, balanced=False, cosines=0, ridge=0.001),
        form=symmetric,
    ),
    Variant(
        name="product, linear, unbalanced",
        method=Method(balanced=False, cosines=0, ridge=0.04),
    ),
    Variant(name="product, linear", method=Method(cosines=0, ridge=0.04)),
    Variant(name="product, cosines", method=Method()),
    Variant(name="s-norm, cosines", method=Method(), form=symmetric),
    Variant(name="additive, cosines", method=Method(), form=additive),
    Variant(name="reference's side only, cosines", method=Method(), form=one_sided),
    Variant(name="product, cosines, nearest 2 %", method=Method(share=0.02)),
    Variant(name="product, cosines, nearest 3 %", method=Method(share=0.03)),
    Variant(name="product, cosines, nearest 5 %", method=Method(share=0.05)),
    Variant(name="product, cosines, nearest 10 %", method=Method(share=0.1)),
    Variant(name="product, wider cosines", method=Method(width=1.5, ridge=0.04)),
    Variant(name="product, much wider cosines", method=Method(width=1.0, ridge=0.02)),
    Variant(name="product, 1,024 cosines", method=Method(cosines=1024, ridge=0.07)),
)
SHIPPED = "product, cosines"


def judge(
    samples: Sequence[Sample],
    fitted_on: str,
    variants: Sequence[Variant] = VARIANTS,
    *,
    permitted: Permitted,
    pack_digest: str,
    on: date,
    halves: int = 3,
    seed: int = 0,
    caveats: tuple[str, ...] = (),
    progress: Callable[[int, int], None] = lambda *_: None,
) -> Equalised:
    """Every variant on every set.

    Args:
        samples: the sets; the one that is fitted on has groups.
        fitted_on: its name.
        variants: what is judged.
        permitted: asks the gate; once for each fit.
        pack_digest: of the templates.
        on: the day.
        halves: how often the sets are halved; twice as many fits of each variant.
        seed: of the halves and of the resampling.
        caveats: sentences that stand beside the figures.
        progress: told of fits done, of how many.

    Raises:
        Refused: the gate does not allow it.
        AssayError: no set has that name, or it has no groups, or too few photographs.
    """
    place = next((at for at, each in enumerate(samples) if each.name == fitted_on), None)
    if place is None or samples[place].groups is None:
        raise AssayError(f"There is no data set '{fitted_on}' with groups to fit on.")
    splits = [_halves(samples, seed + number) for number in range(halves)]
    draws = [_draws(each, seed) for each in samples]
    done, judged = 0, []
    for variant in variants:
        tallies = [_Tally(each) for each in samples]
        microseconds, dimensions = 0.0, 0
        for split in splits:
            for one, other in ((0, 1), (1, 0)):
                with Renewed(permitted) as permits:
                    chosen = samples[place].part(split[place][one])
                    sides = _fitted(variant, chosen, on, permits.permit)
                    microseconds = _cost(sides, samples[place].templates)
                    for tally, rows in zip(tallies, split, strict=True):
                        dimensions = tally.add(sides, rows[other], permit=permits.permit)
                done += 1
                progress(done, 2 * halves * len(variants))
        judged.append(
            Judged(
                name=variant.name,
                method=variant.method.told if variant.method else "the inner product of templates",
                dimensions=dimensions,
                microseconds=round(microseconds, 1),
                at=tuple(
                    tally.told(fmr, drawn)
                    for tally, drawn in zip(tallies, draws, strict=True)
                    for fmr in RATES
                ),
            )
        )
    return Equalised(
        made_on=on,
        pack_digest=pack_digest,
        fitted_on=fitted_on,
        halves=halves,
        seed=seed,
        data_sets={each.name: len(each.templates) for each in samples},
        variants=tuple(judged),
        caveats=caveats,
    )


def _fitted(variant: Variant, half: Sample, on: date, permit: Permit) -> Sides:
    if variant.method is None:
        return lambda some: (some, some)
    assert half.groups is not None  # asked for before
    made = fit(
        half.templates,
        half.groups.codes,
        variant.method,
        subjects=half.subjects,
        permit=permit,
        on=on,
    )
    return (variant.form or product)(made)


def _people(sample: Sample) -> NDArray[np.int64]:
    """(n,): numbers of people; images that nobody is named for are people of their own."""
    own = np.arange(len(sample.subjects)) + int(sample.subjects.max(initial=0)) + 1
    told = np.where(sample.subjects == UNKNOWN, own, sample.subjects)
    return np.asarray(np.unique(told, return_inverse=True)[1], np.int64)


def _halves(
    samples: Sequence[Sample], seed: int
) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Rows of the one and of the other half of each set."""
    drawn = np.random.default_rng(seed)
    split = []
    for sample in samples:
        people = _people(sample)
        count = int(people.max(initial=-1)) + 1
        first = np.zeros(count, np.bool_)
        first[drawn.permutation(count)[: count // 2]] = True
        split.append((np.flatnonzero(first[people]), np.flatnonzero(~first[people])))
    return split


def _draws(sample: Sample, seed: int) -> NDArray[np.int32]:
    """(REPLICATES, n): how often each image's person was drawn."""
    people = _people(sample)
    count = int(people.max(initial=-1)) + 1
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), REPLICATES)
    return drawn.astype(np.int32)[:, people]


class _Tally:
    """Errors and trials of one set, over all halves."""

    def __init__(self, sample: Sample) -> None:
        self._sample = sample
        self._people = _people(sample)
        codes = None if sample.groups is None else sample.groups.codes
        self._codes = np.zeros(len(self._people), np.int16) if codes is None else codes
        self._names = () if sample.groups is None else sample.groups.values
        self._halves: list[NDArray[np.int64]] = []
        self._of_one_person: list[NDArray[np.int64]] = []  # rows of one and other
        self._hits: dict[float, list[NDArray[np.bool_]]] = {fmr: [] for fmr in RATES}
        self._matches: dict[float, list[NDArray[np.int64]]] = {fmr: [] for fmr in RATES}

    def add(self, sides: Sides, rows: NDArray[np.int64], *, permit: Permit) -> int:
        """One half; returns how many numbers a vector has."""
        require(permit, Touch.COMPARE)
        probes, references = sides(self._sample.templates[rows])
        scores = probes @ references.T
        once = np.triu(np.ones(scores.shape, np.bool_), 1)
        same = self._people[rows][:, None] == self._people[rows][None, :]
        impostors = scores[once & ~same]
        one, other = np.nonzero(once & same)
        genuine = scores[one, other]
        self._halves.append(rows)
        self._of_one_person.append(np.stack([rows[one], rows[other]]))
        for fmr in RATES:
            wanted = max(int(fmr * len(impostors)), 1)
            threshold = np.partition(impostors, len(impostors) - wanted)[-wanted]
            first, second = np.nonzero(once & ~same & (scores >= threshold))
            alike = self._codes[rows[first]] == self._codes[rows[second]]
            self._matches[fmr].append(np.stack([rows[first], rows[second]])[:, alike])
            self._hits[fmr].append(genuine >= threshold)
        return int(probes.shape[1])

    def told(self, fmr: float, drawn: NDArray[np.int32]) -> AtRate:
        """What was found at that rate; `drawn`: see `_draws`."""
        groups = self._groups(fmr, drawn)
        return AtRate(
            data_set=self._sample.name,
            fmr=fmr,
            true_match=self._true_match(fmr, drawn),
            worst_over_best=self._ratio(groups) if groups else None,
            groups=tuple(each for each, _ in groups),
        )

    def _true_match(self, fmr: float, drawn: NDArray[np.int32]) -> Value | None:
        pairs, hits = np.hstack(self._of_one_person), np.concatenate(self._hits[fmr])
        if not len(hits):
            return None
        weights = drawn[:, pairs[0]].astype(np.float64)  # both images are of the one person drawn
        totals = np.maximum(weights.sum(axis=1), 1)
        return _value(float(hits.mean()), (weights @ hits) / totals)

    def _groups(
        self, fmr: float, drawn: NDArray[np.int32]
    ) -> list[tuple[GroupRate, NDArray[np.float64]]]:
        matches = np.hstack(self._matches[fmr])
        told = []
        for code, name in enumerate(self._names):
            members = self._codes == code
            found = matches[:, members[matches[0]]]
            count = _pairs(self._halves, self._people, members, np.ones((1, len(members))))[0]
            if not count:
                continue
            weights = drawn.astype(np.float64)
            errors = (weights[:, found[0]] * weights[:, found[1]]).sum(axis=1)
            trials = _pairs(self._halves, self._people, members, weights)
            rates = errors / np.maximum(trials, 1)
            told.append(
                (
                    GroupRate(
                        name=name,
                        images=int(members.sum()),
                        matches=found.shape[1],
                        comparisons=int(count),
                        fmr=_value(found.shape[1] / count, rates),
                    ),
                    rates,
                )
            )
        return told

    def _ratio(self, groups: list[tuple[GroupRate, NDArray[np.float64]]]) -> Value:
        large = [(each, rates) for each, rates in groups if each.images >= FEWEST]
        measured = [each.fmr.value or 0.0 for each, _ in large]
        if len(large) < 2 or min(measured) <= 0:
            return Value(value=None, low=None, high=None, note="A group has no match at all.")
        rates = np.stack([rates for _, rates in large])
        sound = rates.min(axis=0) > 0
        ratios = rates[:, sound].max(axis=0) / rates[:, sound].min(axis=0)
        note = (
            "" if sound.all() else f"{(~sound).sum()} of {REPLICATES} draws leave a group matchless"
        )
        return _value(max(measured) / min(measured), ratios, note)


def _pairs(
    halves: Sequence[NDArray[np.int64]],
    people: NDArray[np.int64],
    members: NDArray[np.bool_],
    weights: NDArray[np.float64],
) -> NDArray[np.float64]:
    """(replicates,): weighted pairs of different people of one group, over all halves."""
    total = np.zeros(len(weights))
    for rows in halves:
        inside = rows[members[rows]]
        if not len(inside):
            continue
        theirs = weights[:, inside]
        order = np.argsort(people[inside], kind="stable")
        starts = np.flatnonzero(np.diff(people[inside][order], prepend=-1))
        own = np.add.reduceat(theirs[:, order], starts, axis=1)
        total += (theirs.sum(axis=1) ** 2 - (own**2).sum(axis=1)) / 2
    return total


def _value(figure: float, replicates: NDArray[np.float64], note: str = "") -> Value:
    if not len(replicates):
        return Value(value=figure, low=None, high=None, note=note)
    low, high = np.percentile(replicates, [2.5, 97.5])
    return Value(value=figure, low=float(low), high=float(high), note=note)


def _cost(sides: Sides, templates: Templates) -> float:
    """Microseconds for one template by itself: the median of some."""
    taken = []
    for place in range(min(50, len(templates))):
        began = time.perf_counter()
        sides(templates[place : place + 1])
        taken.append(time.perf_counter() - began)
    return 1e6 * float(np.median(taken)) / 2  # it makes both sides; one is needed


def _single(vectors: NDArray[np.float64]) -> Vectors:
    return np.ascontiguousarray(vectors, np.float32)
