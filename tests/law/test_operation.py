"""Operations: what they accept, and the digest that binds a permit to one."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from rightface.errors import LawError
from rightface.law.operation import Operation, Party

ASKED = Operation(
    action="enroll",
    client="acme",
    actor="private-entity",
    client_jurisdiction="US-TX",
    place_jurisdiction="US-TX",
    gallery_jurisdiction="US-TX",
)
OTHER: dict[str, Any] = {
    "action": "detect",
    "client": None,
    "actor": "vendor",
    "client_jurisdiction": "US",
    "place_jurisdiction": "US",
    "gallery_jurisdiction": "US",
    "parties": (Party("A", "school"),),
    "licence_id": "lic-1",
    "purpose": "research",
    "gallery": "g",
    "as_of": datetime(2020, 1, 1, tzinfo=UTC),
    "subjects": ("s",),
    "realtime": True,
    "device": "phone",
    "warrant": "warrant",
    "legal_basis": "public-task",
    "known_at": datetime(2021, 1, 1, tzinfo=UTC),
    "warrant_id": "wrt-1",
    "declared": {"assembly": True},
    "review": "rev-1",
    "findings": ("search:1",),
    "conditions": {"consent": True},
    "request_id": "r",
}


def test_the_digest_covers_every_field() -> None:
    assert set(OTHER) == {field.name for field in fields(Operation)}
    digests = {replace(ASKED, **{name: value}).digest for name, value in OTHER.items()}
    assert len(digests | {ASKED.digest}) == len(OTHER) + 1


def test_the_digest_is_that_of_the_content() -> None:
    assert replace(ASKED).digest == ASKED.digest
    assert len(ASKED.digest) == 64
    some = replace(ASKED, conditions={"consent": True, "assembly": False})
    same = replace(ASKED, conditions={"assembly": False, "consent": True})
    assert some.digest == same.digest
    moment = datetime(2020, 1, 1, 12, tzinfo=UTC)
    elsewhere = moment.astimezone(timezone(timedelta(hours=5)))
    assert replace(ASKED, as_of=moment).digest == replace(ASKED, as_of=elsewhere).digest


def test_texts_do_not_run_into_each_other() -> None:
    assert (
        replace(ASKED, subjects=("a", "b")).digest
        != replace(ASKED, subjects=("ab",)).digest
        != replace(ASKED, subjects=('a","b',)).digest
    )


def test_conditions_are_frozen_and_its_own() -> None:
    stated: dict[str, Any] = {"consent": False, "duties": ["public-retention-policy"]}
    asked = replace(ASKED, conditions=stated)
    digest = asked.digest
    stated["consent"] = True
    stated["duties"].append("human-review")
    assert asked.digest == digest
    with pytest.raises(TypeError):
        asked.conditions["consent"] = True  # type: ignore[index]


@pytest.mark.parametrize(
    "changed",
    [
        {"action": None},
        {"actor": 3},
        {"client": 3},
        {"purpose": b"x"},
        {"gallery": ["staff"]},
        {"as_of": "2020-01-01"},
        {"as_of": datetime(2020, 1, 1)},  # without a time zone: the point
        {"subjects": "alice"},
        {"subjects": [1]},
        {"subjects": None},
        {"parties": ["Metro PD:school"]},
        {"parties": 3},
        {"realtime": 1},
        {"conditions": [("consent", True)]},
        {"conditions": {"consent": None}},
        {"conditions": {"consent": 1.5}},
        {"conditions": {3: True}},
    ],
)
def test_malformed(changed: dict[str, Any]) -> None:
    with pytest.raises(LawError):
        replace(ASKED, **changed)


def test_lone_surrogates_have_a_digest() -> None:
    assert len(replace(ASKED, subjects=("\ud800",)).digest) == 64


def test_parties_are_written_name_and_actor() -> None:
    assert Party.parse("Metro PD:law-enforcement-local") == Party(
        "Metro PD", "law-enforcement-local"
    )
    assert Party.parse("A: B : school") == Party("A: B", "school")
    for text in ("", "Metro PD", ":school", "Metro PD:", " : "):
        with pytest.raises(LawError, match="NAME:ACTOR"):
            Party.parse(text)


def test_jurisdictions_each_once() -> None:
    assert ASKED.jurisdictions == ("US-TX",)
    assert replace(ASKED, place_jurisdiction="DE").jurisdictions == ("US-TX", "DE")
