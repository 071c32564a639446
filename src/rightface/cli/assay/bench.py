"""What the commands that measure share: the instance to measure in, progress, what is printed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from rightface.cli.output import say
from rightface.errors import SettingsError, StorageError
from rightface.settings import FILE as SETTINGS

if TYPE_CHECKING:
    from rightface.assay.manifest import Manifest
    from rightface.assay.result import Assay
    from rightface.assay.run import Bench, Material, Stage
    from rightface.service.measuring import Measuring

Out = Annotated[Path, typer.Option("--out", help="Where assay.json goes; made if it is not there.")]
Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        help="An instance whose licence and ledger to use; else one is made in OUT/instance.",
    ),
]
Sector = Annotated[
    str, typer.Option(help="What you are, for the instance that is made: an actor of the law.")
]
Place = Annotated[str, typer.Option(help="Where you are, for the instance that is made.")]
Threads = Annotated[int, typer.Option(help="How much to do at once.", min=1)]
Keep = Annotated[bool, typer.Option("--keep", help="Keep the sealed templates for another run.")]
Caveats = Annotated[
    list[str] | None, typer.Option(help="A sentence to stand beside the figures. Repeatable.")
]
Crosses = Annotated[
    list[str] | None,
    typer.Option(help="Columns to cross: gender,race. Else every two, of up to three."),
]
Manifests = Annotated[
    list[Path], typer.Argument(help="Tables (CSV, Parquet): image, any subject, any cohorts.")
]
Centrals = Annotated[
    list[str] | None,
    typer.Option(help="A set in which the face nearest the centre is meant. Repeatable."),
]
Pads = Annotated[
    list[str] | None,
    typer.Option(help="Black pixels to add around a set's images: utkface=40. Repeatable."),
]
Day = Annotated[
    datetime | None, typer.Option("--date", formats=["%Y-%m-%d"], help="The day; today, in UTC.")
]
Targets = Annotated[
    list[float] | None,
    typer.Option("--fmr", help="A false match rate to set a threshold at. Repeatable."),
]


class Comparison(StrEnum):
    """As in the settings."""

    equalised = "equalised"
    raw = "raw"


FILE = "assay.json"
INSTANCE = "instance"
TEMPLATES = "templates"
MOST_PAD = 1000
"""As `assay.statement` has it, which is not imported for a help text."""
STAGES = {
    "templates": "Templates",
    "comparisons": "Comparisons",
    "rates": "Rates",
    "searches": "Searches",
    "stress": "Stress",
    "asked": "Asked",
}


@contextmanager
def measuring_in(
    out: Path, data: Path | None, sector: str, jurisdiction: str, *, quiet: bool
) -> Iterator[Measuring]:
    """The instance to measure in; see `service.measuring`. Says so when one is made.

    `out` is held meanwhile: of two runs, one would destroy the other's templates.

    Raises:
        StorageError: another run holds `out`, or it cannot be written to.
    """
    from rightface.assay.files import held
    from rightface.service.measuring import measuring

    made(out)
    where = out / INSTANCE if data is None else data
    fresh = data is None and not (where / SETTINGS).exists()
    with (
        held(out),
        measuring(where, sector=sector, jurisdiction=jurisdiction, make=data is None) as room,
    ):
        if fresh and not quiet:
            say(
                f"An instance was made in {where}: its gate permits, its ledger records. It "
                f"measures as {sector} in {jurisdiction}; if you are another, say --sector and "
                "--jurisdiction."
            )
        yield room


def made(out: Path) -> None:
    """Make the directory if it is not there, and see that files can be written in it.

    Raises:
        StorageError: it cannot be made, or written to: said before there is anything to lose.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=out) as trial:
            trial.write(b"assay")
    except OSError as error:
        raise StorageError(
            f"'{out}' cannot be made, or not be written to.",
            why=str(error.strerror),
            mend="Name another --out.",
        ) from error


def by_name(read: Sequence[Manifest]) -> dict[str | None, Manifest]:
    """Several data sets by their names.

    Raises:
        ManifestError: two have the same name.
    """
    from rightface.assay.errors import ManifestError

    named: dict[str | None, Manifest] = {each.statement.name: each for each in read}
    if len(named) < len(read):
        names = [each.statement.name for each in read]
        again = next(name for name in names if names.count(name) > 1)
        raise ManifestError(
            f"Two data sets are called '{again}'.",
            why="Figures are told apart by the name, and so are the templates of unfinished runs.",
            mend="Say another name in one's dataset.toml, or give the table once.",
        )
    return named


@contextmanager
def gathered(
    sets: Mapping[str | None, Manifest],
    bench: Bench,
    out: Path,
    *,
    threads: int,
    keep: bool,
    stage: Stage,
) -> Iterator[list[Material]]:
    """The templates of data sets, in their order. This is the one way to them for a command.

    They lie beneath `out`, sealed, until the block is left without an error; then their key is
    gone, and they. After an error, or with `keep`, they stay for another run.

    Args:
        sets: by name; a name may come from elsewhere, and hold anything, so directories are called
            by its digest. None: the command measures one set alone.
        bench: what measures.
        out: the command's directory.
        threads: portions of work at once.
        keep: whether the templates stay.
        stage: told of progress.

    Raises:
        SettingsError: something else lies where the templates would.
        StorageError: they cannot be kept there.
        Refused: the gate does not allow it.
        AssayError: fewer than two images of a set gave a face.
    """
    from rightface.assay.run import gather, sealed_parts

    where = out / TEMPLATES
    sealed = [sealed_parts(each, bench, _folder(where, name)) for name, each in sets.items()]
    yield [
        gather(each, bench, sealed=part, threads=threads, stage=stage)
        for each, part in zip(sets.values(), sealed, strict=True)
    ]
    if not keep:
        for part in sealed:
            part.forget()
        with suppress(OSError):
            where.rmdir()


def _folder(where: Path, name: str | None) -> Path:
    return where if name is None else where / hashlib.sha256(name.encode()).hexdigest()[:16]


def manifest_of(path: Path, central: Sequence[str], pads: Sequence[str]) -> Manifest:
    """The data set of a table, with what options for several sets say of its faces and padding.

    Raises:
        SettingsError: a padding is not stated as NAME=PIXELS.
        ManifestError: the table cannot be measured on, or the padding is beyond its range.
    """
    from rightface.assay.manifest import read_manifest
    from rightface.assay.statement import with_said

    read = read_manifest(path)
    name = read.statement.name
    said: dict[str, object] = {"which_face": "central"} if name in central else {}
    for each in pads:
        named, equals, pixels = each.rpartition("=")
        if not equals or not pixels.isdecimal():
            raise SettingsError(f"'{each}' states no padding.", mend="For example utkface=40.")
        if named == name:
            said["pad"] = int(pixels)
    return replace(read, statement=with_said(read.statement, said))


def crosses(stated: Sequence[str] | None) -> tuple[tuple[str, ...], ...] | None:
    """`gender,race` as the columns to cross; None where none is stated."""
    if not stated:
        return None
    return tuple(tuple(column.strip() for column in each.split(",")) for each in stated)


def bench_of(room: Measuring, comparison: Comparison | None = None) -> Bench:
    """What measures in that instance; `comparison`: how templates are compared, if not as there.

    To measure a pack takes no calibration: what a score means is what is measured.
    """
    from rightface.assay.calibrating import uncalibrated
    from rightface.assay.run import Bench

    pack = uncalibrated(room.instance.settings.comparison if comparison is None else comparison)
    return Bench(
        engine=room.engine(pack),
        pack=pack,
        keyring=room.instance.keyring,
        permitted=room.permitted,
    )


@contextmanager
def progress(quiet: bool) -> Iterator[Stage]:
    """Bars on the terminal's error stream, one for each stage; none if `quiet`."""
    bars = Progress(
        TextColumn("{task.description:<12}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=quiet,
    )
    tasks: dict[str, TaskID] = {}

    def stage(name: str, done: int, total: int) -> None:
        if name not in tasks:
            tasks[name] = bars.add_task(STAGES.get(name, name), total=total)
        bars.update(tasks[name], completed=done, total=total)

    with bars:
        yield stage


def targets(stated: Sequence[float] | None) -> tuple[float, ...]:
    """The false match rates to set thresholds at, the highest first.

    Raises:
        SettingsError: one is no rate.
    """
    from rightface.assay.result import FMR_TARGETS

    if not stated:
        return FMR_TARGETS
    if not all(0 < each < 1 for each in stated):
        raise SettingsError("--fmr must lie between 0 and 1.", mend="For example 0.001.")
    return tuple(sorted(set(stated), reverse=True))


def write(told: Assay, path: Path) -> None:
    """Write the document, whole or not at all.

    Raises:
        StorageError: it cannot be written.
    """
    write_text(path, told.model_dump_json(indent=1))


def write_text(path: Path, text: str) -> None:
    """Write a file whole, or leave it as it was; when this returns it outlasts a crash.

    Raises:
        StorageError: it cannot be written.
    """
    from rightface.assay.files import PUBLIC, written_whole

    try:
        with written_whole(path, mode=PUBLIC) as file:
            file.write(text.encode())
    except OSError as error:
        raise StorageError(f"'{path}' cannot be written.", why=str(error.strerror)) from error
