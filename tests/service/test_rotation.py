"""The master key is changed while faces come and go; a kill in the middle loses nothing."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from sqlalchemy import select

import rightface
from instance import TemporaryInstance
from rightface import keys
from rightface.errors import KeysError
from rightface.gallery.rows import SubjectRow
from rightface.instance import Instance
from rightface.keys import COMMITMENTS, MASTER_FILE, NEXT_FILE, KeyRing
from rightface.law import consents, suppressions
from rightface.rotation import rotate
from rightface.service import Service
from rightface.service_types import Caller
from tests.service.test_restore import enrol, held, staged


def names(instance: Instance, caller: Caller, gallery: str) -> set[str | None]:
    page = Service(instance).list_faces(
        caller,
        gallery,
        limit=1000,
        after=None,
        face_ids=None,
    )
    return {one.subject for one in page.value.faces}


def opens(instance: Instance) -> int:
    """How many subjects' keys open under this ring."""
    with instance.database.read() as session:
        rows = session.execute(select(SubjectRow.id, SubjectRow.wrapped_key)).all()
    return sum(bool(instance.vault.commitment_of(row.id, row.wrapped_key)) for row in rows)


def test_everything_opens_under_the_new_key_and_nothing_under_the_old(
    fresh: TemporaryInstance,
) -> None:
    caller, _ = staged(fresh)
    instance = fresh.instance
    directory = instance.settings.keys_directory
    fresh.service.create_user(caller, "staff", "user-1")
    fresh.registrar.withdraw_consent("cy")
    before = (directory / MASTER_FILE).read_text()
    old = KeyRing.open(directory)
    old._directory = None  # it notices nothing
    with instance.database.read() as session:
        known = instance.vault.commitment(session, "ada")
    told = rotate(instance)
    assert told.rows >= 6 and told.unreadable == 0
    assert (directory / MASTER_FILE).read_text() != before
    assert not (directory / NEXT_FILE).exists()
    assert opens(instance) == 4
    assert names(instance, caller, "staff") == {"ada", "bob"}
    with instance.database.read() as session:
        row = session.execute(select(SubjectRow).limit(1)).scalar_one()
        with pytest.raises(KeysError):
            old.unseal("vault", row.wrapped_key, f"rightface/subject-key/1\x1f{row.id}".encode())
        assert instance.vault.commitment(session, "ada") == known
    again = KeyRing.open(directory)
    for use in COMMITMENTS:
        assert again.commitment(use, "x") == old.commitment(use, "x"), use
    with instance.database.read() as session:
        assert consents.suppressed(session, again, "cy")
        assert suppressions.of_subject(session, again, "cy")
        assert fresh.service.authenticate(caller.licence.access_key_id) is not None
    fresh.registrar.subjects.erase("ada")  # looked up as before
    assert names(instance, caller, "staff") == {"bob"}
    second = rotate(instance)
    assert second.unreadable == 0 and opens(instance) == 3
    assert KeyRing.open(directory).commitment("subject", "x") == old.commitment("subject", "x")


def test_under_load_nothing_is_lost(fresh: TemporaryInstance) -> None:
    caller, ids = staged(fresh)
    data = fresh.instance.settings.data
    stop, enrolled = threading.Event(), list(ids.values())
    people = [f"person-{n}" for n in range(40)]
    fresh.consent(*people)

    def load() -> None:
        while not stop.is_set() and people:
            enrolled.append(enrol(fresh.instance, caller, "staff", people.pop()))

    thread = threading.Thread(target=load)
    thread.start()
    try:
        with Instance.open(data) as another:  # as the command line does
            told = rotate(another)
    finally:
        stop.set()
        thread.join()
    assert told.unreadable == 0
    assert held(fresh.instance) == set(enrolled)
    assert opens(fresh.instance) == len(enrolled) - 1  # ada has two
    with Instance.open(data) as reopened:
        assert opens(reopened) == len(enrolled) - 1
        assert len(names(reopened, caller, "staff")) >= 2


@pytest.mark.parametrize(
    "moment", ["rightface.rotation._Work._batch", "rightface.rotation.finish_rotation", "rename"]
)
def test_killed_in_the_middle_both_keys_hold_and_it_goes_on(
    fresh: TemporaryInstance, moment: str
) -> None:
    caller, ids = staged(fresh)
    data = fresh.instance.settings.data
    kill = "os.kill(os.getpid(), signal.SIGKILL)"
    where = (
        f"keys._flush = lambda d: {kill} if not keys.rotating(d) and d_ready(d) else None\n"
        if moment == "rename"
        else f"{moment} = lambda *a, **k: {kill}\n"
    )
    program = (
        "import os, signal, sys; from pathlib import Path\n"
        "import rightface.rotation; from rightface import keys\n"
        "from rightface.instance import Instance\n"
        "d_ready = lambda d: (d / keys.KEPT_FILE).exists() and started\n"
        "started = False\n"
        f"{where}"
        "real = rightface.rotation.finish_rotation\n"
        "def mark(d):\n"
        "    global started; started = True; real(d)\n"
        f"{'rightface.rotation.finish_rotation = mark' if moment == 'rename' else ''}\n"
        "with Instance.open(Path(sys.argv[1])) as instance:\n"
        "    rightface.rotation.rotate(instance)\n"
    )
    killed = subprocess.run(
        [sys.executable, "-c", program, str(data)], capture_output=True, check=False
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    # What runs already and what starts now both open everything, and can enrol.
    assert opens(fresh.instance) == 5
    with Instance.open(data) as other:
        assert opens(other) == 5
        fresh.consent("late")
        late = enrol(other, caller, "staff", "late")
        assert rotate(other).unreadable == 0
        assert not keys.rotating(other.settings.keys_directory)
    assert held(fresh.instance) == {*ids.values(), late}
    assert opens(fresh.instance) == 6


def test_a_key_of_the_environment_is_not_changed_in_place(
    fresh: TemporaryInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = fresh.instance.settings.keys_directory
    monkeypatch.setenv(keys.MASTER_VARIABLE, (directory / MASTER_FILE).read_text().strip())
    with pytest.raises(KeysError, match="cannot be changed in place"):
        rotate(fresh.instance)
    assert not (directory / NEXT_FILE).exists()


def test_every_commitment_of_the_code_outlives_a_rotation() -> None:
    found = set[str]()
    for path in Path(rightface.__file__).parent.rglob("*.py"):
        found |= set(re.findall(r"keyring\.commitment\(\s*\"([a-z-]+)\"", path.read_text("utf-8")))
    assert found == set(COMMITMENTS)
