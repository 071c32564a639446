"""What one client may not do to the others: large, slow, endless, many."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError

from rightface.api import server as server_room
from rightface.api.admission import Admission
from rightface.api.app import create_app
from rightface.api.server import running
from rightface.service_types import Answer, Caller, CollectionPage
from tests.api.conftest import Wire
from tests.api.signing import Told, ask, send, signed_headers
from tests.api.wire_service import WireService


@contextmanager
def wire_with(
    tmp_path: Path, service: WireService | None = None, **limits: float
) -> Iterator[Wire]:
    admission = Admission(**limits)  # type: ignore[arg-type]
    service = service or WireService(tmp_path)
    with running(create_app(service, admission=admission)) as url:
        yield Wire(url, service)


def open_socket(url: str) -> socket.socket:
    place = urlsplit(url)
    return socket.create_connection((place.hostname or "", place.port or 0), timeout=10)


def read_all(connection: socket.socket) -> bytes:
    got = b""
    try:
        while piece := connection.recv(65536):
            got += piece
    except ConnectionResetError:
        pass
    return got


def head(url: str, operation: str, *lines: str) -> bytes:
    headers = signed_headers(b"", operation, host=urlsplit(url).netloc)
    told = [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join(["POST / HTTP/1.1", *told, *lines, "", ""]).encode()


def test_images_too_large_through_boto3(wire: Wire) -> None:
    client = wire.client()
    for size in (15 * 1024 * 1024 + 1, 30_000_000):
        with pytest.raises(client.exceptions.ImageTooLargeException):
            client.detect_faces(Image={"Bytes": bytes(size)})
    with pytest.raises(ClientError, match="InvalidImageFormat"):
        client.detect_faces(Image={"Bytes": bytes(15 * 1024 * 1024)})
    client.list_collections()  # the connection is still good


def test_an_announced_body_is_refused_before_it_comes(wire: Wire) -> None:
    with open_socket(wire.url) as connection:
        connection.sendall(head(wire.url, "DetectFaces", "content-length: 3000000000"))
        got = read_all(connection)  # to the end: the server closes
    assert got.startswith(b"HTTP/1.1 413 ")
    assert b"ImageTooLargeException" in got


def test_an_endless_body_is_refused_when_it_is_too_long(wire: Wire) -> None:
    piece = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    with open_socket(wire.url) as connection:
        connection.sendall(head(wire.url, "ListCollections", "transfer-encoding: chunked"))
        try:
            for _ in range(1000):
                connection.sendall(piece)
        except (BrokenPipeError, ConnectionResetError):
            return
        pytest.fail("64 MB were taken")


def test_a_refusal_that_needs_no_body_does_not_wait_for_it(wire: Wire) -> None:
    with open_socket(wire.url) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n")
        assert b"MissingAuthenticationTokenException" in connection.recv(65536)


def test_a_slow_body(tmp_path: Path) -> None:
    with wire_with(tmp_path, body_seconds=0.3) as wire, open_socket(wire.url) as connection:
        connection.sendall(head(wire.url, "ListCollections", "content-length: 100") + b"{")
        started = time.monotonic()
        got = connection.recv(65536)
    assert got.startswith(b"HTTP/1.1 408 ")
    assert time.monotonic() - started < 5


def test_a_client_that_goes_away(tmp_path: Path) -> None:
    with wire_with(tmp_path) as wire:
        for _ in range(3):
            with open_socket(wire.url) as connection:
                connection.sendall(head(wire.url, "ListCollections", "content-length: 100") + b"{")
        assert ask(wire.url, "ListCollections", {}).status == 200
        assert len(wire.service.calls) == 1


def test_slow_headers(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_room, "HEADER_SECONDS", 0.3)
    for start in (b"", b"POST / HTTP/1.1\r\nhost: x\r\n"):
        with open_socket(wire.url) as connection:
            connection.sendall(start)
            began = time.monotonic()
            assert read_all(connection) == b""
            assert time.monotonic() - began < 5


def test_endless_headers(wire: Wire) -> None:
    with open_socket(wire.url) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\n")
        try:
            for number in range(3000):
                connection.sendall(b"x-%d: %s\r\n" % (number, b"y" * 100))
            got = read_all(connection)
        except (BrokenPipeError, ConnectionResetError):
            return
    assert got.startswith(b"HTTP/1.1 400 ")


def test_an_endless_target(wire: Wire) -> None:
    with open_socket(wire.url) as connection:
        try:
            connection.sendall(b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\n\r\n")
            got = read_all(connection)
        except (BrokenPipeError, ConnectionResetError):
            return
    assert got.startswith(b"HTTP/1.1 400 ")


class SlowService(WireService):
    """Whose lists take until they are let go."""

    def __init__(self, ledger_directory: Path) -> None:
        super().__init__(ledger_directory)
        self.go = threading.Event()
        self.entered = threading.Semaphore(0)

    def list_collections(
        self, caller: Caller, limit: int, after: str | None
    ) -> Answer[CollectionPage]:
        self.entered.release()
        assert self.go.wait(20)
        return super().list_collections(caller, limit, after)


def test_a_slow_service_blocks_neither_health_nor_the_refusal_of_more(tmp_path: Path) -> None:
    service = SlowService(tmp_path)
    answers: list[Told] = []
    with wire_with(tmp_path, service, workers=2, under_way=3) as wire:

        def list_them() -> None:
            answers.append(ask(wire.url, "ListCollections", {}))

        threads = [threading.Thread(target=list_them) for _ in range(3)]
        for thread in threads:
            thread.start()
        for _ in range(2):
            assert service.entered.acquire(timeout=10)
        assert not service.entered.acquire(timeout=0.3)  # the third waits for a thread
        busy = ask(wire.url, "DescribeCollection", {"CollectionId": "a"})
        assert (busy.status, busy.kind) == (400, "ProvisionedThroughputExceededException")
        healthy = send(wire.url, {"host": "x"}, method="GET", path="/healthz")
        assert healthy.status == 200
        service.go.set()
        for thread in threads:
            thread.join(10)
        assert [answer.status for answer in answers] == [200] * 3
        assert ask(wire.url, "ListCollections", {}).status == 200


def test_bodies_under_way_are_bounded_and_given_back(tmp_path: Path) -> None:
    with wire_with(tmp_path, held_bytes=100_000) as wire:
        for _ in range(3):
            large = ask(wire.url, "DetectFaces", b" " * 200_000)
            assert large.kind == "ProvisionedThroughputExceededException"
        for _ in range(20):
            assert ask(wire.url, "ListCollections", b" " * 20_000 + b"{}").status == 200


def test_answers_come_without_nagles_delay(wire: Wire) -> None:
    import http.client

    place = urlsplit(wire.url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=10)
    times = []
    for _ in range(20):
        began = time.perf_counter()
        connection.request("GET", "/healthz")
        connection.getresponse().read()
        times.append(time.perf_counter() - began)
    connection.close()
    assert sorted(times)[10] < 0.03  # a delayed acknowledgement takes 0.04
