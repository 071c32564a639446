"""docs/native.md is what the code makes, and its examples run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from rightface.api.native import documentation
from tests.native.conftest import Native

PAGE = Path(__file__).parents[2] / "docs" / "native.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text("utf-8"), re.S | re.M)


def test_the_page_is_what_the_code_makes() -> None:
    told = "python -m rightface.api.native.documentation > docs/native.md"
    assert PAGE.read_text("utf-8") == documentation.page(), f"run: {told}"


def test_its_python_runs(native: Native, monkeypatch: pytest.MonkeyPatch, capsys: object) -> None:
    monkeypatch.setenv("RIGHTFACE_URL", native.url)
    monkeypatch.setenv("RIGHTFACE_TOKEN", native.tokens["operator"])
    together: dict[str, object] = {}
    found = blocks("python")
    assert len(found) == 4
    for block in found:
        exec(compile(block, str(PAGE), "exec"), together)
    assert native.instance.registrar.consents_of("employee-17")[0].withdrawn_at is not None


def test_its_curl_runs(native: Native) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not here")
    (block,) = blocks("bash")
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block],
        env={
            **os.environ,
            "RIGHTFACE_URL": native.url,
            "RIGHTFACE_TOKEN": native.tokens["operator"],
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert '"role":"operator"' in done.stdout
    assert '"outcome":"deny"' in done.stdout
