"""Forgetting: suppressions of a subject in a gallery; receipts kept; the log of changes trimmed."""

import sqlalchemy as sa
from alembic import op

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
