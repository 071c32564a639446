"""Who is the same person from frame to frame of one video: overlap, and how alike templates are.

The rule. A face may join a track that was last seen at most `MEMORY_MS` before, if
    - the two boxes overlap (intersection over union ≥ `OVERLAP`), and the face's template and the
      track's are as alike as two templates of different people are in at most one comparison of
      `NEAR_FMR`⁻¹; or
    - whether they overlap or not, as alike as different people are in one of `FAR_FMR`⁻¹.
So nobody takes over a track by standing where another stood before a cut, and somebody who moves
fast keeps theirs. Of all such pairs of one frame the most alike is joined first, then the most
alike of what is left: no face and no track are left that would both rather have had each other. A
face that joins none begins a track.

A track's template is the mean, of unit length, of the templates of its `BEST` best faces: those
with the fewest faults, then with the most detail (sharpness times the distance between the eyes,
which counts up to `ENOUGH` pixels). Until a track is ended, it is compared by the mean so far.

Tracks live in one tracker, for one video, and nowhere else.
Never knows law, storage or wire formats.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rightface.errors import VideoTooLarge
from rightface.faces.face import Box, Face, Template
from rightface.faces.packs import ModelPack
from rightface.permit import Permit, Touch, require

OVERLAP = 0.3
NEAR_FMR, FAR_FMR = 1e-2, 1e-4
MEMORY_MS = 2000
BEST = 5
ENOUGH = 60.0
MOST_TRACKS = 2000
"""Of one video."""


@dataclass
class Track:
    """One person for as long as they were seen, as far as can be told."""

    index: int
    """0, 1, … in order of appearance."""
    last_ms: int
    box: Box
    """Where the face was last, in pixels of the frame."""
    best: list[tuple[tuple[float, float], Template]] = field(default_factory=list, repr=False)
    """The best faces so far, best first: how good, and the template."""

    @property
    def template(self) -> Template:
        """(128,), unit length: the mean of its best faces' templates."""
        mean = np.mean([template for _, template in self.best], axis=0, dtype=np.float64)
        length = max(float(np.linalg.norm(mean)), 1e-12)
        return np.asarray(mean / length, np.float32)


class Tracker:
    """The tracks of one video. One thread."""

    def __init__(self, pack: ModelPack) -> None:
        self._pack = pack
        self._near = pack.calibration.score_at(NEAR_FMR)
        self._far = pack.calibration.score_at(FAR_FMR)
        self.tracks: list[Track] = []

    def follow(self, at_ms: int, faces: list[Face], *, permit: Permit) -> list[Track]:
        """The track of each face of the next frame.

        Args:
            at_ms: the frame's time, not before the last one's.
            faces: analyzed with templates.

        Raises:
            PermitError: `permit` does not cover TEMPLATE.
            VideoTooLarge: more than `MOST_TRACKS` people.
        """
        require(permit, Touch.TEMPLATE)
        live = [track for track in self.tracks if at_ms - track.last_ms <= MEMORY_MS]
        joined: dict[int, Track] = {}
        taken: set[int] = set()
        for _, row, column in self._pairs(faces, live, permit):
            if row not in joined and live[column].index not in taken:
                joined[row] = live[column]
                taken.add(live[column].index)
        followed = []
        for row, face in enumerate(faces):
            track = joined.get(row)
            if track is None:
                track = self._begin(at_ms, face)
            track.last_ms, track.box = at_ms, face.box
            _keep(track, face)
            followed.append(track)
        return followed

    def _pairs(
        self, faces: list[Face], live: list[Track], permit: Permit
    ) -> list[tuple[float, int, int]]:
        """Which face may join which track: (minus how alike, face, track), best first."""
        if not faces or not live:
            return []
        probes = np.stack([face.template for face in faces if face.template is not None])
        references = np.stack([track.template for track in live])
        scores = self._pack.probe_vectors(probes, permit=permit) @ (
            self._pack.reference_vectors(references, permit=permit).T
        )
        overlaps = _overlaps([face.box for face in faces], [track.box for track in live])
        least = np.where(overlaps >= OVERLAP, self._near, self._far)
        rows, columns = np.nonzero(scores >= least)
        return sorted(
            (-float(scores[row, column]), int(row), int(column))
            for row, column in zip(rows, columns, strict=True)
        )

    def _begin(self, at_ms: int, face: Face) -> Track:
        if len(self.tracks) >= MOST_TRACKS:
            raise VideoTooLarge(f"The video shows more than {MOST_TRACKS} people.")
        self.tracks.append(Track(len(self.tracks), at_ms, face.box))
        return self.tracks[-1]


def _keep(track: Track, face: Face) -> None:
    assert face.template is not None  # analyze(templates=True)
    quality = face.quality
    detail = quality.sharpness * min(quality.eye_distance, ENOUGH)
    track.best.append(((-len(quality.reasons), detail), face.template))
    track.best.sort(key=lambda one: one[0], reverse=True)
    del track.best[BEST:]


def _overlaps(faces: list[Box], tracks: list[Box]) -> NDArray[np.float64]:
    """Intersection over union of each face's box with each track's: (faces, tracks)."""
    a = np.array([(b.x, b.y, b.x + b.width, b.y + b.height) for b in faces])[:, None]
    b = np.array([(b.x, b.y, b.x + b.width, b.y + b.height) for b in tracks])[None]
    sides = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    shared = np.prod(np.clip(sides, 0, None), axis=-1)
    both = np.prod(a[..., 2:] - a[..., :2], axis=-1) + np.prod(b[..., 2:] - b[..., :2], axis=-1)
    overlap: NDArray[np.float64] = shared / np.maximum(both - shared, 1e-9)
    return overlap
