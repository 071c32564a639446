"""Who asks: a person's token (`Bearer`), or a client's access key (`Basic`).

Every credential that is missing, malformed, wrong or ended gives the same answer, and takes the
same comparisons. Must never know: routes, what is asked.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

from rightface.api.native.errors import NotAuthenticated
from rightface.credentials import Credential
from rightface.law.licences import Licence

_LONGEST = 512  # characters of the header's value


@dataclass(frozen=True, kw_only=True)
class Who:
    """Who asks, authenticated."""

    role: str
    """operator, reviewer, auditor, client, or anyone: without a credential."""
    credential: Credential | None = None
    licence: Licence | None = None
    token: str = field(default="", repr=False)
    """A person's token, for desks that ask for it themselves."""

    @property
    def share(self) -> str | None:
        """Whose share of the threads is used."""
        if self.credential is not None:
            return f"credential:{self.credential.credential_id}"
        return None if self.licence is None else self.licence.client

    @property
    def client(self) -> str | None:
        """The client that asks; None: a person does."""
        return None if self.licence is None else self.licence.client


ANYONE = Who(role="anyone")


class Doorkeeper(Protocol):
    """Who knows credentials and access keys."""

    def standing(self, token: str) -> Credential | None:
        """The credential of a token, if it has not ended."""

    def authenticate(self, access_key_id: str) -> tuple[Licence, str] | None:
        """The licence of an access key and its secret."""


def identify(authorization: str | None, doorkeeper: Doorkeeper) -> Who:
    """Who an `Authorization` header names.

    Raises:
        NotAuthenticated: it is missing or malformed, or its credential is wrong or ended.
        StorageError: credentials cannot be read.
    """
    scheme, _, value = (authorization or "").partition(" ")
    value = value.strip()
    if value and len(value) <= _LONGEST and value.isascii():
        if scheme.lower() == "bearer":
            credential = doorkeeper.standing(value)
            if credential is not None:
                return Who(role=credential.role, credential=credential, token=value)
        elif scheme.lower() == "basic":
            licence = _licence(value, doorkeeper)
            if licence is not None:
                return Who(role="client", licence=licence)
    raise NotAuthenticated(
        "A credential is needed that stands.",
        mend="Send 'Authorization: Bearer TOKEN' (rightface credential issue), or as a client "
        "HTTP Basic with the access key's id and secret.",
    )


def _licence(value: str, doorkeeper: Doorkeeper) -> Licence | None:
    try:
        told = base64.b64decode(value, validate=True).decode("ascii")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return None
    access_key_id, _, secret = told.partition(":")
    known = doorkeeper.authenticate(access_key_id)
    kept = known[1] if known is not None else "-" * 40
    if not hmac.compare_digest(secret.encode(), kept.encode()) or known is None:
        return None
    licence = known[0]
    return licence if licence.revoked_at is None and licence.holds(datetime.now(UTC)) else None
