"""A job outlives its process: `kill -9` in the middle, and the operator's view of it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest

from instance import TemporaryInstance
from rightface.instance import Instance
from tests.video import clips

SECONDS = 12.0


def _rightface(*words: str, status: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "rightface", *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == status, done.stderr + done.stdout
    return done.stdout


@contextmanager
def _server(data: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, "-m", "rightface", "serve", "--data", str(data), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().split()[-1]
        finally:
            process.kill()


def _decoders(of: int) -> list[int]:
    """The processes that decode for the process `of`."""
    found = []
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            if f"PPid:\t{of}\n" in status.read_text() and (
                b"rightface.faces.frames" in (status.parent / "cmdline").read_bytes()
            ):
                found.append(int(status.parent.name))
        except OSError:
            continue
    return found


@pytest.mark.timeout(600)
def test_a_job_outlives_its_process(tmp_path: Path) -> None:
    data = tmp_path / "data"
    _rightface(
        *("init", "--data", str(data), "--sector", "private-entity"),
        *("--jurisdiction", "US-OH", "--yes", "--json"),
    )
    with Instance.open(data) as instance:
        issued = TemporaryInstance(instance).licence("acme")
    bucket = data / "objects" / "acme"
    bucket.mkdir(parents=True)
    grace = clips.grace()
    clips.written(
        bucket / "long.mp4", SECONDS, lambda at: clips.placed((grace, round(30 * at) % 400))
    )

    def client(url: str) -> Any:
        return boto3.client(
            "rekognition",
            endpoint_url=url,
            region_name="us-east-1",
            aws_access_key_id=issued.licence.access_key_id,
            aws_secret_access_key=issued.secret_access_key,
        )

    def shown(job_id: str) -> Any:
        return json.loads(_rightface("job", "show", job_id, "--data", str(data), "--json"))

    with _server(data) as (process, url):
        video = {"S3Object": {"Bucket": "acme", "Name": "long.mp4"}}
        job_id = client(url).start_face_detection(Video=video)["JobId"]
        waiting = client(url).start_face_detection(Video=video)["JobId"]
        while shown(job_id)["frames"] == 0:
            time.sleep(0.1)
        (decoder,) = _decoders(process.pid)
        process.send_signal(signal.SIGKILL)
        process.wait()
    until = time.monotonic() + 30
    while Path(f"/proc/{decoder}").exists() and time.monotonic() < until:
        time.sleep(0.1)
    assert not Path(f"/proc/{decoder}").exists(), "its decoder ends with it"
    left = shown(job_id)
    assert (left["state"], left["attempts"]) == ("IN_PROGRESS", 1)
    assert left["progress"] < 100
    assert left["video"]["codec"] == "h264"

    with _server(data) as (_, url):
        listed = json.loads(_rightface("job", "list", "--data", str(data), "--json"))
        assert [job["id"] for job in listed] == [job_id, waiting]
        cancelled = _rightface("job", "cancel", waiting[:12], "--data", str(data))
        assert cancelled == f"Job {waiting[:12]} is ended; nothing was kept.\n"
        _rightface("job", "show", waiting, "--data", str(data), status=1)
        watched = _rightface("job", "show", job_id, "--watch", "--data", str(data))
        assert "SUCCEEDED" in watched
        assert "100%" in watched
        told = client(url).get_face_detection(JobId=job_id)
        assert told["JobStatus"] == "SUCCEEDED"
        assert [face["Timestamp"] for face in told["Faces"]] == list(
            range(0, round(1000 * SECONDS), 200)
        )
        failed = client(url).get_face_detection(JobId=waiting)
        assert failed["StatusMessage"] == "Cancelled by the operator."
    done = shown(job_id)
    assert (done["state"], done["progress"], done["attempts"]) == ("SUCCEEDED", 100, 2)
    assert done["frames"] == 5 * SECONDS
    assert "long.mp4" not in json.dumps(done)
    assert _rightface("job", "list", "--data", str(data)).count("\n") == 3


def test_a_job_that_there_is_not(tmp_path: Path) -> None:
    data = tmp_path / "data"
    _rightface(
        *("init", "--data", str(data), "--sector", "private-entity"),
        *("--jurisdiction", "US-OH", "--yes", "--json"),
    )
    told = json.loads(
        _rightface("job", "show", "deadbeef", "--data", str(data), "--json", status=1)
    )
    assert told["error"] == "job-not-found"
