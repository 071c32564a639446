"""The log: one SQL table of leaves, appended in the transaction of what they record.

Indices are gapless from 0, in the order of commits, over all processes that share the database.
Rows never change: triggers refuse it. Must never know tiles, checkpoints or HTTP.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import (
    BigInteger,
    Connection,
    Integer,
    LargeBinary,
    Table,
    bindparam,
    event,
    func,
    insert,
    literal,
    select,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from rightface.db import WRITES, Base
from rightface.errors import LedgerError
from rightface.ledger.leaf import Leaf

_Index = BigInteger().with_variant(Integer, "sqlite")  # SQLite's own row number


class LedgerLeaf(Base):
    """One row: a leaf's index and its canonical bytes."""

    __tablename__ = "ledger_leaves"

    idx: Mapped[int] = mapped_column(_Index, primary_key=True, autoincrement=False)
    body: Mapped[bytes] = mapped_column(LargeBinary, nullable=False)


TABLE: Table = Base.metadata.tables["ledger_leaves"]

PROTECTION: dict[str, tuple[str, ...]] = {
    "sqlite": (
        """CREATE TRIGGER ledger_leaves_no_update BEFORE UPDATE ON ledger_leaves
        BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END""",
        """CREATE TRIGGER ledger_leaves_no_delete BEFORE DELETE ON ledger_leaves
        BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END""",
        """CREATE TRIGGER ledger_leaves_no_gap BEFORE INSERT ON ledger_leaves
        WHEN NEW.idx IS NOT (SELECT COALESCE(MAX(idx), -1) + 1 FROM ledger_leaves)
        BEGIN SELECT RAISE(ABORT, 'the ledger has no gaps'); END""",
    ),
    "postgresql": (
        """CREATE FUNCTION ledger_leaves_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'the ledger is append-only'; END $$""",
        """CREATE TRIGGER ledger_leaves_no_change BEFORE UPDATE OR DELETE OR TRUNCATE
        ON ledger_leaves FOR EACH STATEMENT EXECUTE FUNCTION ledger_leaves_refuse()""",
        """CREATE FUNCTION ledger_leaves_next() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          IF NEW.idx <> (SELECT COALESCE(MAX(idx), -1) + 1 FROM ledger_leaves)
          THEN RAISE EXCEPTION 'the ledger has no gaps'; END IF;
          RETURN NEW;
        END $$""",
        """CREATE TRIGGER ledger_leaves_no_gap BEFORE INSERT
        ON ledger_leaves FOR EACH ROW EXECUTE FUNCTION ledger_leaves_next()""",
    ),
}
"""The statements, by SQL dialect, that make the table append-only."""


def protect(connection: Connection) -> None:
    """Put the append-only triggers on the table. `create_all` does it; a migration calls it."""
    for statement in PROTECTION.get(connection.dialect.name, ()):
        connection.exec_driver_sql(statement)


@event.listens_for(TABLE, "after_create")
def _protect_created(_table: Table, connection: Connection, **_: object) -> None:
    protect(connection)


_idx, _body = TABLE.c.idx, TABLE.c.body
_next = select(func.coalesce(func.max(_idx), literal(-1)) + 1, bindparam("body", type_=LargeBinary))
_APPEND = insert(TABLE).from_select(["idx", "body"], _next).returning(_idx)
_SIZE = select(func.coalesce(func.max(_idx), literal(-1)) + 1)
_ENTRIES = (
    select(_idx, _body).where(_idx >= bindparam("start"), _idx < bindparam("end")).order_by(_idx)
)


def append(session: Session, leaf: Leaf) -> int:
    """Append a leaf within `Database.write`; return its index. It counts once that has returned.

    Raises:
        LedgerError: the leaf is too large, names a later decision, or `session` cannot write.
    """
    connection = session.connection()
    if not connection.get_execution_options().get(WRITES):
        raise LedgerError("The ledger is appended to only inside Database.write.")
    index = int(connection.execute(_APPEND, {"body": leaf.canonical()}).scalar_one())
    if leaf.of is not None and leaf.of >= index:
        raise LedgerError(
            "The outcome names a decision that is not in the ledger.",
            why=f"It names entry {leaf.of}; this would be entry {index}.",
        )
    return index


def adopt(session: Session, start: int, bodies: Sequence[bytes]) -> None:
    """Take over leaves of this very ledger that its public files have and this table lacks.

    Within `Database.write`, for a restored database. They were verified against a checkpoint.

    Raises:
        LedgerError: `session` cannot write, or the table does not end at `start`.
    """
    connection = session.connection()
    if not connection.get_execution_options().get(WRITES):
        raise LedgerError("The ledger is appended to only inside Database.write.")
    if size(session) != start:
        raise LedgerError(f"The database's ledger does not end at entry {start}.")
    for offset, body in enumerate(bodies):
        connection.execute(insert(TABLE), {"idx": start + offset, "body": body})


def size(session: Session) -> int:
    """How many leaves the ledger has."""
    return int(session.connection().execute(_SIZE).scalar_one())


def entries(session: Session, start: int, end: int) -> list[bytes]:
    """The canonical bytes of the leaves [start, end).

    Raises:
        LedgerError: one of them is missing from the table.
    """
    rows = session.connection().execute(_ENTRIES, {"start": start, "end": end}).all()
    for offset, (index, _) in enumerate(rows):
        if index != start + offset:
            raise LedgerError(f"Entry {start + offset} is missing from the database.")
    if len(rows) < end - start:
        raise LedgerError(f"Entry {start + len(rows)} is missing from the database.")
    if not all(isinstance(body, bytes | memoryview) for _, body in rows):
        raise LedgerError(
            "An entry's row in the database was changed.", mend="rightface ledger audit"
        )
    return [bytes(body) for _, body in rows]


def leaf_at(session: Session, index: int) -> Leaf:
    """The leaf at `index`.

    Raises:
        LedgerError: there is none, or its row is no leaf.
    """
    return Leaf.parse(entries(session, index, index + 1)[0])
