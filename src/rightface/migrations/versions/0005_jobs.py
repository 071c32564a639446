"""Jobs on stored videos and their sealed results."""

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    pass
