"""The comparisons that went wrong the most, as a table that `assay report --failures` reads.

    1. False matches and false non-matches at one threshold, in turn, the worst of each first.
    2. Photographs of which there is no template, with the reason; they have no second image, so a
       page of pairs passes them over.

Images are written as in the manifest, each with its row's number. The table names files, and so
perhaps people: it is made only where it is asked for, and its owner alone can read it. Opens no
image.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rightface.assay.comparisons import Comparisons
from rightface.assay.files import PRIVATE, written_whole
from rightface.assay.manifest import Manifest
from rightface.assay.operating import Threshold
from rightface.errors import StorageError

FILE = "failures.csv"
HEADING = ("kind", "row_a", "row_b", "score", "image_a", "image_b", "same")
FALSE_MATCH, FALSE_NON_MATCH, NOT_ACQUIRED = "false-match", "false-non-match", "not-acquired"
MOST = 50
"""Of each kind."""


@dataclass(frozen=True)
class Wrong:
    """One comparison that was judged wrongly; of places in the manifest's images."""

    a: int
    b: int
    score: float
    same: bool


def worst(
    comparisons: Comparisons, rows: NDArray[np.int32], at: Threshold | None, most: int = MOST
) -> tuple[Wrong, ...]:
    """The worst of both kinds, in turn; none without a threshold.

    Args:
        comparisons: of m rows.
        rows: (m,): the places of their images in the manifest.
        at: what counts as a match.
        most: of each kind.
    """
    if at is None:
        return ()
    leads, genuine = comparisons.leads, comparisons.genuine
    high = np.argsort(-leads.scores, kind="stable")[:most]
    low = np.argsort(genuine.scores, kind="stable")[:most]
    matched = [
        Wrong(
            int(rows[leads.a[one]]), int(rows[leads.b[one]]), float(leads.scores[one]), same=False
        )
        for one in high[leads.scores[high] >= at.score].tolist()
    ]
    missed = [
        Wrong(
            int(rows[genuine.a[one]]),
            int(rows[genuine.b[one]]),
            float(genuine.scores[one]),
            same=True,
        )
        for one in low[genuine.scores[low] < at.score].tolist()
    ]
    both = zip_longest(matched, missed)
    return tuple(one for pair in both for one in pair if one is not None)


def write_failures(
    path: Path, manifest: Manifest, wrong: Sequence[Wrong], not_acquired: Mapping[int, str]
) -> None:
    """Write the table, whole or not at all.

    Args:
        path: where.
        manifest: whose images they are.
        wrong: see `worst`.
        not_acquired: places of images without a template, each with its reason.

    Raises:
        StorageError: it cannot be written.
    """
    rows: list[tuple[object, ...]] = [HEADING]
    for one in wrong:
        kind = FALSE_NON_MATCH if one.same else FALSE_MATCH
        numbers = (int(manifest.numbers[one.a]), int(manifest.numbers[one.b]))
        images = (manifest.images[one.a], manifest.images[one.b])
        rows.append((kind, *numbers, f"{one.score:.6f}", *images, int(one.same)))
    for place, reason in sorted(not_acquired.items())[:MOST]:
        kind = f"{NOT_ACQUIRED}: {reason}"
        rows.append((kind, int(manifest.numbers[place]), "", "", manifest.images[place], "", ""))
    told = io.StringIO(newline="")
    csv.writer(told, lineterminator="\n").writerows(rows)
    try:
        with written_whole(path, mode=PRIVATE) as file:
            file.write(told.getvalue().encode())
    except OSError as error:
        raise StorageError(f"'{path}' cannot be written.", why=str(error.strerror)) from error
