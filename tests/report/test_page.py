"""The page: well formed, readable without sight, nothing fetched, nothing executed."""

from __future__ import annotations

import copy
import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from jinja2 import UndefinedError

from rightface.report.page import html
from tests.report.conftest import PARTY, TODAY, History

VOID = {"meta", "link", "br", "hr", "img", "input", "rect"}  # rect: written as <rect/>
FETCHING = {"src", "href", "srcset", "action", "data", "poster", "background", "xlink:href"}


class Outline(HTMLParser):
    """Every element must be closed, in order; tables, headings and attributes are noted."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.seen: list[str] = []
        self.attributes: list[tuple[str, str, str | None]] = []
        self.headings: list[int] = []
        self.tables: list[tuple[str, list[list[str]]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag == "table":
            self.tables.append(("", []))
        if tag == "tr":
            self.tables[-1][1].append([])
        if tag in ("td", "th"):
            self.tables[-1][1][-1].append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in VOID, f"<{tag}/>"
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes nothing"

    def handle_data(self, data: str) -> None:
        self.text.append(data)
        if self.open and self.open[-1] == "caption":
            self.tables[-1] = (self.tables[-1][0] + data, self.tables[-1][1])
        if self.open and self.open[-1] in ("td", "th"):
            self.tables[-1][1][-1][-1] += data


def outlined(page: str) -> Outline:
    outline = Outline()
    outline.feed(page)
    outline.close()
    assert outline.open == []
    return outline


@pytest.fixture(scope="module")
def page(history: History) -> str:
    return html(history.report)


def test_it_is_well_formed_and_fetches_nothing(page: str) -> None:
    outline = outlined(page)
    assert page.startswith("<!DOCTYPE html>\n<html lang")
    assert not {"script", "link", "img", "iframe", "object", "embed", "form"} & set(outline.seen)
    assert not [one for one in outline.attributes if one[1] in FETCHING or one[1].startswith("on")]
    assert not re.search(r"https?:|//[a-z]|@import|url\(|javascript:", page, re.IGNORECASE)


def test_it_can_be_read_without_sight(page: str) -> None:
    outline = outlined(page)
    assert outline.headings[0] == 1
    assert outline.headings.count(1) == 1
    steps = zip(outline.headings, outline.headings[1:], strict=False)
    assert all(after <= before + 1 for before, after in steps)
    assert len(outline.tables) > 8
    for caption, rows in outline.tables:
        assert caption.strip()
        assert len({len(row) for row in rows}) == 1
    scoped = [value for tag, name, value in outline.attributes if (tag, name) == ("th", "scope")]
    assert len(scoped) == outline.seen.count("th")
    assert set(scoped) == {"col", "row"}
    charts = [value for tag, name, value in outline.attributes if (tag, name) == ("svg", "role")]
    labels = [v for tag, name, v in outline.attributes if (tag, name) == ("svg", "aria-label")]
    assert charts == ["img"] * len(labels) == ["img", "img"]
    assert outline.seen.count("main") == 1


def _luminance(colour: str) -> float:
    def linear(part: int) -> float:
        share = part / 255
        return share / 12.92 if share <= 0.04045 else float(((share + 0.055) / 1.055) ** 2.4)

    red, green, blue = (linear(int(colour[at : at + 2], 16)) for at in (0, 2, 4))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_its_colours_have_contrast(page: str) -> None:
    """WCAG 2.2: 4.5 for text (1.4.3), 3 for what carries meaning (1.4.11)."""

    def contrast(one: str, other: str) -> float:
        high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
        return (high + 0.05) / (low + 0.05)

    assert "color: #1a1a1a; background: #fff" in page
    for background in ("ffffff", "e8eef4", "f2f2f2"):
        assert contrast("1a1a1a", background) >= 4.5
    fills = set(re.findall(r'fill="#([0-9a-f]{6})"', page))
    assert len(fills) == 2
    assert all(contrast(fill, "ffffff") >= 3 for fill in fills)


def test_it_shows_the_numbers_of_the_json(history: History, page: str) -> None:
    tables = dict(outlined(page).tables)

    def shown(caption: str) -> list[list[str]]:
        return tables[caption][1:]

    counts = history.report["counts"]
    assert shown("Decisions by operation, purpose, outcome and client") == [
        [str(row[word]) for word in ("operation", "purpose", "outcome", "client", "number")]
        for row in counts["decisions"]["by_operation_purpose_outcome_client"]
    ]
    assert shown("Reasons for refusals, by instrument and section") == [
        [row["instrument"], row["rule"], str(row["number"])] for row in counts["refusals"]
    ]
    assert shown("Acts of the operator") == [
        [row["act"], str(row["number"])] for row in counts["acts"]
    ]
    people = [cells[1] for cells in shown("During these days")]
    assert sorted(people) == sorted(str(number) for number in counts["people"].values())
    duties = shown("Duties on record and missing")
    assert [row[:2] for row in duties] == [
        [one["duty"], one["state"]] for one in history.report["duties"]
    ]


def test_it_tells_how_to_check_it(history: History, page: str) -> None:
    text = " ".join(outlined(page).text)
    assert history.report["checkpoint"]["root"] in text
    assert f"--vkey '{history.report['checkpoint']['vkey']}'" in text
    assert "fewer than 5" in text
    assert "it can still be worked out from totals, and from the ledger" in text
    assert "none by counsel" in text


def test_no_secret_stands_on_it(history: History, page: str) -> None:
    assert [secret for secret in history.secrets if secret in page] == []


def test_a_partys_name_is_text_and_nothing_else(page: str) -> None:
    assert "<script" not in page
    assert PARTY in "".join(outlined(page).text)


def test_words_of_others_do_not_break_out_of_a_chart(history: History) -> None:
    report = copy.deepcopy(history.report)
    report["counts"]["refusals"][0]["instrument"] = "</svg><script>"
    page = html(report)
    outlined(page)
    assert "<script" not in page


def test_an_empty_span_makes_a_page(history: History) -> None:
    report = copy.deepcopy(history.report)
    report["licences"], report["instruments"] = [], []
    report["counts"]["refusals"], report["counts"]["decisions"]["by_month"] = [], []
    assert "Reasons for refusals, by instrument and section: none." in html(report)


def test_a_field_that_is_missing_is_an_error(history: History) -> None:
    report = copy.deepcopy(history.report)
    del report["retention"]["overdue"]
    with pytest.raises(UndefinedError):
        html(report)


def _run(*words: str, status: int = 0) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "rightface", *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == status, (done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    return done.stdout


def test_the_commands(history: History, tmp_path: Path) -> None:
    data = history.fresh.instance.settings.data
    page, report = tmp_path / "report.html", tmp_path / "report.json"
    span = ("--data", str(data), "--from", str(TODAY), "--to", str(TODAY))
    made = _run("report", "accountability", *span, "--out", str(page), "--operator", "A & B")
    assert "fewer than 5" in made
    assert "A &amp; B" in page.read_text("utf-8")
    outlined(page.read_text("utf-8"))
    report.write_text(_run("report", "accountability", *span, "--json"), "utf-8")
    told = json.loads(report.read_text("utf-8"))
    key = told["checkpoint"]["vkey"]
    checked = _run("report", "check", str(report), str(history.ledger), "--vkey", key)
    assert checked.startswith("Every count agrees")
    told["counts"]["decisions"]["permitted"] += 1
    report.write_text(json.dumps(told), "utf-8")
    wrong = _run("report", "check", str(report), str(history.ledger), "--json", status=4)
    assert "counts.decisions.permitted" in json.loads(wrong)["why"]
    _run("report", "check", str(page), str(history.ledger), status=2)
    _run("report", "accountability", *span[:2], "--from", "May", "--to", "June", status=2)
    backwards = ("--from", "2026-02-01", "--to", "2026-01-01")
    _run("report", "accountability", *span[:2], *backwards, status=2)
    nowhere = str(tmp_path / "nowhere" / "report.html")
    _run("report", "accountability", *span, "--out", nowhere, status=2)


def test_it_prints(history: History, page: str, tmp_path: Path) -> None:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("chromium is not installed; it would print the page to PDF")
    (tmp_path / "report.html").write_text(page, "utf-8")
    pdf = tmp_path / "report.pdf"
    done = subprocess.run(
        [
            chromium,
            *("--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer"),
            f"--user-data-dir={tmp_path / 'profile'}",
            f"--print-to-pdf={pdf}",
            (tmp_path / "report.html").as_uri(),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert pdf.is_file(), done.stderr
    content = pdf.read_bytes()
    assert content.startswith(b"%PDF-")
    pages = re.findall(rb"/Type\s*/Page\b", content)
    # Section breaks: the text before the licences, and six sections that begin a page.
    assert len(pages) >= 7
