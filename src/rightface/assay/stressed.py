"""Every change at every level, one after the other: looked at, compared, and kept as figures.

A level that is done is written down (figures alone, no template), so a killed run goes on with the
next. Never knows labels' meaning, a command line or HTTP.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from rightface.assay.acquire import Acquired, Look, Progress, acquire
from rightface.assay.changes import KINDS, Kind, change
from rightface.assay.files import PRIVATE, written_whole
from rightface.assay.manifest import Manifest
from rightface.assay.permits import Permitted, Renewed
from rightface.assay.result import Stress
from rightface.assay.stress import Unchanged, stress_of
from rightface.assay.table_file import open_table, text
from rightface.errors import SettingsError, StorageError
from rightface.faces.engine import Engine
from rightface.faces.packs import ModelPack

_FILE = "stress.part"
YEAR_COLUMNS = ("year", "age")


def stressed(
    unchanged: Unchanged,
    images: Sequence[Path],
    landmarks: NDArray[np.float32],
    *,
    engine: Engine,
    pack: ModelPack,
    look: Look,
    permitted: Permitted,
    digest: str,
    directory: Path,
    threads: int,
    kinds: Sequence[Kind] = KINDS,
    progress: Progress | None = None,
) -> tuple[Stress, ...]:
    """All figures of all kinds.

    Args:
        unchanged: the references: of `images`, in their order.
        images: (m,), the photographs that gave a face.
        landmarks: (m, 5, 2), of those faces.
        engine: finds faces.
        pack: compares; `unchanged` has its vectors.
        look: whose face counts.
        permitted: asks the gate, for each portion.
        digest: of the data set.
        directory: where finished levels are written down.
        threads: portions at once.
        kinds: what is done.
        progress: told of levels done.

    Raises:
        Refused: the gate does not allow it.
        StorageError: figures cannot be written down, or read.
        SettingsError: something else has the name of their file.
    """
    pack_told = f"{pack.digest}\0{pack.comparison_digest}"
    told = f"{digest}\0{pack_told}\0{engine.detector_side}\0{look}".encode()
    told += f"\0{unchanged.thresholds}".encode()
    for column in unchanged.partitions:
        told += f"\0{column.names}\0{column.values}".encode()
    done = _Done(directory / _FILE, hashlib.sha256(told).hexdigest())
    levels = [(kind, level) for kind in kinds for level in kind.levels]
    found: list[Stress] = []
    for number, (kind, level) in enumerate(levels):
        name = f"{kind.name} {level:g}"
        if name not in done.figures:
            acquired = acquire(
                images,
                engine=engine,
                look=look,
                permitted=permitted,
                change=partial(change, kind=kind, level=level),
                landmarks=landmarks,
                threads=threads,
            )
            done.add(name, _figures(unchanged, acquired, pack, kind, level, permitted))
        found += done.figures[name]
        if progress is not None:
            progress(number + 1, len(levels))
    done.forget()
    return tuple(found)


def _figures(
    unchanged: Unchanged,
    acquired: Acquired,
    pack: ModelPack,
    kind: Kind,
    level: float,
    permitted: Permitted,
) -> tuple[Stress, ...]:
    with Renewed(permitted) as permits:
        return stress_of(
            unchanged,
            pack.probe_vectors(acquired.templates, permit=permits.renewed()),
            acquired.rows,
            np.ones(len(unchanged.subjects), np.bool_),
            kind=kind.name,
            level=level,
            unit=kind.unit,
            permit=permits,
        )


class _Kept(BaseModel):
    """What the file holds."""

    model_config = ConfigDict(extra="forbid")

    plan: str
    figures: dict[str, tuple[Stress, ...]]
    """By kind and level."""


class _Done:
    """The figures of finished levels on disk."""

    def __init__(self, path: Path, plan: str) -> None:
        """Reads what is there of that plan.

        Raises:
            SettingsError: something else has that name; it was not touched.
            StorageError: it cannot be read.
        """
        self._path, self._plan = path, plan
        self.figures: dict[str, tuple[Stress, ...]] = {}
        try:
            told = _Kept.model_validate_json(path.read_bytes())
            self.figures = told.figures if told.plan == plan else {}
        except FileNotFoundError:
            return
        except OSError as error:
            raise StorageError("Figures cannot be read.", why=str(error.strerror)) from error
        except ValueError as error:
            raise SettingsError(
                f"The file '{path.name}' in the assay's directory is not used for figures.",
                why="It is not what an unfinished assay of this version has left there.",
                mend="Name another --out, or move it away.",
            ) from error

    def add(self, name: str, figures: tuple[Stress, ...]) -> None:
        self.figures[name] = figures
        told = _Kept(plan=self._plan, figures=self.figures)
        try:
            with written_whole(self._path, mode=PRIVATE) as file:
                file.write(told.model_dump_json().encode())
        except OSError as error:
            raise StorageError(
                "Figures cannot be written down.", why=str(error.strerror)
            ) from error

    def forget(self) -> None:
        self._path.unlink(missing_ok=True)


def years_of(path: Path, manifest: Manifest) -> NDArray[np.float64] | None:
    """(n,): the year of each image, or the age of its subject then; NaN where it is not said.

    None where the table has neither column. Rows are known by their numbers.

    Args:
        path: the table that `manifest` was read from.
        manifest: its images.

    Raises:
        TableError: the table cannot be read.
    """
    table = open_table(path)
    known = [name for name in YEAR_COLUMNS if name in table.heading]
    if not known:
        return None
    place = {int(number): at for at, number in enumerate(manifest.numbers)}
    years = np.full(len(manifest), np.nan)
    for block in table.blocks([known[0]]):
        for number, cell in zip(block.numbers.tolist(), block.columns[0], strict=True):
            if number in place:
                years[place[number]] = _number(text(cell))
    return years


def _number(stated: str) -> float:
    try:
        return float(stated)
    except ValueError:
        return np.nan
