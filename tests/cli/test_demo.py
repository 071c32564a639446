"""`rightface demo` comes out as told, and the README shows what it prints."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

README = Path(__file__).parents[2] / "README.md"
VOLATILE = re.compile(  # ids, keys, roots, ports, rates and seconds differ from run to run
    r"lic-\w+|RFAK\w+|[0-9a-f]{8}-[0-9a-f-]{27}|[0-9a-f]{32,}|rightface\.invalid/\S+|127\.0\.0\.1:\d+"
    r"|\(\S{24}…\)|\d+\.\d+ s\.|(?<=similarity )[\d.]+|\d\.\d+e-\d+|byte \d+|(?<=entry )\d+"
)


def _demo(*words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "rightface", "demo", *words],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _steady(transcript: str) -> list[str]:
    return VOLATILE.sub("*", " ".join(transcript.split())).split()


def test_the_demonstration_comes_out_as_told() -> None:
    told = json.loads(_demo("--json"))
    assert [step for step in told["steps"] if not step["as_told"]] == []
    assert told["ok"] is True
    assert len({step["chapter"] for step in told["steps"]}) == 6


def test_the_readme_shows_what_the_demonstration_prints() -> None:
    shown = README.read_text("utf-8").split("<!-- transcript -->")[1]
    block = shown.split("```")[1]
    assert _steady(block) == _steady(_demo())
