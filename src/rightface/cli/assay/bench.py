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

from rightface.cli.output import say, show_table
from rightface.errors import SettingsError, StorageError
from rightface.settings import FILE as SETTINGS

if TYPE_CHECKING:
    from rightface.assay.manifest import Manifest
    from rightface.assay.result import Assay, OperatingPoint, Partition, Rate
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


def show(told: Assay) -> None:
    """The document's main figures, for a person."""
    data, verified = told.data, told.verification
    people = f"{data.subjects:,} people, " if data.subjects else ""
    say(f"{data.name}: {data.images:,} of {data.rows:,} rows, {people}{_failures(told)}")
    say(f"{verified.genuine:,} genuine and {verified.impostor:,} impostor comparisons.")
    if verified.ten_fold is not None:
        fold = verified.ten_fold
        say(
            f"{fold.folds} folds of {fold.pairs:,} pairs: accuracy "
            f"{fold.accuracy:.2%} ± {fold.standard_error:.2%}"
        )
    if verified.eer.value is not None:
        say(f"Equal error rate: {verified.eer.value:.2%}")
    say()
    show_table(
        ("FMR asked", "threshold", "FNMR", "95 %", "true matches"),
        [
            (
                f"{at.fmr_target:g}",
                "–" if at.threshold is None else f"{at.threshold:.4f}",
                *_fnmr(at.fnmr),
                "–" if at.fnmr.rate is None else f"{1 - at.fnmr.rate:.2%}",
            )
            for at in verified.at
        ],
    )
    shown = _shown_target(told)
    for partition in told.partitions:
        if shown is not None:
            _show_partition(partition, shown)
    _show_searches(told, shown)
    _show_stress(told, shown)
    for suspicion in told.data.suspicions[:MOST_SUSPICIONS]:
        say(f"Look at this: {suspicion.what}")
    if len(told.data.suspicions) > MOST_SUSPICIONS:
        say(f"… and {len(told.data.suspicions) - MOST_SUSPICIONS} more in the document.")
    for warning in told.warnings:
        say(f"Note: {warning}")
    for caveat in data.caveats:
        say(f"Caveat: {caveat}")


def _show_partition(partition: Partition, shown: float) -> None:
    name = " × ".join(partition.columns)
    say()
    say(f"By {name}, at everybody's threshold for an FMR of {shown:g}:")
    rows: list[tuple[str, ...]] = []
    for group in partition.groups:
        at = next(each for each in group.at if each.fmr_target == shown)
        rows.append(
            (
                group.name,
                "–" if group.subjects is None else f"{group.subjects:,}",
                *_fmr(at.fmr),
                *_fnmr(at.fnmr),
                _too_few(at),
            )
        )
    show_table(("group", "people", "FMR", "95 %", "FNMR", "95 %", ""), rows)
    for each in partition.differentials:
        if each.measure == "worst-over-best" and each.fmr_target == shown and each.of == "fmr":
            worst = each.value.value
            if worst is not None:
                say(f"Worst over best FMR: {worst:.1f} ({each.worst} over {each.best})")


def _too_few(at: OperatingPoint) -> str:
    """Which of both rates rests on too little; a rate of nothing shows that by itself."""
    rates = (("FMR", at.fmr), ("FNMR", at.fnmr))
    short = [name for name, rate in rates if rate.too_few and rate.trials]
    return f"too few: {', '.join(short)}" if short else ""


def _show_searches(told: Assay, shown: float | None) -> None:
    rows: list[tuple[str, ...]] = []
    for each in told.identification:
        at = next((one for one in each.at if one.fmr_target == shown), None)
        if at is not None and each.ranks:
            rows.append(
                (
                    f"{each.gallery_size:,}",
                    f"{each.mated_searches:,}",
                    *_fnmr(at.fnir),
                    f"{each.non_mated_searches:,}",
                    *_fnmr(at.fpir),
                    _fnmr(each.ranks[0].hit)[0],
                )
            )
    if rows:
        say()
        say(f"Searches, at everybody's threshold for an FMR of {shown:g}:")
        head = ("gallery", "mated", "FNIR", "95 %", "non-mated", "FPIR", "95 %", "rank 1")
        show_table(head, rows)


def _show_stress(told: Assay, shown: float | None) -> None:
    rows: list[tuple[str, ...]] = []
    for each in told.stress:
        everybody = next((group for group in each.groups if not group.name), None)
        if everybody is not None and each.fmr_target == shown:
            rows.append(
                (
                    f"{each.kind} {each.level:g}",
                    each.unit,
                    _fnmr(everybody.failures)[0],
                    _fmr(everybody.fmr)[0],
                    *_fnmr(everybody.fnmr),
                )
            )
    if rows:
        say()
        say(f"Under stress, at everybody's threshold for an FMR of {shown:g}:")
        show_table(("change", "", "no face", "FMR", "FNMR", "95 %"), rows)


def _shown_target(told: Assay) -> float | None:
    """0.001, or the smallest false match rate that could be set."""
    settled = [at.fmr_target for at in told.verification.at if at.threshold is not None]
    if not settled:
        return None
    return 1e-3 if 1e-3 in settled else min(settled)


def _failures(told: Assay) -> str:
    if told.failures is None:
        return "scores only"
    return f"{told.failures.errors:,} without a face that could be used"


def _fmr(told: Rate) -> tuple[str, str]:
    """A false match rate and its interval: it spans many powers of ten."""
    if told.rate is None or told.low is None or told.high is None:
        return "–", ""
    rate, low, high = (f"{each:.1e}" if each else "0" for each in (told.rate, told.low, told.high))
    return rate, f"{low} – {high}"


def _fnmr(told: Rate) -> tuple[str, str]:
    """A false non-match rate and its interval, in hundredths."""
    if told.rate is None or told.low is None or told.high is None:
        return "–", ""
    return f"{told.rate:.2%}", f"{told.low:.2%} – {told.high:.2%}"
