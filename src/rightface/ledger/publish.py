"""The publisher: turns the log's rows into the public files of C2SP tlog-tiles, and signs them.

The files are a projection: SQL is the truth, and files that are gone are made again, byte for byte.
But what was signed once binds: a checkpoint is signed only if the last one is a prefix of it. Must
never know what leaves say, nor the law, nor faces.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator
from pathlib import Path

from rightface.db import Database
from rightface.errors import LedgerError
from rightface.keys import Signer
from rightface.ledger import log
from rightface.ledger.checkpoint import Checkpoint
from rightface.ledger.files import LedgerFiles
from rightface.ledger.merkle import EMPTY_ROOT, HASH, root
from rightface.ledger.note import NOTE_LIMIT, NoteKey
from rightface.ledger.tiles import (
    ENTRIES,
    WIDTH,
    Tile,
    beginning,
    edge_of,
    edge_root,
    hashes_at,
    levels,
    pack,
    parse_path,
    tile_at,
)
from rightface.ledger.trust import CHECKPOINT, VKEY

SIGNED = "signed"
ROWS = 16 * WIDTH  # rows read, and old rows looked at again, in one go


class Publisher:
    """Publishes the ledger of one database into one directory. Threads and processes may share it.

    Args:
        database: where the leaves are.
        directory: where the public files go; any web server may serve it as it is.
        signer: the instance's Ed25519 key for checkpoints, `keyring.signer("ledger")`.
        origin: the ledger's name, for example `example.com/ledger`.
        memory: a directory outside of the public one, for a second copy of the last checkpoint
            (`signed`): so that what was signed still binds when the public files are gone.
    """

    def __init__(
        self,
        database: Database,
        directory: Path,
        signer: Signer,
        origin: str,
        memory: Path | None = None,
    ) -> None:
        self._memory = None if memory is None else LedgerFiles(memory)
        self._database = database
        self._files = LedgerFiles(directory)
        self._signer = signer
        self._key = NoteKey(origin, signer.public_bytes)
        self._look_again = secrets.randbits(32)

    @property
    def vkey(self) -> str:
        """The public key as one line, to be pinned by those who verify."""
        return self._key.vkey

    def last(self) -> Checkpoint | None:
        """The last checkpoint that was published; None before the first.

        Raises:
            LedgerError: the file is damaged, or signed with another key.
        """
        note = self._files.read(CHECKPOINT, NOTE_LIMIT)
        if note is None and self._memory is not None:
            note = self._memory.read(SIGNED, NOTE_LIMIT)
        if note is None:
            return None
        try:
            return Checkpoint.open(note, [self._key])
        except LedgerError as error:
            raise LedgerError(
                "The last published checkpoint cannot be trusted.",
                why=str(error),
                mend="Compare the file 'checkpoint' with a copy that somebody else holds. Only "
                "then remove it, and publish anew.",
            ) from error

    def behind(self) -> int:
        """How many leaves are not yet published. Cheap: one indexed query and one small file."""
        last = self.last()
        return self._size() - (last.size if last else 0)

    def publish(self) -> Checkpoint:
        """Publish every leaf that is committed; return the checkpoint. Without news, the last one.

        Reads the new rows, the rows of the last unfinished tile, and in turn `ROWS` old rows, which
        it compares with what was published. Files that are gone or damaged are made again.

        Raises:
            LedgerError: the rows no longer begin with what was signed before (the message says
                where), or the files cannot be written. Then nothing is signed.
        """
        with self._files.writing():
            last = self.last()
            size = self._size()
            if last is None:
                return self._rebuild(None, size)
            if size < last.size:
                raise _shrunken(last.size, size)
            edge = self._edge(last)
            if edge is None:
                return self._rebuild(last, size)
            if size > last.size:
                if not self._some_agree(last.size):
                    return self._rebuild(last, size)
                old, last = last.size, self._extend(last.size, edge, size)
                self._drop_partial(old, size)
            self._publish_key()
            return last

    def rebuild(self) -> Checkpoint:
        """Make every public file again from SQL, after checking SQL against the last checkpoint.

        Raises:
            LedgerError: as `publish`.
        """
        with self._files.writing():
            return self._rebuild(self.last(), self._size())

    def audit(self) -> int:
        """Compare every row with every public file; return how many entries were compared.

        Raises:
            LedgerError: a row or a file is not what was signed. The message says which.
        """
        last = self.last()
        if last is None:
            return 0
        if self._size() < last.size:
            raise _shrunken(last.size, self._size())
        damaged = self._compare(last)
        if damaged and self.last() != last:
            return self.audit()  # somebody published meanwhile, and tidied partial tiles away
        if damaged:
            raise LedgerError(
                f"The ledger's file '{damaged[0]}' is missing or damaged.",
                why=f"{len(damaged)} files differ from the database, which is as it was signed.",
                mend="Remove the directory 'tile' and publish: it is made again from the database.",
            )
        return last.size

    # ------------------------------------------------------------ growing
    def _size(self) -> int:
        with self._database.read() as session:
            return log.size(session)

    def _rows(self, start: int, end: int) -> Iterator[tuple[int, list[bytes]]]:
        # The entries of each bundle that [start, end) touches, from `start` on.
        for at in range(start - start % ROWS, end, ROWS):
            first = max(at, start)
            with self._database.read() as session:
                entries = log.entries(session, first, min(at + ROWS, end))
            while entries:
                room = WIDTH - first % WIDTH
                yield first, entries[:room]
                first, entries = first + room, entries[room:]

    def _edge(self, last: Checkpoint) -> dict[int, bytes] | None:
        # The right-edge tiles of the last checkpoint by level; None unless they make up its root.
        parts: dict[int, bytes] = {}
        for tile in edge_of(last.size):
            part = self._read(tile)
            if part is None or len(part) != tile.width * HASH:
                return None
            parts[tile.level] = part
        bundle = Tile(ENTRIES, last.size // WIDTH, last.size % WIDTH)
        if bundle.width and self._read(bundle) is None:
            return None
        return parts if edge_root(parts.values()) == last.root else None

    def _read(self, tile: Tile) -> bytes | None:
        try:
            return self._files.read(tile.path, tile.byte_limit)
        except LedgerError:  # too large: as good as damaged
            return None

    def _extend(self, old: int, edge: dict[int, bytes], size: int) -> Checkpoint:
        # From the tree of `old` leaves with its right edge to that of `size`; then sign.
        edge = dict(edge)
        self._files.write((tile.path, content) for tile, content in self._news(old, edge, size))
        self._publish_key()
        checkpoint = Checkpoint.sign(self._key, size, self._root(size, edge), self._signer)
        self._files.write([(CHECKPOINT, checkpoint.note)])
        if self._memory is not None:
            self._memory.write([(SIGNED, checkpoint.note)])
        return checkpoint

    def _news(self, old: int, edge: dict[int, bytes], size: int) -> Iterator[tuple[Tile, bytes]]:
        # Every file that the tree of `size` has and that of `old` has not. `edge` grows with it.
        start = old - old % WIDTH
        known = edge.pop(0, b"")
        for first, entries in self._rows(start, size):
            hashes = _hashes(entries)
            if first == start:
                _require_prefix(known, hashes, start)
            yield from _grown(first, entries, hashes, edge)
        yield from ((tile, edge[tile.level]) for tile in edge_of(size) if tile.level)

    def _root(self, size: int, edge: dict[int, bytes]) -> bytes:
        return edge_root(edge[tile.level] for tile in edge_of(size)) if size else EMPTY_ROOT

    def _publish_key(self) -> None:
        line = self.vkey.encode() + b"\n"
        if self._files.read(VKEY, NOTE_LIMIT) != line:
            self._files.write([(VKEY, line)])

    def _drop_partial(self, old: int, size: int) -> None:
        # A partial tile may go once the full one is there (tlog-tiles, "Partial Tiles").
        for level in (ENTRIES, *range(levels(old))):
            tile = Tile(level, hashes_at(level, old) // WIDTH)
            if hashes_at(level, old) % WIDTH and hashes_at(level, size) // WIDTH > tile.index:
                self._files.remove_tree(f"{tile.path}.p")

    # ------------------------------------------------------------ comparing
    def _some_agree(self, size: int) -> bool:
        # Whether a slice of the old rows, another one each time, agrees with the public files.
        self._look_again += 1
        start = (self._look_again % -(-size // ROWS)) * ROWS if size else 0
        for first, entries in self._rows(start, min(start + ROWS, size)):
            width, index = len(entries), first // WIDTH
            if self._read(Tile(0, index, width)) != _hashes(entries):
                return False
            if self._read(Tile(ENTRIES, index, width)) != pack(entries):
                return False
        return True

    def _compare(self, last: Checkpoint) -> list[str]:
        # Which files differ from what SQL gives. Raises if SQL itself is not what was signed.
        damaged: list[str] = []
        suspect: int | None = None
        edge: dict[int, bytes] = {}
        for first, entries in self._rows(0, last.size):
            hashes = _hashes(entries)
            for tile, content in _grown(first, entries, hashes, edge):
                published = self._read(tile)
                if published == content:
                    continue
                damaged.append(tile.path)
                if tile.level == 0 and published and suspect is None:
                    suspect = first + _first_difference(published, hashes)
        for tile in edge_of(last.size):
            if tile.level and self._read(tile) != edge[tile.level]:
                damaged.append(tile.path)
        if self._root(last.size, edge) != last.root:
            raise _changed(suspect, last.size)
        return damaged

    def _rebuild(self, last: Checkpoint | None, size: int) -> Checkpoint:
        if last is not None:
            if size < last.size:
                raise _shrunken(last.size, size)
            self._compare(last)
        checkpoint = self._extend(0, {}, size)
        if last is not None:
            self._mend_partials(size)
            self._drop_partial(last.size, size)
        return checkpoint

    def _mend_partials(self, size: int) -> None:
        # Older partial files must go on being the beginning of what grew out of them.
        for path in list(self._files.paths()):
            tile = parse_path(path)
            if tile is None or tile.index * WIDTH + tile.width > hashes_at(tile.level, size):
                continue
            now = tile_at(tile.level, tile.index, size)
            grown = self._read(now)
            if now != tile and grown is not None and self._read(tile) != beginning(tile, grown):
                self._files.write([(path, beginning(tile, grown))])


def _hashes(entries: list[bytes]) -> bytes:
    return b"".join([hashlib.sha256(b"\x00" + entry).digest() for entry in entries])


def _grown(
    first: int, entries: list[bytes], hashes: bytes, edge: dict[int, bytes]
) -> Iterator[tuple[Tile, bytes]]:
    # The files that one more bundle brings; a full tile passes its root to the level above.
    index = first // WIDTH
    yield Tile(ENTRIES, index, len(entries)), pack(entries)
    yield Tile(0, index, len(entries)), hashes
    level, part = 0, hashes
    while len(part) == WIDTH * HASH:
        level, index = level + 1, index // WIDTH
        part = edge.get(level, b"") + root(part)
        edge[level] = part
        if len(part) == WIDTH * HASH:
            yield Tile(level, index), part
            edge[level] = b""
    if level == 0:
        edge[0] = part


def _first_difference(published: bytes, hashes: bytes) -> int:
    for at in range(0, len(hashes), HASH):
        if published[at : at + HASH] != hashes[at : at + HASH]:
            return at // HASH
    return 0


def _require_prefix(known: bytes, hashes: bytes, start: int) -> None:
    if not hashes.startswith(known):
        at = start + _first_difference(known, hashes[: len(known)])
        raise _changed(at, start + len(known) // HASH)


def _shrunken(signed: int, held: int) -> LedgerError:
    return LedgerError(
        f"The database holds {held} entries, but {signed} were signed; entry {held} is missing.",
        why="A ledger never shrinks. The database was perhaps restored from an old backup.",
        mend="Bring back the newer database. Nothing was signed.",
    )


def _changed(index: int | None, size: int) -> LedgerError:
    where = f"Entry {index}" if index is not None else f"An entry before {size}"
    return LedgerError(
        f"{where} in the database is not what was signed.",
        why="The last checkpoint is not a prefix of what the database holds now.",
        mend="Bring back the database as it was. Nothing was signed.",
    )
