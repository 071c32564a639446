"""One index per collection, kept in step with the SQL rows, whatever process wrote them.

Every change of a collection's faces is a row of `gallery_log`, written in the transaction that
makes the change. An index is filled from the rows at its first use and then follows that log: a
removal needs nothing but the log; an addition made elsewhere is decrypted under a `rebuild-index`
permit, asked for at that moment; one made here brings its vector along (`expecting`). Which user a
face belongs to is read from its row, whenever the log says that it changed.
The log is trimmed at its old end (change_log.py): an index further behind is held against the rows.
Must never know: policy text, HTTP, who a face belongs to.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from rightface.db import Database
from rightface.errors import CollectionNotFound, RightfaceError
from rightface.gallery import change_log
from rightface.gallery.exact_index import ExactIndex
from rightface.gallery.index import GroupHit, Hit, Vectors
from rightface.gallery.rows import ADD, REMOVE, USER, CollectionRow, FaceRow
from rightface.gallery.users import users_of
from rightface.gallery.vault import SealedTemplate, Vault, sealed_templates
from rightface.permit import Permit, Touch, require

_log = logging.getLogger(__name__)
Vector = NDArray[np.float32]  # shape (dimension,)
_AT_ONCE = 2048  # templates decrypted at a time
_IN = 500  # ids in one IN (...)
_ANEW = 40.0  # seconds after which a long filling asks for its permit again
BYTES = 4 << 30  # of all indexes together, before the least used one is dropped


class Comparison(Protocol):
    """The part of a model pack that an index needs."""

    @property
    def dimension(self) -> int:
        """The length of a template."""

    @property
    def vector_dimension(self) -> int:
        """The length of probe and reference vectors."""

    def reference_vectors(self, templates: NDArray[np.float32], *, permit: Permit) -> Vectors:
        """Templates (n, dimension) as the gallery's side of the inner product."""


class _Expected(NamedTuple):
    vector: Vector
    permit: Permit


class _Shelf:
    """One collection's index and how far it has followed the log."""

    def __init__(self, index: ExactIndex) -> None:
        self.index = index
        self.position = 0
        self.filled = False
        self.turn = threading.Lock()  # one follower at a time
        self.expected: dict[str, _Expected] = {}


class IndexRoom:
    """The indexes of this process. Thread-safe."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        comparison: Comparison,
        rebuilding: Callable[[], AbstractContextManager[Permit]],
        *,
        most_bytes: int = BYTES,
    ) -> None:
        self._database = database
        self._vault = vault
        self._comparison = comparison
        self._rebuilding = rebuilding
        self._most_bytes = most_bytes
        self._shelves: OrderedDict[str, _Shelf] = OrderedDict()  # least recently used first
        self._erased: set[str] = set()  # collections that must not come back from an old read
        self._lock = threading.Lock()

    # ------------------------------------------------------------ searching
    def search(
        self, session: Session, collection_id: str, probes: Vectors, k: int, *, permit: Permit
    ) -> list[list[Hit]]:
        """For each probe vector the `k` best faces; nothing that `session` sees is missed. SEARCH.

        Join the answer to the rows (`Store.fetch_faces`) before telling it to anyone.

        Raises:
            GalleryError: see `Index.search`.
            CollectionNotFound: the collection was erased.
        """
        require(permit, Touch.SEARCH)
        return self.catch_up(session, collection_id).search(probes, k, permit=permit)

    def search_users(
        self,
        session: Session,
        collection_id: str,
        probes: Vectors,
        k: int,
        *,
        without: Collection[str] = (),
        permit: Permit,
    ) -> list[list[GroupHit]]:
        """For each probe vector the `k` best users (by row id), each by its best face. SEARCH.

        The faces of `without` count as absent. Else as `search`, errors included.
        """
        require(permit, Touch.SEARCH)
        index = self.catch_up(session, collection_id)
        return index.search_grouped(probes, k, without=without, permit=permit)

    def catch_up(self, session: Session, collection_id: str) -> ExactIndex:
        """The collection's index, brought to what `session` sees; filled if it was not yet.

        Costs one indexed SELECT when nothing changed.
        """
        shelf = self._shelf(collection_id)
        if not shelf.filled or change_log.newer(session, collection_id, shelf.position):
            self._follow(collection_id, shelf)
            self._make_room(collection_id)
        return shelf.index

    # ------------------------------------------------------------ following
    @contextmanager
    def expecting(
        self, collection_id: str, vectors: Mapping[str, Vector], *, permit: Permit
    ) -> Iterator[None]:
        """Write the rows of these faces inside this block; after it they can be searched. INDEX.

        `vectors`: reference vectors by face id. Spares the index from decrypting what this process
        has at hand. If the block raises, nothing is added. If only the index fails, the rows stay
        and the next search brings the index up to date.
        """
        require(permit, Touch.INDEX)
        shelf = self._shelf(collection_id)
        if not shelf.filled:  # or the filling would meet the new rows first, and decrypt them
            self._follow_if_possible(collection_id, shelf)
        coming = {face_id: _Expected(vector, permit) for face_id, vector in vectors.items()}
        shelf.expected.update(coming)
        try:
            yield
            self._follow_if_possible(collection_id, shelf)
        finally:
            for face_id in coming:
                shelf.expected.pop(face_id, None)

    def follow(self) -> None:
        """Catch every index up with what any process wrote. For a poll; cheap if nothing changed.

        Lets go of the indexes of collections that are gone.
        """
        with self._lock:
            shelves = dict(self._shelves)
        if not shelves:
            return
        with self._database.read() as session:
            living = _living(session, list(shelves))
            behind = [
                (collection_id, shelf)
                for collection_id, shelf in shelves.items()
                if collection_id in living
                and change_log.newer(session, collection_id, shelf.position)
            ]
        for collection_id in shelves.keys() - living:
            self.forget_collection(collection_id)
        for collection_id, shelf in behind:
            try:  # one index that cannot be followed must not keep another from forgetting
                self._follow(collection_id, shelf)
            except RightfaceError as error:
                _log.error("an index did not follow the database (%s)", error.code)

    def forget(self, faces: Mapping[str, Collection[str]]) -> int:
        """After an erasure was committed: let go of these faces (by collection id) now.

        Needs no permit. An index that cannot take other faces in just now forgets all the same.

        Returns:
            How many of them the indexes still hold (0).
        """
        left = 0
        for collection_id, face_ids in faces.items():
            with self._lock:
                shelf = self._shelves.get(collection_id)
            if shelf is None:
                continue
            self._follow_if_possible(collection_id, shelf)
            with shelf.turn:
                shelf.index.remove(face_ids)
                left += sum(face_id in shelf.index for face_id in face_ids)
        return left

    def forget_collection(self, collection_id: str) -> None:
        """After a collection's erasure was committed: let go of its whole index now."""
        with self._lock:
            self._erased.add(collection_id)
            shelf = self._shelves.pop(collection_id, None)
        if shelf is not None:
            with shelf.turn:
                shelf.index.clear()

    def sizes(self) -> dict[str, tuple[int, int]]:
        """For the metrics: (faces, bytes) of each index held, by collection id."""
        with self._lock:
            return {key: (len(one.index), one.index.nbytes) for key, one in self._shelves.items()}

    # ------------------------------------------------------------ inside
    def _shelf(self, collection_id: str) -> _Shelf:
        with self._lock:
            if collection_id in self._erased:
                raise CollectionNotFound("The collection was erased.")
            shelf = self._shelves.get(collection_id)
            if shelf is None:
                shelf = _Shelf(ExactIndex(self._comparison.vector_dimension))
                self._shelves[collection_id] = shelf
            self._shelves.move_to_end(collection_id)
            return shelf

    def _make_room(self, used: str) -> None:
        # An index let go here may still be read by a search that holds it: it is not cleared.
        with self._lock:
            held = sum(shelf.index.nbytes for shelf in self._shelves.values())
            for collection_id in list(self._shelves):
                if held <= self._most_bytes:
                    break
                if collection_id != used:
                    held -= self._shelves.pop(collection_id).index.nbytes

    def _follow_if_possible(self, collection_id: str, shelf: _Shelf) -> None:
        # What was written stays written: an index that fails catches up later.
        try:
            self._follow(collection_id, shelf)
        except RightfaceError as error:
            _log.error("an index did not take new faces in (%s)", error.code)

    def _follow(self, collection_id: str, shelf: _Shelf) -> None:
        # A session of its own, opened in turn: what an older read shows never undoes a removal.
        with shelf.turn, self._database.read() as session:
            if not shelf.filled:
                shelf.index.clear()  # what a filling that failed has left
                position = change_log.last(session, collection_id)
                query = sealed_templates().where(FaceRow.collection_id == collection_id)
                self._take_in(session, shelf, query)
                shelf.index.assign(_grouped(session, collection_id))
                shelf.position, shelf.filled = position, True
            elif shelf.position < change_log.floor(session, collection_id):
                self._hold_against_rows(session, collection_id, shelf)
            last: dict[str, str] = {}
            moved: set[str] = set()
            position = shelf.position
            while changes := change_log.changes(session, collection_id, position):
                moved.update(one.face_id for one in changes if one.change == USER)
                last.update((one.face_id, one.change) for one in changes if one.change != USER)
                position = changes[-1].seq
            # Forgetting first: what cannot be taken in must not stand in its way.
            shelf.index.remove([key for key, change in last.items() if change == REMOVE])
            self._add(session, collection_id, shelf, [key for key in last if last[key] == ADD])
            if moved:  # after the additions: a face that is added is of no user
                shelf.index.assign(users_of(session, moved))
            shelf.position = position

    def _hold_against_rows(self, session: Session, collection_id: str, shelf: _Shelf) -> None:
        # What the log would have said is trimmed. In place: searches go on and miss no face.
        position, there = change_log.last(session, collection_id), _users(session, collection_id)
        shelf.index.keep(there)  # forgetting first, here too
        self._add(session, collection_id, shelf, list(there))
        shelf.index.assign(there)
        shelf.position = position

    def _add(
        self, session: Session, collection_id: str, shelf: _Shelf, face_ids: list[str]
    ) -> None:
        unknown = []
        for face_id in face_ids:
            expected = shelf.expected.get(face_id)
            if expected is not None:
                vector = np.asarray(expected.vector, np.float32).reshape(1, -1)
                shelf.index.add([face_id], vector, permit=expected.permit)
            elif face_id not in shelf.index:
                unknown.append(face_id)
        for start in range(0, len(unknown), _IN):
            some = unknown[start : start + _IN]
            query = sealed_templates().where(
                FaceRow.collection_id == collection_id, FaceRow.id.in_(some)
            )
            self._take_in(session, shelf, query)

    def _take_in(self, session: Session, shelf: _Shelf, query: Select[*tuple[Any, ...]]) -> None:
        rows = session.execute(query.execution_options(yield_per=_AT_ONCE))
        permit: Permit | None = None
        until = 0.0
        with ExitStack() as stack:
            for some in rows.partitions():
                if permit is None or time.monotonic() > until:
                    stack.close()
                    permit = stack.enter_context(self._rebuilding())
                    until = time.monotonic() + _ANEW
                self._index(shelf, [SealedTemplate(*row) for row in some], permit)

    def _index(self, shelf: _Shelf, rows: Sequence[SealedTemplate], permit: Permit) -> None:
        ids, templates = [], []
        for face_id, template in self._vault.open_templates(rows, permit=permit):
            if template is not None and template.size == self._comparison.dimension:
                ids.append(face_id)
                templates.append(template)
        if len(ids) < len(rows):
            _log.error("%d templates do not open and are left out", len(rows) - len(ids))
        if ids:
            vectors = self._comparison.reference_vectors(np.stack(templates), permit=permit)
            shelf.index.add(ids, vectors, permit=permit)


def _users(session: Session, collection_id: str) -> dict[str, str | None]:
    query = select(FaceRow.id, FaceRow.user_id).where(FaceRow.collection_id == collection_id)
    return {row.id: row.user_id for row in session.execute(query)}


def _grouped(session: Session, collection_id: str) -> dict[str, str | None]:
    query = select(FaceRow.id, FaceRow.user_id).where(
        FaceRow.collection_id == collection_id, FaceRow.user_id.is_not(None)
    )
    return {row.id: row.user_id for row in session.execute(query)}


def _living(session: Session, collection_ids: list[str]) -> set[str]:
    query = select(CollectionRow.id).where(CollectionRow.id.in_(collection_ids))
    return set(session.execute(query).scalars())
