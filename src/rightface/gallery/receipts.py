"""The receipt of an erasure: what went, that nothing is left, signed by the instance.

A receipt holds counts and keyed commitments, never a name: whoever holds it can match it to the
ledger's leaf, and learns nothing else. Must never know: SQL, HTTP.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import rfc8785

from rightface.errors import GalleryError
from rightface.keys import KeyRing, verify_signature

VERSION = 1
_CONTEXT = b"rightface/receipt/1\n"  # signed before the content, so that it serves as nothing else


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """An erasure that was done. `document` is its JSON form."""

    v: int = VERSION
    what: str
    """`faces`, `subject` or `collection`."""
    reason: str
    """`withdrawal`, `request`, `retention`, …"""
    erased: Mapping[str, int]
    """How many faces (each with its sealed template), crops and subjects' keys went."""
    remaining: Mapping[str, int]
    """What the verification query and the index still found: zeros."""
    overwritten: bool
    """Whether the bytes in the database's files were overwritten before this was signed. False if
    a long read was in the way (the next erasure or restart does it), or while a copy from before a
    migration lies in the data directory: it goes after seven days, or by hand."""
    subjects: tuple[str, ...]
    """The ledger's commitments of the subjects concerned, the first 100 in order."""
    subject_count: int
    subjects_digest: str
    """SHA-256 (hex) over all of them, sorted, one per line."""
    ledger_index: int
    """The leaf that records the erasure."""
    time: str
    """When it was complete: ISO 8601, UTC."""
    key_id: str = ""
    """The first 16 hex digits of the SHA-256 of the signing key's public half."""
    signature: str = ""
    """Ed25519 (RFC 8032) over the canonical JSON (RFC 8785) of all other fields; base64."""

    @property
    def document(self) -> dict[str, Any]:
        """The receipt as plain JSON values."""
        return asdict(self) | {"subjects": list(self.subjects)}


def sign_receipt(keyring: KeyRing, receipt: Receipt) -> Receipt:
    """The receipt with the key's id and the signature of the instance's receipt key."""
    signer = keyring.signer("receipt")
    named = replace(receipt, key_id=key_id(signer.public_bytes), signature="")
    signature = base64.b64encode(signer.sign(_message(named.document))).decode()
    return replace(named, signature=signature)


def verify_receipt(document: Mapping[str, Any], public_key: bytes) -> Receipt:
    """The receipt in a JSON document, if the key (raw, 32 bytes) signed exactly this.

    Raises:
        GalleryError: another key, changed content, or not a receipt.
    """
    problem = GalleryError(
        "The receipt is not genuine.",
        why="Its content was changed, or another key signed it.",
        mend="Compare its key id with that of the instance's receipt key.",
    )
    names = {field.name for field in fields(Receipt)}
    if set(document) != names or document["v"] != VERSION:
        raise problem
    try:
        signature = base64.b64decode(document["signature"], validate=True)
        message = _message(document)
    except (TypeError, ValueError, rfc8785.CanonicalizationError):
        raise problem from None
    if document["key_id"] != key_id(public_key) or not verify_signature(
        public_key, message, signature
    ):
        raise problem
    return Receipt(**{**document, "subjects": tuple(document["subjects"])})


def key_id(public_key: bytes) -> str:
    """The first 16 hex digits of the SHA-256 of a raw public key."""
    return hashlib.sha256(public_key).hexdigest()[:16]


def _message(document: Mapping[str, Any]) -> bytes:
    content = {name: value for name, value in document.items() if name != "signature"}
    return _CONTEXT + rfc8785.dumps(content)
