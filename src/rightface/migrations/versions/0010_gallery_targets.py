"""What one search of a gallery may get wrong: its target."""

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    # In place, on every engine.
    op.execute("ALTER TABLE collections ADD COLUMN fpir_target FLOAT")
