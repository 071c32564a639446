"""Signature Version 4 written from AWS's description, apart from botocore: the other side's view.

Also a bare HTTP client, so that a test can send what no SDK would.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

KEY = "RFAKWIRETESTS0000001"
SECRET = "of-no-licence-of-no-licence-of-no-licence"
TARGET = "RekognitionService."


def signed_headers(
    body: bytes,
    operation: str = "ListCollections",
    *,
    key: str = KEY,
    secret: str = SECRET,
    at: datetime | None = None,
    region: str = "us-east-1",
    service: str = "rekognition",
    host: str = "localhost",
    more: Mapping[str, str] | None = None,
    unsigned: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """The headers of a request; `more` are signed too, `unsigned` are added afterwards."""
    stamp = (at or datetime.now(UTC)).strftime("%Y%m%dT%H%M%SZ")
    headers = {
        "content-type": "application/x-amz-json-1.1",
        "host": host,
        "x-amz-date": stamp,
        "x-amz-target": TARGET + operation,
        **(more or {}),
    }
    names = ";".join(sorted(headers))
    lines = "".join(f"{name}:{' '.join(headers[name].split())}\n" for name in sorted(headers))
    told = headers.get("x-amz-content-sha256", hashlib.sha256(body).hexdigest())
    canonical = f"POST\n/\n\n{lines}\n{names}\n{told}"
    scope = f"{stamp[:8]}/{region}/{service}/aws4_request"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    to_sign = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{digest}"
    signing = f"AWS4{secret}".encode()
    for part in (stamp[:8], region, service, "aws4_request"):
        signing = hmac.digest(signing, part.encode(), "sha256")
    signature = hmac.new(signing, to_sign.encode(), "sha256").hexdigest()
    headers["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={key}/{scope}, SignedHeaders={names}, Signature={signature}"
    )
    return headers | dict(unsigned or {})


@dataclass(frozen=True)
class Told:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        value: dict[str, Any] = json.loads(self.body)
        return value

    @property
    def kind(self) -> str:
        return str(self.json.get("__type", ""))


def send(
    url: str,
    headers: Mapping[str, str],
    body: bytes = b"",
    *,
    method: str = "POST",
    path: str = "/",
) -> Told:
    """One request as it is given, on a connection of its own; at most 10 seconds."""
    place = urlsplit(url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=10)
    try:
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value)
        if "content-length" not in headers and "transfer-encoding" not in headers:
            connection.putheader("content-length", str(len(body)))
        connection.endheaders(body)
        got = connection.getresponse()
        told = {name.lower(): value for name, value in got.getheaders()}
        return Told(got.status, told, got.read())
    finally:
        connection.close()


def ask(url: str, operation: str, body: Any, **signing: Any) -> Told:
    """A signed request; `body` is bytes or something for JSON."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    host = urlsplit(url).netloc
    return send(url, signed_headers(raw, operation, host=host, **signing), raw)
