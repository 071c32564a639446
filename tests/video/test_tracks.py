"""Following people from frame to frame: the rule, held against a slow reading of it."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from instance import TemporaryInstance
from rightface.errors import PermitError, VideoTooLarge
from rightface.faces import tracks
from rightface.faces.face import Box, Face, Quality
from rightface.faces.tracks import Tracker
from rightface.permit import Permit
from tests.conftest import Permitted

Vector = NDArray[np.float32]


def _unit(vector: NDArray[np.float64]) -> Vector:
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def _person(seed: int) -> Vector:
    return _unit(np.random.default_rng(seed).normal(size=128))


def _like(person: Vector, seed: int, far: float = 0.02) -> Vector:
    return _unit(person + far * np.random.default_rng(seed).normal(size=128))


def _face(
    template: Vector, x: float, *, sharpness: float = 50.0, reasons: tuple[str, ...] = ()
) -> Face:
    quality = Quality(
        sharpness=sharpness,
        brightness=50,
        yaw=0,
        pitch=0,
        roll=0,
        eye_distance=40,
        reasons=reasons,
    )
    landmarks = np.zeros((5, 2), np.float32)
    box = Box(x, 50, 80, 100)
    return Face(box=box, score=0.9, landmarks=landmarks, quality=quality, template=template)


@pytest.fixture
def tracker(licensed: TemporaryInstance) -> Tracker:
    return Tracker(licensed.instance.pack)


def _follow(tracker: Tracker, at: int, permit: Permit, *faces: Face) -> list[int]:
    return [track.index for track in tracker.follow(at, list(faces), permit=permit)]


def test_two_people_keep_their_numbers(tracker: Tracker, permitted: Permitted) -> None:
    a, b = _person(1), _person(2)
    with permitted("identify-1toN") as permit:
        for step in range(8):
            one = _face(_like(a, 10 + step), 20 + 30 * step)
            two = _face(_like(b, 50 + step), 400 - 30 * step)
            order = (one, two) if step % 2 else (two, one)
            assert _follow(tracker, 200 * step, permit, *order) == [step % 2, 1 - step % 2]
    assert len(tracker.tracks) == 2


def test_after_a_cut_another_person_in_the_same_place_is_another(
    tracker: Tracker, permitted: Permitted
) -> None:
    with permitted("identify-1toN") as permit:
        assert _follow(tracker, 0, permit, _face(_person(1), 100)) == [0]
        assert _follow(tracker, 200, permit, _face(_person(2), 100)) == [1]


def test_who_jumps_across_the_picture_is_known_by_their_template(
    tracker: Tracker, permitted: Permitted
) -> None:
    person = _person(1)
    with permitted("identify-1toN") as permit:
        assert _follow(tracker, 0, permit, _face(person, 0)) == [0]
        assert _follow(tracker, 200, permit, _face(_like(person, 5), 500)) == [0]


def test_who_was_away_for_long_gets_a_new_number(tracker: Tracker, permitted: Permitted) -> None:
    person = _person(1)
    with permitted("identify-1toN") as permit:
        assert _follow(tracker, 0, permit, _face(person, 0)) == [0]
        assert _follow(tracker, tracks.MEMORY_MS, permit, _face(person, 0)) == [0]
        assert _follow(tracker, 2 * tracks.MEMORY_MS + 1, permit, _face(person, 0)) == [1]


def test_one_track_takes_one_face_of_a_frame(tracker: Tracker, permitted: Permitted) -> None:
    person = _person(1)
    near, nearer = _like(person, 7, 0.05), _like(person, 8, 0.01)
    with permitted("identify-1toN") as permit:
        _follow(tracker, 0, permit, _face(person, 100))
        assert _follow(tracker, 200, permit, _face(near, 100), _face(nearer, 110)) == [1, 0]


def test_the_template_is_the_mean_of_the_five_best_faces(
    tracker: Tracker, permitted: Permitted
) -> None:
    person = _person(1)
    seen = [_like(person, seed) for seed in range(9)]
    sharp = [10.0, 90.0, 30.0, 80.0, 20.0, 70.0, 60.0, 50.0, 99.0]
    with permitted("identify-1toN") as permit:
        for place, (template, sharpness) in enumerate(zip(seen, sharp, strict=True)):
            faults = ("too-small",) if place == 8 else ()  # the sharpest, but it has a fault
            face = _face(template, 100, sharpness=sharpness, reasons=faults)
            assert _follow(tracker, 40 * place, permit, face) == [0]
    best = [seen[place] for place in (1, 3, 5, 6, 7)]
    expected = _unit(np.mean(best, axis=0, dtype=np.float64))
    np.testing.assert_allclose(tracker.tracks[0].template, expected, atol=1e-6)
    assert np.linalg.norm(tracker.tracks[0].template) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("seed", range(20))
def test_no_face_and_track_would_rather_have_had_each_other(
    licensed: TemporaryInstance, permitted: Permitted, seed: int
) -> None:
    random = np.random.default_rng(seed)
    pack = licensed.instance.pack
    tracker = Tracker(pack)
    people = [_person(100 * seed + place) for place in range(4)]
    before = [_face(_like(each, 900 + place), 90.0 * place) for place, each in enumerate(people)]
    with permitted("identify-1toN") as permit:
        tracker.follow(0, before, permit=permit)
        templates = [track.template for track in tracker.tracks]
        boxes = [track.box for track in tracker.tracks]
        now = []
        for _ in range(6):
            mixed = random.dirichlet(np.full(4, 0.4)) @ np.stack(people)
            now.append(_face(_unit(mixed.astype(np.float64)), float(random.uniform(0, 300))))
        joined = _follow(tracker, 200, permit, *now)
        probes = np.stack([each.template for each in now if each.template is not None])
        scores = pack.probe_vectors(probes, permit=permit) @ (
            pack.reference_vectors(np.stack(templates), permit=permit).T
        )
    near = pack.calibration.score_at(tracks.NEAR_FMR)
    far = pack.calibration.score_at(tracks.FAR_FMR)

    def alike(face: Face, track: int) -> float:
        """By the text of the rule; minus infinity where they may not be joined."""
        score = float(scores[[each is face for each in now].index(True), track])
        least = near if _overlap(face.box, boxes[track]) >= tracks.OVERLAP else far
        return score if score >= least else -np.inf

    has = dict(zip(joined, now, strict=True))
    assert len(has) == len(now), "two faces share a number"
    for (face, number), track in itertools.product(zip(now, joined, strict=True), range(4)):
        if number == track:
            assert alike(face, track) > -np.inf
            continue
        own = alike(face, number) if number < 4 else -np.inf
        others = alike(has[track], track) if track in has else -np.inf
        assert not (alike(face, track) > own and alike(face, track) > others)


def _overlap(a: Box, b: Box) -> float:
    across = max(0.0, min(a.x + a.width, b.x + b.width) - max(a.x, b.x))
    down = max(0.0, min(a.y + a.height, b.y + b.height) - max(a.y, b.y))
    return across * down / (a.area + b.area - across * down)


def test_a_crowd_ends_it(
    tracker: Tracker, permitted: Permitted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracks, "MOST_TRACKS", 3)
    with permitted("identify-1toN") as permit, pytest.raises(VideoTooLarge, match="people"):
        _follow(tracker, 0, permit, *(_face(_person(seed), 90 * seed) for seed in range(4)))


def test_nobody_is_followed_where_faces_may_only_be_found(
    tracker: Tracker, permitted: Permitted
) -> None:
    with permitted("detect") as permit, pytest.raises(PermitError, match="template"):
        tracker.follow(0, [_face(_person(1), 0)], permit=permit)
