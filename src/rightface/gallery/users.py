"""Users: several faces of one person under one name.

Must never know: HTTP, policy text.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy.orm import Session


def forget(session: Session, face_ids: Collection[str]) -> int:
    """Destroy whatever is kept here of these faces (inside the transaction that erases them).

    Called by the one erasure path (erasure.py), before the faces' rows go.

    Returns:
        How many things were destroyed.
    """
    del session, face_ids
    return 0


def left(session: Session, face_ids: Collection[str]) -> int:
    """The verification query: how many things are still kept here of these faces."""
    del session, face_ids
    return 0
