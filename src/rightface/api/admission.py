"""How much may be under way at once: requests, threads, and bytes of bodies held in memory.

What does not fit is refused at once (`Busy`), so that a burst or a slow sender cannot exhaust the
process. Knows nothing of what a request asks.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import anyio
import anyio.to_thread
from starlette.requests import ClientDisconnect, Request

from rightface.errors import RequestError

T = TypeVar("T")
WORKERS = 8  # threads that call the service; inference brings its own
UNDER_WAY = 256  # requests, waiting ones included
HELD_BYTES = 512 * 1024 * 1024
BODY_SECONDS = 60.0  # for a body to arrive in full


class Busy(RequestError):  # reads as what happened, like its neighbours in errors.py
    """No room now; try again."""

    code = "busy"


class BodyTooLarge(RequestError):
    """More bytes than this request may have."""

    code = "body-too-large"


class BodyIncomplete(RequestError):
    """The sender was too slow, or went away."""

    code = "body-incomplete"


class Admission:
    """The limits of one server. Used from the event loop alone."""

    def __init__(
        self,
        *,
        workers: int = WORKERS,
        under_way: int = UNDER_WAY,
        held_bytes: int = HELD_BYTES,
        body_seconds: float = BODY_SECONDS,
    ) -> None:
        self._workers = workers
        self._under_way = under_way
        self._held_bytes = held_bytes
        self._body_seconds = body_seconds
        self._threads: anyio.CapacityLimiter | None = None
        self.requests = 0
        self.held = 0

    @asynccontextmanager
    async def enter(self) -> AsyncIterator[None]:
        """One request's stay.

        Raises:
            Busy: too many are under way.
        """
        if self.requests >= self._under_way:
            raise Busy("Too many requests are under way. Try again.")
        self.requests += 1
        try:
            yield
        finally:
            self.requests -= 1

    @asynccontextmanager
    async def body(self, request: Request, limit: int) -> AsyncIterator[bytes]:
        """The request's body, held for as long as the block lasts.

        Raises:
            BodyTooLarge: more than `limit` bytes are announced (nothing is read) or come.
            BodyIncomplete: not all came in time.
            Busy: the bodies under way fill the memory set aside for them.
        """
        if announced_bytes(request) > limit:
            raise _too_large(limit)
        chunks: list[bytes] = []
        try:
            await self._receive(request, limit, chunks)
            yield b"".join(chunks)
        finally:
            self.held -= sum(map(len, chunks))

    async def _receive(self, request: Request, limit: int, chunks: list[bytes]) -> None:
        size = 0
        try:
            with anyio.fail_after(self._body_seconds):
                async for chunk in request.stream():
                    chunks.append(chunk)
                    size += len(chunk)
                    self.held += len(chunk)
                    if size > limit:
                        raise _too_large(limit)
                    if self.held > self._held_bytes:
                        raise Busy("Too many large requests are under way. Try again.")
        except (TimeoutError, ClientDisconnect):
            raise BodyIncomplete("The request's body did not arrive in time.") from None

    async def in_thread(self, work: Callable[[], T]) -> T:
        """Run `work()` in one of the bounded threads; the event loop goes on meanwhile."""
        if self._threads is None:
            self._threads = anyio.CapacityLimiter(self._workers)
        return await anyio.to_thread.run_sync(work, limiter=self._threads)


def announced_bytes(request: Request) -> int:
    """The Content-Length; 0 if there is none."""
    text = request.headers.get("content-length", "0")
    return int(text[:20]) if text.isascii() and text.isdigit() else 0


def _too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(f"The request's body has more than {limit} bytes.")
