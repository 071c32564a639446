"""The native API on a real server, and a credential of each kind."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import urllib3

from instance import TemporaryInstance, temporary_instance
from rightface.api.app import create_app
from rightface.api.server import running
from rightface.registrar_credentials import CredentialDesk

POOL = urllib3.PoolManager(retries=False)


@dataclass(frozen=True)
class Answered:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    json: Any


@dataclass(frozen=True)
class Native:
    """A server, and credentials: the values of the Authorization header."""

    url: str
    instance: TemporaryInstance
    operator: str
    reviewer: str
    auditor: str
    client: str
    ended: str
    """An operator's, ended."""
    revoked: str
    """A client's, whose licence is revoked."""
    tokens: Mapping[str, str]
    """The plain tokens, by role."""
    key: tuple[str, str]

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        by: str | None = "operator",
        raw: bytes | None = None,
        **headers: str,
    ) -> Answered:
        """One request; `by` is a role, or the header's value itself."""
        told = {name.replace("_", "-"): value for name, value in headers.items()}
        if by is not None:
            told["authorization"] = getattr(self, by, by)
        more: dict[str, Any] = {} if body is None else {"json": body}
        if raw is not None:
            more = {"body": raw}
        answer = POOL.request(method, self.url + path, headers=told, **more)
        is_json = "json" in answer.headers.get("content-type", "")
        return Answered(
            answer.status,
            dict(answer.headers.items()),
            answer.data,
            answer.json() if is_json else None,
        )


def basic(key: str, secret: str) -> str:
    """A client's header."""
    return "Basic " + base64.b64encode(f"{key}:{secret}".encode()).decode()


@pytest.fixture(scope="session")
def native(models: Path) -> Iterator[Native]:
    with temporary_instance(models) as opened:
        desk = CredentialDesk(opened.instance)
        tokens = {
            role: desk.issue(role=role, name=f"a-{role}").token
            for role in ("operator", "reviewer", "auditor")
        }
        ended = desk.issue(role="operator", name="gone")
        desk.end(ended.credential.credential_id)
        issued, revoked = opened.licence("acme"), opened.licence("gone")
        opened.registrar.revoke_licence(revoked.licence.licence_id)
        key = (issued.licence.access_key_id, issued.secret_access_key)
        opened.service.prepare()
        with running(create_app(opened.service)) as url:
            yield Native(
                url=url,
                instance=opened,
                **{role: f"Bearer {token}" for role, token in tokens.items()},
                client=basic(*key),
                ended=f"Bearer {ended.token}",
                revoked=basic(revoked.licence.access_key_id, revoked.secret_access_key),
                tokens=tokens,
                key=key,
            )
