"""Canonical, signed text: how the law's records are made tamper-evident.

RFC 8785 canonical JSON, signed with the instance's Ed25519 key for licences. A text that verified
once under the same key and signature need not be computed again: the bytes are compared instead.
"""

from __future__ import annotations

import threading
from typing import Any
from weakref import WeakKeyDictionary

import rfc8785

from rightface.keys import KeyRing, verify_signature

_KEPT = 8_192
_verified: WeakKeyDictionary[KeyRing, dict[tuple[str, bytes], None]] = WeakKeyDictionary()
_lock = threading.Lock()


def canonical(told: dict[str, Any]) -> str:
    """`told` as canonical JSON text."""
    return rfc8785.dumps(told).decode("utf-8")


def sign(keyring: KeyRing, text: str) -> bytes:
    """The licence key's signature of `text`."""
    return keyring.signer("licence").sign(text.encode("utf-8"))


def verifies(keyring: KeyRing, text: str, signature: bytes) -> bool:
    """Whether `signature` is that of exactly this text under this instance's licence key."""
    known = _verified.get(keyring)
    if known is not None and (text, signature) in known:
        return True
    if not verify_signature(keyring.signer("licence").public_bytes, text.encode(), signature):
        return False
    with _lock:
        known = _verified.setdefault(keyring, {})
        while len(known) >= _KEPT:
            del known[next(iter(known))]
        known[text, signature] = None
    return True
