"""A service made of dictionaries, for the tests of the wire's format alone.

It decides nothing, detects nothing and keeps nothing: what is tested with it is how requests are
read and answers written. The wire in front of the real service is tested in test_boto3.py.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from prometheus_client import CollectorRegistry

from rightface.errors import CollectionExists, CollectionNotFound, FaceNotFound, ImageUnsupported
from rightface.law.licences import Licence
from rightface.service_types import (
    Answer,
    Caller,
    Candidate,
    CollectionInfo,
    CollectionPage,
    Comparison,
    DeletedFaces,
    DetectedFace,
    EnrolledFace,
    FacePage,
    FaceRecord,
    IndexedFaces,
    SearchResult,
    arn_suffix,
)

KEY = "RFAKWIRETESTS0000001"
SECRET = "wire-tests-only-wire-tests-only-wire-tes"
MODEL = "centerface-dlib-r29-1"
DAY = datetime(2026, 11, 22, 9, 30, 0, 123000, tzinfo=UTC)
FACE = DetectedFace(
    left=0.25,
    top=0.125,
    width=0.5,
    height=0.625,
    confidence=99.5,
    landmarks={
        "eyeLeft": (0.4, 0.4),
        "eyeRight": (0.6, 0.4),
        "nose": (0.5, 0.5),
        "mouthLeft": (0.42, 0.6),
        "mouthRight": (0.58, 0.6),
    },
    yaw=-12.5,
    pitch=181.0,
    roll=3.25,
    sharpness=88.0,
    brightness=61.0,
    reasons=("too-small",),
)


class WireService:
    """Answers in the right types; `raises` makes the next call raise instead."""

    def __init__(self, ledger_directory: Path) -> None:
        self.ledger_directory = ledger_directory
        self.metrics = CollectorRegistry()
        self.collections: dict[str, dict[str, FaceRecord]] = {}
        self.calls: list[tuple[str, Caller, dict[str, Any]]] = []
        self.raises: Exception | None = None
        self.parts = {"database": "ok", "ledger": "ok"}
        self.published = 0

    def authenticate(self, access_key_id: str) -> tuple[Licence, str] | None:
        return (cast(Licence, None), SECRET) if access_key_id == KEY else None

    def healthy(self) -> dict[str, str]:
        return self.parts

    def publish_ledger(self) -> None:
        self.published += 1

    def public_policy(self) -> str:
        return "# Retention policy\n"

    def create_collection(
        self, caller: Caller, name: str, tags: Mapping[str, str]
    ) -> Answer[CollectionInfo]:
        self._note("create_collection", caller, name=name, tags=tags)
        if name in self.collections:
            raise CollectionExists(f"The collection id: {name} already exists.")
        self.collections[name] = {}
        return _answer(self._info(name))

    def describe_collection(self, caller: Caller, name: str) -> Answer[CollectionInfo]:
        self._note("describe_collection", caller, name=name)
        self._faces(name)
        return _answer(self._info(name))

    def list_collections(
        self, caller: Caller, limit: int, after: str | None
    ) -> Answer[CollectionPage]:
        self._note("list_collections", caller, limit=limit, after=after)
        names, following = _page(sorted(self.collections), limit, after)
        return _answer(
            CollectionPage(collections=[self._info(name) for name in names], next=following)
        )

    def delete_collection(self, caller: Caller, name: str) -> Answer[None]:
        self._note("delete_collection", caller, name=name)
        self._faces(name)
        del self.collections[name]
        return _answer(None)

    def index_faces(
        self,
        caller: Caller,
        collection: str,
        *,
        image: bytes,
        subject: str | None,
        max_faces: int | None,
        quality_filter: str,
    ) -> Answer[IndexedFaces]:
        asked = {"subject": subject, "max_faces": max_faces, "quality_filter": quality_filter}
        self._note("index_faces", caller, collection=collection, image=image, **asked)
        faces = self._faces(collection)
        _require_image(image)
        record = FaceRecord(
            face_id=str(uuid.uuid4()),
            image_id=str(uuid.uuid4()),
            subject=subject,
            left=FACE.left,
            top=FACE.top,
            width=FACE.width,
            height=FACE.height,
            confidence=FACE.confidence,
            enrolled_at=DAY,
        )
        faces[record.face_id] = record
        return _answer(
            IndexedFaces(
                enrolled=[EnrolledFace(record=record, detected=FACE)],
                not_enrolled=[(FACE, ["too-small", "exceeds-max-faces", "no-such-word"])],
                model_version=MODEL,
            )
        )

    def list_faces(
        self,
        caller: Caller,
        collection: str,
        *,
        limit: int,
        after: str | None,
        face_ids: Sequence[str] | None,
    ) -> Answer[FacePage]:
        self._note("list_faces", caller, collection=collection, limit=limit, after=after)
        faces = self._faces(collection)
        wanted = sorted(faces if face_ids is None else set(face_ids) & set(faces))
        ids, following = _page(wanted, limit, after)
        return _answer(
            FacePage(faces=[faces[face_id] for face_id in ids], next=following, model_version=MODEL)
        )

    def delete_faces(
        self, caller: Caller, collection: str, face_ids: Sequence[str]
    ) -> Answer[DeletedFaces]:
        self._note("delete_faces", caller, collection=collection, face_ids=face_ids)
        faces = self._faces(collection)
        deleted = [face_id for face_id in face_ids if faces.pop(face_id, None)]
        missing = [face_id for face_id in face_ids if face_id not in deleted]
        return _answer(DeletedFaces(deleted=deleted, missing=missing))

    def search_faces(
        self, caller: Caller, collection: str, *, face_id: str, limit: int, similarity: float
    ) -> Answer[SearchResult]:
        asked = {"face_id": face_id, "limit": limit, "similarity": similarity}
        self._note("search_faces", caller, collection=collection, **asked)
        if face_id not in self._faces(collection):
            raise FaceNotFound("faceId was not found in the collection.")
        return self._found(collection, None)

    def search_faces_by_image(
        self,
        caller: Caller,
        collection: str,
        *,
        image: bytes,
        limit: int,
        similarity: float,
        quality_filter: str,
    ) -> Answer[SearchResult]:
        asked = {"limit": limit, "similarity": similarity, "quality_filter": quality_filter}
        self._note("search_faces_by_image", caller, collection=collection, image=image, **asked)
        _require_image(image)
        return self._found(collection, FACE)

    def detect_faces(self, caller: Caller, image: bytes) -> Answer[Sequence[DetectedFace]]:
        self._note("detect_faces", caller, image=image)
        _require_image(image)
        return _answer([FACE])

    def compare_faces(
        self,
        caller: Caller,
        *,
        source: bytes,
        target: bytes,
        similarity: float,
        quality_filter: str,
    ) -> Answer[Comparison]:
        asked = {"similarity": similarity, "quality_filter": quality_filter}
        self._note("compare_faces", caller, source=source, target=target, **asked)
        _require_image(source)
        return _answer(Comparison(source=FACE, matches=[(FACE, 97.5, 3.9e-7)], unmatched=[FACE]))

    def _note(self, name: str, caller: Caller, /, **members: Any) -> None:
        self.calls.append((name, caller, members))
        raised, self.raises = self.raises, None
        if raised is not None:
            raise raised

    def _faces(self, name: str) -> dict[str, FaceRecord]:
        if name not in self.collections:
            raise CollectionNotFound(f"The collection id: {name} does not exist.")
        return self.collections[name]

    def _info(self, name: str) -> CollectionInfo:
        return CollectionInfo(
            name=name,
            arn_suffix=arn_suffix("acme", name),
            face_count=len(self.collections[name]),
            model_version=MODEL,
            created_at=DAY,
        )

    def _found(self, collection: str, probe: DetectedFace | None) -> Answer[SearchResult]:
        candidates = [
            Candidate(record=record, similarity=99.0, fmr=1e-8, extrapolated=True)
            for record in self._faces(collection).values()
        ]
        return _answer(SearchResult(probe=probe, candidates=candidates, model_version=MODEL))


def _require_image(image: bytes) -> None:
    if not image.startswith(b"\xff\xd8"):
        raise ImageUnsupported("Not an image that is read here.")


def _answer(value: Any) -> Answer[Any]:
    return Answer(value=value, permit_id="f" * 32, ledger_index=41, fmr=1.6e-3)


def _page(names: Sequence[str], limit: int, after: str | None) -> tuple[list[str], str | None]:
    rest = [name for name in names if after is None or name > after]
    return rest[:limit], rest[limit - 1] if len(rest) > limit else None
