"""The report in a real browser: from a phone's width to a desk's, with its script and policy."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from html import unescape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from rightface.assay.report import explorer
from rightface.assay.report.card import card
from rightface.assay.report.make import card_html, html
from tests.assay.test_report import HOSTILE, bare, many, renamed, sample_

# Frames the page at a stated width, opens what is folded, moves the slider with a script, and
# writes down what it sees.
LOOK = """<!DOCTYPE html><meta charset="utf-8"><title>look</title>
<iframe id="page" width="WIDTH" height="800"></iframe><pre id="seen"></pre><script>
const frame = document.getElementById("page");
frame.onload = () => {
  const page = frame.contentDocument, root = page.documentElement;
  page.querySelectorAll("details").forEach((one) => { one.open = true; });
  const cut = [...page.querySelectorAll(".scroll")].filter(
    (one) => one.scrollWidth > one.clientWidth + 1).map((one) => one.getAttribute("aria-label"));
  const cells = () => [...page.querySelectorAll("#explorer-table tr[data-row]")].map(
    (row) => [1, 2].map((at) => row.cells[at].querySelector("span").textContent));
  const slide = page.getElementById("slide"), input = page.getElementById("step");
  const wide = [...page.querySelectorAll("main *")].filter((one) => !one.closest(".scroll, svg")
    && one.getBoundingClientRect().right > root.clientWidth + 0.5).map((one) => one.tagName);
  const font = getComputedStyle(page.querySelector("h1")).fontFamily;
  const seen = {title: page.title, over: root.scrollWidth - root.clientWidth, wide, cut,
    styled: font.includes("DejaVu"), first: cells()};
  if (input) {
    seen.shown = !slide.hidden;
    input.value = 3;
    input.dispatchEvent(new Event("input"));
    seen.told = page.getElementById("step-told").textContent;
    seen.moved = cells();
  }
  document.getElementById("seen").textContent = JSON.stringify(seen);
};
frame.src = "/page";
</script>"""


@contextmanager
def _served(page: str, width: int) -> Iterator[tuple[str, list[str]]]:
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            body = {"/page": page, "/look": LOOK.replace("WIDTH", str(width))}.get(self.path)
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write((body or "").encode())

        def log_message(self, *told: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _chromium(tmp_path: Path, *words_: str) -> subprocess.CompletedProcess[str]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("chromium is not installed; it would show the page")
    return subprocess.run(
        [
            chromium,
            *("--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"),
            *("--no-first-run", "--disable-background-networking", "--timeout=60000"),
            f"--user-data-dir={tmp_path / 'profile'}",
            *words_,
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )


def _look(page: str, tmp_path: Path, width: int = 390) -> dict[str, Any]:
    with _served(page, width) as (address, asked):
        done = _chromium(tmp_path, "--dump-dom", f"{address}/look")
    assert set(asked) <= {"/look", "/page", "/favicon.ico"}, asked
    complaints = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    assert [line for line in complaints if "favicon" not in line] == []
    found = re.search('<pre id="seen">(.*?)</pre>', done.stdout, re.DOTALL)
    assert found is not None, done.stderr
    assert found[1], done.stderr
    seen = json.loads(unescape(found[1]))
    assert isinstance(seen, dict)
    return seen


def test_the_page_on_a_phone_and_its_slider(tmp_path: Path) -> None:
    assay = sample_()
    seen = _look(html(assay, before=assay), tmp_path)
    assert (seen["over"], seen["wide"]) == (0, [])
    assert seen["styled"]
    assert seen["shown"]
    ladder = explorer.ladder(assay)
    assert ladder is not None
    assert seen["told"] == ladder["told"][3]
    for told, step in ((seen["first"], ladder["start"]), (seen["moved"], 3)):
        assert told == [
            [
                row["fmr_told"][step],
                row["fnmr_told"][step],
            ]
            for row in ladder["rows"]
        ]
    assert seen["first"] != seen["moved"]


def test_hostile_names_on_a_phone(tmp_path: Path) -> None:
    hostile = renamed(sample_(), HOSTILE)
    seen = _look(html(hostile, before=hostile), tmp_path)
    assert (seen["over"], seen["wide"]) == (0, [])
    assert seen["title"].startswith("Face recognition measured")
    assert seen["shown"]


@pytest.mark.parametrize("width", [768, 1200, 1600])
def test_wider_screens_and_no_table_is_cut_on_a_desk(width: int, tmp_path: Path) -> None:
    seen = _look(html(sample_(), before=sample_()), tmp_path, width)
    assert (seen["over"], seen["wide"]) == (0, [])
    if width >= 1200:
        assert seen["cut"] == []


def test_no_table_of_the_card_is_cut_on_a_desk(tmp_path: Path) -> None:
    seen = _look(card_html(card(sample_())), tmp_path, 1200)
    assert (seen["over"], seen["wide"], seen["cut"]) == (0, [], [])


@pytest.mark.parametrize("groups", [0, 60])
def test_no_group_and_sixty_on_a_phone(groups: int, tmp_path: Path) -> None:
    seen = _look(html(many(groups) if groups else bare()), tmp_path)
    assert (seen["over"], seen["wide"]) == (0, [])


def test_the_card_on_a_phone(tmp_path: Path) -> None:
    seen = _look(card_html(card(renamed(sample_(), HOSTILE))), tmp_path)
    assert (seen["over"], seen["wide"]) == (0, [])
    assert seen["title"].startswith("Model card: ")


def test_it_prints(tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text(html(sample_()), "utf-8")
    pdf = tmp_path / "report.pdf"
    done = _chromium(
        tmp_path,
        "--no-pdf-header-footer",
        f"--print-to-pdf={pdf}",
        (tmp_path / "report.html").as_uri(),
    )
    assert pdf.is_file(), done.stderr
    content = pdf.read_bytes()
    assert content.startswith(b"%PDF-")
    # Nine chapters begin a page of their own.
    assert len(re.findall(rb"/Type\s*/Page\b", content)) >= 9
