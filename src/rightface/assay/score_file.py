"""Scores that somebody else's comparisons gave, read in blocks: ten million rows fit.

Columns: the score, `same` (whether both images are of one person) and cohorts. A cohort is one
column `group` if both people are of that group, or two, `group_a` and `group_b`. Read once: what
the rows say is packed into a temporary file without a name, which ends with the block; only the
scores themselves, in order, stay in memory, eight bytes each. Rows are comparisons and exclusions,
always. Never knows a subject, an image or a threshold.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Literal

import numpy as np
from numpy.typing import NDArray

from rightface.assay.cohorts import UNKNOWN, Codes
from rightface.assay.errors import ScoreFileError
from rightface.assay.exclusions import HEADING_AGAIN, UNREADABLE, Excluded, in_words
from rightface.assay.labels import is_same
from rightface.assay.result import DataSet, Exclusion
from rightface.assay.score_columns import Cohort, codes_of, cohorts_of, settled
from rightface.assay.table_file import BLOCK_ROWS, Cell, TableFile, open_table
from rightface.errors import StorageError

NEGATED = (
    "Scores are distances, and are told negated, so that the higher is the more alike: a threshold "
    "of −0.4 stands for a distance of 0.4 or less."
)
NO_SCORE = "The score is missing, or is no number."
INFINITE = "The score is infinite."
NOT_SAID = "`same` cannot be read."
_SIDES: tuple[Literal["left", "right"], ...] = ("left", "right")


@dataclass(frozen=True)
class ScoreBlock:
    """Some comparisons; all arrays are parallel."""

    scores: NDArray[np.float64]
    """(k,): the higher, the more alike (distances come negated)."""
    same: NDArray[np.bool_]
    numbers: NDArray[np.int64]
    """(k,): the rows of the table."""
    groups: Mapping[str, tuple[Codes, Codes]]
    """Column → the groups of the two people, as places in `ScoreFile.columns[column]`."""


@dataclass(frozen=True, kw_only=True)
class ScoreFile:
    """What was read; its blocks can be had as often as wanted while the file is open."""

    rows: int
    """Of the table, the heading not counted: genuine, impostor and all exclusions."""
    genuine: NDArray[np.float64] = field(repr=False)
    """The scores of one person with themselves, ascending; at least one."""
    impostor: NDArray[np.float64] = field(repr=False)
    """Those of two people, likewise."""
    columns: dict[str, tuple[str, ...]]
    """Cohort columns and their values, sorted."""
    counts: dict[str, dict[str, int]]
    """Column → value → comparisons in which at least one of the two has it; "" : one has none."""
    exclusions: tuple[Exclusion, ...]
    warnings: tuple[str, ...]
    digest: str
    """Hex SHA-256 of the file."""
    _spool: _Spool = field(repr=False)

    def blocks(self) -> Iterator[ScoreBlock]:
        """All comparisons, in the order of the file."""
        return self._spool.blocks()

    def data_set(self, name: str) -> DataSet:
        """What the assay's document says of it."""
        return DataSet(
            name=name,
            digest=self.digest,
            rows=self.rows,
            rows_are="comparisons",
            images=len(self.genuine) + len(self.impostor),
            subjects=None,
            columns=self.counts,
            exclusions=self.exclusions,
        )


@contextmanager
def read_scores(
    path: Path,
    *,
    score: str = "score",
    same: str = "same",
    cohort_columns: Sequence[str] | None = None,
    distances: bool = False,
    as_stated: bool = False,
    chunk: int = BLOCK_ROWS,
) -> Iterator[ScoreFile]:
    """The scores in that table, CSV or Parquet.

    Args:
        path: see docs/assay-data.md.
        score: the column of scores.
        same: the column that says whether both are one person.
        cohort_columns: None: every other column of few values.
        distances: the lower, the more alike.
        as_stated: take the scores even if they look upside down.
        chunk: rows of a block.

    Raises:
        TableError: the table cannot be read, or a column is not in it.
        ScoreFileError: nothing to measure: no row left, one kind only, all scores alike; or genuine
            scores lie below impostors'.
        StorageError: the temporary folder is full.
    """
    table = open_table(path)
    cohorts = cohorts_of(table, (score, same), cohort_columns)
    with tempfile.TemporaryFile(prefix="rightface-") as file:
        spool = _Spool(file, cohorts)
        read = _read(table, (score, same), cohorts, spool, distances=distances, chunk=chunk)
        if not read.rows - read.excluded.total:
            raise ScoreFileError(
                "No row of the scores can be used.",
                why=in_words(read.excluded.told()) or "There are no rows.",
                mend="Scores are written 0.93; `same` is 1 or 0.",
            )
        left_out = settled(cohorts, asked=cohort_columns is not None)
        genuine, impostor = _in_order(spool, read.genuine, read.impostor)
        _check(genuine, impostor, as_stated=as_stated)
        with path.open("rb") as whole:
            digest = hashlib.file_digest(whole, "sha256").hexdigest()
        yield ScoreFile(
            rows=read.rows,
            genuine=genuine,
            impostor=impostor,
            columns={one.name: one.values for one in cohorts if not one.left_out},
            counts=_counts(spool, cohorts),
            exclusions=read.excluded.told(),
            warnings=(*((NEGATED,) if distances else ()), *left_out),
            digest=digest,
            _spool=spool,
        )


class _Spool:
    """Packed blocks, one after the other, in a temporary file."""

    def __init__(self, file: IO[bytes], cohorts: Sequence[Cohort]) -> None:
        self._file = file
        self._cohorts = cohorts
        self._blocks = 0

    def add(
        self,
        scores: NDArray[np.float64],
        same: NDArray[np.bool_],
        numbers: NDArray[np.int64],
        codes: NDArray[np.int16],
    ) -> None:
        """One block; `codes` is (columns, 2, k).

        Raises:
            StorageError: the temporary folder is full.
        """
        try:
            for array in (scores, same, numbers, codes):
                np.save(self._file, array)
        except OSError as error:
            raise StorageError(
                "The scores do not fit into the temporary folder.",
                why=error.strerror or "",
                mend="Name one with more room in the environment variable TMPDIR.",
            ) from error
        self._blocks += 1

    def blocks(self) -> Iterator[ScoreBlock]:
        """From the start."""
        at = 0
        for _ in range(self._blocks):
            self._file.seek(at)
            scores, same, numbers, codes = (np.load(self._file) for _ in range(4))
            at = self._file.tell()
            groups = {
                one.name: (one.place[codes[place, 0]], one.place[codes[place, 1]])
                for place, one in enumerate(self._cohorts)
                if not one.left_out
            }
            yield ScoreBlock(scores, same, numbers, groups)


@dataclass
class _Read:
    excluded: Excluded = field(default_factory=Excluded)
    rows: int = 0
    genuine: int = 0
    impostor: int = 0


def _read(
    table: TableFile,
    taken: tuple[str, str],
    cohorts: Sequence[Cohort],
    spool: _Spool,
    *,
    distances: bool,
    chunk: int,
) -> _Read:
    read = _Read()
    said = _Same()
    wanted = [*taken, *(name for one in cohorts for name in one.columns)]
    for block in table.blocks(wanted, rows=chunk):
        read.rows += len(block.numbers) + len(block.unreadable) + len(block.heading_again)
        read.excluded.add(UNREADABLE, block.unreadable)
        read.excluded.add(HEADING_AGAIN, block.heading_again)
        scores = _numbers(block.columns[0])
        same = np.fromiter(map(said.__getitem__, block.columns[1]), np.int8, len(scores))
        nothing, infinite = np.isnan(scores), np.isinf(scores)
        read.excluded.add(NO_SCORE, block.numbers[nothing])
        read.excluded.add(INFINITE, block.numbers[infinite])
        finite = ~(nothing | infinite)
        read.excluded.add(NOT_SAID, block.numbers[finite & (same == UNKNOWN)])
        good = finite & (same != UNKNOWN)
        codes = codes_of(block.columns[2:], cohorts, len(block.numbers))
        if good.any():
            kept = -scores[good] if distances else scores[good]
            genuine = int((same[good] == 1).sum())
            read.genuine += genuine
            read.impostor += len(kept) - genuine
            spool.add(kept, same[good] == 1, block.numbers[good], codes[:, :, good])
    return read


class _Same(dict[Cell, int]):
    def __missing__(self, cell: Cell) -> int:
        same = is_same(cell)
        code = UNKNOWN if same is None else int(same)
        if isinstance(cell, str):
            self[cell] = code
        return code


def _numbers(cells: Sequence[Cell]) -> NDArray[np.float64]:
    """The cells as numbers; not-a-number where one is none."""
    try:
        return np.fromiter(map(float, cells), np.float64, len(cells))  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return np.array([_number(cell) for cell in cells], np.float64)


def _number(cell: Cell) -> float:
    try:
        return np.nan if cell is None else float(cell)
    except ValueError:
        return np.nan


def _in_order(
    spool: _Spool, genuine: int, impostor: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The scores of both kinds, ascending."""
    found = np.empty(impostor), np.empty(genuine)
    filled = [0, 0]
    for block in spool.blocks():
        for kind in (0, 1):
            scores = block.scores[block.same == kind]
            found[kind][filled[kind] : filled[kind] + len(scores)] = scores
            filled[kind] += len(scores)
    for each in found:
        each.sort()
    return found[1], found[0]


def _counts(spool: _Spool, cohorts: Sequence[Cohort]) -> dict[str, dict[str, int]]:
    """See `ScoreFile.counts`."""
    used = [one for one in cohorts if not one.left_out]
    counts = {one.name: np.zeros(len(one.values) + 1, np.int64) for one in used}
    for block in spool.blocks() if used else ():
        for name, (a, b) in block.groups.items():
            size = len(counts[name])
            counts[name] += np.bincount(a.astype(np.int64) % size, minlength=size)
            counts[name] += np.bincount(b[a != b].astype(np.int64) % size, minlength=size)
    return {
        one.name: {
            value: int(count)
            for value, count in zip((*one.values, ""), counts[one.name], strict=True)
            if value or count
        }
        for one in used
    }


def _check(genuine: NDArray[np.float64], impostor: NDArray[np.float64], *, as_stated: bool) -> None:
    if not len(genuine) or not len(impostor):
        raise ScoreFileError(
            f"All {len(genuine) + len(impostor)} comparisons are of "
            + ("one person each." if len(genuine) else "two people each."),
            why="Error rates need both kinds.",
            mend="See that the column `same` says 1 and 0.",
        )
    if genuine[0] == impostor[0] and genuine[-1] == impostor[-1] and genuine[0] == genuine[-1]:
        raise ScoreFileError("All scores are alike.", why="No threshold tells one from another.")
    area = _area(genuine, impostor)
    if area < 0.5 and not as_stated:
        raise ScoreFileError(
            "One person's scores lie below those of two people "
            f"(the area under the curve is {area:.3f}).",
            why="`same` looks swapped, or the scores are distances.",
            mend="Say that they are distances (--distance), mend `same`, "
            "or have them taken as they are (--as-stated).",
        )


def _area(genuine: NDArray[np.float64], impostor: NDArray[np.float64]) -> float:
    """How often one person's score is above that of two people; of equal ones half."""
    below = sum(float(np.searchsorted(impostor, genuine, side).mean()) for side in _SIDES)
    return below / 2 / len(impostor)
