"""A temporary instance for benchmarks and tests: its permits come from the real gate.

There is no other way to touch a face, here neither.
"""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from rightface.instance import Instance
from rightface.law.licences import IssuedLicence
from rightface.law.operation import Operation
from rightface.permit import Permit
from rightface.registrar import ConsentTerms, LicenceTerms, Registrar
from rightface.service import Service
from rightface.settings import Settings

PLACE = "US-OH"  # no instrument of this release binds a private entity there, but the baseline
PURPOSE = "access-control"
OPERATIONS = ("detect", "verify-1to1", "identify-1toN", "enroll", "erase", "manage-gallery")


class TemporaryInstance:
    """An instance in a directory that goes away, and clients with licences and consents."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.service = Service(instance)
        self.registrar = Registrar(instance)
        self._measurer = self.licence("measurer", ("research",), ("measure-accuracy",), "research")
        self._tester = self.licence("tester", (PURPOSE,), OPERATIONS)
        self.consent("tester")

    def licence(
        self,
        client: str,
        purposes: tuple[str, ...] = (PURPOSE,),
        operations: tuple[str, ...] = OPERATIONS,
        basis: str = "consent-warranted",
        *,
        per_second: int | None = None,
        per_day: int | None = None,
    ) -> IssuedLicence:
        """Issue a licence for every gallery, for a day."""
        return self.registrar.issue_licence(
            LicenceTerms(
                client=client,
                sector="private-entity",
                jurisdiction=PLACE,
                purposes=purposes,
                operations=operations,
                galleries=("*",),
                on_behalf_of=(),
                basis=basis,
                valid_from=None,
                valid_until=datetime.now(UTC) + timedelta(days=1),
                per_second=per_second,
                per_day=per_day,
            )
        )

    def consent(self, *subjects: str, **changed: Any) -> None:
        """Put consents for every gallery on record; `changed`: other terms."""
        told: dict[str, Any] = {
            "purposes": (PURPOSE,),
            "galleries": ("*",),
            "notice": b"A test.",
            "retention_days": 30,
            "how": "written-release",
            "obtained_at": None,
            "expires_at": None,
            "client": None,
        }
        self.registrar.record_consents(subjects, ConsentTerms(**(told | changed)))

    @contextmanager
    def permitted(self, action: str) -> Iterator[Permit]:
        """An open permit for `action`, asked of the gate by a licensed client."""
        if action == "rebuild-index":
            operation = self.instance.own_operation(action)
        else:
            measures = action == "measure-accuracy"
            licence = (self._measurer if measures else self._tester).licence
            operation = Operation(
                action=action,
                client=licence.client,
                actor=licence.sector,
                client_jurisdiction=PLACE,
                place_jurisdiction=PLACE,
                gallery_jurisdiction=PLACE,
                licence_id=licence.licence_id,
                purpose=licence.purposes[0],
                gallery=None if measures else "tests",
                subjects=("tester",) if action == "enroll" else (),
                legal_basis=licence.basis,
                request_id=str(uuid.uuid4()),
            )
        with self.instance.permitted(operation) as permit:
            yield permit


@contextmanager
def temporary_instance(
    cache: Path | None = None, *, database: str = ""
) -> Iterator[TemporaryInstance]:
    """An instance that lasts as long as the block.

    `cache`: where converted models may stay. `database`: its URL; empty: SQLite.
    """
    with tempfile.TemporaryDirectory(prefix="rightface-") as directory:
        settings = Settings(
            data=Path(directory) / "data",
            sector="private-entity",
            jurisdiction=PLACE,
            database=database,
        )
        with Instance.create(settings) as instance:
            if cache is not None:
                cache.mkdir(parents=True, exist_ok=True)
                (settings.data / "models").symlink_to(cache.absolute())
            opened = TemporaryInstance(instance)
            try:
                yield opened
            finally:
                opened.service.close()
