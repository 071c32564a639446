"""Pictures of many pixels: few at once; who finds no room is told, and others go on."""

from __future__ import annotations

import io
import threading

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from PIL import Image

from rightface.faces.image import announced_pixels
from rightface.service.desk import LARGE_AT_ONCE, LARGE_PIXELS
from tests.conftest import Server
from tests.portraits import eileen_collins, nobody, small


def large() -> bytes:
    out = io.BytesIO()
    Image.new("L", (6_000, 4_500), 128).save(out, "PNG")
    return out.getvalue()


def test_the_header_tells_the_pixels_and_nothing_is_decoded() -> None:
    picture = large()
    assert announced_pixels(picture) == 27_000_000 > LARGE_PIXELS
    assert announced_pixels(picture[:200]) == 27_000_000
    assert announced_pixels(nobody()) == 90_000
    for broken in (b"", b"x", b"\xff\xd8\xff", picture[:12], b"GIF89a", b"BM" + bytes(50)):
        assert announced_pixels(broken) == 0


def test_few_large_pictures_at_once_and_small_ones_beside_them(server: Server) -> None:
    picture = large()
    assert len(picture) < 1_000_000  # by its bytes it is a quick one
    told: list[str] = []
    begin = threading.Barrier(7)

    def ask() -> None:
        client = server.client(config=Config(retries={"total_max_attempts": 1}, read_timeout=300))
        begin.wait()
        try:
            client.detect_faces(Image={"Bytes": picture})
            told.append("ok")
        except ClientError as error:
            told.append(error.response["Error"]["Code"])

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    begin.wait()
    found = server.client().detect_faces(Image={"Bytes": small(eileen_collins())})
    assert len(found["FaceDetails"]) == 1
    for thread in threads:
        thread.join()
    assert set(told) <= {"ok", "ProvisionedThroughputExceededException"}
    assert told.count("ok") >= LARGE_AT_ONCE
    server.client().detect_faces(Image={"Bytes": picture})  # the room was given back


def test_room_is_given_back_after_a_failure(server: Server) -> None:
    client = server.client(config=Config(retries={"total_max_attempts": 1}))
    for _ in range(LARGE_AT_ONCE + 2):
        with pytest.raises(ClientError) as refused:
            client.detect_faces(Image={"Bytes": large()[:5_000]})
        assert refused.value.response["Error"]["Code"] == "InvalidImageFormatException"
