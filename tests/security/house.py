"""A server as a process of its own, for what only a whole process shows."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from instance import TemporaryInstance
from rightface.instance import Instance
from rightface.law.licences import IssuedLicence


def rightface(*words: str, status: int | None = 0) -> str:
    """The command line's answer: stdout and stderr."""
    done = subprocess.run(
        [sys.executable, "-m", "rightface", *words], capture_output=True, text=True, check=False
    )
    assert status is None or done.returncode == status, done.stderr + done.stdout
    return done.stdout + done.stderr


def made(data: Path, models: Path) -> None:
    """An empty instance; `models`: where converted models stay."""
    rightface(
        *("init", "--data", str(data), "--sector", "private-entity"),
        *("--jurisdiction", "US-OH", "--yes", "--json"),
    )
    models.mkdir(exist_ok=True)
    (data / "models").symlink_to(models.absolute())


@dataclass
class Process:
    """A running server."""

    process: subprocess.Popen[str]
    url: str

    def client(self, issued: IssuedLicence, **config: Any) -> Any:
        """A boto3 client that asks once."""
        return boto3.client(
            "rekognition",
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id=issued.licence.access_key_id,
            aws_secret_access_key=issued.secret_access_key,
            config=Config(retries={"total_max_attempts": 1}, **config),
        )


_DEBUG = """
import logging
logging.basicConfig(level=logging.DEBUG)
from rightface.cli.main import main
main()
"""


@contextmanager
def serving(
    data: Path,
    errors: Path,
    environment: Mapping[str, str] | None = None,
    *,
    debug: bool = False,
) -> Iterator[Process]:
    """A server; its stderr goes to the file `errors`. `debug`: every library's log too."""
    start = ["-c", _DEBUG] if debug else ["-m", "rightface"]
    command = [sys.executable, *start, "serve", "--data", str(data), "--port", "0"]
    with (
        errors.open("w") as told,
        subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=told,
            text=True,
            env={**os.environ, **(environment or {})},
        ) as process,
    ):
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, errors.read_text()
            yield Process(process, line.split()[-1])
        finally:
            if process.poll() is None:
                process.kill()


@contextmanager
def opened(data: Path) -> Iterator[TemporaryInstance]:
    """The instance from beside the server, as the command line opens it."""
    with Instance.open(data) as instance:
        yield TemporaryInstance(instance)
