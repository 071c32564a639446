"""Every operation that Amazon has published for Rekognition: works, planned, or declined and why.

A test walks botocore's model, so that none is forgotten; docs/rekognition.md is made from this
table. Data only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["works", "planned", "declined"]


@dataclass(frozen=True, kw_only=True)
class Entry:
    """Where one operation stands."""

    name: str
    state: State
    reason: str
    """For people: what it does here, or why it does not (yet)."""
    changes: bool = False
    """Whether it changes records: then each signed request is carried out once."""


_LIVENESS = "Presentation-attack detection is wanted, and must be measured for equal errors first."
_STREAM = (
    "Identifying people live is another operation than searching a photograph, with a law of its "
    "own; it will not come in through a stream that Amazon's Kinesis carries."
)
_TRACKING = (
    "Following people who never agreed through video is mass surveillance. Amazon ended it too."
)
_CELEBRITY = (
    "It identifies people against a gallery that they never agreed to be in. Fame is no consent."
)
_MODERATION = (
    "It judges what people wear, drink and do. rightface is about faces with their consent."
)
_NOT_FACES = "Not about faces. Use a tool that is made for it."
_CUSTOM = "Training and running one's own image classifiers is not about faces."


def _entries(state: State, reason: str, *names: str) -> tuple[Entry, ...]:
    return tuple(Entry(name=name, state=state, reason=reason) for name in names)


_WORKS = (
    ("CreateCollection", True, "A collection, bound to the model pack of its day."),
    ("DescribeCollection", False, "Count of faces and users, model pack, day of creation."),
    ("ListCollections", False, "The caller's own, by name, in pages."),
    ("DeleteCollection", True, "Erases every face in it; the ledger records it."),
    (
        "IndexFaces",
        True,
        "Enrols one face, the largest that is fit; ExternalImageId is the subject of consent.",
    ),
    ("ListFaces", False, "What is recorded of each face, in pages."),
    (
        "DeleteFaces",
        True,
        "Erases rows, templates, crops and index entries; not of faces that belong to a user.",
    ),
    ("SearchFaces", False, "1:N by an enrolled face."),
    ("SearchFacesByImage", False, "1:N by the largest face of a photograph."),
    ("DetectFaces", False, "Boxes, landmarks, pose, quality. No traits, no emotions."),
    ("CompareFaces", False, "1:1, the source's largest face with each face of the target."),
    ("CreateUser", True, "An id for several faces of one person, sealed at rest."),
    ("DeleteUser", True, "Lets go of its faces, then destroys the id."),
    ("ListUsers", False, "Ids and status, in pages."),
    (
        "AssociateFaces",
        True,
        "Puts faces of one subject of consent into a user, if they are alike; consent is asked.",
    ),
    ("DisassociateFaces", True, "Takes faces out of a user, which stays."),
    ("SearchUsers", False, "1:N by an enrolled face or a user; each user by its best face."),
    (
        "SearchUsersByImage",
        False,
        "1:N by the largest face of a photograph; no template is made of the others.",
    ),
    ("TagResource", True, "Tags of collections."),
    ("UntagResource", True, "Tags of collections."),
    ("ListTagsForResource", False, "Tags of collections."),
    ("StartFaceDetection", True, "A job that finds the faces of a stored video."),
    ("GetFaceDetection", False, "Its faces with their milliseconds, in pages."),
    (
        "StartFaceSearch",
        True,
        "A job that searches a collection for those who appear in a stored video, after the event.",
    ),
    (
        "GetFaceSearch",
        False,
        "Who may be told now of those who matched; consent is looked at again.",
    ),
)

ENTRIES: tuple[Entry, ...] = (
    *(
        Entry(name=name, state="works", reason=reason, changes=changes)
        for name, changes, reason in _WORKS
    ),
    *_entries("planned", _LIVENESS, "CreateFaceLivenessSession", "GetFaceLivenessSessionResults"),
    *_entries(
        "declined",
        _STREAM,
        "CreateStreamProcessor",
        "DeleteStreamProcessor",
        "DescribeStreamProcessor",
        "ListStreamProcessors",
        "StartStreamProcessor",
        "StopStreamProcessor",
        "UpdateStreamProcessor",
    ),
    *_entries("declined", _TRACKING, "StartPersonTracking", "GetPersonTracking"),
    *_entries(
        "declined",
        _CELEBRITY,
        "RecognizeCelebrities",
        "GetCelebrityInfo",
        "StartCelebrityRecognition",
        "GetCelebrityRecognition",
    ),
    *_entries(
        "declined",
        _MODERATION,
        "DetectModerationLabels",
        "StartContentModeration",
        "GetContentModeration",
        "StartMediaAnalysisJob",
        "GetMediaAnalysisJob",
        "ListMediaAnalysisJobs",
    ),
    *_entries(
        "declined",
        _NOT_FACES,
        "DetectLabels",
        "DetectProtectiveEquipment",
        "DetectText",
        "StartLabelDetection",
        "GetLabelDetection",
        "StartSegmentDetection",
        "GetSegmentDetection",
        "StartTextDetection",
        "GetTextDetection",
    ),
    *_entries(
        "declined",
        _CUSTOM,
        "CopyProjectVersion",
        "CreateDataset",
        "CreateProject",
        "CreateProjectVersion",
        "DeleteDataset",
        "DeleteProject",
        "DeleteProjectPolicy",
        "DeleteProjectVersion",
        "DescribeDataset",
        "DescribeProjectVersions",
        "DescribeProjects",
        "DetectCustomLabels",
        "DistributeDatasetEntries",
        "ListDatasetEntries",
        "ListDatasetLabels",
        "ListProjectPolicies",
        "PutProjectPolicy",
        "StartProjectVersion",
        "StopProjectVersion",
        "UpdateDatasetEntries",
    ),
)

TABLE: dict[str, Entry] = {entry.name: entry for entry in ENTRIES}

_INFERRED = "Traits and emotions are not inferred from a face; declined, and never made up."
_UNMEASURED = "Not measured here; nothing is made up."
ATTRIBUTES: dict[str, Entry] = {
    "DEFAULT": Entry(
        name="DEFAULT",
        state="works",
        reason="BoundingBox, Confidence, Landmarks (five), Pose, Quality.",
    ),
    "ALL": Entry(
        name="ALL", state="declined", reason=f"It includes gender, age and emotions. {_INFERRED}"
    ),
    **{
        name: Entry(name=name, state="declined", reason=_INFERRED)
        for name in ("AGE_RANGE", "BEARD", "EMOTIONS", "GENDER", "MUSTACHE", "SMILE")
    },
    **{
        name: Entry(name=name, state="planned", reason=_UNMEASURED)
        for name in (
            "EYE_DIRECTION",
            "EYEGLASSES",
            "EYES_OPEN",
            "FACE_OCCLUDED",
            "MOUTH_OPEN",
            "SUNGLASSES",
        )
    },
}
"""The facial attributes of DetectFaces and IndexFaces, and where each stands."""
