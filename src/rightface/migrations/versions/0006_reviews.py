"""Human review: sealed candidate lists, seats of reviewers, decisions, figures."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "reviews",
        sa.Column("review_id", sa.String(length=28), nullable=False),
        sa.Column("client", sa.String(length=128), nullable=False),
        sa.Column("purpose", sa.String(length=64), nullable=False),
        sa.Column("collection_id", sa.String(length=36), nullable=False),
        sa.Column("ledger_index", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("outcome", sa.String(length=24), nullable=True),
        sa.Column("opened_at", sa.DateTime(), nullable=False),
        sa.Column("expires_at", sa.DateTime(), nullable=False),
        sa.Column("closed_at", sa.DateTime(), nullable=True),
        sa.Column("wrapped_key", sa.LargeBinary(), nullable=True),
        sa.Column("sealed_terms", sa.LargeBinary(), nullable=True),
        sa.Column("sealed_probe", sa.LargeBinary(), nullable=True),
        sa.Column("probe_face_id", sa.String(length=36), nullable=True),
        sa.Column("probe_subject", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("review_id"),
    )
    for column in ("client", "collection_id", "state", "probe_face_id", "probe_subject"):
        op.create_index(f"ix_reviews_{column}", "reviews", [column])
    op.create_table(
        "review_candidates",
        sa.Column("review_id", sa.String(length=28), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("face_id", sa.String(length=36), nullable=False),
        sa.Column("sealed_record", sa.LargeBinary(), nullable=False),
        sa.Column("sealed_crop", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(["review_id"], ["reviews.review_id"]),
        sa.PrimaryKeyConstraint("review_id", "number"),
    )
    op.create_index("ix_review_candidates_face_id", "review_candidates", ["face_id"])
    op.create_table(
        "review_seats",
        sa.Column("review_id", sa.String(length=28), nullable=False),
        sa.Column("credential_id", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("sealed_seed", sa.LargeBinary(), nullable=False),
        sa.Column("taken_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["review_id"], ["reviews.review_id"]),
        sa.PrimaryKeyConstraint("review_id", "credential_id"),
        sa.UniqueConstraint("review_id", "name", name="uq_review_seats_name"),
    )
    op.create_table(
        "review_decisions",
        sa.Column("review_id", sa.String(length=28), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("credential_id", sa.String(length=16), nullable=False),
        sa.Column("sealed_word", sa.LargeBinary(), nullable=False),
        sa.Column("decided_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["review_id"], ["reviews.review_id"]),
        sa.PrimaryKeyConstraint("review_id", "number", "credential_id"),
    )
    op.create_table(
        "review_figures",
        sa.Column("pack", sa.String(length=64), nullable=False),
        sa.Column("gallery", sa.String(length=64), nullable=False),
        sa.Column("band", sa.String(length=8), nullable=False),
        sa.Column("outcome", sa.String(length=24), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("pack", "gallery", "band", "outcome"),
    )
    op.create_index(
        "ix_faces_without_crop",
        "faces",
        ["collection_id"],
        sqlite_where=sa.text("crop IS NULL"),
        postgresql_where=sa.text("crop IS NULL"),
    )
