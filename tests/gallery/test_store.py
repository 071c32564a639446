"""Collections and faces as rows: whose they are, how they are listed, what is fetched."""

from __future__ import annotations

import uuid

import pytest
from sqlalchemy import update

from rightface.errors import (
    CollectionExists,
    CollectionNotFound,
    GalleryError,
    PageTokenError,
    PermitError,
)
from rightface.gallery.pages import PageTokens
from rightface.gallery.rows import SubjectRow
from rightface.gallery.store import Collection, Page, StoredFace
from tests.gallery.conftest import Gallery, new_face, templates


def listed(gallery: Gallery, collection: Collection, **how: object) -> Page[StoredFace]:
    with gallery.permitted("manage-gallery") as permit, gallery.database.read() as session:
        return gallery.store.list_faces(
            session,
            collection,
            permit=permit,
            **how,  # type: ignore[arg-type]
        )


def test_a_name_is_unique_within_one_client(gallery: Gallery) -> None:
    gallery.collection("staff", "acme")
    gallery.collection("staff", "other")
    with pytest.raises(CollectionExists):
        gallery.collection("staff", "acme")
    gallery.collection("Staff", "acme")


def test_other_clients_collections_are_invisible(gallery: Gallery) -> None:
    made = gallery.collection("staff", "acme")
    with gallery.database.read() as session:
        assert gallery.store.find_collection(session, client="acme", name="staff") == made
        with pytest.raises(CollectionNotFound):
            gallery.store.find_collection(session, client="other", name="staff")
        with pytest.raises(CollectionNotFound):
            gallery.store.find_collection(session, client="acme", name="nothing")
        page = gallery.store.list_collections(session, client="other", limit=10)
        assert page == Page([], None)


def test_collections_page_by_page(gallery: Gallery) -> None:
    names = [f"c{i:02}" for i in range(7)]
    for name in reversed(names):
        gallery.collection(name)
    seen, after = list[str](), None
    with gallery.database.read() as session:
        for _ in range(3):
            page = gallery.store.list_collections(session, client="acme", limit=3, after=after)
            seen += [item.name for item in page.items]
            after = page.next
    assert seen == names
    assert after is None


def test_faces_come_back_as_recorded(gallery: Gallery) -> None:
    staff, (template,) = gallery.collection(), templates(1)
    face = new_face("ada", template)
    gallery.enrol(staff, face)
    (found,) = listed(gallery, staff, limit=10).items
    assert found.face_id == face.face_id
    assert found.subject == "ada"
    assert (found.left, found.top, found.width, found.height) == (0.1, 0.2, 0.3, 0.4)
    assert found.confidence == 99.5
    assert found.quality == {"sharpness": 80.0}
    assert found.enrolled_at == face.enrolled_at
    assert found.enrolled_at.tzinfo is not None
    assert found.ledger_index == 7
    assert "ada" not in repr(found)


def test_faces_page_by_page(gallery: Gallery) -> None:
    staff = gallery.collection()
    enrolled = gallery.enrol(staff, *[new_face(None, one) for one in templates(10)])
    seen, after = list[str](), None
    for _ in range(4):
        page = listed(gallery, staff, limit=3, after=after)
        seen += [item.face_id for item in page.items]
        after = page.next
    assert seen == sorted(enrolled)
    assert after is None
    some = listed(gallery, staff, limit=10, face_ids=[*enrolled[:2], str(uuid.uuid4())])
    assert {face.face_id for face in some.items} == set(enrolled[:2])
    assert listed(gallery, staff, limit=10).next is None


def test_tokens_are_opaque_and_serve_one_list_only(gallery: Gallery) -> None:
    staff, guests = gallery.collection("staff"), gallery.collection("guests")
    enrolled = gallery.enrol(staff, *[new_face("ada", one) for one in templates(3)])
    token = listed(gallery, staff, limit=1).next
    assert token is not None
    assert not any(face_id in token for face_id in enrolled)
    bad = [token[:-4], token[::-1], "A" + token[1:], "", "x", "ü", token + "=", "A" * 5000]
    for wrong in bad:
        with pytest.raises(PageTokenError):
            listed(gallery, staff, limit=1, after=wrong)
    with pytest.raises(PageTokenError):
        listed(gallery, guests, limit=1, after=token)
    with gallery.database.read() as session, pytest.raises(PageTokenError):
        gallery.store.list_collections(session, client="acme", limit=1, after=token)
    assert PageTokens(gallery.keyring).open(f"faces\x1f{staff.id}", token) in enrolled


def test_only_rows_that_are_there_are_fetched(gallery: Gallery) -> None:
    staff, guests = gallery.collection("staff"), gallery.collection("guests")
    enrolled = gallery.enrol(staff, *[new_face("ada", one) for one in templates(1200)])
    (elsewhere,) = gallery.enrol(guests, new_face("bob", templates(1)[0]))
    asked = [*enrolled, elsewhere, str(uuid.uuid4())]
    with gallery.permitted("identify-1toN") as permit, gallery.database.read() as session:
        found = gallery.store.fetch_faces(session, staff.id, asked, permit=permit)
        assert gallery.store.fetch_faces(session, staff.id, [], permit=permit) == {}
    assert set(found) == set(enrolled)
    assert {face.subject for face in found.values()} == {"ada"}
    with gallery.database.read() as session:
        assert gallery.store.count_faces(session, staff) == 1200


def test_a_row_that_does_not_open_is_left_out_and_reported(
    gallery: Gallery, caplog: pytest.LogCaptureFixture
) -> None:
    staff, (one, two) = gallery.collection(), templates(2)
    first, second = gallery.enrol(staff, new_face("ada", one), new_face("bob", two))
    broken = gallery.vault.row_commitment("ada")
    gallery.database.write(
        lambda session: session.execute(
            update(SubjectRow)
            .where(SubjectRow.commitment == broken)
            .values(sealed_reference=b"\x00" * 92)
        )
    )
    with gallery.permitted("identify-1toN") as permit, gallery.database.read() as session:
        found = gallery.store.fetch_faces(session, staff.id, [first, second], permit=permit)
    assert set(found) == {second}
    assert "does not open" in caplog.text
    assert first not in caplog.text


def test_faces_share_a_subject_within_and_across_calls(gallery: Gallery) -> None:
    staff = gallery.collection()
    one, two, three = templates(3)
    gallery.enrol(staff, new_face("ada", one), new_face("ada", two), new_face(None, one))
    gallery.enrol(staff, new_face("ada", three), new_face(None, two))
    faces = listed(gallery, staff, limit=10).items
    assert len({face.subject_id for face in faces if face.subject == "ada"}) == 1
    assert len({face.subject_id for face in faces}) == 3


def test_enrolment_that_cannot_be(gallery: Gallery) -> None:
    staff, (template,) = gallery.collection(), templates(1)
    face = new_face("ada", template)
    with gallery.permitted("manage-gallery") as permit, pytest.raises(PermitError):
        gallery.database.write(
            lambda session: gallery.store.insert_faces(session, staff, [face], permit=permit)
        )
    object.__setattr__(face, "face_id", "NOT-A-UUID")
    with pytest.raises(GalleryError):
        gallery.enrol(staff, face)
    gone = Collection(**(vars(staff) | {"id": str(uuid.uuid4())}))
    with pytest.raises(CollectionNotFound):
        gallery.enrol(gone, new_face("ada", template))
    gallery.enrol(staff)
    with gallery.permitted("detect") as permit, gallery.database.read() as session:
        with pytest.raises(PermitError):
            gallery.store.list_faces(session, staff, limit=1, permit=permit)
        with pytest.raises(PermitError):
            gallery.store.fetch_faces(session, staff.id, [], permit=permit)
