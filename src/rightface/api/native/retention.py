"""Routes: retention. What is due, and what erases it."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query

from rightface.api.native import asks, shapes
from rightface.api.native.house import By, In, router

routes = router("retention")


@routes.get("/retention/due")
def list_due(
    house: In, who: By, within_days: Annotated[int, Query(ge=0, le=36_500)] = 0
) -> shapes.DueList:
    """What is overdue, or due within so many days. A dry run of the sweep; counts only."""
    del who
    found = house.retention.due(within_days=within_days)
    return shapes.DueList(
        due=[shapes.Due.of(each) for each in found],
        faces=sum(each.faces for each in found),
        overdue=sum(each.overdue for each in found),
    )


@routes.get("/retention/preview")
def preview_sweep(house: In, who: By) -> shapes.SweepPreview:
    """What a sweep would erase now, in counts; nothing is erased."""
    del who
    return shapes.SweepPreview.of(house.retention.would_sweep())


@routes.post("/retention/sweep")
def sweep(house: In, who: By) -> shapes.Receipts:
    """Erase what is due: dates, ended consents, ended licences; a receipt for each part."""
    del who
    receipts = house.retention.sweep()
    return shapes.Receipts(receipts=[shapes.Receipt(document=one.document) for one in receipts])


@routes.post("/retention/interactions")
def note_interaction(house: In, who: By, asked: asks.InteractionAsked) -> shapes.Moved:
    """The person did something with the client: the idle dates of their faces move."""
    del who
    moved = house.retention.interaction(
        asked.subject, gallery=asked.gallery, client=asked.client, at=asked.at
    )
    return shapes.Moved.of(moved)


@routes.post("/retention/purpose-ends")
def end_purpose(house: In, who: By, asked: asks.GalleryNamed) -> shapes.PurposeEnded:
    """The purpose of a gallery is met: all that is enrolled there is erased, with receipts."""
    del who
    ended = house.retention.end_purpose(client=asked.client, gallery=asked.gallery)
    return shapes.PurposeEnded(
        faces_due=ended.faces_due,
        receipts=[shapes.Receipt(document=one.document) for one in ended.receipts],
    )
