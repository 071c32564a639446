"""Everybody with everybody, over several data sets: the scores that a calibration is made from.

Sets that show the same people under different labels are kept apart. A set of which nobody knows
who is who counts in its cohorts only: its few comparisons of one person with themselves make those
rates upper bounds. A permit lasts two minutes: it is asked for
anew in between. Never knows files, or where permits come from.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from rightface.assay import tail as tails
from rightface.assay.acquire import Permitted
from rightface.assay.calibrate import CalibrationError, ScoreCounts
from rightface.assay.cohorts import UNKNOWN, Column
from rightface.assay.resampling import Highest, People
from rightface.faces.face import Templates
from rightface.faces.packs import ModelPack, Vectors
from rightface.permit import Permit, Touch, require

Scores = NDArray[np.float32]
Rows = NDArray[np.intp]
Numbers = NDArray[np.int64]
BLOCK = 512
"""Rows that are compared with everybody at a time."""
RENEWED = 45.0
"""Seconds after which a permit is asked for anew."""
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
    highest: Highest
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
    with _Renewed(permitted) as permits:
        return _compare(pack, samples, apart, permits)


def _compare(
    pack: ModelPack,
    samples: Sequence[Sample],
    apart: Collection[frozenset[str]],
    permits: _Renewed,
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


class _Renewed:
    """A permit that is open, never for long."""

    def __init__(self, permitted: Permitted) -> None:
        self._permitted = permitted
        self._open = ExitStack()
        self._permit: Permit | None = None
        self._since = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: Any) -> None:
        self._open.__exit__(*error)

    @property
    def permit(self) -> Permit:
        """For the next step."""
        if self._permit is None or time.monotonic() - self._since > RENEWED:
            self._open.close()
            self._permit = self._open.enter_context(self._permitted())
            self._since = time.monotonic()
        return self._permit


class _Block(NamedTuple):
    impostors: Scores
    one: Rows
    """The row of the one side of each impostor comparison."""
    other: Rows
    genuine: Scores


@dataclass(frozen=True)
class _Pairs:
    """Some rows, each with each, once."""

    probes: Vectors
    references: Vectors
    people: Numbers
    """(n,): who; a number each."""
    sets: Numbers
    """(n,)"""
    compared: NDArray[np.bool_]
    """(s, s): which sets are compared with which."""
    permits: _Renewed

    def blocks(self) -> Iterator[_Block]:
        count = len(self.people)
        for start in range(0, count, BLOCK):
            rows = np.arange(start, min(start + BLOCK, count))
            require(self.permits.permit, Touch.COMPARE)
            scores = self.probes[rows] @ self.references[start:].T
            later = rows[:, None] < np.arange(start, count)[None, :]
            same = self.people[rows][:, None] == self.people[None, start:]
            comparable = self.compared[self.sets[rows]][:, self.sets[start:]]
            wanted = later & ~same & comparable
            one, other = np.nonzero(wanted)
            yield _Block(scores[wanted], rows[one], other + start, scores[later & same])


@dataclass(frozen=True)
class _Cohort:
    name: str
    data_set: str
    pairs: _Pairs


def _everybody(
    pack: ModelPack,
    samples: Sequence[Sample],
    apart: Collection[frozenset[str]],
    permits: _Renewed,
) -> _Pairs:
    names = [one.name for one in samples]
    compared = np.array(
        [[one == two or frozenset({one, two}) not in apart for one in names] for two in names]
    )
    people, first = [], 0
    for one in samples:
        assert one.people is not None  # `compare` chose them so
        own = _persons(one.people)
        people.append(own + first)
        first += int(own.max(initial=-1)) + 1
    sets = [np.full(len(each), place) for place, each in enumerate(people)]
    templates = np.concatenate([one.templates for one in samples])
    return _Pairs(
        pack.probe_vectors(templates, permit=permits.permit),
        pack.reference_vectors(templates, permit=permits.permit),
        np.concatenate(people),
        np.concatenate(sets),
        compared,
        permits,
    )


def _cohorts(pack: ModelPack, sample: Sample, permits: _Renewed) -> Iterator[_Cohort]:
    if sample.cohorts is None:
        return
    probes = pack.probe_vectors(sample.templates, permit=permits.permit)
    references = pack.reference_vectors(sample.templates, permit=permits.permit)
    everyone = np.arange(len(sample.templates))
    people = everyone if sample.people is None else _persons(sample.people)
    for code, value in enumerate(sample.cohorts.values):
        rows = np.flatnonzero(sample.cohorts.codes == code)
        pairs = _Pairs(
            probes[rows],
            references[rows],
            people[rows],
            np.zeros(len(rows), np.int64),
            np.ones((1, 1), np.bool_),
            permits,
        )
        yield _Cohort(f"{value} ({sample.name})", sample.name, pairs)


def _persons(people: NDArray[np.int32]) -> Numbers:
    """0, 1, …; who is not known is a person of their own."""
    known = people != UNKNOWN
    found = np.empty(len(people), np.int64)
    values, found[known] = np.unique(people[known], return_inverse=True)
    found[~known] = len(values) + np.arange(int((~known).sum()))
    return found


def _ends(scores: Iterable[Scores]) -> tuple[float, float]:
    ends = [(float(some.min()), float(some.max())) for some in scores if len(some)]
    lowest = min((low for low, _ in ends), default=0.0)
    highest = max((high for _, high in ends), default=0.0)
    return lowest, highest


def _highest(everybody: _Pairs, counts: ScoreCounts) -> Highest:
    share = min(tails.HIGHEST_START, MOST_HIGHEST / max(counts.total, 1))
    least = np.float32(counts.score_at(share))
    kept = []
    for block in everybody.blocks():
        over = block.impostors >= least
        kept.append((block.impostors[over], block.one[over], block.other[over]))
    scores, one, other = (np.concatenate(some) for some in zip(*kept, strict=True))
    photographs = np.bincount(everybody.people)
    sets = np.zeros(len(photographs), np.int32)
    sets[everybody.people] = everybody.sets
    return Highest(
        scores,
        everybody.people[one].astype(np.int32),
        everybody.people[other].astype(np.int32),
        People(photographs, sets, everybody.compared),
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
