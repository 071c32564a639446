"""Of whoever else is in a photograph no template is made: nobody asked them."""

from __future__ import annotations

from typing import Any

import pytest

from rightface.faces.embedder import Embedder
from tests.conftest import Server
from tests.portraits import two_people


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many faces each call of the network was given."""
    counts: list[int] = []
    whole = Embedder.templates

    def counting(self: Embedder, chips: Any, **more: Any) -> Any:
        counts.append(len(chips))
        return whole(self, chips, **more)

    monkeypatch.setattr(Embedder, "templates", counting)
    return counts


@pytest.mark.parametrize("quality", ["NONE", "AUTO"])
def test_only_the_face_that_is_meant_is_measured(
    server: Server, measured: list[int], quality: str
) -> None:
    client = server.client()
    gallery = f"bystanders-{quality}"
    client.create_collection(CollectionId=gallery)
    server.instance.consent("eileen")
    image = {"Bytes": two_people()}
    told = client.index_faces(
        CollectionId=gallery, Image=image, ExternalImageId="eileen", QualityFilter=quality
    )
    assert (len(told["FaceRecords"]), len(told["UnindexedFaces"])) == (1, 1)
    assert measured == [1]
    found = client.search_faces_by_image(CollectionId=gallery, Image=image, QualityFilter=quality)
    assert [each["Face"]["ExternalImageId"] for each in found["FaceMatches"]] == ["eileen"]
    assert measured == [1, 1]
    client.search_users_by_image(CollectionId=gallery, Image=image, QualityFilter=quality)
    assert measured == [1, 1, 1]
    client.detect_faces(Image=image)
    assert measured == [1, 1, 1]
