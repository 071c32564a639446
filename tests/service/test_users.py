"""Users through the service: consent at use, obligations, tokens, limits, and what is recorded."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sqlalchemy import func, select, update

from instance import TemporaryInstance
from rightface.errors import LimitReached, Refused, TokenReused, UserChanged, UserNotFound
from rightface.gallery.rows import FaceRow, UserRow
from rightface.gallery.store import NewFace
from rightface.ledger.leaf import Leaf
from rightface.ledger.log import entries, size
from rightface.service import Service
from rightface.service_types import Caller
from tests.conftest import Server
from tests.portraits import eileen_collins, grace_hopper
from tests.service.reviewing import GALLERY as FOUND
from tests.service.reviewing import house

GALLERY = "staff"
PAST = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class Desk:
    """A client of its own with an empty gallery, at the session's instance."""

    house: TemporaryInstance
    client: str
    caller: Caller

    @property
    def service(self) -> Service:
        return self.house.service

    def enrol(self, subject: str, *templates: NDArray[np.float32]) -> list[str]:
        """Faces of a subject, by their templates: no photograph is needed for these tests."""
        instance = self.house.instance
        faces = [_face(subject, template) for template in templates]
        with instance.database.read() as session:
            gallery = self.service.collection(session, self.caller, GALLERY)
        with self.house.permitted("enroll") as permit:
            instance.database.write(
                lambda session: instance.store.insert_faces(session, gallery, faces, permit=permit)
            )
        return [face.face_id for face in faces]

    def user(self, user_id: str, *face_ids: str, similarity: float = 0.0) -> Any:
        self.service.create_user(self.caller, GALLERY, user_id)
        if not face_ids:
            return None
        return self.put(user_id, *face_ids, similarity=similarity)

    def put(self, user_id: str, *face_ids: str, similarity: float = 0.0, **more: Any) -> Any:
        return self.service.associate_faces(
            self.caller, GALLERY, user_id, face_ids, similarity=similarity, **more
        ).value

    def found(self, *, limit: int = 50, similarity: float = 0.0, **probe: str) -> list[str]:
        answer = self.service.search_users(
            self.caller, GALLERY, limit=limit, similarity=similarity, **probe
        )
        return [one.user.user_id for one in answer.value.candidates]

    def overdue(self, *face_ids: str) -> None:
        """As if these faces' retention had ended, and nobody had swept yet."""
        past = update(FaceRow).where(FaceRow.id.in_(face_ids)).values(retain_until=PAST)
        self.house.instance.database.write(lambda session: session.execute(past) and None)

    def leaves(self) -> list[Leaf]:
        database = self.house.instance.database
        database.write(lambda _: None)  # behind the outcomes that wait
        with database.read() as session:
            leaves = [Leaf.parse(body) for body in entries(session, 0, size(session))]
        return [leaf for leaf in leaves if leaf.client == self.client]


def _face(subject: str, template: NDArray[np.float32]) -> NewFace:
    return NewFace(
        image_id=str(uuid.uuid4()),
        subject=subject,
        template=template,
        left=0.1,
        top=0.1,
        width=0.5,
        height=0.5,
        confidence=99.0,
        quality={},
        basis="consent-warranted",
        purpose="access-control",
        ledger_index=0,
    )


def near(person: int, count: int = 1, *, spread: float = 0.05) -> list[NDArray[np.float32]]:
    """Templates of one person: a direction of their own, and a little noise."""
    draw = np.random.default_rng(person)
    centre = draw.standard_normal(128)
    some = centre / np.linalg.norm(centre) + spread * draw.standard_normal((count, 128))
    unit = some / np.linalg.norm(some, axis=1, keepdims=True)
    return list(unit.astype(np.float32))


def desk_of(house: TemporaryInstance) -> Desk:
    client = f"users-{uuid.uuid4()}"
    issued = house.licence(client)
    caller = Caller(
        licence=issued.licence, purpose=None, subject=None, request_id=str(uuid.uuid4())
    )
    house.service.create_collection(caller, GALLERY, {})
    return Desk(house, client, caller)


@pytest.fixture
def desk(server: Server) -> Desk:
    return desk_of(server.instance)


def subject(desk: Desk) -> str:
    """A subject of its own, who consents."""
    named = f"person-{uuid.uuid4()}"
    desk.house.consent(named)
    return named


def test_the_next_usable_face_counts(desk: Desk) -> None:
    ada = subject(desk)
    probe, best, worse = near(1, 3)
    (asking,) = desk.enrol(ada, probe)
    first, second = desk.enrol(ada, probe, worse)
    del best
    desk.user("u-1", first, second)

    def lead() -> tuple[str, float]:
        answer = desk.service.search_users(
            desk.caller, GALLERY, face_id=asking, limit=1, similarity=0
        )
        (one,) = answer.value.candidates
        return one.record.face_id, one.similarity

    face_id, similarity = lead()
    assert face_id == first
    desk.overdue(first)
    face_id, less = lead()
    assert face_id == second
    assert less < similarity
    desk.overdue(second)
    assert desk.found(face_id=asking) == []


def test_search_for_users_is_the_search_for_faces_reduced(desk: Desk) -> None:
    draw = np.random.default_rng(7)
    (asking,) = desk.enrol(subject(desk), near(0)[0])
    for person in range(12):
        faces = desk.enrol(subject(desk), *near(person, 5, spread=0.2))
        desk.user(f"u-{person}", *faces[:4])
        desk.overdue(*[one for one in faces if draw.random() < 0.4])
    plain = desk.service.search_faces(
        desk.caller, GALLERY, face_id=asking, limit=4096, similarity=0
    )
    best = {
        one.record.user: one.record.face_id
        for one in reversed(plain.value.candidates)
        if one.record.user is not None
    }
    expected = [
        (one.record.user, one.record.face_id)
        for one in plain.value.candidates
        if one.record.user is not None and best[one.record.user] == one.record.face_id
    ]
    assert len(expected) > 8
    for limit in (1, 2, 5, 50):
        answer = desk.service.search_users(
            desk.caller, GALLERY, face_id=asking, limit=limit, similarity=0
        )
        told = [(one.user.user_id, one.record.face_id) for one in answer.value.candidates]
        assert told == expected[:limit]


def test_who_no_longer_consents_is_found_by_nobody(desk: Desk) -> None:
    ada, soon = subject(desk), datetime.now(UTC) + timedelta(days=1)
    eve = f"person-{uuid.uuid4()}"
    desk.house.consent(eve, galleries=("elsewhere", GALLERY), expires_at=soon)
    (asking,) = desk.enrol(ada, near(2)[0])
    desk.user("u-ada", *desk.enrol(ada, *near(2, 2)))
    desk.user("u-eve", *desk.enrol(eve, *near(3, 2)))
    assert desk.found(face_id=asking) == ["u-ada", "u-eve"]
    receipt = desk.house.registrar.withdraw_consent(eve)
    assert receipt.erased["faces"] == 2
    assert desk.found(face_id=asking) == ["u-ada"]
    # The user went with its last face, by the one erasure path.
    with pytest.raises(UserNotFound):
        desk.service.delete_user(desk.caller, GALLERY, "u-eve")
    page = desk.service.list_users(desk.caller, GALLERY, limit=9, after=None).value
    assert [one.user_id for one in page.users] == ["u-ada"]


def _users(desk: Desk) -> dict[str, bool]:
    page = desk.service.list_users(desk.caller, GALLERY, limit=50, after=None).value
    return {one.user_id: one.faces for one in page.users}


def test_a_user_without_a_face_goes_with_whose_it_was(desk: Desk) -> None:
    ada, bob = subject(desk), subject(desk)
    first, second, third = desk.enrol(ada, *near(1, 3))
    (bobs,) = desk.enrol(bob, *near(2))
    desk.user("ada-lovelace", first, second)
    desk.user("bobby", bobs)
    desk.user("never-had-one")
    registrar = desk.house.registrar
    desk.service.disassociate_faces(desk.caller, GALLERY, "ada-lovelace", [first, second])
    assert _users(desk) == {"ada-lovelace": False, "bobby": True, "never-had-one": False}
    assert registrar.subjects.report(ada).elsewhere["users"] == 1
    # As long as a face of hers is there, deleting another says nothing of her.
    desk.service.delete_faces(desk.caller, GALLERY, [first])
    assert "ada-lovelace" in _users(desk)
    receipt = registrar.withdraw_consent(ada)
    assert receipt.erased["users"] == 1
    assert _users(desk) == {"bobby": True, "never-had-one": False}
    assert third not in desk.found(face_id=bobs)


def test_a_user_that_has_faces_again_is_whose_they_are(desk: Desk) -> None:
    ada, bob = subject(desk), subject(desk)
    adas, another = desk.enrol(ada, *near(1, 2))
    (bobs,) = desk.enrol(bob, *near(2))
    desk.user("guest", adas, another)
    desk.service.disassociate_faces(desk.caller, GALLERY, "guest", [adas])
    desk.service.disassociate_faces(desk.caller, GALLERY, "guest", [another])
    desk.put("guest", bobs)
    desk.house.registrar.withdraw_consent(ada)
    assert _users(desk) == {"guest": True}
    desk.house.registrar.withdraw_consent(bob)
    assert _users(desk) == {}


def test_to_associate_is_to_enrol(desk: Desk) -> None:
    nobody = f"person-{uuid.uuid4()}"  # never consented; enrolled before it was asked for, say
    (face_id,) = desk.enrol(nobody, near(4)[0])
    desk.service.create_user(desk.caller, GALLERY, "u-1")
    answer = desk.put("u-1", face_id)
    assert [(one.face_id, one.reason) for one in answer.left_out] == [(face_id, "face-not-found")]
    # A licence that does not grant enrolment does not grant putting faces together.
    reader = desk.house.licence(desk.client, operations=("manage-gallery", "identify-1toN"))
    caller = Caller(licence=reader.licence, purpose=None, subject=None, request_id="r")
    (mine,) = desk.enrol(subject(desk), near(5)[0])
    with pytest.raises(Refused):
        desk.service.associate_faces(caller, GALLERY, "u-1", [mine], similarity=0)
    assert desk.leaves()[-1].operation == "enroll"
    assert desk.leaves()[-1].outcome == "refused"


def test_a_user_has_a_hundred_faces_at_most(desk: Desk) -> None:
    ada = subject(desk)
    faces = desk.enrol(ada, *near(6, 103, spread=0.01))
    desk.user("u-1", *faces[:60])
    answer = desk.put("u-1", *faces[60:102])
    assert list(answer.moved) == faces[60:100]
    assert [(one.face_id, one.reason) for one in answer.left_out] == [
        (faces[100], None),
        (faces[101], None),
    ]
    with pytest.raises(LimitReached):
        desk.put("u-1", faces[102])
    assert list(desk.put("u-1", faces[0]).moved) == []  # it has that one: nothing to do
    page = desk.service.list_faces(
        desk.caller, GALLERY, limit=200, after=None, face_ids=None, user_id="u-1"
    )
    assert {one.face_id for one in page.value.faces} == set(faces[:100])


def test_a_token_makes_a_change_once_however_many_ask(desk: Desk) -> None:
    def ask(_: int) -> None:
        desk.service.create_user(desk.caller, GALLERY, "u-1", token="once")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, range(16)))
    created = [leaf for leaf in desk.leaves() if leaf.outcome == "created" and leaf.counts]
    assert [leaf.counts for leaf in created if "users" in leaf.counts] == [{"users": 1}]


def test_a_token_for_nothing_stands_for_nothing(desk: Desk) -> None:
    (face_id,) = desk.enrol(subject(desk), near(13)[0])
    desk.user("u-1", face_id)
    desk.user("u-2")
    first = desk.put("u-2", face_id, token="t-1")
    assert [one.user for one in first.left_out] == ["u-1"]
    desk.service.disassociate_faces(desk.caller, GALLERY, "u-1", [face_id])
    assert desk.put("u-2", face_id, token="t-1") == first
    assert list(desk.put("u-2", face_id, token="t-2").moved) == [face_id]


def test_a_token_survives_a_restart(fresh: TemporaryInstance) -> None:
    desk = desk_of(fresh)
    ada = subject(desk)
    faces = desk.enrol(ada, *near(8, 2))
    first = desk.user("u-1")
    first = desk.put("u-1", *faces, token="t-1")
    desk.service.disassociate_faces(desk.caller, GALLERY, "u-1", faces)
    with Service.open(fresh.instance.settings.data) as reopened:
        again = reopened.associate_faces(
            desk.caller, GALLERY, "u-1", faces, similarity=0.0, token="t-1"
        )
        assert again.value == first
        with pytest.raises(TokenReused):
            reopened.associate_faces(
                desk.caller, GALLERY, "u-1", faces[:1], similarity=0.0, token="t-1"
            )
        page = reopened.list_users(desk.caller, GALLERY, limit=9, after=None)
        assert [one.faces for one in page.value.users] == [False]


def test_a_change_in_between_is_noticed(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    ada, eve = subject(desk), subject(desk)
    mine, theirs = desk.enrol(ada, near(9)[0]) + desk.enrol(eve, near(10)[0])
    desk.user("u-1")
    decide = desk.house.instance.gate.decide

    def meanwhile(operation: Any) -> Any:
        monkeypatch.undo()  # once
        if operation.action == "manage-gallery":
            told = decide(operation)
            monkeypatch.setattr(desk.house.instance.gate, "decide", meanwhile)
            return told
        desk.put("u-1", theirs)
        return decide(operation)

    monkeypatch.setattr(desk.house.instance.gate, "decide", meanwhile)
    with pytest.raises(UserChanged):
        desk.put("u-1", mine)


def test_what_is_recorded_names_nobody(desk: Desk) -> None:
    ada = subject(desk)
    asking, *faces = desk.enrol(ada, *near(11, 3))
    desk.user("u-lovelace", *faces)
    assert desk.found(face_id=asking) == ["u-lovelace"]
    desk.service.disassociate_faces(desk.caller, GALLERY, "u-lovelace", faces[:1])
    desk.service.delete_user(desk.caller, GALLERY, "u-lovelace")
    leaves = desk.leaves()
    outcomes = {leaf.outcome: leaf for leaf in leaves if leaf.kind == "outcome"}
    assert outcomes["associated"].counts == {"faces": 2, "left-out": 0}
    assert outcomes["disassociated"].counts == {"faces": 1}
    assert outcomes["deleted"].counts == {"users": 1, "faces": 1}
    assert outcomes["searched"].counts == {"candidates": 1, "probes": 1}
    (person,) = outcomes["associated"].subjects
    assert outcomes["disassociated"].subjects == outcomes["searched"].subjects == (person,)
    written = b"".join(leaf.canonical() for leaf in leaves)
    assert b"lovelace" not in written
    assert not any(face_id.encode() in written for face_id in faces)


def test_nothing_is_left_of_the_users_of_a_deleted_collection(desk: Desk) -> None:
    def rows() -> int:
        with desk.house.instance.database.read() as session:
            return session.execute(select(func.count()).select_from(UserRow)).scalar_one()

    before = rows()
    desk.user("empty")
    desk.user("u-1", *desk.enrol(subject(desk), near(12)[0]))
    assert rows() == before + 2
    desk.service.delete_collection(desk.caller, GALLERY)
    assert rows() == before


def test_where_people_must_review_nobody_is_told_of_a_user(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with house(models, monkeypatch) as reviewed:
        reviewed.reviewer("ann")
        mine = reviewed.enrol("grace", grace_hopper())
        reviewed.enrol("eileen", eileen_collins())
        service, caller = reviewed.service, reviewed.caller
        service.create_user(caller(), FOUND, "u-1")
        service.associate_faces(caller(), FOUND, "u-1", [mine], similarity=0)
        by_image = service.search_users_by_image(
            caller(), FOUND, image=grace_hopper(), limit=9, similarity=80, quality_filter="NONE"
        )
        by_user = service.search_users(caller(), FOUND, user_id="u-1", limit=9, similarity=80)
        for answer in (by_image, by_user):
            assert answer.review is not None
            assert list(answer.value.candidates) == []
        assert by_image.review is not None
        reviewed.judge("ann", by_image.review)
        (confirmed,) = reviewed.outcome(by_image.review).candidates
        assert (confirmed.record.face_id, confirmed.record.user) == (mine, "u-1")
