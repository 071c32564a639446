"""The service's values in Amazon's shapes, each held against the model, at the edges too."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from botocore.model import StructureShape

from rightface.api.rekognition import model, shapes, told
from rightface.api.rekognition.constraints import conform
from rightface.faces.quality import REASONS
from rightface.law.ruling import Obligation
from rightface.service_types import (
    Answer,
    Candidate,
    CollectionInfo,
    Comparison,
    DeletedFaces,
    DetectedFace,
    EnrolledFace,
    FacePage,
    FaceRecord,
    IndexedFaces,
    Match,
    SearchResult,
    arn_suffix,
)

IDS = ["5f1c6a6e-3f0e-4b0b-9f0e-0a4a9a4d2d11", "5f1c6a6e-3f0e-4b0b-9f0e-0a4a9a4d2d12"]
DAY = datetime(2026, 11, 22, 9, 30, 0, 123456, tzinfo=UTC)
SEEN = DetectedFace(
    left=-0.02,
    top=0.125,
    width=1.04,
    height=0.625,
    confidence=100.00001,
    landmarks={"eyeLeft": (0.4, 0.4), "nose": (0.5, 0.5), "mouthRight": (0.6, 1.01)},
    yaw=-12.5,
    pitch=181.0,
    roll=-180.5,
    sharpness=88.0,
    brightness=61.0,
)
RECORD = FaceRecord(
    face_id=IDS[0],
    image_id=IDS[1],
    subject="alice:1",
    left=0.25,
    top=0.125,
    width=0.5,
    height=0.625,
    confidence=99.5,
    enrolled_at=DAY,
)


def hold(operation: str, body: shapes.Shape) -> shapes.Shape:
    shape = model.operation(operation).output_shape
    assert isinstance(shape, StructureShape)
    conform(shape, body)
    return body


def test_a_face_at_the_edges() -> None:
    detail = hold("DetectFaces", {"FaceDetails": [shapes.face_detail(SEEN)]})["FaceDetails"][0]
    assert detail["Confidence"] == 100.0
    assert detail["Pose"] == {"Yaw": -12.5, "Pitch": 180.0, "Roll": -180.0}
    assert detail["BoundingBox"] == {"Left": -0.02, "Top": 0.125, "Width": 1.04, "Height": 0.625}
    assert set(detail) == {"BoundingBox", "Confidence", "Landmarks", "Pose", "Quality"}


def test_every_word_of_quality_has_one_of_amazons() -> None:
    words = [reason.name for reason in REASONS] + ["exceeds-max-faces", "unheard-of"]
    value = IndexedFaces(
        enrolled=[EnrolledFace(record=RECORD, detected=SEEN)],
        not_enrolled=[(SEEN, [word]) for word in words],
        model_version="m-1",
    )
    body = hold("IndexFaces", shapes.indexed(value))
    reasons = dict(zip(words, [each["Reasons"] for each in body["UnindexedFaces"]], strict=True))
    assert reasons["too-dark"] == ["LOW_BRIGHTNESS"]
    assert reasons["too-blurry"] == ["LOW_SHARPNESS"]
    assert reasons["too-small"] == ["SMALL_BOUNDING_BOX"]
    assert reasons["extreme-pose"] == ["EXTREME_POSE"]
    assert reasons["exceeds-max-faces"] == ["EXCEEDS_MAX_FACES"]
    assert reasons["unheard-of"] == ["LOW_FACE_QUALITY"]


def test_a_face_on_record() -> None:
    page = FacePage(faces=[RECORD], next="token", model_version="m-1")
    body = hold("ListFaces", shapes.page(page))
    assert body["NextToken"] == "token"
    (told_face,) = body["Faces"]
    assert told_face["ExternalImageId"] == "alice:1"
    assert "IndexFacesModelVersion" not in told_face
    assert "NextToken" not in shapes.page(FacePage(faces=[], next=None, model_version="m-1"))


def test_a_search_by_face_and_by_image() -> None:
    candidate = Candidate(record=RECORD, similarity=100.2, fmr=1e-8, extrapolated=True)
    value = SearchResult(probe=SEEN, candidates=[candidate], model_version="m-1")
    by_face = hold("SearchFaces", shapes.found(value, IDS[1]))
    assert by_face["SearchedFaceId"] == IDS[1]
    assert "SearchedFaceBoundingBox" not in by_face
    by_image = hold("SearchFacesByImage", shapes.found(value, None))
    assert "SearchedFaceId" not in by_image
    assert by_image["SearchedFaceConfidence"] == 100.0
    assert by_image["FaceMatches"][0]["Similarity"] == 100.0


def test_a_comparison_and_a_deletion() -> None:
    value = Comparison(
        source=SEEN,
        matches=[Match(face=SEEN, similarity=97.5, fmr=3.9e-7, extrapolated=True)],
        unmatched=[SEEN],
        best=None,
    )
    body = hold("CompareFaces", shapes.compared(value))
    assert body["FaceMatches"][0]["Similarity"] == 97.5
    gone = hold("DeleteFaces", shapes.deleted(DeletedFaces(deleted=[IDS[0]], missing=[IDS[1]])))
    assert gone["UnsuccessfulFaceDeletions"] == [{"FaceId": IDS[1], "Reasons": ["FACE_NOT_FOUND"]}]


def test_timestamps_are_seconds_since_1970() -> None:
    elsewhere = DAY.astimezone(timezone(timedelta(hours=9)))
    assert shapes.epoch(DAY) == shapes.epoch(elsewhere) == 1795339800.123


def test_arns_are_stable_and_a_clients_own() -> None:
    def arn(client: str) -> str:
        info = CollectionInfo(
            name="staff",
            arn_suffix=arn_suffix(client, "staff"),
            face_count=0,
            user_count=0,
            model_version="m-1",
            created_at=DAY,
        )
        return shapes.arn("eu-west-1", info)

    assert arn("acme") == arn("acme") != arn("acme2")
    start, _, rest = arn("acme").partition("eu-west-1:")
    assert start == "arn:aws:rekognition:"
    assert len(rest.partition(":")[0]) == 12


def test_headers_of_an_answer() -> None:
    duties = (Obligation("max-candidates", 50, "x"), Obligation("retention-days", 30, "y"))
    answer = Answer(value=None, permit_id="p", ledger_index=7, fmr=1.6e-3, obligations=duties)
    assert told.of_answer(answer) == {
        "x-rightface-permit": "p",
        "x-rightface-ledger-index": "7",
        "x-rightface-reasons": "none",
        "x-rightface-fmr": "1.60e-03",
        "x-rightface-obligations": "max-candidates=50,retention-days=30",
    }


@pytest.mark.parametrize("count", [0, 1, 25])
def test_rates_of_matches(count: int) -> None:
    candidates = [
        Candidate(record=RECORD, similarity=99.0, fmr=1e-8, extrapolated=n % 2 == 0)
        for n in range(count)
    ]
    header = told.of_matches(candidates)["x-rightface-match-fmr"]
    expected = ["1.00e-08*", "1.00e-08"] * 10
    assert header.split(",") == (expected[:count] or ["none"])
