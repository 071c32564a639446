"""The examples of docs/review.md run as they stand, one after the other."""

from __future__ import annotations

import re
import shlex
import shutil
import tomllib
from pathlib import Path
from typing import Any

import boto3
import pytest

from rightface.api.app import create_app
from rightface.api.server import running
from rightface.settings import Settings
from tests.portraits import degraded
from tests.service.reviewing import House, commanded, grace_hopper, house

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "review.md").read_text("utf-8")


def fenced(language: str) -> list[str]:
    """What stands between fences of this language, in order."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    return [text for named, text in found if named == language]


def test_the_settings_are_settings(tmp_path: Path) -> None:
    (shown,) = fenced("toml")
    shutil.copy(_made(tmp_path), tmp_path / "rightface.toml")
    whole = tomllib.loads((tmp_path / "rightface.toml").read_text("utf-8"))
    told = tomllib.loads(shown)
    assert set(told) == {"keep_crops", "review_hours"}
    kept = [f"{name} = {_toml(value)}" for name, value in whole.items() if name not in told]
    (tmp_path / "rightface.toml").write_text("\n".join([*kept, shown]), "utf-8")
    loaded = Settings.load(tmp_path)
    assert (loaded.keep_crops, loaded.review_hours) == (True, 72)


def test_every_example_runs(
    models: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    operators, reviewers = fenced("")
    (example,) = fenced("python")
    with house(models, monkeypatch) as made:
        data = str(made.opened.instance.settings.data)
        made.enrol("grace", grace_hopper())
        made.enrol("grace-too", degraded(grace_hopper()))

        def command(line: str) -> Any:
            words = shlex.split(line.replace("DIR ", f"{data} "))
            assert words[0] == "rightface", line
            return commanded(*words[1:])

        issued = [command(line) for line in operators.splitlines()]
        assert [each["credential"]["name"] for each in issued] == ["ann.berg", "ben.otieno"]

        review_id, printed = _searched(made, example, capsys)
        assert printed.startswith(f"ask later for {review_id} until 20")

        lines = reviewers.replace("rev-…", review_id).splitlines()
        assert lines[0] == "export RIGHTFACE_TOKEN=rf_reviewer_…"
        monkeypatch.setenv("RIGHTFACE_TOKEN", issued[0]["token"])
        listed, opened, decided = (command(f"{line} ") for line in lines[1:-1])
        assert [each["review_id"] for each in listed] == [review_id]
        assert [each["number"] for each in opened["candidates"]] == [1, 2]
        assert (decided["decided"], decided["left"]) == (2, 0)
        assert lines[-1] == "rm -r look/"
        assert len(list((tmp_path / "look").iterdir())) == 3
        told = made.outcome(review_id)
        assert (told.outcome, len(told.candidates)) == ("confirmed", 1)


def _searched(made: House, example: str, capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    with running(create_app(made.service)) as url:
        client = boto3.client(
            "rekognition",
            endpoint_url=url,
            region_name="us-east-1",
            aws_access_key_id=made.licence.licence.access_key_id,
            aws_secret_access_key=made.licence.secret_access_key,
        )
        known: dict[str, Any] = {"client": client, "photo": grace_hopper()}
        exec(example, known)
    return known["waiting"].review_id, capsys.readouterr().out


def _made(folder: Path) -> Path:
    settings = Settings(data=folder / "data", sector="private-entity", jurisdiction="US-OH")
    settings.data.mkdir()
    settings.write()
    return settings.data / "rightface.toml"


def _toml(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value).lower()
