"""The instruments: their cases, their form, and what a lawyer can do without Python."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rightface.cli.main import complete
from rightface.errors import LawError
from rightface.law.decide import Desk
from rightface.law.library import SHIPPED, InstrumentLibrary
from rightface.law.question import Question, question
from rightface.law.reference import verdict
from rightface.law.schema import schema_text
from rightface.law.skeleton import make_skeleton
from rightface.law.testing import cases_of, combined_cases, run_case, run_cases
from rightface.law.vocabulary import Vocabulary
from rightface.ledger.leaf import Leaf
from tests.law.conftest import Instance, keys, operation

LIBRARY = InstrumentLibrary.load()
CASES = [
    pytest.param(one, case, id=case.question_id)
    for one in LIBRARY.instruments
    for case in cases_of(LIBRARY, one)
]


@pytest.mark.parametrize(("instrument", "case"), CASES)
def test_case(instrument: str, case: Question) -> None:
    result = run_case(LIBRARY, instrument, case)
    assert (result.outcome, result.reference_outcome) == (result.expected, result.expected)
    if result.missing_expected is not None:
        assert result.missing == result.missing_expected


@pytest.mark.parametrize("case", combined_cases(), ids=lambda case: case.question_id)
def test_combined_case(case: Question) -> None:
    result = run_case(LIBRARY, case.instruments, case)
    assert (result.outcome, result.reference_outcome) == (result.expected, result.expected)


@pytest.mark.parametrize("instrument", LIBRARY.instruments)
def test_every_rule_is_reached_by_a_case(instrument: str) -> None:
    desk = Desk(LIBRARY, instruments=[instrument])
    reached = set()
    for case in cases_of(LIBRARY, instrument):
        world = desk.world(case)
        for said in world.rules.ask(
            [judged.actor for judged in world.chain],
            world.operation.action,
            world.operation.place_jurisdiction,
            world.facts(licensed=True),
        ):
            reached |= {rule.key for rule in said.fired}
    # An obligation is reached where the case is allowed; of a bill, which is no law, nothing is.
    one = LIBRARY.instrument(instrument)
    assert reached == ({rule.key for rule in one.rules} if one.known else set())


@pytest.mark.parametrize("instrument", LIBRARY.instruments)
def test_cases_lie_on_each_side_of_every_date(instrument: str) -> None:
    one = LIBRARY.instrument(instrument)
    edges = {one.effective_from, one.effective_until}
    edges |= {edge for rule in one.rules for edge in (rule.start, rule.until)}
    edges |= {edge for known in one.known for edge in (known.start, known.until)}
    cases = cases_of(LIBRARY, instrument)
    days = {case.as_of.date() for case in cases if case.as_of}
    for edge in edges - {None}:
        assert edge is not None
        assert edge in days
        assert edge - timedelta(days=1) in days
    heard = days | {case.known_at.date() for case in cases if case.known_at}
    for known in one.known[1:]:
        assert known.known_from is not None
        assert known.known_from in heard
        assert known.known_from - timedelta(days=1) in heard
    assert {case.expect for case in cases} >= ({"allow", "deny"} if one.known else {"allow"})


@pytest.mark.parametrize("one", LIBRARY.instruments.values(), ids=lambda one: one.instrument_id)
def test_every_rule_says_where_it_comes_from(one: object) -> None:
    for rule in one.rules:  # type: ignore[attr-defined]
        assert rule.section and rule.citation and rule.text.endswith(".")
        assert rule.change.endswith(".")
        assert rule.confidence in ("seen", "recalled", "derived", "own")
        sources = {source["n"] for source in one.facts.get("sources", [])}  # type: ignore[attr-defined]
        for table in one.facts["rules"]:  # type: ignore[attr-defined]
            assert set(table.get("s", [])) <= sources
            assert table["c"] != "seen" or table.get("s")


def test_the_schema_on_file_is_the_one_in_use() -> None:
    on_file = (SHIPPED.parent / "schema.cedarschema").read_text()
    assert on_file == schema_text(Vocabulary.load()), (
        "Write it again: schema_text(Vocabulary.load())"
    )


def test_what_is_from_memory_is_marked() -> None:
    desk = Desk(LIBRARY, instruments=["us-ca-sf-19b"])
    told = {"actor": "law-enforcement-local", "jurisdiction": "US-CA-SF", "operation": "search"}
    early = desk.answer(question({**told, "as_of": "2019-07-01"})).to_json()
    assert [reason["unverified"] for reason in early["reasons"]] == [True]
    late = desk.answer(question({**told, "as_of": "2021-07-01"}))
    assert [reason.unverified for reason in late.ruling.reasons] == [False]
    derived = Desk(LIBRARY, instruments=["us-il-bipa-2008"]).answer(
        question(
            {
                "actor": "vendor",
                "jurisdiction": "US-IL",
                "operation": "scrape-gallery",
                "as_of": "2021-01-01",
            }
        )
    )
    assert "unverified" in derived.ruling.reasons[0].sentence()


# ---------------------------------------------------------------- a lawyer at work
LAW = """\
id = "us-tx-austin-example"
name = "An ordinance of Austin"
kind = "ordinance"
jurisdiction = "US-TX-AUSTIN"
adopted = 2027-01-01
effective_from = 2027-02-01
effective_until = 2028-02-01
citation = "Austin Code 99"
confidence = "seen"
summary = "Shops may not enroll."

[[rules]]
id = "99.1"
effect = "forbid"
actors = ["private-entity"]
operations = ["enroll"]
unless = [{ written_release = true }]
c = "seen"
"""
POLICY = """\
@id("99.1")
@section("99.1")
@citation("Austin Code 99.1")
@text("A shop may not enroll without a written release.")
@change("Obtain a written release.")
forbid (
  principal == Actor::"private-entity",
  action == Action::"enroll",
  resource
)
unless { context.written_release };
"""
AUSTIN = "{actor: private-entity, jurisdiction: US-TX-AUSTIN, operation: enroll"
CASE_FILE = f"""\
- {AUSTIN}, id: ATX-1, as_of: 2027-01-31, expect: allow}}
- {AUSTIN}, id: ATX-2, as_of: 2027-02-01, expect: deny}}
- {AUSTIN}, id: ATX-3, as_of: 2028-01-31, written_release: true, expect: allow}}
- {AUSTIN}, id: ATX-4, as_of: 2028-02-01, expect: allow}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "extra" / "us-tx-austin-example"
    folder.mkdir(parents=True)
    (folder / "instrument.toml").write_text(LAW)
    (folder / "policy.cedar").write_text(POLICY)
    (folder / "cases.yaml").write_text(CASE_FILE)
    return folder


def test_a_lawyer_adds_an_instrument_without_python(folder: Path, instance: Instance) -> None:
    library = InstrumentLibrary.load(folder.parent)
    results = run_cases(library, ["us-tx-austin-example"])
    assert [result.ok for result in results] == [True] * 4

    gate = instance.with_library(library)
    licence = instance.licence(
        jurisdiction="US-TX-AUSTIN", valid_until=datetime(2030, 1, 1, tzinfo=UTC)
    )
    instance.consent("a", how="verbal")
    asked = operation(licence, "enroll", subjects=("a",))
    instance.allowed(asked)  # the gate without it
    instance.now = datetime(2027, 3, 1, tzinfo=UTC)
    instance.allowed(asked)
    refusal = gate.decide(asked)
    assert keys(refusal) == ["us-tx-austin-example#99.1"]  # type: ignore[arg-type]
    assert "Austin Code 99.1" in refusal.message  # type: ignore[union-attr]


def test_a_wrong_case_fails(folder: Path) -> None:
    (folder / "cases.yaml").write_text(CASE_FILE.replace("expect: deny", "expect: allow"))
    results = run_cases(InstrumentLibrary.load(folder.parent), ["us-tx-austin-example"])
    assert [result.ok for result in results] == [True, False, True, True]


def test_a_policy_and_facts_that_disagree_fail(folder: Path) -> None:
    (folder / "instrument.toml").write_text(LAW.replace("{ written_release", "{ consent"))
    results = run_cases(InstrumentLibrary.load(folder.parent), ["us-tx-austin-example"])
    assert [result.ok for result in results] == [True, True, False, True]


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("instrument.toml", 'id = "us-tx-austin-example"\n', "", "lacks 'id'"),
        ("instrument.toml", "us-tx-austin-example", "another", "not the folder's name"),
        ("instrument.toml", "US-TX-AUSTIN", "Texas", "Unknown jurisdiction 'Texas'"),
        ("instrument.toml", "US-TX-AUSTIN", "*", "Unknown jurisdiction"),
        ("instrument.toml", "[[rules]]", "date_evidence = 1\n[[rules]]", "table of tables"),
        ("instrument.toml", "[[rules]]", "date_evidence.adopted = {}\n[[rules]]", "no mark of"),
        ("instrument.toml", '"ordinance"', '"rumour"', "unknown kind 'rumour'"),
        ("instrument.toml", "2027-01-01", "2027-03-01", "effective before it was adopted"),
        ("instrument.toml", "2028-02-01", "2027-02-01", "ends before it starts"),
        ("instrument.toml", "2027-02-01", '"soon"', "is not a date"),
        ("instrument.toml", "2027-02-01", "2027-02-30", "cannot be read"),
        ("instrument.toml", "effective_from = 2027-02-01\n", "", "an end and no start"),
        ("instrument.toml", 'c = "seen"\n', 'c = "certain"\n', "no mark of confidence"),
        ("instrument.toml", 'confidence = "seen"', 'confidence = "high"', "mark of confidence"),
        ("instrument.toml", '"private-entity"', '"wizard"', "Unknown actor or group 'wizard'"),
        ("instrument.toml", '["private-entity"]', "[]", "binds nobody"),
        ("instrument.toml", '"enroll"', '"enchant"', "Unknown operation 'enchant'"),
        (
            "instrument.toml",
            '"enroll"',
            '"retain"',
            "policy.cedar alone has enroll; instrument.toml",
        ),
        ("instrument.toml", '["enroll"]', "[]", "instrument.toml alone has"),
        (
            "policy.cedar",
            'action == Action::"enroll"',
            'action in [Action::"enroll", Action::"retain"]',
            "policy.cedar alone has retain",
        ),
        ("policy.cedar", 'action == Action::"enroll"', "action", "policy.cedar alone has acquire"),
        ("instrument.toml", "written_release", "spoken_word", "Unknown condition 'spoken_word'"),
        ("instrument.toml", "= true }", '= "yes" }', "cannot be 'yes'"),
        ("instrument.toml", '"forbid"', '"oblige"', "makes it 'forbid'"),
        ("instrument.toml", '"99.1"', '"99.2"', "in only one of"),
        ("instrument.toml", "[[rules]]", "[[rules]]\nuntil = 5", "are dates"),
        (
            "instrument.toml",
            "[[rules]]",
            "[[rules]]\nfrom = 2027-03-01\nuntil = 2027-03-01",
            "ends before",
        ),
        ("instrument.toml", "summary", "comment", "lacks 'summary'"),
        ("instrument.toml", "[[rules]]", 'mood = "good"\n[[rules]]', "unknown field 'mood'"),
        ("instrument.toml", 'effect = "forbid"\n', "", "is malformed"),
        ("policy.cedar", '@id("99.1")\n', "", "lacks @id"),
        ("policy.cedar", '@section("99.1")\n', "", "lacks @section"),
        ("policy.cedar", '@citation("Austin Code 99.1")\n', "", "lacks @citation"),
        ("policy.cedar", '@change("Obtain a written release.")\n', "", "lacks @change"),
        ("policy.cedar", "@change", '@motto("x")\n@change', "@motto, which nothing reads"),
        ("policy.cedar", "@change", '@duty("sing")\n@change', "Unknown duty 'sing'"),
        ("policy.cedar", "forbid (", "permit (", "permits"),
        ("policy.cedar", '"private-entity"', '"wizard"', "Unknown actor 'wizard'"),
        ("policy.cedar", '"enroll"', '"enchant"', "does not fit the schema"),
        ("policy.cedar", "written_release", "spoken_word", "does not fit the schema"),
        ("policy.cedar", "context.written_release", 'context.purpose == "fun"', "Unknown purpose"),
        ("policy.cedar", "context.written_release", 'context.consent == "x"', "schema"),
        ("policy.cedar", "context.written_release", '["fun"].contains(context.purpose)', "purpose"),
        ("policy.cedar", "context.written_release", 'resource == Place::"Mars"', "jurisdiction"),
        (
            "policy.cedar",
            "  resource\n",
            '  resource == Place::"US-TX"\n',
            "line 1: the rule '99.1' asks",
        ),
        ("policy.cedar", "  resource\n", '  resource in Place::"US-TX"\n', "and 'jurisdiction' in"),
        (
            "policy.cedar",
            "unless { context.written_release }",
            "when { context == context }",
            "line 1: the rule '99.1' takes the context as a whole",
        ),
        (
            "policy.cedar",
            "context.written_release",
            "(if context.consent then context else context).written_release",
            "Name the condition: context.consent",
        ),
        ("policy.cedar", "context.written_release", "[context].contains(context)", "as a whole"),
        ("policy.cedar", "};", "", "is not Cedar"),
        ("policy.cedar", POLICY, "", "holds no policy"),
        ("policy.cedar", POLICY, POLICY + POLICY, "the same @id"),
        ("policy.cedar", '== Actor::"private-entity"', "== ?principal", "template"),
    ],
)
def test_a_broken_instrument_stops_the_loading(
    folder: Path, file: str, old: str, new: str, said: str
) -> None:
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new, 1) if file != "instrument.toml" else
                               text.replace(old, new))  # fmt: skip
    with pytest.raises(LawError) as caught:
        InstrumentLibrary.load(folder.parent)
    told = caught.value.diagnostics()
    assert said in told
    assert str(folder) in told


@pytest.mark.parametrize("name", ["us_tx", "US-TX", "us-tx-", "us.tx", "ämter", "readme", "a" * 81])
def test_an_id_that_is_none(folder: Path, name: str) -> None:
    (folder / "instrument.toml").write_text(LAW.replace(folder.name, name))
    folder.rename(folder.parent / name)
    with pytest.raises(LawError, match="is no id") as caught:
        InstrumentLibrary.load(folder.parent)
    assert "line 1" in caught.value.what
    assert caught.value.mend == "Write it like us-tx-austin-2027."
    with pytest.raises(LawError, match="no id"):
        make_skeleton(name, kind="bill", jurisdiction="US", directory=folder, start=date.today())


@pytest.mark.parametrize("rule", ["99 1", "99/1", "99#1", "§99", "9" * 97])
def test_an_id_of_a_rule_that_is_none(folder: Path, rule: str) -> None:
    (folder / "instrument.toml").write_text(LAW.replace('"99.1"', f'"{rule}"'))
    (folder / "policy.cedar").write_text(POLICY.replace('@id("99.1")', f'@id("{rule}")'))
    with pytest.raises(LawError, match="no id of a rule") as caught:
        InstrumentLibrary.load(folder.parent)
    assert caught.value.mend


def test_the_longest_ids_and_places_stand_in_the_ledger(folder: Path) -> None:
    rule, place = "9" * 96, "US-TX-" + "A" * 16 + "-" + "B" * 9
    law = LAW.replace('"99.1"', f'"{rule}"').replace("US-TX-AUSTIN", place)
    (folder / "instrument.toml").write_text(law)
    (folder / "policy.cedar").write_text(POLICY.replace('@id("99.1")', f'@id("{rule}")'))
    [loaded] = InstrumentLibrary.load(folder.parent).instrument(folder.name).rules
    Leaf(
        time=datetime(2027, 3, 1, tzinfo=UTC),
        kind="decision",
        operation="enroll",
        outcome="refused",
        jurisdictions=(place,),
        reasons=(f"{loaded.key}-unverified",),
    )
    (folder / "instrument.toml").write_text(law.replace(place, place + "B"))
    with pytest.raises(LawError, match="too long"):
        InstrumentLibrary.load(folder.parent)


def test_the_line_of_a_broken_rule_is_named(folder: Path) -> None:
    second = POLICY.replace("99.1", "99.2").replace("written_release", "spoken_word")
    (folder / "policy.cedar").write_text(POLICY + "\n" + second)
    with pytest.raises(LawError, match=r"policy\.cedar, line 13: the rule '99\.2'"):
        InstrumentLibrary.load(folder.parent)


_EVIDENCE = '[date_evidence]\n{0} = {{ c = "{1}" }}\n'
_KNOWN = """\
[[known_as]]
known_from = 2027-01-01
effective_from = 2027-02-01
c = "seen"
[[known_as]]
known_from = 2027-06-01
effective_from = 2027-02-01
c = "recalled"
"""
_EXCEPTION = '[[exceptions]]\ntext = "Schools."\nc = "{0}"\n'


@pytest.mark.parametrize(
    ("more", "day", "unverified", "hearsay"),
    [
        ("", "2027-03-01", False, False),
        (_EVIDENCE.format("effective_from", "seen"), "2027-03-01", False, False),
        (_EVIDENCE.format("effective_from", "derived"), "2027-03-01", True, True),
        (_EVIDENCE.format("effective_until", "recalled"), "2027-03-01", True, True),
        (_EVIDENCE.format("adopted", "recalled"), "2027-03-01", True, False),
        ('date_evidence = { c = "recalled" }\n', "2027-03-01", True, True),
        (_EVIDENCE.format("effective_until", "recalled"), "2028-02-01", True, False),
        (_KNOWN, "2027-03-01", True, False),
        (_KNOWN, "2027-06-01", True, True),
        (_EXCEPTION.format("seen"), "2027-03-01", False, False),
        (_EXCEPTION.format("recalled"), "2027-03-01", False, True),
        (_EXCEPTION.format("derived"), "2027-03-01", False, True),
    ],
)
def test_strict_mode_relies_on_no_unread_date_or_exception(
    folder: Path, more: str, day: str, unverified: bool, hearsay: bool
) -> None:
    text = LAW.replace("[[rules]]", more + "[[rules]]")
    (folder / "instrument.toml").write_text(text)
    library = InstrumentLibrary.load(folder.parent).only([folder.name])
    one = library.instrument(folder.name)
    assert one.unverified is unverified
    told = {"actor": "private-entity", "jurisdiction": "US-TX-AUSTIN", "operation": "enroll"}
    asked = question({**told, "as_of": day, "written_release": True})
    assert Desk(library).answer(asked).ruling.allowed
    strict = Desk(library, strict=True)
    keys = [reason.key for reason in strict.answer(asked).ruling.reasons]
    assert keys == ([f"{folder.name}#99.1-unverified"] if hearsay else [])
    world = strict.world(asked)
    reference = verdict(
        world.operation, world.as_of, [one], frozenset(), world.records, strict=True
    )
    assert reference.outcome == ("deny" if hearsay else "allow")


def test_an_exception_counts_only_where_a_rule_has_exceptions(folder: Path) -> None:
    text = LAW.replace("unless = [{ written_release = true }]\n", "")
    (folder / "instrument.toml").write_text(
        text.replace("[[rules]]", _EXCEPTION.format("recalled") + "[[rules]]")
    )
    (folder / "policy.cedar").write_text(POLICY.replace("unless { context.written_release }", ""))
    library = InstrumentLibrary.load(folder.parent).only([folder.name])
    told = {"actor": "private-entity", "jurisdiction": "US-TX-AUSTIN", "operation": "enroll"}
    ruling = Desk(library, strict=True).answer(question({**told, "as_of": "2027-03-01"})).ruling
    assert [reason.key for reason in ruling.reasons] == [f"{folder.name}#99.1"]


def test_a_rule_or_a_date_makes_the_whole_unverified(folder: Path) -> None:
    (folder / "instrument.toml").write_text(LAW.replace('c = "seen"\n', 'c = "recalled"\n'))
    library = InstrumentLibrary.load(folder.parent)
    assert LIBRARY.instrument("us-il-bipa-2008").unverified
    one = library.instrument(folder.name)
    assert one.unverified
    shown = CliRunner().invoke(complete(), ["law", "list", "--extra", str(folder.parent), "--json"])
    rows = {each["id"]: each for each in json.loads(shown.output)}
    assert rows[folder.name]["unverified"] is True


@pytest.mark.parametrize("file", ["instrument.toml", "policy.cedar", "cases.yaml"])
def test_an_instrument_needs_its_three_files(folder: Path, file: str) -> None:
    (folder / file).unlink()
    with pytest.raises(LawError, match=file):
        InstrumentLibrary.load(folder.parent)


def test_a_shipped_instrument_cannot_be_replaced(tmp_path: Path) -> None:
    shutil.copytree(SHIPPED / "us-il-bipa-2008", tmp_path / "us-il-bipa-2008")
    with pytest.raises(LawError, match="is taken"):
        InstrumentLibrary.load(tmp_path)


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(LawError, match="cannot be read"):
        InstrumentLibrary.load(tmp_path / "nowhere")


def test_a_bill_that_never_passed_never_binds(folder: Path) -> None:
    text = LAW.replace("effective_from = 2027-02-01\neffective_until = 2028-02-01\n", "")
    (folder / "instrument.toml").write_text(text.replace('"ordinance"', '"bill"'))
    library = InstrumentLibrary.load(folder.parent)
    bill = library.instrument("us-tx-austin-example")
    assert not any(bill.on(date(year, 6, 1)) for year in range(1990, 2060))


def test_commitments_and_the_rest() -> None:
    assert LIBRARY.commitments == {
        "amazon-rekognition-moratorium-2020",
        "amazon-rekognition-moratorium-extended-2021",
        "clearview-voluntary-limits-2020",
        "ibm-letter-2020",
        "microsoft-azure-openai-police-ban-2024",
        "microsoft-face-limited-access-2022",
        "microsoft-police-commitment-2020",
    }
    LIBRARY.commitment("microsoft-police-commitment-2020")
    for one in ("baseline-human-rights", "us-il-bipa-2008"):
        with pytest.raises(LawError, match="no commitment"):
            LIBRARY.commitment(one)
    with pytest.raises(LawError, match="Unknown instrument"):
        LIBRARY.instrument("us-na-narnia")


def test_the_baseline_binds_everywhere_always() -> None:
    for day in (date(1901, 1, 1), date(2026, 11, 22), date(2999, 12, 31)):
        for place in ("US-CA-SF", "DE", "JP", "EU"):
            rules = LIBRARY.in_force(day, frozenset({place}), frozenset())
            assert "baseline-human-rights" in rules.instruments


def test_rule_sets_are_compiled_once() -> None:
    library = InstrumentLibrary.load()
    places = frozenset({"US-IL"})
    first = library.in_force(date(2026, 1, 1), places, library.commitments)
    assert library.in_force(date(2026, 1, 1), places, library.commitments) is first
    # Another day with the same rules in force is the same set; other rules are another one.
    assert library.in_force(date(2026, 1, 2), places, library.commitments) is first
    assert library.in_force(date(2000, 1, 1), places, library.commitments) is not first
    assert library.in_force(date(2026, 1, 1), places, frozenset()).digest != first.digest
