"""Servers that start quickly: forks of a process that has imported everything and opened nothing.

A fork shares code pages only. Its instance, connections, threads and sockets are its own, and
`kill -9` ends it as it ends any server; but it starts in a fraction of the time.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_NURSERY = """
import os, sys
import alembic.config, onnxruntime, psycopg, PIL.Image
import rightface.api.app, rightface.api.server, rightface.cli.serve, rightface.faces.engine
from rightface.cli.main import main

print("here", flush=True)
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        sys.argv = ["rightface", *line.split()]
        try:
            main()
        finally:
            sys.stdout.flush()
            os._exit(1)
    print(f"child {child}", flush=True)
    os.waitpid(child, 0)
    print("gone", flush=True)
"""


class Nursery:
    """Makes servers, one at a time."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", _NURSERY],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._expect("here")

    def _expect(self, *words: str) -> str:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith(words):
                return line
        raise AssertionError("the nursery ended")

    @contextmanager
    def server(self, data: Path) -> Iterator[tuple[int, str]]:
        """A server's process id and its address; killed at the end of the block."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"serve --data {data} --port 0\n")
        self._process.stdin.flush()
        told: dict[str, str] = {}
        while len(told) < 2:  # in either order
            line = self._expect("child", "rightface ready", "gone")
            assert line != "gone\n", "the server did not start"
            told[line.split()[0]] = line.split()[-1]
        child = int(told["child"])
        try:
            yield child, told["rightface"]
        finally:
            with suppress(ProcessLookupError):  # the test has killed it already
                os.kill(child, signal.SIGKILL)
            self._expect("gone")

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(60)
        self._process.stdout.close()
