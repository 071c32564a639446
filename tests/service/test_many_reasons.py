"""A refusal may have more reasons than a leaf of the ledger has room for."""

from __future__ import annotations

from pathlib import Path

import pytest

from instance import TemporaryInstance
from rightface.errors import Refused
from rightface.law.library import InstrumentLibrary
from rightface.law.ruling import Refusal
from rightface.ledger.leaf import Leaf
from rightface.ledger.log import entries, size
from rightface.service_types import Caller

_INSTRUMENT = """\
id = "strict-house"
name = "Strict rules of the house"
kind = "operator-rule"
jurisdiction = "*"
effective_from = 2020-01-01
citation = "House rules"
confidence = "own"
summary = "Nothing is allowed, for many reasons."
"""
_RULE = """
[[rules]]
id = "{number}"
effect = "forbid"
actors = ["everyone"]
operations = ["manage-gallery"]
c = "own"
"""
_POLICY = """
@id("{number}")
@section("{number}")
@citation("House rules")
@text("Not here.")
@change("Nothing.")
forbid (principal, action == Action::"manage-gallery", resource);
"""


@pytest.mark.parametrize(("rules", "more"), [(128, 0), (129, 2), (200, 73)])
def test_all_that_fit_stand_in_the_ledger_and_the_rest_are_counted(
    fresh: TemporaryInstance, tmp_path: Path, rules: int, more: int
) -> None:
    folder = tmp_path / "strict-house"
    folder.mkdir()
    numbers = range(rules)
    text = _INSTRUMENT + "".join(_RULE.format(number=one) for one in numbers)
    (folder / "instrument.toml").write_text(text)
    (folder / "policy.cedar").write_text("".join(_POLICY.format(number=one) for one in numbers))
    (folder / "cases.yaml").write_text("[]\n")
    licence = fresh.licence("acme").licence
    fresh.instance.gate._library = InstrumentLibrary.load(tmp_path)
    caller = Caller(licence=licence, purpose=None, subject=None, request_id="request-1")
    with pytest.raises(Refused) as caught:
        fresh.service.create_collection(caller, "staff", {})
    refusal = caught.value.refusal
    assert isinstance(refusal, Refusal)
    told = {reason.key for reason in refusal.ruling.reasons}
    assert told == {f"strict-house#{one}" for one in numbers}

    with fresh.instance.database.read() as session:
        leaf = [Leaf.parse(body) for body in entries(session, 0, size(session))][-1]
    assert leaf.outcome == "refused"
    assert len(leaf.reasons) == 128
    counted = 0
    if rules > 128:
        counted = int(leaf.reasons[-1].removeprefix("gate#and-").removesuffix("-more"))
    assert counted == more
    assert len({*leaf.reasons} & told) + counted == rules
