"""Which pairs a service is asked about: stated, or drawn by their number and never listed.

A file outside the images' folder is in no plan: what is in it is sent away. Never knows a service,
a score, or what a photograph shows; opens none.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rightface.assay.cohorts import UNKNOWN
from rightface.assay.errors import AssayError, ManifestError
from rightface.assay.exclusions import named
from rightface.assay.manifest import Manifest


@dataclass(frozen=True)
class Plan:
    """Which images are compared, as places in the manifest's images."""

    a: NDArray[np.int32]
    b: NDArray[np.int32]
    same: NDArray[np.bool_]
    digest: str

    def __len__(self) -> int:
        return len(self.a)


def plan_pairs(manifest: Manifest, *, genuine: int, impostor: int, seed: int = 0) -> Plan:
    """The pairs to ask about: the manifest's own if it states some, else drawn.

    Args:
        manifest: the data set.
        genuine: at most so many genuine pairs; 0: all.
        impostor: so many impostor pairs, or all if there are fewer.
        seed: of the drawing.

    Raises:
        AssayError: there are no genuine pairs, or no impostor pairs.
        ManifestError: an image of the pairs lies outside the images' folder.
    """
    if manifest.pairs is not None:
        pairs = manifest.pairs
        a, b, same = pairs.a, pairs.b, pairs.same
    else:
        rng = np.random.default_rng(seed)
        known = _of_one_person(manifest.subjects, genuine, rng)
        others = _impostor(manifest.subjects, impostor, rng)
        a, b = np.concatenate([known, others]).T
        same = np.arange(len(a)) < len(known)
    if not same.any() or same.all():
        raise AssayError(
            "There are no genuine pairs." if not same.any() else "There are no impostor pairs.",
            why="Error rates need both kinds.",
            mend="State who is who: at least one person with two images, and two people.",
        )
    _require_inside(manifest, np.unique([a, b]))
    told = hashlib.sha256()
    for array in (a, b, same):
        told.update(np.ascontiguousarray(array).tobytes())
    for place in np.unique([a, b]):
        told.update(b"\0" + os.fsencode(manifest.images[place]))
    return Plan(a.astype(np.int32), b.astype(np.int32), same, told.hexdigest())


def _require_inside(manifest: Manifest, places: NDArray[np.integer]) -> None:
    """Links are followed first: what counts is the file that would be sent."""
    root = manifest.root.resolve()
    outside = [
        place
        for place in places.tolist()
        if not manifest.path(place).resolve().is_relative_to(root)
    ]
    if outside:
        raise ManifestError(
            f"The path in {named(manifest.numbers[outside].tolist())} leads out of the images' "
            "folder; nothing was sent.",
            why="A manifest that came from elsewhere could have any photograph of this machine "
            "sent to the service.",
            mend="Give the folder that holds all of them as --images-root.",
        )


def cost_of(plan: Plan, *, price: float) -> float:
    """What asking about all pairs would cost, in US dollars."""
    return len(plan) * price


def _of_one_person(
    subjects: NDArray[np.int32], most: int, rng: np.random.Generator
) -> NDArray[np.int32]:
    """(k, 2): at most so many pairs of one known person, each once; 0: all of them."""
    order, start = _by_person(subjects)
    place = np.arange(len(order))
    return _drawn(order, start, place - start, most or None, rng)


def _impostor(
    subjects: NDArray[np.int32], wanted: int, rng: np.random.Generator
) -> NDArray[np.int32]:
    """(k, 2): so many pairs of two known people, each once; all of them if there are fewer."""
    order, start = _by_person(subjects)
    return _drawn(order, np.zeros_like(start), start, wanted, rng)


def _by_person(subjects: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The known images, person by person; for each the place where its person's begin."""
    order = np.argsort(subjects, kind="stable")
    order = order[subjects[order] != UNKNOWN]
    return order, np.searchsorted(subjects[order], subjects[order])


def _drawn(
    order: NDArray[np.int64],
    first: NDArray[np.int64],
    count: NDArray[np.int64],
    most: int | None,
    rng: np.random.Generator,
) -> NDArray[np.int32]:
    """(k, 2): pairs drawn by their number, so that those that are not drawn take no memory.

    Image `order[i]` makes a pair with each of the `count[i]` images from `order[first[i]]` on.
    """
    ends = np.cumsum(count)
    possible = int(ends[-1]) if len(ends) else 0
    if most is None or most >= possible:
        numbers = np.arange(possible)
    else:
        numbers = np.sort(rng.choice(possible, most, replace=False))
    one = np.searchsorted(ends, numbers, side="right")
    other = first[one] + numbers - (ends[one] - count[one])
    return np.sort(np.stack([order[one], order[other]], 1), axis=1).astype(np.int32)
