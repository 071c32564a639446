"""What went wrong the most: the worst first, both kinds in turn, readable by the report."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from rightface.assay.comparisons import Comparisons
from rightface.assay.counts import Axis
from rightface.assay.failures import HEADING, Wrong, worst, write_failures
from rightface.assay.manifest import Manifest, read_manifest
from rightface.assay.operating import Threshold
from rightface.assay.report.photographs import read_failures
from rightface.errors import StorageError

AT = Threshold(fmr_target=1e-3, score=0.5)
ROWS = np.array([0, 1, 3, 4], np.int32)
"""The image at place 2 gave no face."""


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    lines = ["image,subject", "gone.jpg,x"]
    for place in range(5):
        (tmp_path / f"{place}.jpg").write_bytes(b"%d" % place)
        lines.append(f"{place}.jpg,p{place // 2}")
    (tmp_path / "manifest.csv").write_text("\n".join(lines) + "\n", "utf-8")
    return read_manifest(tmp_path / "manifest.csv")


def compared(scores: list[tuple[float, bool, int, int]]) -> Comparisons:
    """Of those scores; the places among ROWS stand for groups."""
    told, same, a, b = (np.array(each) for each in zip(*scores, strict=True))
    block = (told.astype(np.float32), same, a.astype(np.int16), b.astype(np.int16))
    return Comparisons.from_scores([block], group_count=4, axis=Axis(-1.0, 1.0, 64))


SCORES = [
    (0.9, True, 0, 1),
    (0.2, True, 2, 3),
    (0.4, True, 1, 2),
    (0.7, False, 0, 2),
    (0.8, False, 0, 3),
    (0.6, False, 1, 3),
    (0.1, False, 1, 2),
]


def test_the_worst_of_both_kinds_in_turn() -> None:
    found = worst(compared(SCORES), ROWS, AT)
    assert [(round(one.score, 6), one.same) for one in found] == [
        (0.8, False),
        (0.2, True),
        (0.7, False),
        (0.4, True),
        (0.6, False),
    ]
    assert (found[0].a, found[0].b) == (0, 4)
    assert (found[1].a, found[1].b) == (3, 4)
    assert len(worst(compared(SCORES), ROWS, AT, most=1)) == 2
    assert worst(compared(SCORES), ROWS, None) == ()


def test_the_report_reads_what_is_written(manifest: Manifest, tmp_path: Path) -> None:
    path = tmp_path / "out" / "failures.csv"
    path.parent.mkdir()
    write_failures(path, manifest, worst(compared(SCORES), ROWS, AT), {2: "no-face"})
    assert path.stat().st_mode & 0o777 == 0o600  # it names people's photographs
    told = list(csv.reader(path.read_text("utf-8").splitlines()))
    assert tuple(told[0]) == HEADING
    assert told[1] == ["false-match", "2", "6", "0.800000", "0.jpg", "4.jpg", "0"]
    assert told[2][:3] == ["false-non-match", "5", "6"]
    assert told[-1] == ["not-acquired: no-face", "4", "", "", "2.jpg", "", ""]
    shown = read_failures(path, manifest.root)
    assert [(one.first.name, one.second.name, one.same) for one in shown[:2]] == [
        ("0.jpg", "4.jpg", False),
        ("3.jpg", "4.jpg", True),
    ]
    assert len(shown) == len(told) - 2
    assert all(one.first.is_file() and one.second.is_file() for one in shown)


def test_a_table_that_cannot_be_written_is_said(manifest: Manifest, tmp_path: Path) -> None:
    wrong = (Wrong(0, 1, 0.9, same=False),)
    with pytest.raises(StorageError, match="cannot be written"):
        write_failures(tmp_path / "nowhere" / "failures.csv", manifest, wrong, {})
    (tmp_path / "taken").mkdir()
    with pytest.raises(StorageError, match="cannot be written"):
        write_failures(tmp_path / "taken", manifest, wrong, {})
