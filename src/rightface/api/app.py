"""The HTTP application: Rekognition's wire, the native API, and the pages that anyone may read.

`POST /` is Rekognition; below `/v1` is the native API. `GET /healthz`, `/metrics`, `/policy` and
`/ledger/…` need no key: they hold no personal data. Everything else is 404, in JSON. Composes;
computes nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime

import anyio
import anyio.to_thread
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from rightface.api import ledger_files
from rightface.api.admission import Admission
from rightface.api.figures import Figures
from rightface.api.native.app import native_app
from rightface.api.needs import FaceService
from rightface.api.rekognition.endpoint import RekognitionEndpoint
from rightface.api.volumes import Volumes
from rightface.errors import RightfaceError

_log = logging.getLogger(__name__)


def create_app(
    service: FaceService,
    *,
    admission: Admission | None = None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Starlette:
    """The application in front of an open service; the caller closes the service.

    Args:
        service: `rightface.service.Service`, or anything that does what it does.
        admission: other limits than the defaults.
        clock: the time that signatures are held against.
    """
    figures = Figures()
    admission = admission or Admission()
    volumes = Volumes(service.decided_since, clock=clock)
    rekognition = RekognitionEndpoint(
        service, admission=admission, figures=figures, volumes=volumes, clock=clock
    )
    native = native_app(service, admission=admission, figures=figures, volumes=volumes)
    pages = _Pages(service, figures)
    app = Starlette(
        routes=[
            Route("/", rekognition.answer, methods=["POST"]),
            Route("/healthz", pages.health, methods=["GET"]),
            Route("/metrics", pages.metrics, methods=["GET"]),
            Route("/policy", pages.policy, methods=["GET"]),
            Route("/ledger/{name:path}", pages.ledger, methods=["GET"]),
            Mount("/v1", native),
        ],
        exception_handlers={
            404: _not_found,
            405: _wrong_method,
            RightfaceError: _broken,
            OSError: _broken,
        },
    )
    app.router.redirect_slashes = False  # nothing lives under two names
    return app


class _Pages:
    """What anyone may read."""

    def __init__(self, service: FaceService, figures: Figures) -> None:
        self._service = service
        self._figures = figures
        self._publishing: anyio.CapacityLimiter | None = None

    async def health(self, _request: Request) -> Response:
        """200 if every part works, else 503; which part, in JSON."""
        parts = await anyio.to_thread.run_sync(self._service.healthy)
        ok = all(state == "ok" for state in parts.values())
        body = {"status": "ok" if ok else "failing", "parts": parts}
        return JSONResponse(body, 200 if ok else 503, {"cache-control": "no-store"})

    async def metrics(self, _request: Request) -> Response:
        """Prometheus' text page."""
        page = self._figures.page(self._service.metrics)
        return Response(page, headers={"content-type": CONTENT_TYPE_PLAIN_0_0_4})

    async def policy(self, _request: Request) -> Response:
        """The public retention policy."""
        text = await anyio.to_thread.run_sync(self._service.public_policy)
        return Response(text, headers={"content-type": "text/markdown; charset=utf-8"})

    async def ledger(self, request: Request) -> Response:
        """The ledger's public files; the checkpoint is brought up to date first."""
        name = request.scope["path"].removeprefix("/ledger/")
        if name == "checkpoint":
            await self._publish()
        found = await anyio.to_thread.run_sync(
            ledger_files.read, self._service.ledger_directory, name
        )
        if found is None:
            return _json_error(404, "There is no such file in the ledger.")
        headers = {
            "content-type": found.media_type,
            "cache-control": found.cache_control,
            "access-control-allow-origin": "*",
        }
        return Response(found.content, headers=headers)

    async def _publish(self) -> None:
        # One at a time: however many ask, one thread is all that publishing takes.
        if self._publishing is None:
            self._publishing = anyio.CapacityLimiter(1)
        await anyio.to_thread.run_sync(self._service.publish_ledger, limiter=self._publishing)


def _json_error(status: int, message: str, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"message": message}, status, headers)


async def _not_found(_request: Request, _error: Exception) -> Response:
    return _json_error(404, "Nothing is here. Rekognition's API is POST /.")


async def _wrong_method(request: Request, _error: Exception) -> Response:
    allowed = "POST" if request.url.path == "/" else "GET, HEAD"
    return _json_error(405, f"This page takes {allowed}.", {"allow": allowed})


async def _broken(_request: Request, error: Exception) -> Response:
    # The type alone: a message might carry what does not belong into a log.
    _log.error("%s while serving a public page", type(error).__name__)
    return _json_error(503, "This page cannot be made now.")
