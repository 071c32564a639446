"""ONNX Runtime sessions, one per model and thread count in a process, from a cache of graphs.

A cached graph carries its own SHA-256; one that is damaged, or was cut short by a crash, is built
again. Files are written beside and renamed, so a reader never sees half of one. Never knows what
the graphs compute, images, law or storage.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import onnxruntime as ort

from rightface.errors import WeightsError
from rightface.faces.weights import WeightsFile

GRAPH_VERSION = 1
"""Part of a cached graph's name: raise it whenever `graph` builds another one."""

_HEADER = b"rightface graph "
_sessions: dict[tuple[str, int], ort.InferenceSession] = {}
_lock = threading.Lock()


def session(
    weights: WeightsFile, build: Callable[[bytes], bytes], *, cache: Path, threads: int
) -> ort.InferenceSession:
    """The session of this process for `weights`, whose graph `build` makes from the file's bytes.

    Args:
        cache: a directory for converted graphs; it need not exist, and may not be writable.
        threads: how many threads one inference uses.

    Raises:
        WeightsError: the weights are missing or not the ones that were measured.
    """
    key = (weights.sha256, threads)
    with _lock:
        if key not in _sessions:
            graph = _cached_graph(weights, build, cache)
            _sessions[key] = _open(graph, threads)
        return _sessions[key]


def _cached_graph(weights: WeightsFile, build: Callable[[bytes], bytes], cache: Path) -> bytes:
    path = cache / f"{weights.sha256[:32]}-{GRAPH_VERSION}.onnx"
    cached = _read_checked(path)
    if cached is not None:
        return cached
    graph = build(weights.read())
    with contextlib.suppress(OSError):  # without a cache every start converts anew: slower, right
        _write_checked(path, graph)
    return graph


def _read_checked(path: Path) -> bytes | None:
    """The graph in `path`; None if there is none or it is damaged."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    header, _, graph = data.partition(b"\n")
    if header != _HEADER + hashlib.sha256(graph).hexdigest().encode():
        return None
    return graph


def _write_checked(path: Path, graph: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".part")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(_HEADER + hashlib.sha256(graph).hexdigest().encode() + b"\n" + graph)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _open(graph: bytes, threads: int) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 3  # errors; CenterFace's leftovers would warn at every start
    # Spinning threads win microseconds alone and lose half the machine to each other in company.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    try:
        return ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's own exceptions share no base but this
        raise WeightsError("ONNX Runtime cannot load a model.", why=str(error)) from error
