"""The operator's acts on jobs on stored videos: see them, end one. What was asked is not shown.

Must never know: a wire format, a command line.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy.orm import Session

from rightface.errors import JobNotFound
from rightface.gallery.jobs import Job, Jobs
from rightface.instance import Instance


class JobDesk:
    """Jobs of one instance, as its operator sees them."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._jobs = Jobs(instance.keyring)

    def listed(self, client: str | None = None) -> list[Job]:
        """Every job that has not expired, oldest first; of one client only, if named."""
        with self._instance.database.read() as session:
            return self._jobs.listed(session, client)

    def find(self, job_id: str) -> Job:
        """One job, by its id or by a beginning of at least 8 characters that only it has.

        Raises:
            JobNotFound: there is none, or there are several.
        """
        found = [
            job
            for job in self.listed()
            if job.id == job_id or (len(job_id) >= 8 and job.id.startswith(job_id))
        ]
        if len(found) != 1:
            raise JobNotFound("There is no such job.", mend="See: rightface job list")
        return found[0]

    def cancel(self, job_id: str) -> Job:
        """End a job that waits or is under way: it fails, and keeps nothing.

        Raises:
            JobNotFound: there is none that could be ended.
        """
        job = self.find(job_id)
        until = datetime.now(UTC) + timedelta(days=self._instance.settings.job_days)

        def work(session: Session) -> Job:
            cancelled = self._jobs.cancel(session, job.id, until)
            self._instance.record_act(session, "job-cancel", client=job.client)
            return cancelled

        return self._instance.database.write(work)
