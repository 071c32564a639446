"""The wire in front of the real service, on a real uvicorn server on loopback."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config

from rightface.api.admission import Admission
from rightface.api.app import create_app
from rightface.api.server import running
from tests.api import signing
from tests.api.noted_service import NotedService
from tests.conftest import Server

if TYPE_CHECKING:
    from mypy_boto3_rekognition import RekognitionClient


@dataclass(frozen=True)
class Wire:
    """A server of the wire, and the key of a client with nothing of its own yet."""

    url: str
    service: NotedService
    key: str
    secret: str
    consent: Callable[..., None]
    """Puts consent of subjects on record."""

    def client(
        self,
        *,
        key: str | None = None,
        secret: str | None = None,
        token: str | None = None,
        **config: Any,
    ) -> RekognitionClient:
        """An unmodified boto3 client."""
        return boto3.client(
            "rekognition",
            endpoint_url=self.url,
            region_name="eu-central-1",
            aws_access_key_id=key or self.key,
            aws_secret_access_key=secret or self.secret,
            aws_session_token=token,
            config=Config(retries={"total_max_attempts": 1}, **config),
        )

    def ask(self, operation: str, body: Any, **signed: Any) -> signing.Told:
        """A signed request; see `signing.ask`."""
        return signing.ask(self.url, operation, body, **(self.credentials | signed))

    def headers(self, body: bytes, operation: str = "ListCollections", **signed: Any) -> Any:
        """The headers of a signed request."""
        told = {"host": self.url.removeprefix("http://")} | self.credentials | signed
        return signing.signed_headers(body, operation, **told)

    @property
    def credentials(self) -> dict[str, Any]:
        return {"key": self.key, "secret": self.secret}


@contextmanager
def wire_over(
    server: Server,
    service: NotedService,
    *,
    clock: Callable[[], datetime] | None = None,
    **limits: Any,
) -> Iterator[Wire]:
    """A server of its own for one test, with a clock and limits of its own."""
    issued = server.instance.licence(f"wire-{uuid.uuid4()}")
    more = {} if clock is None else {"clock": clock}
    app = create_app(service, admission=Admission(**limits), **more)
    with running(app) as url:
        yield Wire(
            url,
            service,
            issued.licence.access_key_id,
            issued.secret_access_key,
            server.instance.consent,
        )


@pytest.fixture(scope="session")
def noted(server: Server) -> NotedService:
    """The real service of the session's server, watched."""
    return NotedService(server.instance.instance)


@pytest.fixture(scope="session")
def wire_url(noted: NotedService) -> Iterator[str]:
    with running(create_app(noted)) as url:
        yield url


@pytest.fixture
def wire(server: Server, noted: NotedService, wire_url: str) -> Wire:
    issued = server.instance.licence(f"wire-{uuid.uuid4()}")
    noted.calls.clear()
    noted.raises = noted.wait = None
    while noted.entered.acquire(blocking=False):
        pass
    key, secret = issued.licence.access_key_id, issued.secret_access_key
    return Wire(wire_url, noted, key, secret, server.instance.consent)
