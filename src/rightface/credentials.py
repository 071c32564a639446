"""Credentials of people who act on an instance: operators, reviewers, auditors.

A token is `rf_<role>_<id>_<secret>`: 16 hexadecimal digits name the row, 43 characters are random.
Only HMAC-SHA256 of the whole token under a sub-key of the instance is kept, so that whoever reads
the database has no token, and whoever writes to it can make none. Clients have licences and access
keys instead (law/licences). Must never know: a wire format, a command line, faces.
"""

from __future__ import annotations

import hmac
import re
import secrets
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import String, bindparam, null, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from rightface.db import Base
from rightface.errors import CredentialError
from rightface.keys import KeyRing
from rightface.law.tables import moment, stamp

ROLES = ("operator", "reviewer", "auditor")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_TOKEN = re.compile(r"rf_([a-z]{1,16})_([0-9a-f]{16})_[A-Za-z0-9_-]{43}")


class CredentialRow(Base):
    """One credential."""

    __tablename__ = "credentials"

    credential_id: Mapped[str] = mapped_column(String(16), primary_key=True)
    role: Mapped[str] = mapped_column(String(16))
    name: Mapped[str] = mapped_column(String(64))
    token_hash: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[str] = mapped_column(String(27))
    ended_at: Mapped[str | None] = mapped_column(String(27))


@dataclass(frozen=True, kw_only=True)
class Credential:
    """Who acts, and as what."""

    credential_id: str
    role: str
    name: str
    created_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True)
class IssuedCredential:
    """A fresh credential with its token, which is shown this once."""

    credential: Credential
    token: str = field(repr=False)


def issue(
    session: Session, keyring: KeyRing, *, role: str, name: str, at: datetime
) -> IssuedCredential:
    """Make a credential (inside `Database.write`).

    Raises:
        CredentialError: an unknown role, or a malformed name.
    """
    if role not in ROLES:
        raise CredentialError(f"There is no role '{role}'.", mend=f"One of: {', '.join(ROLES)}.")
    if not _NAME.fullmatch(name):
        raise CredentialError(
            "The name is malformed.", mend="Use at most 64 letters, digits, '.', '_' and '-'."
        )
    credential_id = secrets.token_hex(8)
    token = f"rf_{role}_{credential_id}_{secrets.token_urlsafe(32)}"
    row = CredentialRow(
        credential_id=credential_id,
        role=role,
        name=name,
        token_hash=_hash(keyring, token),
        created_at=stamp(at),
        ended_at=None,
    )
    session.add(row)
    session.flush()
    return IssuedCredential(_credential(row), token)


def standing(session: Session, keyring: KeyRing, token: str) -> Credential | None:
    """The credential of a token, if it has not ended; None for anything else.

    Takes the same time for a wrong secret as for a right one.
    """
    match = _TOKEN.fullmatch(token)
    row = session.get(CredentialRow, match[2]) if match else None
    told = _hash(keyring, token)
    kept = row.token_hash if row is not None else "0" * 64
    if not hmac.compare_digest(told, kept) or row is None or match is None:
        return None
    # The role is in the token that was hashed: an edited row makes no operator of a reviewer.
    if row.role != match[1] or row.ended_at is not None:
        return None
    return _credential(row)


def end(session: Session, credential_id: str, *, at: datetime) -> Credential:
    """End a credential for good (inside `Database.write`). A second time changes nothing.

    Raises:
        CredentialError: there is none of that id.
    """
    row = session.get(CredentialRow, credential_id)
    if row is None:
        raise CredentialError("There is no credential of that id.")
    if row.ended_at is None:
        row.ended_at = stamp(at)
        session.flush()
    return _credential(row)


def all_credentials(session: Session, *, role: str | None = None) -> list[Credential]:
    """Every credential, oldest first; of one role only, if it is named."""
    query = select(CredentialRow).order_by(CredentialRow.created_at, CredentialRow.credential_id)
    if role is not None:
        query = query.where(CredentialRow.role == role)
    return [_credential(row) for row in session.execute(query).scalars()]


def standing_names(session: Session, role: str) -> dict[str, str]:
    """The name of each credential of `role` that stands, by its id. On the way of every search."""
    rows = session.connection().execute(_STANDING, {"role": role})
    return {row.credential_id: row.name for row in rows}


_TABLE = CredentialRow.__table__.c
_STANDING = select(_TABLE.credential_id, _TABLE.name).where(
    _TABLE.role == bindparam("role"), _TABLE.ended_at == null()
)


def _hash(keyring: KeyRing, token: str) -> str:
    return keyring.commitment("credential", token)


def _credential(row: CredentialRow) -> Credential:
    return Credential(
        credential_id=row.credential_id,
        role=row.role,
        name=row.name,
        created_at=moment(row.created_at),
        ended_at=None if row.ended_at is None else moment(row.ended_at),
    )
