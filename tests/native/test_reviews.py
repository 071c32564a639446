"""A review through the native API alone: searched, sealed, decided by named people, told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rightface.api.app import create_app
from rightface.api.native.asks import Verdict
from rightface.api.server import running
from rightface.client import ApiError, Client
from rightface.registrar_credentials import CredentialDesk
from tests.service.reviewing import House, alike, eileen_collins, grace_hopper, house


@pytest.fixture
def served(models: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[House, str]]:
    with house(models, monkeypatch) as made:
        made.reviewer("ann")
        made.enrol("grace", grace_hopper())
        made.enrol("eileen", eileen_collins())
        with running(create_app(made.service)) as url:
            yield made, url


def test_from_the_search_to_the_lead(served: tuple[House, str]) -> None:
    made, url = served
    review_id = made.search(grace_hopper())
    key = made.licence.licence.access_key_id
    searcher = Client(url, access_key_id=key, secret_access_key=made.licence.secret_access_key)
    ann = Client(url, token=made.tokens["ann"])
    assert searcher.review_outcome(review_id).state == "open"
    (waiting,) = ann.list_reviews().reviews
    assert (waiting.review_id, waiting.seated) == (review_id, False)
    opened = ann.open_review(review_id)
    assert opened.probe.startswith(b"\x89PNG")
    assert "PNG" not in repr(opened)
    words: dict[int, Verdict] = {
        one.number: "same" if alike(one.picture, opened.probe) else "not-this-person"
        for one in opened.candidates
    }
    assert sorted(words.values()) == ["not-this-person", "same"]
    assert ann.decide_review(review_id, words).left == 0
    told = searcher.review_outcome(review_id)
    assert (told.state, told.outcome) == ("closed", "confirmed")
    assert [one.subject for one in told.candidates] == ["grace"]
    assert "never an identification" in told.note
    with pytest.raises(ApiError) as error:
        ann.decide_review(review_id, words)
    assert (error.value.status, error.value.problem.code) == (409, "review")
    operator = Client(
        url, token=CredentialDesk(made.opened.instance).issue(role="operator", name="op").token
    )
    assert {(one.outcome, one.number) for one in operator.review_figures().figures} == {
        ("confirmed", 1),
        ("not-this-person", 1),
    }
    for ask in (operator.list_reviews, searcher.list_reviews):
        with pytest.raises(ApiError) as error:
            ask()
        assert error.value.status == 403


def test_another_clients_review_is_none(served: tuple[House, str]) -> None:
    made, url = served
    review_id = made.search(grace_hopper())
    other = made.opened.licence("another", ("missing-child",))
    asking = Client(
        url,
        access_key_id=other.licence.access_key_id,
        secret_access_key=other.secret_access_key,
    )
    with pytest.raises(ApiError) as error:
        asking.review_outcome(review_id)
    assert (error.value.status, error.value.problem.code) == (404, "review-not-found")


def test_whoever_looks_is_in_the_ledger_by_id_alone(served: tuple[House, str]) -> None:
    made, url = served
    review_id = made.search(grace_hopper())
    Client(url, token=made.tokens["ann"]).open_review(review_id)
    who = made.credentials["ann"].credential
    named = [leaf for leaf in made.leaves() if f"crd-{who.credential_id}" in leaf.records]
    assert [leaf.operation for leaf in named if leaf.kind == "decision"] == ["identify-1toN"]
    assert not any(b"ann" in leaf.canonical() for leaf in named)
