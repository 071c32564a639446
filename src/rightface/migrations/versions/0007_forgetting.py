"""Forgetting: suppressions of a subject in a gallery; receipts kept."""

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    pass
