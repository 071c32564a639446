"""Which comparison decided: every decision says so; a change of it is an act, and never silent."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from instance import TemporaryInstance
from rightface.acts import agreed
from rightface.faces.packs import COMPARISONS, EQUALISED, RAW, load_pack
from rightface.instance import Instance
from rightface.ledger import log
from rightface.ledger.leaf import Leaf
from rightface.ledger.verify import verify
from rightface.service import Service
from rightface.settings import FILE, Settings

PLACE = "US-OH"


def made(data: Path, comparison: str) -> Instance:
    return Instance.create(
        Settings(data=data, sector="private-entity", jurisdiction=PLACE, comparison=comparison)
    )


def in_words(comparison: str) -> str:
    digest = load_pack(comparison).comparison_digest
    return f"{load_pack(comparison).comparison}.{digest}" if digest else RAW


def leaves(instance: Instance) -> list[Leaf]:
    with instance.database.read() as session:
        return [Leaf.parse(each) for each in log.entries(session, 0, log.size(session))]


@pytest.mark.parametrize("comparison", COMPARISONS)
def test_a_decision_says_which_comparison_decided(tmp_path: Path, comparison: str) -> None:
    with made(tmp_path / "data", comparison) as instance:
        asking = TemporaryInstance(instance)
        for action in ("detect", "verify-1to1", "identify-1toN", "enroll", "measure-accuracy"):
            with asking.permitted(action):
                pass
        told = {one.operation: one.comparison for one in leaves(instance) if one.kind == "decision"}
        asking.service.close()
        verify(instance.settings.ledger_directory, vkey=instance.ledger_vkey)
    ours = in_words(comparison)
    assert told == {
        "detect": None,
        "verify-1to1": ours,
        "identify-1toN": ours,
        "enroll": ours,
        "measure-accuracy": None,  # it may measure another than the instance's own
    }


def serve_once(data: Path, models: Path) -> None:
    """What `rightface serve` does before it listens."""
    if not (data / "models").exists():
        (data / "models").symlink_to(models)
    with Service.open(data, serving=True) as service:
        service.prepare()


def changes(data: Path) -> list[tuple[str | None, tuple[str, ...], str | None]]:
    with Instance.open(data) as instance:
        found = [one for one in leaves(instance) if one.operation == "comparison-change"]
    return [(one.client, one.reasons, one.comparison) for one in found]


def say(data: Path, line: str) -> None:
    """The file with another line for the comparison, or without."""
    path = data / FILE
    kept = [one for one in path.read_text("utf-8").splitlines() if "comparison" not in one]
    path.write_text("\n".join([*kept, line]) + "\n", "utf-8")


def test_an_older_instance_stays_raw_until_its_operator_says_otherwise(
    tmp_path: Path, models: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = tmp_path / "data"
    made(data, RAW).close()
    say(data, "")
    serve_once(data, models)
    with Instance.open(data) as instance:
        assert instance.comparison == RAW
    assert changes(data) == []
    assert "compared by raw scores" in caplog.text
    caplog.clear()

    say(data, 'comparison = "equalised"')
    serve_once(data, models)
    equalised = in_words(EQUALISED)
    there = ("operator", ("was#raw",), equalised)
    assert changes(data) == [there]
    assert "compared otherwise from now on: equalised" in caplog.text
    assert "no longer counts" in caplog.text
    caplog.clear()
    serve_once(data, models)
    assert changes(data) == [there], "it was said once"
    assert not [one for one in caplog.records if one.levelno >= logging.WARNING]

    say(data, 'comparison = "raw"')
    serve_once(data, models)
    assert changes(data) == [there, ("operator", (f"was#{equalised}",), RAW)]


def test_a_new_instance_states_its_comparison_and_changes_nothing(
    tmp_path: Path, models: Path
) -> None:
    data = tmp_path / "data"
    made(data, EQUALISED).close()
    serve_once(data, models)
    assert changes(data) == []
    with Instance.open(data) as instance:
        first = leaves(instance)[0]
    assert (first.operation, first.comparison) == ("instance-create", in_words(EQUALISED))


def test_a_ledger_that_never_said_compared_raw(tmp_path: Path) -> None:
    with made(tmp_path / "data", EQUALISED) as instance:
        told = agreed(instance)
        assert told.comparison == in_words(EQUALISED)
        for _, act in told.acts:
            act.pop("comparison", None)  # as older releases wrote it
        assert told.comparison == RAW
