"""Everybody with everybody, over several data sets: the scores that a calibration is made from.

Sets that show the same people under different labels are kept apart. A set of which nobody knows
who is who counts in its cohorts only: its few comparisons of one person with themselves make those
rates upper bounds. Cohorts of a set that the pack's normalisation was fitted on are compared by
fits without the people compared (`cross_fit`). Memory grows with templates, genuine comparisons and
the highest of the others, never with all of them. Never knows files, or where permits come from.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from rightface.assay import tail as tails
from rightface.assay.bootstrap import people
from rightface.assay.calibrate import CalibrationError, ScoreCounts
from rightface.assay.cohorts import UNKNOWN, Column
from rightface.assay.cross_fit import CrossFit
from rightface.assay.equalise_variants import VectorsOf
from rightface.assay.permits import Permitted, Renewed, Standing, require_step
from rightface.assay.resampling import Extremes, Ints, People
from rightface.faces.face import Templates
from rightface.faces.packs import ModelPack, Vectors
from rightface.permit import Touch

Scores = NDArray[np.float32]
Rows = NDArray[np.intp]
Numbers = NDArray[np.int64]
ROWS, COLUMNS = 512, 2048
"""Of a block of comparisons."""
VECTORS_AT_ONCE = 4096
"""Templates whose vectors are made at a time: a normalisation needs some kilobytes for each."""
MOST_HIGHEST = 4_000_000
"""Of the highest comparisons, so many are kept for the intervals."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """The templates of one data set. Biometric data: it is never written anywhere."""

    name: str
    templates: Templates = field(repr=False)
    """(n, 128)"""
    people: NDArray[np.int32] | None = field(repr=False)
    """(n,): numbers of the set's own; None: nobody knows who is who."""
    cohorts: Column | None
    """Of the n photographs."""
    crossed: CrossFit | None = field(default=None, repr=False)
    """Of the n photographs, where the pack's normalisation was fitted on them."""

    @property
    def subjects(self) -> Ints:
        """(n,): as `people`; UNKNOWN where nobody knows."""
        if self.people is None:
            return np.full(len(self.templates), UNKNOWN, np.int32)
        return self.people

    @property
    def persons(self) -> Numbers:
        """(n,): people as 0, 1, …; who is not known is a person of their own."""
        return people(self.subjects)

    def part(self, rows: Rows) -> Sample:
        """Some of its photographs; by the pack's own comparison."""
        cohorts = self.cohorts
        return Sample(
            name=self.name,
            templates=self.templates[rows],
            people=None if self.people is None else self.people[rows],
            cohorts=None if cohorts is None else replace(cohorts, codes=cohorts.codes[rows]),
        )


@dataclass(frozen=True, kw_only=True)
class CohortScores:
    """The comparisons within one cohort of one set."""

    name: str
    data_set: str
    images: int
    impostors: ScoreCounts
    genuine: Scores
    """Ascending; none where nobody knows who is who."""


@dataclass(frozen=True, kw_only=True)
class Compared:
    """All comparisons of all sets."""

    impostors: ScoreCounts
    highest: Extremes
    genuine: Scores
    """Ascending."""
    cohorts: tuple[CohortScores, ...]


def compare(
    pack: ModelPack,
    samples: Sequence[Sample],
    *,
    apart: Collection[frozenset[str]] = (),
    permitted: Permitted,
) -> Compared:
    """Compare everybody; sets named together in `apart` are not compared with each other.

    Raises:
        CalibrationError: no set says who is who, or there is nothing to compare.
        Refused: the gate does not allow it.
        PermitError: its permits do not cover comparing.
    """
    known = [one for one in samples if one.people is not None]
    if not known:
        raise CalibrationError(
            "No data set says who is who.",
            mend="Give at least one with a column of subjects.",
        )
    with Renewed(permitted) as permits:
        return _compare(pack, samples, apart, permits)


def _compare(
    pack: ModelPack,
    samples: Sequence[Sample],
    apart: Collection[frozenset[str]],
    permits: Renewed,
) -> Compared:
    known = [one for one in samples if one.people is not None]
    everybody = _everybody(pack, known, apart, permits)
    within = [each for one in samples for each in _cohorts(pack, one, permits)]
    # 1. The ends of the scores.
    blocks = chain(everybody.blocks(), *(each.pairs.blocks() for each in within))
    lowest, highest = _ends(block.impostors for block in blocks)
    # 2. Counts, and the highest one by one.
    counts, genuine = ScoreCounts(lowest, highest), [np.empty(0, np.float32)]
    for block in everybody.blocks():
        counts.add(block.impostors)
        genuine.append(block.genuine)
    return Compared(
        impostors=counts,
        highest=_highest(everybody, counts),
        genuine=np.sort(np.concatenate(genuine)),
        cohorts=tuple(_counted(each, lowest, highest) for each in within),
    )


@dataclass(frozen=True)
class Block:
    """Some comparisons: rows from `row` on with columns from `column` on."""

    scores: Scores
    """(rows, columns)"""
    strangers: NDArray[np.bool_]
    """(rows, columns): which are of different people, to be counted."""
    own: NDArray[np.bool_]
    """(rows, columns): which are of one person, to be counted."""
    row: int
    column: int

    @property
    def impostors(self) -> Scores:
        """(k,)"""
        return self.scores[self.strangers]

    @property
    def genuine(self) -> Scores:
        """(k,)"""
        return self.scores[self.own]

    def placed(self, which: NDArray[np.bool_]) -> tuple[Scores, Ints, Ints]:
        """Of some of its comparisons: scores, the one side's rows, the other's."""
        one, other = np.nonzero(which)
        return (
            self.scores[which],
            (one + self.row).astype(np.int32),
            (other + self.column).astype(np.int32),
        )


@dataclass(frozen=True)
class Pairs:
    """Some rows, each with each, once."""

    probes: Vectors
    references: Vectors
    people: Numbers
    """(n,): who; a number each."""
    sets: Numbers
    """(n,)"""
    compared: NDArray[np.bool_]
    """(s, s): which sets are compared with which."""
    permits: Standing

    @classmethod
    def within(
        cls, probes: Vectors, references: Vectors, people: Numbers, permits: Standing
    ) -> Pairs:
        """Of one set."""
        return cls(
            probes, references, people, np.zeros_like(people), np.ones((1, 1), np.bool_), permits
        )

    def blocks(self) -> Iterator[Block]:
        """All comparisons.

        Raises:
            PermitError: the permits do not cover COMPARE.
            Refused: the gate does not allow the next step.
        """
        count = len(self.people)
        for row in range(0, count, ROWS):
            rows = slice(row, min(row + ROWS, count))
            for column in range(row, count, COLUMNS):
                columns = slice(column, min(column + COLUMNS, count))
                require_step(self.permits, Touch.COMPARE)
                scores = self.probes[rows] @ self.references[columns].T
                later = np.arange(row, rows.stop)[:, None] < np.arange(column, columns.stop)[None]
                same = self.people[rows, None] == self.people[None, columns]
                comparable = self.compared[self.sets[rows]][:, self.sets[columns]]
                yield Block(scores, later & ~same & comparable, later & same, row, column)


@dataclass(frozen=True)
class _Cohort:
    name: str
    data_set: str
    pairs: Pairs


def _everybody(
    pack: ModelPack,
    samples: Sequence[Sample],
    apart: Collection[frozenset[str]],
    permits: Renewed,
) -> Pairs:
    names = [one.name for one in samples]
    compared = np.array(
        [[one == two or frozenset({one, two}) not in apart for one in names] for two in names]
    )
    numbered, first = [], 0
    for one in samples:
        own = one.persons
        numbered.append(own + first)
        first += int(own.max(initial=-1)) + 1
    sets = [np.full(len(each), place) for place, each in enumerate(numbered)]
    templates = np.concatenate([one.templates for one in samples])
    return Pairs(
        *_vectors(pack, templates, permits),
        np.concatenate(numbered),
        np.concatenate(sets),
        compared,
        permits,
    )


def _cohorts(pack: ModelPack, sample: Sample, permits: Renewed) -> Iterator[_Cohort]:
    if sample.cohorts is None:
        return
    people = sample.persons
    for code, value in enumerate(sample.cohorts.values):
        rows = np.flatnonzero(sample.cohorts.codes == code)
        if sample.crossed is None:
            vectors = _vectors(pack, sample.templates[rows], permits)
        else:
            vectors = sample.crossed.vectors(sample.templates, rows, permit=permits.renewed())
        pairs = Pairs.within(*vectors, people[rows], permits)
        yield _Cohort(f"{value} ({sample.name})", sample.name, pairs)


def _vectors(pack: ModelPack, templates: Templates, permits: Renewed) -> tuple[Vectors, Vectors]:
    def sides(some: Templates) -> tuple[Vectors, Vectors]:
        permit = permits.renewed()
        return (
            pack.probe_vectors(some, permit=permit),
            pack.reference_vectors(some, permit=permit),
        )

    return in_blocks(sides)(templates)


def in_blocks(sides: VectorsOf) -> VectorsOf:
    """The same vectors, made of some templates at a time."""

    def all_sides(templates: Templates) -> tuple[Vectors, Vectors]:
        starts = range(0, max(len(templates), 1), VECTORS_AT_ONCE)
        made = [sides(templates[start : start + VECTORS_AT_ONCE]) for start in starts]
        probes, references = zip(*made, strict=True)
        return np.concatenate(probes), np.concatenate(references)

    return all_sides


def _ends(scores: Iterable[Scores]) -> tuple[float, float]:
    ends = [(float(some.min()), float(some.max())) for some in scores if len(some)]
    lowest = min((low for low, _ in ends), default=0.0)
    highest = max((high for _, high in ends), default=0.0)
    return lowest, highest


def _highest(everybody: Pairs, counts: ScoreCounts) -> Extremes:
    share = min(tails.HIGHEST_START, MOST_HIGHEST / max(counts.total, 1))
    least = np.float32(counts.score_at(share))
    kept = [block.placed(block.strangers & (block.scores >= least)) for block in everybody.blocks()]
    scores, one, other = (np.concatenate(some) for some in zip(*kept, strict=True))
    photographs = np.bincount(everybody.people)
    sets = np.zeros(len(photographs), np.int32)
    sets[everybody.people] = everybody.sets
    people = everybody.people.astype(np.int32)
    return Extremes(
        scores, people[one], people[other], People(photographs, sets, everybody.compared)
    )


def _counted(cohort: _Cohort, lowest: float, highest: float) -> CohortScores:
    counts, genuine = ScoreCounts(lowest, highest), [np.empty(0, np.float32)]
    for block in cohort.pairs.blocks():
        counts.add(block.impostors)
        genuine.append(block.genuine)
    return CohortScores(
        name=cohort.name,
        data_set=cohort.data_set,
        images=len(cohort.pairs.people),
        impostors=counts,
        genuine=np.sort(np.concatenate(genuine)),
    )
