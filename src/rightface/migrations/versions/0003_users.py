"""Users of collections; answers kept for a client's request tokens."""

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    pass
