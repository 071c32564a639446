"""A new folder loads, its cases pass, and nothing in it is wrong."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from rightface.errors import LawError
from rightface.law.instrument import BASELINE, KINDS
from rightface.law.library import InstrumentLibrary
from rightface.law.lint import lint
from rightface.law.skeleton import make_skeleton
from rightface.law.testing import run_cases

START = date(2027, 1, 1)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != BASELINE])
def test_every_kind_of_skeleton_holds(tmp_path: Path, kind: str) -> None:
    folder = make_skeleton(
        "us-tx-austin-2027", kind=kind, jurisdiction="US-TX-AUSTIN", directory=tmp_path, start=START
    )
    library = InstrumentLibrary.load(tmp_path)
    one = library.instrument("us-tx-austin-2027")
    assert one.kind == kind
    assert (one.effective_from is None) == (kind == "bill")
    assert [result.ok for result in run_cases(library, [one.instrument_id])] == [True] * 3
    assert [found.line() for found in lint(tmp_path) if found.severity == "error"] == []
    for file in folder.iterdir():
        assert "FILL IN" in file.read_text()


def test_an_operators_rule_may_bind_everywhere(tmp_path: Path) -> None:
    make_skeleton("ours", kind="operator-rule", jurisdiction="*", directory=tmp_path, start=START)
    library = InstrumentLibrary.load(tmp_path)
    assert all(result.ok for result in run_cases(library, ["ours"]))
    assert lint(tmp_path) == []


@pytest.mark.parametrize(
    ("instrument", "kind", "place", "said"),
    [
        ("Us-Tx", "statute", "US-TX", "no id"),
        ("../us-tx", "statute", "US-TX", "no id"),
        ("", "statute", "US-TX", "no id"),
        ("us-tx", "baseline", "US-TX", "no kind 'baseline'"),
        ("us-tx", "rumour", "US-TX", "no kind 'rumour'"),
        ("us-tx", "statute", "Texas", "Unknown jurisdiction"),
        ("us-tx", "statute", "*", "Unknown jurisdiction"),
        ("us-ca-sf-19b", "statute", "US-CA-SF", "is taken"),
    ],
)
def test_what_makes_no_instrument(
    tmp_path: Path, instrument: str, kind: str, place: str, said: str
) -> None:
    with pytest.raises(LawError) as caught:
        make_skeleton(instrument, kind=kind, jurisdiction=place, directory=tmp_path, start=START)
    assert said in caught.value.what
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "cases.yaml").write_text("mine")
    with pytest.raises(LawError):
        make_skeleton("mine", kind="statute", jurisdiction="US", directory=tmp_path, start=START)
    assert (tmp_path / "mine" / "cases.yaml").read_text() == "mine"
