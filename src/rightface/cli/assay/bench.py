"""What the commands that measure share: the instance to measure in, progress, what is printed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
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
    from rightface.assay.run import Bench, Stage
    from rightface.assay.sealed_parts import Sealed
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
Targets = Annotated[
    list[float] | None,
    typer.Option("--fmr", help="A false match rate to set a threshold at. Repeatable."),
]
FILE = "assay.json"
INSTANCE = "instance"
TEMPLATES = "templates"
MOST_SUSPICIONS = 5
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
    """The instance to measure in; see `service.measuring`. Says so when one is made."""
    from rightface.service.measuring import measuring

    made(out)
    where = out / INSTANCE if data is None else data
    if data is None and not quiet and not (where / SETTINGS).exists():
        say(
            f"An instance is made in {where}: its gate permits, its ledger records. It measures as "
            f"{sector} in {jurisdiction}; if you are another, say --sector and --jurisdiction."
        )
    with measuring(where, sector=sector, jurisdiction=jurisdiction, make=data is None) as room:
        yield room


def made(out: Path) -> None:
    """Make the directory if it is not there.

    Raises:
        StorageError: it cannot be made.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"'{out}' cannot be made.", why=str(error.strerror)) from error


def by_name(read: Sequence[Manifest]) -> dict[str, Manifest]:
    """Several data sets by their names.

    Raises:
        ManifestError: two have the same name.
    """
    from rightface.assay.errors import ManifestError

    named = {each.statement.name: each for each in read}
    if len(named) < len(read):
        names = [each.statement.name for each in read]
        again = next(name for name in names if names.count(name) > 1)
        raise ManifestError(
            f"Two data sets are called '{again}'.",
            why="Figures are told apart by the name, and so are the templates of unfinished runs.",
            mend="Say another name in one's dataset.toml, or give the table once.",
        )
    return named


def sealed_sets(named: Mapping[str, Manifest], bench: Bench, out: Path) -> list[Sealed]:
    """Where the templates of several data sets lie, each in a directory of its own.

    A name may come from elsewhere, and hold anything: directories are called by its digest.

    Raises:
        SettingsError: something else lies in one of them.
        StorageError: one cannot be written to.
    """
    from rightface.assay.run import sealed_parts

    return [
        sealed_parts(each, bench, out / TEMPLATES / hashlib.sha256(name.encode()).hexdigest()[:16])
        for name, each in named.items()
    ]


def forget(sealed: Sequence[Sealed], out: Path) -> None:
    """Take away the templates of `sealed_sets`, and their directory if nothing else lies there."""
    for part in sealed:
        part.forget()
    with suppress(OSError):
        (out / TEMPLATES).rmdir()


def crosses(stated: Sequence[str] | None) -> tuple[tuple[str, ...], ...] | None:
    """`gender,race` as the columns to cross; None where none is stated."""
    if not stated:
        return None
    return tuple(tuple(column.strip() for column in each.split(",")) for each in stated)


def bench_of(room: Measuring, comparison: str | None = None) -> Bench:
    """What measures in that instance; `comparison`: how templates are compared, if not as there.

    To measure a pack takes no calibration: what a score means is what is measured.

    Raises:
        WeightsError: the model pack has no such comparison.
    """
    from rightface.assay.calibrating import uncalibrated
    from rightface.assay.run import Bench

    pack = uncalibrated(comparison or room.instance.settings.comparison)
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
    beside = path.with_name(f".{path.name}.new")
    try:
        beside.write_text(told.model_dump_json(indent=1), "utf-8")
        beside.replace(path)
    except OSError as error:
        raise StorageError(f"'{path}' cannot be written.", why=str(error.strerror)) from error
