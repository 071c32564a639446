"""The leaves of a review: it was opened, somebody decided, it was closed. Never who said what."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy.orm import Session

from rightface.gallery.review_rows import ReviewRow
from rightface.ledger import log
from rightface.ledger.leaf import Leaf

_AT_ONCE = 500  # commitments in one leaf


def record_act(
    session: Session,
    row: ReviewRow,
    act: str,
    outcome: str,
    at: datetime,
    *,
    counts: Mapping[str, int] | None = None,
    subjects: tuple[str, ...] = (),
    records: tuple[str, ...] = (),
) -> None:
    """Append one to the ledger; more than one where it names very many candidates.

    `of` is the search's decision. The review's id stays out: reviewers could count each other.
    """
    for start in range(0, max(len(subjects), 1), _AT_ONCE):
        log.append(
            session,
            Leaf(
                time=at,
                kind="act",
                operation=act,
                client=row.client,
                purpose=row.purpose,
                outcome=outcome,
                of=row.ledger_index,
                counts=counts or {},
                subjects=subjects[start : start + _AT_ONCE],
                records=records,
            ),
        )
