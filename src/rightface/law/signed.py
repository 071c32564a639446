"""Canonical, signed text: how the law's records are made tamper-evident.

RFC 8785 canonical JSON, signed with the instance's Ed25519 key for licences. A text that verified
once under the same key and signature need not be computed again: the bytes are compared instead.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any
from weakref import WeakKeyDictionary

import rfc8785

from rightface.keys import KeyRing, verify_signature

_KEPT = 8_192
_verified: WeakKeyDictionary[KeyRing, dict[tuple[str, bytes], None]] = WeakKeyDictionary()
_Key = tuple[str, str, bytes]
_opened: WeakKeyDictionary[KeyRing, dict[_Key, Mapping[str, Any]]] = WeakKeyDictionary()
_lock = threading.Lock()


def canonical(told: dict[str, Any]) -> str:
    """`told` as canonical JSON text."""
    return rfc8785.dumps(told).decode("utf-8")


def sign(keyring: KeyRing, text: str) -> bytes:
    """The licence key's signature of `text`."""
    return keyring.signer("licence").sign(text.encode("utf-8"))


def verifies(keyring: KeyRing, text: object, signature: object) -> bool:
    """Whether `signature` is that of exactly this text under this instance's licence key."""
    if not isinstance(text, str) or not isinstance(signature, bytes):
        return False  # a database edited by hand holds what it likes
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


def sealed(keyring: KeyRing, kind: str, told: dict[str, Any]) -> tuple[str, bytes]:
    """A record of one kind as canonical text, and its signature."""
    text = canonical({**told, "v": 1, "kind": kind})
    return text, sign(keyring, text)


def opened(
    keyring: KeyRing, kind: str, body: object, signature: object
) -> Mapping[str, Any] | None:
    """What a signed record of this kind says; None: its signature is not good, or it has none."""
    if not isinstance(body, str) or not isinstance(signature, bytes):
        return None  # none, or a database edited by hand
    key = (kind, body, signature)
    known = _opened.get(keyring)
    found = None if known is None else known.get(key)
    if found is not None:
        return found
    if not verifies(keyring, body, signature):
        return None
    told = json.loads(body)
    if told.get("kind") != kind or told.get("v") != 1:
        return None
    with _lock:
        known = _opened.setdefault(keyring, {})
        while len(known) >= _KEPT:
            del known[next(iter(known))]
        return known.setdefault(key, MappingProxyType(told))
