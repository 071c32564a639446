"""The law: warrants, facts and findings on record; signed adoptions and duties; idle faces.

Acts recorded before this revision bear no signature: an adoption without one stays in force, a duty
without one counts as not met.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("adoptions", sa.Column("body", sa.Text(), nullable=True))
    op.add_column("adoptions", sa.Column("signature", sa.LargeBinary(length=64), nullable=True))
    op.add_column("adoptions", sa.Column("withdrawal", sa.Text(), nullable=True))
    op.add_column(
        "adoptions", sa.Column("withdrawal_signature", sa.LargeBinary(length=64), nullable=True)
    )
    op.add_column("duties_on_record", sa.Column("body", sa.Text(), nullable=True))
    op.add_column(
        "duties_on_record", sa.Column("signature", sa.LargeBinary(length=64), nullable=True)
    )
    op.add_column("faces", sa.Column("idle_days", sa.Integer(), nullable=True))
    op.add_column("faces", sa.Column("idle_until", sa.DateTime(), nullable=True))
    op.create_index("ix_faces_idle_until", "faces", ["idle_until"], unique=False)
    op.create_table(
        "warrants",
        sa.Column("warrant_id", sa.String(length=40), nullable=False),
        sa.Column("client", sa.String(length=128), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("signature", sa.LargeBinary(length=64), nullable=False),
        sa.Column("recorded_at", sa.String(length=27), nullable=False),
        sa.Column("requested_at", sa.String(length=27), nullable=True),
        sa.Column("reported_at", sa.String(length=27), nullable=True),
        sa.Column("ended_at", sa.String(length=27), nullable=True),
        sa.Column("ended_as", sa.String(length=16), nullable=True),
        sa.Column("course_signature", sa.LargeBinary(length=64), nullable=False),
        sa.PrimaryKeyConstraint("warrant_id"),
    )
    op.create_index("ix_warrants_client", "warrants", ["client"], unique=False)
    op.create_table(
        "facts_on_record",
        sa.Column("fact_id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("client", sa.String(length=128), nullable=True),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("signature", sa.LargeBinary(length=64), nullable=False),
        sa.Column("attestation", sa.Text(), nullable=True),
        sa.Column("recorded_at", sa.String(length=27), nullable=False),
        sa.Column("ended_at", sa.String(length=27), nullable=True),
        sa.PrimaryKeyConstraint("fact_id"),
    )
    op.create_index("facts_by_name", "facts_on_record", ["name", "recorded_at"], unique=False)
    op.create_table(
        "attesters",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("signature", sa.LargeBinary(length=64), nullable=False),
        sa.Column("added_at", sa.String(length=27), nullable=False),
        sa.Column("ended_at", sa.String(length=27), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_attesters_name", "attesters", ["name"], unique=False)
    op.create_table(
        "findings",
        sa.Column("finding_id", sa.String(length=40), nullable=False),
        sa.Column("client", sa.String(length=128), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("signature", sa.LargeBinary(length=64), nullable=False),
        sa.Column("recorded_at", sa.String(length=27), nullable=False),
        sa.PrimaryKeyConstraint("finding_id"),
    )
    op.create_index("ix_findings_client", "findings", ["client"], unique=False)
