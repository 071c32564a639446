"""Whatever a file holds, it is rows or a plain error."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rightface.assay.errors import AssayError, TableError
from rightface.assay.manifest import read_manifest
from rightface.assay.score_file import read_scores
from rightface.assay.table_file import open_table

PIECES = st.sampled_from(
    [
        b"image", b"score", b"same", b"subject", b",", b";", b"\t", b"|", b"\n", b"\r\n", b"\r",
        b'"', b'""', b"\0", b"\xff", b"\xef\xbb\xbf", b"\xff\xfe", b"PAR1", b"1", b"0.5", b"nan",
        b"a.jpg", b"../", b"/", b" ", "ü".encode(), "\u2028".encode(), b"'", b"\x1a", b"\\",
    ]
)  # fmt: skip
FILES = st.one_of(
    st.lists(PIECES, max_size=40).map(b"".join),
    st.lists(PIECES, max_size=40).map(lambda parts: b"image,subject\n" + b"".join(parts)),
    st.lists(PIECES, max_size=40).map(lambda parts: b"score,same\n" + b"".join(parts)),
    st.binary(max_size=200),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("tables")
    (made / "a.jpg").write_bytes(b"a")
    return made


@given(content=FILES)
@settings(max_examples=400)
def test_no_file_is_a_surprise(folder: Path, content: bytes) -> None:
    path = folder / "table"
    path.write_bytes(content)
    try:
        made = read_manifest(path)
        assert made.rows == len(made) + sum(one.count for one in made.exclusions)
    except AssayError as error:
        assert error.exit_status == 2
    try:
        with read_scores(path) as scores:
            left_out = sum(one.count for one in scores.exclusions)
            assert scores.rows == scores.genuine + scores.impostor + left_out
    except AssayError as error:
        assert error.exit_status == 2


@given(rows=st.integers(1, 9), content=st.lists(st.sampled_from(["a,b", "c", "", "x,y", "d,e,f"])))
def test_blocks_give_every_row_once(folder: Path, rows: int, content: list[str]) -> None:
    path = folder / "blocks"
    path.write_text("\n".join(["x,y", *content]), "utf-8")
    blocks = list(open_table(path).blocks(["y"], rows=rows))
    good = [number for block in blocks for number in block.numbers.tolist()]
    unreadable = [number for block in blocks for number in block.unreadable]
    again = [number for block in blocks for number in block.heading_again]
    lines = [line for line in content if line]
    assert sorted([*good, *unreadable, *again]) == list(range(1, len(lines) + 1))
    assert [lines[number - 1] for number in good] == ["a,b"] * len(good)
    assert all(lines[number - 1] == "x,y" for number in again)
    assert [cell for block in blocks for cell in block.columns[0]] == ["b"] * len(good)


def test_a_file_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "table.csv"
    path.write_text("x,y\n1,2\n", "utf-8")

    def refused(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refused)
    with pytest.raises(TableError, match="Permission denied"):
        open_table(path)
