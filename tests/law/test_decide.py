"""Questions in YAML and their answers."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rightface.errors import LawError
from rightface.law.decide import Answer, Desk
from rightface.law.library import InstrumentLibrary
from rightface.law.operation import Party
from rightface.law.question import FIELDS, question, read_questions
from tests.law.conftest import NOW, Instance

POLICE = {
    "id": "q",
    "as_of": "2020-06-12",
    "actor": "law-enforcement-local",
    "jurisdiction": "US-CA-SF",
    "operation": "identify-1toN",
    "purpose": "criminal-investigation",
}


def ask(library: InstrumentLibrary, told: dict[str, Any], **changed: Any) -> Answer:
    return Desk(library).answer(question({**told, **changed}))


# ---------------------------------------------------------------- reading
def test_a_file_of_questions(tmp_path: Path) -> None:
    path = tmp_path / "questions.yaml"
    path.write_text(
        """\
- {id: one, as_of: 2020-06-12, actor: vendor, jurisdiction: US-WA, operation: supply-product,
   purpose: product-supply, consent: null, warrant: none, recipient: school}
- as_of: 2020-06-12T10:00:00Z
  actor: private-entity
  jurisdiction: US-IL
  operation: enroll
  conditions: {written_release: true, duties: [public-retention-policy]}
  parties: ['Metro PD:law-enforcement-local', {name: "A: B", actor: school}]
"""
    )
    first, second = read_questions(path)
    assert first.question_id == "one"
    assert first.as_of == datetime(2020, 6, 12, tzinfo=UTC)
    assert first.conditions == {"recipient": "school"}
    assert second.question_id == "question-2"
    assert second.as_of == datetime(2020, 6, 12, 10, tzinfo=UTC)
    assert second.conditions == {"written_release": True, "duties": ("public-retention-policy",)}
    assert second.parties == (Party("Metro PD", "law-enforcement-local"), Party("A: B", "school"))


def test_json_is_read_too(tmp_path: Path) -> None:
    path = tmp_path / "questions.json"
    path.write_text(json.dumps({"requests": [POLICE]}))
    [one] = read_questions(path)
    assert one.operation().action == "identify-1toN"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"mood": "good"}, "Unknown word 'mood'"),
        ({"actor": "wizard"}, "Unknown actor 'wizard'"),
        ({"operation": "levitate"}, "Unknown operation 'levitate'"),
        ({"operation": None}, "Unknown operation"),
        ({"purpose": "theft investigation"}, "Unknown purpose 'theft investigation'"),
        ({"warrant": "hunch"}, "Unknown warrant 'hunch'"),
        ({"jurisdiction": "Narnia"}, "Unknown jurisdiction 'Narnia'"),
        ({"jurisdiction": False}, "YAML reads NO as false"),
        ({"jurisdiction": None}, "neither who acts nor where"),
        ({"actor": None}, "neither who acts nor where"),
        ({"device": "crystal-ball"}, "Unknown device"),
        ({"legal_basis": "whim"}, "Unknown legal basis"),
        ({"consent": "yes"}, "The condition 'consent' cannot be 'yes'"),
        ({"licensed": True}, "no condition to state"),
        ({"consequential": False}, "no condition to state"),
        ({"conditions": {"warrant": "warrant"}}, "no condition to state"),
        ({"conditions": {"consent": True}, "consent": True}, "given twice"),
        ({"conditions": ["consent"]}, "not a mapping"),
        ({"as_of": "soon"}, "no date"),
        ({"as_of": 2020}, "no date"),
        ({"parties": "Metro PD:school"}, "not a list"),
        ({"parties": ["Metro PD"]}, "NAME:ACTOR"),
        ({"parties": ["Metro PD:wizard"]}, "Unknown actor"),
        ({"subjects": ["alice"]}, "no client"),
        ({"licence": "lic-1"}, "no client"),
        ({"client": 7}, "'client' is not text"),
        ({"client": "acme", "subjects": "alice"}, "not a list of texts"),
        ({"client": "acme"}, "there is no instance"),
        ({"commitments": "some"}, "unclear"),
        ({"commitments": "recorded"}, "no instance"),
        ({"commitments": ["us-il-bipa-2008"]}, "no commitment"),
        ({"commitments": ["us-na-narnia"]}, "Unknown instrument"),
        ({"expect": "maybe"}, "no outcome"),
        ({"realtime": "yes"}, "cannot be 'yes'"),
    ],
)
def test_malformed_questions(
    library: InstrumentLibrary, changed: dict[str, Any], said: str
) -> None:
    with pytest.raises(LawError) as caught:
        ask(library, POLICE, **changed)
    told = caught.value.diagnostics()
    assert said in told
    assert "'q'" in told or "commitment" in told or "instrument" in told


def test_an_unknown_word_comes_with_those_allowed(library: InstrumentLibrary) -> None:
    with pytest.raises(LawError) as caught:
        ask(library, POLICE, consnet=True)
    assert "consent" in caught.value.why
    assert "written_release" in caught.value.why


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no list"),
        ("just: this", "no list"),
        ("- 7", "not a mapping"),
        ("- {id: a, operation: detect", "is not YAML"),
        ("- {operation: detect, operation: enroll}", "stands twice"),
        ("- {operation: detect, no: true}", "is not text"),
        ("- {id: a, operation: detect}\n- {id: a, operation: detect}", "the id 'a'"),
        ("- !!python/object/apply:os.system ['true']", "is not YAML"),
        ("- {as_of: 2020-02-31, operation: detect}", "is not YAML"),
        ("\x00", "is not YAML"),
    ],
)
def test_malformed_files(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "questions.yaml"
    path.write_text(text)
    with pytest.raises(LawError, match=said) as caught:
        read_questions(path)
    assert "questions.yaml" in caught.value.what


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(LawError, match="is missing"):
        read_questions(tmp_path / "nothing.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"- {id: \xe9}")
    with pytest.raises(LawError, match="cannot be read"):
        read_questions(tmp_path / "latin.yaml")


WORDS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.text(max_size=20),
    st.dates(),
    st.sampled_from(["vendor", "enroll", "US-IL", "warrant", "all", "A:school"]),
)
VALUES = st.recursive(
    WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=4,
)


@settings(max_examples=400, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from([*FIELDS, "written_release", "targeting", "x", 7]), VALUES, max_size=8
    )
    | VALUES
)
def test_any_question_is_answered_or_told_what_is_wrong(told: object) -> None:
    desk = Desk(_LIBRARY)
    try:
        answer = desk.answer(question(told))
    except LawError as error:
        assert error.what
    else:
        assert json.dumps(answer.to_json())


_LIBRARY = InstrumentLibrary.load()


# ---------------------------------------------------------------- answering
def test_an_answer_says_everything(library: InstrumentLibrary) -> None:
    answer = ask(library, POLICE).to_json()
    assert answer["id"] == "q"
    assert answer["outcome"] == "deny"
    assert answer["instruments"] == [
        "amazon-rekognition-moratorium-2020",
        "baseline-human-rights",
        "microsoft-police-commitment-2020",
        "us-ca-sf-19b",
    ]
    assert answer["missing"] == ["human-review"]
    assert answer["left_out"] == ["licence", "consent or another basis", "evidence"]
    assert answer["as_of"] == "2020-06-12T00:00:00+00:00"
    for reason in answer["reasons"]:
        assert reason["instrument"] and reason["section"] and reason["citation"]
        assert reason["text"] and reason["change"] and reason["rule"]
    json.dumps(answer)


def test_deny_overrides_then_the_union_of_duties(library: InstrumentLibrary) -> None:
    told = {
        "actor": "private-entity",
        "jurisdiction": "US-IL",
        "operation": "enroll",
        "purpose": "loyalty-programme",
        "as_of": "2020-06-12",
    }
    assert ask(library, told).ruling.outcome == "deny"
    released = ask(library, told, written_release=True)
    assert released.ruling.outcome == "require-duty"
    assert released.ruling.missing == ("public-retention-policy",)
    done = ask(library, told, written_release=True, duties=["public-retention-policy"])
    assert done.ruling.outcome == "allow"
    assert [one["kind"] for one in done.to_json()["obligations"]] == ["retention-idle-days"]


@pytest.mark.parametrize(
    ("commitments", "outcome"),
    [
        (None, "deny"),
        ("all", "deny"),
        ("none", "allow"),
        ([], "allow"),
        (["microsoft-police-commitment-2020"], "deny"),
    ],
)
def test_which_commitments_count(
    library: InstrumentLibrary, commitments: object, outcome: str
) -> None:
    told = {**POLICE, "jurisdiction": "US-TX", "duties": ["human-review"]}
    assert ask(library, told, commitments=commitments).ruling.outcome == outcome


def test_one_instrument_alone(library: InstrumentLibrary) -> None:
    told = question({**POLICE, "purpose": "mass-surveillance", "jurisdiction": "US-TX"})
    for instrument, outcome in (
        ("us-ca-sf-19b", "allow"),
        ("us-il-bipa-2008", "allow"),
        ("baseline-human-rights", "deny"),
        ("microsoft-police-commitment-2020", "deny"),
    ):
        answer = Desk(library, instruments=[instrument]).answer(told)
        assert answer.ruling.outcome == outcome
        assert set(answer.ruling.in_force) <= {instrument}
    with pytest.raises(LawError, match="Unknown instrument"):
        Desk(library, instruments=["us-na-narnia"])


def test_without_a_date_it_is_now(library: InstrumentLibrary) -> None:
    told = {name: value for name, value in POLICE.items() if name != "as_of"}
    desk = Desk(library, clock=lambda: datetime(2018, 1, 1, tzinfo=UTC))
    assert desk.answer(question(told)).ruling.outcome == "require-duty"
    assert ask(library, told).ruling.outcome == "deny"


def test_a_named_client_brings_its_records(instance: Instance) -> None:
    instance.licence(jurisdiction="US-IL")
    desk = Desk(instance.library, instance.gate)
    told = {
        "client": "acme",
        "operation": "enroll",
        "purpose": "access-control",
        "gallery": "staff",
        "subjects": ["alice"],
        "as_of": NOW,
    }
    answer = desk.answer(question(told))
    assert answer.left_out == ()
    assert {reason.instrument for reason in answer.ruling.reasons} == {
        "us-il-bipa-2008",
        "us-il-bipa-amendment-2024",
        "consent",
    }
    instance.consent("alice")
    instance.duty()
    assert desk.answer(question(told)).ruling.outcome == "allow"
    later = desk.answer(question({**told, "as_of": NOW + timedelta(days=1000)}))
    assert [reason.key for reason in later.ruling.reasons] == ["licence#expired"]
    alone = Desk(instance.library, instance.gate, instruments=["us-il-bipa-2008"])
    assert alone.answer(question(told)).left_out
    assert instance.recorded == []


def test_a_named_client_is_asked_about_what_this_instance_adopted(instance: Instance) -> None:
    instance.licence(client="pd", sector="law-enforcement-local", purposes=["identity-proofing"])
    desk = Desk(instance.library, instance.gate)
    told = {"client": "pd", "operation": "verify-1to1", "purpose": "identity-proofing",
            "as_of": NOW, "gallery": "staff"}  # fmt: skip
    assert desk.answer(question(told)).ruling.outcome == "allow"
    assert desk.answer(question({**told, "commitments": "all"})).ruling.outcome == "deny"
    instance.adopt()
    assert desk.answer(question(told)).ruling.outcome == "deny"
    nobody = {"actor": "law-enforcement-local", "jurisdiction": "US-TX", "commitments": "recorded",
              "operation": "verify-1to1", "as_of": NOW}  # fmt: skip
    assert desk.answer(question(nobody)).ruling.outcome == "deny"
    early = {**nobody, "as_of": NOW - timedelta(days=1)}
    assert desk.answer(question(early)).ruling.outcome == "allow"


def test_an_unknown_client(instance: Instance) -> None:
    desk = Desk(instance.library, instance.gate)
    told = {"client": "nobody", "operation": "detect", "actor": "school", "jurisdiction": "US"}
    answer = desk.answer(question(told))
    assert [reason.key for reason in answer.ruling.reasons] == ["licence#unknown"]
    with pytest.raises(LawError, match="no genuine licence"):
        desk.answer(question({"client": "nobody", "operation": "detect"}))
