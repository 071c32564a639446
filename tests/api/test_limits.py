"""What one client may not do to the others: large, slow, endless, many."""

from __future__ import annotations

import socket
import threading
import time
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError

from rightface.api import server as server_room
from tests.api.conftest import Wire, wire_over
from tests.api.noted_service import NotedService
from tests.api.signing import Told, send
from tests.conftest import Server


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


def head(wire: Wire, operation: str, *lines: str) -> bytes:
    told = [f"{name}: {value}" for name, value in wire.headers(b"", operation).items()]
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
        connection.sendall(head(wire, "DetectFaces", "content-length: 3000000000"))
        got = read_all(connection)  # to the end: the server closes
    assert got.startswith(b"HTTP/1.1 413 ")
    assert b"ImageTooLargeException" in got


def test_an_endless_body_is_refused_when_it_is_too_long(wire: Wire) -> None:
    piece = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    with open_socket(wire.url) as connection:
        connection.sendall(head(wire, "ListCollections", "transfer-encoding: chunked"))
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


def test_a_slow_body(server: Server, noted: NotedService) -> None:
    with (
        wire_over(server, noted, body_seconds=0.3) as wire,
        open_socket(wire.url) as connection,
    ):
        connection.sendall(head(wire, "ListCollections", "content-length: 100") + b"{")
        started = time.monotonic()
        got = connection.recv(65536)
    assert got.startswith(b"HTTP/1.1 408 ")
    assert time.monotonic() - started < 5


def test_a_client_that_goes_away(wire: Wire) -> None:
    for _ in range(3):
        with open_socket(wire.url) as connection:
            connection.sendall(head(wire, "ListCollections", "content-length: 100") + b"{")
    assert wire.ask("ListCollections", {}).status == 200
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


def test_a_slow_service_blocks_neither_health_nor_the_refusal_of_more(
    server: Server, wire: Wire
) -> None:
    answers: list[Told] = []
    service = NotedService(server.instance.instance)
    service.wait = threading.Event()
    with wire_over(server, service, workers=2, under_way=3) as slow:

        def list_them() -> None:
            answers.append(slow.ask("ListCollections", {}))

        threads = [threading.Thread(target=list_them) for _ in range(3)]
        for thread in threads:
            thread.start()
        for _ in range(2):
            assert service.entered.acquire(timeout=10)
        assert not service.entered.acquire(timeout=0.3)  # the third waits for a thread
        busy = slow.ask("DescribeCollection", {"CollectionId": "a"})
        assert (busy.status, busy.kind) == (400, "ProvisionedThroughputExceededException")
        healthy = send(slow.url, {"host": "x"}, method="GET", path="/healthz")
        assert healthy.status == 200
        service.wait.set()
        for thread in threads:
            thread.join(10)
        assert [answer.status for answer in answers] == [200] * 3
        assert slow.ask("ListCollections", {}).status == 200


def test_bodies_under_way_are_bounded_and_given_back(server: Server, noted: NotedService) -> None:
    with wire_over(server, noted, held_bytes=100_000) as wire:
        for _ in range(3):
            large = wire.ask("DetectFaces", b" " * 200_000)
            assert large.kind == "ProvisionedThroughputExceededException"
        for _ in range(20):
            assert wire.ask("ListCollections", b" " * 20_000 + b"{}").status == 200


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
