"""CSV and Parquet files as rows under a heading, in blocks, so that ten million rows fit.

CSV is UTF-8, with or without a byte order mark; its delimiter (comma, semicolon, tab or |) is seen
from the heading. Empty lines are no rows. Every other line after the heading is a row, the first is
number 1, and every row comes out: as cells, as unreadable, or as the heading again. Never knows
what the columns mean.
"""

from __future__ import annotations

import csv
import importlib
import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rightface.assay.errors import TableError

Cell: TypeAlias = "str | int | float | bool | None"
"""CSV has texts only; Parquet has all of these."""
BLOCK_ROWS = 2_048
DELIMITERS = ",;\t|"
_LONGEST_HEADING = 1 << 20
_PARQUET_MAGIC = b"PAR1"
_UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True)
class Block:
    """Some rows that follow one another."""

    numbers: NDArray[np.int64]
    """(k,): the numbers of the rows that could be read."""
    columns: tuple[Sequence[Cell], ...]
    """Of each column asked for the k cells, in the order asked."""
    unreadable: tuple[int, ...] = ()
    """Rows with more or fewer fields than the heading, or that are not UTF-8."""
    heading_again: tuple[int, ...] = ()


class TableFile(Protocol):
    """An opened file."""

    heading: tuple[str, ...]

    def blocks(self, columns: Sequence[str], *, rows: int = BLOCK_ROWS) -> Iterator[Block]:
        """Every row, at most `rows` at a time, from the start at each call.

        Raises:
            TableError: a column is not in the heading; the file is damaged.
        """


def open_table(path: Path) -> TableFile:
    """The table in that file.

    Raises:
        TableError: it is missing, no file, empty, not UTF-8, without a heading, or a column's name
            comes twice; it is Parquet, and `pyarrow` is not installed.
    """
    if not path.is_file():
        raise TableError(
            "The table is not there, or is no file.", mend="Name a CSV or Parquet file."
        )
    try:
        with path.open("rb") as file:
            start = file.read(4)
        if not start:
            raise TableError("The table is empty.", mend="Its first line is the heading.")
        if start == _PARQUET_MAGIC:
            return _Parquet(path)
        if start[:2] in _UTF_16_MARKS:
            raise TableError("The table is UTF-16.", mend="Save it as UTF-8.")
        return _Csv(path)
    except OSError as error:
        raise TableError("The table cannot be read.", why=error.strerror or "") from error


def text(cell: Cell) -> str:
    """The cell as a label: without space around it; empty for none and for not-a-number."""
    if isinstance(cell, str):
        return cell.strip()
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell)


class _Csv:
    def __init__(self, path: Path) -> None:
        self._path = path
        with self._open() as file:
            line = file.readline(_LONGEST_HEADING)
        if "\0" in line or not _is_text(line):
            raise TableError("The table's heading is not UTF-8.", mend="Save it as UTF-8.")
        headings = [next(_reader([line], sign)) for sign in DELIMITERS]
        self._raw = max(headings, key=len)
        if any("\n" in name or "\r" in name for name in self._raw):
            raise _unclosed(0, "the heading")
        self._delimiter = DELIMITERS[headings.index(self._raw)]
        self.heading = _heading(self._raw)

    def _open(self) -> io.TextIOWrapper:
        return self._path.open(encoding="utf-8-sig", errors="surrogateescape", newline="")

    def blocks(self, columns: Sequence[str], *, rows: int = BLOCK_ROWS) -> Iterator[Block]:
        places = _places(self.heading, columns)
        with self._open() as file:
            reader = _reader(file, self._delimiter)
            next(reader)
            number = 1
            while True:
                line = reader.line_num
                try:
                    read = list(islice(reader, rows))
                except csv.Error as error:
                    raise _unclosed(number, f"near line {reader.line_num}") from error
                except OSError as error:
                    raise TableError(
                        f"The table cannot be read after row {number - 1}.",
                        why=error.strerror or "",
                    ) from error
                if not read:
                    return
                if reader.line_num - line != len(read):
                    raise _unclosed(number, _first_of_several_lines(read, number))
                read = [fields for fields in read if fields]
                if read:
                    yield self._block(read, number, places)
                number += len(read)

    def _block(self, read: list[list[str]], number: int, places: tuple[int, ...]) -> Block:
        width = len(self.heading)
        if set(map(len, read)) == {width}:
            columns = tuple(zip(*read, strict=True))
            wanted = tuple(columns[place] for place in places)
            first = self._raw[0]
            if first not in columns[0] and all(_is_text("".join(cells)) for cells in wanted):
                return Block(np.arange(number, number + len(read)), wanted)
        good, unreadable, again = [], [], []
        for place, fields in enumerate(read):
            if fields == self._raw:
                again.append(number + place)
            elif len(fields) != width or not _is_text("".join(fields[at] for at in places)):
                unreadable.append(number + place)
            else:
                good.append(place)
        cells = tuple(tuple(read[row][place] for row in good) for place in places)
        numbers = np.array(good, np.int64) + number
        return Block(numbers, cells, tuple(unreadable), tuple(again))


class _Parquet:
    def __init__(self, path: Path) -> None:
        try:
            self._arrow: Any = importlib.import_module("pyarrow")
            parquet: Any = importlib.import_module("pyarrow.parquet")
        except ImportError as error:
            raise TableError(
                "The table is Parquet, which needs pyarrow.",
                mend="pip install 'rightface[parquet]', or save the table as CSV.",
            ) from error
        try:
            self._file: Any = parquet.ParquetFile(path)
        except self._arrow.ArrowException as error:
            raise TableError("The Parquet file is damaged.") from error
        self.heading = _heading(self._file.schema_arrow.names)

    def blocks(self, columns: Sequence[str], *, rows: int = BLOCK_ROWS) -> Iterator[Block]:
        _places(self.heading, columns)
        number = 1
        try:
            for batch in self._file.iter_batches(batch_size=rows, columns=list(columns)):
                wanted = tuple(self._cells(batch.column(name), name) for name in columns)
                yield Block(np.arange(number, number + batch.num_rows), wanted)
                number += batch.num_rows
        except (self._arrow.ArrowException, OSError) as error:
            raise TableError(f"The Parquet file is damaged after row {number - 1}.") from error

    def _cells(self, values: Any, name: str) -> Sequence[Cell]:
        kinds = self._arrow.types
        if kinds.is_nested(values.type) or kinds.is_binary(values.type):
            raise TableError(
                f"Column '{name}' holds neither texts nor numbers.",
                mend="Write it as a column of texts or numbers.",
            )
        plain = kinds.is_floating(values.type) or kinds.is_integer(values.type)
        cells: list[Cell] = values.to_pylist()
        if plain or kinds.is_boolean(values.type):
            return cells
        return [None if cell is None else str(cell) for cell in cells]


def _reader(lines: Any, delimiter: str) -> Any:
    return csv.reader(lines, delimiter=delimiter, skipinitialspace=True)


def _heading(names: Sequence[str]) -> tuple[str, ...]:
    """Nameless columns (pandas writes one for its index) cannot be asked for."""
    heading = tuple(name.strip() for name in names)
    named = [name for name in heading if name]
    if not named:
        raise TableError("The table's first line is no heading.", mend="Name the columns in it.")
    for name in named:
        if named.count(name) > 1:
            raise TableError(
                f"The heading has a column '{name}' twice.", mend="Give each a name of its own."
            )
    return heading


def _places(heading: tuple[str, ...], columns: Sequence[str]) -> tuple[int, ...]:
    for name in columns:
        if not name or name not in heading:
            has = ", ".join(f"'{known}'" for known in heading[:20] if known)
            raise TableError(f"The table has no column '{name}'.", mend=f"Its columns are {has}.")
    return tuple(heading.index(name) for name in columns)


def _is_text(cells: str) -> bool:
    """Whether it was UTF-8 (what was not came in as surrogates) and has no zero byte."""
    if "\0" in cells:
        return False
    try:
        cells.encode()
    except UnicodeEncodeError:
        return False
    return True


def _first_of_several_lines(read: list[list[str]], number: int) -> str:
    rows = [fields for fields in read if fields]
    for place, fields in enumerate(rows):
        if any("\n" in field or "\r" in field for field in fields):
            return f"row {number + place}"
    return f"after row {number - 1}"


def _unclosed(number: int, where: str) -> TableError:
    return TableError(
        f"A row goes on over several lines ({where}).",
        why="A quotation mark that is not closed swallows the rows after it.",
        mend="Close the quotation mark; no field may hold a line's end.",
    )
