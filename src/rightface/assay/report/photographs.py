"""Photographs of comparisons that went wrong, small enough for the page and without their names.

Only where the data set's terms allow it, and under a permit: these are faces. What a file says
beside its pixels (place, time, camera) is left behind. Never knows a subject; a pair is its row.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from PIL import Image

from rightface.assay.errors import ManifestError
from rightface.assay.labels import is_same
from rightface.assay.pairs import image_name
from rightface.assay.result import Assay
from rightface.assay.table_file import Cell, open_table
from rightface.errors import ImageError
from rightface.faces.image import decode
from rightface.permit import Permit, Touch, require

MOST = 24
"""Pairs on a page."""
SIDE = 160
"""Pixels of a photograph's longer side, at most."""
_QUALITY = 82


@dataclass(frozen=True)
class Pair:
    """One row of the table: two photographs that were judged wrongly."""

    row: int
    first: Path
    second: Path
    same: bool


@dataclass(frozen=True)
class Shown:
    """A pair as the page shows it: both photographs as `data:` addresses."""

    row: int
    same: bool
    first: str
    second: str


def read_failures(path: Path, root: Path | None = None) -> tuple[Pair, ...]:
    """The first pairs of a table with the columns image_a, image_b, same.

    Args:
        path: CSV or Parquet.
        root: where the images' paths start; else the table's folder.

    Raises:
        TableError: the file cannot be read, or a column is missing.
        ManifestError: no row says whether its pair is of one person, or an image's path leads out
            of that folder.
    """
    folder = path.parent if root is None else root
    found: list[Pair] = []
    for block in open_table(path).blocks(["image_a", "image_b", "same"]):
        for number, first, second, told in zip(block.numbers, *block.columns, strict=True):
            same = is_same(told)
            if same is not None and len(found) < MOST:
                row = int(number)
                found.append(
                    Pair(row, _inside(folder, first, row), _inside(folder, second, row), same)
                )
    if not found:
        raise ManifestError(
            "The table of failures has no pair.",
            mend="It needs the columns image_a, image_b and same (true or false).",
        )
    return tuple(found)


def _inside(folder: Path, cell: Cell, row: int) -> Path:
    name = image_name(cell)
    if name == ".." or name.startswith(("../", "/")):
        raise ManifestError(
            f"A path in row {row} of the failures leads out of the images' folder.",
            why="A table that came from elsewhere could put any photograph of this machine on the "
            "page.",
            mend="Give the folder that holds all of them as --images-root, and write paths in it.",
        )
    return folder / name


def shown(assay: Assay, pairs: tuple[Pair, ...], *, permit: Permit) -> tuple[Shown, ...]:
    """The pairs for the page.

    Raises:
        PermitError: the permit does not cover looking at faces.
        ManifestError: the data set's terms are not known to allow it, or an image cannot be read.
    """
    require(permit, Touch.DETECT)
    if not assay.data.may_show:
        raise ManifestError(
            "This data set's photographs are not shown.",
            why="Its licence is not known to allow it.",
            mend="If it does, measure with --may-show, or say may_show in dataset.toml.",
        )
    return tuple(
        Shown(one.row, one.same, _small(one.first, one.row), _small(one.second, one.row))
        for one in pairs
    )


def _small(path: Path, row: int) -> str:
    try:
        pixels = decode(path.read_bytes())
    except (OSError, ImageError) as error:
        raise ManifestError(
            f"An image of row {row} of the failures cannot be read.",
            why=error.what if isinstance(error, ImageError) else type(error).__name__,
        ) from error
    image = Image.fromarray(pixels)
    image.thumbnail((SIDE, SIDE))
    written = BytesIO()
    image.save(written, "JPEG", quality=_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(written.getvalue()).decode()
