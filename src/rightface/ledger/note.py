"""Signed notes: a text with Ed25519 signatures under it. See https://c2sp.org/signed-note.

Also the keys' public form, the "vkey" that Go's sumdb and others read:
`<name>+<key id, 8 hex digits>+<base64(0x01 || public key)>`. Strict on purpose: every byte of a
note counts, so no two different notes mean the same. Must never know what the text says.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from rightface.errors import LedgerError
from rightface.keys import Signer, verify_signature

ED25519 = b"\x01"  # the signature type of the specification
NOTE_LIMIT = 65_536  # bytes
SIGNATURES_LIMIT = 64
_DASH = "— "


@dataclass(frozen=True)
class NoteKey:
    """A named Ed25519 public key that notes are signed under."""

    name: str
    public: bytes

    def __post_init__(self) -> None:
        if not is_key_name(self.name):
            raise LedgerError(
                "The ledger's name cannot stand in a signature.",
                why="A key name has no spaces, control characters or plus signs.",
                mend="Use a name like an address without its scheme: example.com/ledger",
            )
        if len(self.public) != 32:
            raise LedgerError("An Ed25519 public key has 32 bytes.")

    @property
    def id(self) -> bytes:
        """The key id: the first four bytes of SHA-256(name || 0x0A || 0x01 || public key)."""
        told = self.name.encode() + b"\n" + ED25519 + self.public
        return hashlib.sha256(told).digest()[:4]

    @property
    def vkey(self) -> str:
        """The key as one line of text, for pinning."""
        return f"{self.name}+{self.id.hex()}+{base64.b64encode(ED25519 + self.public).decode()}"

    @classmethod
    def parse(cls, vkey: str) -> NoteKey:
        """The key that a vkey names.

        Raises:
            LedgerError: not a vkey, not Ed25519, or its id does not fit its name and key.
        """
        name, _, rest = vkey.partition("+")
        key_id, _, encoded = rest.partition("+")
        raw = decode_base64(encoded)
        if raw is None or len(raw) != 33 or raw[:1] != ED25519 or not is_key_name(name):
            raise LedgerError(
                "This is not the public key of a ledger.",
                why="It should read <name>+<8 hex digits>+<base64 of an Ed25519 key>.",
                mend="Copy the whole line of the ledger's file 'vkey'.",
            )
        key = cls(name, raw[1:])
        if key.id.hex() != key_id:
            raise LedgerError(
                "The public key is damaged.", why="Its id does not fit its name and its bytes."
            )
        return key


def is_key_name(name: str) -> bool:
    """Whether `name` may name a key: not empty, no spaces, no control characters, no plus."""
    return (
        bool(name) and "+" not in name and not any(c.isspace() or not c.isprintable() for c in name)
    )


def sign_note(text: str, key: NoteKey, signer: Signer) -> bytes:
    """The note: `text`, which ends in a newline, an empty line, and the signature's line."""
    signature = base64.b64encode(key.id + signer.sign(text.encode())).decode()
    return f"{text}\n{_DASH}{key.name} {signature}\n".encode()


def open_note(note: bytes, keys: Sequence[NoteKey]) -> str:
    """The text of a note that at least one of `keys` signed.

    Signatures of other keys are passed over, as the specification asks.

    Raises:
        LedgerError: malformed, not signed by any of `keys`, or a signature of theirs is wrong.
    """
    text, signatures = _take_apart(note)
    known = {(key.name, key.id): key for key in keys}
    good = 0
    for name, raw in signatures:
        key = known.get((name, raw[:4]))
        if key is None:
            continue
        if not verify_signature(key.public, text.encode(), raw[4:]):
            raise LedgerError(
                "The signature is wrong.", why=f"It claims the key {name}+{raw[:4].hex()}."
            )
        good += 1
    if not good:
        wanted = ", ".join(f"{key.name}+{key.id.hex()}" for key in keys)
        raise LedgerError("The note is not signed by the expected key.", why=f"Expected: {wanted}.")
    return text


def _take_apart(note: bytes) -> tuple[str, list[tuple[str, bytes]]]:
    if len(note) > NOTE_LIMIT:
        raise LedgerError("The note is too long.", why=f"The limit is {NOTE_LIMIT} bytes.")
    try:
        whole = note.decode("utf-8")
    except UnicodeDecodeError:
        raise LedgerError("The note is damaged.", why="It is not UTF-8.") from None
    if any(c < " " and c != "\n" for c in whole):
        raise LedgerError("The note is damaged.", why="It holds control characters.")
    text, blank, block = whole.rpartition("\n\n")
    if not blank or not block.endswith("\n"):
        raise LedgerError("The note is damaged.", why="It has no block of signatures.")
    lines = block[:-1].split("\n")
    if len(lines) > SIGNATURES_LIMIT:
        raise LedgerError("The note has too many signatures.")
    return text + "\n", [_signature(line) for line in lines]


def _signature(line: str) -> tuple[str, bytes]:
    name, _, encoded = line.removeprefix(_DASH).partition(" ")
    raw = decode_base64(encoded)
    if not line.startswith(_DASH) or not is_key_name(name) or raw is None or len(raw) < 5:
        raise LedgerError("The note is damaged.", why="A signature line is malformed.")
    return name, raw


def decode_base64(text: str) -> bytes | None:
    """The bytes that standard base64 stands for; None unless this is the one way to write them."""
    try:
        raw = base64.b64decode(text.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error):
        return None
    return raw if base64.b64encode(raw).decode() == text else None
