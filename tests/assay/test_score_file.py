"""Files of scores: every row is a comparison or a stated exclusion."""

from __future__ import annotations

import errno
import hashlib
import tracemalloc
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rightface.assay import score_file
from rightface.assay.cohorts import JOINT
from rightface.assay.errors import ScoreFileError, TableError
from rightface.assay.exclusions import HEADING_AGAIN, UNREADABLE
from rightface.assay.score_file import NEGATED, ScoreBlock, read_scores
from rightface.errors import StorageError

GOOD = "score,same\n0.9,1\n0.2,0\n0.8,1\n0.3,0\n"


def written(folder: Path, text: str) -> Path:
    path = folder / "scores.csv"
    path.write_text(text, "utf-8")
    return path


def whole(blocks: list[ScoreBlock]) -> tuple[list[float], list[bool]]:
    scores = np.concatenate([block.scores for block in blocks])
    return scores.tolist(), np.concatenate([block.same for block in blocks]).tolist()


def test_scores_come_in_order_as_often_as_wanted(tmp_path: Path) -> None:
    path = written(tmp_path, GOOD)
    with read_scores(path, chunk=3) as scores:
        for _ in range(2):
            assert whole(list(scores.blocks())) == (
                [0.9, 0.2, 0.8, 0.3],
                [True, False, True, False],
            )
        assert scores.rows == 4
        assert (scores.genuine.tolist(), scores.impostor.tolist()) == ([0.8, 0.9], [0.2, 0.3])
        assert scores.digest == hashlib.sha256(path.read_bytes()).hexdigest()
        told = scores.data_set("a vendor's")
    assert (told.rows, told.images, told.subjects) == (4, 4, None)
    assert told.rows_are == "comparisons"


def test_distances_are_negated(tmp_path: Path) -> None:
    path = written(tmp_path, "score,same\n0.1,1\n0.9,0\n")
    with read_scores(path, distances=True) as scores:
        assert whole(list(scores.blocks()))[0] == [-0.1, -0.9]
        assert scores.warnings == (NEGATED,)
    with read_scores(written(tmp_path, GOOD)) as scores:
        assert NEGATED not in scores.warnings


def test_what_cannot_be_read_is_left_out_with_its_reason(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        GOOD + "nan,1\n,0\nhigh,1\ninf,1\n0.5,perhaps\n0.5\n0.5,1,2\nscore,same\n\n0.7,genuine\n",
    )
    with read_scores(path) as scores:
        reasons = {one.reason: (one.count, one.rows) for one in scores.exclusions}
        assert reasons == {
            score_file.NO_SCORE: (3, (5, 6, 7)),
            score_file.INFINITE: (1, (8,)),
            score_file.NOT_SAID: (1, (9,)),
            UNREADABLE: (2, (10, 11)),
            HEADING_AGAIN: (1, (12,)),
        }
        assert (scores.rows, len(scores.genuine), len(scores.impostor)) == (13, 3, 2)


def test_cohorts_of_both_or_of_each(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "score,same,sex,race_a,race_b,id\n"
        "0.9,1,f,white,white,1\n0.1,0,m,black,white,2\n0.2,0,NaN,,black,3\n",
    )
    with read_scores(path, chunk=2) as scores:
        assert scores.columns == {
            "sex": ("f", "m"),
            "id": ("1", "2", "3"),
            "race": ("black", "white"),
        }
        assert scores.counts["race"] == {"black": 2, "white": 2, "": 1}
        assert scores.counts["sex"] == {"f": 1, "m": 1, "": 1}
        blocks = list(scores.blocks())
    assert np.concatenate([block.numbers for block in blocks]).tolist() == [1, 2, 3]
    a, b = (np.concatenate([block.groups["race"][side] for block in blocks]) for side in (0, 1))
    assert (a.tolist(), b.tolist()) == ([1, 0, -1], [1, 1, 0])
    sexes = [block.groups["sex"] for block in blocks]
    assert all((one == other).all() for one, other in sexes)


def test_columns_of_many_values_are_left_out_and_said(tmp_path: Path) -> None:
    rows = "".join(f"0.{9 * same + i},{same},{i}\n" for i in range(1, 90) for same in (0, 1))
    path = written(tmp_path, "score,same,who\n" + rows)
    with read_scores(path, chunk=10, as_stated=True) as scores:
        assert scores.columns == {}
        assert scores.warnings == (
            "Column 'who' is left out: it has more than 20 different values.",
        )
    with (
        pytest.raises(ScoreFileError, match="more than 60"),
        read_scores(path, cohort_columns=["who"], as_stated=True),
    ):
        pass


def test_a_column_that_is_not_there(tmp_path: Path) -> None:
    with (
        pytest.raises(TableError, match="no column 'race'"),
        read_scores(written(tmp_path, GOOD), cohort_columns=["race"]),
    ):
        pass


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("score,same\n", "There are no rows"),
        ("score,same\nx,1\ny,0\n", "No row of the scores"),
        ("score,same\n0.5,1\n0.5,0\n", "All scores are alike"),
        ("score,same\n0.5,1\n0.6,1\n", "of one person each"),
        ("score,same\n0.5,0\n0.6,0\n", "of two people each"),
        ("score,same\n0.9,0\n0.1,1\n0.8,0\n0.3,1\n", "`same` looks swapped"),
    ],
)
def test_scores_that_say_nothing_are_refused(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ScoreFileError, match=says), read_scores(written(tmp_path, text)):
        pass


def test_scores_upside_down_can_be_taken_as_stated(tmp_path: Path) -> None:
    path = written(tmp_path, "score,same\n0.9,0\n0.1,1\n")
    with read_scores(path, as_stated=True) as scores:
        assert scores.genuine.tolist() == [0.1]


def test_parquet_says_the_same_as_csv(tmp_path: Path) -> None:
    path = tmp_path / "scores.parquet"
    table = pyarrow.table(
        {
            "score": [0.9, 0.2, None, float("nan"), 0.4],
            "same": [True, False, True, True, None],
            "sex": ["f", "m", "m", "f", None],
        }
    )
    pyarrow.parquet.write_table(table, path)
    with read_scores(path) as scores:
        assert whole(list(scores.blocks())) == ([0.9, 0.2], [True, False])
        assert {one.reason: one.count for one in scores.exclusions} == {
            score_file.NO_SCORE: 2,
            score_file.NOT_SAID: 1,
        }
        assert scores.columns == {"sex": ("f", "m")}


def test_no_temporary_file_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = tmp_path / "temporary"
    here.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(here))
    with read_scores(written(tmp_path, GOOD)) as scores:
        assert len(list(scores.blocks())) == 1
        assert list(here.iterdir()) == []


def test_a_full_temporary_folder_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("numpy.save", full)
    with (
        pytest.raises(StorageError, match="TMPDIR"),
        read_scores(written(tmp_path, GOOD)),
    ):
        pass


def test_a_value_that_looks_like_a_cross_is_left_out(tmp_path: Path) -> None:
    path = written(tmp_path, f"score,same,who\n0.9,1,a{JOINT}b\n0.1,0,c\n")
    with read_scores(path) as scores:
        assert scores.columns == {}
        assert "'who' is left out: a value holds" in scores.warnings[0]


def test_memory_grows_with_the_scores_alone(tmp_path: Path) -> None:
    def peak(rows: int) -> int:
        path = tmp_path / f"{rows}.csv"
        with path.open("w") as file:
            file.write("score,same,sex\n")
            file.writelines(f"0.{row % 997:03d},{row % 2},{'mf'[row % 2]}\n" for row in range(rows))
        tracemalloc.start()
        with read_scores(path, as_stated=True) as scores:
            assert sum(len(block.scores) for block in scores.blocks()) == rows
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    small, large = peak(20_000), peak(80_000)
    assert (large - small) / 60_000 < 24  # bytes a row: in order, and while the order is judged


cells = st.sampled_from(["0.5", "-3", "1e3", "nan", "", "inf", "x", " 0.25 "])
same = st.sampled_from(["1", "0", "yes", "No", "", "2", "TRUE"])


@given(
    rows=st.lists(st.one_of(st.tuples(cells, same), st.tuples(cells), st.just(("score", "same")))),
    chunk=st.integers(1, 9),
)
@settings(max_examples=80)
def test_rows_are_comparisons_and_exclusions(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, ...]], chunk: int
) -> None:
    lines = [",".join(row) for row in (("score", "same"), *rows, ("0.1", "1"), ("0.2", "0"))]
    path = written(tmp_path_factory.mktemp("scores"), "\n".join(lines))
    try:
        with read_scores(path, chunk=chunk, as_stated=True) as scores:
            left_out = sum(one.count for one in scores.exclusions)
            assert scores.rows == sum(1 for line in lines[1:] if line)
            assert scores.rows == len(scores.genuine) + len(scores.impostor) + left_out
            assert sum(len(block.scores) for block in scores.blocks()) == scores.rows - left_out
    except ScoreFileError as error:
        pytest.fail(f"two rows are good: {error}")
