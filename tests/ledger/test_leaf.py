"""Leaves: what may stand in the ledger, and that nothing else may."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from rightface.errors import LedgerError
from rightface.ledger.leaf import Leaf

from .sample import START, a_leaf

DIGESTS = st.binary(min_size=32, max_size=32).map(bytes.hex)
WORDS = st.from_regex(r"[a-z][a-z0-9]{0,8}(-[a-z0-9]{1,8}){0,3}", fullmatch=True)
NAMES = st.from_regex(r"[A-Za-z0-9_.-]{1,64}", fullmatch=True)
COUNTS = st.integers(0, 2**53 - 1)
LEAVES = st.builds(
    Leaf,
    time=st.datetimes(min_value=datetime(2000, 1, 1), timezones=st.just(UTC)),
    kind=st.sampled_from(["decision", "act"]),
    operation=WORDS,
    outcome=WORDS,
    client=st.none() | NAMES,
    licence=st.none() | NAMES,
    purpose=st.none() | WORDS,
    basis=st.none() | WORDS,
    gallery=st.none() | NAMES,
    jurisdictions=st.lists(st.sampled_from(["US", "US-IL", "US-OR-PORTLAND", "EU"]), max_size=4),
    reasons=st.lists(st.sampled_from(["us-il-bipa-2008#15b", "a#19B.2(d)", "x"]), max_size=4),
    policy=st.none() | DIGESTS,
    pack=st.none() | DIGESTS,
    comparison=st.none() | st.just("raw") | DIGESTS.map("equalised-1.{}".format),
    subjects=st.lists(DIGESTS, max_size=4),
    records=st.lists(
        st.sampled_from(["wrt-" + "0a" * 12, "evd-" + "b1" * 12, "search:7"]), max_size=3
    ),
    request=st.none() | st.uuids().map(str),
    counts=st.dictionaries(WORDS.filter(lambda word: len(word) <= 32), COUNTS, max_size=4),
)


@given(LEAVES)
def test_a_leaf_survives_its_canonical_form(leaf: Leaf) -> None:
    content = leaf.canonical()
    again = Leaf.parse(content)
    assert again == leaf
    assert again.canonical() == content
    assert rfc8785.dumps(json.loads(content)) == content
    assert content.isascii()


def test_the_canonical_form_is_what_the_documentation_shows() -> None:
    leaf = Leaf(
        time=START,
        kind="outcome",
        operation="identify-1toN",
        outcome="done",
        client="acme",
        of=7,
        counts={"candidates": 3},
    )
    assert leaf.canonical() == (
        b'{"client":"acme","counts":{"candidates":3},"kind":"outcome","of":7,'
        b'"operation":"identify-1toN","outcome":"done","time":"2026-11-22T01:02:03.456789Z","v":1}'
    )


def test_time_is_recorded_in_utc() -> None:
    tokyo = START.astimezone(timezone(timedelta(hours=9)))
    assert a_leaf(time=tokyo) == a_leaf(time=START)


FREE_TEXT: dict[str, dict[str, Any]] = {
    "a_sentence_as_operation": {"operation": "search for Alice"},
    "a_sentence_as_outcome": {"outcome": "denied because Alice"},
    "a_person_as_client": {"client": "Alice Example"},
    "an_address_as_client": {"client": "alice@example.com"},
    "a_person_as_purpose": {"purpose": "find Alice"},
    "other_letters": {"client": "алиса"},
    "other_digits": {"request": "١٢٣"},
    "a_newline_at_the_end": {"client": "acme\n"},
    "a_long_client": {"client": "a" * 65},
    "a_long_gallery": {"gallery": "a" * 256},
    "a_reference_as_subject": {"subjects": ("alice",)},
    "an_upper_case_digest": {"subjects": ("A" * 64,)},
    "a_short_digest": {"policy": "ab"},
    "a_comparison_without_its_digest": {"comparison": "equalised-1"},
    "a_sentence_as_comparison": {"comparison": f"alice.{'0' * 64} and more"},
    "a_long_comparison": {"comparison": f"{'a' * 33}.{'0' * 64}"},
    "a_sentence_as_reason": {"reasons": ("she did not agree",)},
    "a_sentence_after_the_instrument": {"reasons": ("us-il-bipa-2008#she did not agree",)},
    "a_lower_case_place": {"jurisdictions": ("us-il",)},
    "a_string_for_a_list": {"jurisdictions": "US IL"},
    "too_many_reasons": {"reasons": ("x",) * 129},
    "too_many_subjects": {"subjects": ("0" * 64,) * 801},
    "a_number_of_a_warrant": {"records": ("2026-CR-17",)},
    "a_person_as_record": {"records": ("fnd-alice",)},
    "a_name_as_count": {"counts": {"alice example": 1}},
    "text_as_count": {"counts": {"faces": "two"}},
    "a_truth_as_count": {"counts": {"faces": True}},
    "a_fraction_as_count": {"counts": {"faces": 1.5}},
    "a_negative_count": {"counts": {"faces": -1}},
    "an_inexact_count": {"counts": {"faces": 2**53}},
    "too_many_counts": {"counts": {f"n{number}": 1 for number in range(17)}},
    "an_unknown_kind": {"kind": "note"},
    "no_operation": {"operation": None},
    "a_number_as_client": {"client": 7},
    "a_naive_time": {"time": datetime(2026, 11, 22)},
    "text_as_time": {"time": "yesterday"},
    "another_version": {"v": 2},
    "a_decision_of_a_decision": {"of": 3},
    "an_outcome_of_nothing": {"kind": "outcome"},
    "a_negative_of": {"kind": "outcome", "of": -1},
}


@pytest.mark.parametrize("name", FREE_TEXT)
def test_no_free_text_enters(name: str) -> None:
    with pytest.raises(LedgerError) as caught:
        a_leaf(**FREE_TEXT[name])
    assert "alice" not in str(caught.value).lower()


@given(st.sampled_from(["operation", "client", "purpose", "gallery", "request"]), st.text())
def test_whatever_enters_has_no_spaces_and_no_other_alphabet(field: str, text: str) -> None:
    try:
        content = a_leaf(0, **{field: text}).canonical()
    except LedgerError:
        return
    assert text.isascii()
    assert not any(character.isspace() for character in text)
    assert json.loads(content)[field] == text


def test_the_largest_leaf_fits_into_a_bundle() -> None:
    filled = a_leaf(
        subjects=("0" * 64,) * 800,
        reasons=("a" * 64,) * 128,
        jurisdictions=("A" * 32,) * 32,
        gallery="g" * 255,
    )
    assert len(filled.canonical()) < 65_535
    with pytest.raises(LedgerError, match="too large"):
        a_leaf(subjects=("0" * 64,) * 800, reasons=("a" * 128,) * 128).canonical()


def test_a_leaf_cannot_be_changed() -> None:
    leaf = a_leaf(counts={"faces": 1})
    with pytest.raises(AttributeError):
        leaf.client = "other"  # type: ignore[misc]
    with pytest.raises(TypeError):
        leaf.counts["faces"] = 2  # type: ignore[index]


GOOD = a_leaf().canonical()
NOT_LEAVES = {
    "empty": b"",
    "not_json": b"{",
    "a_list": b"[]",
    "a_number": b"1",
    "not_utf_8": b'"\xff"',
    "deep": b"[" * 100_000,
    "a_space_more": GOOD.replace(b",", b", ", 1),
    "keys_out_of_order": b'{"v":1,' + GOOD[1:-7] + b"}",
    "an_unknown_field": GOOD[:-1] + b',"who":"x"}',
    "a_field_twice": GOOD[:-1] + b',"v":1}',
    "no_time": b'{"kind":"act","operation":"init","outcome":"done","v":1}',
    "a_short_time": GOOD.replace(b".456789Z", b"Z"),
    "an_empty_list_told": GOOD.replace(b'"v":1', b'"subjects":[],"v":1'),
}


@pytest.mark.parametrize("name", NOT_LEAVES)
def test_what_is_no_leaf_is_not_read_as_one(name: str) -> None:
    with pytest.raises(LedgerError):
        Leaf.parse(NOT_LEAVES[name])


@given(st.binary())
def test_no_bytes_crash_the_parser(content: bytes) -> None:
    with pytest.raises(LedgerError):
        Leaf.parse(content)
