"""Attacks on the wire by class: smuggling, bombs, tricks with paths. Nothing breaks, nobody waits.

What tests/api, tests/native and tests/service hold already is not here: fuzzed bodies and
signatures, endless headers and bodies, images that are broken.
"""

from __future__ import annotations

import json
import socket
import threading
import time
import zlib
from collections.abc import Callable
from io import BytesIO
from struct import pack
from typing import Any
from urllib.parse import urlsplit

import pytest
from PIL import Image

from tests.api import signing
from tests.api.signing import Told, send
from tests.conftest import Server

pytestmark = pytest.mark.usefixtures("still_well")


@pytest.fixture
def still_well(server: Server) -> Any:
    yield
    assert ask(server, "ListCollections", {}).status == 200


def ask(server: Server, name: str, body: Any, **signed: Any) -> Told:
    key = {"key": server.access_key_id, "secret": server.secret_access_key}
    return signing.ask(server.endpoint_url, name, body, **(key | signed))


def signed(server: Server, body: bytes, name: str = "ListCollections") -> dict[str, str]:
    return signing.signed_headers(
        body,
        name,
        key=server.access_key_id,
        secret=server.secret_access_key,
        host=urlsplit(server.endpoint_url).netloc,
    )


def raw(server: Server, told: bytes) -> bytes:
    """All that comes back on one connection, until the server closes it or is silent."""
    place = urlsplit(server.endpoint_url)
    with socket.create_connection((place.hostname or "", place.port or 0), timeout=3) as connection:
        connection.sendall(told)
        got = b""
        try:
            while piece := connection.recv(65536):
                got += piece
        except (TimeoutError, ConnectionResetError):
            pass
    return got


def head(server: Server, body: bytes, *lines: str) -> bytes:
    told = [f"{name}: {value}" for name, value in signed(server, body).items()]
    return "\r\n".join(["POST / HTTP/1.1", *told, *lines, "", ""]).encode()


# ------------------------------------------------------------ smuggling
HIDDEN = b"GET /policy HTTP/1.1\r\nhost: x\r\n\r\n"
FRAMES = {
    "two-lengths": ("content-length: 2", f"content-length: {2 + len(HIDDEN)}"),
    "length-and-chunks": ("content-length: 2", "transfer-encoding: chunked"),
    "chunks-and-length": ("transfer-encoding: chunked", "content-length: 2"),
    "lengths-in-one": (f"content-length: 2, {2 + len(HIDDEN)}",),
    "a-sign": ("content-length: +2",),
    "hexadecimal": ("content-length: 0x2",),
    "negative": ("content-length: -2",),
    "huge": ("content-length: 99999999999999999999999",),
    "chunked-twice": ("transfer-encoding: chunked, chunked",),
    "unknown-coding": ("transfer-encoding: xchunked",),
    "identity-after": ("transfer-encoding: chunked, identity",),
    "a-space-before-the-colon": ("transfer-encoding : chunked", "content-length: 2"),
    "a-folded-line": ("content-length: 2", "x-a: b\r\n transfer-encoding: chunked"),
    "a-bare-return": ("content-length: 2", "x-a: b\rtransfer-encoding: chunked"),
    "a-nul": ("content-length: 2", "x-a: b\x00c"),
}


@pytest.mark.parametrize("kind", FRAMES)
def test_one_request_is_one_request(server: Server, kind: str) -> None:
    got = raw(server, head(server, b"{}", *FRAMES[kind]) + b"{}" + HIDDEN)
    assert b"retention" not in got.lower() or got.count(b"HTTP/1.1 ") == 2
    # Refused as a whole; or, where the line says nothing of the length, read as what it is.
    answers = got.count(b"HTTP/1.1 ")
    if kind in ("a-folded-line", "a-bare-return", "a-nul"):
        assert answers in (0, 1, 2)
        assert not got.startswith(b"HTTP/1.1 5")
    else:
        assert answers <= 1, got[:300]
        assert not got.startswith(b"HTTP/1.1 200"), got[:300]


def test_a_chunk_of_a_length_that_is_none(server: Server) -> None:
    for size in (b"-1", b"0x2", b"2 2", b"fffffffffffffffffff", b"2;a=\x00"):
        got = raw(
            server,
            head(server, b"{}", "transfer-encoding: chunked") + size + b"\r\n{}\r\n0\r\n\r\n",
        )
        assert b"HTTP/1.1 5" not in got
        assert got.count(b"HTTP/1.1 ") <= 1


def test_a_signed_header_is_not_given_twice(server: Server) -> None:
    body = b"{}"
    for line in ("x-amz-target: RekognitionService.DeleteCollection", "host: elsewhere"):
        got = raw(server, head(server, body, "content-length: 2", line) + body)
        assert got.startswith(b"HTTP/1.1 400")


def test_headers_whose_names_are_alike(server: Server) -> None:
    """What a proxy may take for `x-rightface-subject` is not: only the very name counts."""
    body = b"{}"
    for name in ("x_rightface_subject", "x-rightface-subject ", "X-RIGHTFACE-SUBJECT"):
        told = send(server.endpoint_url, signed(server, body) | {name: "eve"}, body)
        if name.lower() == "x-rightface-subject":
            assert told.kind == "InvalidSignatureException", "it was not signed"
        else:
            assert told.status in (200, 400)


# ------------------------------------------------------------ JSON
JSON = {
    "deep-lists": b'{"MaxResults": ' + b"[" * 50_000 + b"]" * 50_000 + b"}",
    "deep-objects": b'{"a":' * 30_000 + b"1" + b"}" * 30_000,
    "a-number-of-a-million-digits": b'{"MaxResults": ' + b"9" * 900_000 + b"}",
    "an-exponent": b'{"MaxResults": 1e999999}',
    "a-small-exponent": b'{"MaxResults": 1e-999999999}',
    "negative-zero": b'{"MaxResults": -0.0}',
    "infinity": b'{"MaxResults": Infinity}',
    "nan": b'{"MaxResults": NaN}',
    "a-key-twice": b'{"MaxResults": 1, "MaxResults": 2}',
    "a-key-twice-escaped": b'{"MaxResults": 1, "\\u004daxResults": 2}',
    "a-lone-surrogate": b'{"NextToken": "\\ud800"}',
    "half-a-pair-each": b'{"NextToken": "\\udc00\\ud800"}',
    "an-encoded-surrogate": b'{"NextToken": "\xed\xa0\x80"}',
    "a-nul": b'{"NextToken": "\\u0000"}',
    "a-byte-order-mark": b"\xef\xbb\xbf{}",
    "utf-16": '{"MaxResults": 1}'.encode("utf-16"),
    "overlong": b'{"NextToken": "\xc0\xaf"}',
    "two-values": b"{}{}",
    "a-comment": b"{}//",
    "a-proto": b'{"__proto__": {"MaxResults": 1}}',
    "many-keys": json.dumps({f"k{number}": 1 for number in range(60_000)}).encode(),
}
ACCEPTED = {"negative-zero", "a-small-exponent"}


@pytest.mark.parametrize("kind", JSON)
def test_json_that_is_a_trap(server: Server, kind: str) -> None:
    began = time.monotonic()
    told = ask(server, "ListCollections", JSON[kind])
    assert told.status == 400, (kind, told.body[:200])
    assert time.monotonic() - began < 8
    assert len(told.body) < 4096


def test_surrogates_where_a_name_may_be_anything(server: Server) -> None:
    """A tag's value may hold any letter; half a letter is none, and is told so."""
    body = b'{"CollectionId": "surrogates", "Tags": {"a": "\\ud83d"}}'
    told = ask(server, "CreateCollection", body)
    assert told.status == 400


# ------------------------------------------------------------ images that unfold
def _chunk(kind: bytes, data: bytes) -> bytes:
    return pack(">I", len(data)) + kind + data + pack(">I", zlib.crc32(kind + data))


def _png(side: int) -> bytes:
    ihdr = pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    pressed = zlib.compressobj(9)
    rows = b"".join(pressed.compress(bytes(1 + 3 * side)) for _ in range(min(side, 3000)))
    data = rows + pressed.flush()
    parts = _chunk(b"IHDR", ihdr) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def _text() -> bytes:
    whole = BytesIO()
    Image.new("RGB", (8, 8)).save(whole, "PNG")
    text = b"a\0\0" + zlib.compress(bytes(200_000_000), 9)
    first = whole.getvalue()
    return first[:33] + _chunk(b"zTXt", text) + _chunk(b"iCCP", text) + first[33:]


def _said(name: str) -> bytes:
    """A file of that format whose header tells of 60,000 × 60,000 pixels."""
    small = BytesIO()
    Image.new("RGB", (16, 16)).save(small, name)
    told = bytearray(small.getvalue())
    if name == "JPEG":
        place = told.index(b"\xff\xc0")
        told[place + 5 : place + 9] = pack(">HH", 60_000, 60_000)
    elif name == "BMP":
        told[18:26] = pack("<ii", 60_000, 60_000)
    elif name == "GIF":
        told[6:10] = pack("<HH", 60_000, 60_000)
    elif name == "WEBP":
        told[26:30] = pack("<HH", 0x3FFF, 0x3FFF)
    return bytes(told)


BOMBS: dict[str, Callable[[], bytes]] = {
    "png": lambda: _png(60_000),
    "png-over-early": lambda: _png(4_000),
    "png-text": _text,
    "jpeg": lambda: _said("JPEG"),
    "bmp": lambda: _said("BMP"),
    "gif": lambda: _said("GIF"),
    "webp": lambda: _said("WEBP"),
}


@pytest.mark.parametrize("kind", BOMBS)
def test_images_that_unfold(server: Server, kind: str) -> None:
    import base64

    image = BOMBS[kind]()
    assert len(image) < 2_000_000
    began = time.monotonic()
    told = ask(server, "DetectFaces", {"Image": {"Bytes": base64.b64encode(image).decode()}})
    assert time.monotonic() - began < 9
    # What hangs beside the pixels is not unfolded. A stream of pixels that says itself that it is
    # over leaves the rest black: that is an image like any other.
    if kind in ("png-text", "png-over-early"):
        assert told.kind in ("", "InvalidImageFormatException", "ImageTooLargeException")
    else:
        assert told.kind in ("InvalidImageFormatException", "ImageTooLargeException")


# ------------------------------------------------------------ paths
PATHS = [
    "/ledger/../keys/master.key", "/ledger/%2e%2e/keys/master.key", "/ledger/..%2frightface.db",
    "/ledger/tile/../../keys/ledger.key", "/ledger//etc/passwd", "/ledger/%2fetc%2fpasswd",
    "/ledger/checkpoint/", "/ledger/checkpoint%00", "/ledger/CHECKPOINT", "/ledger/",
    "/ledger/tile/0/x001", "/ledger/tile/64/000", "/ledger/tile/0/000.p/0", "/ledger/tile/0/000\\",
    "/ledger/tile/0/٠٠٠", "/ledger/tile/0/000.p/999", "/ledger/tile/-1/000", "/ledger/leaves",
    "/v1/../healthz", "/v1/%2e%2e/metrics", "/v1//whoami", "/v1/whoami/", "/v1/whoami%00",
    "/V1/whoami", "/v1/./whoami", "/v1/licences/..%2f..%2fmetrics", "/v1/licences/%00",
    "/v1/openapi.json/..", "/v1;x/whoami",
]  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_no_path_leads_elsewhere(server: Server, path: str) -> None:
    line = f"GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    got = raw(server, line.encode())
    assert got[:12] in (b"HTTP/1.1 404", b"HTTP/1.1 401", b"HTTP/1.1 400", b"HTTP/1.1 422"), got
    assert b"root:" not in got
    assert b"SQLite format" not in got


# ------------------------------------------------------------ slow ones beside load
def test_slow_senders_hinder_nobody(server: Server) -> None:
    place = urlsplit(server.endpoint_url)
    slow = [
        socket.create_connection((place.hostname or "", place.port or 0), timeout=10)
        for _ in range(150)
    ]
    try:
        for number, connection in enumerate(slow):
            whole = head(server, b"{}", "content-length: 2")
            # Some stop in a header, some before the body's last byte.
            connection.sendall(whole[:40] if number % 2 else whole + b"{")
        times: list[float] = []

        def lists() -> None:
            for _ in range(5):
                began = time.monotonic()
                assert ask(server, "ListCollections", {}).status == 200
                times.append(time.monotonic() - began)

        threads = [threading.Thread(target=lists) for _ in range(6)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        assert len(times) == 30
        assert sorted(times)[15] < 5
    finally:
        for connection in slow:
            connection.close()
