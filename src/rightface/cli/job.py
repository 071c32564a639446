"""`rightface job`: jobs on stored videos, and how far they are. Never what was asked, or found."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer

from rightface.cli.output import Data, Json, emit, plain, reporting, say, show_table
from rightface.errors import SettingsError

app = typer.Typer(help="Jobs on stored videos: how far they are.", no_args_is_help=True)
JobId = Annotated[str, typer.Argument(help="Its id, or the first 8 characters or more.")]
_OPEN = ("SUBMITTED", "IN_PROGRESS")


@app.command("list")
def list_(
    data: Data,
    client: Annotated[str | None, typer.Option(help="Only this client's.")] = None,
    as_json: Json = False,
) -> None:
    """Every job that has not expired, oldest first."""
    from rightface.registrar import Registrar

    with reporting(as_json), Registrar.open(data) as registrar:
        jobs = [_told(job) for job in registrar.jobs.listed(client)]

        def human() -> None:
            show_table(
                ("job", "client", "kind", "state", "progress", "frames", "started", "expires"),
                [
                    (
                        each["id"][:12],
                        each["client"],
                        each["kind"],
                        each["state"],
                        f"{each['progress']} %",
                        str(each["frames"]),
                        f"{each['created_at']:%Y-%m-%d %H:%M}",
                        f"{each['expires_at']:%Y-%m-%d %H:%M}",
                    )
                    for each in jobs
                ],
            )

        emit(jobs, as_json, human)


@app.command()
def show(
    data: Data,
    job_id: JobId,
    watch: Annotated[bool, typer.Option("--watch", help="Follow it until it has ended.")] = False,
    as_json: Json = False,
) -> None:
    """One job. Exit status 1 if it failed."""
    from rightface.registrar import Registrar

    with reporting(as_json), Registrar.open(data) as registrar:
        if watch and as_json:
            raise SettingsError("--watch shows a bar; --json prints one document. Choose one.")
        job = registrar.jobs.find(job_id)
        if watch:
            job = _watched(registrar.jobs, job)
        told = _told(job)

        def human() -> None:
            for name, value in plain(told).items():
                say(f"{name}: {'–' if value is None else value}")

        emit(told, as_json, human)
        if job.state == "FAILED":
            raise typer.Exit(1)


@app.command()
def cancel(data: Data, job_id: JobId, as_json: Json = False) -> None:
    """End a job that waits or is under way. It keeps nothing of what it saw."""
    from rightface.registrar import Registrar

    with reporting(as_json), Registrar.open(data) as registrar:
        told = _told(registrar.jobs.cancel(job_id))
        emit(told, as_json, lambda: say(f"Job {told['id'][:12]} is ended; nothing was kept."))


def _told(job: Any) -> dict[str, Any]:
    names = ("id", "client", "kind", "state", "message", "progress", "frames", "attempts")
    told = {name: getattr(job, name) for name in (*names, "video")}
    return told | {
        "created_at": job.created_at,
        "finished_at": job.finished_at,
        "expires_at": job.expires_at,
    }


def _watched(desk: Any, job: Any) -> Any:
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    with Progress(
        TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn()
    ) as bar:
        task = bar.add_task(job.state, total=100, completed=job.progress)
        while job.state in _OPEN:
            time.sleep(0.5)
            job = desk.find(job.id)
            bar.update(task, description=job.state, completed=job.progress)
        bar.update(task, completed=100 if job.state == "SUCCEEDED" else job.progress)
    return job
