"""Human review: nobody is told of a candidate before named people have decided on it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from sqlalchemy import text

from rightface.api.app import create_app
from rightface.api.server import running
from rightface.boto3 import review_of
from rightface.errors import CredentialError, FaceNotFound, Refused, ReviewError, SettingsError
from rightface.gallery import review_seals
from rightface.keys import seal
from rightface.law.operation import Operation
from rightface.ledger import log
from rightface.service_types import Answer, OpenedReview, SearchResult
from rightface.settings import Settings
from tests.portraits import degraded
from tests.service.reviewing import (
    GALLERY,
    PURPOSE,
    Furnished,
    House,
    alike,
    commanded,
    copied,
    eileen_collins,
    furnished,
    grace_hopper,
    house,
    two_asked,
)


@pytest.fixture(scope="module")
def origin(models: Path) -> Iterator[Furnished]:
    """Two people are enrolled; nobody reviews yet."""
    with furnished(models) as made:
        yield made


@pytest.fixture
def one(origin: Furnished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    """One reviewer is asked for, by the baseline."""
    with copied(origin, tmp_path, monkeypatch, reviewers=["ann"]) as made:
        yield made


@pytest.fixture
def two(origin: Furnished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    """Two reviewers are asked for, by a duty."""
    asked = two_asked(tmp_path / "rules", "duty")
    names = ["ann", "ben"]
    with copied(origin, tmp_path, monkeypatch, instruments=asked, reviewers=names) as made:
        yield made


@pytest.fixture(params=["duty", "oblige"])
def either(
    origin: Furnished,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> Iterator[House]:
    """Two reviewers are asked for, by a duty or by an obligation of the operator's own rule."""
    asked = two_asked(tmp_path / "rules", request.param)
    names = ["ann", "ben"]
    with copied(origin, tmp_path, monkeypatch, instruments=asked, reviewers=names) as made:
        yield made


# ---------------------------------------------------------------- the gate
def test_without_reviewers_nobody_is_looked_at(
    origin: Furnished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with copied(origin, tmp_path, monkeypatch) as made:
        with pytest.raises(Refused, match="this instance has 0 who may"):
            made.searched(grace_hopper())
        made.reviewer("finders")  # bears the client's own name
        with pytest.raises(Refused, match="0 who may"):
            made.searched(grace_hopper())
        assert made.rows("reviews") == []
        made.reviewer("ann")
        made.search(grace_hopper())


def test_one_person_with_two_credentials_is_one_reviewer(two: House) -> None:
    two.end("ben")
    two.reviewer("Ann", known_as="ann-again")
    with pytest.raises(Refused, match="2 named reviewers decide on it; this instance has 1"):
        two.searched(grace_hopper())


def test_a_question_still_says_that_the_duty_is_missing(one: House) -> None:
    licence = one.licence.licence
    asked = Operation(
        action="identify-1toN",
        client=licence.client,
        actor=licence.sector,
        client_jurisdiction="US-OH",
        place_jurisdiction="US-OH",
        gallery_jurisdiction="US-OH",
        licence_id=licence.licence_id,
        purpose="missing-child",
        gallery=GALLERY,
    )
    ruling = one.opened.instance.gate.consider(asked)
    assert (ruling.outcome, ruling.missing) == ("require-duty", ("human-review",))


def test_a_gallery_without_pictures_is_refused_whoever_is_in_it(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with house(models, monkeypatch) as made:
        made.reviewer("ann")
        object.__setattr__(made.opened.instance.settings, "keep_crops", False)
        made.enrol("grace", grace_hopper())
        for photo in (grace_hopper(), eileen_collins()):  # somebody's there, nobody's there
            with pytest.raises(ReviewError, match="keep_crops = true"):
                made.searched(photo, similarity=99.0)
        assert made.rows("reviews") == []


def test_whether_a_picture_lacks_is_looked_up_in_an_index(one: House) -> None:
    with one.opened.instance.database.read() as session:
        asked = "SELECT id FROM faces WHERE collection_id = 'c' AND crop IS NULL LIMIT 1"
        (plan,) = session.execute(text(f"EXPLAIN QUERY PLAN {asked}")).all()
    assert "ix_faces_without_crop" in plan.detail


@pytest.mark.parametrize("hours", [0, -3])
def test_people_need_time_to_decide(
    one: House, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    monkeypatch.setenv("RIGHTFACE_REVIEW_HOURS", str(hours))
    with pytest.raises(SettingsError, match="review_hours must be 1 or more"):
        Settings.load(one.opened.instance.settings.data)


# ---------------------------------------------------------------- the way of one review
def test_confirmed_by_everybody(either: House) -> None:
    review = either.search(grace_hopper())
    assert either.outcome(review).state == "open"
    assert either.outcome(review).candidates == ()
    assert either.judge("ann", review) == 0
    assert either.outcome(review).state == "open"
    assert either.judge("ben", review) == 0
    told = either.outcome(review)
    assert (told.state, told.outcome) == ("closed", "confirmed")
    assert [each.record.subject for each in told.candidates] == ["grace"]
    assert "never an identification" in told.note
    assert either.row(review).sealed_probe is None
    assert len(either.rows("review_candidates")) == 1
    assert either.rows("review_candidates")[0].sealed_crop is None
    assert either.rows("review_seats") == either.rows("review_decisions") == []
    figures = {(each.outcome, each.number) for each in either.service.review_figures()}
    assert figures == {("confirmed", 1), ("not-this-person", 1)}
    again = either.outcome(review)
    assert again.candidates == told.candidates


@pytest.mark.parametrize(
    ("ann", "ben", "expected"),
    [
        ("same", "not-this-person", "disagreement"),
        ("not-this-person", "same", "disagreement"),
        ("same", "cannot-tell", "disagreement"),
        ("not-this-person", "not-this-person", "not-this-person"),
        ("cannot-tell", "cannot-tell", "cannot-tell"),
    ],
)
def test_every_other_outcome_tells_of_nobody(two: House, ann: str, ben: str, expected: str) -> None:
    review = two.search(grace_hopper(), similarity=99.0)
    for name, word in (("ann", ann), ("ben", ben)):
        assert two.decide(name, review, dict.fromkeys(_numbers(two.open(name, review)), word)) == 0
    told = two.outcome(review)
    assert (told.state, told.outcome, told.candidates) == ("closed", expected, ())
    two.nothing_left(review)
    (figure,) = two.service.review_figures()
    assert (figure.outcome, figure.number) == (expected, 1)


def test_nothing_tells_who_found_nobody_before_people_look(one: House) -> None:
    one.service.delete_faces(one.caller(), GALLERY, [_face(one, "eileen")])
    hit = one.searched(grace_hopper(), similarity=99.0)
    miss = one.searched(eileen_collins(), similarity=99.0)
    assert hit.review and miss.review
    assert _told(one, hit) == _told(one, miss)
    assert _told(one, miss)[0] == "open"
    waiting = one.service.list_reviews(one.tokens["ann"])
    assert [each.review_id for each in waiting] == [hit.review]
    with pytest.raises(ReviewError, match="closed"):
        one.open("ann", miss.review)
    assert one.sweep() == 0
    for answer in (hit, miss):
        _overdue(one, str(answer.review))
    assert one.sweep() == 2
    assert _told(one, hit) == _told(one, miss)
    assert _told(one, miss)[:3] == ["closed", "timeout", ()]
    # The operator's rows know what the client does not.
    assert [one.row(str(each.review)).outcome for each in (hit, miss)] == ["timeout", "nobody"]
    figures = [(each.band, each.outcome, each.number) for each in one.service.review_figures()]
    assert figures == [("none", "nobody", 1), ("none", "timeout", 1)]
    one.nothing_left(miss.review)


def test_erasing_does_not_tell_who_waits(one: House) -> None:
    hit = one.searched(eileen_collins(), similarity=99.0)
    one.enrol("grace-too", degraded(grace_hopper()))
    receipts = [
        one.service.delete_faces(one.caller(), GALLERY, [_face(one, subject)])
        for subject in ("eileen", "grace-too")
    ]
    miss = one.searched(eileen_collins(), similarity=99.0)
    assert one.rows("review_candidates") == [], "destroyed at once all the same"
    assert one.row(str(hit.review)).sealed_probe is None
    assert _told(one, hit) == _told(one, miss)
    assert _told(one, hit)[0] == "open"
    index = [each.ledger_index for each in receipts]
    erased = [leaf for leaf in one.leaves() if leaf.of in index]
    assert len({tuple(sorted(leaf.counts.items())) for leaf in erased}) == 1
    for answer in (hit, miss):
        _overdue(one, str(answer.review))
        assert one.outcome(str(answer.review)).outcome == "timeout", "past its time, unswept"
    assert _told(one, hit) == _told(one, miss)
    assert [one.row(str(each.review)).outcome for each in (hit, miss)] == ["erased", "nobody"]


def test_who_remains_after_an_erasure_is_decided_as_before(two: House) -> None:
    review = two.search(grace_hopper())
    two.judge("ann", review)
    two.service.delete_faces(two.caller(), GALLERY, [_face(two, "eileen")])
    assert two.outcome(review).state == "open"
    two.judge("ben", review)
    assert two.outcome(review).outcome == "confirmed"


def test_search_by_an_enrolled_face(one: House) -> None:
    one.enrol("grace-too", degraded(grace_hopper()))
    face = _face(one, "grace")
    answer = one.service.search_faces(one.caller(), GALLERY, face_id=face, limit=5, similarity=90.0)
    assert answer.review is not None
    assert answer.value.candidates == ()
    shown = one.open("ann", answer.review)
    one.decide("ann", answer.review, dict.fromkeys(_numbers(shown), "same"))
    told = one.outcome(answer.review)
    assert [each.record.subject for each in told.candidates] == ["grace-too"]


def test_reviewers_see_no_order_no_names_no_scores(two: House) -> None:
    for number in range(6):
        two.enrol(f"more-{number}", degraded(eileen_collins()))
    orders = set()
    for _ in range(3):
        review = two.search(grace_hopper())
        for name in ("ann", "ben"):
            shown = two.open(name, review)
            assert _numbers(shown) == list(range(1, 9))
            assert two.open(name, review) == shown, "the order is the reviewer's own, and stays"
            place = [alike(each.picture, shown.probe) for each in shown.candidates].index(True)
            orders.add(place)
            assert "grace" not in repr(shown)
    assert len(orders) > 1, "the best match is not in one place"


def test_a_review_is_for_its_purpose_and_its_client(one: House) -> None:
    review = one.search(grace_hopper())
    other = one.opened.licence("others", ("missing-child",))
    with pytest.raises(ReviewError, match="no such review"):
        one.outcome(review, licence=other.licence)
    with pytest.raises(ReviewError, match="another purpose"):
        one.outcome(review, purpose="access-control")
    one.opened.registrar.revoke_licence(one.licence.licence.licence_id)
    with pytest.raises(Refused, match="revoked"):
        one.outcome(review)
    with pytest.raises(Refused, match="revoked"):
        one.open("ann", review)


# ---------------------------------------------------------------- who sits
def test_once_on_each_and_never_again(two: House) -> None:
    review = two.search(grace_hopper())
    with pytest.raises(ReviewError, match="have not opened"):
        two.decide("ann", review, {1: "same"})
    two.open("ann", review)
    with pytest.raises(ReviewError, match="no such decision"):
        two.decide("ann", review, {1: "same", 2: "perhaps"})
    assert two.rows("review_decisions") == []
    assert two.decide("ann", review, {1: "same"}) == 1
    with pytest.raises(ReviewError, match="left for you to decide"):
        two.decide("ann", review, {1: "not-this-person"})
    with pytest.raises(ReviewError, match="no candidate 3 in this review"):
        two.decide("ann", review, {3: "same"})
    assert _numbers(two.open("ann", review)) == [2]
    assert two.decide("ann", review, {2: "same"}) == 0
    assert two.service.list_reviews(two.tokens["ann"]) == []
    assert len(two.service.list_reviews(two.tokens["ben"])) == 1


def test_no_more_seats_than_reviewers_needed(one: House) -> None:
    one.reviewer("ben")
    review = one.search(grace_hopper())
    assert [each.seated for each in one.service.list_reviews(one.tokens["ann"])] == [False]
    one.open("ann", review)
    assert [each.seated for each in one.service.list_reviews(one.tokens["ann"])] == [True]
    assert one.service.list_reviews(one.tokens["ben"]) == []
    with pytest.raises(ReviewError, match="not open to you"):
        one.open("ben", review)


def test_nobody_sits_twice(two: House) -> None:
    two.reviewer("ANN", known_as="ann-again")
    review = two.search(grace_hopper())
    two.judge("ann", review)
    assert two.service.list_reviews(two.tokens["ann-again"]) == []
    with pytest.raises(ReviewError, match="not open to you") as caught:
        two.open("ann-again", review)
    assert "sits once" in caught.value.why


def test_whoever_searched_does_not_review(one: House) -> None:
    one.reviewer("Finders")
    review = one.search(grace_hopper())
    assert one.service.list_reviews(one.tokens["Finders"]) == []
    with pytest.raises(ReviewError) as caught:
        one.open("Finders", review)
    assert "Whoever searched" in caught.value.why


def test_an_ended_credential_leaves_its_seat(one: House) -> None:
    one.reviewer("ben")
    review = one.search(grace_hopper())
    one.open("ann", review)
    one.decide("ann", review, {1: "same"})
    one.end("ann")
    for ask in (
        lambda: one.open("ann", review),
        lambda: one.decide("ann", review, {2: "same"}),
        lambda: one.service.list_reviews(one.tokens["ann"]),
        lambda: one.service.list_reviews("rf_reviewer_0000000000000000_" + "A" * 43),
        lambda: one.service.list_reviews(""),
    ):
        with pytest.raises(CredentialError):
            ask()
    assert len(_numbers(one.open("ben", review))) == 2, "what was half done is not counted"
    one.judge("ben", review)
    assert one.outcome(review).outcome == "confirmed"


def test_what_was_decided_before_a_credential_ended_counts(two: House) -> None:
    review = two.search(grace_hopper())
    two.judge("ann", review)
    two.reviewer("cid")
    two.end("ann")
    two.judge("ben", review)
    assert two.outcome(review).outcome == "confirmed"


def test_an_operator_is_no_reviewer(one: House) -> None:
    from rightface.registrar_credentials import CredentialDesk

    token = CredentialDesk(one.opened.instance).issue(role="operator", name="olga").token
    with pytest.raises(CredentialError, match="no reviewer's token"):
        one.service.open_review(token, one.search(grace_hopper()))


# ---------------------------------------------------------------- time
def test_out_of_time(either: House) -> None:
    review = either.search(grace_hopper())
    either.judge("ann", review)
    _overdue(either, review)
    assert either.sweep() == 1
    told = either.outcome(review)
    assert (told.state, told.outcome, told.candidates) == ("closed", "timeout", ())
    either.nothing_left(review)
    assert either.sweep() == 0
    with pytest.raises(ReviewError, match="closed"):
        either.open("ben", review)


def test_confirmed_candidates_are_kept_as_long_again(one: House) -> None:
    review = one.search(grace_hopper())
    one.judge("ann", review)
    assert one.outcome(review).expires_at > datetime.now(UTC) + timedelta(hours=71)
    one.change(review, expires_at=datetime.now(UTC) - timedelta(seconds=1))
    assert one.sweep() == 1
    told = one.outcome(review)
    assert (told.outcome, told.candidates) == ("confirmed", ())
    one.nothing_left(review)


# ---------------------------------------------------------------- forgetting
def test_an_erased_candidate_leaves_its_review(one: House) -> None:
    review = one.search(grace_hopper())
    one.open("ann", review)
    one.opened.registrar.withdraw_consent("eileen")
    assert len(one.rows("review_candidates")) == 1
    one.judge("ann", review)
    assert one.outcome(review).outcome == "confirmed"
    one.opened.registrar.withdraw_consent("grace")
    told = one.outcome(review)
    assert told.candidates == ()
    one.nothing_left(review)


def test_a_review_whose_probe_is_erased_closes(one: House) -> None:
    face = _face(one, "grace")
    by_face = one.service.search_faces(
        one.caller(), GALLERY, face_id=face, limit=5, similarity=0.0
    ).review
    assert by_face is not None
    by_photo = one.search(degraded(grace_hopper()), subject="grace")
    one.opened.registrar.withdraw_consent("grace")
    for review in (by_face, by_photo):
        one.emptied(review)
        assert one.outcome(review, subject=None).state == "open"


@pytest.mark.parametrize("erased_by", ["withdrawal", "request"])
@pytest.mark.parametrize("closed", [False, True])
def test_a_person_who_is_only_named_is_erased(one: House, erased_by: str, closed: bool) -> None:
    one.opened.consent("hopper", purposes=(PURPOSE,))
    hers, other = one.search(grace_hopper(), subject="hopper"), one.search(grace_hopper())
    if closed:
        one.judge("ann", hers)
        assert one.outcome(hers).candidates
    registrar = one.opened.registrar
    withdrew = erased_by == "withdrawal"
    receipt = (registrar.withdraw_consent if withdrew else registrar.subjects.erase)("hopper")
    assert "review-seals" not in receipt.erased, "it would tell who waits in a review"
    assert receipt.erased["faces"] == 0
    assert one.row(hers).outcome == ("confirmed" if closed else None)
    one.emptied(hers)
    assert one.outcome(hers).candidates == ()
    assert one.row(other).sealed_probe is not None, "nobody said that it shows her"
    assert len(one.leaves("review-close")) == int(closed)


def test_consent_is_checked_when_reviewers_look(one: House) -> None:
    review = one.search(grace_hopper(), similarity=99.0)
    with one.opened.instance.database.engine.begin() as connection:
        connection.execute(text("UPDATE consents SET expires_at = '2020-01-01T00:00:00.000000Z'"))
    with pytest.raises(ReviewError, match="closed"):
        one.open("ann", review)
    assert one.rows("review_candidates") == one.rows("review_seats") == []
    assert one.outcome(review).state == "open"


def test_consent_is_checked_when_the_client_is_told(one: House) -> None:
    review = one.search(grace_hopper())
    one.judge("ann", review)
    with one.opened.instance.database.engine.begin() as connection:
        connection.execute(text("UPDATE consents SET expires_at = '2020-01-01T00:00:00.000000Z'"))
    assert one.outcome(review).candidates == ()


def test_a_deleted_collection_takes_its_reviews_along(one: House) -> None:
    review = one.search(grace_hopper())
    one.service.delete_collection(one.caller(), GALLERY)
    assert one.rows("review_candidates") == []
    assert one.outcome(review).state == "open"
    _overdue(one, review)
    assert one.outcome(review).outcome == "timeout"
    assert one.row(review).outcome == "erased"
    one.nothing_left(review)


# ---------------------------------------------------------------- meanwhile
def test_what_was_decided_is_collected_though_reviewers_left(two: House) -> None:
    confirmed, half = two.search(grace_hopper()), two.search(grace_hopper())
    two.judge("ann", confirmed)
    two.judge("ann", half)
    two.end("ann")
    two.judge("ben", confirmed)
    two.open("ben", half)
    two.end("ben")
    told = two.outcome(confirmed)
    assert (told.outcome, len(told.candidates)) == ("confirmed", 1)
    with pytest.raises(Refused, match="2 named reviewers decide on it; this instance has 1"):
        two.outcome(half)
    with pytest.raises(Refused, match="this instance has 0"):
        two.searched(grace_hopper())
    with two.opened.instance.database.engine.begin() as connection:
        connection.execute(
            text(
                "UPDATE reviews SET state = 'closed', outcome = 'confirmed' WHERE review_id = :half"
            ),
            {"half": half},
        )
    with pytest.raises(Refused, match="this instance has 1"):
        two.outcome(half)
    two.reviewer("cid")
    with pytest.raises(ReviewError, match="cannot be opened"):
        two.outcome(half)


def test_the_outcome_is_asked_for_whom_and_how_the_search_was(one: House) -> None:
    one.opened.consent("hopper", purposes=(PURPOSE,))
    review = one.search(grace_hopper(), subject="hopper", declared={"below_threshold": True})
    one.judge("ann", review)
    assert one.outcome(review).outcome == "confirmed"
    row = one.row(review)
    caller, name = one.service._as_sealed(one.caller(), row)
    assert (caller.subject, dict(caller.declared)) == ("hopper", {"below_threshold": True})
    assert name == GALLERY


def test_a_probe_that_may_not_be_used_is_not_sealed(
    one: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    face, prepared = _face(one, "grace"), type(one.service).prepared

    def meanwhile(self: Any, *told: Any) -> Any:
        found = prepared(self, *told)
        one.opened.registrar.withdraw_consent("grace")
        return found

    with monkeypatch.context() as patched:
        patched.setattr(type(one.service), "prepared", meanwhile)
        with pytest.raises(FaceNotFound):
            one.service.search_faces(one.caller(), GALLERY, face_id=face, limit=5, similarity=0.0)
    assert one.rows("reviews") == []


def test_what_ended_during_the_search_is_not_sealed(
    one: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared = type(one.service).prepared

    def meanwhile(self: Any, *told: Any) -> Any:
        found = prepared(self, *told)
        one.opened.registrar.revoke_licence(one.licence.licence.licence_id)
        return found

    monkeypatch.setattr(type(one.service), "prepared", meanwhile)
    with pytest.raises(Refused, match="revoked"):
        one.searched(grace_hopper())
    assert one.rows("reviews") == []


def test_the_probe_is_checked_when_reviewers_look(one: House) -> None:
    one.enrol("grace-too", degraded(grace_hopper()))
    answer = one.service.search_faces(
        one.caller(), GALLERY, face_id=_face(one, "grace"), limit=5, similarity=90.0
    )
    review = str(answer.review)
    with one.opened.instance.database.engine.begin() as connection:
        connection.execute(
            text("UPDATE faces SET retain_until = '2020-01-01 00:00:00.000000' WHERE id = :face"),
            {"face": _face(one, "grace")},
        )
    with pytest.raises(ReviewError, match="closed"):
        one.open("ann", review)
    one.emptied(review)
    assert one.row(review).state == "open"


def test_who_looked_is_on_record(one: House) -> None:
    review = one.search(grace_hopper())
    one.open("ann", review)
    looked = [leaf for leaf in one.leaves() if leaf.kind == "decision"][-1]
    assert f"crd-{one.credentials['ann'].credential.credential_id}" in looked.records


def test_no_more_are_sealed_than_people_can_look_at(
    one: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rightface.service.review.MOST_REVIEWED", 1)
    shown = one.open("ann", one.search(grace_hopper()))
    assert len(shown.candidates) == 1
    assert alike(shown.candidates[0].picture, shown.probe), "the best of them"


def test_one_damaged_candidate_stops_no_other_review(two: House) -> None:
    bad, good = two.search(grace_hopper()), two.search(grace_hopper())
    two.judge("ann", bad)
    two.open("ben", bad)
    with two.opened.instance.database.engine.begin() as connection:
        connection.execute(
            text("UPDATE review_candidates SET sealed_record = x'00' WHERE review_id = :bad"),
            {"bad": bad},
        )
    two.judge("ben", bad)
    assert two.outcome(bad).outcome == "damaged"
    other = two.search(grace_hopper())
    for review in (good, other):
        _overdue(two, review)
    two.change(good, sealed_terms=b"damaged")
    assert two.sweep() == 2
    assert [two.row(each).outcome for each in (good, other)] == ["damaged", "timeout"]


# ---------------------------------------------------------------- tampering
_EDITS = {
    "client": "UPDATE reviews SET client = 'others'",
    "expiry": "UPDATE reviews SET expires_at = '2090-01-01 00:00:00.000000'",
    "terms": "UPDATE reviews SET sealed_terms = sealed_probe",
    "key": "UPDATE reviews SET wrapped_key = zeroblob(60)",
    "seat": "UPDATE review_seats SET name = name || '-2'",
    "seed": "UPDATE review_seats SET sealed_seed = zeroblob(60)",
    "word": "UPDATE review_decisions SET sealed_word = zeroblob(32)",
    "swap": "UPDATE review_decisions SET sealed_word = (SELECT sealed_word FROM review_decisions "
    "AS other WHERE other.number <> review_decisions.number AND other.credential_id = "
    "review_decisions.credential_id)",
    "when": "UPDATE review_decisions SET decided_at = '2020-01-01 00:00:00.000000'",
    "face": "UPDATE review_candidates SET face_id = 'another'",
}


@pytest.mark.parametrize("edit", sorted(_EDITS))
def test_edited_rows_confirm_nobody(two: House, edit: str) -> None:
    review = two.search(grace_hopper())
    two.judge("ann", review)
    two.open("ben", review)
    with two.opened.instance.database.engine.begin() as connection:
        connection.execute(text(_EDITS[edit]))
    try:
        two.judge("ben", review)
    except ReviewError:
        two.sweep()
    row = two.row(review)
    # A candidate that names another face is nobody's here; it leaves like an erased one.
    assert (row.state, row.outcome) in {("closed", "damaged"), ("open", None)}
    if row.state == "closed":
        two.nothing_left(review)
    if row.client == "finders":
        assert two.outcome(review).candidates == ()


def test_a_decision_of_another_review_does_not_count(two: House) -> None:
    first, second = two.search(grace_hopper()), two.search(eileen_collins())
    for name in ("ann", "ben"):
        two.open(name, second)
    shown = two.open("ann", first)
    two.decide("ann", first, dict.fromkeys(_numbers(shown), "same"))
    with two.opened.instance.database.engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO review_decisions SELECT :second, number, credential_id, sealed_word,"
                " decided_at FROM review_decisions WHERE review_id = :first"
            ),
            {"first": first, "second": second},
        )
    two.sweep()
    assert two.row(second).outcome == "damaged"
    two.nothing_left(second)


def test_nothing_is_kept_of_what_could_not_be_recorded(
    one: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    review = one.search(grace_hopper())
    shown = one.open("ann", review)

    def fails(*_: Any, **__: Any) -> None:
        raise RuntimeError("the power fails")

    with monkeypatch.context() as patched:
        patched.setattr(log, "append", fails)
        with pytest.raises(RuntimeError):
            one.decide("ann", review, dict.fromkeys(_numbers(shown), "same"))
    assert one.rows("review_decisions") == []
    assert one.row(review).state == "open"
    one.judge("ann", review)
    assert one.outcome(review).outcome == "confirmed"


# ---------------------------------------------------------------- the ledger
def test_the_ledger_tells_of_the_review_and_of_nobody(two: House) -> None:
    answer = two.searched(grace_hopper())
    review = answer.review
    assert review is not None
    for leaf in two.leaves():
        if leaf.of == answer.ledger_index:
            assert dict(leaf.counts) == {}, "an open review says nothing of what it holds"
            assert leaf.subjects == ()
    two.judge("ann", review)
    two.judge("ben", review)
    acts = [leaf for leaf in two.leaves() if leaf.operation.startswith("review-")]
    assert [leaf.operation for leaf in acts] == [
        "review-open",
        "review-decide",
        "review-decide",
        "review-close",
    ]
    assert {leaf.of for leaf in acts} == {answer.ledger_index}
    ids = [f"crd-{two.credentials[name].credential.credential_id}" for name in ("ann", "ben")]
    assert [leaf.records for leaf in acts[1:3]] == [(ids[0],), (ids[1],)]
    close = acts[-1]
    assert close.outcome == "confirmed"
    assert set(close.records) == set(ids)
    assert len(close.subjects) == 2
    assert dict(close.counts) == {
        "candidates": 2,
        "reviewers": 2,
        "confirmed": 1,
        "not-this-person": 1,
    }
    whole = b"".join(leaf.canonical() for leaf in two.leaves())
    for name in (b"ann", b"ben", b"grace", b"eileen", review.encode(), GALLERY.encode()):
        assert b'"' + name + b'"' not in whole


# ---------------------------------------------------------------- wire and command line
def test_through_the_wire_with_an_unmodified_client(either: House) -> None:
    key = either.licence
    with running(create_app(either.service)) as url:
        client = boto3.client(
            "rekognition",
            endpoint_url=url,
            region_name="us-east-1",
            aws_access_key_id=key.licence.access_key_id,
            aws_secret_access_key=key.secret_access_key,
        )
        response = client.search_faces_by_image(
            CollectionId=GALLERY, Image={"Bytes": grace_hopper()}, FaceMatchThreshold=0
        )
        assert response["FaceMatches"] == []
        headers = response["ResponseMetadata"]["HTTPHeaders"]
        assert headers["x-rightface-match-fmr"] == "none"
        waiting = review_of(response)
        assert waiting is not None
        assert waiting.expires_at > datetime.now(UTC) + timedelta(hours=71)
        either.judge("ann", waiting.review_id)
        either.judge("ben", waiting.review_id)
        assert either.outcome(waiting.review_id).outcome == "confirmed"
        assert review_of(client.list_faces(CollectionId=GALLERY)) is None
        either.end("ben")
        with pytest.raises(ClientError, match="1 who may"):
            client.search_faces_by_image(CollectionId=GALLERY, Image={"Bytes": grace_hopper()})


def test_on_the_command_line(one: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    review = one.search(grace_hopper())
    data = one.opened.instance.settings.data
    token = tmp_path / "token"
    token.write_text(one.tokens["ann"] + "\n")

    def run(*words: str, status: int = 0) -> Any:
        return commanded("review", *words, "--data", str(data), status=status)

    monkeypatch.delenv("RIGHTFACE_TOKEN", raising=False)
    assert "no token" in run("list", status=2)["message"]
    with monkeypatch.context() as patched:
        patched.setenv("RIGHTFACE_TOKEN", one.tokens["ann"])
        (seat,) = run("list")
    assert seat["review_id"] == review
    shown = run("open", review, "--to", str(tmp_path / "look"), "--token-file", str(token))
    probe = Path(shown["probe"]["file"]).read_bytes()
    assert (tmp_path / "look").stat().st_mode & 0o077 == 0
    words = []
    for each in shown["candidates"]:
        same = alike(Path(each["file"]).read_bytes(), probe)
        words += ["--candidate", f"{each['number']}={'same' if same else 'not-this-person'}"]
    assert (
        "written N=WORD"
        in run("decide", review, "--candidate", "one", "--token-file", str(token), status=2)[
            "message"
        ]
    )
    done = run("decide", review, *words, "--token-file", str(token))
    assert (done["decided"], done["left"]) == (2, 0)
    assert run("list", "--token-file", str(token)) == []
    assert {each["outcome"] for each in run("figures")} == {"confirmed", "not-this-person"}
    assert one.outcome(review).outcome == "confirmed"


def _told(made: House, answer: Answer[SearchResult]) -> list[Any]:
    """All that the client of a search can see of its review, in the answers and in the ledger."""
    told = made.outcome(str(answer.review))
    acts = [leaf for leaf in made.leaves() if leaf.of == answer.ledger_index]
    seen = [(a.kind, a.operation, a.outcome, dict(a.counts), a.subjects, a.records) for a in acts]
    return [told.state, told.outcome, told.candidates, seen]


def _numbers(shown: OpenedReview) -> list[int]:
    return [each.number for each in shown.candidates]


def _face(made: House, subject: str) -> str:
    page = made.service.list_faces(made.caller(), GALLERY, limit=100, after=None, face_ids=None)
    return next(each.face_id for each in page.value.faces if each.subject == subject)


def _overdue(made: House, review: str) -> None:
    """Let its time be over: as it would be found after 72 hours, in column and terms alike."""
    instance, row = made.opened.instance, made.row(review)
    opened = review_seals.opened(instance.keyring, row)
    past = datetime.now(UTC) - timedelta(seconds=1)
    told = {**vars(opened.terms), "expires_at": past.isoformat()}
    sealed = seal(opened.key, json.dumps(told).encode(), review_seals.place_of("terms", review))
    made.change(review, expires_at=past, sealed_terms=sealed)
