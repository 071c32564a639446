"""An instance with a short history, made by the real service and the operator's real desks."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from instance import OPERATIONS, PLACE, TemporaryInstance, temporary_instance
from rightface.errors import Refused
from rightface.gallery.rows import FaceRow
from rightface.law import adoptions, facts
from rightface.law.facts import FactTerms
from rightface.law.warrant_records import WarrantTerms
from rightface.registrar import LicenceTerms
from rightface.registrar_warrants import WarrantDesk
from rightface.report.accountability import accountability
from rightface.retention import RetentionDesk
from rightface.service_types import Caller
from tests.portraits import grace_hopper

SUBJECTS = tuple(f"jane-doe-{number}" for number in range(7))
GALLERY = "oak-street-door"
OFFICER, JUDGE, NUMBER = "Officer Quill", "Judge Fenwick", "SW-77-Q"
PARTY = '<script>alert("x")</script> & Sons'
TODAY = datetime.now(UTC).date()


@dataclass(frozen=True)
class History:
    """What happened, and the report on it."""

    fresh: TemporaryInstance
    report: dict[str, Any]
    secrets: tuple[str, ...]
    """What must not stand in a report."""

    @property
    def ledger(self) -> Path:
        return self.fresh.instance.settings.ledger_directory


def _caller(fresh: TemporaryInstance, client: str, *parties: str) -> Caller:
    issued = fresh.registrar.issue_licence(
        LicenceTerms(
            client=client,
            sector="private-entity",
            jurisdiction=PLACE,
            purposes=("access-control",),
            operations=OPERATIONS,
            galleries=("*",),
            on_behalf_of=parties,
            basis="consent-warranted",
            valid_from=None,
            valid_until=datetime.now(UTC) + timedelta(days=1),
        )
    )
    return Caller(licence=issued.licence, purpose=None, subject=None, request_id="request-1")


def _records(fresh: TemporaryInstance) -> None:
    digest = hashlib.sha256(b"a document").hexdigest()
    now = datetime.now(UTC)
    for sealed in (True, False):
        WarrantDesk(fresh.instance).record(
            WarrantTerms(
                kind="warrant",
                issuer=JUDGE,
                number=NUMBER,
                client="acme",
                operations=("identify-1toN",),
                purposes=("missing-child",),
                jurisdictions=(PLACE,),
                valid_until=now + timedelta(days=9),
                document_digest=digest,
                galleries=("*",),
                sealed=sealed,
            )
        )
    terms = FactTerms(
        name="amazon-ended-police-moratorium",
        valid_from=now,
        attester=OFFICER,
        document_digest=digest,
    )
    instance = fresh.instance
    instance.database.write(lambda s: facts.record_fact(s, instance.keyring, terms, at=now))
    name = next(iter(sorted(instance.library.commitments)))
    instance.database.write(
        lambda s: adoptions.adopt(s, instance.keyring, name, at=now, by="operator")
    )


@pytest.fixture(scope="package")
def history(models: Path) -> Iterator[History]:
    photo = grace_hopper()
    with temporary_instance(models) as fresh:
        acme = _caller(fresh, "acme", f"{PARTY}:vendor", f"{SUBJECTS[0]}:individual")
        other = _caller(fresh, "other")
        service = fresh.service
        for caller in (acme, other):
            service.create_collection(caller, GALLERY, {})
        fresh.consent(*SUBJECTS)

        def enrol(caller: Caller, subject: str) -> str:
            value = service.index_faces(
                caller,
                GALLERY,
                image=photo,
                subject=subject,
                max_faces=None,
                quality_filter="AUTO",
            ).value
            return value.enrolled[0].record.face_id

        faces = [enrol(acme, subject) for subject in SUBJECTS]
        enrol(other, SUBJECTS[6])
        for _ in range(3):
            service.search_faces_by_image(
                acme, GALLERY, image=photo, limit=9, similarity=80.0, quality_filter="NONE"
            )
        for subject in ("never-asked-1", "never-asked-2"):
            with pytest.raises(Refused):
                enrol(other, subject)
        fresh.registrar.withdraw_consent(SUBJECTS[1])
        desk = RetentionDesk(fresh.instance)
        desk.interaction(SUBJECTS[2], gallery=GALLERY, client="acme")
        fresh.instance.database.write(
            lambda session: (
                session.query(FaceRow)
                .filter(FaceRow.id == faces[3])
                .update({"idle_days": 1, "idle_until": datetime.now(UTC) - timedelta(hours=1)})
            )
        )
        _records(fresh)
        fresh.instance.database.write(lambda _: None)  # behind the outcomes that wait
        told = accountability(
            fresh.instance, TODAY - timedelta(days=2), TODAY, operator="Example & Co"
        )
        secrets = (*SUBJECTS, *faces, GALLERY, OFFICER, JUDGE, NUMBER, "never-asked")
        yield History(fresh, told, secrets)
