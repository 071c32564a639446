"""Routes: galleries, and what searches of them may get wrong."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query

from rightface.api.native import asks, shapes
from rightface.api.native.errors import NotYours
from rightface.api.native.house import After, By, In, Limit, router
from rightface.api.native.words import Name, Page

routes = router("galleries")


@routes.get("/galleries")
def list_galleries(
    house: In,
    who: By,
    client: Annotated[Name | None, Query()] = None,
    after: After = None,
    limit: Limit = 100,
) -> Page[shapes.Gallery]:
    """Every gallery with its size, its target and the threshold. A client is shown its own."""
    if who.client is not None and client not in (None, who.client):
        raise NotYours("These galleries are another client's.", mend="Leave 'client' out.")
    client = who.client or client
    found = [shapes.Gallery.of(each) for each in house.registrar.galleries.listed(client)]
    return house.page(f"galleries/{client}", found, after, limit, Page[shapes.Gallery])


@routes.post("/galleries/targets")
def aim_gallery(house: In, who: By, asked: asks.TargetStated) -> shapes.Gallery:
    """State what searches of a gallery may get wrong; its threshold follows as it grows."""
    del who
    return shapes.Gallery.of(
        house.registrar.galleries.aim(
            client=asked.client, gallery=asked.gallery, fpir=asked.fpir_target
        )
    )
