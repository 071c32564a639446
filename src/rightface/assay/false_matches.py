"""False match rates from how many false matches each photograph is in, however many there are.

Where everybody is compared with everybody and much matches, matches cannot be kept one by one. Kept
is, for each threshold and each way of splitting people, in how many false matches within its group
each photograph is, as probe or as reference: so memory grows with photographs alone.

Comparisons that share a person are not independent. With e_i of the E false matches and n_i of
the N comparisons having the person i on either side, and FMR = E / N, the variance of E is

    A − K,  A = Σ (e_i − FMR · n_i)²,

with K the sum over pairs of people of their matches squared (Aronow, Samii and Assenova, "Cluster-
robust variance estimation for dyadic data", Political Analysis 23 (2015) 564-577). Of K only a
lower bound is known, E · (1 − FMR), so the interval is rather too wide than too narrow. It is
Wilson's, of as many independent trials as have that variance. Never knows templates, images or what
was changed in them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rightface.assay.cohorts import UNKNOWN, Column
from rightface.assay.intervals import rate, too_few_impostors
from rightface.assay.operating import Threshold
from rightface.assay.result import Rate

Ints = NDArray[np.int64]


class FalseMatches:
    """Within every group of every column, at every threshold."""

    def __init__(
        self,
        person: Ints,
        probes: NDArray[np.int32],
        columns: Sequence[Column],
        thresholds: Sequence[Threshold],
    ) -> None:
        """Nothing is compared yet.

        Args:
            person: (m,): who each photograph shows, 0, 1, …
            probes: (p,): which of them are probes; all are references.
            columns: ways to split the m photographs.
            thresholds: at which a comparison is a match.
        """
        self._person, self._columns, self._thresholds = person, columns, thresholds
        self._is_probe = np.zeros(len(person), np.bool_)
        self._is_probe[probes] = True
        self._as_probe = np.zeros((len(thresholds), len(columns), len(person)), np.int64)
        self._as_reference = np.zeros_like(self._as_probe)

    def add(self, probe: Ints, reference: Ints, scores: NDArray[np.float32]) -> None:
        """Comparisons of two people (k,): all those at or above the lowest threshold, once each."""
        count = len(self._person)
        for t, at in enumerate(self._thresholds):
            above = scores >= np.float32(at.score)
            a, b = probe[above], reference[above]
            for c, column in enumerate(self._columns):
                codes = column.codes
                inside = (codes[a] == codes[b]) & (codes[a] != UNKNOWN)
                self._as_probe[t, c] += np.bincount(a[inside], minlength=count)
                self._as_reference[t, c] += np.bincount(b[inside], minlength=count)

    def rates(self, c: int, t: int) -> list[Rate]:
        """The false match rate within each group of column `c` at threshold `t`."""
        column, at = self._columns[c], self._thresholds[t]
        codes, count = column.codes, len(column.values)
        known = np.flatnonzero(codes != UNKNOWN)
        keys, place = np.unique(self._person[known] * count + codes[known], return_inverse=True)
        group = keys % max(count, 1)

        def of_person(of_row: NDArray[np.int64] | NDArray[np.bool_]) -> Ints:
            return np.bincount(place, of_row[known], minlength=len(keys)).astype(np.int64)

        matches = of_person(self._as_probe[t, c])
        probes, references = of_person(self._is_probe), of_person(np.ones(len(codes), np.bool_))
        all_probes, all_references = (
            _by_group(group, probes, count),
            _by_group(group, references, count),
        )
        others = probes * (all_references[group] - references)
        errors, trials = _by_group(group, matches, count), _by_group(group, others, count)
        in_errors = matches + of_person(self._as_reference[t, c])
        in_trials = others + references * (all_probes[group] - probes)
        worth = _worth(group, in_errors, in_trials, errors, trials)
        people = np.bincount(group, minlength=count)
        without = np.bincount(group[probes == 0], minlength=count)
        # Of two people one at least is a probe.
        pairs = people * (people - 1) // 2 - without * (without - 1) // 2
        return [
            rate(
                int(errors[g]),
                int(trials[g]),
                independent=int(worth[g]),
                units=int(pairs[g]),
                too_few=too_few_impostors(
                    int(trials[g]),
                    int(people[g]),
                    at.fmr_target,
                    pairs=int(pairs[g]),
                    errors=int(errors[g]),
                ),
            )
            for g in range(count)
        ]


def _by_group(group: Ints, counts: Ints, group_count: int) -> Ints:
    return np.bincount(group, counts, minlength=group_count).astype(np.int64)


def _worth(
    group: Ints, in_errors: Ints, in_trials: Ints, errors: Ints, trials: Ints
) -> NDArray[np.int64]:
    """(G,): as how many independent trials a group's count; all of them where nothing is wrong."""
    rates = errors / np.maximum(trials, 1)
    spread = np.bincount(
        group, (in_errors - rates[group] * in_trials) ** 2.0, minlength=len(trials)
    )
    independent = errors * (1 - rates)
    variance = np.maximum(spread - independent, independent)
    share = np.divide(independent, variance, out=np.ones(len(trials)), where=variance > 0)
    return np.maximum(1, trials * share).astype(np.int64)
