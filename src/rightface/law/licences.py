"""Licences: who may do what, for whom, why, where and until when. Signed; checked at each use.

A licence is a canonical JSON text with an Ed25519 signature; the row's other columns only help to
find it. A row that was changed is refused. The secret access key lies sealed beside it. Decides
nothing: `steps/licence.py` does.
"""

from __future__ import annotations

import json
import math
import re
import secrets
import string
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from rightface.errors import KeysError, LicenceError
from rightface.keys import KeyRing, seal
from rightface.law.operation import Party
from rightface.law.signed import canonical, sign, verifies
from rightface.law.tables import LicenceRow, moment, stamp
from rightface.law.vocabulary import Vocabulary

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")  # as long as a ledger's leaf takes
_KEY_ALPHABET = string.ascii_uppercase + "234567"
_SECRET_ALPHABET = string.ascii_letters + string.digits + "+/"


@dataclass(frozen=True, kw_only=True)
class Licence:
    """One licence, its signature verified. Term: half-open, [valid_from, valid_until)."""

    licence_id: str
    client: str
    sector: str
    jurisdiction: str
    """Where the client is."""
    parties: tuple[Party, ...]
    purposes: tuple[str, ...]
    operations: tuple[str, ...]
    galleries: tuple[str, ...]
    """Patterns such as 'staff*'."""
    jurisdictions: tuple[str, ...]
    """Where it may be used: places and galleries within one of these."""
    basis: str
    issued_at: datetime
    valid_from: datetime
    valid_until: datetime
    access_key_id: str
    per_second: int | None = None
    """Requests that it may ask per second; None: as many as the server has room for."""
    per_day: int | None = None
    """Requests that it may ask per day (UTC); None: no such limit."""
    differential_limit: float | None = None
    """How many times as often the worst group may match falsely as the best; None: as the table
    of step 5 says (law/evidence.py). The stricter counts."""
    revoked_at: datetime | None = None
    signature: bytes = field(default=b"", repr=False)

    def holds(self, at: datetime) -> bool:
        """Whether `at` lies within its term. Revocation is another matter."""
        return self.valid_from <= at < self.valid_until


@dataclass(frozen=True)
class IssuedLicence:
    """A fresh licence with its secret, which is shown this once."""

    licence: Licence
    secret_access_key: str = field(repr=False)


def issue(
    session: Session,
    keyring: KeyRing,
    *,
    client: str,
    sector: str,
    jurisdiction: str,
    purposes: Sequence[str],
    operations: Sequence[str],
    issued_at: datetime,
    valid_until: datetime,
    valid_from: datetime | None = None,
    parties: Sequence[Party] = (),
    galleries: Sequence[str] = (),
    jurisdictions: Sequence[str] | None = None,
    basis: str = "consent-warranted",
    per_second: int | None = None,
    per_day: int | None = None,
    differential_limit: float | None = None,
) -> IssuedLicence:
    """Write and sign a licence. Call inside `Database.write`.

    Args:
        session: the writing session.
        keyring: signs, and seals the secret.
        client: an id of letters, digits, '.', '_' and '-'.
        sector: what the client is (an actor).
        jurisdiction: where the client is.
        purposes: granted purposes, at least one.
        operations: granted operations; aliases such as 'search' are resolved.
        issued_at: now.
        valid_until: first moment at which it no longer holds.
        valid_from: first moment at which it holds; None: `issued_at`.
        parties: who stands behind the client.
        galleries: patterns of collection names.
        jurisdictions: where it may be used; None: in the client's own jurisdiction.
        basis: what entitles the client to process faces.
        per_second: requests per second, at least one; None: no such limit.
        per_day: requests per day (UTC), at least one; None: no such limit.
        differential_limit: how many times as often the worst group may match falsely as the best,
            at least 1; None: no limit of its own.

    Raises:
        LawError: an unknown word.
        LicenceError: an empty grant, a malformed name, volume or limit, or a term that ends before
            it starts.
    """
    words = Vocabulary.load()
    start = issued_at if valid_from is None else valid_from
    if not _NAME.fullmatch(client):
        raise LicenceError(
            "The client's id is malformed.",
            mend="Use at most 64 letters, digits, '.', '_' and '-'.",
        )
    if not purposes or not operations:
        raise LicenceError("A licence grants at least one purpose and one operation.")
    if any(not 0 < len(pattern) <= 255 or not pattern.isprintable() for pattern in galleries):
        raise LicenceError("A gallery's pattern is empty, too long or unprintable.")
    if any(not 0 < len(p.name) <= 128 or not p.name.isprintable() for p in parties):
        raise LicenceError("A party's name is too long or unprintable.")
    if any(volume is not None and volume < 1 for volume in (per_second, per_day)):
        raise LicenceError("A volume is at least one request.", mend="Give a larger number.")
    if differential_limit is not None and not 1 <= differential_limit < math.inf:
        raise LicenceError(
            "The differential limit is a number from 1 on.",
            why="At 1 the worst group's false match rate would have to be the best group's.",
            mend="Give for example 2: at most twice.",
        )
    if stamp(start) >= stamp(valid_until):
        raise LicenceError("The licence's term ends before it starts.", mend="Give a later end.")
    body = canonical(
        {
            "v": 1,
            "licence_id": "lic-" + secrets.token_hex(12),
            "client": client,
            "sector": words.actor(sector),
            "jurisdiction": words.place(jurisdiction),
            "parties": [[p.name, words.actor(p.actor)] for p in parties],
            "purposes": _unique(words.purpose(p) for p in purposes),
            "operations": _unique(words.operation(o) for o in operations),
            "galleries": _unique(galleries),
            "jurisdictions": _unique(words.place(j) for j in jurisdictions or (jurisdiction,)),
            "basis": words.basis(basis),
            "issued_at": stamp(issued_at),
            "valid_from": stamp(start),
            "valid_until": stamp(valid_until),
            "access_key_id": "RFAK" + _random(_KEY_ALPHABET, 16),
            "volumes": {"per_second": per_second, "per_day": per_day},
            "differential_limit": differential_limit,
        }
    )
    told = json.loads(body)
    secret = _random(_SECRET_ALPHABET, 40)
    row = LicenceRow(
        licence_id=told["licence_id"],
        access_key_id=told["access_key_id"],
        client=client,
        body=body,
        signature=sign(keyring, body),
        sealed_secret=seal(
            keyring.subkey("access-keys"), secret.encode(), told["licence_id"].encode()
        ),
    )
    session.add(row)
    session.flush()
    return IssuedLicence(_licence(row.body, row.signature, None), secret)


def revoke(session: Session, keyring: KeyRing, licence_id: str, at: datetime) -> Licence:
    """End a licence at `at`, for good. A second time changes nothing.

    Raises:
        LicenceError: there is none of that id, or its signature is broken.
    """
    row = session.get(LicenceRow, licence_id)
    if row is None:
        raise LicenceError("There is no licence of that id.", mend="rightface licence list")
    if row.revoked_at is None:
        row.revoked_at = stamp(at)
        session.flush()
    return verified(row, keyring)


def all_licences(session: Session, keyring: KeyRing) -> list[Licence]:
    """Every licence, oldest first, revoked ones included.

    Raises:
        LicenceError: a row was changed.
    """
    found = [verified(row, keyring) for row in session.scalars(select(LicenceRow))]
    return sorted(found, key=lambda licence: (licence.issued_at, licence.licence_id))


def by_id(session: Session, keyring: KeyRing, licence_id: str) -> Licence | None:
    """The licence of that id, revoked or not; None if there is none.

    Raises:
        LicenceError: the row was changed.
    """
    row = session.connection().execute(_BY_ID, {"licence_id": licence_id}).first()
    return None if row is None else verified(row, keyring)


def of_client(session: Session, keyring: KeyRing, client: str) -> list[Licence]:
    """All licences of a client, oldest first.

    Raises:
        LicenceError: a row was changed.
    """
    rows = session.connection().execute(_BY_CLIENT, {"client": client})
    found = [verified(row, keyring) for row in rows]
    return sorted(found, key=lambda licence: (licence.issued_at, licence.licence_id))


def by_access_key(
    session: Session, keyring: KeyRing, access_key_id: str
) -> tuple[Licence, str] | None:
    """The licence that an access key is bound to, and its secret; None if there is none.

    Raises:
        LicenceError: the row was changed.
    """
    row = session.connection().execute(_BY_KEY, {"access_key_id": access_key_id}).first()
    if row is None:
        return None
    licence = verified(row, keyring)
    try:
        secret = keyring.unseal("access-keys", row.sealed_secret, licence.licence_id.encode())
    except KeysError as error:
        raise _changed() from error
    return licence, secret.decode()


def verified(row: object, keyring: KeyRing) -> Licence:
    """The licence that a row (or a result with its columns) holds, its signature checked.

    Raises:
        LicenceError: signature and text, or text and columns, do not agree.
    """
    body, signature = getattr(row, "body", ""), bytes(getattr(row, "signature", b""))
    if not verifies(keyring, body, signature):
        raise _changed()
    licence = _licence(body, signature, getattr(row, "revoked_at", ""))
    columns = tuple(getattr(row, name, None) for name in ("licence_id", "access_key_id", "client"))
    if columns != (licence.licence_id, licence.access_key_id, licence.client):
        raise _changed()
    return licence


# Core selects on the table itself: they are on the way of every operation.
_TABLE = LicenceRow.__table__.c
_BY_ID = select(*_TABLE).where(_TABLE.licence_id == bindparam("licence_id"))
_BY_CLIENT = select(*_TABLE).where(_TABLE.client == bindparam("client"))
_BY_KEY = select(*_TABLE).where(_TABLE.access_key_id == bindparam("access_key_id"))


@lru_cache(maxsize=4_096)
def _licence(body: str, signature: bytes, revoked_at: str | None) -> Licence:
    told = json.loads(body)
    volumes = told.get("volumes", {})  # licences of earlier releases have none
    return Licence(
        licence_id=told["licence_id"],
        client=told["client"],
        sector=told["sector"],
        jurisdiction=told["jurisdiction"],
        parties=tuple(Party(name, actor) for name, actor in told["parties"]),
        purposes=tuple(told["purposes"]),
        operations=tuple(told["operations"]),
        galleries=tuple(told["galleries"]),
        jurisdictions=tuple(told["jurisdictions"]),
        basis=told["basis"],
        issued_at=moment(told["issued_at"]),
        valid_from=moment(told["valid_from"]),
        valid_until=moment(told["valid_until"]),
        access_key_id=told["access_key_id"],
        per_second=volumes.get("per_second"),
        per_day=volumes.get("per_day"),
        differential_limit=told.get("differential_limit"),
        revoked_at=None if revoked_at is None else moment(revoked_at),
        signature=signature,
    )


def _changed() -> LicenceError:
    return LicenceError(
        "A licence does not bear this instance's signature.",
        why="Its record was changed, or it was made with other keys.",
        mend="Revoke it and issue a new one.",
    )


def _unique(words: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(words))


def _random(alphabet: str, length: int) -> str:
    return "".join(secrets.choice(alphabet) for _ in range(length))
