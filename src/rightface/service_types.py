"""What the service takes and gives: plain frozen values, free of any wire format.

The wires, the command line and the service share these and nothing else. They carry what may be
told to the caller: never a template, a key, or a raw comparison score. Boxes and points are ratios
of the upright image's width and height (0..1, may reach past the edge); angles are degrees;
confidence, sharpness, brightness and similarity go from 0 to 100, a false match rate (`fmr`) from
0 to 1.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from rightface.law.licences import Licence

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, kw_only=True)
class StoredObject:
    """A photograph or a video in the instance's object store. Fetched under the permit alone."""

    bucket: str
    name: str
    version: str | None = None


Picture = bytes | StoredObject
"""An image: its bytes, or where they lie."""


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Who asks, authenticated, and what they say that it is for."""

    licence: Licence
    purpose: str | None
    """A word of the purposes' list; None: the licence's only one."""
    subject: str | None
    """A subject reference for what cannot name one itself (a probe). Never logged."""
    request_id: str
    """A UUID, told to the caller and recorded in the ledger."""
    warrant: str | None = None
    """The id of a warrant, order or emergency on record that is relied on."""
    declared: Mapping[str, bool | str] = field(default_factory=dict)
    """What it says against its own request: conditions that the vocabulary calls declarable."""


@dataclass(frozen=True, kw_only=True)
class Answer(Generic[T_co]):
    """What an allowed operation gives, with the proof that it was allowed."""

    value: T_co
    permit_id: str
    ledger_index: int
    """The index of the decision's leaf."""
    fmr: float | None = None
    """The false match rate that the threshold applied stands for; None where none applies."""
    obligations: tuple[Any, ...] = ()


@dataclass(frozen=True, kw_only=True)
class DetectedFace:
    """One face in the image that was sent."""

    left: float
    top: float
    width: float
    height: float
    confidence: float
    landmarks: Mapping[str, tuple[float, float]]
    """Keys: eyeLeft eyeRight nose mouthLeft mouthRight; (x, y) ratios."""
    yaw: float
    pitch: float
    roll: float
    sharpness: float
    brightness: float
    reasons: tuple[str, ...] = ()
    """Why its quality is low: `too-small`, `too-dark`, `extreme-pose`, …; empty: it is not."""


@dataclass(frozen=True, kw_only=True)
class FaceRecord:
    """One enrolled face, as it is on record."""

    face_id: str
    image_id: str
    subject: str | None
    """The subject reference given at enrolment."""
    left: float
    top: float
    width: float
    height: float
    confidence: float
    enrolled_at: datetime


@dataclass(frozen=True, kw_only=True)
class EnrolledFace:
    """A face just enrolled: its record, and what was seen in the image."""

    record: FaceRecord
    detected: DetectedFace


@dataclass(frozen=True, kw_only=True)
class IndexedFaces:
    """The outcome of an enrolment."""

    enrolled: Sequence[EnrolledFace]
    not_enrolled: Sequence[tuple[DetectedFace, list[str]]]
    """Faces seen but not kept, each with its reasons (quality's words, or `exceeds-max-faces`)."""
    model_version: str


@dataclass(frozen=True, kw_only=True)
class FacePage:
    """One page of a collection's faces."""

    faces: Sequence[FaceRecord]
    next: str | None
    """Give it back as `after`; None: this was the last page. At most 255 characters."""
    model_version: str


@dataclass(frozen=True, kw_only=True)
class DeletedFaces:
    """The outcome of a deletion: ids erased, and ids that were not there."""

    deleted: Sequence[str]
    missing: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A lead of a search, never an identification."""

    record: FaceRecord
    similarity: float
    fmr: float
    """The false match rate at this candidate's score, per comparison."""
    extrapolated: bool
    """Whether that rate lies beyond what the calibration's pairs can show."""


@dataclass(frozen=True, kw_only=True)
class SearchResult:
    """The candidates of a search, best first."""

    probe: DetectedFace | None
    """The face searched for; None when it was searched by face id."""
    candidates: Sequence[Candidate]
    model_version: str


@dataclass(frozen=True, kw_only=True)
class Match:
    """A face that matches the source of a 1:1 comparison."""

    face: DetectedFace
    similarity: float
    fmr: float
    """The false match rate at this score."""
    extrapolated: bool
    """Whether that rate lies beyond what the calibration's pairs can show."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A 1:1 comparison of the largest face of one image with each face of another."""

    source: DetectedFace
    matches: Sequence[Match]
    """Best first."""
    unmatched: Sequence[DetectedFace]
    best: Match | None
    """The nearest face of the target, whether it matches or not; None: the target has no face."""


@dataclass(frozen=True, kw_only=True)
class CollectionInfo:
    """One collection."""

    name: str
    arn_suffix: str
    """`<12 digits>:collection/<name>`; see `arn_suffix()`."""
    face_count: int
    model_version: str
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class CollectionPage:
    """One page of a client's collections, by name."""

    collections: Sequence[CollectionInfo]
    next: str | None
    """Give it back as `after`; None: this was the last page. At most 255 characters."""


def arn_suffix(client: str, name: str) -> str:
    """The end of a collection's ARN, behind the region: an account-like number and the name.

    The 12 digits are derived from the client's id, so that they are stable and its own.
    """
    number = int.from_bytes(hashlib.sha256(client.encode()).digest()[:8], "big") % 10**12
    return f"{number:012d}:collection/{name}"


@dataclass(frozen=True, kw_only=True)
class VideoMetadata:
    """What a stored video says of itself."""

    codec: str
    format: str
    duration_ms: int
    frame_rate: float
    width: int
    """Pixels of an upright frame."""
    height: int
    full_range: bool
    """Whether its colours use all 256 levels."""


@dataclass(frozen=True, kw_only=True)
class JobStatus:
    """How far a job on a stored video is."""

    job_id: str
    state: str
    """SUBMITTED, IN_PROGRESS, SUCCEEDED or FAILED."""
    message: str | None
    """Why it failed."""
    progress: int
    """Percent."""
    video: StoredObject
    metadata: VideoMetadata | None
    """Known once it is being read."""
    tag: str | None


@dataclass(frozen=True, kw_only=True)
class VideoFaces:
    """One page of the faces of a stored video, by time."""

    job: JobStatus
    faces: Sequence[tuple[int, DetectedFace]]
    """Milliseconds from the video's first frame, and the face."""
    next: str | None


@dataclass(frozen=True, kw_only=True)
class Sighting:
    """One person of a stored video, at one moment."""

    at_ms: int
    index: int
    """The person's number within the job, in order of appearance."""
    face: DetectedFace
    candidates: Sequence[Candidate]
    """Leads for this person, best first; the same at each moment."""


@dataclass(frozen=True, kw_only=True)
class VideoPersons:
    """One page of the people of a stored video for whom there are leads."""

    job: JobStatus
    sightings: Sequence[Sighting]
    next: str | None
