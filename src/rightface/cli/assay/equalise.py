"""`rightface assay equalise`: fit the score normalisation, and judge it against others."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rightface.cli.assay.bench import (
    Caveats,
    Centrals,
    Comparison,
    Data,
    Day,
    Keep,
    Manifests,
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
from rightface.cli.output import Json, emit, reporting, say, show_table
from rightface.settings import Settings

if TYPE_CHECKING:
    from rightface.assay.equalise_table import AtRate, Equalised
    from rightface.assay.impostors import Sample
    from rightface.assay.manifest import Manifest
    from rightface.assay.result import Value
    from rightface.assay.run import Bench
    from rightface.faces.normalisation import Normalisation

FILE, TABLE, EVIDENCE = "normalisation.json", "equalise.json", "evidence.json"
EVIDENCE_RATES = (1e-2, 1e-3)
Stage = Callable[[str, int, int], None]


def add_to(app: typer.Typer) -> None:
    """Add the command of this file to `rightface assay`."""
    app.command()(equalise)


def equalise(
    manifests: Manifests,
    fit: Annotated[str, typer.Option(help="The name of the set to fit on; it has cohorts.")],
    out: Annotated[Path, typer.Option("--out", help="Where normalisation.json goes.")],
    cohort: Annotated[
        list[str] | None,
        typer.Option(help="A column of the groups; they are crossed. Repeatable."),
    ] = None,
    compare: Annotated[
        bool,
        typer.Option(
            "--compare",
            help="Judge every variant on people it was not fitted on; and write evidence.",
        ),
    ] = False,
    central: Centrals = None,
    pad: Pads = None,
    caveat: Caveats = None,
    on: Day = None,
    seed: Annotated[int, typer.Option(help="Of the parts and the resampling.", min=0)] = 0,
    threads: Threads = 2,
    data: Data = None,
    sector: Sector = Settings.sector,
    jurisdiction: Place = Settings.jurisdiction,
    keep: Keep = False,
    as_json: Json = False,
) -> None:
    """Fit a score normalisation, from templates alone, that treats groups more alike.

    Groups are used to fit and to judge; in use nobody's group is asked or inferred.
    """
    from rightface.assay.calibrating import sample_of
    from rightface.assay.fitted_evidence import assay_without
    from rightface.assay.run import Wanted

    with reporting(as_json):
        read = [manifest_of(path, central or (), pad or ()) for path in manifests]
        named = by_name(read)
        _require_groups(read, fit, cohort or ())
        with (
            measuring_in(out, data, sector, jurisdiction, quiet=as_json) as room,
            progress(as_json) as stage,
        ):
            bench = bench_of(room, Comparison.raw)  # templates are the same for all
            with gathered(named, bench, out, threads=threads, keep=keep, stage=stage) as materials:
                samples = [sample_of(each, cohort or None) for each in materials]
                told = tuple(
                    f"{each.manifest.statement.name}: {words}"
                    for each in materials
                    for words in each.manifest.statement.caveats
                ) + tuple(caveat or ())
                day = (on or datetime.now(UTC)).date()
                table = _judged(samples, fit, bench, day, seed, told, stage) if compare else None
                made = _fitted(samples, fit, bench, day, table, told)
                write_text(
                    out / FILE, json.dumps(made.to_json(), indent=1, ensure_ascii=False) + "\n"
                )
                if table is not None:
                    write_text(out / TABLE, table.model_dump_json(indent=1) + "\n")
                    (material,) = (one for one in materials if one.manifest.statement.name == fit)
                    evidence = assay_without(
                        material,
                        made,
                        bench,
                        Wanted(fmr=EVIDENCE_RATES, threads=threads),
                        columns=cohort or None,
                        on=day,
                        directory=out,
                        caveats=tuple(caveat or ()),
                        stage=stage,
                    )
                    write_text(out / EVIDENCE, evidence.model_dump_json() + "\n")
                room.finished({"images": sum(len(each.templates) for each in samples)})

        def human() -> None:
            if table is not None:
                _show(table)
            say(f"Fitted on {made.fitted.data_sets[0]}; digest {made.digest[:16]}.")

        fitted = made.to_json()["fitted"]
        emit(
            {
                "name": made.name,
                "digest": made.digest,
                "fitted": fitted,
                "table": None if table is None else table.model_dump(mode="json"),
            },
            as_json,
            human,
        )


def _require_groups(read: Sequence[Manifest], fit: str, columns: Sequence[str]) -> None:
    """Refuse before anything is measured what cannot be fitted on."""
    from rightface.assay.errors import ManifestError

    chosen = next((each for each in read if each.statement.name == fit), None)
    if chosen is None:
        raise ManifestError(
            f"There is no data set '{fit}' to fit on.",
            mend=f"The sets are {', '.join(each.statement.name for each in read)}.",
        )
    if not set(columns or chosen.columns) & set(chosen.columns):
        raise ManifestError(
            f"The data set '{fit}' has no such groups.",
            mend=f"Its columns are {', '.join(chosen.columns) or 'none'}.",
        )


def _judged(
    samples: Sequence[Sample],
    fit: str,
    bench: Bench,
    on: date,
    seed: int,
    caveats: tuple[str, ...],
    stage: Stage,
) -> Equalised:
    from rightface.assay.equalise_table import judge

    return judge(
        samples,
        fit,
        permitted=bench.permitted,
        pack_digest=bench.pack.digest,
        on=on,
        seed=seed,
        caveats=caveats,
        progress=lambda done, total: stage("variants", done, total),
    )


def _fitted(
    samples: Sequence[Sample],
    name: str,
    bench: Bench,
    on: date,
    table: Equalised | None,
    caveats: tuple[str, ...],
) -> Normalisation:
    from rightface.assay.equalise import Method, fit
    from rightface.assay.errors import AssayError
    from rightface.assay.permits import Renewed

    chosen = next((each for each in samples if each.name == name), None)
    if chosen is None or chosen.cohorts is None:
        raise AssayError(f"There is no data set '{name}' with groups to fit on.")
    with Renewed(bench.permitted) as permits:
        return fit(
            chosen.templates,
            chosen.cohorts.codes,
            Method(),
            subjects=chosen.subjects,
            permit=permits,
            data_set=name,
            on=on,
            figures=() if table is None else figures(table),
            caveats=caveats,
        )


def figures(table: Equalised) -> tuple[str, ...]:
    """What the table says of raw scores and of the method that is fitted, in sentences."""
    from rightface.assay.equalise_variants import SHIPPED

    raw, ours = (
        next(each for each in table.variants if each.name == name) for name in ("raw", SHIPPED)
    )
    return tuple(
        f"{after.data_set} at FMR {after.fmr:g}, on people not fitted: "
        + "; ".join(
            f"{what} {_words(one)} raw, {_words(other)} equalised"
            for what, one, other in (
                ("worst/best group", before.worst_over_best, after.worst_over_best),
                ("true matches", before.true_match, after.true_match),
            )
            if one is not None and other is not None
        )
        for before, after in zip(raw.at, ours.at, strict=True)
    )


def _show(table: Equalised) -> None:
    for place, first in enumerate(table.variants[0].at):
        say()
        say(f"{first.data_set} at FMR {first.fmr:g}, people that were not fitted on:")
        show_table(
            ("variant", "numbers", "µs", "worst/best group", "95 %", "true matches", "95 %"),
            [
                (
                    each.name,
                    str(each.dimensions),
                    f"{each.microseconds:.0f}",
                    *_cells(each.at[place]),
                )
                for each in table.variants
            ],
        )


def _cells(told: AtRate) -> tuple[str, str, str, str]:
    ratio, match = told.worst_over_best, told.true_match
    return (
        _figure(ratio, "{:.1f}"),
        _interval(ratio, "{:.1f}"),
        _figure(match, "{:.2%}"),
        _interval(match, "{:.2%}"),
    )


def _words(told: Value) -> str:
    if told.value is None:
        return "undefined"
    form = "{:.1%}" if told.value <= 1 else "{:.1f}"
    return f"{form.format(told.value)} ({_interval(told, form)})"


def _figure(told: Value | None, form: str) -> str:
    return "–" if told is None or told.value is None else form.format(told.value)


def _interval(told: Value | None, form: str) -> str:
    if told is None or told.low is None or told.high is None:
        return "–"
    return f"{form.format(told.low)} – {form.format(told.high)}"
