"""Everything of the first release: law, ledger, gallery.

The ledger's triggers are frozen here as they were: a revision does not change after it has run.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_APPEND_ONLY = {
    "sqlite": (
        """CREATE TRIGGER ledger_leaves_no_update BEFORE UPDATE ON ledger_leaves
        BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END""",
        """CREATE TRIGGER ledger_leaves_no_delete BEFORE DELETE ON ledger_leaves
        BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END""",
        """CREATE TRIGGER ledger_leaves_no_gap BEFORE INSERT ON ledger_leaves
        WHEN NEW.idx IS NOT (SELECT COALESCE(MAX(idx), -1) + 1 FROM ledger_leaves)
        BEGIN SELECT RAISE(ABORT, 'the ledger has no gaps'); END""",
    ),
    "postgresql": (
        """CREATE FUNCTION ledger_leaves_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'the ledger is append-only'; END $$""",
        """CREATE TRIGGER ledger_leaves_no_change BEFORE UPDATE OR DELETE OR TRUNCATE
        ON ledger_leaves FOR EACH STATEMENT EXECUTE FUNCTION ledger_leaves_refuse()""",
        """CREATE FUNCTION ledger_leaves_next() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          IF NEW.idx <> (SELECT COALESCE(MAX(idx), -1) + 1 FROM ledger_leaves)
          THEN RAISE EXCEPTION 'the ledger has no gaps'; END IF;
          RETURN NEW;
        END $$""",
        """CREATE TRIGGER ledger_leaves_no_gap BEFORE INSERT
        ON ledger_leaves FOR EACH ROW EXECUTE FUNCTION ledger_leaves_next()""",
    ),
}


def upgrade() -> None:
    op.create_table(
        "adoptions",
        sa.Column("id", _NUMBER, autoincrement=True, nullable=False),
        sa.Column("instrument", sa.String(length=128), nullable=False),
        sa.Column("adopted_at", sa.String(length=27), nullable=False),
        sa.Column("withdrawn_at", sa.String(length=27), nullable=True),
        sa.Column("by", sa.String(length=128), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_adoptions_instrument", "adoptions", ["instrument"], unique=False)
    op.create_table(
        "collections",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("client", sa.String(length=255), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("pack_digest", sa.String(length=64), nullable=False),
        sa.Column("tags", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("client", "name", name="uq_collections_client_name"),
    )
    op.create_table(
        "consents",
        sa.Column("id", _NUMBER, autoincrement=True, nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("purposes", sa.Text(), nullable=False),
        sa.Column("galleries", sa.Text(), nullable=False),
        sa.Column("client", sa.String(length=128), nullable=True),
        sa.Column("notice_digest", sa.String(length=64), nullable=False),
        sa.Column("retention_days", sa.Integer(), nullable=False),
        sa.Column("how", sa.String(length=32), nullable=False),
        sa.Column("obtained_at", sa.String(length=27), nullable=False),
        sa.Column("expires_at", sa.String(length=27), nullable=True),
        sa.Column("withdrawn_at", sa.String(length=27), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("consents_of_subject", "consents", ["subject", "id"], unique=False)
    op.create_table(
        "duties_on_record",
        sa.Column("id", _NUMBER, autoincrement=True, nullable=False),
        sa.Column("duty", sa.String(length=64), nullable=False),
        sa.Column("document_digest", sa.String(length=64), nullable=False),
        sa.Column("recorded_at", sa.String(length=27), nullable=False),
        sa.Column("ended_at", sa.String(length=27), nullable=True),
        sa.Column("by", sa.String(length=128), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_duties_on_record_duty", "duties_on_record", ["duty"], unique=False)
    op.create_table(
        "gallery_log",
        sa.Column("seq", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("collection_id", sa.String(length=36), nullable=False),
        sa.Column("face_id", sa.String(length=36), nullable=False),
        sa.Column("change", sa.String(length=6), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.CheckConstraint("change IN ('add', 'remove')", name="ck_gallery_log_change"),
        sa.PrimaryKeyConstraint("seq"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_gallery_log_collection_id_seq", "gallery_log", ["collection_id", "seq"], unique=False
    )
    op.create_table(
        "ledger_leaves",
        sa.Column("idx", _NUMBER, autoincrement=False, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("idx"),
    )
    op.create_table(
        "licences",
        sa.Column("licence_id", sa.String(length=40), nullable=False),
        sa.Column("access_key_id", sa.String(length=20), nullable=False),
        sa.Column("client", sa.String(length=128), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("signature", sa.LargeBinary(length=64), nullable=False),
        sa.Column("sealed_secret", sa.LargeBinary(length=128), nullable=False),
        sa.Column("revoked_at", sa.String(length=27), nullable=True),
        sa.PrimaryKeyConstraint("licence_id"),
        sa.UniqueConstraint("access_key_id"),
    )
    op.create_index("ix_licences_client", "licences", ["client"], unique=False)
    op.create_table(
        "subjects",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("commitment", sa.String(length=64), nullable=True),
        sa.Column("wrapped_key", sa.LargeBinary(), nullable=False),
        sa.Column("sealed_reference", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("commitment"),
    )
    op.create_table(
        "faces",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("collection_id", sa.String(length=36), nullable=False),
        sa.Column("subject_id", sa.String(length=36), nullable=False),
        sa.Column("image_id", sa.String(length=36), nullable=False),
        sa.Column("template", sa.LargeBinary(), nullable=False),
        sa.Column("crop", sa.LargeBinary(), nullable=True),
        sa.Column("box_left", sa.Float(), nullable=False),
        sa.Column("box_top", sa.Float(), nullable=False),
        sa.Column("box_width", sa.Float(), nullable=False),
        sa.Column("box_height", sa.Float(), nullable=False),
        sa.Column("confidence", sa.Float(), nullable=False),
        sa.Column("quality", sa.JSON(), nullable=False),
        sa.Column("basis", sa.String(length=64), nullable=False),
        sa.Column("purpose", sa.String(length=64), nullable=False),
        sa.Column("enrolled_at", sa.DateTime(), nullable=False),
        sa.Column("retain_until", sa.DateTime(), nullable=True),
        sa.Column("ledger_index", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["collection_id"],
            ["collections.id"],
        ),
        sa.ForeignKeyConstraint(
            ["subject_id"],
            ["subjects.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_faces_collection_id_id", "faces", ["collection_id", "id"], unique=False)
    op.create_index("ix_faces_retain_until", "faces", ["retain_until"], unique=False)
    op.create_index("ix_faces_subject_id", "faces", ["subject_id"], unique=False)
    for statement in _APPEND_ONLY.get(op.get_bind().dialect.name, ()):
        op.get_bind().exec_driver_sql(statement)
