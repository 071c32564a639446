"""`rightface assay run`, `scores` and `api` as others run them."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from instance import temporary_instance
from rightface.api.app import create_app
from rightface.api.server import running
from rightface.assay.changes import KINDS
from rightface.assay.files import LOCK, held
from rightface.assay.result import Assay
from rightface.cli import main as cli
from rightface.cli.main import complete
from rightface.instance import Instance
from rightface.ledger import log
from tests.cli.test_commands import data, run  # noqa: F401  # a fixture
from tests.portraits import eileen_collins, grace_hopper, nobody, small

EACH = 8
"""Photographs of each of two people: 64 impostor comparisons, which show a rate of 0.5."""


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("set")
    rows = ["image,subject,mission,year"]
    for number in range(EACH):
        for name, portrait in (("grace", grace_hopper()), ("eileen", eileen_collins())):
            (folder / f"{name}{number}.jpg").write_bytes(small(portrait, 160 + 8 * number))
            rows.append(f"{name}{number}.jpg,{name},{name[0]},{1980 + number}")
    (folder / "nobody.jpg").write_bytes(nobody())
    rows.append("nobody.jpg,nobody,,1999")
    (folder / "manifest.csv").write_text("\n".join(rows) + "\n")
    return folder / "manifest.csv"


def leaves(instance: Path) -> list[tuple[str, str, dict[str, int]]]:
    with Instance.open(instance) as opened, opened.database.read() as session:
        told = [log.leaf_at(session, index) for index in range(log.size(session))]
    return [
        (leaf.operation, leaf.outcome, dict(leaf.counts))
        for leaf in told
        if leaf.operation == "measure-accuracy"
    ]


def test_photographs_in_a_document_out_and_the_ledger_has_it(
    photographs: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    words = ("assay", "run", str(photographs), "--out", str(out), "--fmr", "0.5", "--json")
    told = run(*words)
    document = Assay.model_validate_json((out / "assay.json").read_text("utf-8"))
    assert Assay.model_validate(told) == document
    assert document.data.images == 2 * EACH + 1
    assert document.verification.genuine == EACH * (EACH - 1)
    assert document.verification.impostor == EACH * EACH
    assert document.failures is not None
    assert document.failures.errors == 1
    assert document.verification.at[0].threshold is not None
    assert {stress.kind for stress in document.stress} == {"years-apart"}
    assert not (out / "templates").exists()
    assert sorted(path.name for path in out.iterdir()) == ["assay.json", "instance"]
    recorded = leaves(out / "instance")
    assert {outcome for _, outcome, _ in recorded} == {"permitted", "measured", "assayed"}
    comparisons = document.verification.genuine + document.verification.impostor
    counts = {"images": 2 * EACH + 1, "faces": 2 * EACH, "comparisons": comparisons}
    assert recorded[-1] == ("measure-accuracy", "assayed", counts)
    assert b"grace" not in json.dumps(recorded).encode()


def test_a_killed_run_goes_on_and_says_what_it_found(photographs: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = ("assay", "run", str(photographs), "--out", str(out), "--fmr", "0.5", "--keep")
    with subprocess.Popen(
        [sys.executable, "-m", "rightface", *words], stdout=subprocess.DEVNULL
    ) as child:
        while not (out / "templates" / "part-000000.sealed").exists():
            assert child.poll() is None
            time.sleep(0.02)
        os.kill(child.pid, signal.SIGKILL)
    said = run(*words, "--comparison", "raw")
    assert "17 of 17 rows, 3 people, 1 without a face" in said
    assert "a second" not in said  # nothing was looked at again
    assert "By mission, at everybody's threshold for an FMR of 0.5:" in said
    assert (out / "templates" / "part-000000.sealed").exists()
    assert b"no-face" not in (out / "templates" / "part-000000.sealed").read_bytes()


@pytest.mark.parametrize(("option", "word"), [("--sector", "blah"), ("--jurisdiction", "XX")])
def test_who_is_no_word_of_the_law_is_refused_before_anything_is_made(
    photographs: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    option: str,
    word: str,
) -> None:
    words = ["assay", "run", str(photographs), "--out", str(tmp_path), option, word]
    monkeypatch.setattr(sys, "argv", ["rightface", *words])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    told = capsys.readouterr()
    assert ended.value.code not in (0, None)
    assert word in told.err
    assert "instance" not in told.out
    assert not list(tmp_path.iterdir())


def test_ctrl_c_while_the_commands_are_put_together(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stopped() -> typer.Typer:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "complete", stopped)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 130
    assert capsys.readouterr().err == "Stopped.\n"


def test_a_second_run_is_told_that_the_directory_is_held(photographs: Path, tmp_path: Path) -> None:
    with held(tmp_path):
        words = ("--out", str(tmp_path), "--json")
        told = run("assay", "run", str(photographs), *words, status=1)
        assert [each.name for each in tmp_path.iterdir()] == [LOCK]
    assert "Another assay" in told["message"]
    assert f"Process {os.getpid()} " in told["why"]


FULL_DISK = """
import resource, sys
from rightface.cli.main import main
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
sys.exit(main())
"""


def test_a_full_disk_is_said_and_the_run_goes_on_when_there_is_room(
    photographs: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    words = ["assay", "run", str(photographs), "--out", str(out), "--fmr", "0.5"]
    run(*words, "--keep")
    before = (out / "templates" / "part-000000.sealed").read_bytes()
    os.utime(photographs.parent / "grace0.jpg")  # so it has to be looked at again, and kept
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "To mend it: " in done.stderr
    assert (out / "templates" / "part-000000.sealed").read_bytes() == before
    assert "17 of 17 rows" in run(*words)
    assert not (out / "templates").exists()


def test_an_instance_that_was_there_must_have_licensed_it(
    photographs: Path,
    tmp_path: Path,
    data: Path,  # noqa: F811
) -> None:
    words = ("assay", "run", str(photographs), "--out", str(tmp_path / "out"), "--json")
    refused = run(*words, "--data", str(data), status=2)
    assert "licence issue --client measurer" in refused["mend"]

    def licensed(client: str) -> None:
        run(
            *("licence", "issue", "--data", str(data), "--client", client, "--sector"),
            *("private-entity", "--jurisdiction", "US-IL", "--purpose", "research", "--operation"),
            *("measure-accuracy", "--basis", "research", "--until", "2100-01-01"),
        )

    licensed("an-outside-tester")
    assert run(*words, "--data", str(data), status=2)
    licensed("measurer")
    run(*words, "--data", str(data))
    assert not (tmp_path / "out" / "instance").exists()
    assert leaves(data)[-1][1] == "assayed"


def test_photographs_where_templates_would_lie_stay(photographs: Path, tmp_path: Path) -> None:
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "one.jpg").write_bytes(b"a photograph")
    refused = run("assay", "run", str(photographs), "--out", str(tmp_path), "--json", status=2)
    assert "is not used for templates" in refused["message"]
    assert [each.name for each in (tmp_path / "templates").iterdir()] == ["one.jpg"]
    assert [outcome for _, outcome, _ in leaves(tmp_path / "instance")] == []  # nothing measured


@pytest.mark.parametrize(
    ("more", "what"),
    [
        (("--fmr", "2"), "between 0 and 1"),
        (("--cross", "mission,hair"), "'hair'"),
        (("--cohort", "hair"), "'hair'"),
        (("--bin", "year"), "states no bins"),
    ],
)
def test_bad_input_is_told(
    photographs: Path, tmp_path: Path, more: tuple[str, ...], what: str
) -> None:
    words = ("assay", "run", str(photographs), "--out", str(tmp_path / "out"), "--json", *more)
    done = CliRunner().invoke(complete(), words)
    assert done.exit_code in (1, 2), done.output
    assert isinstance(done.exception, SystemExit)
    assert what in json.loads(done.stdout)["message"]
    assert not (tmp_path / "out" / "assay.json").exists()


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (("--pad", "-5"), "greater than or equal to 0"),
        (("--pad", "100000"), "less than or equal to 1000"),
        (("--comparison", "wishful"), "'equalised', 'raw'"),
    ],
)
def test_a_wrong_command_line_is_told_with_what_it_takes(
    photographs: Path, tmp_path: Path, more: tuple[str, ...], told: str
) -> None:
    words = ("assay", "run", str(photographs), "--out", str(tmp_path / "out"), *more)
    done = CliRunner().invoke(complete(), words, env={"COLUMNS": "200"})
    assert done.exit_code == 2
    assert told in done.output
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="a directory that takes no files")
def test_a_directory_that_takes_no_files_is_said_before_work(photographs: Path) -> None:
    told = run("assay", "run", str(photographs), "--out", "/proc/self", "--json", status=1)
    assert told["error"] == "storage"
    assert "not be written to" in told["message"]


def test_a_wrong_cross_is_said_before_anybody_is_seen(photographs: Path, tmp_path: Path) -> None:
    words = ("assay", "run", str(photographs), "--out", str(tmp_path / "out"), "--json")
    for cross in ("mission,hair", "mission"):
        assert "cross" in run(*words, "--cross", cross, status=2)["mend"].lower()
    assert not (tmp_path / "out").exists()


def test_scores_alone(tmp_path: Path) -> None:
    rows = ["score,same,team"]
    rows += [f"{number / 100},0,{'ab'[number % 2]}" for number in range(60)]
    rows += [f"{0.5 + number / 100},1,{'ab'[number % 2]}" for number in range(40)]
    rows += ["x,1,a", "nan,0,b"]
    (tmp_path / "scores.csv").write_text("\n".join(rows) + "\n")
    words = ("assay", "scores", str(tmp_path / "scores.csv"), "--out", str(tmp_path / "out"))
    told = run(*words, "--fmr", "0.5", "--json")
    assert told["verification"]["impostor"] == 60
    assert told["data"]["rows"] == 102
    assert sum(each["count"] for each in told["data"]["exclusions"]) == 2
    assert [group["name"] for group in told["partitions"][0]["groups"]] == ["a", "b"]
    assert not (tmp_path / "out" / "instance").exists()  # no face, no gate
    swapped = run(*words, "--distance", "--json", status=2)
    assert "distances" in swapped["why"]


def api(manifest: Path, out: Path, endpoint: str, *more: str, **told: Any) -> Any:
    return run(
        *("assay", "api", str(manifest), "--out", str(out), "--endpoint", endpoint),
        *("--genuine", "12", "--impostors", "61", "--per-second", "1000", "--fmr", "0.5"),
        *more,
        **told,
    )


def test_a_service_with_rekognitions_api(photographs: Path, tmp_path: Path) -> None:
    with temporary_instance() as room:
        issued = room.licence("assayed")
        keys = {
            "AWS_ACCESS_KEY_ID": issued.licence.access_key_id,
            "AWS_SECRET_ACCESS_KEY": issued.secret_access_key,
        }
        with running(create_app(room.service)) as url:
            told = api(photographs, tmp_path, url, "--json", **keys)
            said = api(photographs, tmp_path, url, "--yes", **keys)  # all is on record
    document = Assay.model_validate(told)
    assert document.measured.kind == "service"
    assert document.verification.genuine == 12
    assert document.verification.eer.value == 0
    assert "73 requests (12 genuine pairs)" in said
    assert len((tmp_path / "requests.jsonl").read_bytes().splitlines()) == 1 + 73


def test_photographs_do_not_leave_unasked(photographs: Path, tmp_path: Path) -> None:
    told = api(photographs, tmp_path, "https://faces.example.org", "--json", status=2)
    assert "another machine" in told["message"]
    assert "--yes-send-images" in told["mend"]
    assert not (tmp_path / "instance").exists()


@pytest.mark.parametrize(
    ("more", "what"),
    [
        (("--cross", "mission,hair"), "'hair'"),
        (("--fmr", "2"), "between 0 and 1"),
    ],
)
def test_what_no_document_can_be_made_of_is_said_before_a_request(
    photographs: Path, tmp_path: Path, more: tuple[str, ...], what: str
) -> None:
    told = api(photographs, tmp_path / "out", "http://127.0.0.1:1", "--json", *more, status=2)
    assert what in told["message"]
    assert not (tmp_path / "out").exists()


def test_too_many_cells_are_said_before_a_request(tmp_path: Path) -> None:
    rows = ["image,subject,team,year"]
    for number in range(300):
        (tmp_path / f"{number}.jpg").write_bytes(b"no photograph")
        rows.append(f"{number}.jpg,{number // 2},t{number % 20},y{number // 20}")
    (tmp_path / "manifest.csv").write_text("\n".join(rows) + "\n")
    told = api(
        tmp_path / "manifest.csv", tmp_path / "out", "http://127.0.0.1:1", "--json", status=2
    )
    assert "split the images into 300 cells" in told["message"]
    assert not (tmp_path / "out").exists()


def test_the_guide_names_commands_and_options_that_exist() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "assay.md").read_text("utf-8")
    root: Any = typer.main.get_command(complete())
    group = root.commands["assay"].commands
    known = {
        name: {option for each in command.params for option in each.opts + each.secondary_opts}
        for name, command in group.items()
    }
    lines = [line for line in guide.splitlines() if line.startswith("rightface assay ")]
    assert len(lines) >= 4
    for line in lines:
        _, _, name, *words = shlex.split(line)
        assert {word for word in words if word.startswith("--")} <= known[name], line
    named = set(re.findall(r"`(--[a-z-]+)", guide))
    assert named <= set().union(*known.values())


def test_the_guide_lists_every_kind_of_stress() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "assay.md").read_text("utf-8")
    for kind in KINDS:
        levels = ", ".join(f"{level:g}" for level in kind.levels)
        assert f"| {kind.name} | {levels} |" in guide
