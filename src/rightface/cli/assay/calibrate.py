"""`rightface assay calibrate`: what the model's scores stand for, measured; and what it costs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rightface.cli.assay.bench import (
    Data,
    Place,
    Sector,
    by_name,
    forget,
    measuring_in,
    progress,
    sealed_sets,
)
from rightface.cli.output import Json, emit, reporting, say, show_table
from rightface.errors import SettingsError, StorageError
from rightface.settings import Settings

if TYPE_CHECKING:
    from rightface.assay.calibrating import Calibrated
    from rightface.assay.held_back import HeldBack
    from rightface.assay.manifest import Manifest
    from rightface.assay.run import Bench
    from rightface.assay.thresholds import Cost
    from rightface.service.measuring import Measuring

FILE = "calibration.json"
SHOWN_RATES = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8)


class Comparison(StrEnum):
    """As in the settings."""

    equalised = "equalised"
    raw = "raw"


def add_to(app: typer.Typer) -> None:
    """Add the command of this file to `rightface assay`."""
    app.command()(calibrate)


def calibrate(
    manifests: Annotated[
        list[Path], typer.Argument(help="Tables (CSV, Parquet): image, subject, any cohorts.")
    ],
    out: Annotated[Path, typer.Option("--out", help="Where calibration.json goes.")],
    write: Annotated[
        Path | None, typer.Option(help="Write it to this file as well, for example the pack's own.")
    ] = None,
    cohort: Annotated[
        list[str] | None,
        typer.Option(help="A column of the cohorts; they are crossed. Else all. Repeatable."),
    ] = None,
    apart: Annotated[
        list[str] | None,
        typer.Option(help="Two sets with the same people under other labels: lfw,congress."),
    ] = None,
    central: Annotated[
        list[str] | None,
        typer.Option(help="A set in which the face nearest the centre is meant. Repeatable."),
    ] = None,
    pad: Annotated[
        list[str] | None,
        typer.Option(help="Black pixels to add around a set's images: utkface=40. Repeatable."),
    ] = None,
    caveat: Annotated[
        list[str] | None, typer.Option(help="A sentence to stand beside the figures. Repeatable.")
    ] = None,
    on: Annotated[
        datetime | None, typer.Option("--date", formats=["%Y-%m-%d"], help="The day; today.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the resampling of people.", min=0)] = 0,
    show: Annotated[
        bool, typer.Option("--show", help="Also what a target costs, group by group.")
    ] = False,
    judge: Annotated[
        bool, typer.Option("--judge", help="Also how far off tails are, fitted to fewer people.")
    ] = False,
    fpir: Annotated[
        float, typer.Option(help="With --show: the share of searches that may be wrong.")
    ] = 1e-3,
    comparison: Annotated[
        Comparison | None, typer.Option(help="Whose scores; those that the instance compares by.")
    ] = None,
    threads: Annotated[int, typer.Option(help="How much to do at once.", min=1)] = 2,
    data: Data = None,
    sector: Sector = Settings.sector,
    jurisdiction: Place = Settings.jurisdiction,
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep the sealed templates for another run.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Measure what scores stand for: false match rates, of everybody and of each cohort.

    With tails beyond the data, marked, and intervals from resampling people. A set without a
    column of subjects counts in its cohorts only.
    """
    from rightface.assay.calibrating import calibrate as calibrated
    from rightface.assay.calibrating import told_of
    from rightface.assay.calibration_document import written
    from rightface.assay.run import gather
    from rightface.assay.thresholds import costs, require_target

    with reporting(as_json):
        require_target(fpir)
        read = [manifest_of(path, central or (), pad or ()) for path in manifests]
        named = by_name(read)
        with (
            measuring_in(out, data, sector, jurisdiction, quiet=as_json) as room,
            progress(as_json) as stage,
        ):
            bench = bench_for(room, comparison)
            sealed = sealed_sets(named, bench, out)
            materials = [
                gather(each, bench, sealed=part, threads=threads, stage=stage)
                for each, part in zip(read, sealed, strict=True)
            ]
            made = calibrated(
                materials,
                bench,
                told_of(bench.pack),
                columns=cohort or None,
                apart=[frozenset(each.split(",")) for each in apart or ()],
                on=(on or datetime.now()).date(),
                seed=seed,
                judge=judge,
                stage=stage,
            )
            made.document["caveats"] += caveat or []
            for path in (out / FILE, *([write] if write else [])):
                write_text(path, written(made.document))
            room.finished(
                {
                    "images": sum(len(each.acquired.rows) for each in materials),
                    "comparisons": made.document["impostor_pairs"],
                }
            )
            if not keep:
                forget(sealed, out)
        found = costs(made.calibration, made.genuine, fpir) if show else ()

        def human() -> None:
            _show(made)
            if found:
                _show_costs(found, fpir)
            if made.held_back:
                _show_held_back(made.held_back)

        further: dict[str, Any] = {"costs": found} if show else {}
        further |= {"held_back": made.held_back} if judge else {}
        emit({**made.document, **further}, as_json, human)


def bench_for(room: Measuring, comparison: Comparison | None) -> Bench:
    """What measures: a pack that needs no calibration yet."""
    from rightface.assay.calibrating import uncalibrated
    from rightface.assay.run import Bench
    from rightface.faces.engine import Engine

    settings = room.instance.settings
    pack = uncalibrated(settings.comparison if comparison is None else comparison.value)
    engine = Engine(
        pack, cache=settings.data / "models", threads=1, detector_side=settings.detector_side
    )
    return Bench(engine=engine, pack=pack, keyring=room.instance.keyring, permitted=room.permitted)


def manifest_of(path: Path, central: Sequence[str], pads: Sequence[str]) -> Manifest:
    """The data set of a table, with what the command says of its faces and its padding."""
    from dataclasses import replace

    from rightface.assay.manifest import read_manifest

    read = read_manifest(path)
    name = read.statement.name
    changed: dict[str, Any] = {"which_face": "central"} if name in central else {}
    for each in pads:
        named, equals, pixels = each.partition("=")
        if not equals or not pixels.isdecimal():
            raise SettingsError(f"'{each}' states no padding.", mend="For example utkface=40.")
        if named == name:
            changed["pad"] = int(pixels)
    return replace(read, statement=read.statement.model_copy(update=changed))


def write_text(path: Path, text: str) -> None:
    """Write a file whole, or leave it as it was."""
    beside = path.with_name(f".{path.name}.new")
    try:
        beside.write_text(text, "utf-8")
        beside.replace(path)
    except OSError as error:
        raise StorageError(f"'{path}' cannot be written.", why=str(error.strerror)) from error


def _show(made: Calibrated) -> None:
    calibration, document = made.calibration, made.document
    everybody = made.genuine[0].scores
    say(
        f"{document['impostor_pairs']:,} impostor and {document['genuine_pairs']:,} genuine "
        f"comparisons; the smallest rate measured is {document['smallest_fmr']:.2g}."
    )
    rows: list[tuple[str, ...]] = []
    for rate in SHOWN_RATES:
        score = calibration.score_at(rate)
        band = calibration.band(score)
        worst = calibration.worst_rate(score)
        rows.append(
            (
                f"{rate:.0e}",
                f"{score:.4f}" + ("*" if score > calibration.table.last_score else ""),
                "–" if band is None else f"{band[0]:.1e} – {band[1]:.1e}",
                f"{float((everybody >= score).mean()):.2%}" if len(everybody) else "–",
                f"{worst.fmr:.1e}" + ("*" if worst.extrapolated else ""),
            )
        )
    show_table(("FMR", "score", "95 %", "true matches", "FMR of the worst cohort"), rows)
    say("* extrapolated beyond what was measured.")
    if document["too_small"]:
        say(f"Too few comparisons for a table: {', '.join(document['too_small'])}.")


def _show_costs(found: Sequence[Cost], fpir: float) -> None:
    say()
    say(f"What it costs that at most {fpir:g} of searches find somebody wrongly:")
    show_table(
        ("faces", "FMR needed", "one threshold", "worst cohort there", "its threshold", "set by"),
        [
            (
                f"{cost.faces:,}",
                f"{cost.fmr:.1e}",
                f"{cost.for_everybody.score:.4f}" + "*" * cost.for_everybody.extrapolated,
                f"{cost.worst_rate:.1e}",
                f"{cost.for_the_worst.score:.4f}" + "*" * cost.for_the_worst.extrapolated,
                cost.for_the_worst.cohort or "all together",
            )
            for cost in found
        ],
    )
    say()
    say("Share of people's own comparisons that are missed: one threshold → the worst cohort's")
    groups = [(each.group, each.trials) for each in found[0].misses]
    show_table(
        ("group", "comparisons", *(f"{cost.faces:,} faces" for cost in found)),
        [
            (
                group,
                f"{trials:,}",
                *(
                    f"{cost.misses[place].for_everybody:.1%} → "
                    f"{cost.misses[place].for_the_worst:.1%}"
                    for cost in found
                ),
            )
            for place, (group, trials) in enumerate(groups)
        ],
    )


def _show_held_back(found: Sequence[HeldBack]) -> None:
    say()
    say(
        f"Tails fitted to a tenth of the people, {found[0].drawings} times, whose comparisons show "
        f"rates down to {found[0].measured_to:.1e}:"
    )
    show_table(
        ("FMR of all", "decades too high", "root mean square"),
        [(f"{one.fmr:.0e}", f"{one.mean:+.2f}", f"{one.deviation:.2f}") for one in found],
    )
