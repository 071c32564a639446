"""The suite: what every client asks, in this order, and what it must be given or refused.

Each client plays it as a client of its own, with collections, faces and a bucket of its own
(`${bucket}`). Photographs and videos: see `test_conformance.py`.
"""

from __future__ import annotations

from typing import Any

from tests.conformance.steps import ABSENT, UUID, Step, between, matches, moment, present, same

NO_FACE = "5f1c6a6e-3f0e-4b0b-9f0e-0a4a9a4d2d11"
DOOR = {"CollectionId": "door"}
NOWHERE = {"CollectionId": "nowhere"}


def sent(name: str) -> dict[str, Any]:
    """A photograph inside the request."""
    return {"Bytes": {"$file": name}}


def stored(name: str, bucket: str = "${bucket}") -> dict[str, Any]:
    """A photograph or a video in the object store."""
    return {"S3Object": {"Bucket": bucket, "Name": name}}


COLLECTIONS = (
    Step(
        operation="CreateCollection",
        parameters={**DOOR, "Tags": {"team": "door"}},
        gives={
            "StatusCode": 200,
            "CollectionArn": matches(r"arn:aws:rekognition:us-east-1:\d{12}:collection/door"),
            "FaceModelVersion": present,
        },
        keep={"arn": "CollectionArn", "model": "FaceModelVersion"},
    ),
    Step(operation="CreateCollection", parameters={"CollectionId": "gate"}),
    Step(operation="CreateCollection", parameters={"CollectionId": "yard"}),
    Step(operation="CreateCollection", parameters=DOOR, raises="ResourceAlreadyExistsException"),
    Step(
        operation="CreateCollection",
        parameters={"CollectionId": "not a name"},
        raises="ValidationException",
    ),
    Step(
        operation="DescribeCollection",
        parameters=DOOR,
        gives={
            "FaceCount": 0,
            "UserCount": 0,
            "FaceModelVersion": "${model}",
            "CollectionARN": "${arn}",
            "CreationTimestamp": moment,
        },
    ),
    Step(operation="DescribeCollection", parameters=NOWHERE, raises="ResourceNotFoundException"),
    Step(
        operation="ListCollections",
        pages="CollectionIds",
        gives={"CollectionIds": ["door", "gate", "yard"]},
    ),
    Step(
        operation="ListCollections",
        parameters={"MaxResults": 1},
        gives={"CollectionIds": ["door"], "NextToken": present, "FaceModelVersions.#": 1},
        every=False,
    ),
    Step(
        operation="ListCollections",
        parameters={"NextToken": "nonsense"},
        raises="InvalidPaginationTokenException",
    ),
)

SIGHT = (
    Step(
        operation="DetectFaces",
        parameters={"Image": sent("grace.jpg")},
        gives={
            "FaceDetails.#": 1,
            "FaceDetails.0.BoundingBox.Width": between(0.1, 1.0),
            "FaceDetails.0.Confidence": between(50, 100),
            "FaceDetails.0.Landmarks.#": 5,
            "FaceDetails.0.Pose.Yaw": between(-45, 45),
            "FaceDetails.0.Quality.Sharpness": between(0, 100),
            "FaceDetails.0.AgeRange": ABSENT,
            "FaceDetails.0.Emotions": ABSENT,
            "OrientationCorrection": ABSENT,
        },
        keep={"width": "FaceDetails.0.BoundingBox.Width"},
    ),
    Step(
        operation="DetectFaces",
        parameters={"Image": stored("people/grace.jpg"), "Attributes": ["DEFAULT"]},
        gives={"FaceDetails.#": 1, "FaceDetails.0.BoundingBox.Width": "${width}"},
    ),
    Step(
        operation="DetectFaces",
        parameters={"Image": sent("nobody.jpg")},
        gives={"FaceDetails": []},
        every=False,
    ),
    Step(
        operation="DetectFaces",
        parameters={"Image": stored("people/nowhere.jpg")},
        raises="InvalidS3ObjectException",
    ),
    Step(
        operation="DetectFaces",
        parameters={"Image": stored("people/grace.jpg", "somebody-elses")},
        raises="InvalidS3ObjectException",
    ),
    Step(
        operation="DetectFaces",
        parameters={"Image": stored("large.jpg")},
        raises="ImageTooLargeException",
    ),
    Step(
        operation="DetectFaces",
        parameters={"Image": sent("large.jpg")},
        raises="ImageTooLargeException",
        every=False,
    ),
    Step(
        operation="DetectFaces",
        parameters={"Image": sent("broken.jpg")},
        raises="InvalidImageFormatException",
    ),
    Step(
        operation="DetectFaces",
        parameters={"Image": sent("grace.jpg"), "Attributes": ["ALL"]},
        raises="AccessDeniedException",
    ),
    Step(
        operation="CompareFaces",
        parameters={"SourceImage": sent("grace.jpg"), "TargetImage": stored("people/two.jpg")},
        gives={
            "SourceImageFace.Confidence": between(50, 100),
            "FaceMatches.#": 1,
            "FaceMatches.0.Similarity": between(80, 100),
            "FaceMatches.0.Face.Landmarks.#": 5,
            "UnmatchedFaces.#": 1,
            "SourceImageOrientationCorrection": ABSENT,
        },
    ),
    Step(
        operation="CompareFaces",
        parameters={"SourceImage": sent("nobody.jpg"), "TargetImage": sent("grace.jpg")},
        raises="InvalidParameterException",
        every=False,
    ),
)

FACES = (
    Step(
        operation="IndexFaces",
        parameters={**DOOR, "Image": stored("people/grace.jpg"), "ExternalImageId": "grace"},
        gives={
            "FaceRecords.#": 1,
            "FaceRecords.0.Face.FaceId": UUID,
            "FaceRecords.0.Face.ImageId": UUID,
            "FaceRecords.0.Face.ExternalImageId": "grace",
            "FaceRecords.0.Face.UserId": ABSENT,
            "FaceRecords.0.FaceDetail.Landmarks.#": 5,
            "UnindexedFaces": [],
            "FaceModelVersion": "${model}",
            "OrientationCorrection": ABSENT,
        },
        keep={"grace": "FaceRecords.0.Face.FaceId"},
    ),
    Step(
        operation="IndexFaces",
        parameters={
            **DOOR,
            "Image": sent("couple.jpg"),
            "ExternalImageId": "eileen",
            "MaxFaces": 1,
            "DetectionAttributes": ["DEFAULT"],
        },
        gives={
            "FaceRecords.#": 1,
            "UnindexedFaces.#": 1,
            "UnindexedFaces.0.Reasons": ["EXCEEDS_MAX_FACES"],
            "UnindexedFaces.0.FaceDetail.Confidence": present,
        },
        keep={"eileen": "FaceRecords.0.Face.FaceId"},
    ),
    Step(
        operation="IndexFaces",
        parameters={**DOOR, "Image": sent("again.jpg"), "ExternalImageId": "grace"},
        gives={"FaceRecords.#": 1},
        keep={"again": "FaceRecords.0.Face.FaceId"},
    ),
    Step(
        operation="IndexFaces",
        parameters={
            **DOOR,
            "Image": sent("tiny.jpg"),
            "ExternalImageId": "grace",
            "QualityFilter": "HIGH",
        },
        gives={
            "FaceRecords": [],
            "UnindexedFaces.#": 1,
            "UnindexedFaces.0.Reasons": lambda reasons: "SMALL_BOUNDING_BOX" in reasons,
        },
        every=False,
    ),
    Step(
        operation="IndexFaces",
        parameters={**DOOR, "Image": sent("grace.jpg"), "ExternalImageId": "stranger"},
        raises="AccessDeniedException",  # no consent is on record
    ),
    Step(
        operation="IndexFaces",
        parameters={**DOOR, "Image": sent("grace.jpg"), "ExternalImageId": "who are you"},
        raises="ValidationException",
        every=False,
    ),
    Step(
        operation="ListFaces",
        parameters=DOOR,
        pages="Faces",
        gives={"Faces.#": 3, "Faces.0.FaceId": UUID, "Faces.0.BoundingBox.Left": present},
    ),
    Step(
        operation="ListFaces",
        parameters={**DOOR, "FaceIds": ["${eileen}", NO_FACE]},
        gives={"Faces.#": 1, "Faces.0.FaceId": "${eileen}", "FaceModelVersion": "${model}"},
        every=False,
    ),
    Step(
        operation="SearchFaces",
        parameters={**DOOR, "FaceId": "${again}", "FaceMatchThreshold": 80, "MaxFaces": 5},
        gives={
            "SearchedFaceId": "${again}",
            "FaceMatches.#": 1,
            "FaceMatches.0.Face.FaceId": "${grace}",
            "FaceMatches.0.Similarity": between(80, 100),
            "FaceModelVersion": "${model}",
        },
    ),
    Step(
        operation="SearchFaces",
        parameters={**DOOR, "FaceId": NO_FACE},
        raises="InvalidParameterException",
        every=False,
    ),
    Step(
        operation="SearchFacesByImage",
        parameters={**DOOR, "Image": sent("grace.jpg"), "QualityFilter": "LOW"},
        gives={
            "FaceMatches.#": 2,
            "FaceMatches.0.Face.FaceId": "${grace}",
            "FaceMatches.0.Face.ExternalImageId": "grace",
            "SearchedFaceBoundingBox.Height": between(0.1, 1.0),
            "SearchedFaceConfidence": between(50, 100),
        },
    ),
    Step(
        operation="SearchFacesByImage",
        parameters={**DOOR, "Image": stored("people/grace.jpg"), "MaxFaces": 1},
        gives={"FaceMatches.#": 1, "FaceMatches.0.Face.FaceId": "${grace}"},
        every=False,
    ),
    Step(
        operation="SearchFacesByImage",
        parameters={**DOOR, "Image": sent("nobody.jpg")},
        raises="InvalidParameterException",
        every=False,
    ),
    Step(
        operation="SearchFacesByImage",
        parameters={**NOWHERE, "Image": sent("grace.jpg")},
        raises="ResourceNotFoundException",
        every=False,
    ),
)

GRACE = {**DOOR, "UserId": "user:grace"}
USERS = (
    Step(operation="CreateUser", parameters={**GRACE, "ClientRequestToken": "first"}),
    Step(operation="CreateUser", parameters={**GRACE, "ClientRequestToken": "first"}, every=False),
    Step(
        operation="CreateUser",
        parameters={**DOOR, "UserId": "user:eileen", "ClientRequestToken": "first"},
        raises="IdempotentParameterMismatchException",
        every=False,
    ),
    Step(operation="CreateUser", parameters=GRACE, raises="ConflictException"),
    Step(operation="CreateUser", parameters={**DOOR, "UserId": "user:a"}, every=False),
    Step(operation="CreateUser", parameters={**DOOR, "UserId": "user:b"}, every=False),
    Step(
        operation="ListUsers",
        parameters=DOOR,
        pages="Users",
        gives={"Users": lambda users: "user:grace" in [each["UserId"] for each in users]},
    ),
    Step(
        operation="ListUsers",
        parameters={**DOOR, "NextToken": "nonsense"},
        raises="InvalidPaginationTokenException",
        every=False,
    ),
    Step(
        operation="AssociateFaces",
        parameters={**GRACE, "FaceIds": ["${grace}", "${again}"]},
        gives={
            "AssociatedFaces": lambda faces: len(faces) == 2,
            "UnsuccessfulFaceAssociations": [],
            "UserStatus": present,
        },
    ),
    Step(
        operation="AssociateFaces",
        parameters={**GRACE, "FaceIds": [NO_FACE]},
        gives={
            "AssociatedFaces": [],
            "UnsuccessfulFaceAssociations.0.FaceId": NO_FACE,
            "UnsuccessfulFaceAssociations.0.Reasons": ["FACE_NOT_FOUND"],
        },
        every=False,
    ),
    Step(
        operation="ListFaces",
        parameters=GRACE,
        gives={"Faces.#": 2, "Faces.0.UserId": "user:grace"},
        every=False,
    ),
    Step(
        operation="SearchUsers",
        parameters={**DOOR, "FaceId": "${grace}"},
        gives={
            "SearchedFace.FaceId": "${grace}",
            "UserMatches.0.User.UserId": "user:grace",
            "UserMatches.0.Similarity": between(80, 100),
            "FaceModelVersion": "${model}",
        },
    ),
    Step(
        operation="SearchUsers",
        parameters=GRACE,
        gives={"SearchedUser.UserId": "user:grace", "UserMatches": []},
        every=False,
    ),
    Step(
        operation="SearchUsersByImage",
        parameters={**DOOR, "Image": sent("again.jpg")},
        gives={
            "UserMatches.0.User.UserId": "user:grace",
            "SearchedFace.FaceDetail.Confidence": present,
            "UnsearchedFaces": [],
        },
    ),
    Step(
        operation="SearchUsersByImage",
        parameters={**DOOR, "Image": stored("people/two.jpg")},
        gives={"UnsearchedFaces.#": 1, "UnsearchedFaces.0.Reasons": present},
        every=False,
    ),
    Step(
        operation="DeleteFaces",
        parameters={**DOOR, "FaceIds": ["${grace}"]},
        gives={
            "DeletedFaces": [],
            "UnsuccessfulFaceDeletions.0.Reasons": ["ASSOCIATED_TO_AN_EXISTING_USER"],
            "UnsuccessfulFaceDeletions.0.UserId": "user:grace",
        },
        every=False,
    ),
    Step(
        operation="DisassociateFaces",
        parameters={**GRACE, "FaceIds": ["${again}"]},
        gives={"DisassociatedFaces.0.FaceId": "${again}", "UserStatus": present},
    ),
    Step(operation="DeleteUser", parameters=GRACE),
    Step(operation="DeleteUser", parameters=GRACE, raises="ResourceNotFoundException"),
)

TAGS = (
    Step(
        operation="TagResource",
        parameters={"ResourceArn": "${arn}", "Tags": {"floor": "2", "team": "lift"}},
    ),
    Step(
        operation="ListTagsForResource",
        parameters={"ResourceArn": "${arn}"},
        gives={"Tags": {"floor": "2", "team": "lift"}},
    ),
    Step(operation="UntagResource", parameters={"ResourceArn": "${arn}", "TagKeys": ["floor"]}),
    Step(
        operation="ListTagsForResource",
        parameters={"ResourceArn": "${arn}"},
        gives={"Tags": {"team": "lift"}},
        every=False,
    ),
    Step(
        operation="TagResource",
        parameters={
            "ResourceArn": "arn:aws:rekognition:us-east-1:000000000000:collection/door",
            "Tags": {"a": "b"},
        },
        raises="ResourceNotFoundException",
    ),
)

VIDEO = (
    Step(
        operation="StartFaceDetection",
        parameters={"Video": stored("clip.mp4"), "JobTag": "door"},
        gives={"JobId": present},
        keep={"detection": "JobId"},
    ),
    Step(
        operation="StartFaceDetection",
        parameters={"Video": stored("nowhere.mp4")},
        raises="InvalidS3ObjectException",
    ),
    Step(
        operation="GetFaceDetection",
        parameters={"JobId": "${detection}"},
        until={"JobStatus": "SUCCEEDED"},
        gives={
            "JobStatus": "SUCCEEDED",
            "JobId": "${detection}",
            "JobTag": "door",
            "VideoMetadata.FrameHeight": 360,
            "Faces.0.Timestamp": between(0, 2000),
            "Faces.0.Face.Confidence": between(50, 100),
        },
    ),
    Step(
        operation="GetFaceDetection",
        parameters={"JobId": "${detection}"},
        pages="Faces",
        gives={"Faces": lambda faces: len(faces) > 2},
        every=False,
    ),
    Step(
        operation="GetFaceDetection",
        parameters={"JobId": NO_FACE},
        raises="ResourceNotFoundException",
    ),
    Step(
        operation="StartFaceSearch",
        parameters={**DOOR, "Video": stored("clip.mp4"), "ClientRequestToken": "once"},
        gives={"JobId": present},
        keep={"search": "JobId"},
    ),
    Step(
        operation="StartFaceSearch",
        parameters={**DOOR, "Video": stored("clip.mp4"), "ClientRequestToken": "once"},
        gives={"JobId": "${search}"},
        every=False,
    ),
    Step(
        operation="StartFaceSearch",
        parameters={**NOWHERE, "Video": stored("clip.mp4")},
        raises="ResourceNotFoundException",
        every=False,
    ),
    Step(
        operation="GetFaceSearch",
        parameters={"JobId": "${search}"},
        until={"JobStatus": "SUCCEEDED"},
        gives={
            "JobStatus": "SUCCEEDED",
            "Persons.0.Person.Face.Confidence": between(50, 100),
            "Persons": lambda persons: any(
                match["Face"]["ExternalImageId"] == "grace"
                for person in persons
                for match in person.get("FaceMatches", [])
            ),
        },
    ),
)

STRANGERS = (
    Step(
        operation="ListCollections",
        credentials={"key": "RFAKNOSUCHKEY0000001", "secret": "z" * 40},
        raises="UnrecognizedClientException",
    ),
    Step(
        operation="ListCollections",
        credentials={"secret": "z" * 40},
        raises="InvalidSignatureException",
    ),
    Step(
        operation="RecognizeCelebrities",
        parameters={"Image": sent("grace.jpg")},
        raises="AccessDeniedException",
    ),
    Step(
        operation="CreateFaceLivenessSession",
        raises="UnsupportedOperationException",
    ),
)

END = (
    Step(
        operation="DeleteFaces",
        parameters={**DOOR, "FaceIds": ["${eileen}", NO_FACE]},
        gives={
            "DeletedFaces": ["${eileen}"],
            "UnsuccessfulFaceDeletions.0.FaceId": NO_FACE,
            "UnsuccessfulFaceDeletions.0.Reasons": ["FACE_NOT_FOUND"],
        },
    ),
    Step(
        operation="DescribeCollection",
        parameters=DOOR,
        gives={"FaceCount": 2},
        every=False,
    ),
    Step(operation="DeleteCollection", parameters=DOOR, gives={"StatusCode": 200}),
    Step(operation="DeleteCollection", parameters=DOOR, raises="ResourceNotFoundException"),
    Step(operation="DeleteCollection", parameters={"CollectionId": "gate"}, every=False),
    Step(operation="DeleteCollection", parameters={"CollectionId": "yard"}, every=False),
    Step(operation="ListCollections", gives={"CollectionIds": same()}, every=False),
)

SUITE: tuple[Step, ...] = (
    *COLLECTIONS,
    *SIGHT,
    *FACES,
    *USERS,
    *TAGS,
    *VIDEO,
    *STRANGERS,
    *END,
)
