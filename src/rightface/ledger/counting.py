"""Counts requests in the log's table, from its end backwards. Must never know files or tiles."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from rightface.ledger import log
from rightface.ledger.leaf import Leaf

_AT_ONCE = 1000


def count_requests(session: Session, licence_id: str, since: datetime) -> int:
    """How many requests of a licence the log has decisions on since a moment.

    A request may need several decisions; it counts once. Reads back from the end to the first leaf
    before `since`: a server's day, once per start.

    Raises:
        LedgerError: a row is missing or is no leaf.
    """
    named = licence_id.encode()
    requests: set[str] = set()
    end = log.size(session)
    while end:
        start = max(0, end - _AT_ONCE)
        bodies = log.entries(session, start, end)
        early = Leaf.parse(bodies[0]).time < since
        for body in bodies:
            if named in body:
                leaf = Leaf.parse(body)
                mine = leaf.kind == "decision" and leaf.licence == licence_id
                if mine and leaf.time >= since:
                    requests.add(leaf.request or f"decision-{len(requests)}")
        if early:
            break
        end = start
    return len(requests)
