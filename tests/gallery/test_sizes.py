"""How many faces a gallery holds: exact while it is small, remembered for a minute when large."""

from __future__ import annotations

import pytest

from rightface.gallery import sizes
from rightface.gallery.sizes import REMEMBERED_SECONDS, Sizes
from tests.gallery.conftest import Gallery, new_face, templates


def test_sizes(gallery: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sizes, "EXACT", 3)
    now = [0.0]
    known = Sizes(lambda: now[0])

    def size(client: str = "acme", name: str = "staff") -> int:
        with gallery.database.read() as session:
            return known.of(session, client, name)

    assert size() == 0, "there is none"
    staff = gallery.collection()
    other = gallery.collection(client="umbrella")
    faces = [new_face(None, one) for one in templates(6)]
    gallery.enrol(staff, *faces[:2])
    gallery.enrol(other, faces[5])
    assert (size(), size("umbrella"), size(name="visitors")) == (2, 1, 0)
    gallery.enrol(staff, faces[2])
    assert size() == 3, "a small one is counted each time"
    gallery.enrol(staff, faces[3])
    monkeypatch.undo()
    assert size() == 4


def test_a_large_one_is_remembered_for_a_minute(
    gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    known = Sizes(lambda: now[0])
    monkeypatch.setattr(sizes, "EXACT", 1)
    staff = gallery.collection()
    faces = [new_face(None, one) for one in templates(4)]
    gallery.enrol(staff, *faces[:3])

    def size() -> int:
        with gallery.database.read() as session:
            return known.of(session, "acme", "staff")

    assert size() == 3
    gallery.enrol(staff, faces[3])
    assert size() == 3
    now[0] = REMEMBERED_SECONDS
    assert size() == 4
