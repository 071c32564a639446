"""Other people's implementations agree: pymerkle and sigstore on every size, root and proof.

pymerkle makes and checks Merkle trees; sigstore checks inclusion proofs and signed checkpoints of
Rekor, which have the forms that we write. Neither shares a line with us.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st
from pymerkle import InmemoryTree, verify_consistency, verify_inclusion
from pymerkle.proof import InclusionProof, InvalidProof
from sigstore._internal.merkle import verify_merkle_inclusion
from sigstore._internal.rekor.checkpoint import SignedCheckpoint
from sigstore.errors import VerificationError

from rightface.ledger import merkle
from rightface.ledger.checkpoint import Checkpoint
from rightface.ledger.note import NoteKey
from rightface.ledger.verify import consistency, prove

from .conftest import Published
from .sample import grow

SIZE = 600
LARGE = (1023, 1024, 1025, 4095, 4097, 5000)
ENTRIES = [b"entry %d" % number for number in range(5000)]
HASHES = [merkle.leaf_hash(entry) for entry in ENTRIES]
OTHERS = InmemoryTree(algorithm="sha256")
OTHERS.append_entries(ENTRIES)


def range_root(start: int, end: int) -> bytes:
    return merkle.root(b"".join(HASHES[start:end]))


def some_indices(size: int) -> list[int]:
    """The first, the last, and what lies around powers of two."""
    near = {1 << bit for bit in range(size.bit_length())}
    wanted = {0, size // 2, size - 1} | near | {power - 1 for power in near}
    return sorted(index for index in wanted if index < size)


def sigstore_says(entry: bytes, index: int, size: int, path: Any, root: bytes) -> bool:
    proof = SimpleNamespace(log_index=index, tree_size=size, hashes=list(path), root_hash=root)
    inner = SimpleNamespace(inclusion_proof=proof, canonicalized_body=entry)
    try:
        verify_merkle_inclusion(SimpleNamespace(_inner=inner))
    except VerificationError:
        return False
    return True


def pymerkle_says(leaf: bytes, index: int, size: int, path: Any, root: bytes) -> bool:
    rule = OTHERS.prove_inclusion(index + 1, size).rule
    proof = InclusionProof("sha256", True, size, index + 1, rule, [leaf, *path])
    try:
        verify_inclusion(leaf, root, proof, index=index + 1, size=size)
    except InvalidProof:
        return False
    return True


@pytest.mark.parametrize("sizes", [range(SIZE + 1), LARGE], ids=["0 to 600", "large"])
def test_roots(sizes: Any) -> None:
    for size in sizes:
        assert range_root(0, size) == OTHERS.get_root(size)


@pytest.mark.parametrize("sizes", [range(1, SIZE + 1), LARGE], ids=["1 to 600", "large"])
def test_inclusion(sizes: Any) -> None:
    for size in sizes:
        root = OTHERS.get_root(size)
        for index in some_indices(size):
            path = merkle.inclusion_path(index, size, range_root)
            theirs = OTHERS.prove_inclusion(index + 1, size)
            assert list(path) == theirs.path[1:]
            assert sigstore_says(ENTRIES[index], index, size, path, root)
            assert pymerkle_says(HASHES[index], index, size, path, root)


@pytest.mark.parametrize("sizes", [range(1, SIZE + 1), LARGE], ids=["1 to 600", "large"])
def test_consistency(sizes: Any) -> None:
    for new in sizes:
        for old in (index + 1 for index in some_indices(new)):
            path = merkle.consistency_path(old, new, range_root)
            before, after = OTHERS.get_root(old), OTHERS.get_root(new)
            assert merkle.extends(old, before, new, after, path)
            # Theirs is laid out otherwise than RFC 6962's, so it is checked as a whole, between
            # our roots. The paths themselves are held against Go's checker in test_go.py.
            theirs = OTHERS.prove_consistency(old, new)
            ours = range_root(0, old), range_root(0, new)
            verify_consistency(*ours, theirs, prior_size=old, later_size=new)


@settings(max_examples=300, deadline=None)
@given(st.integers(1, len(ENTRIES)), st.data())
def test_both_refuse_what_we_refuse(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    root = OTHERS.get_root(size)
    path = list(merkle.inclusion_path(index, size, range_root))
    change = data.draw(st.sampled_from(["none", "hash", "cut", "more", "index", "root"]))
    if change == "hash" and path:
        path[data.draw(st.integers(0, len(path) - 1))] = bytes(32)
    elif change == "cut":
        path = path[:-1]
    elif change == "more":
        path.append(bytes(32))
    elif change == "index":
        index = data.draw(st.integers(0, size - 1))
    elif change == "root":
        root = bytes(32)
    entry = data.draw(st.sampled_from([ENTRIES[index], b"another"]))
    ours = merkle.includes(merkle.leaf_hash(entry), index, size, path, root)
    assert ours == sigstore_says(entry, index, size, path, root)
    assert ours == pymerkle_says(merkle.leaf_hash(entry), index, size, path, root)


class OneKey:
    """Sigstore's keyring has this one method; the key behind it is cryptography's own."""

    def __init__(self, key: NoteKey) -> None:
        self.public = Ed25519PublicKey.from_public_bytes(key.public)

    def verify(self, *, key_id: bytes, signature: bytes, data: bytes) -> None:
        self.public.verify(signature, data)


def sigstore_reads(checkpoint: Checkpoint, key: NoteKey) -> tuple[str, int, str]:
    signed = SignedCheckpoint.from_text(checkpoint.note.decode())
    signed.signed_note.verify(OneKey(key), key.id)
    read = signed.checkpoint
    return read.origin, read.log_size, read.log_hash


def test_a_published_ledger_as_it_grows(ledger: Published) -> None:
    key = NoteKey.parse(ledger.vkey)
    tree = InmemoryTree(algorithm="sha256")
    for step in (0, 1, 1, 1, 4, 30, 218, 1, 1, 254, 1, 1, 88):
        grow(ledger.database, step)
        last = ledger.publisher.publish()
        for index in range(last.size - step, last.size):
            tree.append_entry(prove(ledger.directory, index).entry)
        assert last.root == tree.get_root()
        assert sigstore_reads(last, key) == (last.origin, last.size, last.root.hex())
        for index in some_indices(last.size) if last.size else []:
            proof = prove(ledger.directory, index, ledger.vkey)
            assert list(proof.path) == tree.prove_inclusion(index + 1).path[1:]
            assert sigstore_says(proof.entry, index, last.size, proof.path, last.root)
        for old in range(0, last.size, 53):
            proved = consistency(ledger.directory, old, None, ledger.vkey)
            assert proved.old_root == tree.get_root(old)
            assert proved.check()


def test_sigstore_refuses_a_changed_checkpoint(small: Published) -> None:
    last = small.publisher.last()
    assert last is not None
    changed = Checkpoint(
        last.origin, last.size, last.root, last.note.replace(b"\n600\n", b"\n601\n")
    )
    with pytest.raises(InvalidSignature):
        sigstore_reads(changed, NoteKey.parse(small.vkey))
