"""`rightface assay calibrate`: what the model's scores stand for, measured; and what it costs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rightface.cli.assay.bench import (
    Caveats,
    Centrals,
    Comparison,
    Data,
    Day,
    Keep,
    Pads,
    Place,
    Sector,
    Threads,
    bench_of,
    by_name,
    gathered,
    manifest_of,
    measuring_in,
    progress,
    write_text,
)
from rightface.cli.assay.calibrate_scores import of_scores
from rightface.cli.assay.shown import score_shown
from rightface.cli.output import Json, emit, reporting, say, show_table
from rightface.errors import SettingsError
from rightface.settings import Settings

if TYPE_CHECKING:
    from rightface.assay.calibrating import Calibrated
    from rightface.assay.held_back import HeldBack
    from rightface.assay.thresholds import Cost

FILE = "calibration.json"
SHOWN_RATES = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8)


def add_to(app: typer.Typer) -> None:
    """Add the command of this file to `rightface assay`."""
    app.command()(calibrate)


def calibrate(
    out: Annotated[Path, typer.Option("--out", help="Where calibration.json goes.")],
    manifests: Annotated[
        list[Path] | None,
        typer.Argument(help="Tables (CSV, Parquet): image, any subject, any cohorts."),
    ] = None,
    scores: Annotated[
        Path | None,
        typer.Option(help="Another system's scores instead: a table of score, same, any cohorts."),
    ] = None,
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
    central: Centrals = None,
    pad: Pads = None,
    caveat: Caveats = None,
    on: Day = None,
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
    threads: Threads = 2,
    data: Data = None,
    sector: Sector = Settings.sector,
    jurisdiction: Place = Settings.jurisdiction,
    keep: Keep = False,
    as_json: Json = False,
) -> None:
    """Measure what scores stand for: false match rates, of everybody and of each cohort.

    With tails beyond the data, marked, and intervals from resampling people. A set without a
    column of subjects counts in its cohorts only. With --scores no photograph is looked at.
    """
    from rightface.assay.calibrating import calibrate as calibrated
    from rightface.assay.calibrating import told_of
    from rightface.assay.calibration_document import written
    from rightface.assay.thresholds import require_target

    with reporting(as_json):
        require_target(fpir)
        paths = (out / FILE, *([write] if write else []))
        day, target = (on or datetime.now(UTC)).date(), fpir if show else None
        if scores is not None:
            photographs = {
                "a table of photographs": manifests, "--apart": apart, "--central": central,
                "--pad": pad, "--judge": judge, "--comparison": comparison, "--data": data,
                "--keep": keep,
            }  # fmt: skip
            _tell(
                of_scores(
                    scores,
                    paths,
                    cohort=cohort or None,
                    caveat=caveat or (),
                    on=day,
                    seed=seed,
                    photographs=photographs,
                ),
                target,
                as_json,
            )
            return
        if not manifests:
            raise SettingsError(
                "Nothing is named to measure on.",
                mend="Name tables of photographs, or a table of scores with --scores.",
            )
        read = [manifest_of(path, central or (), pad or ()) for path in manifests]
        named = by_name(read)
        with (
            measuring_in(out, data, sector, jurisdiction, quiet=as_json) as room,
            progress(as_json) as stage,
        ):
            bench = bench_of(room, comparison)
            with gathered(named, bench, out, threads=threads, keep=keep, stage=stage) as materials:
                made = calibrated(
                    materials,
                    bench,
                    told_of(bench.pack),
                    columns=cohort or None,
                    apart=[frozenset(each.split(",")) for each in apart or ()],
                    on=day,
                    seed=seed,
                    judge=judge,
                    stage=stage,
                )
                made.document["caveats"] += caveat or []
                for path in paths:
                    write_text(path, written(made.document))
                room.finished(
                    {
                        "images": sum(len(each.acquired.rows) for each in materials),
                        "comparisons": made.document["impostor_pairs"],
                    }
                )
        _tell(made, target, as_json)


def _tell(made: Calibrated, fpir: float | None, as_json: bool) -> None:
    """`fpir`: also what this target costs."""
    from rightface.assay.thresholds import costs

    found = () if fpir is None else costs(made.calibration, made.genuine, fpir)

    def human() -> None:
        _show(made)
        if fpir is not None:
            _show_costs(found, fpir)
        if made.held_back:
            _show_held_back(made.held_back)
        for caveat in made.document["caveats"]:
            say(f"Caveat: {caveat}")

    further: dict[str, Any] = {} if fpir is None else {"costs": found}
    further |= {"held_back": made.held_back} if made.held_back else {}
    emit({**made.document, **further}, as_json, human)


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
                score_shown(score) + ("*" if score > calibration.table.last_score else ""),
                "–" if band is None else f"{band[0]:.1e} – {band[1]:.1e}",
                f"{float((everybody >= score).mean()):.2%}" if len(everybody) else "–",
                f"{worst.fmr:.1e}" + ("*" if worst.extrapolated else ""),
            )
        )
    show_table(("FMR", "score", "95 %", "true matches", "FMR of the worst cohort"), rows)
    say("* extrapolated beyond what was measured.")
    for name in document["cross_fitted"]:
        say(f"{name}: cohorts were compared by normalisations fitted without the people compared.")
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
                score_shown(cost.for_everybody.score) + "*" * cost.for_everybody.extrapolated,
                f"{cost.worst_rate:.1e}",
                score_shown(cost.for_the_worst.score) + "*" * cost.for_the_worst.extrapolated,
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
