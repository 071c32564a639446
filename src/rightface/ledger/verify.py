"""The verifier: checks a whole ledger from its public files alone, and says where it is damaged.

It uses what anybody has: the files, in a directory or over http, and the ledger's public key. Must
never know the database, a private key, or what leaves say.

Every entry is hashed; the tree is computed from the entries upwards, compared with every tile, and
its root with the signed one. Where two differ, the signed root, carried down through the tiles that
fit it, tells which of the two is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

from rightface.errors import LedgerError, LedgerFileError
from rightface.ledger.checkpoint import Checkpoint
from rightface.ledger.merkle import HASH, leaf_hash, root
from rightface.ledger.proofs import ConsistencyProof, InclusionProof, consistency, prove
from rightface.ledger.source import Source, open_source
from rightface.ledger.tiles import (
    ENTRIES,
    WIDTH,
    Tile,
    beginning,
    edge_of,
    edge_root,
    hashes_at,
    levels,
    parse_path,
    tile_at,
    tiles_of,
    unpack,
)
from rightface.ledger.trust import (
    CHECKPOINT,
    check_published_key,
    find_key,
    read_checkpoint,
)

__all__ = [
    "ConsistencyProof",
    "InclusionProof",
    "Problem",
    "Verification",
    "consistency",
    "prove",
    "verify",
]

ENOUGH = 100  # problems after which the verifier stops


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: in which file, what, and at which entry where that is known."""

    where: str
    what: str
    entry: int | None = None

    def __str__(self) -> str:
        at = "" if self.entry is None else f" (entry {self.entry})"
        return f"{self.where}{at}: {self.what}"


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What the verifier found."""

    origin: str
    """The ledger's name, as signed; empty if no checkpoint could be trusted."""
    size: int
    """How many entries the checkpoint covers."""
    root: bytes
    """The signed root, 32 bytes; empty if no checkpoint could be trusted."""
    vkey: str
    """The key that the checkpoint was verified under."""
    pinned: bool
    """Whether that key was given by the caller; else it came with the files themselves."""
    problems: tuple[Problem, ...]

    @property
    def ok(self) -> bool:
        """Whether everything fits."""
        return not self.problems

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a reader of this result must know besides."""
        if self.pinned:
            return ()
        return (
            "The key was not pinned: it came with the ledger's own files. They fit each other; "
            "whose they are, they do not prove. Give the key that you got in another way.",
        )


def verify(source: Path | str | Source, vkey: str | None = None) -> Verification:
    """Check the ledger at `source` (a directory or an http(s) address) from its public files.

    Args:
        source: where the public files are.
        vkey: the ledger's public key, got in another way. Without it the published one is used,
            and the result says that the key was not pinned.

    Raises:
        LedgerError: there is no ledger at `source`, or `vkey` is no key. Damage is not raised: it
            is in the result's `problems`.
    """
    files = open_source(source)
    try:
        trust = find_key(files, vkey)
    except LedgerFileError as error:
        return _untrusted(error, "", pinned=False)
    try:
        checkpoint = read_checkpoint(files, trust)
    except LedgerFileError as error:
        return _untrusted(error, trust.key.vkey, pinned=trust.pinned)
    check = _Check(files, checkpoint)
    try:
        check_published_key(files, trust)
    except LedgerFileError as error:
        check.problems.append(Problem(error.where, error.problem))
    try:
        check.run()
    except _Enough:
        what = f"The check stopped after {ENOUGH} problems; there may be more."
        check.problems.append(Problem(CHECKPOINT, what))
    return Verification(
        origin=checkpoint.origin,
        size=checkpoint.size,
        root=checkpoint.root,
        vkey=trust.key.vkey,
        pinned=trust.pinned,
        problems=tuple(check.problems),
    )


def _untrusted(error: LedgerFileError, vkey: str, *, pinned: bool) -> Verification:
    problem = Problem(error.where, error.problem)
    return Verification(origin="", size=0, root=b"", vkey=vkey, pinned=pinned, problems=(problem,))


class _Enough(Exception):  # it ends the check, it is no error
    pass


@dataclass
class _Pair:
    """A bundle and its level-0 tile where they are not simply equal."""

    bundle: list[bytes]
    """The hashes of the entries that could be read."""
    whole: bool
    """Whether the bundle could be read to its end and has the right number of entries."""
    tile: bytes | None

    @property
    def computed(self) -> bytes | None:
        return b"".join(self.bundle) if self.whole else None


@dataclass
class _Check:
    """One run of the verifier over one checkpoint."""

    files: Source
    checkpoint: Checkpoint
    problems: list[Problem] = field(default_factory=list)
    pairs: dict[int, _Pair] = field(default_factory=dict)
    stored: dict[tuple[int, int], bytes | None] = field(default_factory=dict)
    computed: dict[int, bytes] = field(default_factory=dict)
    last_part: bytes = b""

    def run(self) -> None:
        size = self.checkpoint.size
        if size == 0:
            return  # the root of an empty checkpoint was checked when it was opened
        # 1. Hash every entry, and hold each bundle against its level-0 tile.
        self._hash_entries(size)
        # 2. Compute the levels above from what lies below, and read their tiles.
        self._climb(size)
        # 3. Hold the right edge against the signed root.
        trusted = self._check_edge(size)
        # 4. From there down, hold every tile against the hash that stands for it above.
        for tile, content in trusted.items():
            self._descend(tile, content)
        # 5. Old partial tiles, where they can be listed, must begin what grew out of them.
        self._check_old_partials(size)

    # ------------------------------------------------------------ 1
    def _hash_entries(self, size: int) -> None:
        roots: list[bytes] = []
        for tile, content, bundle in self._read_level_0(size):
            entries, ended = unpack(bundle or b"")
            hashes = [leaf_hash(entry) for entry in entries]
            whole = ended and len(hashes) == tile.width and bundle is not None
            part = b"".join(hashes)
            if not whole or part != content:
                self.pairs[tile.index] = _Pair(hashes, whole, content)
                part = part if whole else content or bytes(tile.width * HASH)
            if tile.width == WIDTH:
                roots.append(root(part))
            else:
                self.last_part = part
        self.computed[1] = b"".join(roots)

    def _read_level_0(self, size: int) -> Iterator[tuple[Tile, bytes | None, bytes | None]]:
        def wanted() -> Iterator[tuple[str, int]]:
            for tile in tiles_of(0, size):
                bundle = Tile(ENTRIES, tile.index, tile.width)
                yield tile.path, tile.byte_limit
                yield bundle.path, bundle.byte_limit

        got = self.files.read_many(wanted())
        for tile in tiles_of(0, size):
            content = self._usable(tile, next(got))
            yield tile, content, self._usable(Tile(ENTRIES, tile.index, tile.width), next(got))

    def _usable(self, tile: Tile, content: bytes | LedgerError | None) -> bytes | None:
        # The bytes of a tile or bundle. What is missing, unreadable or too long is a problem here.
        if content is None and tile.width < WIDTH:  # grown since: the full one begins with it
            content = self._cut(tile)
        if isinstance(content, LedgerError):
            self._add(tile.path, str(content))
            return None
        if content is None:
            self._add(tile.path, "It is missing.")
        elif tile.level != ENTRIES and len(content) != tile.width * HASH:
            self._add(tile.path, f"It has {len(content)} bytes, not {tile.width * HASH}.")
            return None
        return content

    def _cut(self, tile: Tile) -> bytes | LedgerError | None:
        try:
            content = self.files.read(tile.full.path, tile.byte_limit)
        except LedgerError as error:
            return error
        return None if content is None else beginning(tile, content)

    # ------------------------------------------------------------ 2
    def _climb(self, size: int) -> None:
        for level in range(1, levels(size)):
            tiles = list(tiles_of(level, size))
            wanted = [(tile.path, tile.byte_limit) for tile in tiles]
            for tile, content in zip(tiles, self.files.read_many(wanted), strict=True):
                self.stored[level, tile.index] = self._usable(tile, content)
            row = self.computed[level]
            full = range(0, len(row) - len(row) % (WIDTH * HASH), WIDTH * HASH)
            above = [root(row[at : at + WIDTH * HASH]) for at in full]
            self.computed[level + 1] = b"".join(above)

    def _stored(self, tile: Tile) -> bytes | None:
        if tile.level == 0:
            pair = self.pairs.get(tile.index)
            return pair.tile if pair else self._computed(tile)
        return self.stored[tile.level, tile.index]

    def _computed(self, tile: Tile) -> bytes:
        if tile.level == 0:
            return self.last_part
        start = tile.index * WIDTH * HASH
        return self.computed[tile.level][start : start + tile.width * HASH]

    # ------------------------------------------------------------ 3
    def _check_edge(self, size: int) -> dict[Tile, bytes]:
        # Which content of each right-edge tile to believe: what is stored, or what is computed.
        edge = edge_of(size)
        choices: list[list[bytes]] = []
        for tile in edge:
            stored, computed = self._stored(tile), self._computed(tile)
            choices.append([computed])
            if stored is not None and stored != computed:
                choices[-1].insert(0, stored)
        for choice in product(*choices):
            if edge_root(choice) == self.checkpoint.root:
                for tile, believed in zip(edge, choice, strict=True):
                    if tile.level:
                        self._blame_tile(tile, believed)
                return dict(zip(edge, choice, strict=True))
        return self._lost_edge(edge, choices)

    def _lost_edge(self, edge: list[Tile], choices: list[list[bytes]]) -> dict[Tile, bytes]:
        unsure = [tile for tile, choice in zip(edge, choices, strict=True) if len(choice) > 1]
        for tile in unsure:
            self._add(tile.path, "Neither it nor what lies below it fits the signed root.")
        if not unsure:
            found = edge_root(choice[0] for choice in choices)
            what = f"It signs the root {self.checkpoint.root.hex()}; the files make {found.hex()}."
            self._add(CHECKPOINT, what)
        return {tile: choice[0] for tile, choice in zip(edge, choices, strict=True)}

    # ------------------------------------------------------------ 4
    def _descend(self, tile: Tile, content: bytes) -> None:
        # `content` is what `tile` should hold. Hold the tiles below against it.
        if tile.level == 0:
            if tile.index in self.pairs:
                self._judge_pair(tile, content)
            return
        for offset in range(len(content) // HASH):
            want = content[offset * HASH : (offset + 1) * HASH]
            below = Tile(tile.level - 1, tile.index * WIDTH + offset)
            if below.level == 0:
                self._check_level_0(below, want)
                continue
            stored, computed = self._stored(below), self._computed(below)
            if stored is not None and root(stored) == want:
                self._descend(below, stored)
            elif root(computed) == want:
                self._blame_tile(below, computed)
                self._descend(below, computed)
            else:
                if stored is not None:
                    self._add(below.path, f"It does not fit hash {offset} of {tile.path}.")
                self._descend(below, stored or computed)

    def _check_level_0(self, tile: Tile, want: bytes) -> None:
        pair = self.pairs.get(tile.index)
        if pair is None:
            start = tile.index * HASH
            if self.computed[1][start : start + HASH] != want:
                first = tile.index * WIDTH
                what = f"Entries {first} to {first + WIDTH - 1} and their tile agree with each "
                what += "other, but not with the tree above them."
                self._add(Tile(ENTRIES, tile.index).path, what)
        elif pair.tile is not None and root(pair.tile) == want:
            self._judge_pair(tile, pair.tile)
        elif pair.computed is not None and root(pair.computed) == want:
            self._judge_pair(tile, pair.computed)
        else:
            self._judge_pair(tile, None)

    def _judge_pair(self, tile: Tile, right: bytes | None) -> None:
        # A bundle and its tile differ; `right` is what the tile should hold, if that is known.
        pair = self.pairs[tile.index]
        if right is not None:
            self._blame_tile(tile, right)
        elif pair.tile is not None:
            self._add(tile.path, "It does not fit the tree above it.")
        reference = right if right is not None else pair.tile
        if reference is not None and pair.computed != reference:
            self._blame_entries(tile, pair, reference)

    def _blame_tile(self, tile: Tile, right: bytes) -> None:
        stored = self.pairs[tile.index].tile if tile.level == 0 else self._stored(tile)
        if stored is None or stored == right:
            return
        for offset in range(tile.width):
            at = slice(offset * HASH, (offset + 1) * HASH)
            if stored[at] != right[at]:
                entry = tile.index * WIDTH + offset if tile.level == 0 else None
                self._add(tile.path, f"Hash {offset} is wrong.", entry)

    def _blame_entries(self, tile: Tile, pair: _Pair, right: bytes) -> None:
        path = Tile(ENTRIES, tile.index, tile.width).path
        if any(problem.where == path for problem in self.problems):
            return  # missing or unreadable, and told so
        for offset, found in enumerate(pair.bundle[: tile.width]):
            if found != right[offset * HASH : (offset + 1) * HASH]:
                entry = tile.index * WIDTH + offset
                self._add(path, "The entry is not what the tree holds.", entry)
                if not pair.whole:
                    return  # a broken length: what follows it is out of step
        if not pair.whole:
            entry = tile.index * WIDTH + min(len(pair.bundle), tile.width - 1)
            self._add(path, "The bundle breaks off or goes on too long here.", entry)

    # ------------------------------------------------------------ 5
    def _check_old_partials(self, size: int) -> None:
        named = {problem.where for problem in self.problems}
        for path in self.files.paths():
            tile = parse_path(path)
            if tile is None or tile.index * WIDTH + tile.width > hashes_at(tile.level, size):
                continue
            now = tile_at(tile.level, tile.index, size)
            if now == tile or now.path in named:
                continue
            old = self.files.read(path, tile.byte_limit)
            grown = self.files.read(now.path, now.byte_limit)
            if grown is not None and old != beginning(tile, grown):
                self._add(path, f"It is not the beginning of {now.path}.")

    def _add(self, where: str, what: str, entry: int | None = None) -> None:
        self.problems.append(Problem(where, what, entry))
        if len(self.problems) >= ENOUGH:
            raise _Enough
