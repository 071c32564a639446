"""Attesters: people and offices whose signed attestations this instance trusts.

An attester signs with an Ed25519 key of their own (RFC 8032; PEM, RFC 8410), which this instance
never sees. The operator enters the public half; that is an act, signed and logged by the caller.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from sqlalchemy import select
from sqlalchemy.orm import Session

from rightface.errors import KeysError, LawError
from rightface.keys import KeyRing
from rightface.law.signed import opened, sealed
from rightface.law.tables import AttesterRow, moment, stamp

Trusted = Mapping[str, frozenset[str]]
"""Attester's name → public keys (hex) that are trusted under it."""


@dataclass(frozen=True, kw_only=True)
class Attester:
    """One key of one attester. Trusted from `added_at` until `ended_at`."""

    name: str
    public_key: str
    """The raw Ed25519 public key, hex."""
    added_at: datetime
    ended_at: datetime | None
    signed: bool = True
    """Whether the entry bears this instance's signature. Without it the key is not trusted."""


# ---------------------------------------------------------------- keys
def new_key() -> tuple[bytes, bytes]:
    """A fresh Ed25519 key: the private half and the public half, as PEM."""
    private = Ed25519PrivateKey.generate()
    return (
        private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
    )


def private_key(pem: bytes) -> Ed25519PrivateKey:
    """The private key of a PEM file.

    Raises:
        KeysError: it holds none, an encrypted one, or one of another kind.
    """
    try:
        found = load_pem_private_key(pem, None)
    except (ValueError, TypeError) as error:
        raise _no_key("private") from error
    if not isinstance(found, Ed25519PrivateKey):
        raise _no_key("private")
    return found


def public_key(pem: bytes) -> str:
    """The raw public key of a PEM file, in hex.

    Raises:
        KeysError: it holds none, or one of another kind. A private key is refused as well.
    """
    try:
        found = load_pem_public_key(pem)
    except (ValueError, TypeError) as error:
        raise _no_key("public") from error
    if not isinstance(found, Ed25519PublicKey):
        raise _no_key("public")
    return found.public_bytes(Encoding.Raw, PublicFormat.Raw).hex()


def _no_key(which: str) -> KeysError:
    return KeysError(
        f"The file holds no {which} Ed25519 key.",
        why="A PEM file without a passphrase is read.",
        mend="Make one: rightface law attester-key --out KEY.",
    )


# ---------------------------------------------------------------- trust
def add_attester(
    session: Session, keyring: KeyRing, name: str, public: str, *, at: datetime
) -> Attester:
    """Trust a public key under a name. Call inside `Database.write`.

    Raises:
        LawError: the name is empty, too long or unprintable, or the key is trusted already.
    """
    check_name(name)
    for one in all_attesters(session, keyring):
        if one.signed and one.public_key == public and one.ended_at is None:
            raise LawError("This key is trusted already.", mend="rightface law attester list")
    told = {"name": name, "public_key": public, "added_at": stamp(at), "ended_at": None}
    body, signature = sealed(keyring, "attester", told)
    row = AttesterRow(name=name, body=body, signature=signature, added_at=stamp(at))
    session.add(row)
    session.flush()
    return _attester(keyring, row)


def end_attester(session: Session, keyring: KeyRing, name: str, *, at: datetime) -> list[Attester]:
    """Trust the keys under a name no longer: what was attested with them holds no more.

    Call inside `Database.write`.

    Raises:
        LawError: nobody of that name is trusted.
    """
    rows = list(
        session.scalars(
            select(AttesterRow).where(AttesterRow.name == name, AttesterRow.ended_at.is_(None))
        )
    )
    if not rows:
        raise LawError("There is no attester of that name.", mend="rightface law attester list")
    for row in rows:
        told = opened(keyring, "attester", row.body, row.signature)
        row.ended_at = stamp(at)
        if told is not None:
            row.body, row.signature = sealed(keyring, "attester", {**told, "ended_at": stamp(at)})
    session.flush()
    return [_attester(keyring, row) for row in rows]


def all_attesters(session: Session, keyring: KeyRing) -> list[Attester]:
    """Every attester's key, oldest first, ended ones included."""
    rows = session.scalars(select(AttesterRow).order_by(AttesterRow.id))
    return [_attester(keyring, row) for row in rows]


def trusted(attesters: Iterable[Attester], known_at: datetime, *, live: bool) -> Trusted:
    """The keys that are trusted as known at `known_at`; for a permit an end counts at once."""
    found: dict[str, frozenset[str]] = {}
    for one in attesters:
        ended = one.ended_at is not None and (live or one.ended_at <= known_at)
        if one.signed and one.added_at <= known_at and not ended:
            found[one.name] = found.get(one.name, frozenset()) | {one.public_key}
    return found


def check_name(name: str) -> str:
    """`name`, if it can stand on record as that of a person or an office.

    Raises:
        LawError: it is empty, too long or unprintable.
    """
    if not name.strip() or name != name.strip() or len(name) > 128 or not name.isprintable():
        raise LawError(
            "An attester is a named person or office.",
            why="The name has 1 to 128 printable characters.",
        )
    return name


def _attester(keyring: KeyRing, row: AttesterRow) -> Attester:
    return read_attester(keyring, row.name, row.body, row.signature, row.added_at, row.ended_at)


def read_attester(
    keyring: KeyRing,
    name: str,
    body: str,
    signature: bytes,
    added_at: str,
    ended_at: str | None,
) -> Attester:
    """The attester of a row's columns; unsigned where text and columns do not agree."""
    told = opened(keyring, "attester", body, signature)
    signed = told is not None and (told["name"], told["added_at"], told["ended_at"]) == (
        name,
        added_at,
        ended_at,
    )
    return Attester(
        name=name,
        public_key=told["public_key"] if told is not None and signed else "",
        added_at=moment(added_at),
        ended_at=None if ended_at is None else moment(ended_at),
        signed=signed,
    )
