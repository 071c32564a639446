"""One suite, three unmodified clients, one real server: each must see the same.

A test for each step of each client; a client plays the whole suite once.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from rightface.api.rekognition.operations_table import ENTRIES
from tests.conformance.clients import CLIENTS, Client, Outcome, Place
from tests.conformance.scenarios import SUITE
from tests.conformance.steps import Step, hold
from tests.conftest import Server
from tests.portraits import degraded, encoded, grace_hopper, nobody, small, two_people
from tests.video import clips

Played = Callable[[type[Client]], dict[int, Outcome]]


@pytest.fixture(scope="session")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that the steps name."""
    folder = tmp_path_factory.mktemp("conformance")
    for name, content in {
        "grace.jpg": small(grace_hopper(), 300),
        "again.jpg": degraded(grace_hopper()),
        "tiny.jpg": small(grace_hopper(), 80),
        "two.jpg": two_people(),
        "couple.jpg": encoded(clips.placed((clips.eileen(), 30), (clips.grace()[::2, ::2], 400))),
        "nobody.jpg": nobody(),
        "broken.jpg": small(grace_hopper(), 300)[:2000],
    }.items():
        (folder / name).write_bytes(content)
    with (folder / "large.jpg").open("wb") as large:
        large.truncate(15 * 1024 * 1024 + 1)
    clips.written(folder / "clip.mp4", 2.0, lambda _: clips.placed((clips.grace(), 60)))
    return folder


@pytest.fixture(scope="session")
def played(server: Server, photographs: Path) -> Played:
    """What a client saw of each step, by the step's number; played when it is first asked for."""

    def play_all(kind: type[Client]) -> dict[int, Outcome]:
        client = kind()
        named = f"conformance-{client.name}"
        issued = server.instance.licence(named)
        server.instance.consent("grace", "eileen", client=named)
        objects = server.instance.instance.settings.data / "objects"
        for bucket in (named, "somebody-elses"):
            (objects / bucket / "people").mkdir(parents=True, exist_ok=True)
            for name in ("people/grace.jpg", "people/two.jpg", "large.jpg", "clip.mp4"):
                place = objects / bucket / name
                place.write_bytes((photographs / Path(name).name).read_bytes())
        steps = {number: step for number, step in enumerate(SUITE) if _takes(kind, step)}
        licence = issued.licence
        outcomes = client.play(
            list(steps.values()),
            Place(
                url=server.endpoint_url,
                key=licence.access_key_id,
                secret=issued.secret_access_key,
                files=photographs,
                kept={"bucket": named},
            ),
        )
        return dict(zip(steps, outcomes, strict=True))

    seen: dict[type[Client], dict[int, Outcome] | Exception] = {}

    def play(kind: type[Client]) -> dict[int, Outcome]:
        if kind not in seen:
            try:
                seen[kind] = play_all(kind)
            except Exception as error:  # noqa: BLE001  # raised again for each step
                seen[kind] = error  # a client that broke off is not started again
        found = seen[kind]
        if isinstance(found, Exception):
            raise AssertionError(f"{kind.name} broke off") from found
        return found

    return play


def _takes(kind: type[Client], step: Step) -> bool:
    return kind.takes_all or step.every


CASES = [
    pytest.param(kind, number, id=f"{kind.name}-{number:03}-{step.operation}")
    for kind in CLIENTS
    for number, step in enumerate(SUITE)
    if _takes(kind, step)
]


@pytest.mark.parametrize(("kind", "number"), CASES)
def test_step(kind: type[Client], number: int, played: Played) -> None:
    why = kind.missing()
    if why is not None:
        pytest.skip(why)
    outcome = played(kind)[number]
    hold(SUITE[number], outcome, outcome["kept"])


@pytest.mark.parametrize("kind", CLIENTS, ids=lambda kind: kind.name)
def test_the_suite_has_every_operation_that_works(kind: type[Client]) -> None:
    works = {entry.name for entry in ENTRIES if entry.state == "works"}
    succeeded = {step.operation for step in SUITE if _takes(kind, step) and step.raises is None}
    assert works == succeeded
