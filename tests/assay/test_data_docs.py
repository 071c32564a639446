"""docs/assay-data.md: its examples are read, and its lists are the code's."""

from __future__ import annotations

import re
from pathlib import Path

from rightface.assay import exclusions, manifest, pairs, score_file
from rightface.assay.labels import FEW_VALUES, MOST_VALUES, NO, NOT_KNOWN, YES
from rightface.assay.manifest import read_manifest
from rightface.assay.score_file import read_scores
from rightface.assay.statement import Statement

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "assay-data.md").read_text("utf-8")
BLOCKS = re.findall(r"```(csv|toml)\n(.*?)```", PAGE, re.DOTALL)


def test_the_examples_are_read(tmp_path: Path) -> None:
    images, said, terms, scores = (text for _, text in BLOCKS)
    for name, text in (
        ("manifest.csv", images),
        ("pairs.csv", said),
        ("dataset.toml", terms),
        ("scores.csv", scores),
    ):
        (tmp_path / name).write_text(text, "utf-8")
    (tmp_path / "images").mkdir()
    for number in (1, 2, 3):
        (tmp_path / "images" / f"00{number}.jpg").write_bytes(b"%d" % number)
    made = read_manifest(tmp_path / "manifest.csv", pairs=tmp_path / "pairs.csv")
    assert (len(made), made.subject_count, made.exclusions) == (3, 2, ())
    assert made.columns["age"].values == ("18-29", "60+")
    assert made.pairs is not None
    assert (len(made.pairs), made.pairs.exclusions) == (2, ())
    assert made.statement.name == "Our door"
    assert set(Statement.model_fields) == set(re.findall(r"^(\w+) =", terms, re.MULTILINE))
    with read_scores(tmp_path / "scores.csv") as read:
        assert (len(read.genuine), len(read.impostor)) == (1, 1)
        assert set(read.columns) == {"gender", "race"}


def test_every_reason_is_told() -> None:
    tables = re.findall(r"\| left out \| because \|\n\|[ |-]+\n((?:\|.*\n)+)", PAGE)
    assert len(tables) == 3
    assert {line.split("|")[1].strip() for each in tables for line in each.splitlines()} == {
        exclusions.UNREADABLE,
        exclusions.HEADING_AGAIN,
        manifest.NO_IMAGE,
        manifest.AGAIN,
        manifest.MISSING,
        manifest.SAME_BYTES,
        pairs.NOT_LISTED,
        pairs.LEFT_OUT,
        pairs.ITSELF,
        pairs.NOT_SAID,
        pairs.AGAIN,
        score_file.NO_SCORE,
        score_file.INFINITE,
        score_file.NOT_SAID,
    }


def test_every_word_is_told() -> None:
    words = {word.casefold() for word in re.findall(r"`([^`\n]+)`", PAGE)}
    assert words >= YES | NO | (NOT_KNOWN - {""})
    assert f"at most {MOST_VALUES} values" in PAGE
    assert f"2 to {FEW_VALUES} values" in PAGE
