"""The rotation of the master key, while a server runs.

    1. Write the next master key beside the present one, the commitments' keys before it. From then
       on every process accepts both, and seals with the next: an open ring looks at its directory
       each time it seals (keys.py).
    2. Wrap every sealed key anew, some at a time: subjects', access keys', users' ids, jobs',
       reviews', kept answers'. Go over all of it until nothing is under the present one any more.
    3. Seal the signing keys anew; the next key becomes the master key.
    4. Go over all of it once more with the old key in memory, for what a slow process sealed.

One at a time, and never beside a backup (leftovers.py).
A crash leaves both keys: the rotation goes on where it was. Templates are not touched: the keys of
their subjects are. What does not change: the keys of commitments (look-ups would be lost, and the
names are not kept), and the ledger's signing key. Must never know: a command line, a wire format.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import LargeBinary, Table, func, select, update
from sqlalchemy.orm import Session

from rightface.db import Base
from rightface.errors import KeysError
from rightface.gallery import jobs, request_tokens, review_seals
from rightface.gallery.user_ids import user_place
from rightface.gallery.vault import key_place
from rightface.instance import Instance
from rightface.keys import begin_rotation, derive, finish_rotation, seal, unseal
from rightface.leftovers import alone

ROTATE = "key-rotate"
BATCH = 200  # rows wrapped anew by one commit, so that other writers come in between
_SETTLE = 0.05  # seconds: longer than two changes of a directory may look like one
Progress = Callable[[int, int], None]
"""Called with how many rows are done, and of how many."""


@dataclass(frozen=True, kw_only=True)
class Rotated:
    """What a rotation did."""

    rows: int
    """How many sealed keys were wrapped anew."""
    unreadable: int
    """Rows that open under neither key: they were damaged before."""
    ledger_index: int


@dataclass(frozen=True)
class _Sealed:
    """One column that is sealed under a sub-key of the master key, and what binds each row."""

    table: str
    ids: tuple[str, ...]
    column: str
    use: str
    place: Callable[..., bytes]


_SEALED = (
    _Sealed("subjects", ("id",), "wrapped_key", "vault", key_place),
    _Sealed("licences", ("licence_id",), "sealed_secret", "access-keys", str.encode),
    _Sealed("users", ("id",), "sealed_id", "user-id", user_place),
    _Sealed("jobs", ("id",), "wrapped_key", "jobs", jobs.key_place),
    _Sealed("reviews", ("review_id",), "wrapped_key", review_seals.USE, review_seals.key_place),
    _Sealed(
        "kept_answers",
        ("token", "parameters"),
        "sealed",
        "kept-answer",
        request_tokens.answer_place,
    ),
)


def rotate(instance: Instance, *, progress: Progress = lambda _done, _all: None) -> Rotated:
    """Give an open instance a new master key; go on with a rotation that was cut off.

    Raises:
        KeysError: the master key is in the environment, or a key file cannot be read.
        StorageError: a backup or another rotation is under way; or a batch could not be written:
            what was done stays done, both keys hold.
    """
    with alone(instance.settings.data):
        return _rotate(instance, progress)


def _rotate(instance: Instance, progress: Progress) -> Rotated:
    directory = instance.settings.keys_directory
    # 1. The next key.
    old = begin_rotation(directory)
    time.sleep(_SETTLE)
    instance.keyring.refresh()
    work = _Work(instance, old, progress)
    # 2. Everything, until a whole pass finds nothing.
    while work.one_pass():
        pass
    # 3. The signing keys; then the next key is the master key.
    finish_rotation(directory)
    time.sleep(_SETTLE)
    instance.keyring.refresh()
    # 4. Once more, while the old key is still known.
    work.one_pass()
    counts = {"rows": work.done, "unreadable": work.unreadable}
    index = instance.database.write(
        lambda session: instance.record_act(session, ROTATE, counts=counts)
    )
    return Rotated(rows=work.done, unreadable=work.unreadable, ledger_index=index)


class _Work:
    def __init__(self, instance: Instance, old: bytes, progress: Progress) -> None:
        self._instance = instance
        self._old = old
        self._progress = progress
        self.done = self.unreadable = 0

    def one_pass(self) -> int:
        """Wrap anew whatever is not under the present key; how many rows that were."""
        before, self.unreadable, seen = self.done, 0, 0
        with self._instance.database.read() as session:
            everything = sum(_rows(session, each) for each in _SEALED)
        for each in _SEALED:
            for ids in self._batches(each):
                self._instance.database.write(partial(self._batch, sealed=each, ids=ids))
                seen += len(ids)
                self._progress(seen, everything)
        return self.done - before

    def _batches(self, sealed: _Sealed) -> Iterator[list[str]]:
        table, after = _table(sealed), ""
        first = table.c[sealed.ids[0]]
        while True:
            with self._instance.database.read() as session:
                query = select(first).where(first > after, table.c[sealed.column].is_not(None))
                ids = list(session.execute(query.order_by(first).limit(BATCH)).scalars())
            if not ids:
                return
            yield ids
            after = ids[-1]

    def _batch(self, session: Session, sealed: _Sealed, ids: list[str]) -> None:
        table = _table(sealed)
        first, column = table.c[sealed.ids[0]], table.c[sealed.column]
        names = [table.c[name] for name in sealed.ids]
        new = self._instance.keyring.subkey(sealed.use)
        for row in session.execute(
            select(*names, column).where(first.in_(ids), column.is_not(None))
        ):
            place, content = sealed.place(*row[:-1]), bytes(row[-1])
            plain = _opened(new, content, place)
            if plain is not None:
                continue
            plain = _opened(derive(self._old, sealed.use), content, place)
            if plain is None:
                self.unreadable += 1
                continue
            session.execute(
                update(table)
                .where(first == row[0])
                .values({sealed.column: seal(new, plain, place)})
            )
            self.done += 1


def _opened(key: bytes, content: bytes, place: bytes) -> bytes | None:
    try:
        return unseal(key, content, place)
    except KeysError:
        return None


def _table(sealed: _Sealed) -> Table:
    table = Base.metadata.tables[sealed.table]
    assert isinstance(table.c[sealed.column].type, LargeBinary)
    return table


def _rows(session: Session, sealed: _Sealed) -> int:
    column: Any = _table(sealed).c[sealed.column]
    return int(session.execute(select(func.count(column))).scalar_one())
