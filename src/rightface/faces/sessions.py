"""Loaded models: one ONNX Runtime session per model and thread count in a process, taking turns.

However many requests there are, no more inferences run at once than the threads can serve; the
others wait for their turn instead of slowing each other down.

A cached graph carries its own SHA-256; one that is damaged, or was cut short by a crash, is built
again. Files are written beside and renamed, so a reader never sees half of one. Never knows what
the graphs compute, images, law or storage.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from rightface.errors import WeightsError
from rightface.faces.weights import WeightsFile

GRAPH_VERSION = 2
"""Part of a cached graph's name: raise it whenever `graph` builds another one."""

THREADS_OF_ONE = 4
"""One inference alone keeps some four threads busy; with more of them, others run beside it."""

CPU = Path("/proc/cpuinfo")
_HEADER = b"rightface graph "


class Model:
    """A loaded model. Thread-safe."""

    def __init__(self, session: ort.InferenceSession, turn: threading.BoundedSemaphore) -> None:
        self.session = session
        self._turn = turn

    def run(
        self, outputs: Sequence[str], inputs: dict[str, NDArray[np.uint8]]
    ) -> list[NDArray[np.float32]]:
        """The outputs named, for the inputs given; waits for its turn."""
        with self._turn:
            made: list[NDArray[np.float32]] = self.session.run(list(outputs), inputs)
        return made


_models: dict[tuple[str, str, int], Model] = {}
_turns: dict[int, threading.BoundedSemaphore] = {}
_lock = threading.Lock()


def model(
    weights: WeightsFile,
    build: Callable[[bytes], bytes],
    *,
    cache: Path,
    threads: int,
    recipe: str = "",
) -> Model:
    """This process' model of `weights`, whose graph `build` makes from the file's bytes.

    Args:
        cache: a directory for converted graphs; it need not exist, and may not be writable.
        threads: how many threads one inference uses.
        recipe: what the graph follows from beside the weights; a graph of another is built anew.

    Raises:
        WeightsError: the weights are missing or not the ones that were measured.
    """
    made_by = hashlib.sha256(f"{GRAPH_VERSION} {ort.__version__} {recipe}".encode()).hexdigest()
    key = (weights.sha256, made_by, threads)
    with _lock:
        if key not in _models:
            at_once = max(1, threads // THREADS_OF_ONE)
            turn = _turns.setdefault(threads, threading.BoundedSemaphore(at_once))
            _models[key] = Model(
                opened(_cached_graph(weights, build, cache, made_by), threads=threads), turn
            )
        return _models[key]


def _cached_graph(
    weights: WeightsFile, build: Callable[[bytes], bytes], cache: Path, made_by: str
) -> bytes:
    path = cache / f"{weights.sha256[:32]}-{made_by[:16]}.onnx"
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


def opened(graph: bytes, *, threads: int) -> ort.InferenceSession:
    """A session for an ONNX graph, with the options that all of ours have.

    Raises:
        WeightsError: ONNX Runtime cannot load it.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 3  # errors; CenterFace's leftovers would warn at every start
    if not _sums_exactly():
        options.add_session_config_entry("session.x64quantprecision", "1")
    # Spinning threads win microseconds alone and lose half the machine to each other in company.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    try:
        return ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's own exceptions share no base but this
        raise WeightsError("ONNX Runtime cannot load a model.", why=str(error)) from error


def _sums_exactly() -> bool:
    """Whether this processor adds up 8-bit products without overflow at full speed.

    x86 without VNNI does not; there ONNX Runtime is told to take another way, half as fast, with
    the same result. (Where VNNI is there that way would only be slower.)
    """
    if platform.machine() not in ("x86_64", "AMD64"):
        return True
    try:
        flags = set(CPU.read_text("utf-8").split())
    except OSError:
        return False
    return not flags.isdisjoint({"avx512_vnni", "avx_vnni"})
