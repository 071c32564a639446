"""The wire in front of `WireService`, on a real uvicorn server on loopback."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config

from rightface.api.app import create_app
from rightface.api.server import running
from tests.api.wire_service import KEY, SECRET, WireService

if TYPE_CHECKING:
    from mypy_boto3_rekognition import RekognitionClient


@dataclass(frozen=True)
class Wire:
    """A server of the wire alone."""

    url: str
    service: WireService

    def client(
        self, key: str = KEY, secret: str = SECRET, token: str | None = None, **config: Any
    ) -> RekognitionClient:
        return boto3_client(self.url, key, secret, token, **config)


def boto3_client(
    url: str, key: str, secret: str, token: str | None = None, **config: Any
) -> RekognitionClient:
    """An unmodified boto3 client."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # boto3's own notices about Python versions
        return boto3.client(
            "rekognition",
            endpoint_url=url,
            region_name="eu-central-1",
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            aws_session_token=token,
            config=Config(retries={"total_max_attempts": 1}, **config),
        )


@pytest.fixture(scope="module")
def wire_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    directory: Path = tmp_path_factory.mktemp("ledger")
    service = WireService(directory)
    with running(create_app(service)) as url:
        yield Wire(url, service)


@pytest.fixture
def wire(wire_server: Wire) -> Wire:
    wire_server.service.collections.clear()
    wire_server.service.calls.clear()
    wire_server.service.raises = None
    return wire_server
