"""The vault: what is sealed opens for its own face only, and shows nothing at rest."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, text, update

from rightface.db import Base, Database
from rightface.errors import GalleryError, KeysError, PermitError
from rightface.gallery.rows import FaceRow, SubjectRow
from rightface.gallery.vault import Vault, padded
from rightface.keys import KeyRing
from tests.gallery.conftest import DIMENSION, Gallery, new_face, templates


def test_a_template_comes_back_as_it_was(gallery: Gallery) -> None:
    staff, (template,) = gallery.collection(), templates(1)
    (face_id,) = gallery.enrol(staff, new_face("ada", template, crop=b"a crop"))
    with gallery.permitted("rebuild-index") as permit, gallery.database.read() as session:
        opened = gallery.vault.open_template(session, face_id, staff.id, permit=permit)
        crop = gallery.vault.open_crop(session, face_id, staff.id, permit=permit)
        elsewhere = gallery.vault.open_template(session, face_id, "other", permit=permit)
    assert opened is not None
    assert np.array_equal(opened, template)
    assert crop == b"a crop"
    assert elsewhere is None


def test_one_key_per_subject_found_again(gallery: Gallery) -> None:
    with gallery.database.read() as session:
        assert gallery.vault.subject_for(session, "ada") is None
        first = gallery.vault.subject_for(session, "ada", create=True)
        again = gallery.vault.subject_for(session, "ada", create=True)
        other = gallery.vault.subject_for(session, "bob", create=True)
        nameless = gallery.vault.subject_for(session, None, create=True)
        assert first == again
        assert len({first.key, other.key, nameless.key}) == 3
        assert gallery.vault.subject_for(session, None) is None
    assert "key=" not in repr(first)


def test_references_come_back_and_need_a_permit(gallery: Gallery) -> None:
    with gallery.database.read() as session:
        ada = gallery.vault.subject_for(session, "ada", create=True)
        nobody = gallery.vault.subject_for(session, None, create=True)
        with gallery.permitted("manage-gallery") as permit:
            assert gallery.vault.reference_of(session, ada.subject_id, permit=permit) == "ada"
            assert gallery.vault.reference_of(session, nobody.subject_id, permit=permit) is None
            assert gallery.vault.reference_of(session, "unknown", permit=permit) is None
        with gallery.permitted("detect") as permit, pytest.raises(PermitError):
            gallery.vault.reference_of(session, ada.subject_id, permit=permit)


@given(st.text(max_size=300))
def test_padding_hides_length_and_loses_nothing(reference: str) -> None:
    content = padded(reference)
    assert len(content) % 64 == 0
    assert content[: content.rindex(b"\x80")].decode() == reference


def test_the_database_shows_no_name_and_no_template(gallery: Gallery) -> None:
    (template,) = templates(1)
    gallery.enrol(gallery.collection(), new_face("ada.lovelace@example.org", template))
    gallery.database.forget_deleted()
    content = stored(gallery.database)
    with gallery.database.read() as session:  # what is stored is seen
        assert session.execute(select(FaceRow.template)).scalar_one() in content
    assert b"lovelace" not in content
    assert template.tobytes() not in content
    assert template.tobytes()[:16] not in content


def stored(database: Database) -> bytes:
    """SQLite's file; of PostgreSQL, whose files are the server's, every value of every table."""
    if database.is_sqlite:
        return Path(str(database.engine.url.database)).read_bytes()
    with database.read() as session:
        rows = [
            row for table in Base.metadata.sorted_tables for row in session.execute(table.select())
        ]
    values = [value for row in rows for value in row]
    return b"\n".join(one if isinstance(one, bytes) else str(one).encode() for one in values)


def test_rows_cannot_be_swapped(gallery: Gallery) -> None:
    staff, (one, two) = gallery.collection(), templates(2)
    first, second = gallery.enrol(staff, new_face("ada", one), new_face("ada", two))
    with gallery.database.read() as session:
        sealed = session.get_one(FaceRow, second).template
    gallery.database.write(
        lambda session: session.execute(
            update(FaceRow).where(FaceRow.id == first).values(template=sealed)
        )
    )
    with gallery.permitted("rebuild-index") as permit, gallery.database.read() as session:
        with pytest.raises(KeysError):
            gallery.vault.open_template(session, first, staff.id, permit=permit)
        assert gallery.vault.open_template(session, second, staff.id, permit=permit) is not None


def test_a_face_cannot_be_moved_to_another_subject_or_collection(gallery: Gallery) -> None:
    staff, guests = gallery.collection(), gallery.collection("guests")
    one, two = templates(2)
    first, second = gallery.enrol(staff, new_face("ada", one), new_face("bob", two))
    with gallery.database.read() as session:
        bob = session.get_one(FaceRow, second).subject_id
    gallery.database.write(
        lambda session: session.execute(
            update(FaceRow).where(FaceRow.id == first).values(subject_id=bob)
        )
    )
    gallery.database.write(
        lambda session: session.execute(
            update(FaceRow).where(FaceRow.id == second).values(collection_id=guests.id)
        )
    )
    with gallery.permitted("rebuild-index") as permit, gallery.database.read() as session:
        for face_id, place in ((first, staff), (second, guests)):
            with pytest.raises(KeysError):
                gallery.vault.open_template(session, face_id, place.id, permit=permit)


def test_wrapped_keys_cannot_be_swapped(gallery: Gallery) -> None:
    one, two = templates(2)
    gallery.enrol(gallery.collection(), new_face("ada", one), new_face("bob", two))
    gallery.database.write(
        lambda session: session.execute(
            text("UPDATE subjects SET wrapped_key = (SELECT wrapped_key FROM subjects LIMIT 1)")
        )
    )
    opened = 0
    for reference in ("ada", "bob"):
        with gallery.database.read() as session:
            try:
                gallery.vault.subject_for(session, reference)
                opened += 1
            except KeysError:
                pass
    assert opened == 1


def test_another_master_key_opens_nothing(gallery: Gallery) -> None:
    staff, (template,) = gallery.collection(), templates(1)
    (face_id,) = gallery.enrol(staff, new_face("ada", template))
    stranger = Vault(KeyRing(bytes(32), {}))
    with gallery.permitted("rebuild-index") as permit, gallery.database.read() as session:
        with pytest.raises(KeysError):
            stranger.open_template(session, face_id, staff.id, permit=permit)
        assert stranger.subject_for(session, "ada") is None


@pytest.mark.parametrize("sealed", [b"", b"\x00" * 5, b"\x00" * 600])
def test_a_broken_row_is_an_error_not_a_crash(gallery: Gallery, sealed: bytes) -> None:
    staff, (template,) = gallery.collection(), templates(1)
    (face_id,) = gallery.enrol(staff, new_face("ada", template))
    gallery.database.write(lambda session: session.execute(update(FaceRow).values(template=sealed)))
    with (
        gallery.permitted("rebuild-index") as permit,
        gallery.database.read() as session,
        pytest.raises(KeysError),
    ):
        gallery.vault.open_template(session, face_id, staff.id, permit=permit)
    gallery.database.write(
        lambda session: session.execute(update(SubjectRow).values(wrapped_key=sealed))
    )
    with gallery.database.read() as session, pytest.raises(KeysError):
        gallery.vault.subject_for(session, "ada")


@pytest.mark.parametrize(
    "template", [np.full(DIMENSION, np.nan), np.zeros((1, DIMENSION)), np.zeros(0)]
)
def test_what_is_no_template_is_not_sealed(
    gallery: Gallery, template: np.ndarray[tuple[int], np.dtype[np.float64]]
) -> None:
    staff = gallery.collection()
    with pytest.raises(GalleryError):
        gallery.enrol(staff, new_face("ada", template.astype(np.float32)))
    with gallery.database.read() as session:
        assert gallery.store.count_faces(session, staff) == 0


def test_commitments_for_the_ledger(gallery: Gallery) -> None:
    vault = gallery.vault
    with gallery.database.read() as session:
        before = vault.commitment(session, "ada")
        assert before == vault.commitment(session, "ada")
        assert before != vault.row_commitment("ada")  # so the tables do not join to the ledger
        vault.subject_for(session, "ada", create=True)
        after = vault.commitment(session, "ada")
        assert after == vault.commitment(session, "ada")
        assert len({before, after, vault.commitment(session, "bob")}) == 3


def test_touches(gallery: Gallery) -> None:
    with gallery.database.read() as session:
        subject = gallery.vault.subject_for(session, "ada", create=True)
        place = {"face_id": "f", "collection_id": "c"}
        with gallery.permitted("manage-gallery") as permit:
            with pytest.raises(PermitError):
                gallery.vault.seal_template(subject, templates(1)[0], **place, permit=permit)
            with pytest.raises(PermitError):
                gallery.vault.seal_crop(subject, b"", **place, permit=permit)
            with pytest.raises(PermitError):
                gallery.vault.open_template(session, "f", "c", permit=permit)
            with pytest.raises(PermitError):
                gallery.vault.open_crop(session, "f", "c", permit=permit)
            with pytest.raises(PermitError):
                list(gallery.vault.open_templates([], permit=permit))
