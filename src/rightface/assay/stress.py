"""How fast does each group degrade? The same photographs as probes again, changed in known ways.

    1. Each photograph that gave a face is changed (`changes`), looked at again, and compared as a
       probe with the unchanged references; never with its own unchanged self.
    2. The thresholds are those of the unchanged photographs.
    3. Failures are of photographs whose face was found before the change.

A genuine pair counts in both directions. No interval takes comparisons that share a person as
independent. Scores are not kept, nor matches (`false_matches`). Years between two photographs of
one person are a stress too: nothing is drawn, genuine pairs are sorted. Never knows files, a
command line or HTTP.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rightface.assay.bootstrap import SubjectBootstrap, people
from rightface.assay.cohorts import UNKNOWN, Column
from rightface.assay.false_matches import FalseMatches
from rightface.assay.intervals import rate, too_few_genuine
from rightface.assay.operating import Threshold
from rightface.assay.permits import Standing, require_step
from rightface.assay.result import Rate, Stress, StressGroup
from rightface.faces.packs import Vectors
from rightface.permit import Touch

AT_ONCE = 1 << 22
"""Scores that are held at once: 16 MiB, and six times as much if all of them match."""
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

    @property
    def everybody(self) -> Column:
        """All photographs as one group without a name."""
        return Column((), ("",), np.zeros(len(self.subjects), np.int16))


class ComparedAgain:
    """Changed probes against unchanged references: what matched, and how genuine pairs scored."""

    def __init__(
        self, unchanged: Unchanged, probes: Vectors, rows: Places, *, permit: Standing
    ) -> None:
        """Compare everybody.

        Args:
            unchanged: the references.
            probes: (p, d), of the photographs whose face was found after the change.
            rows: (p,): which of the m photographs these are, ascending.
            permit: covers COMPARE; one that is renewed where this may take minutes.

        Raises:
            PermitError, Refused: it does not, or not to the end.
        """
        require_step(permit, Touch.COMPARE)
        self.unchanged, self.rows = unchanged, rows
        self.person = people(unchanged.subjects)
        self.columns = (unchanged.everybody, *unchanged.partitions)
        self.false_matches = FalseMatches(self.person, rows, self.columns, unchanged.thresholds)
        self._match(probes, permit)
        at = np.full(len(unchanged.subjects), UNKNOWN, np.int64)
        at[rows] = np.arange(len(rows))
        a = np.concatenate([unchanged.genuine_a, unchanged.genuine_b])
        b = np.concatenate([unchanged.genuine_b, unchanged.genuine_a])
        there = at[a] != UNKNOWN
        self.genuine_a, self.genuine_b = a[there], b[there]
        self.genuine_scores = np.einsum(
            "ij,ij->i", probes[at[self.genuine_a]], unchanged.references[self.genuine_b]
        )

    def _match(self, probes: Vectors, permit: Standing) -> None:
        references = self.unchanged.references
        lowest = min((each.score for each in self.unchanged.thresholds), default=np.inf)
        step = max(1, AT_ONCE // max(1, len(references)))
        for start in range(0, len(probes), step):
            require_step(permit, Touch.COMPARE)
            scores = probes[start : start + step] @ references.T
            probe, reference = np.nonzero(scores >= np.float32(lowest))
            row = self.rows[start + probe].astype(np.int64)
            other = self.person[row] != self.person[reference]
            self.false_matches.add(
                row[other], reference[other], scores[probe[other], reference[other]]
            )

    def groups(self, changed: NDArray[np.bool_], t: int) -> tuple[StressGroup, ...]:
        """Everybody, then each group of each partition.

        Args:
            changed: (m,): which photographs were changed and looked at.
            t: which of the thresholds.
        """
        at = self.unchanged.thresholds[t]
        return tuple(
            StressGroup(columns=column.names, name=name, failures=lost, fmr=fmr, fnmr=fnmr)
            for c, column in enumerate(self.columns)
            for name, lost, fmr, fnmr in zip(
                column.values,
                self._failures(column, changed),
                self.false_matches.rates(c, t),
                self._of_one_person(column, at),
                strict=True,
            )
        )

    def _failures(self, column: Column, changed: NDArray[np.bool_]) -> list[Rate]:
        codes, count = column.codes, len(column.values)
        found = np.zeros(len(codes), np.bool_)
        found[self.rows] = True
        inside = changed & (codes != UNKNOWN)
        looked = np.bincount(codes[inside], minlength=count)
        lost = np.bincount(codes[inside & ~found], minlength=count)
        return [rate(int(e), int(n)) for e, n in zip(lost, looked, strict=True)]

    def _of_one_person(self, column: Column, at: Threshold) -> list[Rate]:
        missed = self.genuine_scores < at.score
        return genuine_rates(
            self.unchanged, self.genuine_a, self.genuine_b, missed, column, self.person
        )


def genuine_rates(
    unchanged: Unchanged,
    a: Places,
    b: Places,
    missed: NDArray[np.bool_],
    column: Column,
    person: NDArray[np.int64],
) -> list[Rate]:
    """The false non-match rate within each group, of comparisons of rows `a` with `b`."""
    codes, count = column.codes, len(column.values)
    groups = np.where(codes[a] == codes[b], codes[a], UNKNOWN)
    known = groups != UNKNOWN
    trials = np.bincount(groups[known], minlength=count)
    errors = np.bincount(groups[known & missed], minlength=count)
    drawn = None
    if unchanged.bootstrap is not None and len(a):
        drawn = unchanged.bootstrap.listed(a, b, missed, groups, count)
    members = [len(np.unique(person[a[groups == group]])) for group in range(count)]
    return [
        rate(
            int(errors[group]),
            int(trials[group]),
            None if drawn is None else drawn.replicates[:, group],
            units=members[group],
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
    compared = ComparedAgain(unchanged, probes, rows, permit=permit)
    return tuple(
        Stress(
            kind=kind,
            level=level,
            unit=unit,
            fmr_target=at.fmr_target,
            threshold=at.score,
            groups=compared.groups(changed, t),
        )
        for t, at in enumerate(unchanged.thresholds)
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
    told = []
    for low, high in zip(GAP_EDGES, (*GAP_EDGES[1:], np.inf), strict=True):
        inside = (gap >= low) & (gap < high)
        if not inside.any():
            continue
        for at in unchanged.thresholds:
            groups: list[StressGroup] = []
            for column in (unchanged.everybody, *unchanged.partitions):
                missed = scores[inside] < at.score
                rates = genuine_rates(unchanged, a[inside], b[inside], missed, column, person)
                groups += [
                    StressGroup(
                        columns=column.names,
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
