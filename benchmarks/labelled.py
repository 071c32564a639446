"""The labelled photographs that benchmarks measure on: ../shared/faces, where it exists."""

from __future__ import annotations

import csv
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from rightface.faces.face import Face

ROOT = Path(__file__).resolve().parents[2] / "shared" / "faces"


@dataclass(frozen=True)
class Photograph:
    path: Path
    subject: str
    data_set: str


@dataclass(frozen=True)
class Pair:
    one: Path
    other: Path
    same: bool


def require_photographs() -> None:
    if not ROOT.is_dir():
        sys.exit("This benchmark needs the labelled photographs in ../shared/faces.")


def photographs(data_set: str) -> list[Photograph]:
    folder = ROOT / data_set
    with (folder / "manifest.csv").open(newline="") as file:
        return [
            Photograph(folder / row["image"], row.get("subject", ""), data_set)
            for row in csv.DictReader(file)
        ]


def lfw_pairs() -> list[Pair]:
    folder = ROOT / "lfw"
    with (folder / "pairs.csv").open(newline="") as file:
        return [
            Pair(folder / row["image_a"], folder / row["image_b"], row["same"] == "1")
            for row in csv.DictReader(file)
        ]


def named_face(faces: Sequence[Face], *, width: int, height: int, data_set: str) -> Face | None:
    """The labelled person: in LFW the face nearest the centre, elsewhere the largest."""
    if not faces:
        return None
    if data_set != "lfw":
        return faces[0]
    return min(
        faces,
        key=lambda face: math.hypot(
            face.box.x + face.box.width / 2 - width / 2,
            face.box.y + face.box.height / 2 - height / 2,
        ),
    )


Item = TypeVar("Item")


def portions(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    """Each portion is measured under a permit of its own: a permit lasts two minutes."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
