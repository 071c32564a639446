"""`rightface assay`: how well, and how equally well, a model works. One file per command here."""

from __future__ import annotations

import typer

app = typer.Typer(
    help="Measure how well, and how equally well, faces are compared.", no_args_is_help=True
)


def complete() -> typer.Typer:
    """The group with all of its commands."""
    from rightface.cli.assay import report

    report.add_to(app)
    from rightface.cli.assay import calibrate

    calibrate.add_to(app)
    from rightface.cli.assay import run

    run.add_to(app)
    return app
