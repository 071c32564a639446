"""Routes: warrants, orders and emergencies. Of a sealed one little is told."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import Path, Query

from rightface.api.native import asks, shapes
from rightface.api.native.house import After, By, In, Limit, router
from rightface.api.native.words import Name, Page
from rightface.law.warrant_records import Listed, WarrantTerms
from rightface.law.warrants import Warrant

routes = router("warrants")
WarrantId = Annotated[str, Path(pattern=r"^wrt-[0-9a-f]{24}$")]


@routes.post("/warrants", status_code=201)
def record_warrant(house: In, who: By, asked: asks.WarrantTerms) -> shapes.Warrant:
    """Put a warrant, an order or an emergency on record."""
    del who
    terms = WarrantTerms(
        kind=asked.kind,
        issuer=asked.issuer,
        number=asked.number,
        client=asked.client,
        operations=asked.operations,
        purposes=asked.purposes,
        jurisdictions=asked.jurisdictions,
        document_digest=asked.document_sha256,
        valid_until=asked.valid_until,
        galleries=asked.galleries,
        valid_from=asked.valid_from,
        sealed=asked.sealed,
        conditions=asked.conditions,
        limit_hours=asked.limit_hours,
    )
    return _told(house.registrar.warrants.record(terms))


@routes.get("/warrants")
def list_warrants(
    house: In,
    who: By,
    client: Annotated[Name | None, Query()] = None,
    after: After = None,
    limit: Limit = 100,
) -> Page[shapes.Warrant]:
    """Every record, oldest first; ended and damaged ones too."""
    del who
    found = [_listed(each) for each in house.registrar.warrants.listed(client)]
    return house.page(f"warrants/{client}", found, after, limit, Page[shapes.Warrant])


@routes.get("/warrants/{warrant_id}")
def show_warrant(house: In, who: By, warrant_id: WarrantId) -> shapes.Warrant:
    """One record."""
    del who
    return _listed(house.registrar.warrants.find(warrant_id))


@routes.post("/warrants/{warrant_id}/end")
def end_warrant(
    house: In, who: By, warrant_id: WarrantId, asked: asks.WarrantEnd
) -> shapes.Warrant:
    """End a record, for good; or say that the court refused it."""
    del who
    return _told(house.registrar.warrants.end(warrant_id, refused=asked.refused))


@routes.post("/warrants/{warrant_id}/requested")
def mark_warrant_requested(
    house: In, who: By, warrant_id: WarrantId, asked: asks.At
) -> shapes.Warrant:
    """The authorisation was asked for."""
    del who
    return _told(house.registrar.warrants.mark_requested(warrant_id, asked.at))


@routes.post("/warrants/{warrant_id}/reported")
def mark_warrant_reported(
    house: In, who: By, warrant_id: WarrantId, asked: asks.At
) -> shapes.Warrant:
    """The emergency was reported after the fact."""
    del who
    return _told(house.registrar.warrants.mark_reported(warrant_id, asked.at))


def _told(warrant: Warrant) -> shapes.Warrant:
    return shapes.Warrant.model_validate(warrant.told(datetime.now(UTC)))


def _listed(row: Listed) -> shapes.Warrant:
    if row.warrant is None:
        return shapes.Warrant(warrant_id=row.warrant_id, client=row.client, state="damaged")
    return _told(row.warrant)
