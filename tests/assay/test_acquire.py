"""From photographs to templates: failures are counted, killed runs go on, keys go."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from instance import TemporaryInstance, temporary_instance
from rightface.assay import acquire as module
from rightface.assay.acquire import NO_FACE, QUALITIES, Acquired, Look, acquire, plan_of
from rightface.assay.sealed_parts import Sealed
from rightface.assay.statement import WhichFace
from rightface.errors import PermitError, Refused
from rightface.faces.engine import Engine
from rightface.permit import Permit
from rightface.service.measuring import measuring
from tests.assay.acquiring import images_of, sealed_of
from tests.portraits import eileen_collins, grace_hopper, nobody, small


@pytest.fixture(scope="module")
def room() -> Iterator[TemporaryInstance]:
    with temporary_instance() as opened:
        yield opened


Run = Callable[..., Acquired]


@pytest.fixture
def run(room: TemporaryInstance) -> Run:
    def acquired(images: list[Path], **told: object) -> Acquired:
        given = {"look": Look(), "threads": 1} | told
        return acquire(
            images,
            engine=room.instance.engine,
            permitted=lambda: room.permitted("measure-accuracy"),
            **given,  # type: ignore[arg-type]
        )

    return acquired


def written(folder: Path, *contents: bytes) -> list[Path]:
    paths = []
    for number, content in enumerate(contents):
        paths.append(folder / f"{number:02d}.jpg")
        paths[-1].write_bytes(content)
    return paths


def test_every_image_gives_a_face_or_a_reason(tmp_path: Path, run: Run) -> None:
    images = written(
        tmp_path,
        *(small(grace_hopper()), b"", b"GIF89a", small(grace_hopper())[:2000], b"text"),
        *(nobody(), small(eileen_collins())),
    )
    images.insert(3, tmp_path / "is-not-there.jpg")
    seen: list[tuple[int, int]] = []
    found = run(images, progress=lambda done, total: seen.append((done, total)))
    assert found.rows.tolist() == [0, 7]
    assert found.failures == {
        1: "image-empty",
        2: "image-broken",
        3: "unreadable",
        4: "image-broken",
        5: "image-unsupported",
        6: NO_FACE,
    }
    assert found.templates.shape == (2, 128)
    assert np.allclose(np.linalg.norm(found.templates, axis=1), 1, atol=1e-5)
    assert found.quality.shape == (2, len(QUALITIES))
    assert found.made == 8
    assert seen == [(8, 8)]
    assert found.digests[0].tobytes() == hashlib.sha256(images[0].read_bytes()).digest()
    assert not found.digests[3].any()


def test_no_images_give_nothing(run: Run) -> None:
    found = run([])
    assert len(found.rows) == len(found.failures) == found.made == 0


def test_the_largest_or_the_central_face(tmp_path: Path, run: Run) -> None:
    grace, eileen = written(tmp_path, grace_hopper(), eileen_collins())
    both = Image.new("RGB", (1200, 400))
    both.paste(Image.open(grace).resize((150, 180)), (525, 110))
    both.paste(Image.open(eileen).resize((400, 400)), (0, 0))
    both.save(tmp_path / "both.png")
    images = [grace, eileen, tmp_path / "both.png"]
    choices: tuple[tuple[WhichFace, int, int], ...] = (("largest", 1, 0), ("central", 0, 1))
    for which, person, other in choices:
        found = run(images, look=Look(which=which))
        one = found.templates[2]
        assert one @ found.templates[person] > one @ found.templates[other] + 0.05


def test_padding_is_added_around(tmp_path: Path, run: Run) -> None:
    (image,) = written(tmp_path, small(grace_hopper()))
    plain, padded = run([image]), run([image], look=Look(pad=40))
    assert padded.templates[0] @ plain.templates[0] > 0.9
    assert not np.array_equal(padded.templates[0], plain.templates[0])


def test_threads_keep_the_order(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PORTION", 2)
    images = written(
        tmp_path, *(small(picture, 200 + n) for n in range(4) for picture in PORTRAITS)
    )
    one, three = run(images), run(images, threads=3)
    assert one.rows.tolist() == three.rows.tolist() == list(range(8))
    assert np.allclose(one.templates, three.templates, atol=1e-5)


PORTRAITS = (grace_hopper(), eileen_collins())


def test_without_a_permit_nothing_is_looked_at(tmp_path: Path, room: TemporaryInstance) -> None:
    images = written(tmp_path, small(grace_hopper()))
    with pytest.raises(PermitError):
        acquire(
            images,
            engine=room.instance.engine,
            look=Look(),
            permitted=lambda: room.permitted("manage-gallery"),
            threads=1,
        )


def test_a_revoked_licence_ends_the_run(tmp_path: Path) -> None:
    from rightface.registrar import Registrar

    images = written(tmp_path, small(grace_hopper()))
    with measuring(
        tmp_path / "instance", sector="private-entity", jurisdiction="US-OH", make=True
    ) as room:
        Registrar(room.instance).revoke_licence(room.licence.licence_id)
        with pytest.raises(Refused):
            acquire(
                images,
                engine=room.instance.engine,
                look=Look(),
                permitted=room.permitted,
                threads=1,
            )


def kill_after(folder: Path, images: int) -> None:
    """Acquire in a process of its own, and kill it when so many images are done."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.assay.acquiring", str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": "benchmarks"},
    ) as child:
        assert child.stdout is not None
        for line in child.stdout:
            if int(line) >= images:
                break
        os.kill(child.pid, signal.SIGKILL)
    assert child.returncode == -signal.SIGKILL


def test_a_killed_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PORTION", 2)
    (tmp_path / "images").mkdir()
    written(
        tmp_path / "images", *(small(p, 200 + n) for n in range(6) for p in (*PORTRAITS, nobody()))
    )
    kill_after(tmp_path, 4)
    images = images_of(tmp_path)
    with measuring(
        tmp_path / "instance", sector="private-entity", jurisdiction="US-OH", make=True
    ) as room:
        sealed = sealed_of(tmp_path, room.instance)
        going = {"engine": room.instance.engine, "look": Look(), "permitted": room.permitted}
        found = acquire(images, sealed=sealed, threads=1, **going)  # type: ignore[arg-type]
        assert 4 <= 18 - found.made < 18
        assert found.redone == ""
        whole = acquire(images, threads=1, **going)  # type: ignore[arg-type]
        assert np.array_equal(found.rows, whole.rows)
        assert np.allclose(found.templates, whole.templates, atol=1e-6)
        assert found.failures == whole.failures
        # What changed since is looked at again; the rest is not.
        images[0].write_bytes(nobody())
        again = acquire(images, sealed=sealed, threads=1, **going)  # type: ignore[arg-type]
        assert again.made == 2
        assert again.failures[0] == NO_FACE
        # Templates of other images are no use, and go.
        other = Sealed(
            tmp_path / "templates",
            room.instance.keyring,
            plan_of(images[:2], engine=room.instance.engine, look=Look()),
        )
        assert other.redone
        assert acquire(images[:2], sealed=other, threads=1, **going).made == 2  # type: ignore[arg-type]


def test_templates_of_another_detector_side_are_not_taken_over(
    tmp_path: Path, room: TemporaryInstance
) -> None:
    images = written(tmp_path, small(grace_hopper()))
    settings = room.instance.settings
    plans = {
        plan_of(
            images,
            engine=Engine(
                room.instance.pack, cache=settings.data / "models", threads=1, detector_side=side
            ),
            look=Look(),
        )
        for side in (640, 48, 640)
    }
    assert len(plans) == 2


def test_parts_are_sealed_and_the_key_goes(
    tmp_path: Path, room: TemporaryInstance, run: Run
) -> None:
    (tmp_path / "images").mkdir()
    written(tmp_path / "images", small(grace_hopper()))
    sealed = sealed_of(tmp_path, room.instance)
    found = run(images_of(tmp_path), sealed=sealed)
    folder = tmp_path / "templates"
    content = b"".join(path.read_bytes() for path in folder.iterdir())
    assert found.templates[0].tobytes()[:16] not in content
    assert all(path.stat().st_mode & 0o077 == 0 for path in (folder, *folder.iterdir()))
    # A damaged part is made again.
    part = folder / "part-000000.sealed"
    part.write_bytes(part.read_bytes()[:-1])
    assert run(images_of(tmp_path), sealed=sealed_of(tmp_path, room.instance)).made == 1
    # With another instance's keys nothing opens, and that is said.
    with temporary_instance() as stranger:
        assert sealed_of(tmp_path, stranger.instance).redone
    sealed.forget()
    assert not folder.exists()


def test_a_part_is_read_under_a_permit_only(tmp_path: Path, room: TemporaryInstance) -> None:
    (tmp_path / "images").mkdir()
    written(tmp_path / "images", small(grace_hopper()))
    sealed = sealed_of(tmp_path, room.instance)
    nothing: Permit = None  # type: ignore[assignment]
    with pytest.raises(PermitError):
        sealed.read(0, permit=nothing)
