"""The committed pages are what the instruments and the vocabulary say."""

from __future__ import annotations

import json
import shlex
from datetime import date
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rightface.cli.main import complete
from rightface.law.library import InstrumentLibrary
from rightface.law.pages import INDEX, MARK, index_page, instrument_page, pages, write_pages
from rightface.law.question import FIELDS, question
from rightface.law.rule import Rule
from rightface.law.testing import run_cases
from rightface.law.vocabulary import Vocabulary
from rightface.law.wordbook import KINDS, vocabulary_json, vocabulary_markdown

DOCS = Path(__file__).parents[2] / "docs"
LIBRARY = InstrumentLibrary.load()
MADE = pages(LIBRARY)
REMAKE = "run: rightface law docs"


@pytest.mark.parametrize("name", sorted(MADE))
def test_the_committed_pages_are_those_that_are_made(name: str) -> None:
    assert (DOCS / "instruments" / name).read_text("utf-8") == MADE[name], REMAKE


def test_no_page_is_left_over() -> None:
    assert {path.name for path in (DOCS / "instruments").iterdir()} == set(MADE), REMAKE


def test_the_committed_vocabulary_is_that_of_the_files() -> None:
    remake = "run: rightface law vocabulary > docs/vocabulary.md"
    assert (DOCS / "vocabulary.md").read_text("utf-8") == vocabulary_markdown(), remake


@pytest.mark.parametrize("instrument", sorted(LIBRARY.instruments))
def test_a_page_tells_everything(instrument: str) -> None:
    one, page = LIBRARY.instrument(instrument), MADE[f"{instrument}.md"]
    assert MARK in page
    for said in (one.name, one.citation.replace("|", "\\|"), "Not legal advice.", "Reviewed by: "):
        assert said in page
    for rule in one.rules:
        assert f"(`{rule.rule_id}`)" in page
        assert _marked(rule, page)
    for source in one.facts.get("sources", []):
        assert source["what"] in page


def _marked(rule: Rule, page: str) -> bool:
    part = page.partition(f"(`{rule.rule_id}`)")[2].partition("\n### ")[0].partition("\n## ")[0]
    return (f"**[unverified: {rule.confidence}]**" in part) == rule.unverified


def test_the_index_tells_what_is_in_force_on_its_day() -> None:
    some = LIBRARY.only(["us-ca-sf-19b", "us-il-bipa-2008"])
    assert "not in force yet: from 2019-06-30" in index_page(some, date(2019, 1, 1))
    assert "not in force" not in index_page(some, date(2026, 11, 21))
    index = MADE[INDEX]
    for one in LIBRARY.instruments.values():
        assert f"({one.instrument_id}.md)" in index
        if one.kind == "bill":
            assert "not in force: a bill, never enacted" in index


def test_a_bill_says_that_it_never_bound() -> None:
    for one in LIBRARY.instruments.values():
        assert ("It never bound." in MADE[f"{one.instrument_id}.md"]) == (not one.known)


def test_writing_removes_what_is_gone_and_leaves_what_is_others(tmp_path: Path) -> None:
    some = LIBRARY.only(["us-ca-sf-19b"])
    (tmp_path / "gone.md").write_text(f"# Gone\n\n{MARK}\n")
    (tmp_path / "mine.md").write_text("# Mine\n")
    written = write_pages(some, tmp_path)
    assert {path.name for path in written} == {INDEX, "us-ca-sf-19b.md"}
    assert {path.name for path in tmp_path.iterdir()} == {INDEX, "us-ca-sf-19b.md", "mine.md"}
    assert (tmp_path / "us-ca-sf-19b.md").read_text() == instrument_page(some, "us-ca-sf-19b")


# ---------------------------------------------------------------- the vocabulary
def test_the_vocabulary_is_whole() -> None:
    words, told = Vocabulary.load(), json.loads(json.dumps(vocabulary_json()))

    def listed(name: str, key: str = "word") -> list[str]:
        return [each[key] for each in told[name]]

    assert listed("actors") == list(words.actors)
    assert listed("groups") == list(words.groups)
    assert listed("operations") == list(words.operations)
    assert listed("purposes") == list(words.purposes)
    assert listed("warrants") == list(words.warrants)
    assert listed("legal_bases") == list(words.bases)
    assert listed("duties") == list(words.duties)
    assert listed("facts") == list(words.facts)
    assert listed("offences") == list(words.offences)
    assert listed("consent_how") == list(words.how)
    assert listed("conditions", "name") == list(words.conditions)
    assert listed("question_fields", "field") == list(FIELDS)
    assert listed("outcomes") == ["allow", "deny", "require-duty"]
    assert {each["kind"] for each in told["conditions"]} <= set(KINDS)
    for name in ("actors", "groups", "operations", "purposes", "warrants", "legal_bases",
                 "duties", "facts", "offences", "consent_how", "conditions"):  # fmt: skip
        assert all(each["definition"].endswith(".") for each in told[name]), name


def test_every_condition_told_as_one_to_state_can_be_stated() -> None:
    bare = {"operation": "detect", "actor": "vendor", "jurisdiction": "US"}
    for one in vocabulary_json()["conditions"]:
        if one["stated"].startswith("never"):
            with pytest.raises(Exception, match="condition"):
                question({**bare, one["name"]: one["default"]})
        elif one["default"] != "":
            asked = question({**bare, one["name"]: one["default"]})
            assert one["name"] in asked.conditions or "field" in one["stated"]
        for word in one["words"]:
            question({**bare, one["name"]: word})


def test_the_example_is_a_question() -> None:
    import yaml

    asked = question(yaml.safe_load(vocabulary_json()["example"])[0])
    assert asked.expect == "deny"


def test_the_numbers_and_the_picture_in_the_docs(tmp_path: Path) -> None:
    library = InstrumentLibrary.load()
    rules = [rule for one in library.instruments.values() for rule in one.rules]
    unread = sum(rule.unverified for rule in rules)
    text = " ".join((DOCS / "law.md").read_text("utf-8").split())
    assert f"of the {len(rules)} rules, {unread} rest on facts" in text
    assert f"with ours there are {len(run_cases(library))}." in text
    shown = (DOCS / "law.md").read_text("utf-8").split("rightface law explain")
    command = next(one for one in shown if "virginia.svg" in one).split("```")[0]
    arguments = shlex.split(command.replace("\\\n", " "))
    arguments[-1] = str(tmp_path / "virginia.svg")
    told = CliRunner().invoke(complete(), ["law", "explain", *arguments])
    assert told.exit_code == 0, told.output
    drawn = (tmp_path / "virginia.svg").read_text("utf-8")
    assert drawn == (DOCS / "pictures" / "virginia.svg").read_text("utf-8"), command
