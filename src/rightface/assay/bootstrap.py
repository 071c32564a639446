"""How a rate would have come out with other people: the bootstrap over subjects.

Comparisons that share a person are not independent, so people are drawn, not comparisons. In each
replicate a person counts as often as drawn: a genuine comparison w times, an impostor comparison of
two people w_a · w_b times, and

    FMR* = Σ w_a w_b [match] / Σ w_a w_b,    FNMR* = Σ w_a [miss] / Σ w_a.

The copies of one person are never compared with one another: that would put the replicates beside
the rate (Conti and Clémençon). And drawing both people of a pair overstates the spread, threefold
where matches have nothing to do with one another, so the replicates of impostor rates are drawn
together to the variance that comparisons with a shared member have (`nearness`). Only labels,
matches and misses come in; never a template.

Sources: R. M. Bolle, N. K. Ratha and S. Pankanti, "Error analysis of pattern recognition systems:
the subsets bootstrap", CVIU 93 (2004) 1-33; M. E. Schuckers, *Computational Methods in Biometric
Authentication* (2010); J.-R. Conti and S. Clémençon, "Assessing uncertainty in similarity scoring:
performance & fairness in face recognition", ICLR 2024, arXiv:2211.07245; the variance: P. M.
Aronow, C. Samii and V. A. Assenova, "Cluster-robust variance estimation for dyadic data", Political
Analysis 23 (2015) 564-577.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from rightface.assay.cohorts import UNKNOWN
from rightface.assay.errors import AssayError
from rightface.assay.intervals import CONFIDENCE

REPLICATES = 1000
NOBODY = -1
"""The subject of a row of which nobody knows whom it shows; it is taken for a person of its own."""
_AT_ONCE = 2048
_TAIL = (1 - CONFIDENCE) / 2

Ints: TypeAlias = NDArray[np.integer]
"""(k,): row numbers, people, cells or counts."""
Floats: TypeAlias = NDArray[np.float64]
Weights: TypeAlias = NDArray[np.uint8]
"""(S, B): how often each of S people was drawn in each of B replicates."""


@dataclass(frozen=True)
class Listed:
    """Errors in trials of every group (G,), and the rates of each replicate."""

    errors: NDArray[np.int64]
    trials: NDArray[np.int64]
    replicates: Floats
    """(B, G): NaN where nobody of a group was drawn."""
    units: NDArray[np.int64]
    """How many people they are of; of comparisons of two people, how many pairs of people."""

    @property
    def deviations(self) -> Floats:
        """(G,): of the replicates; NaN where nobody was ever drawn."""
        return np.asarray(_spread_of(self.replicates.T)[2])


@dataclass(frozen=True)
class Between:
    """Errors in trials between every two groups (G, G), and how far the replicates' rates spread.

    NaN where nobody was ever drawn.
    """

    errors: NDArray[np.int64]
    trials: NDArray[np.int64]
    lows: Floats
    """The 2.5 % points."""
    highs: Floats
    """The 97.5 % points."""
    deviations: Floats
    pairs: NDArray[np.int64]
    """How many pairs of people were compared."""


class SubjectBootstrap:
    """Replicates of one data set. Its people are drawn once, so all its figures belong together.

    It holds S · B bytes for S people.
    """

    def __init__(self, subjects: Ints, *, replicates: int = REPLICATES, seed: int = 0) -> None:
        """`subjects` (n,): the person of every row; NOBODY where unknown.

        Raises:
            AssayError: fewer than two people, or fewer than two replicates.
        """
        self.person = people(subjects)
        self.count = int(self.person.max(initial=-1)) + 1
        if self.count < 2 or replicates < 2:
            raise AssayError("A bootstrap needs at least two people and two replicates.")
        self.replicates = replicates
        rng = np.random.default_rng(seed)
        drawn = np.empty((replicates, self.count), np.uint8)
        for row in drawn:
            row[:] = np.bincount(rng.integers(0, self.count, self.count), minlength=self.count)
        self.weights: Weights = np.ascontiguousarray(drawn.T)

    def listed(
        self, a: Ints, b: Ints, errors: NDArray[np.bool_], cells: Ints, cell_count: int
    ) -> Listed:
        """Rates of the comparisons of rows `a` with rows `b` (k,), of which `errors` went wrong.

        `cells` (k,): the group of each, 0 to `cell_count` − 1; UNKNOWN counts nowhere. For genuine
        comparisons, searches (a is b: the probe) and lists of pairs.
        """
        known = cells != UNKNOWN
        first, second = self.person[a[known]], self.person[b[known]]
        wrong, cell = errors[known], np.asarray(cells[known], np.int64)
        trials = np.bincount(cell, minlength=cell_count)
        failed = np.bincount(cell[wrong], minlength=cell_count)
        rates = _divide(failed, trials)
        replicates = _divide(
            self._drawn(first[wrong], second[wrong], cell[wrong], cell_count),
            self._drawn(first, second, cell, cell_count),
        )
        keys, place = np.unique(
            np.concatenate((first, second)) * cell_count + np.tile(cell, 2), return_inverse=True
        )
        touched = np.bincount(place)
        touching = np.bincount(place, np.tile(wrong, 2))
        of_cell = keys % cell_count
        spread = _squares(of_cell, touching - rates[of_cell] * touched, cell_count)
        near_by = nearness(
            spread,
            _repeats(first[wrong], second[wrong], cell[wrong], cell_count) * (1 - rates),
        )
        # Genuine comparisons were drawn once, not twice.
        near_by[np.bincount(cell[first == second], minlength=cell_count) > 0] = 1.0
        near = rates[:, None] + near_by[:, None] * (replicates - rates[:, None])
        return Listed(failed, trials, near.T, self.units(a, b, cells, cell_count))

    def units(self, a: Ints, b: Ints, cells: Ints, cell_count: int) -> NDArray[np.int64]:
        """(cell_count,): how many different pairs of people the rows `a` and `b` (k,) show.

        A person with itself is one too. `cells` (k,): as for `listed`.
        """
        known = cells != UNKNOWN
        first, second = self.person[a[known]], self.person[b[known]]
        pairs = np.minimum(first, second) * self.count + np.maximum(first, second)
        different = np.unique(pairs * cell_count + np.asarray(cells[known], np.int64))
        return np.bincount(different % cell_count, minlength=cell_count)

    def among(
        self, a: Ints, b: Ints, errors: NDArray[np.bool_], groups: Ints, group_count: int
    ) -> Between:
        """The same of listed comparisons of two people, between every two groups.

        `groups` (n,): of the rows, UNKNOWN in none. For comparisons that are not everybody's with
        everybody: pairs that were asked about.
        """
        codes = np.asarray(groups, np.int64)
        low, high = np.minimum(codes[a], codes[b]), np.maximum(codes[a], codes[b])
        known = low != UNKNOWN
        cells, place = np.unique(
            low[known] * group_count + high[known], return_inverse=True
        )  # only those that there are: a table of all would not fit
        told = self.listed(a[known], b[known], errors[known], place, len(cells))
        one, other = np.divmod(cells, group_count)
        square = (group_count, group_count)
        wrong, trials, pairs = np.zeros((3, *square), np.int64)
        lows, highs, deviations = np.full((3, *square), np.nan)
        counted = (told.errors, told.trials, told.units)
        for counts, found in zip((wrong, trials, pairs), counted, strict=True):
            counts[one, other] = counts[other, one] = found
        spread = _spread_of(told.replicates.T)
        for table, figures in zip((lows, highs, deviations), spread, strict=True):
            table[one, other] = table[other, one] = figures
        return Between(wrong, trials, lows, highs, deviations, pairs)

    def everybody(self, groups: Ints, group_count: int) -> Everybody:
        """All pairs of rows of different people, split by `groups` (n,), UNKNOWN in none."""
        return Everybody(self, groups, group_count)

    def _drawn(self, first: Ints, second: Ints, cells: Ints, cell_count: int) -> Floats:
        """(cell_count, B): how many comparisons of each cell there are in each replicate."""
        one = first == second
        genuine = self.sums(cells[one], cell_count, first[one])
        return genuine + self.sums(cells[~one], cell_count, first[~one], second[~one])

    def sums(
        self,
        cells: Ints,
        cell_count: int,
        first: Ints,
        second: Ints | None = None,
        counts: Ints | Floats | None = None,
    ) -> Floats:
        """(cell_count, B): Σ counts · w_first, or Σ counts · w_first · w_second, by cell."""
        total = np.zeros((cell_count, self.replicates))
        order = np.argsort(cells, kind="stable")
        for start in range(0, len(order), _AT_ONCE):
            some = order[start : start + _AT_ONCE]
            part = self.weights[first[some]].astype(np.float32)
            if second is not None:
                part *= self.weights[second[some]]
            if counts is not None:
                part *= np.asarray(counts[some], np.float32)[:, None]
            cell, starts = np.unique(cells[some], return_index=True)
            total[cell] += np.add.reduceat(part, starts, axis=0)
        return total


class Everybody:
    """Every row with every row of another person, by pairs of groups; for any set of matches.

    Replicates are made for one group with all others at a time, and only their spread is kept: so
    it holds some 30 · G · B bytes more than the bootstrap does, and never B · G².
    """

    def __init__(self, bootstrap: SubjectBootstrap, groups: Ints, group_count: int) -> None:
        """`groups` (n,): UNKNOWN, or 0 to `group_count` − 1.

        Raises:
            AssayError: `groups` is not as long as the subjects are.
        """
        if groups.shape != bootstrap.person.shape:
            raise AssayError("Groups and subjects must be given for the same rows.")
        self._bootstrap = bootstrap
        self._groups = np.asarray(groups, np.int64)
        self._count = group_count
        known = self._groups != UNKNOWN
        keys = bootstrap.person[known] * group_count + self._groups[known]
        rows = np.bincount(keys, minlength=bootstrap.count * group_count)
        self._rows: Floats = rows.reshape(bootstrap.count, group_count).astype(np.float64)
        self._total: Floats = self._rows.sum(axis=0)
        self.trials = self._pairs().astype(np.int64)
        self.pairs = self._pairs_of_people()
        person, group = np.nonzero(self._rows)
        self._total_drawn = bootstrap.sums(
            group, group_count, person, counts=self._rows[person, group]
        )
        self._trials_squared = self._square_trials()

    def matches(self, a: Ints, b: Ints) -> Between:
        """False match rates, symmetric, if rows `a` match rows `b` (k,) and no others do.

        `a` and `b` are rows of different people, each pair once.

        Raises:
            AssayError: a pair of one person.
        """
        first, second = self._bootstrap.person[a], self._bootstrap.person[b]
        if (first == second).any():
            raise AssayError("A false match is one of two people; a pair is of one.")
        low, high = (
            np.minimum(self._groups[a], self._groups[b]),
            np.maximum(self._groups[a], self._groups[b]),
        )
        known = low != UNKNOWN
        first, second, cell = first[known], second[known], (low * self._count + high)[known]
        cells = self._count**2
        errors = self._square(np.bincount(cell, minlength=cells)).astype(np.int64)
        rates = _divide(errors, self.trials)
        repeats = self._square(_repeats(first, second, cell, cells)) * (1 - rates)
        near_by = nearness(self._spread(first, second, cell, rates), repeats)
        lows, highs, deviations = np.full((3, self._count, self._count), np.nan)
        inside, beside = np.divmod(cell, self._count)
        for g in range(self._count):
            here = inside == g
            drawn = self._bootstrap.sums(beside[here], self._count, first[here], second[here])
            replicates = _divide(drawn, self._trials_drawn(g))[g:]
            near = rates[g, g:, None] + near_by[g, g:, None] * (replicates - rates[g, g:, None])
            for told, figure in zip((lows, highs, deviations), _spread_of(near), strict=True):
                told[g, g:] = told[g:, g] = figure
        return Between(errors, self.trials, lows, highs, deviations, self.pairs)

    def _trials_drawn(self, g: int) -> Floats:
        """(G, B): the pairs of group `g` with each; the copies of a person make no pair."""
        bootstrap, total = self._bootstrap, self._total_drawn
        inside = np.flatnonzero(self._rows[:, g])
        beside, h = np.nonzero(self._rows[inside])
        person = inside[beside]
        both = self._rows[person, g] * self._rows[person, h]
        pairs = total[g] * total - bootstrap.sums(h, self._count, person, person, both)
        pairs[g] /= 2
        return np.asarray(pairs)

    def _pairs(self) -> Floats:
        """(G, G): pairs of different people."""
        pairs = np.outer(self._total, self._total) - self._rows.T @ self._rows
        np.fill_diagonal(pairs, np.diag(pairs) / 2)
        return np.asarray(pairs)

    def _pairs_of_people(self) -> NDArray[np.int64]:
        """(G, G): in which one is of the one group, and the other of the other."""
        there = (self._rows > 0).astype(np.float64)
        both, people = there.T @ there, there.sum(axis=0)
        # Two people who are both in both groups are one pair, whoever of them stands for which.
        pairs = np.outer(people, people) - both - both * (both - 1) / 2
        return np.asarray(pairs, np.int64)

    def _spread(self, first: Ints, second: Ints, cell: Ints, rates: Floats) -> Floats:
        """(G, G): Σ over people of (their matches − rate · their trials)²."""
        cells = self._count**2
        keys, touching = np.unique(
            np.concatenate((first, second)) * cells + np.tile(cell, 2), return_counts=True
        )
        person, place = np.divmod(keys, cells)
        g, h = np.divmod(place, self._count)
        touched = self._touched(person, g, h)
        squares = self._square(_squares(place, touching, cells))
        mixed = self._square(np.bincount(place, touching * touched, minlength=cells))
        return np.asarray(squares - 2 * rates * mixed + rates**2 * self._trials_squared)

    def _square_trials(self) -> Floats:
        """(G, G): Σ over people of (the pairs between two groups that they are in)²."""
        rows, total, squared = self._rows, self._total, self._rows**2
        one, other = total[:, None], total[None, :]
        own, mixed = squared.sum(axis=0), squared.T @ rows
        # (r_g N_h + r_h N_g − 2 r_g r_h)², multiplied out.
        across = (
            other**2 * own[:, None]
            + one**2 * own[None, :]
            + 4 * (squared.T @ squared)
            + 2 * one * other * (rows.T @ rows)
            - 4 * (other * mixed + one * mixed.T)
        )
        diagonal = np.arange(len(total))
        across[diagonal, diagonal] = (squared * (total - rows) ** 2).sum(axis=0)
        return np.asarray(across)

    def _touched(self, person: Ints, g: Ints, h: Ints) -> Floats:
        """How many pairs between the groups `g` and `h` each person is in."""
        one, other = self._rows[person, g], self._rows[person, h]
        across = one * (self._total[h] - other) + other * (self._total[g] - one)
        return np.asarray(np.where(g == h, one * (self._total[g] - one), across))

    def _square(self, cells: Floats | NDArray[np.int64]) -> Floats:
        """Counts of (lower, higher) group as a symmetric square."""
        half = np.asarray(cells, np.float64).reshape(self._count, self._count)
        return np.asarray(half + half.T - np.diag(np.diag(half)))


def people(subjects: Ints) -> NDArray[np.int64]:
    """(n,): the person of each row as 0, 1, …; rows of NOBODY become people of their own."""
    known = subjects != NOBODY
    values, place = np.unique(subjects[known], return_inverse=True)
    person = np.empty(len(subjects), np.int64)
    person[known] = place
    person[~known] = len(values) + np.arange(len(subjects) - len(place))
    return person


def _spread_of(replicates: Floats) -> Floats:
    """(3, k): the 2.5 % and 97.5 % points and the deviation of (k, B), NaN left out."""
    told, known = np.full((3, len(replicates)), np.nan), np.isfinite(replicates)
    whole = known.all(axis=1)
    drawn = replicates[whole]
    if drawn.size:
        told[:, whole] = *np.quantile(drawn, (_TAIL, 1 - _TAIL), axis=1), drawn.std(axis=1)
    for row in np.flatnonzero(known.any(axis=1) & ~whole):
        drawn = replicates[row, known[row]]
        told[:, row] = *np.quantile(drawn, (_TAIL, 1 - _TAIL)), drawn.std()
    return told


def _squares(cells: Ints, numbers: Floats | Ints, cell_count: int) -> Floats:
    """(cell_count,): Σ numbers², by cell."""
    squares = np.asarray(numbers, np.float64) ** 2
    return np.asarray(np.bincount(cells, squares, minlength=cell_count), np.float64)


def _repeats(first: Ints, second: Ints, cells: Ints, cell_count: int) -> Floats:
    """(cell_count,): Σ over pairs of people of their matches squared."""
    pairs = np.stack((np.minimum(first, second), np.maximum(first, second), cells))
    unique, counts = np.unique(pairs, axis=1, return_counts=True)
    return _squares(unique[2], counts, cell_count)


def nearness(spread: Floats, repeats: Floats) -> Floats:
    """What the distances of replicates from the rate are multiplied with, √(true / drawn variance).

    With A = Σ_people (matches − rate · trials)² and K = Σ_pairs of people (matches²): comparisons
    that share a member have the variance A − K (Aronow et al. 2015), weights w_a · w_b give A + K.
    Never below what independent comparisons have, K.
    """
    true = np.maximum(spread - repeats, repeats)
    return np.sqrt(np.divide(true, spread + repeats, out=np.ones_like(true), where=true > 0))


def _divide(errors: Floats | NDArray[np.int64], trials: Floats | NDArray[np.int64]) -> Floats:
    above, below = np.asarray(errors, np.float64), np.asarray(trials, np.float64)
    return np.divide(above, below, out=np.full_like(below, np.nan), where=below > 0)
