"""Routes: reports for those who oversee."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query

from rightface.api.native import shapes
from rightface.api.native.house import By, In, router
from rightface.api.native.words import Day
from rightface.report.accountability import accountability

routes = router("reports")


@routes.get("/reports/accountability")
def accountability_report(
    house: In,
    who: By,
    first: Annotated[Day, Query(alias="from", description="The first day.")],
    last: Annotated[Day, Query(alias="to", description="The last day, included.")],
    operator: Annotated[
        str, Query(max_length=128, pattern=r"^[^\x00-\x1f\x7f]*$", description="Who runs it.")
    ] = "",
) -> shapes.Report:
    """What RCW 43.386 and BIPA's public policy ask for, in numbers that the ledger proves."""
    del who
    return shapes.Report(report=accountability(house.instance, first, last, operator=operator))
