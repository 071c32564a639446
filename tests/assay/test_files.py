"""Files of a measurement: whole or not at all, flushed in time, and one run to a directory."""

from __future__ import annotations

import fcntl
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from rightface.assay.files import LOCK, PRIVATE, PUBLIC, held, new_name, written_whole
from rightface.errors import StorageError


@pytest.mark.parametrize("mode", [PUBLIC, PRIVATE])
def test_a_file_is_flushed_before_it_takes_its_place_and_the_folder_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int
) -> None:
    path = tmp_path / "assay.json"
    path.write_bytes(b"old")
    flushed: list[tuple[bool, bytes]] = []
    real = os.fsync

    def fsync(handle: int) -> None:
        folder = stat.S_ISDIR(os.fstat(handle).st_mode)
        flushed.append((folder, path.read_bytes()))
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    umask = os.umask(0o022)
    try:
        with written_whole(path, mode=mode) as file:
            file.write(b"new")
    finally:
        os.umask(umask)
    assert flushed == [(False, b"old"), (True, b"new")]
    assert path.stat().st_mode & 0o777 == mode & ~0o022
    assert list(tmp_path.iterdir()) == [path]


def test_what_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "assay.json"
    path.write_bytes(b"old")
    with pytest.raises(RuntimeError), written_whole(path, mode=PUBLIC) as file:
        file.write(b"half")
        raise RuntimeError
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_lies_at_the_new_name_is_not_written_through(tmp_path: Path) -> None:
    path, theirs = tmp_path / "assay.json", tmp_path / "theirs"
    theirs.write_bytes(b"theirs")
    new_name(path).symlink_to(theirs)
    with written_whole(path, mode=PUBLIC) as file:
        file.write(b"ours")
    assert (path.read_bytes(), theirs.read_bytes()) == (b"ours", b"theirs")
    assert not path.is_symlink()


_HOLDS = """
import sys
from pathlib import Path
from rightface.assay.files import held
with held(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_the_second_run_is_told_who_holds_the_directory(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _HOLDS, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(StorageError, match="Another assay") as told, held(tmp_path):
            pass
        assert f"Process {other.pid} " in told.value.why
        other.kill()
    assert (tmp_path / LOCK).exists()
    with held(tmp_path):  # a kill lets go
        assert (tmp_path / LOCK).read_text() == f"{os.getpid()}\n"
    assert not list(tmp_path.iterdir())


def test_a_lock_that_was_taken_away_meanwhile_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, path = fcntl.flock, tmp_path / LOCK
    opened: list[int] = []

    def flock(handle: int, how: int) -> None:
        opened.append(os.fstat(handle).st_ino)
        if len(opened) == 1:
            path.unlink()  # as its holder does, between our opening and our locking
            path.write_bytes(b"")
        real(handle, how)

    monkeypatch.setattr(fcntl, "flock", flock)
    with held(tmp_path):
        assert path.stat().st_ino == opened[1] != opened[0]


def test_a_lock_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / LOCK).mkdir()
    with pytest.raises(StorageError, match="cannot be written"), held(tmp_path):
        pass
