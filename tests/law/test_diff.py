"""What changed between two dates."""

from __future__ import annotations

from datetime import date

import pytest

from rightface.errors import LawError
from rightface.law.diff import differences, standing
from rightface.law.library import InstrumentLibrary

SF = "us-ca-sf-19b"
PLEDGE = "microsoft-police-commitment-2020"


def told(library: InstrumentLibrary, start: date, end: date, place: str | None = None) -> set[str]:
    found = differences(library, start, end, place)
    return {f"{one.on} {one.what} {one.instrument} {one.rule}".strip() for one in found}


@pytest.fixture
def some(library: InstrumentLibrary) -> InstrumentLibrary:
    return library.only(["baseline-human-rights", PLEDGE, SF])


def test_a_year_of_change(some: InstrumentLibrary) -> None:
    assert told(some, date(2019, 1, 1), date(2020, 12, 31)) == {
        f"2019-05-21 known {SF}",
        f"2019-06-30 began {SF}",
        f"2020-01-19 version {SF}",
        f"2020-01-19 rule-began {SF} 19B.2d",
        f"2020-01-19 rule-ended {SF} 19B.2d-2019",
        f"2020-06-11 began {PLEDGE}",
    }


def test_the_later_day_counts_and_the_earlier_does_not(some: InstrumentLibrary) -> None:
    assert told(some, date(2020, 6, 10), date(2020, 6, 11)) == {f"2020-06-11 began {PLEDGE}"}
    assert told(some, date(2020, 6, 11), date(2020, 6, 12)) == set()


def test_a_place_sees_its_own_and_the_wider(some: InstrumentLibrary) -> None:
    years = (date(2019, 1, 1), date(2020, 12, 31))
    assert {one.instrument for one in differences(some, *years, "US-CA-SF")} == {SF, PLEDGE}
    assert {one.instrument for one in differences(some, *years, "US-TX")} == {PLEDGE}
    assert {one.instrument for one in differences(some, *years, "US-CA")} == {SF, PLEDGE}
    assert differences(some, *years, "GB") == []


def test_it_agrees_with_what_stands(library: InstrumentLibrary) -> None:
    # Whatever binds on the later day only has begun, or become known, in between; and the reverse.
    for year in range(2018, 2027):
        start, end = date(year, 1, 1), date(year + 1, 1, 1)
        before, after = set(standing(library, start)), set(standing(library, end))
        changed = {one.instrument for one in differences(library, start, end)}
        assert (before ^ after) <= changed


def test_bills_change_nothing(library: InstrumentLibrary) -> None:
    bills = {one.instrument_id for one in library.instruments.values() if not one.known}
    found = {one.instrument for one in differences(library, date(1900, 1, 1), date(2100, 1, 1))}
    assert not found & bills
    assert found


@pytest.mark.parametrize("end", [date(2020, 1, 1), date(2019, 1, 1)])
def test_dates_out_of_order(library: InstrumentLibrary, end: date) -> None:
    with pytest.raises(LawError) as caught:
        differences(library, date(2020, 1, 1), end)
    assert "is not after" in caught.value.what


def test_an_unknown_place(library: InstrumentLibrary) -> None:
    with pytest.raises(LawError):
        differences(library, date(2019, 1, 1), date(2020, 1, 1), "Texas")
