"""Searches of galleries of many sizes, open set: 1:N from the data set's own people.

In every draw some people are kept out of all galleries (their searches are non-mated); the others
are enrolled in a random order, and the gallery of size N is the first N of them. So galleries are
nested, and one pass over blocks of scores serves every size. Scores are never held; what stays of a
search is its mate's score and rank and its best false candidates at each size.

Sources: ISO/IEC 19795-1 (FPIR, FNIR); P. Grother, M. Ngan and K. Hanaoka, *FRVT Part 2:
Identification*, NIST IR 8271 (2019). Never knows files or how a template came to be.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rightface.assay.bootstrap import NOBODY
from rightface.assay.errors import AssayError
from rightface.assay.permits import Standing, require_step
from rightface.faces.packs import Vectors
from rightface.permit import Touch

DRAWS = 5
KEPT_OUT = 0.3
"""The share of people who are in no gallery."""
CANDIDATES = 10
"""The best false candidates that are kept of each non-mated search, for `prediction`."""
_PROBES_AT_ONCE = 1024
_REFERENCES_AT_ONCE = 4096

Enrol = Literal["one", "all-but-one"]
"""How many images of a person are enrolled: one, the others are probes; or all but one probe."""


@dataclass(frozen=True)
class NonMated:
    """Searches of people who are in no gallery, over all draws.

    K sizes, P searches, T thresholds.
    """

    sizes: tuple[int, ...]
    thresholds: tuple[float, ...]
    rows: NDArray[np.int32]
    """(P,): the probe's row."""
    best: NDArray[np.float32]
    """(P, K, CANDIDATES): the highest scores, descending; −∞ where the gallery has no more."""
    counts: NDArray[np.int32]
    """(P, K, T): how many candidates scored at least the threshold."""


@dataclass(frozen=True)
class Mated:
    """Searches of people of whom another image may be enrolled, over all draws: M searches."""

    rows: NDArray[np.int32]
    """(M,): the probe's row."""
    place: NDArray[np.int32]
    """(M,): the mate is enrolled in galleries larger than this."""
    score: NDArray[np.float32]
    """(M,): the mate's."""
    rank: NDArray[np.int32]
    """(M, K): 1 + the others who score at least as high; 0 where the mate is not enrolled."""


@dataclass(frozen=True)
class Searches:
    """What all searches of all draws found."""

    non_mated: NonMated
    mated: Mated
    left_out: int
    """Rows of which nobody knows whom they show."""


def search_all(
    probes: Vectors,
    references: Vectors,
    *,
    subjects: NDArray[np.int32],
    thresholds: Sequence[float],
    sizes: Sequence[int] = (),
    permit: Standing,
    enrol: Enrol = "one",
    kept_out: float = KEPT_OUT,
    draws: int = DRAWS,
    seed: int = 0,
) -> Searches:
    """Search galleries of `sizes` people (ascending) with every image that is not enrolled.

    `probes`, `references` (n, d): both sides of the comparison, row by row the same image;
    `subjects` (n,): NOBODY where unknown: such rows are left out. No `sizes`: halves of the largest
    possible one, down to 10.

    Raises:
        PermitError, Refused: the permit does not cover SEARCH, or not to the end.
        AssayError: too few people, or a size that they do not reach.
    """
    require_step(permit, Touch.SEARCH)
    if probes.shape != references.shape or len(subjects) != len(probes):
        raise AssayError("Probes, references and subjects must be given for the same rows.")
    broken = ~(np.isfinite(probes).all(axis=1) & np.isfinite(references).all(axis=1))
    if broken.any():
        first = int(broken.argmax()) + 1
        raise AssayError(f"{broken.sum()} templates are no numbers; the first is row {first}.")
    known = np.flatnonzero(subjects != NOBODY)
    people, person = np.unique(subjects[known], return_inverse=True)
    outside = max(1, round(kept_out * len(people)))
    largest = len(people) - outside
    if largest < 2:
        raise AssayError("A gallery and people outside it need at least three people.")
    sizes = tuple(sizes) or gallery_sizes(largest)
    if list(sizes) != sorted(set(sizes)) or sizes[0] < 1 or sizes[-1] > largest:
        raise AssayError(
            "These gallery sizes cannot be searched.",
            why=f"They must ascend, and at most {largest} people can be enrolled.",
        )
    rng = np.random.default_rng(seed)
    cuts = np.asarray(thresholds, np.float32)
    found: list[tuple[NonMated, Mated]] = []
    for _ in range(draws):
        plan = _planned(known, person, outside, enrol, rng)
        found.append(
            (
                _search_outsiders(probes, references, plan, sizes, cuts, permit),
                _search_insiders(probes, references, plan, sizes, permit),
            )
        )
    return _together(found, len(subjects) - len(known))


def gallery_sizes(largest: int) -> tuple[int, ...]:
    """`largest` and its halves down to 10, ascending."""
    sizes = [largest]
    while sizes[-1] // 2 >= 10:
        sizes.append(sizes[-1] // 2)
    return tuple(reversed(sizes))


@dataclass(frozen=True)
class _Plan:
    """Who is enrolled with which rows, in the order of enrolment, and who searches."""

    gallery: NDArray[np.int64]
    """(R,): rows, all of a person together."""
    first: NDArray[np.int64]
    """(E + 1,): where each enrolled person's rows begin in `gallery`; last its length."""
    insiders: NDArray[np.int64]
    """(M,): rows that search and whose person is enrolled."""
    place: NDArray[np.int64]
    """(M,): the place of that person in the order of enrolment."""
    outsiders: NDArray[np.int64]
    """(P,): rows that search and whose person is not enrolled."""


def _planned(
    rows: NDArray[np.int64],
    person: NDArray[np.int64],
    outside: int,
    enrol: Enrol,
    rng: np.random.Generator,
) -> _Plan:
    order = rng.permutation(int(person.max()) + 1)
    place_of = np.empty(len(order), np.int64)
    place_of[order] = np.arange(len(order)) - outside
    place = place_of[person]
    shuffled = rng.permutation(len(rows))
    by_place = shuffled[np.argsort(place[shuffled], kind="stable")]
    inside = by_place[place[by_place] >= 0]
    _, start, images = np.unique(place[inside], return_index=True, return_counts=True)
    chosen = np.zeros(len(inside), np.bool_)
    chosen[start] = True
    if enrol == "all-but-one":
        # The first image searches, where there is another one to find.
        chosen = ~chosen
        chosen[start[images == 1]] = True
    enrolled = place[inside[chosen]]
    return _Plan(
        gallery=rows[inside[chosen]],
        first=np.searchsorted(enrolled, np.arange(len(images) + 1)),
        insiders=rows[inside[~chosen]],
        place=place[inside[~chosen]],
        outsiders=rows[by_place[place[by_place] < 0]],
    )


def _portions(sizes: tuple[int, ...]) -> list[tuple[int, int, int | None]]:
    """Places from, to, and which size is reached with them; no portion is larger than fits."""
    made: list[tuple[int, int, int | None]] = []
    start = 0
    for k, size in enumerate(sizes):
        while start < size:
            end = min(size, start + _REFERENCES_AT_ONCE)
            made.append((start, end, k if end == size else None))
            start = end
    return made


def _scores(
    probes: Vectors, references: Vectors, plan: _Plan, start: int, end: int
) -> NDArray[np.float32]:
    """(probes, end − start): each with the best image of the people enrolled at those places."""
    rows = plan.gallery[plan.first[start] : plan.first[end]]
    scores = probes @ references[rows].T
    if len(rows) > end - start:
        begins = plan.first[start:end] - plan.first[start]
        scores = np.maximum.reduceat(scores, begins, axis=1)
    return np.asarray(scores, np.float32)


def _search_outsiders(
    probes: Vectors,
    references: Vectors,
    plan: _Plan,
    sizes: tuple[int, ...],
    thresholds: NDArray[np.float32],
    permit: Standing,
) -> NonMated:
    searched = len(plan.outsiders)
    best = np.full((searched, len(sizes), CANDIDATES), -np.inf, np.float32)
    counts = np.zeros((searched, len(sizes), len(thresholds)), np.int32)
    for some in _slices(searched):
        side = probes[plan.outsiders[some]]
        so_far = np.full((len(side), CANDIDATES), -np.inf, np.float32)
        above = np.zeros((len(side), len(thresholds)), np.int32)
        for start, end, k in _portions(sizes):
            require_step(permit, Touch.SEARCH)
            scores = _scores(side, references, plan, start, end)
            for t, threshold in enumerate(thresholds):
                above[:, t] += np.count_nonzero(scores >= threshold, axis=1).astype(np.int32)
            both = np.concatenate((so_far, scores), axis=1)
            so_far = np.partition(both, -CANDIDATES, axis=1)[:, -CANDIDATES:]
            if k is not None:
                best[some, k] = -np.sort(-so_far, axis=1)
                counts[some, k] = above
    rows = plan.outsiders.astype(np.int32)
    return NonMated(sizes, tuple(float(t) for t in thresholds), rows, best, counts)


def _search_insiders(
    probes: Vectors,
    references: Vectors,
    plan: _Plan,
    sizes: tuple[int, ...],
    permit: Standing,
) -> Mated:
    mate = _mate_scores(probes, references, plan)
    rank = np.zeros((len(mate), len(sizes)), np.int32)
    for some in _slices(len(mate)):
        side, place, own = probes[plan.insiders[some]], plan.place[some], mate[some]
        ahead = np.zeros(len(own), np.int32)
        for start, end, k in _portions(sizes):
            require_step(permit, Touch.SEARCH)
            scores = _scores(side, references, plan, start, end)
            here = np.flatnonzero((place >= start) & (place < end))
            scores[here, place[here] - start] = -np.inf
            ahead += np.count_nonzero(scores >= own[:, None], axis=1).astype(np.int32)
            if k is not None:
                rank[some, k] = np.where(place < end, 1 + ahead, 0)
    return Mated(plan.insiders.astype(np.int32), plan.place.astype(np.int32), mate, rank)


def _mate_scores(probes: Vectors, references: Vectors, plan: _Plan) -> NDArray[np.float32]:
    mates = plan.first[plan.place + 1] - plan.first[plan.place]
    score = np.full(len(mates), -np.inf, np.float32)
    for nth in range(int(mates.max(initial=0))):
        having = np.flatnonzero(mates > nth)
        rows = plan.gallery[plan.first[plan.place[having]] + nth]
        with_it = np.einsum("nd,nd->n", probes[plan.insiders[having]], references[rows])
        score[having] = np.maximum(score[having], with_it)
    return score


def _slices(count: int) -> list[slice]:
    return [slice(at, min(count, at + _PROBES_AT_ONCE)) for at in range(0, count, _PROBES_AT_ONCE)]


def _together(found: list[tuple[NonMated, Mated]], left_out: int) -> Searches:
    outside, inside = [one for one, _ in found], [one for _, one in found]
    return Searches(
        NonMated(
            outside[0].sizes,
            outside[0].thresholds,
            np.concatenate([one.rows for one in outside]),
            np.concatenate([one.best for one in outside]),
            np.concatenate([one.counts for one in outside]),
        ),
        Mated(
            np.concatenate([one.rows for one in inside]),
            np.concatenate([one.place for one in inside]),
            np.concatenate([one.score for one in inside]),
            np.concatenate([one.rank for one in inside]),
        ),
        left_out,
    )
