"""Judges score normalisations: every variant on people whom it was not fitted on.

    1. A variant is fitted on one set. The other sets are judged by that fit; the set itself by fits
       without the people compared (`cross_fit`).
    2. One threshold for everybody of a set: that at which its comparisons of different people match
       at the rate asked for.
    3. Each group is judged at that threshold. Intervals: people are drawn with replacement,
       together with all their comparisons (`bootstrap`); fits and thresholds stay as they are. The
       ratio of the worst group to the best has the interval that all assays give it.

Never knows files, a command line, HTTP.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import date

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from rightface.assay.bootstrap import Everybody, Listed, SubjectBootstrap
from rightface.assay.cross_fit import PARTS, cross_fit
from rightface.assay.differentials import GroupRates, ratio_of
from rightface.assay.equalise import fit
from rightface.assay.equalise_variants import VARIANTS, Variant, VectorsOf, raw
from rightface.assay.errors import AssayError
from rightface.assay.impostors import Pairs, Sample, in_blocks
from rightface.assay.intervals import percentiles, rate
from rightface.assay.leads import LOWEST, Highest, Leads
from rightface.assay.permits import Permitted, Renewed
from rightface.assay.result import Value
from rightface.faces.face import Templates

RATES = (1e-3, 1e-4)
REPLICATES = 300
LEAST_IMAGES = 100
"""Photographs of the smallest group that counts in a ratio: of fewer, no error is expected more
often than not at the smaller rate."""
_COSTED = 50
"""Templates whose vectors are timed."""


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class GroupRate(_Told):
    """One group's comparisons of different people, at one threshold for everybody."""

    name: str
    images: int
    matches: int
    comparisons: int
    fmr: Value


class AtRate(_Told):
    """One variant on one set at one rate."""

    data_set: str
    fmr: float
    true_match: Value | None
    """Share of same people's comparisons that match; None where nobody is named twice."""
    true_match_gain: Value | None = None
    """How much larger that share is than with the first variant, raw scores; of the same people
    drawn."""
    worst_over_best: Value | None
    """Of the rates of groups with `LEAST_IMAGES` or more; None where the set has no groups."""
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

    format: int = 2
    made_on: date
    pack_digest: str
    fitted_on: str
    parts: int
    """Of the people of that set: two of different parts are compared by a fit to all other
    parts."""
    seed: int
    data_sets: dict[str, int]
    """Name → photographs."""
    variants: tuple[Judged, ...]
    caveats: tuple[str, ...]


def judge(
    samples: Sequence[Sample],
    fitted_on: str,
    variants: Sequence[Variant] | None = None,
    *,
    permitted: Permitted,
    pack_digest: str,
    on: date,
    seed: int = 0,
    caveats: tuple[str, ...] = (),
    progress: Callable[[int, int], None] = lambda *_: None,
) -> Equalised:
    """Every variant on every set.

    Memory: some 30 kB for each photograph of the set that is fitted on, and what `Pairs` takes.

    Args:
        samples: the sets; the one that is fitted on has groups.
        fitted_on: its name.
        variants: what is judged; None: VARIANTS.
        permitted: asks the gate.
        pack_digest: of the templates.
        on: the day.
        seed: of the parts and of the resampling.
        caveats: sentences that stand beside the figures.
        progress: told of variants judged on sets, of how many.

    Raises:
        Refused: the gate does not allow it.
        AssayError: no set has that name, or it has no groups, or too few photographs.
    """
    place = next((at for at, each in enumerate(samples) if each.name == fitted_on), None)
    if place is None or samples[place].cohorts is None:
        raise AssayError(f"There is no data set '{fitted_on}' with groups to fit on.")
    variants = VARIANTS if variants is None else variants
    judges = [_Judge(each, seed) for each in samples]
    judged = []
    for number, variant in enumerate(variants):
        with Renewed(permitted) as permits:
            sides = _fitted(variant, samples[place], on, permits)
            at: list[AtRate] = []
            for one in judges:
                if one.sample is samples[place]:
                    vectors = _crossed(variant, one.sample, on, seed, permitted, permits) or sides
                else:
                    vectors = sides
                at += one.told(vectors, permits)
                progress(number * len(judges) + len(at) // len(RATES), len(variants) * len(judges))
            some = samples[place].templates[:_COSTED]
            judged.append(
                Judged(
                    name=variant.name,
                    method=variant.method.told if variant.method else "the inner product",
                    dimensions=sides(some[:1])[0].shape[1],
                    microseconds=round(_cost(sides, some), 1),
                    at=tuple(at),
                )
            )
    return Equalised(
        made_on=on,
        pack_digest=pack_digest,
        fitted_on=fitted_on,
        parts=PARTS,
        seed=seed,
        data_sets={each.name: len(each.templates) for each in samples},
        variants=tuple(judged),
        caveats=caveats,
    )


def _fitted(variant: Variant, sample: Sample, on: date, permits: Renewed) -> VectorsOf:
    if variant.method is None:
        return raw
    assert sample.cohorts is not None  # asked for before
    made = fit(
        sample.templates,
        sample.cohorts.codes,
        variant.method,
        subjects=sample.subjects,
        permit=permits,
        on=on,
    )
    return in_blocks(variant.form(made))


def _crossed(
    variant: Variant, sample: Sample, on: date, seed: int, permitted: Permitted, permits: Renewed
) -> VectorsOf | None:
    """For all templates of the set that is fitted on; None: nothing is fitted."""
    if variant.method is None:
        return None
    assert sample.cohorts is not None  # asked for before
    made = cross_fit(
        sample.templates,
        sample.cohorts.codes,
        variant.method,
        subjects=sample.subjects,
        permitted=permitted,
        on=on,
        seed=seed,
    )
    everybody = np.arange(len(sample.templates))
    return lambda all_: made.vectors(all_, everybody, permit=permits.renewed(), form=variant.form)


class _Judge:
    """Errors and trials of one set."""

    def __init__(self, sample: Sample, seed: int) -> None:
        self.sample = sample
        self._people = sample.persons
        self._bootstrap = SubjectBootstrap(sample.subjects, replicates=REPLICATES, seed=seed)
        self._raw: dict[float, Listed] = {}
        self._everybody: Everybody | None = None
        if sample.cohorts is not None:
            groups = sample.cohorts
            self._everybody = self._bootstrap.everybody(groups.codes, len(groups.values))

    def told(self, sides: VectorsOf, permits: Renewed) -> list[AtRate]:
        """What is found at each of RATES."""
        images = np.bincount(self._people).astype(np.int64)
        count = len(self._people)
        genuine_pairs = int((images * (images - 1) // 2).sum())
        strangers = count * (count - 1) // 2 - genuine_pairs
        wanted = {fmr: max(int(fmr * strangers), 1) for fmr in RATES}
        highest = Highest(2 * max(wanted.values()) + 1000)
        own = [(np.empty(0, np.float32), np.empty(0, np.int32), np.empty(0, np.int32))]
        pairs = Pairs.within(*sides(self.sample.templates), self._people, permits)
        for block in pairs.blocks():
            highest.add(*block.placed(block.strangers & (block.scores >= highest.above)))
            if genuine_pairs:
                own.append(block.placed(block.own))
        leads = highest.result()
        scores, a, b = (np.concatenate(each) for each in zip(*own, strict=True))
        genuine = Leads(scores, a, b, LOWEST)
        return [self._at(fmr, wanted[fmr], leads, genuine) for fmr in RATES]

    def _at(self, fmr: float, wanted: int, leads: Leads, genuine: Leads) -> AtRate:
        kept = min(wanted, len(leads.scores))
        threshold = np.partition(leads.scores, len(leads.scores) - kept)[-kept]
        over = leads.scores >= threshold
        groups, ratio = self._groups(leads.a[over], leads.b[over])
        match, gain = self._true_match(fmr, genuine, threshold)
        return AtRate(
            data_set=self.sample.name,
            fmr=fmr,
            true_match=match,
            true_match_gain=gain,
            worst_over_best=ratio,
            groups=groups,
        )

    def _true_match(
        self, fmr: float, genuine: Leads, threshold: np.float32
    ) -> tuple[Value | None, Value | None]:
        """The share, and how much more it is than what was judged first, which is raw scores."""
        if not len(genuine.scores):
            return None, None
        found = self._bootstrap.listed(
            genuine.a,
            genuine.b,
            genuine.scores >= threshold,
            np.zeros(len(genuine.scores), np.int64),
            1,
        )
        first = self._raw.setdefault(fmr, found)
        shares = [int(each.errors[0]) / int(each.trials[0]) for each in (found, first)]
        gains = percentiles(found.replicates[:, 0] - first.replicates[:, 0])
        gain = Value(value=shares[0] - shares[1], low=gains[0], high=gains[1])
        told = rate(
            int(found.errors[0]),
            int(found.trials[0]),
            found.replicates[:, 0],
            units=int(found.units[0]),
        )
        share = Value(value=told.rate, low=told.low, high=told.high)
        return share, None if first is found else gain

    def _groups(
        self, a: NDArray[np.int32], b: NDArray[np.int32]
    ) -> tuple[tuple[GroupRate, ...], Value | None]:
        if self._everybody is None or self.sample.cohorts is None:
            return (), None
        within = self._everybody.matches(a, b)
        errors, trials, pairs = (
            np.diag(each) for each in (within.errors, within.trials, within.pairs)
        )
        lows, highs, deviations = (
            np.diag(each) for each in (within.lows, within.highs, within.deviations)
        )
        names, codes = self.sample.cohorts.values, self.sample.cohorts.codes
        images = [int((codes == code).sum()) for code in range(len(names))]
        told = []
        for place, name in enumerate(names):
            if not trials[place]:
                continue
            ends = float(lows[place]), float(highs[place])
            found = rate(int(errors[place]), int(trials[place]), ends=ends, units=int(pairs[place]))
            told.append(
                GroupRate(
                    name=name,
                    images=images[place],
                    matches=found.errors,
                    comparisons=found.trials,
                    fmr=Value(value=found.rate, low=found.low, high=found.high),
                )
            )
        small = tuple("" if each >= LEAST_IMAGES else "too few photographs" for each in images)
        return tuple(told), ratio_of(GroupRates(names, errors, trials, deviations, small, pairs))


def _cost(sides: VectorsOf, templates: Templates) -> float:
    """Microseconds for one template by itself: the median of some."""
    taken = []
    for place in range(len(templates)):
        began = time.perf_counter()
        sides(templates[place : place + 1])
        taken.append(time.perf_counter() - began)
    return 1e6 * float(np.median(taken)) / 2  # it makes both sides; one is needed
