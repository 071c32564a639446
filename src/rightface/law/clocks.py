"""The two clocks of a record: when it holds, and since and until when that was known."""

from __future__ import annotations

from datetime import datetime
from typing import TypeVar

T = TypeVar("T", str, datetime)


def holds(
    as_of: T,
    known_at: T,
    *,
    live: bool,
    start: T,
    until: T | None,
    recorded: T,
    ended: T | None,
) -> bool:
    """Whether a record holds at `as_of` as known at `known_at`: times, or their stamps.

    Valid in [start, until), known in [recorded, ended). For a permit an end counts at once.
    """
    if ended is not None and (live or ended <= known_at):
        return False
    return start <= as_of and (until is None or as_of < until) and recorded <= known_at
