"""The finest cells of a file of scores: everything that is said of a person's groups, at once.

What `cells` is for rows, this is where nobody says which rows were compared: a cell stands for all
who are of the same groups. Values only: never knows a file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

from rightface.assay.cells import MOST_CELLS
from rightface.assay.cohorts import Codes, Column
from rightface.assay.errors import ScoreFileError
from rightface.assay.score_file import ScoreBlock, ScoreFile

_MOST_KEYS = 1 << 62


@dataclass(frozen=True)
class ScoreCells:
    """The cells that occur."""

    columns: dict[str, Column]
    """By name; the codes are (G,), of each cell."""
    count: int
    """G."""
    _keys: NDArray[np.int64]
    """(G,): ascending; a cell's values in all columns as one number."""

    def blocks(
        self, scores: ScoreFile
    ) -> Iterator[tuple[NDArray[np.float64], NDArray[np.bool_], Codes, Codes]]:
        """For `Comparisons.from_scores`: scores, same, and the cells of the two people."""
        widths = _widths(scores)
        for block in scores.blocks():
            first, second = (
                np.searchsorted(self._keys, _keys(block, widths, side)).astype(np.int16)
                for side in (0, 1)
            )
            yield block.scores, block.same, first, second


def score_cells(scores: ScoreFile) -> ScoreCells:
    """The cells of that file, from one pass over it.

    Raises:
        ScoreFileError: there are too many.
    """
    widths = _widths(scores)
    seen = np.empty(0, np.int64)
    if prod(widths.values()) < _MOST_KEYS:
        for block in scores.blocks():
            keys = (_keys(block, widths, side) for side in (0, 1))
            seen = np.unique(np.concatenate([seen, *keys]))
            if len(seen) > MOST_CELLS:
                break
    if not 0 < len(seen) <= MOST_CELLS:
        raise ScoreFileError(
            f"The columns split the people into more than {MOST_CELLS} cells.",
            mend="Name fewer columns.",
        )
    columns: dict[str, Column] = {}
    rest = seen.copy()
    for name, width in reversed(widths.items()):
        rest, code = np.divmod(rest, width)
        columns[name] = Column((name,), scores.columns[name], (code - 1).astype(np.int16))
    return ScoreCells({name: columns[name] for name in widths}, len(seen), seen)


def _widths(scores: ScoreFile) -> dict[str, int]:
    return {name: len(values) + 1 for name, values in scores.columns.items()}


def _keys(block: ScoreBlock, widths: dict[str, int], side: int) -> NDArray[np.int64]:
    keys = np.zeros(len(block.scores), np.int64)
    for name, width in widths.items():
        keys = keys * width + block.groups[name][side] + 1
    return keys
