"""The cells of files of scores."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rightface.assay.comparisons import Comparisons
from rightface.assay.counts import Axis
from rightface.assay.errors import ScoreFileError
from rightface.assay.score_cells import score_cells
from rightface.assay.score_file import read_scores


def written(folder: Path, heading: str, rows: list[str]) -> Path:
    path = folder / "scores.csv"
    path.write_text("\n".join([f"score,same,{heading}", *rows]), "utf-8")
    return path


def test_cells_are_what_is_said_of_both_people(tmp_path: Path) -> None:
    rows = ["0.9,1,f,asian,asian", "0.2,0,f,asian,white", "0.3,0,,white,white", "0.8,1,m,,"]
    path = written(tmp_path, "sex,race_a,race_b", rows)
    with read_scores(path, chunk=3) as scores:
        cells = score_cells(scores)
        blocks = list(cells.blocks(scores))
        compared = Comparisons.from_scores(
            cells.blocks(scores), group_count=cells.count, axis=Axis(0.0, 1.0, 100)
        )

    def said(cell: int) -> tuple[str, ...]:
        return tuple(
            one.values[one.codes[cell]] if one.codes[cell] >= 0 else ""
            for one in cells.columns.values()
        )

    assert list(cells.columns) == ["sex", "race"]
    pairs = [
        (said(a), said(b))
        for block in blocks
        for a, b in zip(block[2].tolist(), block[3].tolist(), strict=True)
    ]
    assert pairs == [
        (("f", "asian"), ("f", "asian")),
        (("f", "asian"), ("f", "white")),
        (("", "white"), ("", "white")),
        (("m", ""), ("m", "")),
    ]
    assert cells.count == 4
    assert compared.total == 4
    assert np.concatenate([block[0] for block in blocks]).tolist() == [0.9, 0.2, 0.3, 0.8]


def test_without_columns_everybody_is_in_one_cell(tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    path.write_text("score,same\n0.9,1\n0.1,0\n", "utf-8")
    with read_scores(path) as scores:
        cells = score_cells(scores)
        assert (cells.count, cells.columns) == (1, {})
        assert [block[2].tolist() for block in cells.blocks(scores)] == [[0, 0]]


@pytest.mark.parametrize("columns", [2, 15])
def test_too_many_cells_are_refused(tmp_path: Path, columns: int) -> None:
    values = [",".join([str(row // 20), *[str(row % 20)] * (columns - 1)]) for row in range(400)]
    rows = [f"0.{row + 100},{int(row > 200)},{value}" for row, value in enumerate(values)]
    path = written(tmp_path, ",".join(f"c{number}" for number in range(columns)), rows)
    with (
        read_scores(path) as scores,
        pytest.raises(ScoreFileError, match="more than 256 cells"),
    ):
        score_cells(scores)
