"""What is remembered between questions is bounded, whatever is asked."""

from __future__ import annotations

import gc
from dataclasses import replace
from datetime import date, timedelta
from itertools import combinations, islice

import pytest

from rightface.law import library as library_module
from rightface.law.decide import Desk
from rightface.law.library import InstrumentLibrary
from rightface.law.question import question


def test_rule_sets_go_with_the_keys_that_lead_to_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library_module, "_KEPT", 8)
    library = InstrumentLibrary.load()
    places = [frozenset({one}) for one in ("US-IL", "US-CA-SF", "US-WA", "DE", "GB")]
    for year in range(2005, 2031):
        for place in places:
            library.in_force(date(year, 1, 1), place, frozenset())
    gc.collect()
    assert len(library._by_key) == 8
    assert 1 < len(library._by_rules) <= 8
    # What led to the same rules shares them.
    day = date(2030, 1, 1)
    first = library.in_force(day, places[0], frozenset())
    assert library.in_force(day + timedelta(days=1), places[0], frozenset()) is first


def test_desks_of_some_instruments_alone_are_bounded(library: InstrumentLibrary) -> None:
    desk = Desk(library)
    told = {"actor": "vendor", "jurisdiction": "US-TX", "operation": "verify-1to1"}
    asked = question({**told, "as_of": "2026-01-01"})
    for pair in islice(combinations(library.instruments, 2), 70):
        desk.answer(replace(asked, instruments=pair))
    assert len(desk._alone_desks) == 64
    assert desk._of(pair) is desk._of(pair)
