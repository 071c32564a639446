"""`rightface assay`: how well, and how equally well, a model works. One file per command here."""

from __future__ import annotations

import typer

app = typer.Typer(
    help="Measure how well, and how equally well, faces are compared.", no_args_is_help=True
)


def complete() -> typer.Typer:
    """The group with all of its commands."""
    from rightface.cli.assay import api, calibrate, equalise, report, run, scores, study

    for each in (run, scores, api, report, calibrate, equalise, study):
        each.add_to(app)
    return app
