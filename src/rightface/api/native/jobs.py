"""Routes: jobs on stored videos. What was asked, and what was found, is not shown here."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query

from rightface.api.native import shapes
from rightface.api.native.errors import NotYours
from rightface.api.native.house import After, By, House, In, Limit, router
from rightface.api.native.who import Who
from rightface.api.native.words import Name, Page
from rightface.errors import JobNotFound
from rightface.gallery.jobs import Job

routes = router("jobs")
JobId = Annotated[str, Path(pattern=r"^[A-Za-z0-9-]{8,64}$")]


@routes.get("/jobs")
def list_jobs(
    house: In,
    who: By,
    client: Annotated[Name | None, Query()] = None,
    after: After = None,
    limit: Limit = 100,
) -> Page[shapes.Job]:
    """Every job that has not expired, oldest first. A client is shown its own."""
    if who.client is not None and client not in (None, who.client):
        raise NotYours("These jobs are another client's.", mend="Leave 'client' out.")
    client = who.client or client
    found = [shapes.Job.of(each) for each in house.registrar.jobs.listed(client)]
    return house.page(f"jobs/{client}", found, after, limit, Page[shapes.Job])


@routes.get("/jobs/{job_id}")
def show_job(house: In, who: By, job_id: JobId) -> shapes.Job:
    """One job: its state and progress."""
    return shapes.Job.of(_find(house, who, job_id))


@routes.post("/jobs/{job_id}/cancel")
def cancel_job(house: In, who: By, job_id: JobId) -> shapes.Job:
    """End a job that waits or is under way: it fails, and keeps nothing."""
    return shapes.Job.of(house.registrar.jobs.cancel(_find(house, who, job_id).id))


def _find(house: House, who: Who, job_id: str) -> Job:
    for job in house.registrar.jobs.listed(who.client):
        if job.id == job_id:
            return job
    raise JobNotFound("There is no such job.")
