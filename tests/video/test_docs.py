"""The examples of docs/video.md run as they stand, one after the other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from instance import TemporaryInstance
from rightface.api.app import create_app
from rightface.api.server import running
from tests.portraits import grace_hopper
from tests.video import clips

PAGE = Path(__file__).resolve().parents[2] / "docs" / "video.md"


def test_the_example_runs(
    fresh: TemporaryInstance, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import boto3

    examples = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert len(examples) == 2
    issued = fresh.licence("acme")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", issued.licence.access_key_id or "")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", issued.secret_access_key)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    bucket = fresh.instance.settings.data / "objects" / "acme"
    bucket.mkdir(parents=True)
    clips.written(bucket / "entrance.mp4", 1, lambda _: clips.placed((clips.grace(), 200)))
    fresh.consent("grace")
    fresh.service.prepare()
    with running(create_app(fresh.service)) as url:
        client = boto3.client("rekognition", endpoint_url=url)
        client.create_collection(CollectionId="staff")
        client.index_faces(
            CollectionId="staff", Image={"Bytes": grace_hopper()}, ExternalImageId="grace"
        )
        exec("\n".join(examples).replace("http://127.0.0.1:8017", url), {})
    told = capsys.readouterr().out.splitlines()
    assert "SUCCEEDED 100 %" in told
    assert "800 ms: person 0 ['grace']" in told
