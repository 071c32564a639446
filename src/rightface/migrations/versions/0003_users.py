"""Users of collections; answers kept for a client's request tokens."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_CHANGES = "change IN ('add', 'remove', 'user')"


def upgrade() -> None:
    op.create_table(
        "users",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("collection_id", sa.String(length=36), nullable=False),
        sa.Column("commitment", sa.String(length=64), nullable=False),
        sa.Column("sealed_id", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["collection_id"], ["collections.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("commitment"),
    )
    op.create_index("ix_users_collection_id_id", "users", ["collection_id", "id"], unique=False)
    op.create_table(
        "kept_answers",
        sa.Column("token", sa.String(length=64), nullable=False),
        sa.Column("parameters", sa.String(length=64), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("token"),
    )
    op.create_index("ix_kept_answers_at", "kept_answers", ["at"], unique=False)
    # In place, on every engine: to copy the table would copy every template.
    op.execute("ALTER TABLE faces ADD COLUMN user_id VARCHAR(36) REFERENCES users (id)")
    op.create_index("ix_faces_user_id", "faces", ["user_id"], unique=False)
    if op.get_bind().dialect.name == "sqlite":
        _widen_by_copying()
    else:
        op.drop_constraint("ck_gallery_log_change", "gallery_log", type_="check")
        op.create_check_constraint("ck_gallery_log_change", "gallery_log", sa.text(_CHANGES))


def _widen_by_copying() -> None:
    # SQLite changes no constraint. The last number given stays the last: none is given twice.
    connection = op.get_bind()
    told = "SELECT seq FROM sqlite_sequence WHERE name = 'gallery_log'"
    last = connection.execute(sa.text(told)).scalar()
    op.create_table(
        "gallery_log_wider",
        sa.Column("seq", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("collection_id", sa.String(length=36), nullable=False),
        sa.Column("face_id", sa.String(length=36), nullable=False),
        sa.Column("change", sa.String(length=6), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.CheckConstraint(_CHANGES, name="ck_gallery_log_change"),
        sa.PrimaryKeyConstraint("seq"),
        sqlite_autoincrement=True,
    )
    op.execute(
        "INSERT INTO gallery_log_wider (seq, collection_id, face_id, change, at)"
        " SELECT seq, collection_id, face_id, change, at FROM gallery_log"
    )
    op.drop_table("gallery_log")
    op.rename_table("gallery_log_wider", "gallery_log")
    op.create_index(
        "ix_gallery_log_collection_id_seq", "gallery_log", ["collection_id", "seq"], unique=False
    )
    if last is not None:
        kept = sa.text("DELETE FROM sqlite_sequence WHERE name = 'gallery_log'")
        connection.execute(kept)
        connection.execute(
            sa.text("INSERT INTO sqlite_sequence (name, seq) VALUES ('gallery_log', :last)"),
            {"last": last},
        )
