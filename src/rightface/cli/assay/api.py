"""`rightface assay api`: any service with Rekognition's API, measured by `CompareFaces`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from rightface.cli.assay.bench import (
    FILE,
    Crosses,
    Data,
    Out,
    Place,
    Sector,
    Targets,
    crosses,
    measuring_in,
    progress,
    targets,
    write,
)
from rightface.cli.assay.shown import show
from rightface.cli.output import Json, emit, reporting, say
from rightface.errors import SettingsError
from rightface.settings import Settings

PRICE = 0.001
"""US dollars: recalled from Amazon's price list for the first million images a month, not looked
up. Only for the estimate that is shown."""


def add_to(app: typer.Typer) -> None:
    """Add the command of this file to `rightface assay`."""
    app.command()(api)


def api(
    manifest: Annotated[
        Path, typer.Argument(help="A table (CSV, Parquet): image, subject, any cohorts.")
    ],
    out: Out,
    endpoint: Annotated[str, typer.Option(help="The service's URL.")],
    region: Annotated[str, typer.Option(help="The region to sign for.")] = "us-east-1",
    pairs: Annotated[
        Path | None, typer.Option(help="Ask about these pairs: image_a, image_b, same.")
    ] = None,
    images_root: Annotated[
        Path | None,
        typer.Option(help="The images' folder; the manifest's. Nothing outside is sent."),
    ] = None,
    genuine: Annotated[
        int, typer.Option(help="At most so many genuine pairs; 0: all.", min=0)
    ] = 1000,
    impostors: Annotated[int, typer.Option(help="So many impostor pairs, drawn.", min=1)] = 3000,
    seed: Annotated[int, typer.Option(help="Of the drawing.")] = 0,
    per_second: Annotated[float, typer.Option(help="Requests per second, at most.")] = 5.0,
    price: Annotated[
        float, typer.Option(help="US dollars for a request: only for the estimate. Look it up.")
    ] = PRICE,
    cohort: Annotated[
        list[str] | None, typer.Option(help="A column to split people by. Repeatable.")
    ] = None,
    cross: Crosses = None,
    fmr: Targets = None,
    name: Annotated[str | None, typer.Option(help="What the service is called.")] = None,
    data: Data = None,
    sector: Sector = Settings.sector,
    jurisdiction: Place = Settings.jurisdiction,
    yes_send_images: Annotated[
        bool,
        typer.Option("--yes-send-images", help="Photographs may leave this machine."),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask about the cost.")] = False,
    as_json: Json = False,
) -> None:
    """Measure a service by asking it about pairs, one request for each.

    Credentials come from where AWS's own tools find them. A run that was stopped goes on. The
    similarity that the service tells is the score: it is coarse.
    """
    from rightface.assay.cells import cells_of, partitions_of
    from rightface.assay.from_scores import assay_of_answers
    from rightface.assay.manifest import read_manifest
    from rightface.assay.service_pairs import cost_of, plan_pairs
    from rightface.assay.through_api import ask, client_of, require_leave

    with reporting(as_json):
        if not per_second > 0:
            raise SettingsError("--per-second must be above zero.")
        asked_for, crossed = targets(fmr), crosses(cross)
        require_leave(endpoint, given=yes_send_images)
        read = read_manifest(
            manifest, pairs=pairs, images_root=images_root, cohort_columns=cohort or None
        )
        # What the document could not be made of is said before a request is paid for.
        cells_of(partitions_of(read.columns, crossed), len(read))
        plan = plan_pairs(read, genuine=genuine, impostor=impostors, seed=seed)
        _agree(
            f"{len(plan):,} requests ({int(plan.same.sum()):,} genuine pairs), about "
            f"{len(plan) / per_second / 60:.0f} minutes or more, and US$ "
            f"{cost_of(plan, price=price):,.2f} at US$ {price:g} each where requests are billed.",
            asked=not (yes or as_json),
            said=not as_json,
        )
        service = client_of(endpoint, region=region)
        with (
            measuring_in(out, data, sector, jurisdiction, quiet=as_json) as room,
            progress(as_json) as stage,
        ):
            answers = ask(
                service,
                read,
                plan,
                directory=out,
                permitted=room.permitted,
                per_second=per_second,
                progress=lambda done, total: stage("asked", done, total),
            )
            told = assay_of_answers(
                read,
                plan,
                answers,
                service=name or endpoint,
                fmr=asked_for,
                crosses=crossed,
            )
            write(told, out / FILE)
            room.finished({"images": told.data.images, "comparisons": len(plan)})

        def human() -> None:
            show(told)
            say(f"Written: {out / FILE}. As a page: rightface assay report {out / FILE}")

        emit(told.model_dump(mode="json"), as_json, human)


def _agree(cost: str, *, asked: bool, said: bool) -> None:
    """Tell what it will cost; at a terminal, ask.

    Raises:
        Abort: the answer was no.
    """
    if said:
        say(cost)
    if asked and sys.stdin.isatty():
        typer.confirm("Go on?", abort=True)
