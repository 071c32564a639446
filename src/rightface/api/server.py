"""The HTTP server around an application: uvicorn, bounded in what a client may send or keep open.

uvicorn bounds neither the size of a request's headers nor the time they may take; `BoundedHttp`
does. Knows nothing of what is served.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEADER_BYTES = 64 * 1024
HEADER_SECONDS = 20.0
IDLE_SECONDS = 30


class WholeAnswers:
    """A connection's transport that sends an answer's head and body by one call of the kernel.

    uvicorn writes them apart. If the process dies in between, or a head is cut, botocore takes what
    came for an answer of 200 with nothing in it: it checks neither that the head is whole nor that
    the body is as long as it says (tests/faults/test_cut_answers.py). What fits into the socket's
    buffer is now sent whole, or not at all.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._head = b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Write, but a head that has no body yet: that waits for it until the loop's next turn."""
        if not self._head and data.startswith(b"HTTP/1.1 ") and not data.startswith(b"HTTP/1.1 1"):
            self._head = data
            self._loop.call_soon(self._flush)
            return
        head, self._head = self._head, b""
        self._transport.write(head + data)

    def close(self) -> None:
        """Send what waits, then close."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        head, self._head = self._head, b""
        if head:
            self._transport.write(head)


class BoundedHttp(HttpToolsProtocol):
    """uvicorn's HTTP/1.1 protocol, with bounds on the bytes and the time of a request's headers."""

    _header_bytes = 0
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Expect headers soon."""
        whole: Any = WholeAnswers(transport, self.loop)
        super().connection_made(whole)
        # A long answer is several writes: without this the second waits 40 ms for the peer's
        # delayed acknowledgement. asyncio sets it only on sockets made with IPPROTO_TCP spelt out.
        connection = transport.get_extra_info("socket")
        if connection is not None and connection.family in (socket.AF_INET, socket.AF_INET6):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._expect_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        """Expect nothing more."""
        self._stop_expecting()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """A request's first byte."""
        self._header_bytes = 0
        self._expect_headers()
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """A piece of the target."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        self._count(len(name) + len(value) + 4)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """All headers are here."""
        self._stop_expecting()
        super().on_headers_complete()

    def _count(self, size: int) -> None:
        self._header_bytes += size
        if self._header_bytes > HEADER_BYTES:
            raise ValueError("too many bytes of headers")  # the parser makes it a 400

    def _expect_headers(self) -> None:
        self._stop_expecting()
        self._deadline = self.loop.call_later(HEADER_SECONDS, self.transport.close)

    def _stop_expecting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def configuration(app: ASGIApp, **more: Any) -> uvicorn.Config:
    """uvicorn's configuration for an application of ours; `more` goes to uvicorn.

    No access log: a client's address is personal data. No proxy headers: nothing hangs on them.
    """
    settings: dict[str, Any] = {
        "http": BoundedHttp,
        "ws": "none",
        "lifespan": "off",
        "log_level": "error",  # a warning for each malformed request would let anyone fill the disk
        "access_log": False,
        "server_header": False,
        "proxy_headers": False,
        "timeout_keep_alive": IDLE_SECONDS,
        "timeout_graceful_shutdown": 20,
    }
    return uvicorn.Config(app, **(settings | more))


def announcing(app: ASGIApp, ready: Callable[[], None]) -> uvicorn.Server:
    """A server that calls `ready()` once, when it answers."""
    return _Announcing(configuration(app), ready)


class _Announcing(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self._ready()


@contextmanager
def running(app: ASGIApp, host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """A server in a thread of this process, until the block ends; gives its URL."""
    with socket.create_server((host, port)) as listening:
        server = uvicorn.Server(configuration(app))
        thread = threading.Thread(
            target=server.run, kwargs={"sockets": [listening]}, name="rightface-http", daemon=True
        )
        thread.start()
        try:
            # The socket listens already: a request that comes before uvicorn is up just waits.
            yield f"http://{host}:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()
