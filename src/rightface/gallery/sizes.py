"""How many faces a gallery holds, for whoever asks before every search. Knows only rows.

Small galleries are counted exactly, each time. Counting a large one takes longer than the question
is worth: beyond `EXACT` faces the number is as of at most a minute ago.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import Session

from rightface.gallery.rows import CollectionRow, FaceRow

EXACT = 1_000
REMEMBERED_SECONDS = 60.0
_KEPT = 10_000
_FACE, _GALLERY = FaceRow.__table__.c, CollectionRow.__table__.c
_OF_GALLERY = (
    select(_GALLERY.id)
    .where(_GALLERY.client == bindparam("client"), _GALLERY.name == bindparam("name"))
    .scalar_subquery()
)
_UP_TO = select(func.count()).select_from(
    select(_FACE.id).where(_FACE.collection_id == _OF_GALLERY).limit(EXACT + 1).subquery()
)
_ALL = select(func.count()).where(_FACE.collection_id == _OF_GALLERY)


class Sizes:
    """The galleries of one instance. Thread-safe."""

    def __init__(self, ticks: Callable[[], float] = time.monotonic) -> None:
        self._ticks = ticks
        self._large: dict[tuple[str, str], tuple[int, float]] = {}
        self._lock = threading.Lock()

    def of(self, session: Session, client: str, name: str) -> int:
        """How many faces that gallery holds; 0: there is none of that name."""
        key, now = (client, name), self._ticks()
        known = self._large.get(key)
        if known is not None and now < known[1]:
            return known[0]
        asked = {"client": client, "name": name}
        found = int(session.connection().execute(_UP_TO, asked).scalar_one())
        if found > EXACT:
            found = int(session.connection().execute(_ALL, asked).scalar_one())
            with self._lock:
                while len(self._large) >= _KEPT:
                    del self._large[next(iter(self._large))]
                self._large[key] = (found, now + REMEMBERED_SECONDS)
        else:
            with self._lock:
                self._large.pop(key, None)
        return found
