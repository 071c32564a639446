"""How fast does each group degrade? The same photographs as probes again, changed in known ways.

    1. Each photograph that gave a face is changed (`changes`), looked at again, and compared as a
       probe with the unchanged references; never with its own unchanged self.
    2. The thresholds are those of the unchanged photographs.
    3. Failures are of photographs whose face was found before the change.

A genuine pair counts in both directions. The intervals of impostor comparisons take comparisons as
independent, and are too narrow; those of genuine comparisons come from people drawn again. Years
between two photographs of one person are a stress too: nothing is drawn, genuine pairs are sorted.
Never knows files, a command line or HTTP.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rightface.assay.bootstrap import SubjectBootstrap, people
from rightface.assay.cohorts import UNKNOWN, Column
from rightface.assay.intervals import rate, too_few_genuine, too_few_impostors
from rightface.assay.operating import Threshold
from rightface.assay.permits import Standing, require_step
from rightface.assay.result import Rate, Stress, StressGroup
from rightface.faces.packs import Vectors
from rightface.permit import Touch

AT_ONCE = 1 << 24
"""Scores that are held at once: 64 MiB."""
GAP_EDGES = (0.0, 1.0, 5.0, 10.0, 20.0)
"""Years between two photographs of one person; the last bin is open."""
YEARS_APART = "years-apart"

Places = NDArray[np.int32]


@dataclass(frozen=True, kw_only=True)
class Unchanged:
    """The photographs that gave a face, as references."""

    references: Vectors
    """(m, d)"""
    subjects: NDArray[np.int32]
    """(m,); UNKNOWN where it is not said."""
    genuine_a: Places
    genuine_b: Places
    """(g,): the pairs of rows of one person."""
    partitions: Sequence[Column]
    """Of the m photographs."""
    thresholds: Sequence[Threshold]
    bootstrap: SubjectBootstrap | None


class Compared:
    """Changed probes against unchanged references: what matched, and how genuine pairs scored."""

    def __init__(
        self, unchanged: Unchanged, probes: Vectors, rows: Places, *, permit: Standing
    ) -> None:
        """Compare everybody.

        Args:
            unchanged: the references.
            probes: (p, d), of the photographs whose face was found after the change.
            rows: (p,): which of the m photographs these are, ascending.
            permit: covers COMPARE.

        Raises:
            PermitError: it does not.
        """
        self.unchanged, self.rows = unchanged, rows
        self.person = people(unchanged.subjects)
        lowest = min((each.score for each in unchanged.thresholds), default=np.inf)
        found = list(self._matches(probes, lowest, permit))
        self.probe = np.concatenate([each[0] for each in found]) if found else _NONE
        self.reference = np.concatenate([each[1] for each in found]) if found else _NONE
        self.scores = (
            np.concatenate([each[2] for each in found]) if found else np.zeros(0, np.float32)
        )
        at = np.full(len(unchanged.subjects), UNKNOWN, np.int64)
        at[rows] = np.arange(len(rows))
        a = np.concatenate([unchanged.genuine_a, unchanged.genuine_b])
        b = np.concatenate([unchanged.genuine_b, unchanged.genuine_a])
        there = at[a] != UNKNOWN
        self.genuine_a, self.genuine_b = a[there], b[there]
        self.genuine_scores = np.einsum(
            "ij,ij->i", probes[at[self.genuine_a]], unchanged.references[self.genuine_b]
        )

    def _matches(
        self, probes: Vectors, lowest: float, permit: Standing
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]]:
        """Probe's row, reference's row, score: of different people, from `lowest` on."""
        references = self.unchanged.references
        step = max(1, AT_ONCE // max(1, len(references)))
        for start in range(0, len(probes), step):
            require_step(permit, Touch.COMPARE)
            scores = probes[start : start + step] @ references.T
            probe, reference = np.nonzero(scores >= lowest)
            row = self.rows[start + probe].astype(np.int64)
            other = self.person[row] != self.person[reference]
            yield row[other], reference[other], scores[probe[other], reference[other]]

    def groups(self, changed: NDArray[np.bool_], at: Threshold) -> tuple[StressGroup, ...]:
        """Everybody, then each group of each partition.

        Args:
            changed: (m,): which photographs were changed and looked at.
            at: the threshold.
        """
        everybody = Column(("",), ("",), np.zeros(len(self.unchanged.subjects), np.int16))
        told: list[StressGroup] = []
        for column in (everybody, *self.unchanged.partitions):
            names = () if column is everybody else column.names
            told += self._of(column, names, changed, at)
        return tuple(told)

    def _of(
        self, column: Column, names: tuple[str, ...], changed: NDArray[np.bool_], at: Threshold
    ) -> Iterator[StressGroup]:
        count, codes = len(column.values), column.codes
        failures = self._failures(codes, count, changed)
        trials, errors = self._impostor(codes, count, at)
        fnmr = self._of_one_person(codes, count, at)
        persons = _people_of(self.person, codes, count)
        for group, name in enumerate(column.values):
            few = too_few_impostors(
                int(trials[group]), int(persons[group]), at.fmr_target, errors=int(errors[group])
            )
            yield StressGroup(
                columns=names,
                name=name,
                failures=failures[group],
                fmr=rate(int(errors[group]), int(trials[group]), too_few=few),
                fnmr=fnmr[group],
            )

    def _failures(
        self, codes: NDArray[np.int16], count: int, changed: NDArray[np.bool_]
    ) -> list[Rate]:
        found = np.zeros(len(codes), np.bool_)
        found[self.rows] = True
        inside = changed & (codes != UNKNOWN)
        looked = np.bincount(codes[inside], minlength=count)
        lost = np.bincount(codes[inside & ~found], minlength=count)
        return [rate(int(e), int(n)) for e, n in zip(lost, looked, strict=True)]

    def _impostor(
        self, codes: NDArray[np.int16], count: int, at: Threshold
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(count,) each: comparisons of two people within each group, and those that match."""
        above = self.scores >= at.score
        one, other = codes[self.probe[above]], codes[self.reference[above]]
        inside = (one == other) & (one != UNKNOWN)
        errors = np.bincount(one[inside], minlength=count)
        known = codes != UNKNOWN
        keys = self.person * count + np.maximum(codes, 0)
        cells = (int(self.person.max(initial=-1)) + 1) * count
        probed = self.rows[known[self.rows]]
        probes = np.bincount(keys[probed], minlength=cells).reshape(-1, count)
        references = np.bincount(keys[known], minlength=cells).reshape(-1, count)
        own = (probes * references).sum(axis=0)
        return probes.sum(axis=0) * references.sum(axis=0) - own, errors

    def _of_one_person(self, codes: NDArray[np.int16], count: int, at: Threshold) -> list[Rate]:
        a, b = self.genuine_a, self.genuine_b
        return genuine_rates(
            self.unchanged, a, b, self.genuine_scores < at.score, codes, count, self.person
        )


_NONE = np.zeros(0, np.int64)


def genuine_rates(
    unchanged: Unchanged,
    a: Places,
    b: Places,
    missed: NDArray[np.bool_],
    codes: NDArray[np.int16],
    count: int,
    person: NDArray[np.int64],
) -> list[Rate]:
    """The false non-match rate within each group, of comparisons of rows `a` with `b`."""
    groups = np.where(codes[a] == codes[b], codes[a], UNKNOWN)
    known = groups != UNKNOWN
    trials = np.bincount(groups[known], minlength=count)
    errors = np.bincount(groups[known & missed], minlength=count)
    drawn = None
    if unchanged.bootstrap is not None and len(a):
        drawn = unchanged.bootstrap.listed(a, b, missed, groups, count).replicates
    members = [len(np.unique(person[a[groups == group]])) for group in range(count)]
    return [
        rate(
            int(errors[group]),
            int(trials[group]),
            None if drawn is None else drawn[:, group],
            too_few=too_few_genuine(int(trials[group]), members[group]),
        )
        for group in range(count)
    ]


def stress_of(
    unchanged: Unchanged,
    probes: Vectors,
    rows: Places,
    changed: NDArray[np.bool_],
    *,
    kind: str,
    level: float,
    unit: str,
    permit: Standing,
) -> tuple[Stress, ...]:
    """One change at one level, at each threshold.

    Args:
        unchanged: the references.
        probes: (p, d): vectors of the changed photographs whose face was found.
        rows: (p,): which photographs these are.
        changed: (m,): which were changed and looked at.
        kind: the change's name.
        level: how much of it.
        unit: what the level means.
        permit: covers COMPARE.

    Raises:
        PermitError: it does not.
    """
    compared = Compared(unchanged, probes, rows, permit=permit)
    return tuple(
        Stress(
            kind=kind,
            level=level,
            unit=unit,
            fmr_target=at.fmr_target,
            threshold=at.score,
            groups=compared.groups(changed, at),
        )
        for at in unchanged.thresholds
    )


def years_apart(
    unchanged: Unchanged, scores: NDArray[np.float32], years: NDArray[np.float64]
) -> tuple[Stress, ...]:
    """False non-matches by the years between both photographs of a pair.

    Args:
        unchanged: whose genuine pairs are sorted.
        scores: (g,), of its genuine pairs.
        years: (m,): the year of each photograph, or the age of its subject then; NaN if unknown.
    """
    a, b = unchanged.genuine_a, unchanged.genuine_b
    gap = np.abs(years[a] - years[b])
    person = people(unchanged.subjects)
    everybody = Column(("",), ("",), np.zeros(len(unchanged.subjects), np.int16))
    told = []
    for low, high in zip(GAP_EDGES, (*GAP_EDGES[1:], np.inf), strict=True):
        inside = (gap >= low) & (gap < high)
        if not inside.any():
            continue
        for at in unchanged.thresholds:
            groups: list[StressGroup] = []
            for column in (everybody, *unchanged.partitions):
                rates = genuine_rates(
                    unchanged,
                    a[inside],
                    b[inside],
                    scores[inside] < at.score,
                    column.codes,
                    len(column.values),
                    person,
                )
                groups += [
                    StressGroup(
                        columns=() if column is everybody else column.names,
                        name=name,
                        failures=rate(0, 0, too_few="No photograph was changed."),
                        fmr=rate(0, 0, too_few="Only pairs of one person have a time between."),
                        fnmr=each,
                    )
                    for name, each in zip(column.values, rates, strict=True)
                ]
            told.append(
                Stress(
                    kind=YEARS_APART,
                    level=low,
                    unit=f"years between both photographs, to under {high:g}",
                    fmr_target=at.fmr_target,
                    threshold=at.score,
                    groups=tuple(groups),
                )
            )
    return tuple(told)


def _people_of(
    person: NDArray[np.int64], codes: NDArray[np.int16], count: int
) -> NDArray[np.int64]:
    """(count,): how many people each group has."""
    known = codes != UNKNOWN
    pairs = np.unique(np.stack([codes[known].astype(np.int64), person[known]], 1), axis=0)
    return np.bincount(pairs[:, 0], minlength=count)
