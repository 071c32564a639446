"""Erasure: rows, keys, crops and index entries go, the bytes too, and the receipt holds."""

from __future__ import annotations

import base64
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from rightface.errors import CollectionNotFound, GalleryError, PermitError
from rightface.gallery.erasure import (
    Erasure,
    complete_erasure,
    erase_collection,
    erase_faces,
    erase_subject,
)
from rightface.gallery.receipts import Receipt, sign_receipt, verify_receipt
from rightface.gallery.rows import FaceRow, SubjectRow
from rightface.gallery.store import Collection
from rightface.keys import KeyRing
from rightface.permit import Permit
from tests.gallery.conftest import Gallery, new_face, templates

Step = Callable[[Session, Permit], Erasure]


def done(gallery: Gallery, step: Step) -> tuple[Erasure, Receipt]:
    with gallery.permitted("erase") as permit:
        erasure = gallery.database.write(lambda session: step(session, permit))
    receipt = complete_erasure(
        erasure, database=gallery.database, room=gallery.room, keyring=gallery.keyring
    )
    return erasure, receipt


def faces(gallery: Gallery, collection: Collection, *face_ids: str) -> Step:
    return lambda session, permit: erase_faces(
        session,
        gallery.vault,
        collection,
        face_ids,
        reason="request",
        record=gallery.record,
        permit=permit,
    )


def subject(gallery: Gallery, reference: str, client: str | None = None) -> Step:
    return lambda session, permit: erase_subject(
        session,
        gallery.vault,
        reference,
        client=client,
        reason="withdrawal",
        record=gallery.record,
        permit=permit,
    )


def whole(gallery: Gallery, collection: Collection) -> Step:
    return lambda session, permit: erase_collection(
        session,
        gallery.vault,
        collection,
        reason="request",
        record=gallery.record,
        permit=permit,
    )


def count(gallery: Gallery, row: type[FaceRow] | type[SubjectRow]) -> int:
    with gallery.database.read() as session:
        return session.execute(select(func.count()).select_from(row)).scalar_one()


def test_a_withdrawn_subject_is_gone_everywhere(gallery: Gallery) -> None:
    staff, guests = gallery.collection("staff"), gallery.collection("guests", "other")
    one, two, three = templates(3)
    gallery.enrol(staff, new_face("ada", one, crop=b"crop"), new_face("bob", three))
    gallery.enrol(guests, new_face("ada", two))
    assert gallery.found(staff, one, 5) != []
    with gallery.database.read() as session:
        named = gallery.vault.commitment(session, "ada")
    erasure, receipt = done(gallery, subject(gallery, "ada"))
    assert erasure.counts == {"faces": 2, "crops": 1, "keys": 1}
    assert erasure.subjects == (named,)
    assert receipt.subjects == (named,)
    assert receipt.remaining == {"index_entries": 0, "rows": 0}
    assert receipt.ledger_index == 41
    assert receipt.overwritten == gallery.database.is_sqlite
    assert count(gallery, FaceRow) == count(gallery, SubjectRow) == 1
    with gallery.permitted("identify-1toN") as permit, gallery.database.read() as session:
        names = [
            face.subject
            for place in (staff, guests)
            for face in gallery.store.fetch_faces(
                session, place.id, gallery.found(place, one, 9), permit=permit
            ).values()
        ]
        assert names == ["bob"]
        assert gallery.vault.commitment(session, "ada") != named


def test_only_one_clients_faces_if_so_asked(gallery: Gallery) -> None:
    ours, theirs = gallery.collection("staff"), gallery.collection("staff", "other")
    one, two = templates(2)
    gallery.enrol(ours, new_face("ada", one))
    gallery.enrol(theirs, new_face("ada", two))
    erasure, _ = done(gallery, subject(gallery, "ada", client="acme"))
    assert erasure.counts == {"faces": 1, "crops": 0, "keys": 0}  # a face is left, so is the key
    assert count(gallery, SubjectRow) == 1
    erasure, _ = done(gallery, subject(gallery, "ada", client="other"))
    assert erasure.counts == {"faces": 1, "crops": 0, "keys": 1}


def test_an_unknown_subject_gives_an_empty_receipt(gallery: Gallery) -> None:
    erasure, receipt = done(gallery, subject(gallery, "nobody"))
    assert erasure.counts == {"faces": 0, "crops": 0, "keys": 0}
    assert receipt.subject_count == 0


def test_faces_of_one_collection(gallery: Gallery) -> None:
    staff, guests = gallery.collection("staff"), gallery.collection("guests")
    one, two, three = templates(3)
    first, second = gallery.enrol(staff, new_face("ada", one), new_face("ada", two))
    (elsewhere,) = gallery.enrol(guests, new_face("ada", three))
    gallery.found(staff, one)
    erasure, _ = done(gallery, faces(gallery, staff, first, elsewhere, "no-such-face", first))
    assert erasure.face_ids == {staff.id: [first]}
    assert set(erasure.missing) == {elsewhere, "no-such-face"}
    assert erasure.keys == 0
    assert gallery.found(staff, one, 5) == [second]
    assert gallery.found(guests, one, 5) == [elsewhere]


def test_a_collection_with_all_that_is_in_it(gallery: Gallery) -> None:
    staff, guests = gallery.collection("staff"), gallery.collection("guests")
    some = templates(1203)
    gallery.enrol(staff, *[new_face(f"s{i % 700}", one) for i, one in enumerate(some[:1202])])
    gallery.enrol(guests, new_face("s0", some[1202]))
    gallery.found(staff, some[0])
    erasure, receipt = done(gallery, whole(gallery, staff))
    assert erasure.counts == {"faces": 1202, "crops": 0, "keys": 699}
    assert receipt.subject_count == 700
    assert len(receipt.subjects) == 100
    assert staff.id not in gallery.room.sizes()
    with gallery.database.read() as session:
        with pytest.raises(CollectionNotFound):
            gallery.store.find_collection(session, client="acme", name="staff")
        left = session.execute(text("SELECT DISTINCT collection_id FROM gallery_log")).scalars()
        assert list(left) == [guests.id]
    with pytest.raises(CollectionNotFound):
        done(gallery, whole(gallery, staff))
    assert gallery.collection("staff").id != staff.id


def test_a_record_that_fails_takes_everything_back(gallery: Gallery) -> None:
    staff, (template,) = gallery.collection(), templates(1)
    (face_id,) = gallery.enrol(staff, new_face("ada", template))

    def fail(session: Session, erasure: Erasure) -> int:
        raise GalleryError("the ledger cannot be written")

    gallery.record = fail  # type: ignore[method-assign]
    for step in (
        subject(gallery, "ada"),
        faces(gallery, staff, face_id),
        whole(gallery, staff),
    ):
        with pytest.raises(GalleryError):
            done(gallery, step)
    assert gallery.found(staff, template) == [face_id]
    assert count(gallery, SubjectRow) == 1


STUBBORN = {
    True: ("CREATE TRIGGER stubborn BEFORE DELETE ON faces BEGIN SELECT RAISE(IGNORE); END",),
    False: (
        "CREATE FUNCTION stubborn() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        "CREATE TRIGGER stubborn BEFORE DELETE ON faces FOR EACH ROW EXECUTE FUNCTION stubborn()",
    ),
}
"""By whether the database is SQLite: rows that nobody can delete, without an error."""


def test_a_row_that_survives_is_noticed(gallery: Gallery) -> None:
    staff, (template,) = gallery.collection(), templates(1)
    (face_id,) = gallery.enrol(staff, new_face("ada", template))
    for statement in STUBBORN[gallery.database.is_sqlite]:
        gallery.database.write(
            lambda session, statement=statement: session.execute(text(statement))  # type: ignore[misc]
        )
    with pytest.raises(GalleryError, match="left something"):
        done(gallery, faces(gallery, staff, face_id))
    assert gallery.recorded == []


def test_erasing_needs_its_permit(gallery: Gallery) -> None:
    staff = gallery.collection()
    for step in (subject(gallery, "ada"), faces(gallery, staff), whole(gallery, staff)):
        with gallery.permitted("manage-gallery") as permit, pytest.raises(PermitError):
            gallery.database.write(
                lambda session, step=step, permit=permit: step(session, permit)  # type: ignore[misc]
            )


def test_a_broken_key_does_not_stop_an_erasure(gallery: Gallery) -> None:
    staff, (template,) = gallery.collection(), templates(1)
    gallery.enrol(staff, new_face("ada", template))
    gallery.database.write(
        lambda session: session.execute(text("UPDATE subjects SET wrapped_key = sealed_reference"))
    )
    erasure, _ = done(gallery, subject(gallery, "ada"))
    assert erasure.counts == {"faces": 1, "crops": 0, "keys": 1}
    assert erasure.subjects == ()


# ---------------------------------------------------------------- the bytes
def stored_bytes(gallery: Gallery) -> bytes:
    name = gallery.database.engine.url.database
    assert name is not None
    return b"".join(
        path.read_bytes() for path in sorted(Path(name).parent.glob(Path(name).name + "*"))
    )


def secrets_of(gallery: Gallery, face_ids: list[str]) -> list[bytes]:
    """Sealed templates, crops, references and wrapped keys, as they lie in the file."""
    with gallery.database.read() as session:
        rows = session.execute(
            select(
                FaceRow.template,
                FaceRow.crop,
                SubjectRow.wrapped_key,
                SubjectRow.sealed_reference,
                SubjectRow.commitment,
            )
            .join(SubjectRow, SubjectRow.id == FaceRow.subject_id)
            .where(FaceRow.id.in_(face_ids))
        ).all()
    told = [value for row in rows for value in row if value is not None]
    return [value.encode() if isinstance(value, str) else value for value in told]


def traces(content: bytes, secrets: list[bytes]) -> int:
    """How many of the secrets the content shows a part of (32 bytes from its middle)."""
    return sum(one[len(one) // 2 - 16 : len(one) // 2 + 16] in content for one in secrets)


@pytest.mark.sqlite_only
@pytest.mark.parametrize("crowd", [3, 150], ids=["few", "many"])
def test_no_byte_of_an_erased_subject_is_left_in_the_files(gallery: Gallery, crowd: int) -> None:
    staff, rng = gallery.collection(), np.random.default_rng(1)
    some = rng.standard_normal((2 * crowd, 128)).astype(np.float32)
    crop = rng.bytes(9000)  # longer than a page
    enrolled = gallery.enrol(
        staff,
        *[new_face(f"s{i // 2}", one, crop=crop if i % 5 else None) for i, one in enumerate(some)],
    )
    victims = [number for number in range(crowd) if number % 3 != 1]
    targets = [enrolled[2 * number + i] for number in victims for i in (0, 1)]
    secrets = secrets_of(gallery, targets)
    gallery.database.forget_deleted()
    assert traces(stored_bytes(gallery), secrets) == len(secrets)
    name = gallery.database.engine.url.database
    assert name is not None
    reader = sqlite3.connect(name)  # somebody reads all the while, in short reads
    for number in victims:
        reader.execute("SELECT count(*) FROM faces").fetchall()
        _, receipt = done(gallery, subject(gallery, f"s{number}"))
        assert receipt.overwritten
    assert reader.execute("SELECT count(*) FROM faces").fetchall() == [(2 * crowd - len(targets),)]
    reader.close()
    assert traces(stored_bytes(gallery), secrets) == 0


@pytest.mark.sqlite_only
def test_a_long_read_in_the_way_is_told_and_made_up_for(gallery: Gallery) -> None:
    staff, (one, two) = gallery.collection(), templates(2)
    gallery.enrol(staff, new_face("ada", one))
    (kept,) = gallery.enrol(staff, new_face("bob", two))
    with gallery.database.read() as session:
        ada = gallery.vault.row_commitment("ada")
        row = session.execute(select(SubjectRow).where(SubjectRow.commitment == ada)).scalar_one()
        secrets = [row.wrapped_key, row.sealed_reference or b""]
    name = gallery.database.engine.url.database
    assert name is not None
    reader = sqlite3.connect(name, isolation_level=None)
    reader.execute("BEGIN")
    assert reader.execute("SELECT count(*) FROM faces").fetchone() == (2,)
    with gallery.permitted("erase") as permit:
        erasure = gallery.database.write(lambda session: subject(gallery, "ada")(session, permit))
    with gallery.database.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA busy_timeout=100")  # do not wait the usual 20 s
    receipt = complete_erasure(
        erasure, database=gallery.database, room=gallery.room, keyring=gallery.keyring
    )
    assert not receipt.overwritten
    assert traces(stored_bytes(gallery), secrets) > 0  # the reader still needs them
    assert gallery.found(staff, one, 5) == [kept]
    reader.close()
    _, receipt = done(gallery, subject(gallery, "nobody"))
    assert receipt.overwritten
    assert traces(stored_bytes(gallery), secrets) == 0


# ---------------------------------------------------------------- receipts
def signed(keyring: KeyRing) -> Receipt:
    return sign_receipt(
        keyring,
        Receipt(
            what="subject",
            reason="withdrawal",
            erased={"faces": 2, "crops": 0, "keys": 1},
            remaining={"rows": 0, "index_entries": 0},
            overwritten=True,
            subjects=("ab" * 32,),
            subject_count=1,
            subjects_digest="cd" * 32,
            ledger_index=5,
            time="2026-11-22T00:00:00+00:00",
        ),
    )


def test_a_receipt_survives_json_and_verifies(keyring: KeyRing) -> None:
    receipt = signed(keyring)
    public = keyring.signer("receipt").public_bytes
    assert verify_receipt(json.loads(json.dumps(receipt.document)), public) == receipt


@pytest.mark.parametrize("use", ["ledger", "licence"])
def test_a_receipt_signed_by_another_key_is_refused(keyring: KeyRing, use: str) -> None:
    with pytest.raises(GalleryError):
        verify_receipt(signed(keyring).document, keyring.signer(use).public_bytes)


_values = st.none() | st.integers() | st.text(max_size=9) | st.booleans() | st.floats()


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_no_changed_receipt_verifies(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    keyring = KeyRing.create(tmp_path_factory.mktemp("keys") / "k")
    document: dict[str, Any] = signed(keyring).document
    name = data.draw(st.sampled_from(sorted(document)))
    value = data.draw(_values | st.dictionaries(st.text(max_size=3), _values, max_size=2))
    if value == document[name] and type(value) is type(document[name]):
        return
    document[name] = value
    with pytest.raises(GalleryError):
        verify_receipt(document, keyring.signer("receipt").public_bytes)


def test_fields_more_or_less_are_refused(keyring: KeyRing) -> None:
    public = keyring.signer("receipt").public_bytes
    document = signed(keyring).document
    with pytest.raises(GalleryError):
        verify_receipt(document | {"extra": 1}, public)
    for name in document:
        with pytest.raises(GalleryError):
            verify_receipt({key: document[key] for key in document if key != name}, public)
    forged = base64.b64encode(bytes(64)).decode()
    with pytest.raises(GalleryError):
        verify_receipt(document | {"signature": forged}, public)
