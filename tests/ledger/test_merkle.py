"""The tree against RFC 6962's own words, and against Certificate Transparency's test vectors."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rightface.ledger import merkle

# The leaves and roots of the reference implementation of RFC 6962 (certificate-transparency's
# merkletree tests).
LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
HASHES = [hashlib.sha256(b"leaf %d" % number).digest() for number in range(1024)]
SIZES = st.integers(0, len(HASHES))


def mth(hashes: list[bytes]) -> bytes:
    """RFC 6962, 2.1, word for word."""
    if not hashes:
        return hashlib.sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    k = 1
    while 2 * k < len(hashes):
        k *= 2
    return hashlib.sha256(b"\x01" + mth(hashes[:k]) + mth(hashes[k:])).digest()


def path(m: int, hashes: list[bytes]) -> list[bytes]:
    """RFC 6962, 2.1.1, word for word."""
    if len(hashes) == 1:
        return []
    k = 1
    while 2 * k < len(hashes):
        k *= 2
    if m < k:
        return [*path(m, hashes[:k]), mth(hashes[k:])]
    return [*path(m - k, hashes[k:]), mth(hashes[:k])]


def subproof(m: int, hashes: list[bytes], whole: bool) -> list[bytes]:
    """RFC 6962, 2.1.2, word for word."""
    if m == len(hashes):
        return [] if whole else [mth(hashes)]
    k = 1
    while 2 * k < len(hashes):
        k *= 2
    if m <= k:
        return [*subproof(m, hashes[:k], whole), mth(hashes[k:])]
    return [*subproof(m - k, hashes[k:], False), mth(hashes[:k])]


def range_root(start: int, end: int) -> bytes:
    return merkle.root(b"".join(HASHES[start:end]))


def root(size: int) -> bytes:
    return range_root(0, size)


@pytest.mark.parametrize("size", range(9))
def test_roots_of_the_reference_implementation(size: int) -> None:
    hashes = b"".join(merkle.leaf_hash(leaf) for leaf in LEAVES[:size])
    assert merkle.root(hashes).hex() == ROOTS[size]


def test_every_inclusion_proof_up_to_65_leaves() -> None:
    for size in range(1, 66):
        for index in range(size):
            made = merkle.inclusion_path(index, size, range_root)
            assert list(made) == path(index, HASHES[:size])
            assert merkle.includes(HASHES[index], index, size, made, root(size))


def test_every_consistency_proof_up_to_65_leaves() -> None:
    for new in range(66):
        for old in range(new + 1):
            made = merkle.consistency_path(old, new, range_root)
            if old:
                assert list(made) == subproof(old, HASHES[:new], True)
            assert merkle.extends(old, root(old), new, root(new), made)


@given(st.integers(1, len(HASHES)), st.data())
def test_a_changed_inclusion_proof_proves_nothing(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    made = list(merkle.inclusion_path(index, size, range_root))
    good = root(size)
    assert merkle.includes(HASHES[index], index, size, made, good)
    other = data.draw(st.integers(0, size + 3).filter(lambda number: number != index))
    assert not merkle.includes(HASHES[index], other, size, made, good)
    assert not merkle.includes(bytes(32), index, size, made, good)
    assert not merkle.includes(HASHES[index], index, size, [*made, bytes(32)], good)
    if made:
        assert not merkle.includes(HASHES[index], index, size, made[:-1], good)
        at = data.draw(st.integers(0, len(made) - 1))
        assert not merkle.includes(
            HASHES[index], index, size, [*made[:at], bytes(32), *made[at + 1 :]], good
        )


@given(SIZES, SIZES, st.data())
def test_a_changed_consistency_proof_proves_nothing(a: int, b: int, data: st.DataObject) -> None:
    old, new = min(a, b), max(a, b)
    made = list(merkle.consistency_path(old, new, range_root))
    assert merkle.extends(old, root(old), new, root(new), made)
    assert not merkle.extends(old, root(old), new, root(new), [*made, bytes(32)])
    assert not merkle.extends(old, root(old), new, bytes(32), made) or old == 0
    assert not merkle.extends(old, bytes(32), new, root(new), made)
    if old < new:
        assert not merkle.extends(new, root(new), old, root(old), made)
    if made:
        assert not merkle.extends(old, root(old), new, root(new), made[:-1])
        at = data.draw(st.integers(0, len(made) - 1))
        assert not merkle.extends(
            old, root(old), new, root(new), [*made[:at], bytes(32), *made[at + 1 :]]
        )


@settings(max_examples=300)
@given(
    st.integers(-5, 2**64),
    st.integers(-5, 2**64),
    st.lists(st.binary(min_size=32, max_size=32), max_size=70),
)
def test_no_made_up_proof_is_believed_or_crashes(a: int, b: int, made: list[bytes]) -> None:
    assert not merkle.includes(HASHES[0], a, b, made, bytes(32))
    assert not merkle.extends(a, HASHES[0], b, bytes(32), made) or (a == 0 and not made)


@given(SIZES)
def test_folded_perfect_subtrees_are_the_root(size: int) -> None:
    ranges = merkle.perfect_ranges(0, size)
    assert merkle.fold([range_root(*each) for each in ranges]) == mth(HASHES[:size])
    assert [end - start for start, end in ranges] == sorted(
        (1 << bit for bit in range(size.bit_length()) if size >> bit & 1), reverse=True
    )
