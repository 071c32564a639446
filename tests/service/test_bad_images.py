"""Images of every kind of badness, through the real wire: answered, or a clear error."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.conftest import Server
from tests.portraits import grace_hopper, small

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")
CLEAR = {"InvalidImageFormatException", "InvalidParameterException", "ImageTooLargeException"}


def _encoded(name: str) -> bytes:
    out = io.BytesIO()
    Image.open(io.BytesIO(small(grace_hopper(), 96))).save(out, name)
    return out.getvalue()


PHOTOS = {name: _encoded(name) for name in FORMATS}


@pytest.fixture(scope="module")
def client(server: Server) -> Any:
    made = server.client()
    made.create_collection(CollectionId="bad-images")
    server.instance.consent("badly-seen")
    return made


def _asked(client: Any, photo: bytes) -> list[str]:
    """The outcome of each operation that takes an image: `ok` or the error's name."""
    image = {"Bytes": photo}
    outcomes = []
    operations: tuple[Callable[[], Any], ...] = (
        lambda: client.detect_faces(Image=image),
        lambda: client.search_faces_by_image(CollectionId="bad-images", Image=image),
        lambda: client.index_faces(
            CollectionId="bad-images", Image=image, ExternalImageId="badly-seen"
        ),
        lambda: client.compare_faces(SourceImage=image, TargetImage={"Bytes": PHOTOS["JPEG"]}),
    )
    for ask in operations:
        try:
            ask()
            outcomes.append("ok")
        except ClientError as error:
            assert error.response["ResponseMetadata"]["HTTPStatusCode"] < 500, error
            outcomes.append(error.response["Error"]["Code"])
    return outcomes


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_answered(client: Any, name: str) -> None:
    assert set(_asked(client, PHOTOS[name])) == {"ok"}


@given(name=st.sampled_from(FORMATS), data=st.data())
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_damaged_images_never_break_the_server(client: Any, name: str, data: st.DataObject) -> None:
    photo = bytearray(PHOTOS[name])
    for _ in range(data.draw(st.integers(0, 6))):
        photo[data.draw(st.integers(0, len(photo) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(1, len(photo)))
    assert set(_asked(client, bytes(photo[:cut]))) <= CLEAR | {"ok"}


def test_a_bomb_is_told_by_its_header(client: Any) -> None:
    out = io.BytesIO()
    Image.new("1", (16_000, 16_000)).save(out, "PNG", optimize=True)
    assert set(_asked(client, out.getvalue())) == {"ImageTooLargeException"}


def test_too_many_bytes(client: Any) -> None:
    assert set(_asked(client, PHOTOS["JPEG"] + bytes(15 << 20))) <= {"ImageTooLargeException"}


def test_turned_by_its_exif_a_face_is_found_where_it_is_seen(client: Any) -> None:
    upright = Image.open(io.BytesIO(small(grace_hopper(), 300)))
    turned = upright.transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90° clockwise to see it upright
    out = io.BytesIO()
    turned.save(out, "JPEG", exif=exif, quality=95)
    (face,) = client.detect_faces(Image={"Bytes": out.getvalue()})["FaceDetails"]
    plain = io.BytesIO()
    upright.save(plain, "JPEG", quality=95)
    (expected,) = client.detect_faces(Image={"Bytes": plain.getvalue()})["FaceDetails"]
    for side in ("Left", "Top", "Width", "Height"):
        assert face["BoundingBox"][side] == pytest.approx(expected["BoundingBox"][side], abs=0.02)
