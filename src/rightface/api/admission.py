"""How much may be under way at once: requests, threads, and bytes of bodies held in memory.

What does not fit is refused at once (`Busy`), so that a burst or a slow sender cannot exhaust the
process. A request waits for a thread in three steps: its client's share, its lane, and the threads
of all; so neither one client, nor large images, nor a bulk enrolment can take every thread. Who
waits too long is refused too. Knows nothing of what a request asks.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from enum import Enum
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
WAIT_SECONDS = 20.0  # for a thread
CLIENT_THREADS = 6  # that one client may have at once
CLIENT_WAITING = 96  # requests of one client, running ones included
HEAVY_BYTES = 2 * 1024 * 1024  # of a body, from which on it goes by the heavy lane


class Lane(Enum):
    """What kind of work a request is; the value: how many threads it may have, and may wait."""

    QUICK = (WORKERS, UNDER_WAY)
    BULK = (4, 48)  # enrolment: it fills galleries, and must leave room for searches
    HEAVY = (2, 24)  # large images and what lies in an object store


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
        wait_seconds: float = WAIT_SECONDS,
        client_waiting: int = CLIENT_WAITING,
    ) -> None:
        self._workers = workers
        self._under_way = under_way
        self._held_bytes = held_bytes
        self._body_seconds = body_seconds
        self._wait_seconds = wait_seconds
        self._client_waiting = client_waiting
        self._threads: anyio.CapacityLimiter | None = None
        self._lanes: dict[Lane, _Queue] = {}
        self._clients: dict[str, _Queue] = {}
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

    async def in_thread(
        self, work: Callable[[], T], *, client: str | None = None, lane: Lane = Lane.QUICK
    ) -> T:
        """Run `work()` in one of the bounded threads; the event loop goes on meanwhile.

        Args:
            work: what to do.
            client: who asks; None: before that is known.
            lane: what kind of work it is.

        Raises:
            Busy: too many of this client or of this lane wait already, or it waited too long.
        """
        if self._threads is None:
            self._threads = anyio.CapacityLimiter(self._workers)
        async with AsyncExitStack() as stack:
            try:
                with anyio.fail_after(self._wait_seconds):
                    if client is not None:
                        await stack.enter_async_context(self._share(client))
                    await stack.enter_async_context(self._lane(lane).turn(_LANE_FULL))
                    await self._threads.acquire_on_behalf_of(stack)
                    stack.callback(self._threads.release_on_behalf_of, stack)
            except TimeoutError:
                raise Busy("The request waited too long for its turn. Try again.") from None
            return await anyio.to_thread.run_sync(work, limiter=_unbounded())

    @asynccontextmanager
    async def _share(self, client: str) -> AsyncIterator[None]:
        most = min(CLIENT_THREADS, self._workers)
        queue = self._clients.setdefault(client, _Queue(most, self._client_waiting))
        try:
            async with queue.turn(_CLIENT_FULL):
                yield
        finally:
            if queue.inside == 0:  # memory is held for those only who are here
                self._clients.pop(client, None)

    def _lane(self, lane: Lane) -> _Queue:
        if lane not in self._lanes:
            threads, waiting = lane.value
            self._lanes[lane] = _Queue(min(threads, self._workers), waiting)
        return self._lanes[lane]


_LANE_FULL = "Too many requests of this kind wait already. Send fewer at once, or try again."
_CLIENT_FULL = "Too many of your requests wait already. Send fewer at once, or try again."


class _Queue:
    """So many at work, so many inside in all."""

    def __init__(self, threads: int, most: int) -> None:
        self._limiter = anyio.CapacityLimiter(threads)
        self._most = most
        self.inside = 0

    @asynccontextmanager
    async def turn(self, full: str) -> AsyncIterator[None]:
        if self.inside >= self._most:
            raise Busy(full)
        self.inside += 1
        holder = object()  # one task may have several turns; a limiter counts borrowers
        try:
            await self._limiter.acquire_on_behalf_of(holder)
            try:
                yield
            finally:
                self._limiter.release_on_behalf_of(holder)
        finally:
            self.inside -= 1


def _unbounded() -> anyio.CapacityLimiter:
    # The turn has been waited for already; to wait again here could only be a mistake.
    return anyio.CapacityLimiter(1)


def announced_bytes(request: Request) -> int:
    """The Content-Length; 0 if there is none."""
    text = request.headers.get("content-length", "0")
    return int(text[:20]) if text.isascii() and text.isdigit() else 0


def _too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(f"The request's body has more than {limit} bytes.")
