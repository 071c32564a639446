"""The `rightface` command: puts the commands together. One file per subject beside this one."""

from __future__ import annotations

import json
import sys
from functools import cache

import typer

from rightface import __version__
from rightface.errors import SettingsError

app = typer.Typer(
    name="rightface",
    help="Face recognition that answers to the law. It is not legal advice.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

STOPPED = 130
"""What shells take for: ended by Ctrl-C."""


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"rightface {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Print the version."
    ),
) -> None:
    pass


def main() -> None:
    """Run the command line of this process."""
    try:
        sys.exit(complete()(standalone_mode=False))
    except KeyboardInterrupt:  # while the commands are put together; later the library says so
        typer.echo("Stopped.", err=True)
        sys.exit(STOPPED)
    except Exception as error:
        tell = getattr(error, "show", None)  # a usage error of the command-line library
        if tell is None:
            raise
        if "--json" in sys.argv:
            message = error.format_message() if hasattr(error, "format_message") else str(error)
            typer.echo(json.dumps({"error": "usage", "message": message, "why": "", "mend": ""}))
        else:
            tell()
        sys.exit(SettingsError.exit_status)


@cache
def complete() -> typer.Typer:
    """The whole command, every subject's commands added once."""
    from rightface.cli import (
        backup,
        consent,
        credential,
        evidence,
        faces,
        finding,
        gallery,
        health,
        instance,
        job,
        key,
        law,
        ledger,
        licence,
        report,
        retention,
        review,
        serve,
        subject,
        warrant,
    )
    from rightface.cli.assay import complete as assay
    from rightface.cli.demo import command as demo

    instance.add_to(app)
    app.add_typer(licence.app, name="licence")
    app.add_typer(consent.app, name="consent")
    app.add_typer(credential.app, name="credential")
    app.add_typer(warrant.app, name="warrant")
    app.add_typer(finding.app, name="finding")
    app.add_typer(evidence.app, name="evidence")
    app.add_typer(gallery.app, name="gallery")
    app.add_typer(retention.app, name="retention")
    app.add_typer(key.app, name="key")
    app.add_typer(review.app, name="review")
    app.add_typer(subject.app, name="subject")
    app.add_typer(subject.suppression, name="suppression")
    app.add_typer(law.app, name="law")
    app.add_typer(job.app, name="job")
    app.add_typer(ledger.app, name="ledger")
    app.add_typer(report.app, name="report")
    app.add_typer(assay(), name="assay")
    backup.add_to(app)
    faces.add_to(app)
    serve.add_to(app)
    health.add_to(app)
    demo.add_to(app)
    return app
