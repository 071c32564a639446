"""Scores that somebody else's comparisons gave, read in blocks: ten million rows fit.

Columns: the score, `same` (whether both images are of one person) and cohorts. A cohort is one
column `group` if both people are of that group, or two, `group_a` and `group_b`. Read once: what
the rows say is packed into a temporary file without a name, which ends with the block. Rows are
comparisons and exclusions, always. Never knows a subject, an image or a threshold.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from rightface.assay.cohorts import JOINT, UNKNOWN, Codes
from rightface.assay.errors import ScoreFileError
from rightface.assay.exclusions import HEADING_AGAIN, UNREADABLE, Excluded, in_words
from rightface.assay.labels import FEW_VALUES, MOST_VALUES, Coding, is_same
from rightface.assay.result import DataSet, Exclusion
from rightface.assay.table_file import BLOCK_ROWS, Block, Cell, TableFile, open_table
from rightface.errors import StorageError

NO_SCORE = "The score is missing, or is no number."
INFINITE = "The score is infinite."
NOT_SAID = "`same` cannot be read."
_ORDER_BINS = 1 << 16
_BOTH = ("_a", "_b")


@dataclass(frozen=True)
class ScoreBlock:
    """Some comparisons; all arrays are parallel."""

    scores: NDArray[np.float64]
    """(k,): the higher, the more alike (distances come negated)."""
    same: NDArray[np.bool_]
    groups: Mapping[str, tuple[Codes, Codes]]
    """Column → the groups of the two people, as places in `ScoreFile.columns[column]`."""


@dataclass(frozen=True, kw_only=True)
class ScoreFile:
    """What was read; its blocks can be had as often as wanted while the file is open."""

    rows: int
    """Of the table, the heading not counted: genuine, impostor and all exclusions."""
    genuine: int
    impostor: int
    lowest: float
    highest: float
    """The least and the greatest score."""
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
        """What the assay's document says of it; its "images" are comparisons."""
        return DataSet(
            name=name,
            digest=self.digest,
            rows=self.rows,
            images=self.genuine + self.impostor,
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
    cohorts = _cohorts(table, (score, same), cohort_columns)
    with tempfile.TemporaryFile(prefix="rightface-") as file:
        spool = _Spool(file, cohorts)
        read = _read(table, (score, same), cohorts, spool, distances=distances, chunk=chunk)
        if not read.rows - read.excluded.total:
            raise ScoreFileError(
                "No row of the scores can be used.",
                why=in_words(read.excluded.told()) or "There are no rows.",
                mend="Scores are written 0.93; `same` is 1 or 0.",
            )
        left_out = _settle(cohorts, asked=cohort_columns is not None)
        survey = _survey(spool, cohorts, read.lowest, read.highest)
        _check(survey, as_stated=as_stated)
        with path.open("rb") as whole:
            digest = hashlib.file_digest(whole, "sha256").hexdigest()
        yield ScoreFile(
            rows=read.rows,
            genuine=int(survey.genuine.sum()),
            impostor=int(survey.impostor.sum()),
            lowest=read.lowest,
            highest=read.highest,
            columns={one.name: one.values for one in cohorts if not one.left_out},
            counts=survey.counts,
            exclusions=read.excluded.told(),
            warnings=left_out,
            digest=digest,
            _spool=spool,
        )


class _Cohort:
    """One cohort column while it is read, and its final values."""

    def __init__(self, name: str, columns: tuple[str, ...], most: int) -> None:
        self.name = name
        self.columns = columns
        """Of the table: one, or one for each of the two people."""
        self.coding = Coding()
        self.most = most
        self.left_out = False
        self.values: tuple[str, ...] = ()
        self.place: Codes = np.empty(0, np.int16)

    def encode(self, cells: Sequence[Sequence[Cell]]) -> NDArray[np.int16]:
        """(2, k): in the order of appearance; UNKNOWN for all after it had too many values."""
        if self.left_out:
            return np.full((2, len(cells[0])), UNKNOWN, np.int16)
        codes = [self.coding.encode(one).astype(np.int16) for one in cells]
        self.left_out = len(self.coding.labels) > self.most
        return np.stack([codes[0], codes[-1]])

    def settle(self) -> None:
        """No more rows come: sort the values."""
        self.values = tuple(sorted(self.coding.labels))
        number = self.coding.labels
        self.place = np.full(len(number) + 1, UNKNOWN, np.int16)
        self.place[[number[value] for value in self.values]] = np.arange(len(number))


class _Spool:
    """Packed blocks, one after the other, in a temporary file."""

    def __init__(self, file: IO[bytes], cohorts: Sequence[_Cohort]) -> None:
        self._file = file
        self._cohorts = cohorts
        self._blocks = 0

    def add(
        self, scores: NDArray[np.float64], same: NDArray[np.bool_], codes: NDArray[np.int16]
    ) -> None:
        """One block; `codes` is (columns, 2, k).

        Raises:
            StorageError: the temporary folder is full.
        """
        try:
            for array in (scores, same, codes):
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
            scores, same, codes = (np.load(self._file) for _ in range(3))
            at = self._file.tell()
            groups = {
                one.name: (one.place[codes[place, 0]], one.place[codes[place, 1]])
                for place, one in enumerate(self._cohorts)
                if not one.left_out
            }
            yield ScoreBlock(scores, same, groups)


def _cohorts(
    table: TableFile, taken: tuple[str, str], asked: Sequence[str] | None
) -> list[_Cohort]:
    heading = [name for name in table.heading if name]
    both = [
        name.removesuffix(_BOTH[0])
        for name in heading
        if name.endswith(_BOTH[0]) and name.removesuffix(_BOTH[0]) + _BOTH[1] in heading
    ]
    halves = {name + end for name in both for end in _BOTH}
    names = asked
    if names is None:
        names = [name for name in heading if name not in (*taken, *halves)]
        names += [name for name in both if name not in names]
    most = FEW_VALUES if asked is None else MOST_VALUES
    return [
        _Cohort(name, tuple(name + end for end in _BOTH) if name in both else (name,), most)
        for name in dict.fromkeys(names)
    ]


@dataclass
class _Read:
    excluded: Excluded = field(default_factory=Excluded)
    rows: int = 0
    lowest: float = np.inf
    highest: float = -np.inf


def _read(
    table: TableFile,
    taken: tuple[str, str],
    cohorts: Sequence[_Cohort],
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
        codes = _codes(block, cohorts)
        if good.any():
            kept = -scores[good] if distances else scores[good]
            read.lowest = min(read.lowest, float(kept.min()))
            read.highest = max(read.highest, float(kept.max()))
            spool.add(kept, same[good] == 1, codes[:, :, good])
    return read


def _codes(block: Block, cohorts: Sequence[_Cohort]) -> NDArray[np.int16]:
    cells = iter(block.columns[2:])
    codes = [one.encode([next(cells) for _ in one.columns]) for one in cohorts]
    return np.stack(codes) if codes else np.empty((0, 2, len(block.numbers)), np.int16)


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


def _settle(cohorts: Sequence[_Cohort], *, asked: bool) -> tuple[str, ...]:
    """Why columns are left out.

    Raises:
        ScoreFileError: one was asked for.
    """
    said = []
    for one in cohorts:
        one.settle()
        problem = ""
        if one.left_out:
            problem = f"it has more than {one.most} different values"
        elif not one.values:
            problem = "no row has a value in it"
        elif any(JOINT in value for value in one.values):
            problem = f"a value holds '{JOINT}', which joins the values of a cross"
        if problem and asked:
            raise ScoreFileError(f"Column '{one.name}' cannot be a cohort: {problem}.")
        if problem:
            one.left_out = True
            said.append(f"Column '{one.name}' is left out: {problem}.")
    return tuple(said)


@dataclass
class _Survey:
    genuine: NDArray[np.int64]
    impostor: NDArray[np.int64]
    """Comparisons in bins from the least to the greatest score."""
    counts: dict[str, dict[str, int]]


def _survey(spool: _Spool, cohorts: Sequence[_Cohort], lowest: float, highest: float) -> _Survey:
    kinds = np.zeros((2, _ORDER_BINS), np.int64)
    used = [one for one in cohorts if not one.left_out]
    counts = {one.name: np.zeros(len(one.values) + 1, np.int64) for one in used}
    width = (highest - lowest) or 1.0
    for block in spool.blocks():
        places = ((block.scores - lowest) / width * (_ORDER_BINS - 1)).astype(np.int64)
        for kind in (0, 1):
            kinds[kind] += np.bincount(places[block.same == kind], minlength=_ORDER_BINS)
        for name, (a, b) in block.groups.items():
            size = len(counts[name])
            counts[name] += np.bincount(a.astype(np.int64) % size, minlength=size)
            counts[name] += np.bincount(b[a != b].astype(np.int64) % size, minlength=size)
    return _Survey(
        genuine=kinds[1],
        impostor=kinds[0],
        counts={
            one.name: {
                value: int(count)
                for value, count in zip((*one.values, ""), counts[one.name], strict=True)
                if value or count
            }
            for one in used
        },
    )


def _check(survey: _Survey, *, as_stated: bool) -> None:
    genuine, impostor = int(survey.genuine.sum()), int(survey.impostor.sum())
    if not genuine or not impostor:
        raise ScoreFileError(
            f"All {genuine + impostor} comparisons are of "
            + ("one person each." if genuine else "two people each."),
            why="Error rates need both kinds.",
            mend="See that the column `same` says 1 and 0.",
        )
    if np.count_nonzero(survey.genuine + survey.impostor) == 1:
        raise ScoreFileError("All scores are alike.", why="No threshold tells one from another.")
    below = np.cumsum(survey.impostor) - survey.impostor / 2
    area = float((survey.genuine * below).sum() / genuine / impostor)
    if area < 0.5 and not as_stated:
        raise ScoreFileError(
            "One person's scores lie below those of two people "
            f"(the area under the curve is {area:.3f}).",
            why="`same` looks swapped, or the scores are distances.",
            mend="Say that they are distances (--distance), mend `same`, "
            "or have them taken as they are (--as-stated).",
        )
