"""Pairs of a manifest's images that are said to be of one person, or of two.

Columns `image_a`, `image_b`, `same`; optionally `fold` (whole numbers, as in LFW's View 2). Images
are written as in the manifest. Rows are pairs and exclusions, always. Opens no image.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rightface.assay.cohorts import UNKNOWN
from rightface.assay.errors import ManifestError
from rightface.assay.exclusions import HEADING_AGAIN, UNREADABLE, Excluded, in_words, named
from rightface.assay.labels import is_same
from rightface.assay.result import Exclusion, StatedPairs, Suspicion
from rightface.assay.table_file import Block, Cell, open_table, text

NOT_SAID = "`same` or `fold` cannot be read."
NOT_LISTED = "An image is not in the manifest."
LEFT_OUT = "An image was left out of the manifest."
ITSELF = "An image with itself."
AGAIN = "The same pair again."

GONE = -1
"""In the places of names: an image that the manifest has, and that was left out."""


@dataclass(frozen=True)
class Pairs:
    """Which images are compared, as places in the manifest's images."""

    rows: int
    """Of the file."""
    numbers: NDArray[np.int64]
    """(n,): the pairs' row numbers."""
    a: NDArray[np.int32]
    b: NDArray[np.int32]
    same: NDArray[np.bool_]
    folds: NDArray[np.int32] | None
    """None where the file has no such column."""
    exclusions: tuple[Exclusion, ...]

    def __len__(self) -> int:
        return len(self.a)

    def told(self) -> StatedPairs:
        """What the assay's document says of them."""
        return StatedPairs(rows=self.rows, used=len(self), exclusions=self.exclusions)

    def moved(self, to: NDArray[np.int32]) -> Pairs:
        """The pairs after `to[old place]` became the images' places; GONE for those left out."""
        a, b = to[self.a], to[self.b]
        kept = (a != GONE) & (b != GONE) & (a != b)
        more = Excluded()
        more.add(LEFT_OUT, self.numbers[(a == GONE) | (b == GONE)])
        more.add(ITSELF, self.numbers[(a == b) & (a != GONE)])
        return replace(
            self,
            numbers=self.numbers[kept],
            a=a[kept],
            b=b[kept],
            same=self.same[kept],
            folds=None if self.folds is None else self.folds[kept],
            exclusions=self.exclusions + more.told(),
        )


def read_pairs(path: Path, places: Mapping[str, int]) -> Pairs:
    """The pairs in that file; `places` says where each image of the manifest stands, or GONE.

    Raises:
        TableError: the file cannot be read, or a column is missing.
        ManifestError: no pair is left, or two rows say different things of one pair.
    """
    table = open_table(path)
    wanted = ["image_a", "image_b", "same", *(["fold"] if "fold" in table.heading else [])]
    excluded = Excluded()
    met: dict[tuple[int, int], tuple[bool, int, int]] = {}
    rows = 0
    for block in table.blocks(wanted):
        rows += len(block.numbers) + len(block.unreadable) + len(block.heading_again)
        excluded.add(UNREADABLE, block.unreadable)
        excluded.add(HEADING_AGAIN, block.heading_again)
        _add(block, places, met, excluded)
    if not met:
        raise ManifestError("No pair can be used.", why=in_words(excluded.told()))
    said = list(met.values())
    return Pairs(
        rows=rows,
        numbers=np.array([row for _, _, row in said], np.int64),
        a=np.array([a for a, _ in met], np.int32),
        b=np.array([b for _, b in met], np.int32),
        same=np.array([same for same, _, _ in said], np.bool_),
        folds=np.array([fold for _, fold, _ in said], np.int32) if len(wanted) == 4 else None,
        exclusions=excluded.told(),
    )


def _add(
    block: Block,
    places: Mapping[str, int],
    met: dict[tuple[int, int], tuple[bool, int, int]],
    excluded: Excluded,
) -> None:
    folds = block.columns[3] if len(block.columns) == 4 else ["0"] * len(block.numbers)
    for row, first, second, stated, stated_fold in zip(
        block.numbers.tolist(), *block.columns[:3], folds, strict=True
    ):
        a, b = places.get(image_name(first)), places.get(image_name(second))
        same, fold = is_same(stated), _whole(stated_fold)
        if a is None or b is None:
            excluded.add(NOT_LISTED, [row])
        elif GONE in (a, b):
            excluded.add(LEFT_OUT, [row])
        elif a == b:
            excluded.add(ITSELF, [row])
        elif same is None or fold is None:
            excluded.add(NOT_SAID, [row])
        elif (known := met.get((a, b)) or met.get((b, a))) is None:
            met[a, b] = (same, fold, row)
        elif known[0] == same:
            excluded.add(AGAIN, [row])
        else:
            raise ManifestError(
                f"The pairs in {named([known[2], row])} are the same, and `same` differs.",
                mend="Strike the wrong one.",
            )


def image_name(cell: Cell) -> str:
    """How an image's name is compared: `./a//b.jpg` is `a/b.jpg`."""
    name = text(cell)
    return posixpath.normpath(name) if "//" in name or "./" in name else name


def _whole(cell: Cell) -> int | None:
    try:
        return int(text(cell))
    except ValueError:
        return None


def contradictions(
    pairs: Pairs | None, subjects: NDArray[np.int32], numbers: NDArray[np.int64]
) -> tuple[Suspicion, ...]:
    """Where pairs and manifest disagree about who is one person.

    Args:
        pairs: of n images.
        subjects: (n,), who each is; UNKNOWN where it is not said.
        numbers: (n,), the images' rows in the manifest.
    """
    if pairs is None:
        return ()
    a, b = subjects[pairs.a], subjects[pairs.b]
    wrong = np.flatnonzero((a != UNKNOWN) & (b != UNKNOWN) & ((a == b) != pairs.same))
    if not len(wrong):
        return ()
    rows = numbers[np.stack([pairs.a[wrong], pairs.b[wrong]], axis=1)[:10].ravel()]
    return (
        Suspicion(
            what=f"{len(wrong)} pairs say otherwise than the manifest who is one person.",
            rows=tuple(rows.tolist()),
        ),
    )
