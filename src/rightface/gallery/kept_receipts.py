"""Receipts kept, to be handed out later; and erasures whose receipt is still to come.

A row is written in the transaction that erases, with what the last look needs. After the look it
has the signed receipt, and nothing else. What a crash leaves between the two is finished later.
Must never know: HTTP, policy text; a receipt holds no name.
"""

from __future__ import annotations

import json
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from rightface.errors import GalleryError
from rightface.gallery.rows import ReceiptRow

ABANDONED = timedelta(seconds=60)
"""After this long nobody is at work on a pending receipt any more."""


def new_id() -> str:
    """A receipt's id: `rcp-` and 24 hexadecimal digits."""
    return "rcp-" + secrets.token_hex(12)


def expect(
    session: Session, receipt_id: str, *, client: str, ledger_index: int, pending: dict[str, Any]
) -> None:
    """Note that an erasure was done and its receipt is to come (inside `Database.write`)."""
    session.execute(
        insert(ReceiptRow).values(
            receipt_id=receipt_id,
            client=client,
            ledger_index=ledger_index,
            document=None,
            pending=json.dumps(pending),
            pending_since=datetime.now(UTC),
        )
    )


def keep(session: Session, receipt_id: str, document: dict[str, Any]) -> dict[str, Any]:
    """Keep the signed receipt (inside `Database.write`); the first one stays. Which is kept."""
    session.execute(
        update(ReceiptRow)
        .where(ReceiptRow.receipt_id == receipt_id, ReceiptRow.document.is_(None))
        .values(document=json.dumps(document), pending=None, pending_since=None)
        .execution_options(synchronize_session=False)
    )
    kept = session.execute(
        select(ReceiptRow.document).where(ReceiptRow.receipt_id == receipt_id)
    ).scalar_one_or_none()
    return document if kept is None else dict(json.loads(kept))


def find(session: Session, receipt_id: str, *, client: str | None = None) -> dict[str, Any]:
    """The signed receipt of that id, as JSON values; of this client's erasures only, if named.

    Raises:
        GalleryError: there is none, or it is not complete yet.
    """
    query = select(ReceiptRow.document, ReceiptRow.client).where(
        ReceiptRow.receipt_id == receipt_id
    )
    row = session.execute(query).one_or_none()
    if row is None or (client is not None and row.client != client):
        raise GalleryError("There is no receipt of this id.")
    if row.document is None:
        raise GalleryError("The receipt is not complete yet.", mend="Ask again in a minute.")
    return dict(json.loads(row.document))


def of_ledger_index(session: Session, index: int) -> list[str]:
    """The ids of the receipts for the ledger's entry `index`."""
    query = select(ReceiptRow.receipt_id).where(ReceiptRow.ledger_index == index)
    return list(session.scalars(query))


def abandoned(session: Session, now: datetime) -> list[tuple[str, dict[str, Any]]]:
    """(id, what was noted) of each erasure that nobody has finished."""
    query = select(ReceiptRow.receipt_id, ReceiptRow.pending).where(
        ReceiptRow.pending_since <= now - ABANDONED, ReceiptRow.pending.is_not(None)
    )
    return [(row.receipt_id, json.loads(row.pending)) for row in session.execute(query.limit(100))]
