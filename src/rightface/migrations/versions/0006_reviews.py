"""Human review: sealed candidate lists, seats of reviewers, decisions."""

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    pass
