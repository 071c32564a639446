"""What docs/operate.md shows of commands is what they print."""

from __future__ import annotations

import re
import shlex
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rightface.cli.main import complete
from rightface.instance import Instance
from tests.cli.test_commands import data, enrolled_staff  # noqa: F401  # a fixture

PAGE = (Path(__file__).parents[2] / "docs" / "operate.md").read_text("utf-8")
_STAND_FOR = (  # what is another one each time
    (r"[A-Za-z0-9+/]{86}==", "SIGNATURE"),
    (r"\b[0-9a-f]{64}\b", "ROOT"),
    (r"\b\d{4}-\d{2}-\d{2}\b", "DAY"),
    (r"\d+", "NUMBER"),
    (r"[ \t]+", " "),
)


def _shown() -> list[tuple[str, str]]:
    """Each command line after a `$`, and what the page prints below it."""
    fenced = re.findall(r"^```\n(\$ .*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    parts = [part for block in fenced for part in re.split(r"^\$ ", block, flags=re.M)[1:]]
    return [(line, told) for line, _, told in (part.partition("\n") for part in parts)]


def _plain(told: str) -> str:
    for pattern, word in _STAND_FOR:
        told = re.sub(pattern, word, told)
    return "\n".join(line.strip() for line in told.strip().splitlines())


def test_every_command_of_the_page_prints_what_it_shows(
    data: Path,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RIGHTFACE_DATA", str(data))
    monkeypatch.setenv("COLUMNS", "200")
    enrolled_staff(data)
    with Instance.open(data) as instance:
        vkey = instance.ledger_vkey
    today = datetime.now(UTC).date().isoformat()
    before = {  # what the page tells happened meanwhile
        "retention due": lambda: _set_overdue(data),
        "retention purpose-ended --client acme --gallery staff": lambda: enrolled_staff(data),
    }
    shown = _shown()
    assert len(shown) == 8
    for line, told in shown:
        words, _, into = line.partition(" > ")
        assert words.startswith("rightface ")
        words = words.removeprefix("rightface ").replace(
            "https://HOST/ledger", str(data / "ledger")
        )
        words = re.sub(r"\d{4}-\d{2}-\d{2}", today, words).replace("KEY", shlex.quote(vkey))
        if words in before:
            before[words]()
        done = CliRunner().invoke(complete(), shlex.split(words))
        assert done.exit_code in {0, 1}, done.output
        if into:
            Path(into).write_text(done.stdout)
        else:
            assert _plain(done.output) == _plain(told), line


def _set_overdue(data: Path) -> None:  # noqa: F811
    with closing(sqlite3.connect(data / "rightface.db")) as database, database:
        database.execute("UPDATE faces SET idle_days = 1, idle_until = '2026-01-01 00:00:00.0'")
