"""`rightface gallery`: what searches of a gallery may get wrong, and the threshold that follows."""

from __future__ import annotations

from typing import Annotated

import typer

from rightface.cli.output import Data, Json, emit, reporting, say, show_table
from rightface.errors import SettingsError
from rightface.registrar_galleries import Aimed

app = typer.Typer(
    help="Galleries: what their searches may get wrong, and the thresholds that follow.",
    no_args_is_help=True,
)


@app.command("list")
def list_(
    data: Data,
    client: Annotated[str | None, typer.Option(help="Only this client's.")] = None,
    as_json: Json = False,
) -> None:
    """Every gallery with its size, its target, and what that means at this size."""
    from rightface.registrar import Registrar

    with reporting(as_json), Registrar.open(data) as registrar:
        found = registrar.galleries.listed(client)

        def human() -> None:
            show_table(
                ("client", "gallery", "faces", "target", "FMR needed", "similarity from", "set by"),
                [_row(each) for each in found],
            )
            if any(each.extrapolated for each in found):
                say("* beyond what was measured: extrapolated.")

        emit(found, as_json, human)


@app.command()
def target(
    data: Data,
    client: Annotated[str, typer.Option(help="Whose gallery.")],
    gallery: Annotated[str, typer.Option(help="Its name.")],
    fpir: Annotated[
        float | None,
        typer.Option(
            help="The share of searches of people who are not enrolled that may find somebody."
        ),
    ] = None,
    none: Annotated[
        bool, typer.Option("--none", help="No target of its own any more; the instance's stays.")
    ] = False,
    as_json: Json = False,
) -> None:
    """State what searches of a gallery may get wrong. Its threshold follows as it grows."""
    from rightface.registrar import Registrar

    with reporting(as_json):
        if (fpir is None) != none:
            raise SettingsError("Give --fpir SHARE or --none.", mend="For example --fpir 0.001.")
        with Registrar.open(data) as registrar:
            told = registrar.galleries.aim(client=client, gallery=gallery, fpir=fpir)

        def human() -> None:
            if told.fpir_target is None or told.similarity is None:
                say(f"Searches of '{gallery}' have no target.")
                return
            beyond = " (extrapolated beyond what was measured)" if told.extrapolated else ""
            say(
                f"In '{gallery}' at most {told.fpir_target:g} of searches may find somebody "
                f"wrongly. With {told.faces} faces: similarity {told.similarity:.1f} or "
                f"more{beyond}."
            )
            if told.cohort:
                say(f"The threshold is that of the worst measured cohort: {told.cohort}.")
            if told.too_small:
                say(
                    "Too few comparisons to measure these, so the threshold may be too low for "
                    f"them: {', '.join(told.too_small)}."
                )

        emit(told, as_json, human)


def _row(one: Aimed) -> tuple[str, ...]:
    if one.fpir_target is None or one.fmr_needed is None or one.similarity is None:
        return (one.client, one.gallery, str(one.faces), "none", "–", "–", "–")
    mark = "*" if one.extrapolated else ""
    return (
        one.client,
        one.gallery,
        str(one.faces),
        f"{one.fpir_target:g}",
        f"{one.fmr_needed:.1e}",
        f"{one.similarity:.1f}{mark}",
        one.cohort or "all together",
    )
