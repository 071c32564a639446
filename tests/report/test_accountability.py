"""The report's numbers against the ledger's public bytes, counted by another way."""

from __future__ import annotations

import copy
import json
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from instance import temporary_instance
from rightface.errors import LedgerError, SettingsError
from rightface.ledger.leaf import Leaf
from rightface.report.accountability import accountability, span
from rightface.report.check import check_report, require_same
from rightface.report.tally import few, tally
from tests.report.conftest import TODAY, History

DAY = timedelta(days=1)


def _published(ledger: Path, size: int) -> list[dict[str, Any]]:
    """The leaves in the public files, taken apart by hand (C2SP tlog-tiles)."""
    leaves: list[dict[str, Any]] = []
    for number in range(-(-size // 256)):
        width = min(256, size - 256 * number)
        name = f"tile/entries/{number:03d}" + ("" if width == 256 else f".p/{width}")
        bundle = (ledger / name).read_bytes()
        while bundle:
            length = bundle[0] * 256 + bundle[1]
            leaves.append(json.loads(bundle[2 : 2 + length]))
            bundle = bundle[2 + length :]
    assert len(leaves) == size
    return leaves


def _masked(number: int) -> int | str:
    return "fewer than 5" if number in (1, 2, 3, 4) else number


def test_every_number_is_that_of_the_public_leaves(history: History) -> None:
    counts = history.report["counts"]
    leaves = _published(history.ledger, history.report["checkpoint"]["size"])
    first, last = history.report["from"], history.report["to"]
    leaves = [leaf for leaf in leaves if first <= leaf["time"][:10] <= last]
    assert counts["entries"] == len(leaves)
    decisions = [leaf for leaf in leaves if leaf["kind"] == "decision"]
    words = ("operation", "purpose", "outcome", "client")
    wanted = Counter(tuple(leaf.get(word, "none") for word in words) for leaf in decisions)
    told = {
        tuple(row[word] for word in words): row["number"]
        for row in counts["decisions"]["by_operation_purpose_outcome_client"]
    }
    assert told == {
        key: _masked(n) if key[0] in ("enroll", "erase") else n for key, n in wanted.items()
    }
    for outcome in ("permitted", "refused"):
        number = sum(leaf["outcome"] == outcome for leaf in decisions)
        assert counts["decisions"][outcome] == number > 0
        by_month = Counter(leaf["time"][:7] for leaf in decisions if leaf["outcome"] == outcome)
        for row in counts["decisions"]["by_month"]:
            assert row[outcome] == by_month[row["month"]]
    reasons = Counter(
        reason
        for leaf in decisions
        if leaf["outcome"] == "refused"
        for reason in set(leaf["reasons"])
    )
    assert {f"{r['instrument']}#{r['rule']}": r["number"] for r in counts["refusals"]} == reasons
    acts = Counter(leaf["operation"] for leaf in leaves if leaf["kind"] == "act")
    people = {leaf["operation"] for leaf in leaves if leaf["kind"] == "act" and "subjects" in leaf}
    assert {row["act"]: row["number"] for row in counts["acts"]} == {
        act: _masked(n) if act in people else n for act, n in acts.items()
    }
    outcomes = [leaf for leaf in leaves if leaf["kind"] == "outcome"]
    ended = Counter((leaf["operation"], leaf["outcome"]) for leaf in outcomes)
    assert {(r["operation"], r["outcome"]): r["number"] for r in counts["outcomes"]} == {
        key: _masked(n) if key[0] in ("enroll", "erase") else n for key, n in ended.items()
    }

    def added(outcome: str, what: str) -> int | str:
        found = [leaf.get("counts", {}) for leaf in outcomes if leaf["outcome"] == outcome]
        return _masked(sum(each.get(what, 0) for each in found))

    assert counts["people"] == {
        "consents_recorded": _masked(acts["consent-record"]),
        "consents_withdrawn": _masked(acts["consent-withdraw"]),
        "interactions_noted": _masked(acts["retention-interaction"]),
        "erasures": _masked(sum(leaf["outcome"] == "erased" for leaf in outcomes)),
        "faces_enrolled": added("enrolled", "faces"),
        "faces_erased": added("erased", "faces"),
        "crops_erased": added("erased", "crops"),
        "keys_destroyed": added("erased", "keys"),
        "leads_told": added("searched", "candidates"),
    }


def test_the_numbers_are_those_of_what_was_done(history: History) -> None:
    people, report = history.report["counts"]["people"], history.report
    assert people["faces_enrolled"] == 8
    assert people["consents_recorded"] == 8  # seven, and the tester's own
    assert people["leads_told"] == 3 * 7
    assert people["consents_withdrawn"] == people["faces_erased"] == "fewer than 5"
    assert people["crops_erased"] == 0
    assert {"instrument": "consent", "rule": "missing", "number": 2} in report["counts"]["refusals"]
    assert report["warrants"] == [{"kind": "warrant", "number": "fewer than 5"}]
    held = report["retention"]
    assert (held["galleries"], held["faces"], held["people"]) == (2, 7, 6)
    assert held["overdue"] == "fewer than 5"
    assert [one["fact"] for one in report["facts"]] == ["amazon-ended-police-moratorium"]
    assert len(report["commitments"]) == 1
    duties = {one["duty"]: one["state"] for one in report["duties"]}
    assert duties["public-retention-policy"] == "on record"
    assert "missing" in duties.values()
    assert all(one["reviewed_by"] for one in report["instruments"])
    assert report["commitments"][0]["instrument"] in {
        one["instrument"] for one in report["instruments"]
    } | set(history.fresh.instance.library.commitments)
    assert report["accuracy"]["impostor_pairs"] > 1_000_000
    assert report["system"]["pack_digest"] == history.fresh.instance.pack.digest


def test_no_secret_and_no_commitment_of_a_person_stands_in_it(history: History) -> None:
    text = json.dumps(history.report)
    assert [secret for secret in history.secrets if secret in text] == []
    leaves = _published(history.ledger, history.report["checkpoint"]["size"])
    commitments = {one for leaf in leaves for one in leaf.get("subjects", ())}
    assert len(commitments) > 5
    assert not any(one in text for one in commitments)
    behind = next(one for one in history.report["licences"] if one["client"] == "acme")["behind"]
    assert [party["name"] for party in behind][1] == "a person"


def test_small_numbers_are_not_told() -> None:
    assert [few(number) for number in (0, 1, 4, 5, 400)] == [
        0,
        "fewer than 5",
        "fewer than 5",
        5,
        400,
    ]


def _leaf(at: datetime, **told: Any) -> Leaf:
    named: dict[str, Any] = {"kind": "decision", "operation": "detect", "outcome": "permitted"}
    return Leaf(time=at, client="acme", **(named | told))


def test_days_are_counted_from_midnight_to_midnight() -> None:
    start, end = span(date(2026, 2, 27), date(2026, 2, 28))
    assert (start, end) == (
        datetime(2026, 2, 27, tzinfo=UTC),
        datetime(2026, 3, 1, tzinfo=UTC),
    )
    tick = timedelta(microseconds=1)
    leaves = [_leaf(at) for at in (start - tick, start, end - tick, end)]
    assert tally(leaves, start, end)["decisions"]["permitted"] == 2
    with pytest.raises(SettingsError):
        span(date(2026, 2, 28), date(2026, 2, 27))
    with pytest.raises(SettingsError):
        span(date(2026, 2, 28), date.max)


def test_an_outcome_told_in_several_leaves_counts_once() -> None:
    start, end = span(date(2026, 1, 1), date(2026, 1, 1))
    part = {"kind": "outcome", "operation": "erase", "outcome": "erased", "counts": {"faces": 900}}
    leaves = [_leaf(start, of=7, **part), _leaf(start, of=7, **part), _leaf(start, of=9, **part)]
    people = tally(leaves, start, end)["people"]
    assert (people["faces_erased"], people["erasures"]) == (1800, "fewer than 5")


def test_a_client_without_a_purpose_and_a_reason_said_twice() -> None:
    start, end = span(date(2026, 1, 1), date(2026, 1, 1))
    refused = _leaf(start, outcome="refused", reasons=("a#1", "a#1", "b"))
    counts = tally([refused], start, end)
    assert counts["refusals"] == [
        {"instrument": "a", "rule": "1", "number": 1},
        {"instrument": "b", "rule": "", "number": 1},
    ]
    assert counts["decisions"]["by_operation_purpose_outcome_client"][0]["purpose"] == "none"


def test_another_span_has_other_numbers(history: History) -> None:
    before = accountability(history.fresh.instance, TODAY - 9 * DAY, TODAY - 8 * DAY)
    assert before["counts"]["entries"] == 0
    assert before["counts"]["decisions"]["by_month"] == []
    assert (
        before["licences"] == before["facts"] == before["commitments"] == before["warrants"] == []
    )
    assert before["instruments"] != []


def test_a_check_agrees_with_the_public_files_alone(history: History) -> None:
    report = json.loads(json.dumps(history.report))
    key = report["checkpoint"]["vkey"]
    for vkey in (key, None):
        checked = check_report(report, history.ledger, vkey)
        assert (checked.differences, checked.pinned) == ((), vkey is not None)
    # The ledger grows on; the report still stands on its own checkpoint.
    history.fresh.licence("later")
    history.fresh.instance.publisher.publish()
    assert check_report(report, history.ledger, key).entries == report["checkpoint"]["size"]


@pytest.mark.parametrize(
    "where",
    [
        ("entries",),
        ("decisions", "refused"),
        ("decisions", "by_month", 0, "permitted"),
        ("refusals", 0, "number"),
        ("acts", 0, "number"),
        ("people", "faces_enrolled"),
        ("people", "consents_withdrawn"),
    ],
)
def test_a_number_that_was_changed_is_found(history: History, where: tuple[Any, ...]) -> None:
    report = copy.deepcopy(history.report)
    place = report["counts"]
    for step in where[:-1]:
        place = place[step]
    place[where[-1]] = 12345
    checked = check_report(report, history.ledger)
    assert len(checked.differences) == 1
    with pytest.raises(LedgerError, match="not those of the ledger"):
        require_same(checked)


def test_a_row_that_was_left_out_is_found(history: History) -> None:
    report = copy.deepcopy(history.report)
    del report["counts"]["refusals"][0]
    assert check_report(report, history.ledger).differences == ("counts.refusals",)
    del report["counts"]["people"]["erasures"]
    assert len(check_report(report, history.ledger).differences) == 2


def test_a_check_against_another_ledger_fails(history: History, models: Path) -> None:
    with temporary_instance(models) as other:
        other.instance.publisher.publish()
        theirs = other.instance.settings.ledger_directory
        with pytest.raises(LedgerError):
            check_report(history.report, theirs, history.report["checkpoint"]["vkey"])
        with pytest.raises(LedgerError):
            check_report(history.report, theirs)


def test_a_check_of_damaged_entries_fails(history: History, tmp_path: Path) -> None:
    copied = tmp_path / "ledger"
    for path in history.ledger.rglob("*"):
        if path.is_file():
            target = copied / path.relative_to(history.ledger)
            target.parent.mkdir(parents=True, exist_ok=True)
            content = path.read_bytes()
            if "entries" in path.parts:
                content = content.replace(b'"refused"', b'"allowed"')
            target.write_bytes(content)
    with pytest.raises(LedgerError):
        check_report(history.report, copied)


@pytest.mark.parametrize(
    "report", [None, [], {}, {"report": "other"}, "x", {"report": "rightface/accountability/1"}]
)
def test_what_is_no_report_is_told(history: History, report: Any) -> None:
    with pytest.raises(SettingsError, match="no accountability report"):
        check_report(report, history.ledger)
