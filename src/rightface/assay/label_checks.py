"""Labels that look wrong, from scores and subjects alone. Nothing is changed for it.

Two kinds, each a suspicion and no more, since a model that errs looks like a label that does:

    1. An image that matches none of its own subject's others, and matches another subject's: it
       looks swapped, or like a copy of somebody else's photograph.
    2. Two subjects whose images all match each other, and as well as one person's images usually
       do: they may be one person under two names.

Both are judged at a threshold that CHANCE of n impostor comparisons reach, or 1 in 100,000 if that
are more: by chance at most twice as many images match somebody else. Of those, such are suspected
wrongly as match none of their own at a rate ten times as lax; of a model for which that is a share
q of all images, about 2 · q · max(CHANCE, n / 100,000). Twins and look-alikes are found too. What
was measured is in docs/assay-data.md. Never knows an image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rightface.assay.cohorts import UNKNOWN
from rightface.assay.comparisons import Comparisons
from rightface.assay.counts import Counts
from rightface.assay.errors import AssayError
from rightface.assay.intervals import RULE_OF_30
from rightface.assay.rates import threshold_at
from rightface.assay.result import Suspicion

MOST = 50
"""So many suspicions of each kind are told one by one, the strongest first."""

CHANCE = RULE_OF_30
STRICTEST = 1e-5
"""No threshold is set for a smaller false match rate."""
LAXER = 10
"""An image's own others must not even match at a rate so many times as large."""
LEAST_IMPOSTORS = 3_000
"""Below, CHANCE of them are more than one in a hundred."""
SWAPPED = "photographs under a wrong person's name."


@dataclass(frozen=True)
class Looked:
    """What was found, and what was not looked for, with the reason."""

    suspicions: tuple[Suspicion, ...] = ()
    not_checked: tuple[str, ...] = ()


class Scored(Protocol):
    """Comparisons of images, by their places; all arrays are parallel."""

    @property
    def scores(self) -> NDArray[np.float32]:
        """(k,)"""

    @property
    def a(self) -> NDArray[np.int32]:
        """(k,)"""

    @property
    def b(self) -> NDArray[np.int32]:
        """(k,)"""


class Complete(Scored, Protocol):
    """All comparisons that scored at least `above`."""

    @property
    def above(self) -> float:
        """A score."""


def look_through(
    comparisons: Comparisons,
    everybody: Counts,
    subjects: NDArray[np.int32],
    numbers: NDArray[np.int64],
) -> Looked:
    """Labels that look wrong, where there are comparisons enough to tell.

    Args:
        comparisons: of m rows.
        everybody: all impostor comparisons.
        subjects: (m,)
        numbers: (m,): the rows' numbers in the manifest.
    """
    if not len(comparisons.genuine.scores):
        return Looked(not_checked=(f"{SWAPPED} Nobody is known to be on two photographs.",))
    if everybody.total < LEAST_IMPOSTORS:
        why = f"It takes {LEAST_IMPOSTORS:,} comparisons of different people"
        return Looked(not_checked=(f"{SWAPPED} {why}, and there are {everybody.total:,}.",))
    rate = max(STRICTEST, CHANCE / everybody.total)
    threshold, own = threshold_at(everybody, rate), threshold_at(everybody, LAXER * rate)
    if threshold is None or own is None or comparisons.leads.above > threshold:
        why = f"Too many scores are alike for a false match rate of {rate:.1g}."
        return Looked(not_checked=(f"{SWAPPED} {why}",))
    found = swapped(
        comparisons.genuine,
        comparisons.leads,
        subjects=subjects,
        numbers=numbers,
        threshold=threshold,
        own_threshold=min(own, threshold),
    )
    return Looked(found)


def swapped(
    genuine: Scored,
    leads: Complete,
    *,
    subjects: NDArray[np.int32],
    numbers: NDArray[np.int64],
    threshold: float,
    own_threshold: float,
) -> tuple[Suspicion, ...]:
    """Both kinds of suspicion.

    Args:
        genuine: every comparison of two images of one subject.
        leads: every comparison of two subjects from `leads.above` on.
        subjects: (n,), of each image; UNKNOWN where it is not said.
        numbers: (n,), the images' rows in the manifest.
        threshold: what counts as a match of two subjects.
        own_threshold: what a subject's own images must not reach; laxer.

    Raises:
        AssayError: the leads do not go down to `threshold`, or the own threshold is the stricter.
    """
    if leads.above > threshold or own_threshold > threshold:
        raise AssayError(
            "Labels cannot be checked at this threshold.",
            why="The comparisons of different people are not complete down to it, "
            "or the threshold of one person's images is stricter.",
        )
    strong = leads.scores >= threshold
    strong &= (subjects[leads.a] != UNKNOWN) & (subjects[leads.b] != UNKNOWN)
    scores, a, b = leads.scores[strong], leads.a[strong], leads.b[strong]
    misplaced = _misplaced(genuine, scores, a, b, len(subjects), own_threshold)
    told = [
        Suspicion(
            what=f"The image of row {numbers[image]} matches none of its own person's others; "
            f"it looks like that of row {numbers[like]}.",
            rows=(int(numbers[image]), int(numbers[like])),
        )
        for image, like in misplaced[:MOST]
    ]
    told += _more(len(misplaced), "images match another person's and none of their own")
    one_person = _one_person(genuine, scores, a, b, subjects)
    told += [
        Suspicion(
            what=f"The people of rows {numbers[first]} and {numbers[second]} may be one person.",
            rows=(int(numbers[first]), int(numbers[second])),
        )
        for first, second in one_person[:MOST]
    ]
    told += _more(len(one_person), "pairs of people may be one person each")
    return tuple(told)


def _misplaced(
    genuine: Scored,
    scores: NDArray[np.float32],
    a: NDArray[np.int32],
    b: NDArray[np.int32],
    images: int,
    own_threshold: float,
) -> list[tuple[int, int]]:
    """The image, and the one that it looks most like; the clearest first."""
    own = np.full(images, -np.inf, np.float32)
    np.maximum.at(own, genuine.a, genuine.scores)
    np.maximum.at(own, genuine.b, genuine.scores)
    has_others = np.isfinite(own)
    image, like, score = np.concatenate([a, b]), np.concatenate([b, a]), np.tile(scores, 2)
    wrong = has_others[image] & (own[image] < own_threshold)
    image, like, score = image[wrong], like[wrong], score[wrong]
    clearest = np.argsort(own[image] - score, kind="stable")
    _, first = np.unique(image[clearest], return_index=True)
    return [(int(image[place]), int(like[place])) for place in clearest[np.sort(first)]]


def _one_person(
    genuine: Scored,
    scores: NDArray[np.float32],
    a: NDArray[np.int32],
    b: NDArray[np.int32],
    subjects: NDArray[np.int32],
) -> list[tuple[int, int]]:
    """An image of each of the two; the most alike first."""
    if not len(genuine.scores) or not len(scores):
        return []
    usual = float(np.median(genuine.scores))
    images = np.bincount(subjects[subjects != UNKNOWN]).astype(np.int64)
    low = np.minimum(subjects[a], subjects[b]).astype(np.int64)
    high = np.maximum(subjects[a], subjects[b]).astype(np.int64)
    two, first, which = np.unique(low * len(images) + high, return_index=True, return_inverse=True)
    met = np.bincount(which)
    mean = np.bincount(which, weights=scores) / met
    all_meet = met == images[two // len(images)] * images[two % len(images)]
    found = np.flatnonzero(all_meet & (mean >= usual))
    found = found[np.argsort(-mean[found], kind="stable")]
    return [(int(a[first[place]]), int(b[first[place]])) for place in found]


def _more(found: int, what: str) -> Sequence[Suspicion]:
    if found <= MOST:
        return ()
    return (Suspicion(what=f"{found} {what}; {MOST} are told.", rows=()),)
