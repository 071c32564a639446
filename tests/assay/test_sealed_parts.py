"""The directory of an unfinished run's templates: only what is its own is ever removed."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from rightface.assay.sealed_parts import Sealed
from rightface.errors import SettingsError
from rightface.keys import KeyRing

PLAN, OTHER = (hashlib.sha256(name).hexdigest() for name in (b"one", b"other"))


def held(folder: Path) -> dict[str, tuple[bytes, int]]:
    """All files under a folder, and their modes; the folder's own too."""
    found = {
        str(each.relative_to(folder)): (
            each.read_bytes() if each.is_file() else b"",
            each.stat().st_mode,
        )
        for each in folder.rglob("*")
    }
    return found | {"": (b"", folder.stat().st_mode)}


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    folder = tmp_path / "photographs"
    (folder / "more").mkdir(parents=True)
    (folder / "one.jpg").write_bytes(b"a photograph")
    (folder / "more" / "two.jpg").write_bytes(b"another")
    return folder


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("one.jpg", b"a photograph"),
        ("part-000000.sealed", b"somebody else's"),
        ("key.sealed", b"somebody else's"),
        ("plan.json", b"{}"),
        ("plan.json", b"[1]"),
        ("plan.json", b"not JSON"),
        ("plan.json", b'{"plan": "the quarter"}'),
        ("plan.json", b'{"plan": "%s", "more": 1}' % PLAN.encode()),
    ],
)
def test_a_directory_of_other_things_is_refused_and_stays(
    photographs: Path, keyring: KeyRing, name: str, content: bytes
) -> None:
    (photographs / name).write_bytes(content)
    before = held(photographs)
    with pytest.raises(SettingsError, match="not used for templates"):
        Sealed(photographs, keyring, PLAN)
    assert held(photographs) == before


def test_an_empty_directory_or_none_is_taken(tmp_path: Path, keyring: KeyRing) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "killed").mkdir()
    (tmp_path / "killed" / ".plan.json.new").write_bytes(b'{"pl')
    for name in ("empty", "killed", "none"):
        sealed = Sealed(tmp_path / name, keyring, PLAN)
        assert sorted(each.name for each in (tmp_path / name).iterdir()) == [
            "key.sealed",
            "plan.json",
        ]
        sealed.forget()
        assert not (tmp_path / name).exists()
        sealed.forget()


@pytest.mark.parametrize("anew", [True, False])
def test_what_came_to_lie_beside_the_parts_stays(
    photographs: Path, tmp_path: Path, keyring: KeyRing, anew: bool
) -> None:
    folder = tmp_path / "templates"
    sealed = Sealed(folder, keyring, PLAN)
    for name in ("part-000000.sealed", "part-1234567.sealed", ".part-000001.sealed.new"):
        (folder / name).write_bytes(b"of this run")
    photographs.rename(folder / "photographs")
    others = ("one.jpg", "part-one.sealed", "xpart-000000.sealed", ".new", ".key.sealed", "key")
    for name in others:
        (folder / name).write_bytes(b"of somebody else")
    if anew:
        sealed = Sealed(folder, keyring, OTHER)
        assert sealed.redone
        assert not sealed.has(0)
        assert (folder / "plan.json").exists()
    sealed.forget()
    assert {each.name for each in folder.iterdir()} == {*others, "photographs"}
    assert (folder / "photographs" / "more" / "two.jpg").read_bytes() == b"another"


def test_a_key_that_leads_elsewhere_is_not_written_through(
    photographs: Path, tmp_path: Path, keyring: KeyRing
) -> None:
    sealed = Sealed(tmp_path / "templates", keyring, PLAN)
    (tmp_path / "templates" / "key.sealed").unlink()
    (tmp_path / "templates" / "key.sealed").symlink_to(photographs / "one.jpg")
    sealed.forget()
    assert (photographs / "one.jpg").read_bytes() == b"a photograph"
    assert not (tmp_path / "templates").exists()


def test_forgetting_that_was_cut_short_is_taken_up(tmp_path: Path, keyring: KeyRing) -> None:
    folder = tmp_path / "templates"
    Sealed(folder, keyring, PLAN)
    (folder / "part-000000.sealed").write_bytes(b"of the earlier key")
    (folder / "key.sealed").unlink()
    assert not Sealed(folder, keyring, PLAN).has(0)
    assert (folder / "key.sealed").exists()
