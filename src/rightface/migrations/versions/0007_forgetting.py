"""Forgetting: suppressions of a subject in a gallery; receipts kept; the log of changes trimmed.

Consents get a keyed hash of their row. Those of earlier releases get theirs here, by what `migrate`
was given for it: whoever opens the database has the key.
"""

import sqlalchemy as sa
from alembic import context, op

revision = "0007"
down_revision = "0006"

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "suppressions",
        sa.Column("id", _NUMBER, autoincrement=True, nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("client", sa.String(length=64), nullable=False),
        sa.Column("gallery", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=False),
        sa.Column("at", sa.String(length=27), nullable=False),
        sa.Column("mac", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "suppressions_of_subject",
        "suppressions",
        ["subject", "client", "gallery", "reason"],
        unique=True,
    )
    op.create_table(
        "receipts",
        sa.Column("receipt_id", sa.String(length=32), nullable=False),
        sa.Column("client", sa.String(length=128), nullable=False),
        sa.Column("ledger_index", sa.Integer(), nullable=False),
        sa.Column("document", sa.Text(), nullable=True),
        sa.Column("pending", sa.Text(), nullable=True),
        sa.Column("pending_since", sa.DateTime(), nullable=True),
        sa.PrimaryKeyConstraint("receipt_id"),
    )
    op.create_index("ix_receipts_pending", "receipts", ["pending_since"], unique=False)
    # In place, on every engine. What the log of changes has lost at its old end.
    op.execute("ALTER TABLE collections ADD COLUMN log_floor INTEGER DEFAULT 0 NOT NULL")
    op.create_index("consents_by_end", "consents", ["expires_at"], unique=False)
    op.execute("ALTER TABLE consents ADD COLUMN mac VARCHAR(64)")
    row_mac = context.config.attributes.get("consent_mac")
    if row_mac is None:
        return
    connection = op.get_bind()
    table = sa.Table("consents", sa.MetaData(), autoload_with=connection)
    for row in connection.execute(sa.select(table)).all():
        connection.execute(table.update().where(table.c.id == row.id).values(mac=row_mac(row)))
