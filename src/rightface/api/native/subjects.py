"""Routes: one person. What is held, erasure, suppressions; and receipts that are kept.

A person's reference stands in a body alone, never in a path or a query.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Path

from rightface.api.native import asks, shapes
from rightface.api.native.house import By, In, router
from rightface.errors import GalleryError, NotOnRecord

routes = router("subjects")
ReceiptId = Annotated[str, Path(pattern=r"^rcp-[0-9a-f]{24}$")]


@routes.post("/subjects/report")
def report_subject(house: In, who: By, asked: asks.SubjectNamed) -> shapes.SubjectReport:
    """Everything held on a person, and every use of it. The report itself goes on record."""
    del who
    return shapes.SubjectReport.of(house.registrar.subjects.report(asked.subject))


@routes.post("/subjects/erase")
def erase_subject(house: In, who: By, asked: asks.SubjectNamed) -> shapes.Receipt:
    """Erase all that is held on a person, everywhere; the signed receipt. Consents stay."""
    del who
    return shapes.Receipt(document=house.registrar.subjects.erase(asked.subject).document)


@routes.post("/subjects/suppressions")
def show_suppressions(house: In, who: By, asked: asks.SubjectNamed) -> shapes.Suppressions:
    """Whether a person is suppressed, where, why and since when. Only a newer consent lifts it."""
    del who
    return shapes.Suppressions.of(house.registrar.subjects.standing(asked.subject))


@routes.get("/suppressions")
def count_suppressions(house: In, who: By) -> shapes.SuppressionCounts:
    """How many suppressions there are, by reason. Nobody is named."""
    del who
    return shapes.SuppressionCounts(by_reason=dict(house.registrar.subjects.suppressions()))


@routes.post("/galleries/erase")
def erase_ended_galleries(house: In, who: By, asked: asks.ClientNamed) -> shapes.Receipts:
    """Erase the galleries of a client whose last licence has ended, without days of grace."""
    del who
    receipts = house.registrar.erase_ended_galleries(asked.client)
    return shapes.Receipts(receipts=[shapes.Receipt(document=one.document) for one in receipts])


@routes.get("/receipts/{receipt_id}")
def show_receipt(house: In, who: By, receipt_id: ReceiptId) -> shapes.Receipt:
    """A receipt that is kept. A client is shown those of its own erasures."""
    try:
        found = house.registrar.subjects.receipt(receipt_id, client=who.client)
    except GalleryError as error:
        raise NotOnRecord(error.what, why=error.why, mend=error.mend) from error
    return shapes.Receipt(document=found)
