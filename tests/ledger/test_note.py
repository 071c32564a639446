"""Signed notes and checkpoints against C2SP's own examples, and against every damaged byte."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from rightface.errors import LedgerError
from rightface.keys import Signer
from rightface.ledger.checkpoint import Checkpoint
from rightface.ledger.merkle import EMPTY_ROOT
from rightface.ledger.note import NoteKey, is_key_name, open_note, sign_note

# The example in the documentation of Go's golang.org/x/mod/sumdb/note.
GO_SEED = base64.b64decode("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")[1:]
GO_VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_TEXT = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
)
GO_NOTE = (
    GO_TEXT
    + "\n— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdng"
    "otpRZb6KE6RyyBwJnAM=\n"
).encode()

SIGNER = Signer("ledger", Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
STRANGER = Signer("ledger", Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33))))
KEY = NoteKey("example.com/ledger", SIGNER.public_bytes)
ROOT = bytes(range(32))
CHECKPOINT = Checkpoint.sign(KEY, 42, ROOT, SIGNER)


def test_go_s_example_comes_out_byte_for_byte() -> None:
    signer = Signer("ledger", Ed25519PrivateKey.from_private_bytes(GO_SEED))
    key = NoteKey("PeterNeumann", signer.public_bytes)
    assert key.vkey == GO_VKEY
    assert NoteKey.parse(GO_VKEY) == key
    assert sign_note(GO_TEXT, key, signer) == GO_NOTE
    assert open_note(GO_NOTE, [key]) == GO_TEXT


def test_a_checkpoint_is_three_lines_and_a_signature() -> None:
    lines = CHECKPOINT.note.decode().split("\n")
    assert lines[:4] == ["example.com/ledger", "42", base64.b64encode(ROOT).decode(), ""]
    assert lines[4].startswith("— example.com/ledger ")
    assert lines[5:] == [""]
    assert Checkpoint.open(CHECKPOINT.note, [KEY]) == CHECKPOINT


@given(st.integers(0, len(CHECKPOINT.note) - 1), st.integers(1, 255))
def test_no_changed_byte_of_a_checkpoint_passes(offset: int, mask: int) -> None:
    changed = bytearray(CHECKPOINT.note)
    changed[offset] ^= mask
    with pytest.raises(LedgerError):
        Checkpoint.open(bytes(changed), [KEY])


def test_the_unused_bits_of_base64_count_too() -> None:
    for offset in range(len(CHECKPOINT.note) - 6, len(CHECKPOINT.note)):
        for mask in range(1, 256):
            changed = bytearray(CHECKPOINT.note)
            changed[offset] ^= mask
            with pytest.raises(LedgerError):
                Checkpoint.open(bytes(changed), [KEY])


@given(st.integers(0, len(KEY.vkey) - 1), st.integers(1, 127))
def test_no_changed_byte_of_a_vkey_passes(offset: int, mask: int) -> None:
    changed = bytearray(KEY.vkey.encode())
    changed[offset] ^= mask
    with pytest.raises(LedgerError):
        NoteKey.parse(changed.decode())


def test_other_keys_signatures_are_passed_over() -> None:
    other = NoteKey("witness.example", STRANGER.public_bytes)
    witness = sign_note(CHECKPOINT.note.decode().partition("\n\n")[0] + "\n", other, STRANGER)
    both = CHECKPOINT.note + witness.partition(b"\n\n")[2]
    assert Checkpoint.open(both, [KEY]).size == 42


def test_extension_lines_are_allowed() -> None:
    text = CHECKPOINT.note.decode().partition("\n\n")[0] + "\nTimestamp: 1\n"
    assert Checkpoint.open(sign_note(text, KEY, SIGNER), [KEY]).size == 42


def signed(text: str, key: NoteKey = KEY, signer: Signer = SIGNER) -> bytes:
    return sign_note(text, key, signer)


ROOT_LINE = base64.b64encode(ROOT).decode()
BAD = {
    "empty": b"",
    "no_signature": b"example.com/ledger\n42\n" + ROOT_LINE.encode() + b"\n",
    "not_utf_8": b"\xff" + CHECKPOINT.note,
    "control_character": b"\x00" + CHECKPOINT.note,
    "too_long": b"x" * 70_000,
    "hyphen_for_the_dash": CHECKPOINT.note.replace("—".encode(), b"-"),
    "signature_cut": CHECKPOINT.note[:-10] + b"\n",
    "no_last_newline": CHECKPOINT.note[:-1],
    "signed_by_stranger": signed(f"example.com/ledger\n42\n{ROOT_LINE}\n", signer=STRANGER),
    "strangers_key_of_the_same_name": signed(
        f"example.com/ledger\n42\n{ROOT_LINE}\n",
        NoteKey("example.com/ledger", STRANGER.public_bytes),
        STRANGER,
    ),
    "another_ledger": signed(f"example.com/other\n42\n{ROOT_LINE}\n"),
    "two_lines": signed("example.com/ledger\n42\n"),
    "empty_line": signed(f"example.com/ledger\n42\n{ROOT_LINE}\n\nmore\n"),
    "leading_zero": signed(f"example.com/ledger\n042\n{ROOT_LINE}\n"),
    "negative": signed(f"example.com/ledger\n-1\n{ROOT_LINE}\n"),
    "other_digits": signed(f"example.com/ledger\n٤٢\n{ROOT_LINE}\n"),
    "huge": signed(f"example.com/ledger\n{'9' * 5000}\n{ROOT_LINE}\n"),
    "beyond_63_bits": signed(f"example.com/ledger\n{1 << 63}\n{ROOT_LINE}\n"),
    "short_root": signed(f"example.com/ledger\n42\n{base64.b64encode(ROOT[:31]).decode()}\n"),
    "root_not_base64": signed("example.com/ledger\n42\nnot base64\n"),
    "empty_with_another_root": signed(f"example.com/ledger\n0\n{ROOT_LINE}\n"),
    "many_signatures": CHECKPOINT.note + CHECKPOINT.note.partition(b"\n\n")[2] * 100,
}


@pytest.mark.parametrize("name", BAD)
def test_bad_checkpoints(name: str) -> None:
    with pytest.raises(LedgerError):
        Checkpoint.open(BAD[name], [KEY])


def test_the_empty_tree_can_be_signed() -> None:
    empty = Checkpoint.sign(KEY, 0, EMPTY_ROOT, SIGNER)
    assert Checkpoint.open(empty.note, [KEY]) == empty


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\nb", "a\u00a0b", "a\u2003b", "a\tb", "\x7f"])
def test_names_that_cannot_name_a_key(name: str) -> None:
    assert not is_key_name(name)
    with pytest.raises(LedgerError):
        NoteKey(name, bytes(32))


@given(st.binary(max_size=300))
def test_no_bytes_crash_the_reader(content: bytes) -> None:
    with pytest.raises(LedgerError):
        open_note(content, [KEY])
    with pytest.raises(LedgerError):
        NoteKey.parse(content.decode("latin-1"))
