"""Sightings know the review that they wait for; users without a face, whose they were."""

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    # In place, on every engine.
    op.execute("ALTER TABLE job_parts ADD COLUMN review_id VARCHAR(28)")
    op.create_index("ix_job_parts_review_id", "job_parts", ["review_id"], unique=False)
    op.execute("ALTER TABLE users ADD COLUMN subject_id VARCHAR(36) REFERENCES subjects (id)")
    op.create_index("ix_users_subject_id", "users", ["subject_id"], unique=False)
