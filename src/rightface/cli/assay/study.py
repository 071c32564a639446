"""`rightface assay study`: published studies computed again; the same tests on one's own data."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rightface.cli.assay.bench import (
    Data,
    Place,
    Sector,
    Threads,
    bench_of,
    gathered,
    measuring_in,
    progress,
    targets,
    write_text,
)
from rightface.cli.output import Json, emit, reporting, say, show_table
from rightface.errors import SettingsError
from rightface.settings import Settings

if TYPE_CHECKING:
    from rightface.assay.result import Assay
    from rightface.assay.studies.reproduction import Reproduction

FILE = "aclu.json"
AssayFile = Annotated[
    Path | None, typer.Option("--assay", help="An assay.json: hold it against the study.")
]
group = typer.Typer(
    help="Published studies computed again, and the same tests on your own data.",
    invoke_without_command=True,
)


def add_to(app: typer.Typer) -> None:
    """Add the commands of this file to `rightface assay`."""
    app.add_typer(group, name="study")


@group.callback()
def study(
    context: typer.Context,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="All studies as one page of Markdown.")
    ] = False,
    as_json: Json = False,
) -> None:
    """List the studies. With a name: compute that one again."""
    from rightface.assay.studies.catalogue import all_studies
    from rightface.assay.studies.page import page

    if context.invoked_subcommand is not None:
        return
    with reporting(as_json):
        if markdown:
            typer.echo(page(), nl=False)
            return
        told = all_studies()

        def human() -> None:
            show_table(
                ("name", "study", "cells reproduced", ""),
                [
                    (
                        each.name,
                        each.title,
                        f"{each.reproduced} of {len(each.cells)}"
                        if each.cells
                        else "none to check",
                        "unverified" if each.unverified else "",
                    )
                    for each in told
                ],
            )
            say("One of them: rightface assay study NAME")

        emit([_in_short(each) for each in told], as_json, human)


# ------------------------------------------------------------ commands
@group.command("gender-shades")
@group.command("gender-shades-2018", hidden=True)
def gender_shades(
    predictions: Annotated[
        Path | None,
        typer.Option(help="A classifier's answers: a table of true label, told label, cohorts."),
    ] = None,
    label: Annotated[str, typer.Option(help="The column of true labels.")] = "label",
    predicted: Annotated[str, typer.Option(help="The column of told labels.")] = "predicted",
    cohort: Annotated[
        list[str] | None,
        typer.Option(help="A column to split people by; else every one of few values. Repeatable."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Gender Shades 2018; or its table for your own predictions.

    rightface never infers gender: it only counts where the answers in that table are wrong.
    """
    from rightface.assay.studies.facts import facts_of
    from rightface.assay.studies.predictions import read_predictions
    from rightface.cli.assay import study_shown

    with reporting(as_json):
        if predictions is None:
            _reproduced("gender-shades", as_json)
            return
        told = read_predictions(
            predictions,
            facts_of("gender-shades"),
            label=label,
            predicted=predicted,
            cohort_columns=cohort or None,
        )
        emit(_with_rates(told), as_json, lambda: study_shown.predictions(told))


@group.command("actionable-auditing")
@group.command("actionable-auditing-2019", hidden=True)
def actionable_auditing(as_json: Json = False) -> None:
    """Actionable Auditing 2019, with the two places where it is at odds with Gender Shades."""
    with reporting(as_json):
        _reproduced("actionable-auditing", as_json)


@group.command("aclu")
@group.command("aclu-congress-2018", hidden=True)
def aclu(
    probes: Annotated[
        Path | None, typer.Option(help="A manifest of the people to search for.")
    ] = None,
    gallery: Annotated[
        Path | None, typer.Option(help="A manifest of the people to search among.")
    ] = None,
    fpir: Annotated[
        float, typer.Option(help="The share of searches that may return somebody wrongly.")
    ] = 1e-3,
    fmr: Annotated[
        list[float] | None,
        typer.Option("--fmr", help="Another threshold to look at, as a false match rate."),
    ] = None,
    cohort: Annotated[
        list[str] | None,
        typer.Option(help="A column of the probes to split them by; else every one of few values."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Where aclu.json goes; made if it is not there.")
    ] = None,
    threads: Threads = 2,
    data: Data = None,
    sector: Sector = Settings.sector,
    jurisdiction: Place = Settings.jurisdiction,
    as_json: Json = False,
) -> None:
    """The ACLU's test of 2018; or the same test on your own photographs.

    Nobody searched for is taken to be in the gallery. A run that was stopped goes on; templates are
    sealed meanwhile, and gone when it is done. Every look is permitted by the gate and recorded.
    """
    with reporting(as_json):
        if probes is None and gallery is None:
            _reproduced("aclu", as_json)
            return
        if probes is None or gallery is None or out is None:
            raise SettingsError(
                "A test of one's own needs --probes, --gallery and --out.",
                mend="Without all of them the published study is computed again.",
            )
        _own_aclu(
            probes, gallery, out, fpir, tuple(fmr or ()), cohort or None,
            threads, data, sector, jurisdiction, as_json,
        )  # fmt: skip


@group.command("nist")
@group.command("nist-ir-8280-2019", hidden=True)
def nist(assay: AssayFile = None, as_json: Json = False) -> None:
    """NIST IR 8280: its measures; or which of its patterns hold in an assay of yours."""
    from rightface.assay.studies.facts import facts_of
    from rightface.assay.studies.patterns import patterns
    from rightface.cli.assay import study_shown

    with reporting(as_json):
        if assay is None:
            _reproduced("nist", as_json)
            return
        told = patterns(facts_of("nist"), _read_assay(assay))
        emit([_with_rates(each) for each in told], as_json, lambda: study_shown.patterns(told))


@group.command("klare")
@group.command("klare-fbi-2012", hidden=True)
def klare(assay: AssayFile = None, as_json: Json = False) -> None:
    """Klare et al. 2012 (unverified); or its design by cohorts on an assay of yours."""
    from rightface.assay.studies.klare import on_assay
    from rightface.cli.assay import study_shown

    with reporting(as_json):
        if assay is None:
            _reproduced("klare", as_json)
            return
        told = on_assay(_read_assay(assay))
        emit([_with_rates(each) for each in told], as_json, lambda: study_shown.cohorts(told))


@group.command("clearview")
@group.command("clearview-claims-2019-2020", hidden=True)
def clearview(
    claim: Annotated[
        float | None, typer.Option(help="A number that somebody claims, 0 to 1: is it a metric?")
    ] = None,
    of: Annotated[str, typer.Option(help="Which rate it is: FPIR or FNIR.")] = "",
    threshold: Annotated[str, typer.Option(help="At which score or rate, in words.")] = "",
    gallery_size: Annotated[
        int | None, typer.Option(help="How many were enrolled when it was measured.")
    ] = None,
    mated_share: Annotated[
        float | None, typer.Option(help="0 to 1: how many of those searched for were enrolled.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Clearview's claim of 98.6 %; or whether a number that you were told is a metric at all."""
    from rightface.assay.studies.claims import Claim, require_metric

    with reporting(as_json):
        if claim is None:
            _reproduced("clearview", as_json)
            return
        told = require_metric(
            Claim(
                value=claim,
                of=of.upper(),
                threshold=threshold,
                gallery_size=gallery_size,
                mated_share=mated_share,
            )
        )
        emit(
            told,
            as_json,
            lambda: say(
                f"An {told.of} of {told.value:.3%} at {told.threshold}, of {told.gallery_size:,} "
                f"enrolled, {told.mated_share:.0%} of searches mated: a metric, as far as it is "
                "said. Whether it was measured so is another question."
            ),
        )


@group.command("tvs")
@group.command("cbp-tvs-volumes-and-match-rates", hidden=True)
def tvs(as_json: Json = False) -> None:
    """CBP's Traveler Verification Service, end to end."""
    with reporting(as_json):
        _reproduced("tvs", as_json)


# ------------------------------------------------------------ published
def _in_short(told: Reproduction) -> dict[str, object]:
    return {
        "name": told.name,
        "id": told.id,
        "title": told.title,
        "cells": len(told.cells),
        "reproduced": told.reproduced,
        "unverified": told.unverified,
    }


def _reproduced(name: str, as_json: bool) -> None:
    from rightface.assay.studies.catalogue import reproduce
    from rightface.cli.assay import study_shown

    told = reproduce(name)
    emit(_plain(told), as_json, lambda: study_shown.reproduction(told))


def _plain(told: Reproduction) -> dict[str, object]:
    return {
        **asdict(told),
        "sources": [source.model_dump() for source in told.sources],
        "reproduced": told.reproduced,
    }


# ------------------------------------------------------------ one's own
def _with_rates(told: object) -> object:
    """Values of ours with the document's rates in them, as plain values."""
    from pydantic import TypeAdapter

    return TypeAdapter(type(told)).dump_python(told, mode="json")


def _read_assay(path: Path) -> Assay:
    from pydantic import ValidationError

    from rightface.assay.result import Assay

    try:
        return Assay.model_validate_json(path.read_bytes())
    except OSError as error:
        raise SettingsError(
            "The assay cannot be read.",
            why=type(error).__name__,
            mend="Name the assay.json that rightface assay run wrote.",
        ) from error
    except ValidationError as error:
        raise SettingsError(
            "That file is no assay that this version reads.",
            mend="Name the assay.json that rightface assay run wrote.",
        ) from error


def _own_aclu(
    probes: Path,
    gallery: Path,
    out: Path,
    fpir: float,
    fmr: tuple[float, ...],
    cohort: list[str] | None,
    threads: int,
    data: Path | None,
    sector: str,
    jurisdiction: str,
    as_json: bool,
) -> None:
    from rightface.assay.manifest import read_manifest
    from rightface.assay.studies.own_aclu import of_materials
    from rightface.assay.thresholds import require_target
    from rightface.cli.assay import study_shown

    require_target(fpir)
    asked_for = targets(fmr) if fmr else ()
    sought = read_manifest(probes, cohort_columns=cohort)
    among = read_manifest(gallery, cohort_columns=())
    with (
        measuring_in(out, data, sector, jurisdiction, quiet=as_json) as room,
        progress(as_json) as stage,
    ):
        # Thresholds come from the instance's calibration: an assay's own bench has none.
        bench = replace(bench_of(room), pack=room.instance.pack)
        with gathered(
            {"probes": sought, "gallery": among},
            bench,
            out,
            threads=threads,
            keep=False,
            stage=stage,
        ) as (asked, there):
            told = of_materials(asked, there, bench, fpir=fpir, fmr=asked_for)
            document = _with_rates(told)
            write_text(out / FILE, json.dumps(document, indent=1))
            room.finished({"searches": told.test.searches, "gallery": told.test.gallery_size})

    def human() -> None:
        say(
            f"{told.test.searches:,} searches in a gallery of {told.test.gallery_size:,}; "
            f"without a face: {told.probe_failures.errors} probes, "
            f"{told.gallery_failures.errors} of the gallery; the same photograph in both: "
            f"{told.same_photographs}, left out."
        )
        study_shown.own_test(told.test)
        say(f"Written: {out / FILE}.")

    emit(document, as_json, human)
