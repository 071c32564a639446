"""What breaks other parsers, and places and numbers that are none: an error each, no answer."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from sqlalchemy import text

from rightface.errors import LawError, RightfaceError
from rightface.law.library import SHIPPED, InstrumentLibrary
from rightface.law.question import question, read_questions
from rightface.law.vocabulary import Vocabulary
from rightface.permit import Permit
from tests.law.conftest import Instance, operation

WORDS = Vocabulary.load()
DEEP = 100_000
ASKED = {"actor": "vendor", "jurisdiction": "US-IL", "operation": "retain"}


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("US-CA-SANFRANCISCO", "US-CA-SF"),
        ("US-CA-SAN-FRANCISCO", "US-CA-SF"),
        ("US-CA-S", "US-CA-SF"),
        ("US-SF", "US-CA-SF"),
        ("US-OR-PDX", "US-OR-PORTLAND"),
        ("US-CA-OAKLND", "US-CA-OAKLAND"),
        ("US-NY-NEW-YORK", "US-NY-NYC"),
        ("US-XX", ""),
        ("US-VIRGINIA", ""),
        ("MA-BOSTON", ""),
        ("GB-LONDON", ""),
    ],
)
def test_a_place_that_would_miss_its_law_is_an_error(word: str, meant: str) -> None:
    with pytest.raises(LawError, match="Unknown jurisdiction") as caught:
        WORDS.place(word)
    assert meant in caught.value.mend


@pytest.mark.parametrize(
    "word",
    ["US", "US-CA", "US-CA-SF-MISSION", "US-IL-CHICAGO", "US-NY-BUFFALO", "DE-BY", "EU", "XK"],
)
def test_a_place_without_a_law_of_its_own_is_a_place(word: str) -> None:
    assert WORDS.place(word) == word


def test_england_and_wales_are_one_for_the_law() -> None:
    assert WORDS.contains("GB-EAW", "GB-ENG")
    assert WORDS.contains("GB-EAW", "GB-WLS-CARDIFF")
    assert WORDS.contains("GB", "GB-ENG")
    assert not WORDS.contains("GB-EAW", "GB-SCT")
    assert not WORDS.contains("GB-ENG", "GB-EAW")


@pytest.mark.parametrize("written", ["[" * DEEP, "- " * DEEP, "{a: " * DEEP])
def test_a_deep_file_of_questions(tmp_path: Path, written: str) -> None:
    path = tmp_path / "deep.yaml"
    path.write_text(written)
    with pytest.raises(LawError) as caught:
        read_questions(path)
    assert caught.value.mend


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("policy.cedar", "permit (principal, action, resource) when { " + "(" * DEEP),
        ("instrument.toml", "x = " + "[" * DEEP),
        ("cases.yaml", "[" * DEEP),
        ("policy.cedar", "a" * (2**20 + 1)),
    ],
)
def test_a_deep_or_long_file_of_an_instrument(tmp_path: Path, name: str, written: str) -> None:
    folder = tmp_path / "us-tx-copy"
    shutil.copytree(SHIPPED / "us-tx-cubi", folder)
    (folder / name).write_text(written)
    with pytest.raises(LawError) as caught:
        library = InstrumentLibrary.load(tmp_path)
        read_questions(library.instrument("us-tx-copy").folder / "cases.yaml")
    assert caught.value.mend


def test_a_file_without_an_end(tmp_path: Path) -> None:
    folder = tmp_path / "us-tx-copy"
    shutil.copytree(SHIPPED / "us-tx-cubi", folder)
    (folder / "instrument.toml").unlink()
    (folder / "instrument.toml").symlink_to("/dev/zero")
    with pytest.raises(LawError, match="no file"):
        InstrumentLibrary.load(tmp_path)


@pytest.mark.parametrize(
    "told",
    [
        {"hours_since_boarding": -1},
        {"days_since_public_notice": -2},
        {"lowest_group_true_positive_permille": 5000},
        {"instruments": []},
    ],
)
def test_numbers_and_lists_that_mean_nothing(told: dict[str, object]) -> None:
    with pytest.raises(LawError):
        question({**ASKED, **told})


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE licences SET signature = ''",
        "UPDATE licences SET body = x'ff'",
        "UPDATE licences SET revoked_at = '2020-01-01 00:00:00.000000'",
        "UPDATE duties_on_record SET signature = 'xx', body = x'00'",
        "UPDATE duties_on_record SET recorded_at = 'yesterday'",
    ],
)
def test_a_database_edited_by_hand_permits_nothing(instance: Instance, statement: str) -> None:
    licence = instance.licence()
    instance.consent("alice")
    instance.duty()
    asked = operation(licence, subjects=("alice",))
    with instance.database.engine.execution_options(rightface_writes=True).begin() as connection:
        connection.execute(text(statement))
    try:
        answer = instance.decide(asked)
    except RightfaceError as error:
        assert error.what
    else:
        assert not isinstance(answer, Permit) or "duties" in statement
