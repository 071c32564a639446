"""Where people must review first, a video's leads are told to nobody: they cannot be sealed yet."""

from __future__ import annotations

from pathlib import Path

import pytest

from rightface.errors import ReviewError
from rightface.service_types import StoredObject
from tests.portraits import grace_hopper
from tests.service.reviewing import GALLERY, house
from tests.video import clips


def test_a_search_that_people_must_review_is_no_job(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with house(models, monkeypatch) as made:
        made.reviewer("ann")
        made.enrol("grace", grace_hopper())
        client = made.licence.licence.client
        bucket = made.opened.instance.settings.data / "objects" / client
        bucket.mkdir(parents=True)
        clips.written(bucket / "a.mp4", 1, lambda _: clips.placed((clips.grace(), 200)))
        video = StoredObject(bucket=client, name="a.mp4")
        with pytest.raises(ReviewError, match="cannot be reviewed"):
            made.service.start_face_search(
                made.caller(), GALLERY, video=video, similarity=80.0, token=None, tag=None
            )
        assert made.opened.registrar.jobs.listed() == []
