"""The lint finds each thing that it says it finds, and nothing in what ships that is an error."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from rightface.errors import LawError
from rightface.law.lint import Finding, lint
from rightface.law.skeleton import make_skeleton

ID = "us-tx-austin-2027"
DATED = "effective_from = 2027-01-01       # FILL IN: the first day on which it binds\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = make_skeleton(
        ID,
        kind="ordinance",
        jurisdiction="US-TX-AUSTIN",
        directory=tmp_path,
        start=date(2027, 1, 1),
    )
    change(made, "instrument.toml", "# [[sources]]", "[[sources]]\nn = 1\nwhat = 'x'\n# [[more]]")
    return made


def change(folder: Path, file: str, old: str, new: str) -> None:
    text = (folder / file).read_text()
    assert old in text, (file, old)
    (folder / file).write_text(text.replace(old, new, 1))


def checks(folder: Path, severity: str | None = None) -> set[str]:
    return {each.check for each in found(folder) if severity in (None, each.severity)}


def found(folder: Path) -> list[Finding]:
    return lint(folder.parent)


def told(folder: Path) -> str:
    return "\n".join(each.line() for each in found(folder))


def test_a_whole_folder_is_clean(folder: Path) -> None:
    assert found(folder) == []


def test_what_ships_has_no_error() -> None:
    assert [each.line() for each in lint() if each.severity == "error"] == []


@pytest.mark.parametrize(
    ("file", "old", "new", "check", "said"),
    [
        ("policy.cedar", '@citation("FILL IN: where this rule is written")\n', "",
         "loads", "lacks @citation"),
        ("policy.cedar", "context.written_release", "context.written_relaese",
         "loads", "does not fit the schema"),
        ("policy.cedar", '@id("1")', '@id("2")', "loads", "in only one of"),
        ("instrument.toml", DATED, "effective_from = 2026-01-01\n", "loads", "before it was"),
        ("instrument.toml", 'c = "recalled"\nnote', 'c = "seen"\ns = [7]\nnote',
         "sources", "source 7, which is not listed"),
        ("instrument.toml", "n = 1\n", "n = 1\nwhat = 'y'\n[[sources]]\nn = 1\n",
         "sources", "Two sources have the number 1"),
        ("instrument.toml", "confidence =", "superseded_by = 'us-tx-nowhere'\nconfidence =",
         "links", "'us-tx-nowhere', which does not exist"),
        ("instrument.toml", "confidence =", "amends = 'us-ca-sf-19b'\nconfidence =",
         "links", "does not name it"),
        ("instrument.toml", "[date_evidence]",
         "[[versions]]\neffective_from = 2028-01-01\ntext = 'b'\nc = 'own'\n"
         "[[versions]]\neffective_from = 2027-06-01\ntext = 'a'\nc = 'own'\n[date_evidence]",
         "versions", "out of order"),
        ("instrument.toml", "[date_evidence]",
         "[[versions]]\neffective_from = 2027-01-01\neffective_until = 2029-01-01\ntext = 'b'\n"
         "c = 'own'\n[[versions]]\neffective_from = 2028-01-01\ntext = 'a'\nc = 'own'\n"
         "[date_evidence]", "versions", "overlap"),
        ("instrument.toml", "[date_evidence]",
         "[[versions]]\neffective_from = 2020-01-01\ntext = 'b'\nc = 'own'\n[date_evidence]",
         "versions", "outside the instrument's dates"),
        ("instrument.toml", 'effect = "forbid"', 'until = 2026-01-01\neffect = "forbid"',
         "dates", "lies outside the instrument's dates"),
        ("instrument.toml", DATED, DATED + "effective_until = 2030-01-01\n",
         "sides", "No case has its as_of from 2030-01-01 on."),
        ("instrument.toml", 'effect = "forbid"', 'from = 2027-03-01\neffect = "forbid"',
         "sides", "from 2027-03-01 on"),
        ("cases.yaml", "expect: deny", "expect: allow", "cases", "the gate says deny"),
        ("cases.yaml", "2027-01-01, actor: private-entity", "2027-01-01, actor: vendor",
         "dead-rule", "No case reaches the rule 1."),
        ("cases.yaml", "expect: deny", "why: nothing", "cases", "expects nothing"),
    ],
)  # fmt: skip
def test_it_finds(folder: Path, file: str, old: str, new: str, check: str, said: str) -> None:
    change(folder, file, old, new)
    assert check in checks(folder)
    assert said in told(folder)


def test_no_case_that_allows_or_refuses(folder: Path) -> None:
    lines = (folder / "cases.yaml").read_text()
    start = lines.index("- {id")
    cases = lines[start:].split("- {")[1:]
    (folder / "cases.yaml").write_text("- {" + cases[0])
    assert "No case is refused." in told(folder)
    (folder / "cases.yaml").write_text("- {" + cases[1])
    assert "No case is allowed." in told(folder)
    assert "No case has its as_of before 2027-01-01." in told(folder)


def test_a_duty_that_cannot_be_met(folder: Path) -> None:
    change(folder, "instrument.toml", 'effect = "forbid"', 'effect = "duty"\nduty = "posted-sign"')
    change(folder, "policy.cedar", "@section", '@duty("posted-sign")\n@section')
    change(folder, "cases.yaml", "expect: deny", "expect: require-duty")
    assert checks(folder, "error") == {"duty"}
    assert "asks for 'posted-sign' even when it is on record" in told(folder)

    release, met = "{ written_release = true }", '{ duties = { has = "posted-sign" } }'
    change(folder, "instrument.toml", f"[{release}]", f"[{release}, {met}]")
    release, met = "{ context.written_release", 'context.duties.contains("posted-sign")'
    change(folder, "policy.cedar", release, f"{release} || {met}")
    assert found(folder) == []


def test_what_is_unverified_is_told(folder: Path) -> None:
    change(folder, "instrument.toml", 'confidence = "recalled"', 'confidence = "seen"')
    assert "confidence = 'seen', but these rules were not read" in told(folder)
    assert checks(folder, "error") == set()


def test_every_folder_is_looked_at(folder: Path) -> None:
    make_skeleton("another", kind="operator-rule", jurisdiction="*", directory=folder.parent,
                  start=date(2027, 1, 1))  # fmt: skip
    for one in (ID, "another"):
        (folder.parent / one / "policy.cedar").write_text("forbid (")
    assert {each.instrument for each in found(folder)} == {ID, "another"}


def test_the_baseline_and_shipped_ids_are_not_the_operators(folder: Path) -> None:
    change(folder, "instrument.toml", 'kind = "ordinance"', 'kind = "baseline"')
    assert "not yours to use" in told(folder)


def test_a_bill_is_tested_as_if_it_bound(tmp_path: Path) -> None:
    made = make_skeleton("us-bill", kind="bill", jurisdiction="US", directory=tmp_path,
                         start=date(2027, 1, 1))  # fmt: skip
    assert checks(made, "error") == set()
    change(made, "policy.cedar", 'Action::"enroll"', 'Action::"supply-product"')
    change(made, "instrument.toml", 'operations = ["enroll"]', 'operations = ["supply-product"]')
    assert "No case reaches the rule 1." in told(made)


def test_a_directory_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(LawError) as caught:
        lint(tmp_path / "nowhere")
    assert caught.value.mend


@pytest.mark.parametrize(
    ("when", "policy", "lacking"),
    [
        ("{ alert_raised = true }", "context.alert_raised", "alert_raised"),
        ("{ minutes_since_capture = { over = 5 } }", "context.minutes_since_capture > 5",
         "minutes_since_capture"),
        ("{ minutes_since_capture = { under = 5 } }", "context.minutes_since_capture < 5", ""),
        ("{ self_published = false }", "!context.self_published", ""),
        ("{ notice = true }, { alert_raised = true }", "(context.notice || context.alert_raised)",
         ""),
        ("{ notice = true, alert_raised = true }", "context.notice && context.alert_raised",
         "alert_raised"),
        ("{ offence_violent = true }", "context.offence_violent", ""),
        ("{ hours_since_start = { over = 5 } }", "context.hours_since_start > 5", ""),
        ("{ targeting = ['group'] }", '["group"].contains(context.targeting)', ""),
        ("{ targeting = ['individual'] }", '["individual"].contains(context.targeting)',
         "targeting"),
        ("{ opted_out = true }", "context.opted_out", ""),
        ("{ duties = { has = 'use-policy' } }", 'context.duties.contains("use-policy")', ""),
    ],
)  # fmt: skip
def test_a_rule_that_cannot_fire_for_a_permit(
    folder: Path, when: str, policy: str, lacking: str
) -> None:
    change(folder, "instrument.toml", "unless = [{ written_release = true }]",
           f"when = [{when}]\nunless = [{{ written_release = true }}]")  # fmt: skip
    change(folder, "policy.cedar", "unless {", f"when {{ {policy} }}\nunless {{")
    lines = [each.told for each in found(folder) if each.check == "live"]
    expected = (
        "The rule 1 cannot fire for a permit: no record and no operation gives "
        f"{lacking} the value that it asks for."
    )
    assert lines == ([expected] if lacking else [])
    assert "loads" not in checks(folder)
