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
class Floor:
    """The threshold that was applied to a comparison or a search."""

    fmr: float
    """The false match rate that it stands for, over all comparisons."""
    fpir_target: float | None = None
    """The gallery's: the share of searches that may find somebody wrongly. None: it has none."""
    extrapolated: bool = False
    """Whether the threshold for that target lies beyond what was measured."""


@dataclass(frozen=True, kw_only=True)
class Answer(Generic[T_co]):
    """What an allowed operation gives, with the proof that it was allowed."""

    value: T_co
    permit_id: str
    ledger_index: int
    """The index of the decision's leaf."""
    fmr: float | None = None
    """The false match rate that the threshold applied stands for; None where none applies."""
    floor: Floor | None = None
    """More of that threshold, where a gallery was searched."""
    obligations: tuple[Any, ...] = ()
    review: str | None = None
    """The id of the review that the candidates are sealed for; then none are told here."""
    reviews: tuple[str, ...] = ()
    """Of a video: the reviews of its people, in the order in which the answer tells of them."""
    review_expires: datetime | None = None
    """Until when the reviewers may decide."""
    receipt: str | None = None
    """The id of the signed receipt of what was erased."""


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
    user: str | None = None
    """The user that it belongs to, by the id that the client chose."""


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
    """The outcome of a deletion: ids erased, ids that were not there, and ids that a user holds."""

    deleted: Sequence[str]
    missing: Sequence[str]
    held: Sequence[tuple[str, str]] = ()
    """Faces that stay because they belong to a user: (face id, user id)."""


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
class UserRecord:
    """One user of a collection: several faces of one person."""

    user_id: str = field(repr=False)
    """As the client chose it."""
    faces: bool
    """Whether any face belongs to it."""


@dataclass(frozen=True, kw_only=True)
class UserPage:
    """One page of a collection's users."""

    users: Sequence[UserRecord]
    next: str | None
    """Give it back as `after`; None: this was the last page. At most 255 characters."""


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """A face that was not put into a user, or not taken out of it."""

    face_id: str
    reason: str | None
    """`face-not-found`, `of-another-user` or `low-match-confidence`; None: the user is full."""
    user: str | None = field(default=None, repr=False)
    """Which user it belongs to, where that is why."""
    similarity: float | None = None
    """How similar it is to the user's nearest face, where that is why."""


@dataclass(frozen=True, kw_only=True)
class Association:
    """The outcome of putting faces into a user, or of taking them out."""

    moved: Sequence[str]
    """The ids of the faces that were put in, or taken out."""
    left_out: Sequence[LeftOut]
    faces: bool
    """Whether any face belongs to the user now."""


@dataclass(frozen=True, kw_only=True)
class UserCandidate(Candidate):
    """A lead of a search for users, never an identification; `record`: its best usable face."""

    user: UserRecord


@dataclass(frozen=True, kw_only=True)
class UserSearch:
    """The candidates of a search for users, best first."""

    probe: DetectedFace | None
    """The face searched for; None: by what is enrolled, or there was no face to search for."""
    candidates: Sequence[UserCandidate]
    unsearched: Sequence[tuple[DetectedFace, list[str]]]
    """Other faces of the image, with why: quality's words, or `face-not-largest`."""
    model_version: str


@dataclass(frozen=True, kw_only=True)
class ReviewOutcome:
    """What became of a review, as its client is told: never who was not confirmed."""

    review_id: str
    state: str
    """`open`, or `closed` with an outcome."""
    outcome: str | None
    """`confirmed`, `not-this-person`, `disagreement`, `cannot-tell`, `damaged`, or `timeout`, which
    also is the word for nobody found and for whoever was erased; None: it is open."""
    expires_at: datetime
    """When deciding ends; of a closed one, when what was confirmed is destroyed."""
    candidates: Sequence[Candidate] = ()
    """Those whom every reviewer confirmed and whose consent stands now."""
    note: str = "A confirmed candidate is a lead, never an identification."


@dataclass(frozen=True, kw_only=True)
class OpenSeat:
    """A review that waits for a reviewer. Nothing is told of what it holds."""

    review_id: str
    opened_at: datetime
    expires_at: datetime
    seated: bool
    """Whether this reviewer has taken it up already."""


@dataclass(frozen=True, kw_only=True)
class Shown:
    """One candidate as a reviewer sees it: a number of their own order, and a picture."""

    number: int
    picture: bytes = field(repr=False)
    """PNG, 150 × 150."""


@dataclass(frozen=True, kw_only=True)
class OpenedReview:
    """What a reviewer decides on: no names, no scores, nothing of the other reviewers."""

    review_id: str
    expires_at: datetime
    probe: bytes = field(repr=False)
    """PNG, 150 × 150."""
    candidates: Sequence[Shown]
    """Those not decided on yet, in this reviewer's own order."""


@dataclass(frozen=True, kw_only=True)
class ReviewFigure:
    """How many reviewed candidates of one band of false match rates came out one way."""

    pack: str
    gallery: str
    """A keyed commitment, as in the ledger."""
    band: str
    """`1e-4`: the rate at their scores does not exceed it. `none`: whole reviews that ended without
    a decision are counted."""
    outcome: str
    number: int


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
class Sample:
    """A tester's photograph: the largest face in it, or why there is none to measure."""

    face: DetectedFace | None = None
    failure: str = ""
    """`no-face`, or the code of what is wrong with the image; empty: a face was acquired."""


@dataclass(frozen=True, kw_only=True)
class SampleComparison:
    """One photograph against another; without figures where one of them has no face."""

    probe: int
    """Places in the request, from 0."""
    reference: int
    score: float | None = None
    """−log₁₀ of `fmr`: higher is more alike."""
    similarity: float | None = None
    fmr: float | None = None
    extrapolated: bool = False


@dataclass(frozen=True, kw_only=True)
class SampleResult:
    """What a tester is told, and of which model pack it speaks."""

    pack: str
    pack_digest: str
    comparison: str
    """`raw`, or the name of the score normalisation."""
    comparison_digest: str
    samples: Sequence[Sample]
    comparisons: Sequence[SampleComparison]


@dataclass(frozen=True, kw_only=True)
class CollectionInfo:
    """One collection."""

    name: str
    arn_suffix: str
    """`<12 digits>:collection/<name>`; see `arn_suffix()`."""
    face_count: int
    user_count: int
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
    """Leads for this person, best first; the same at each moment. None where they are sealed."""


@dataclass(frozen=True, kw_only=True)
class VideoPersons:
    """One page of the people of a stored video for whom there are leads."""

    job: JobStatus
    sightings: Sequence[Sighting]
    next: str | None
