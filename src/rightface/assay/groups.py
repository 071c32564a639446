"""From comparisons to the groups of a partition: rates within and across groups, with intervals.

One set of drawn people serves every figure of a run, so ratios between groups have honest intervals
too. Where a threshold lies below the scores that were kept one by one, rates come from the counts,
and their intervals take comparisons as independent; `Judge.warnings` says so. Numbers and labels
only: never knows templates or images.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from rightface.assay.bootstrap import REPLICATES, Between, Everybody, Listed, SubjectBootstrap
from rightface.assay.cells import Cells, summed
from rightface.assay.cohorts import UNKNOWN, Column
from rightface.assay.comparisons import Comparisons
from rightface.assay.counts import Counts
from rightface.assay.differentials import GroupRates, differentials
from rightface.assay.errors import AssayError
from rightface.assay.intervals import SUSPECT, rate, too_few_genuine, too_few_impostors
from rightface.assay.operating import Threshold
from rightface.assay.rates import curve, eer, threshold_at, why_no_threshold
from rightface.assay.result import (
    CrossMatrix,
    Differential,
    Group,
    OperatingPoint,
    Partition,
    Rate,
    TenFold,
    Verification,
)

MOST_DRAWN = 400_000
"""False matches at one threshold that are drawn again and again; more would take minutes."""
LEAST_FMR = 1e-2
"""A group that cannot speak of so many false matches cannot speak of false matches at all."""
_BOOTSTRAP_BYTES = 200_000_000


@dataclass(frozen=True)
class Images:
    """All images of a data set by one partition, those without a face too."""

    column: Column
    subjects: NDArray[np.int32]
    """(n,); UNKNOWN where it is not said."""
    failed: NDArray[np.bool_]
    """(n,): which gave no face."""

    @cached_property
    def people(self) -> Sequence[int | None]:
        """Of each group; None where nobody says who anybody is."""
        count = len(self.column.values)
        if (self.subjects == UNKNOWN).all():
            return [None] * count
        return _people_of(self.subjects, self.column.codes, count)


@dataclass
class Judge:
    """Works out rates at thresholds for one set of comparisons."""

    comparisons: Comparisons
    subjects: NDArray[np.int32] | None
    """(n,): of the rows that were compared; None where nobody says which rows were (`from_scores`),
    then the cells themselves stand in for rows."""
    cells: Cells
    all_pairs: bool = True
    """Whether everybody was compared with everybody; if not, the leads are all there was of two
    people."""
    warnings: list[str] = field(default_factory=list)
    _bootstrap: SubjectBootstrap | None = None

    def __post_init__(self) -> None:
        if self.subjects is None:
            self.warnings.append(
                "It is not known which people were compared how often: intervals take comparisons "
                "as independent, and are too narrow."
            )
            return
        people = max(1, len(np.unique(self.subjects)) + int((self.subjects == UNKNOWN).sum()))
        replicates = int(np.clip(_BOOTSTRAP_BYTES // people, 100, REPLICATES))
        try:
            self._bootstrap = SubjectBootstrap(self.subjects, replicates=replicates)
        except AssayError:
            self.warnings.append("There are too few people for intervals over people.")

    # ------------------------------------------------------------ everybody
    @cached_property
    def everybody(self) -> Counts:
        """All impostor comparisons."""
        return self.comparisons.impostors()

    def thresholds(self, wanted: Sequence[float]) -> list[Threshold]:
        """Of the false match rates wanted, those that the comparisons can show."""
        scores = [(fmr, threshold_at(self.everybody, fmr)) for fmr in wanted]
        return [Threshold(fmr, score) for fmr, score in scores if score is not None]

    def unreached(self, wanted: Sequence[float]) -> tuple[str, ...]:
        """Why no threshold can be given for the others."""
        told = (why_no_threshold(self.everybody, fmr) for fmr in wanted)
        return tuple(reason for reason in told if reason)

    def verification(
        self,
        thresholds: Sequence[Threshold],
        wanted: Sequence[float],
        folds: TenFold | None = None,
    ) -> Verification:
        """Everybody's part of the document.

        Args:
            thresholds: see there.
            wanted: the false match rates that were asked for.
            folds: what stated pairs came to, if there are any.
        """
        settled = {point.fmr_target: point for point in self.overall(thresholds)}
        genuine = self.comparisons.genuine
        return Verification(
            genuine=len(genuine.scores),
            impostor=self.everybody.total,
            curve=curve(self.everybody, genuine),
            at=tuple(settled.get(fmr) or self._unsettled(fmr) for fmr in wanted),
            eer=eer(self.everybody, genuine, self._everyone()),
            ten_fold=folds,
        )

    def _unsettled(self, fmr: float) -> OperatingPoint:
        none = rate(0, 0, too_few=why_no_threshold(self.everybody, fmr))
        return OperatingPoint(fmr_target=fmr, threshold=None, fmr=none, fnmr=none)

    def overall(self, thresholds: Sequence[Threshold]) -> list[OperatingPoint]:
        """False matches and false non-matches of everybody."""
        together = np.zeros(len(self.cells.codes), np.int16)
        cells = np.zeros(self.cells.count, np.int16)
        told = _Split(self, Column(("",), ("",), together), cells)
        return [told.point(0, each, self._everyone()) for each in thresholds]

    def _everyone(self) -> int | None:
        return self._people(np.zeros(len(self.cells.codes), np.int16), 1)[0]

    # ------------------------------------------------------------ partitions
    def partition(
        self,
        place: int,
        thresholds: Sequence[Threshold],
        *,
        images: Images | None = None,
    ) -> Partition:
        """The partition at `place` of the cells, in the document's form.

        Args:
            place: which of `cells.partitions`.
            thresholds: set on everybody.
            images: all images, in the same partition; None where only scores were given:
                comparisons stand for images then.
        """
        column = self.cells.partitions[place]
        count = len(column.values)
        split = _Split(self, column, self.cells.groups_of[place])
        people = self._people(column.codes, count)
        groups = tuple(
            self._group(split, group, thresholds, images, people[group]) for group in range(count)
        )
        self._suspect(column, groups)
        return Partition(
            columns=column.names,
            groups=groups,
            unlabelled=split.unlabelled if images is None else images.column.unlabelled,
            cross=tuple(_matrix(column, split, each, people) for each in thresholds),
            differentials=tuple(
                one
                for each in thresholds
                for one in self._differentials(column, split, each, people)
            ),
        )

    def _suspect(self, column: Column, groups: Sequence[Group]) -> None:
        """Groups that count in no ratio are told all the same where they stand out."""
        found = []
        for group in groups:
            out = [at for at in group.at if SUSPECT in at.fmr.too_few]
            if out:
                at = max(out, key=lambda one: one.fmr.errors)
                found.append(
                    f"{group.name} ({at.fmr.errors:,} of {at.fmr.trials:,} where "
                    f"{at.fmr_target:g} was asked for)"
                )
        if found:
            self.warnings.append(
                f"By {' × '.join(column.names)}, too small to count in any ratio, yet far more of "
                f"their comparisons matched than of others: {'; '.join(found)}. Look at them."
            )

    def _group(
        self,
        split: _Split,
        group: int,
        thresholds: Sequence[Threshold],
        images: Images | None,
        people: int | None,
    ) -> Group:
        genuine = split.genuine_scores(group)
        counts = Counts(self.comparisons.axis, split.counts[group, group])
        told, subjects, failures = len(genuine) + counts.total, None, None
        if images is not None:
            inside = images.column.codes == group
            told, subjects = int(inside.sum()), images.people[group]
            failures = rate(int(images.failed[inside].sum()), told)
        return Group(
            name=split.column.values[group],
            labels=split.column.labels(group),
            subjects=subjects,
            images=told,
            failures=failures,
            genuine=len(genuine),
            impostor=counts.total,
            curve=curve(counts, genuine) if counts.total else (),
            at=tuple(split.point(group, each, people) for each in thresholds),
            too_few=too_few_impostors(
                counts.total, people, LEAST_FMR, pairs=int(split.pairs[group, group])
            ),
        )

    def _differentials(
        self, column: Column, split: _Split, at: Threshold, people: Sequence[int | None]
    ) -> tuple[Differential, ...]:
        if len(column.values) < 2:
            return ()
        impostor, genuine = split.impostor(at), split.genuine(at)
        own = np.arange(len(column.values))
        trials, errors = impostor.trials[own, own], impostor.errors[own, own]
        fmr = GroupRates(
            column.values,
            errors,
            trials,
            _known(impostor.deviations[own, own]),
            tuple(
                too_few_impostors(int(n), p, at.fmr_target, pairs=int(two))
                for n, p, two in zip(trials, people, split.pairs[own, own], strict=True)
            ),
            split.pairs[own, own],
        )
        fnmr = GroupRates(
            column.values,
            genuine.errors,
            genuine.trials,
            _known(genuine.deviations),
            tuple(too_few_genuine(int(n), p) for n, p in zip(genuine.trials, people, strict=True)),
            genuine.units,
        )
        return differentials(fmr, fnmr, fmr_target=at.fmr_target, threshold=at.score)

    def _people(self, codes: NDArray[np.int16], count: int) -> list[int | None]:
        """(count,): how many people of each group were compared; see `_people_of`."""
        if self.subjects is None:
            return [None] * count
        return [*_people_of(self.subjects, codes, count)]

    @property
    def bootstrap(self) -> SubjectBootstrap | None:
        """The people as drawn; None where there are too few."""
        return self._bootstrap


class _Split:
    """The comparisons by one way of splitting the rows."""

    def __init__(self, judge: Judge, column: Column, cells: NDArray[np.int16]) -> None:
        codes, count = column.codes, len(column.values)
        self.column = column
        self._judge, self._codes, self._count = judge, codes, count
        compared, known = judge.comparisons, judge.cells.count
        self.counts = summed(compared.impostor[:known, :known], cells, count)
        genuine = compared.genuine
        one, other = codes[genuine.a], codes[genuine.b]
        self._group_of_genuine = np.where(one == other, one, UNKNOWN)
        self._impostor: dict[float, Between] = {}
        self._of_one_person: dict[float, Listed] = {}

    @property
    def unlabelled(self) -> int:
        """Comparisons in which one of the two has no group."""
        compared = self._judge.comparisons
        inside = sum(int(self.counts[low, low:].sum()) for low in range(self._count))
        one, other = self._codes[compared.genuine.a], self._codes[compared.genuine.b]
        inside += int(((one != UNKNOWN) & (other != UNKNOWN)).sum())
        return compared.total - inside

    def genuine_scores(self, group: int) -> NDArray[np.float32]:
        scores: NDArray[np.float32] = self._judge.comparisons.genuine.scores
        return np.asarray(scores[self._group_of_genuine == group])

    def point(self, group: int, at: Threshold, people: int | None) -> OperatingPoint:
        impostor, genuine = self.impostor(at), self.genuine(at)
        missed = genuine.trials[group]
        return OperatingPoint(
            fmr_target=at.fmr_target,
            threshold=at.score,
            fmr=_matching(impostor, group, group, people, at.fmr_target),
            fnmr=rate(
                int(genuine.errors[group]),
                int(missed),
                genuine.replicates[:, group] if len(genuine.replicates) else None,
                units=int(genuine.units[group]),
                too_few=too_few_genuine(int(missed), people),
            ),
        )

    @cached_property
    def pairs(self) -> NDArray[np.int64]:
        """(G, G): how many pairs of people were compared; comparisons, if people are not known."""
        judge, bootstrap = self._judge, self._judge.bootstrap
        if bootstrap is None:
            return self._trials
        if judge.all_pairs:
            return self._drawn.pairs
        leads = judge.comparisons.leads
        none = np.zeros(len(leads.scores), np.bool_)
        return bootstrap.among(leads.a, leads.b, none, self._codes, self._count).pairs

    @cached_property
    def _trials(self) -> NDArray[np.int64]:
        within = self.counts.sum(axis=2)
        return np.asarray(np.maximum(within, within.T), np.int64)

    @cached_property
    def _drawn(self) -> Everybody:
        bootstrap = self._judge.bootstrap
        if bootstrap is None:
            raise AssayError("There are too few people to draw.")
        return bootstrap.everybody(self._codes, self._count)

    def impostor(self, at: Threshold) -> Between:
        if at.score not in self._impostor:
            self._impostor[at.score] = self._matches(at)
        return self._impostor[at.score]

    def genuine(self, at: Threshold) -> Listed:
        if at.score not in self._of_one_person:
            self._of_one_person[at.score] = self._misses(at)
        return self._of_one_person[at.score]

    def _matches(self, at: Threshold) -> Between:
        leads, bootstrap = self._judge.comparisons.leads, self._judge.bootstrap
        above = leads.scores >= at.score
        if bootstrap is None or at.score < leads.above or int(above.sum()) > MOST_DRAWN:
            self._judge_by_counts(at)
            return self._counted(at)
        if not self._judge.all_pairs:
            return bootstrap.among(leads.a, leads.b, above, self._codes, self._count)
        return self._drawn.matches(leads.a[above], leads.b[above])

    def _counted(self, at: Threshold) -> Between:
        axis = self._judge.comparisons.axis
        errors = np.zeros((self._count, self._count), np.int64)
        trials = np.zeros_like(errors)
        for low, high in zip(*np.triu_indices(self._count), strict=True):
            counts = Counts(axis, self.counts[low, high])
            errors[low, high] = errors[high, low] = counts.at_least(at.score)
            trials[low, high] = trials[high, low] = counts.total
        nothing = np.full(trials.shape, np.nan)
        return Between(errors, trials, nothing, nothing, nothing, self.pairs)

    def _judge_by_counts(self, at: Threshold) -> None:
        told = (
            f"At a false match rate of {at.fmr_target:g} there are too many false matches to draw "
            "people again: those intervals take comparisons as independent, and are too narrow."
        )
        if self._judge.bootstrap is not None and told not in self._judge.warnings:
            self._judge.warnings.append(told)

    def _misses(self, at: Threshold) -> Listed:
        genuine, bootstrap = self._judge.comparisons.genuine, self._judge.bootstrap
        missed = genuine.scores < at.score
        if bootstrap is not None:
            return bootstrap.listed(
                genuine.a, genuine.b, missed, self._group_of_genuine, self._count
            )
        known = self._group_of_genuine != UNKNOWN
        trials = np.bincount(self._group_of_genuine[known], minlength=self._count)
        errors = np.bincount(self._group_of_genuine[known & missed], minlength=self._count)
        return Listed(errors, trials, np.zeros((0, self._count)), trials)


def _matrix(
    column: Column, split: _Split, at: Threshold, people: Sequence[int | None]
) -> CrossMatrix:
    impostor = split.impostor(at)
    count = len(column.values)

    def cell(one: int, other: int) -> Rate:
        fewest = min(
            (each for each in (people[one], people[other]) if each is not None), default=None
        )
        return _matching(impostor, one, other, fewest, at.fmr_target)

    return CrossMatrix(
        fmr_target=at.fmr_target,
        threshold=at.score,
        groups=column.values,
        rates=tuple(tuple(cell(one, other) for other in range(count)) for one in range(count)),
    )


def _matching(told: Between, one: int, other: int, people: int | None, fmr: float) -> Rate:
    place = (one, other)
    errors, trials, pairs = (int(each[place]) for each in (told.errors, told.trials, told.pairs))
    few = too_few_impostors(trials, people, fmr, pairs=pairs, errors=errors)
    ends = float(told.lows[place]), float(told.highs[place])
    return rate(errors, trials, ends=ends, units=pairs, too_few=few)


def _people_of(subjects: NDArray[np.int32], codes: NDArray[np.int16], count: int) -> list[int]:
    """(count,): how many people each group has; an unknown one counts as one."""
    known = (subjects != UNKNOWN) & (codes != UNKNOWN)
    pairs = np.unique(np.stack([codes[known], subjects[known]], 1), axis=0)
    unknown = codes[(subjects == UNKNOWN) & (codes != UNKNOWN)]
    told = np.bincount(pairs[:, 0], minlength=count) + np.bincount(unknown, minlength=count)
    return [int(each) for each in told]


def _known(deviations: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """None where nobody was drawn."""
    return deviations if np.isfinite(deviations).any() else None
