"""The controlled words: they are those of the instrument tables, and nothing else passes."""

from __future__ import annotations

import pytest

from rightface.errors import LawError
from rightface.law.library import InstrumentLibrary
from rightface.law.vocabulary import Vocabulary
from rightface.permit import Touch

WORDS = Vocabulary.load()


def test_it_has_the_words_of_the_instrument_tables() -> None:
    actors = """law-enforcement-local law-enforcement-state law-enforcement-federal
        law-enforcement-foreign government-agency school private-entity vendor airline-partner
        border-agency ngo-child-protection individual legislature"""
    operations = """verify-1to1 identify-1toN identify-live ongoing-surveillance persistent-tracking
        enroll scrape-gallery infer-attributes acquire-possess request-third-party-search
        supply-product bodycam-fr redact-video arrest-on-match lineup-on-match
        probable-cause-from-match sell-data disclose-data retain train-model"""
    warrants = "none warrant court-order exigent probable-cause subpoena judicial-authorisation"
    assert set(WORDS.actors) == set(actors.split())
    assert set(WORDS.warrants) == set(warrants.split())
    assert set(WORDS.operations) - set(operations.split()) == {
        "detect",
        "erase",
        "manage-gallery",
        "rebuild-index",
        "measure-accuracy",
    }
    assert set(operations.split()) <= set(WORDS.operations)


UNUSED = {
    "accuracy-evidence": "step 5 of the gate asks for it, for every search",
    "licensed": "the base permission asks for it; no instrument may",
    "worst_group_false_match_times": "for the limits of instruments to come; step 5 has its own",
}


def test_every_duty_fact_and_condition_is_used_by_a_rule() -> None:
    used = set()
    for one in InstrumentLibrary.load().instruments.values():
        for rule in one.rules:
            used |= {rule.duty, *rule.attributes}
            for table in (*rule.facts.when, *rule.facts.unless):
                for name in ("duties", "facts"):
                    used |= {*table.get(name, {}).values()}
    words = {*WORDS.duties, *WORDS.facts, *WORDS.conditions}
    assert words - used == set(UNUSED)


def test_its_own_words_hold_together() -> None:
    for operation in WORDS.operations.values():
        assert set(operation.implies) <= set(WORDS.operations)
        assert not set(operation.aliases) & set(WORDS.operations)
    for actor in WORDS.actors.values():
        assert set(actor.groups) <= set(WORDS.groups)
    for carried in WORDS.bases.values():
        assert carried <= set(WORDS.operations)
    for condition in WORDS.conditions.values():
        if not condition.derived:
            assert WORDS.value(condition.name, condition.default) == condition.default
        assert condition.definition.endswith(".")
    assert not {"*", "everyone"} & (set(WORDS.actors) | set(WORDS.groups))
    assert len(list(Touch)) == 9


@pytest.mark.parametrize(
    ("alias", "operation"),
    [
        ("compare", "verify-1to1"),
        ("search", "identify-1toN"),
        ("watch", "identify-live"),
        ("redact", "redact-video"),
        ("disclose", "disclose-data"),
        ("enroll", "enroll"),
    ],
)
def test_aliases(alias: str, operation: str) -> None:
    assert WORDS.operation(alias) == operation


def test_an_unknown_word_is_named_with_those_allowed() -> None:
    with pytest.raises(LawError) as caught:
        WORDS.actor("law-enforcment-local")
    told = caught.value.diagnostics()
    assert "law-enforcment-local" in told
    assert "private-entity" in told
    assert "Did you mean 'law-enforcement-local'?" in told


@pytest.mark.parametrize("word", ["", "\x00", "x" * 500, "a\nb", None, 7, ["school"], {}])
def test_nonsense_is_not_repeated(word: object) -> None:
    for look_up in (WORDS.actor, WORDS.operation, WORDS.purpose, WORDS.warrant, WORDS.place):
        try:
            look_up(word)  # type: ignore[arg-type]
        except LawError as error:
            assert len(error.what) < 150
            assert error.what.isprintable()
        except TypeError:
            # A list or mapping cannot even be looked up; only text ever gets here.
            assert isinstance(word, list | dict)
        else:
            pytest.fail("it passed")


@pytest.mark.parametrize(
    "place", ["US", "US-CA", "US-CA-SF", "GB-SCT", "EU", "US-MI-DETROIT", "XK"]
)
def test_places(place: str) -> None:
    assert WORDS.place(place) == place


@pytest.mark.parametrize(
    "place",
    ["", "us", "USA", "US-", "-US", "US-ca", "US_CA", "ZZ", "ZZ-CA", "*", "US-CA\n", "US CA", "EUR",
     "US-A-B-C-D-E", "US--CA"],
)  # fmt: skip
def test_what_is_no_place(place: str) -> None:
    with pytest.raises(LawError, match="Unknown jurisdiction"):
        WORDS.place(place)


@pytest.mark.parametrize(
    ("wide", "narrow", "holds"),
    [
        ("US", "US", True),
        ("US", "US-CA-SF", True),
        ("US-CA", "US-CA-SF", True),
        ("US-CA-SF", "US-CA", False),
        ("US-C", "US-CA", False),
        ("US-CA", "US-CAX", False),
        ("EU", "DE", True),
        ("EU", "DE-BY", True),
        ("EU", "GB", False),
        ("DE", "EU", False),
        ("EU", "EU", True),
        ("*", "JP", True),
        ("GB", "US", False),
    ],
)
def test_nesting(wide: str, narrow: str, holds: bool) -> None:
    assert WORDS.contains(wide, narrow) is holds


def test_groups() -> None:
    assert WORDS.members(["police"]) == {"law-enforcement-local", "law-enforcement-state"}
    assert "law-enforcement-local" in WORDS.members(["law-enforcement"])
    assert WORDS.members(["everyone"]) == set(WORDS.actors)
    assert not WORDS.members(["private"]) & WORDS.members(["government"])
    assert WORDS.groups_of("law-enforcement-local") == {"police", "law-enforcement", "government"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("consent", "true"),
        ("consent", 1),
        ("days_since_last_interaction", True),
        ("days_since_last_interaction", 1.5),
        ("days_since_last_interaction", 2**63),
        ("purpose", "robbery"),
        ("targeting", "everybody"),
        ("warrant", True),
        ("duties", "human-review"),
        ("duties", ["sing"]),
        ("recipient", "wizard"),
        ("phase", 1),
    ],
)
def test_conditions_have_types(name: str, value: object) -> None:
    with pytest.raises(LawError):
        WORDS.value(name, value)
