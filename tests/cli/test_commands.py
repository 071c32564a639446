"""The command line as others script it, and the README's lines as they stand."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from rightface.errors import GalleryError
from rightface.gallery.receipts import verify_receipt
from rightface.keys import KeyRing
from rightface.registrar import ConsentTerms, LicenceTerms, Registrar
from rightface.service import Service
from tests.portraits import degraded, eileen_collins, grace_hopper

README = (Path(__file__).parents[2] / "README.md").read_text("utf-8")


def run(*words: str, status: int = 0, **environment: str) -> Any:
    """Run a real `rightface` process; its JSON answer."""
    done = subprocess.run(
        [sys.executable, "-m", "rightface", *words],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )
    assert done.returncode == status, (done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    lines = done.stdout.strip()
    if not lines:
        return None
    try:
        return json.loads(lines)
    except json.JSONDecodeError:
        return lines


@pytest.fixture
def data(tmp_path: Path) -> Path:
    made = tmp_path / "data"
    run(
        *("init", "--data", str(made), "--sector", "private-entity"),
        *("--jurisdiction", "US-IL", "--yes"),
    )
    return made


ACME = (
    *("--client", "acme", "--sector", "private-entity", "--jurisdiction", "US-IL"),
    *("--purpose", "access-control", "--operation", "enroll", "--operation", "verify-1to1"),
    *("--operation", "identify-1toN", "--gallery", "staff*", "--until", "2030-01-01"),
)


def test_init_refuses_a_directory_in_use_and_leaves_it_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    told = run(
        *("init", "--data", str(tmp_path), "--sector", "private-entity"),
        *("--jurisdiction", "US-IL", "--yes", "--json"),
        status=2,
    )
    assert told["error"] == "settings"
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_licence_for_testing_without_volumes_is_said_to_test_nothing(data: Path) -> None:
    testing = ("licence", "issue", "--data", str(data), *ACME, "--operation", "measure-accuracy")
    assert "--per-day" in run(*testing, "--json")["note"]
    assert run(*testing, "--per-day", "100", "--json")["note"] == ""


def test_init_that_fails_leaves_nothing(tmp_path: Path) -> None:
    run(
        *("init", "--data", str(tmp_path / "data"), "--sector", "no-such-sector"),
        *("--jurisdiction", "US-IL", "--yes", "--json"),
        status=2,
    )
    assert list(tmp_path.iterdir()) == []


def test_compare_says_match_and_no_match(data: Path, tmp_path: Path) -> None:
    run("licence", "issue", "--data", str(data), *ACME, "--json")
    photos = {"grace": grace_hopper(), "copy": degraded(grace_hopper()), "eileen": eileen_collins()}
    for name, content in photos.items():
        (tmp_path / name).write_bytes(content)
    same = run("compare", str(tmp_path / "grace"), str(tmp_path / "copy"), "--json",
               RIGHTFACE_DATA=str(data))  # fmt: skip
    other = run("compare", str(tmp_path / "grace"), str(tmp_path / "eileen"),
                "--data", str(data), "--json")  # fmt: skip
    assert same["match"] is True
    assert other["match"] is False
    assert same["similarity"] > other["similarity"]
    assert same["fmr"] < 1e-3 < other["fmr"]
    assert same["client"] == "acme"
    assert len(same["faces"]["target"]) == 1


def test_compare_without_a_licence_is_refused(data: Path, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(grace_hopper())
    photo = str(tmp_path / "a.jpg")
    told = run("compare", photo, photo, "--data", str(data), "--json", status=2)
    assert told["error"] == "licence"


def test_compare_with_bad_images_says_which_way(data: Path, tmp_path: Path) -> None:
    run("licence", "issue", "--data", str(data), *ACME, "--json")
    (tmp_path / "good").write_bytes(grace_hopper())
    for content, code in ((b"", "image-empty"), (b"no image", "image-unsupported")):
        (tmp_path / "bad").write_bytes(content)
        told = run(
            *("compare", str(tmp_path / "good"), str(tmp_path / "bad")),
            *("--data", str(data), "--json"),
            status=1,
        )
        assert told["error"] == code
        assert told["message"]
        assert told["mend"]


def test_police_are_refused_with_every_reason(data: Path, tmp_path: Path) -> None:
    run(
        *("licence", "issue", "--data", str(data), "--client", "sfpd"),
        *("--sector", "law-enforcement-local", "--jurisdiction", "US-CA-SF"),
        *("--purpose", "access-control", "--operation", "verify-1to1"),
        *("--until", "2030-01-01", "--json"),
    )
    (tmp_path / "a.jpg").write_bytes(grace_hopper())
    photo = str(tmp_path / "a.jpg")
    told = run("compare", photo, photo, "--data", str(data), "--json", status=3)
    assert told["error"] == "refused"
    assert {reason["instrument"] for reason in told["refusal"]["reasons"]} == {"us-ca-sf-19b"}


def test_consents_from_a_file(data: Path, tmp_path: Path) -> None:
    notice = tmp_path / "notice.md"
    notice.write_text("We keep it for a year.")
    people = tmp_path / "people.csv"
    people.write_text("name,subject\nA,alice\nB,bob\n")
    terms = ("--purpose", "access-control", "--gallery", "staff*", "--notice", str(notice))
    told = run(
        *("consent", "record", "--data", str(data), "--subjects-from", str(people)),
        *(*terms, "--retention-days", "365", "--json"),
    )
    assert len(told) == 2
    assert run("consent", "show", "--data", str(data), "--subject", "bob", "--json")
    people.write_text("name,subject\nA,carol\nB,\n")
    run(
        *("consent", "record", "--data", str(data), "--subjects-from", str(people)),
        *(*terms, "--retention-days", "365", "--json"),
        status=2,
    )
    assert run("consent", "show", "--data", str(data), "--subject", "carol", "--json") == []


def test_a_receipt_verifies_and_a_changed_one_does_not(data: Path) -> None:
    told = run("consent", "withdraw", "--data", str(data), "--subject", "alice", "--json")
    public = KeyRing.open(data / "keys").signer("receipt").public_bytes
    verify_receipt(told, public)
    with pytest.raises(GalleryError, match="not genuine"):
        verify_receipt({**told, "time": "2020-01-01T00:00:00+00:00"}, public)


def test_the_ledger_verifies_and_a_flipped_byte_is_told(data: Path) -> None:
    ledger = data / "ledger"
    assert run("ledger", "verify", str(ledger), "--json")["ok"] is True
    (bundle,) = [path for path in (ledger / "tile/entries").rglob("*") if path.is_file()]
    content = bytearray(bundle.read_bytes())
    content[20] ^= 1
    bundle.write_bytes(content)
    told = run("ledger", "verify", str(ledger), "--json", status=4)
    assert str(bundle.relative_to(ledger)) in json.dumps(told["problems"])


def test_the_ledger_is_found_from_the_data_directory(data: Path) -> None:
    environment: dict[str, Any] = {"RIGHTFACE_DATA": str(data)}
    assert run("ledger", "verify", "--json", **environment)["ok"] is True
    assert run("ledger", "verify", str(data), "--json")["ok"] is True
    assert run("ledger", "prove", "0", "--json", **environment)["index"] == 0
    assert run("ledger", "consistency", "1", "3", "--json", **environment)["new"] == 3
    assert run("ledger", "audit", "--data", str(data), "--json")["ok"] is True
    assert run("ledger", "verify", "--json", status=2)["error"] == "settings"


def test_a_usage_error_is_json_too() -> None:
    assert run("licence", "issue", "--json", status=2)["error"] == "usage"


def test_what_is_done_is_told_even_if_the_ledgers_files_cannot_be_written(
    data: Path, tmp_path: Path
) -> None:
    for path in sorted((data / "ledger").rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    (data / "ledger").rmdir()
    (data / "ledger").write_text("in the way")
    told = run("consent", "withdraw", "--data", str(data), "--subject", "alice", "--json")
    assert told["what"] == "subject"


def test_a_missing_database_is_not_made_anew(data: Path) -> None:
    (data / "rightface.db").unlink()
    told = run("consent", "show", "--data", str(data), "--subject", "alice", "--json", status=1)
    assert told["error"] == "storage"
    assert not (data / "rightface.db").exists()


def test_compare_records_what_it_tells(data: Path, tmp_path: Path) -> None:
    run("licence", "issue", "--data", str(data), *ACME, "--json")
    (tmp_path / "a").write_bytes(grace_hopper())
    (tmp_path / "b").write_bytes(eileen_collins())
    told = run("compare", str(tmp_path / "a"), str(tmp_path / "b"), "--data", str(data), "--json")
    assert told["match"] is False
    size = run("ledger", "verify", str(data), "--json")["size"]
    leaf = run("ledger", "prove", str(size - 1), str(data), "--json")["entry"]
    assert leaf["counts"] == {"matches": 0, "unmatched": 1}


def test_unknown_words_are_named_with_what_is_allowed(data: Path, tmp_path: Path) -> None:
    told = run(
        *("licence", "issue", "--data", str(data), "--client", "x", "--sector", "wizard"),
        *("--jurisdiction", "US-IL", "--purpose", "access-control", "--operation", "enroll"),
        *("--until", "2030-01-01", "--json"),
        status=2,
    )
    assert "wizard" in told["message"]
    assert "private-entity" in told["why"]
    questions = tmp_path / "q.yaml"
    questions.write_text("- {id: q, operation: fly, actor: school, jurisdiction: US}\n")
    told = run("law", "decide", "--requests", str(questions), "--json", status=2)
    assert "fly" in json.dumps(told)


def test_the_law_tests_pass() -> None:
    told = run("law", "test", "--json")
    assert told["failed"] == 0
    assert len(told["cases"]) > 20


def test_a_read_only_master_key_in_the_environment(tmp_path: Path) -> None:
    made = str(tmp_path / "data")
    key: dict[str, Any] = {"RIGHTFACE_MASTER_KEY": "7f" * 32}
    run("init", "--data", made, "--sector", "private-entity", "--jurisdiction", "US-IL", "--yes",
        **key)  # fmt: skip
    assert not (tmp_path / "data/keys/master.key").exists()
    assert run("licence", "list", "--data", made, "--json", **key)
    told = run("licence", "list", "--data", made, "--json", status=1)
    assert told["error"] == "key"
    wrong: dict[str, Any] = {"RIGHTFACE_MASTER_KEY": "7e" * 32}
    assert run("licence", "list", "--data", made, "--json", status=1, **wrong)["error"] == "key"


# ---------------------------------------------------------------- the README
def _blocks(language: str) -> list[str]:
    five_minutes = README.split("## Five minutes")[1].split("\n## ")[0]
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", five_minutes, re.DOTALL | re.MULTILINE)
    return [block for named, block in fenced if named == language]


def _commands() -> list[list[str]]:
    lines = "".join(_blocks("")).replace("\\\n", " ").splitlines()
    return [shlex.split(line, comments=True) for line in lines if line.strip()]


@contextmanager
def _serving(words: list[str]) -> Iterator[None]:
    command = [sys.executable, "-m", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            assert server.stdout.readline().startswith("rightface ready on http://")
            yield
        finally:
            server.send_signal(signal.SIGTERM)
            watch = threading.Timer(30, server.kill)
            watch.start()
            server.wait()
            watch.cancel()
    assert server.returncode == 0, "it did not leave in good order"


def test_five_minutes_as_the_readme_tells_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("notice.md").write_text("We make a template of your face to open the door.")
    Path("alice.jpg").write_bytes(grace_hopper())
    Path("at-the-door.jpg").write_bytes(degraded(grace_hopper()))
    Path("A.jpg").write_bytes(grace_hopper())
    Path("B.jpg").write_bytes(degraded(grace_hopper()))
    init, issue, record, serve, withdraw, report, compare = _commands()
    run(*init[1:])
    key = run(*issue[1:])
    run(*record[1:])
    (program,) = _blocks("python")
    port = "18017"
    program = (
        program.replace("RFAK…", key["access_key_id"])
        .replace('"…"', f'"{key["secret_access_key"]}"')
        .replace("8017", port)
    )
    with _serving([word if word != "8017" else port for word in serve]):
        exec(compile(program, "README.md", "exec"), {})
        told = capsys.readouterr().out.split()
        assert told[0] == "alice"
        assert float(told[1]) >= 90
        assert float(told[2]) <= 1.01e-4
        receipt = run(*withdraw[1:])
        assert receipt["erased"]["faces"] == 1
    assert run(*report[1:], "--json")["faces"] == []
    assert not Path("DIR/rightface.db-wal").exists(), "the database was not closed"
    assert run(*compare[1:])["match"] is True


def test_retention_by_commands(data: Path, tmp_path: Path) -> None:
    nothing = run("retention", "due", "--data", str(data), "--json")
    assert nothing == {"within_days": 30, "overdue": 0, "galleries": [], "due": []}
    enrolled_staff(data)
    told = run("retention", "due", "--data", str(data), "--within", "400", "--json")
    assert told["galleries"] == [{"client": "acme", "gallery": "staff", "faces": 1}]
    assert [(one["faces"], one["overdue"]) for one in told["due"]] == [(1, 0)]
    at = ("--data", str(data), "--gallery", "staff", "--json")
    assert run("retention", "interaction", "alice", *at)["faces"] == 1
    assert run("retention", "interaction", "nobody", *at, status=1)["error"] == "face-not-found"
    with sqlite3.connect(data / "rightface.db") as database:
        (years,) = database.execute("SELECT idle_days FROM faces").fetchone()
        assert years == 1095  # 740 ILCS 14/15(a): three years from the last interaction
        database.execute("UPDATE faces SET idle_days = 1, idle_until = '2026-01-01 00:00:00.0'")
    database.close()
    late = run("retention", "due", "--data", str(data), "--json", status=1)
    assert (late["overdue"], late["due"][0]["clock"]) == (1, "idle")
    assert "ALARM: 1 face overdue" in run("retention", "due", "--data", str(data), status=1)
    assert run("retention", "interaction", "alice", *at)["moved"] == 0
    swept = run("retention", "sweep", "--data", str(data), "--json")
    assert (swept["faces"], swept["receipts"][0]["reason"]) == (1, "retention")
    assert run("retention", "sweep", "--data", str(data)) == "Nothing was overdue."
    enrolled_staff(data)
    ended = run("retention", "purpose-ended", "--client", "acme", *at)
    assert ended["faces_due"] == 1
    public = KeyRing.open(data / "keys").signer("receipt").public_bytes
    assert verify_receipt(ended["receipts"][0], public).erased["faces"] == 1


def enrolled_staff(data: Path) -> None:
    """One person, enrolled for a year, by the service itself."""
    with Service.open(data) as service:
        registrar = Registrar(service.instance)
        if not [each for each in registrar.licences() if each.client == "acme"]:
            registrar.issue_licence(
                LicenceTerms(
                    client="acme",
                    sector="private-entity",
                    jurisdiction="US-IL",
                    purposes=("access-control",),
                    operations=("enroll", "identify-1toN"),
                    galleries=("staff*",),
                    on_behalf_of=(),
                    basis="consent-warranted",
                    valid_from=None,
                    valid_until=datetime(2030, 1, 1, tzinfo=UTC),
                )
            )
            caller = service.local_caller("enroll", client="acme", purpose=None)
            service.create_collection(caller, "staff", {})
        # Anew each time: an erasure suppresses whoever does not agree after it.
        registrar.record_consents(
            ["alice"],
            ConsentTerms(
                purposes=("access-control",),
                galleries=("staff*",),
                notice=b"We keep it for a year.",
                retention_days=365,
                how="written-release",
                obtained_at=None,
                expires_at=None,
                client=None,
            ),
        )
        caller = service.local_caller("enroll", client="acme", purpose=None)
        enrolled = service.index_faces(
            caller,
            "staff",
            image=grace_hopper(),
            subject="alice",
            max_faces=None,
            quality_filter="AUTO",
        )
        assert len(enrolled.value.enrolled) == 1
