"""The Merkle tree of RFC 6962, section 2.1: hashes, roots, proofs and their checkers.

Pure functions over 32-byte SHA-256 digests. Must never know files, SQL, keys or what leaves say.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

HASH = 32  # bytes of a digest
EMPTY_ROOT = hashlib.sha256(b"").digest()  # MTH({}), RFC 6962, 2.1

RangeRoot = Callable[[int, int], bytes]
"""Gives the root over the leaves [start, end) of a tree; the range is one of its subtrees."""

_sha256 = hashlib.sha256


def leaf_hash(entry: bytes) -> bytes:
    """The hash of one entry: SHA-256(0x00 || entry)."""
    return _sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node: SHA-256(0x01 || left || right)."""
    return _sha256(b"\x01" + left + right).digest()


def root(hashes: bytes) -> bytes:
    """The tree's root over concatenated 32-byte leaf hashes (or subtree roots of equal size).

    An odd node at the end of a row moves up as it is: that gives RFC 6962's left-full tree.
    """
    if not hashes:
        return EMPTY_ROOT
    row = hashes
    while len(row) > HASH:
        paired = len(row) - len(row) % (2 * HASH)
        above = [_sha256(b"\x01" + row[i : i + 64]).digest() for i in range(0, paired, 2 * HASH)]
        above.append(row[paired:])
        row = b"".join(above)
    return row


def perfect_ranges(start: int, end: int) -> list[tuple[int, int]]:
    """The largest aligned power-of-two ranges, left to right, that [start, end) consists of."""
    ranges = []
    while start < end:
        height = (end - start).bit_length() - 1
        if start:
            height = min(height, (start & -start).bit_length() - 1)
        ranges.append((start, start + (1 << height)))
        start += 1 << height
    return ranges


def fold(roots: Sequence[bytes]) -> bytes:
    """The root of a tree whose perfect subtrees, largest first, have these roots."""
    if not roots:
        return EMPTY_ROOT
    total = roots[-1]
    for left in reversed(roots[:-1]):
        total = node_hash(left, total)
    return total


def _split(size: int) -> int:
    # The largest power of two smaller than `size` (RFC 6962, 2.1: k < n <= 2k).
    return 1 << ((size - 1).bit_length() - 1)


# ---------------------------------------------------------------- making proofs
def inclusion_path(index: int, size: int, range_root: RangeRoot) -> tuple[bytes, ...]:
    """PATH(index, D[size]) of RFC 6962, 2.1.1: from the leaf's sibling up to the root's child."""
    start, end = 0, size
    siblings: list[tuple[int, int]] = []
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            siblings.append((middle, end))
            end = middle
        else:
            siblings.append((start, middle))
            start = middle
    return tuple(range_root(*sibling) for sibling in reversed(siblings))


def consistency_path(old: int, new: int, range_root: RangeRoot) -> tuple[bytes, ...]:
    """PROOF(old, D[new]) of RFC 6962, 2.1.2. Empty for old = 0 and for old = new."""
    if old in (0, new):
        return ()
    start, end = 0, new
    parts: list[tuple[int, int]] = []
    whole = True  # whether the old tree is still the subtree [0, old) itself
    while old != end:
        middle = start + _split(end - start)
        if old <= middle:
            parts.append((middle, end))
            end = middle
        else:
            parts.append((start, middle))
            start = middle
            whole = False
    if not whole:
        parts.append((start, end))
    return tuple(range_root(*part) for part in reversed(parts))


# ---------------------------------------------------------------- checking proofs
def root_from_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """The root that `path` leads to from the leaf's hash; None if the path has a wrong length.

    After RFC 9162, section 2.1.3.2 (the same tree; an iterative checker).
    """
    if not 0 <= index < size:
        return None
    node, last, current = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            return None
        if node & 1 or node == last:
            current = node_hash(sibling, current)
            while node and not node & 1:
                node >>= 1
                last >>= 1
        else:
            current = node_hash(current, sibling)
        node >>= 1
        last >>= 1
    return current if last == 0 else None


def roots_from_consistency(
    old: int, new: int, old_root: bytes, path: Sequence[bytes]
) -> tuple[bytes, bytes] | None:
    """The (old, new) roots that `path` leads to; None if the path cannot belong to these sizes.

    The path is good if both are the roots expected. After RFC 9162, section 2.1.4.2.
    """
    if not 0 < old < new or not path:
        return None
    steps = list(path)
    if old & (old - 1) == 0:
        steps.insert(0, old_root)
    node, last = old - 1, new - 1
    while node & 1:
        node >>= 1
        last >>= 1
    before = after = steps[0]
    for step in steps[1:]:
        if last == 0:
            return None
        if node & 1 or node == last:
            before = node_hash(step, before)
            after = node_hash(step, after)
            while node and not node & 1:
                node >>= 1
                last >>= 1
        else:
            after = node_hash(after, step)
        node >>= 1
        last >>= 1
    return (before, after) if last == 0 else None


def includes(leaf: bytes, index: int, size: int, path: Sequence[bytes], root_: bytes) -> bool:
    """Whether `path` proves that the leaf's hash stands at `index` in the tree of this root."""
    return root_from_inclusion(leaf, index, size, path) == root_


def extends(old: int, old_root: bytes, new: int, new_root: bytes, path: Sequence[bytes]) -> bool:
    """Whether `path` proves that the new tree begins with the whole old one."""
    if not 0 <= old <= new:
        return False
    if old == new:
        return not path and old_root == new_root
    if old == 0:
        return not path and old_root == EMPTY_ROOT
    return roots_from_consistency(old, new, old_root, path) == (old_root, new_root)
