"""The service: one method per operation that a client may ask. The only place where the parts meet.

Each method has the same shape: say what is asked (`Operation`), ask the gate, touch a face only
inside the permit's block, write the change and its outcome in one transaction, answer. Must never
know: a wire format, a command line.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from prometheus_client import CollectorRegistry, Gauge

from rightface import acts, comparison
from rightface.errors import LicenceError, RightfaceError
from rightface.instance import Instance
from rightface.law import licences
from rightface.law.licences import Licence
from rightface.ledger.counting import count_requests
from rightface.service.associations import Associations
from rightface.service.collections import Collections
from rightface.service.enrolment import Enrolment
from rightface.service.identification import Identification
from rightface.service.keeper import Keeper
from rightface.service.tags import Tags
from rightface.service.testing import IndependentTests
from rightface.service.user_search import UserSearches
from rightface.service.verification import Verification
from rightface.service.video import Video
from rightface.service.worker import Worker
from rightface.service_types import Caller
from rightface.telemetry import Traces

HEALTH_SECONDS = 1.0


class Service(
    Collections,
    Tags,
    Enrolment,
    Associations,
    Verification,
    Video,
    UserSearches,
    Identification,
    IndependentTests,
):
    """The operations of one instance. Thread-safe; use it in a `with` block."""

    def __init__(self, instance: Instance) -> None:
        super().__init__(instance)
        self._keeper = Keeper(instance)
        self._looking = threading.Lock()
        self._found_well: dict[str, str] = {}
        self._well_until = 0.0
        Gauge(
            "rightface_overdue_faces",
            "Faces past a retention date, or the end of their consent, for over five minutes",
            registry=self.times.registry,
        ).set_function(self._keeper.overdue)
        self._worker = Worker(self)
        self.on_submit = self._worker.call

    @classmethod
    def open(cls, data: Path, *, serving: bool = False) -> Self:
        """Open the instance in `data`; see `Instance.open` for `serving` and the errors."""
        return cls(Instance.open(data, serving=serving))

    def prepare(self) -> None:
        """Load what takes a moment, and start to follow what other processes write.

        Raises:
            LedgerError: the records are not what the ledger's acts say; nothing is served.
        """
        told = acts.agreed(self.instance)
        comparison.follow(self.instance, told.comparison)
        _ = self.instance.engine
        self.publish_ledger()
        self._keeper.start()
        self._worker.start()

    def close(self) -> None:
        """Stop, publish, close. Idempotent."""
        self._worker.stop()
        self._keeper.stop()
        self.instance.close()
        self.traces.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def authenticate(self, access_key_id: str) -> tuple[Licence, str] | None:
        """The licence of an access key and its secret; None: no such key."""
        with self.instance.database.read() as session:
            return licences.by_access_key(session, self.instance.keyring, access_key_id)

    def decided_since(self, licence_id: str, since: datetime) -> int:
        """On how many requests of a licence the gate has decided since a moment."""
        with self.instance.database.read() as session:
            return count_requests(session, licence_id, since)

    def local_caller(self, action: str, *, client: str | None, purpose: str | None) -> Caller:
        """A caller for the command line: the first standing licence that grants `action`.

        Raises:
            LicenceError: there is none.
        """
        now = datetime.now(UTC)
        with self.instance.database.read() as session:
            for each in licences.all_licences(session, self.instance.keyring):
                standing = each.revoked_at is None and each.valid_from <= now < each.valid_until
                named = client is None or each.client == client
                if standing and named and action in each.operations:
                    return Caller(
                        licence=each,
                        purpose=purpose,
                        subject=None,
                        request_id=f"cli-{uuid.uuid4()}",
                    )
        raise LicenceError(
            f"No standing licence grants {action}.",
            mend=f"rightface licence issue --client NAME --operation {action} …",
        )

    def healthy(self) -> dict[str, str]:
        """Each part that must work, with `ok` or what is wrong with it.

        Anybody may ask, and the looks cost a commit: one that found all well holds for a second.
        """
        with self._looking:
            if time.monotonic() < self._well_until:
                return dict(self._found_well)
            state = self._look()
            if all(each == "ok" for each in state.values()):
                self._found_well, self._well_until = state, time.monotonic() + HEALTH_SECONDS
            return dict(state)

    def _look(self) -> dict[str, str]:
        parts: dict[str, Callable[[], object]] = {
            "database": lambda: self.instance.database.write(lambda session: None),
            "ledger": self.publish_ledger,
            "keeper": self._keeper.require_well,
            "retention": self._keeper.require_swept,
            "weights": lambda: self.instance.pack,
        }
        state = {}
        for name, works in parts.items():
            try:
                works()
                state[name] = "ok"
            except RightfaceError as error:
                state[name] = error.code
        return state

    @property
    def traces(self) -> Traces:
        """Where the service's traces go."""
        return self.times.traces

    @property
    def metrics(self) -> CollectorRegistry:
        """The service's own Prometheus figures."""
        return self.times.registry

    @property
    def ledger_directory(self) -> Path:
        """Where the ledger's public files lie."""
        return self.instance.settings.ledger_directory

    def publish_ledger(self) -> None:
        """Bring the public files up to date with what is recorded."""
        if self.instance.publisher.behind():
            self.instance.publisher.publish()

    def public_policy(self) -> str:
        """The public retention policy."""
        return self.instance.policy
