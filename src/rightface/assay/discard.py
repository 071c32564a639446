"""Error versus discard: what leaving out the photographs of lowest quality would have saved.

At a fixed threshold, FNMR over the genuine comparisons whose two photographs both stay, as more and
more photographs are left out by one measure of quality. A measure is good if the curve falls as
fast as photographs go; a flat one says nothing about errors. The threshold stays where it was
set on all. Values only.

Source: P. Grother and E. Tabassi, "Performance of biometric quality measures", IEEE TPAMI 29 (2007)
531-543; ISO/IEC 29794-1 calls it error-versus-discard characteristic.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from rightface.assay.bootstrap import SubjectBootstrap
from rightface.assay.errors import AssayError
from rightface.assay.intervals import rate, too_few_genuine
from rightface.assay.result import Discard, DiscardPoint, Rate

SHARES = (0.0, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5)
"""Half of the photographs is more than anybody would turn away."""

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.integer]


def more_is_better(numbers: Floats) -> Floats:
    """Sharpness, the distance of the eyes, the detector's confidence."""
    return numbers


def less_is_better(numbers: Floats) -> Floats:
    """Angles: a head turned either way is turned."""
    return np.asarray(-np.abs(numbers))


def middle_is_best(numbers: Floats) -> Floats:
    """Brightness: too dark and too bright, seen from the data set's own median."""
    return np.asarray(-np.abs(numbers - np.nanmedian(numbers)))


DIRECTIONS: dict[str, Callable[[Floats], Floats]] = {
    "sharpness": more_is_better,
    "brightness": middle_is_best,
    "yaw": less_is_better,
    "pitch": less_is_better,
    "roll": less_is_better,
    "eye-distance": more_is_better,
    "confidence": more_is_better,
}
"""How the measures that templates come with turn into qualities, of which more is better."""


def error_versus_discard(
    name: str,
    quality: Floats,
    *,
    a: Ints,
    b: Ints,
    missed: NDArray[np.bool_],
    bootstrap: SubjectBootstrap,
    fmr_target: float,
    shares: Sequence[float] = SHARES,
    whole: Rate | None = None,
) -> Discard:
    """The curve of one measure, where more is better (see `DIRECTIONS`).

    `quality` (n,) of every row; NaN is the lowest. `a`, `b` (g,): the rows of the genuine
    comparisons; `missed` (g,): those below the threshold. Shares are of the photographs that these
    comparisons use; equal qualities go in the order of the rows. `whole`: the rate of
    all, if it is known; else it is worked out too.

    Raises:
        AssayError: no genuine comparisons, or shares that do not ascend within [0, 1).
    """
    if not len(a):
        raise AssayError("Without genuine comparisons quality cannot be judged by errors.")
    if list(shares) != sorted(set(shares)) or not 0 <= shares[0] <= shares[-1] < 1:
        raise AssayError("The shares to discard must ascend, from 0 to below 1.")
    used = np.unique(np.concatenate((a, b)))
    order = used[np.argsort(np.nan_to_num(quality[used], nan=-np.inf), kind="stable")]
    place = np.empty(int(used.max()) + 1, np.int64)
    place[order] = np.arange(len(order))
    lower = np.minimum(place[a], place[b])
    points: list[DiscardPoint] = []
    for share in shares:
        if share == 0 and whole is not None:
            points.append(DiscardPoint(discarded=share, fnmr=whole))
            continue
        kept = lower >= round(share * len(order))
        first, second, wrong = a[kept], b[kept], missed[kept]
        people = len(np.unique(bootstrap.person[first]))
        drawn = bootstrap.listed(first, second, wrong, np.zeros(len(first), np.int64), 1)
        told = rate(
            int(wrong.sum()),
            len(wrong),
            drawn.replicates[:, 0],
            units=people,
            too_few=too_few_genuine(len(wrong), people),
        )
        points.append(DiscardPoint(discarded=share, fnmr=told))
    return Discard(quality=name, fmr_target=fmr_target, points=tuple(points))
