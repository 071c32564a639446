"""What the wires need of the service, as a type: nothing else of it is used here.

`rightface.service.Service` is the one that ships. Every operation is synchronous, may be called
from many threads, and gives an `Answer` or raises one of `rightface.errors`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from rightface.service_types import (
    Answer,
    Association,
    Caller,
    CollectionInfo,
    CollectionPage,
    Comparison,
    DeletedFaces,
    DetectedFace,
    FacePage,
    IndexedFaces,
    OpenedReview,
    OpenSeat,
    Picture,
    ReviewFigure,
    ReviewOutcome,
    SampleResult,
    SearchResult,
    StoredObject,
    UserPage,
    UserSearch,
    VideoFaces,
    VideoPersons,
)

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from rightface.instance import Instance
    from rightface.law.licences import Licence
    from rightface.telemetry import Traces


class FaceService(Protocol):
    """The service's methods that the wires call; see docs/architecture.md for what each does."""

    @property
    def instance(self) -> Instance:
        """The open instance, for the operator's desks."""

    @property
    def ledger_directory(self) -> Path:
        """Where the ledger's public files lie."""

    @property
    def metrics(self) -> CollectorRegistry:
        """The service's own Prometheus figures."""

    @property
    def traces(self) -> Traces:
        """Where traces go; `telemetry.OFF` unless a setting says so."""

    def authenticate(self, access_key_id: str) -> tuple[Licence, str] | None:
        """The licence of an access key and its secret; None: no such key."""

    def decided_since(self, licence_id: str, since: datetime) -> int:
        """How many requests of a licence the gate has decided since a moment."""

    def healthy(self) -> dict[str, str]:
        """Each part that must work, with `ok` or what is wrong with it."""

    def publish_ledger(self) -> object:
        """Bring the public files up to date with what is recorded."""

    def public_policy(self) -> str:
        """The public retention policy, Markdown."""

    def create_collection(
        self, caller: Caller, name: str, tags: Mapping[str, str]
    ) -> Answer[CollectionInfo]:
        """Create one; `CollectionExists` if the caller has it already."""

    def describe_collection(self, caller: Caller, name: str) -> Answer[CollectionInfo]:
        """What is known of one."""

    def list_collections(
        self, caller: Caller, limit: int, after: str | None
    ) -> Answer[CollectionPage]:
        """The caller's own, by name, from behind `after`."""

    def delete_collection(self, caller: Caller, name: str) -> Answer[object]:
        """Erase one with all its faces."""

    def index_faces(
        self,
        caller: Caller,
        collection: str,
        *,
        image: Picture,
        subject: str | None,
        max_faces: int | None,
        quality_filter: str,
    ) -> Answer[IndexedFaces]:
        """Enrol the faces of an image."""

    def list_faces(
        self,
        caller: Caller,
        collection: str,
        *,
        limit: int,
        after: str | None,
        face_ids: Sequence[str] | None,
        user_id: str | None = None,
    ) -> Answer[FacePage]:
        """One page of what is recorded of each face; of one user's, if `user_id` is given."""

    def delete_faces(
        self, caller: Caller, collection: str, face_ids: Sequence[str]
    ) -> Answer[DeletedFaces]:
        """Erase faces."""

    def search_faces(
        self, caller: Caller, collection: str, *, face_id: str, limit: int, similarity: float
    ) -> Answer[SearchResult]:
        """Search by an enrolled face."""

    def search_faces_by_image(
        self,
        caller: Caller,
        collection: str,
        *,
        image: Picture,
        limit: int,
        similarity: float,
        quality_filter: str,
    ) -> Answer[SearchResult]:
        """Search by the largest face of an image."""

    def detect_faces(self, caller: Caller, image: Picture) -> Answer[Sequence[DetectedFace]]:
        """Find faces, largest first."""

    def compare_faces(
        self,
        caller: Caller,
        *,
        source: Picture,
        target: Picture,
        similarity: float,
        quality_filter: str,
    ) -> Answer[Comparison]:
        """Compare the largest face of one image with each face of another."""

    def compare_samples(
        self,
        caller: Caller,
        images: Sequence[bytes],
        pairs: Sequence[tuple[int, int]] | None = None,
    ) -> Answer[SampleResult]:
        """Compare a tester's own photographs; nothing is kept."""

    # ------------------------------------------------------------ users and tags
    def create_user(
        self, caller: Caller, collection: str, user_id: str, *, token: str | None = None
    ) -> Answer[None]:
        """Make a user without faces."""

    def delete_user(
        self, caller: Caller, collection: str, user_id: str, *, token: str | None = None
    ) -> Answer[None]:
        """Let go of a user's faces, then delete it."""

    def list_users(
        self, caller: Caller, collection: str, *, limit: int, after: str | None
    ) -> Answer[UserPage]:
        """One page of a collection's users."""

    def associate_faces(
        self,
        caller: Caller,
        collection: str,
        user_id: str,
        face_ids: Sequence[str],
        *,
        similarity: float,
        token: str | None = None,
    ) -> Answer[Association]:
        """Put faces of one person into a user."""

    def disassociate_faces(
        self,
        caller: Caller,
        collection: str,
        user_id: str,
        face_ids: Sequence[str],
        *,
        token: str | None = None,
    ) -> Answer[Association]:
        """Take faces out of a user."""

    def search_users(
        self,
        caller: Caller,
        collection: str,
        *,
        face_id: str | None = None,
        user_id: str | None = None,
        limit: int,
        similarity: float,
    ) -> Answer[UserSearch]:
        """Search for users by an enrolled face or by a user."""

    def search_users_by_image(
        self,
        caller: Caller,
        collection: str,
        *,
        image: Picture,
        limit: int,
        similarity: float,
        quality_filter: str,
    ) -> Answer[UserSearch]:
        """Search for users by the largest face of an image."""

    def tag_collection(self, caller: Caller, name: str, tags: Mapping[str, str]) -> Answer[None]:
        """Add tags."""

    def untag_collection(self, caller: Caller, name: str, keys: Sequence[str]) -> Answer[None]:
        """Take tags away."""

    def list_tags(self, caller: Caller, name: str) -> Answer[dict[str, str]]:
        """A collection's tags."""

    # ------------------------------------------------------------ stored video
    def start_face_detection(
        self, caller: Caller, *, video: StoredObject, token: str | None, tag: str | None
    ) -> Answer[str]:
        """Start a job that finds faces; its id."""

    def start_face_search(
        self,
        caller: Caller,
        collection: str,
        *,
        video: StoredObject,
        similarity: float,
        token: str | None,
        tag: str | None,
    ) -> Answer[str]:
        """Start a job that searches for those who appear; its id."""

    def get_face_detection(
        self, caller: Caller, job_id: str, *, limit: int, after: str | None
    ) -> Answer[VideoFaces]:
        """One page of the faces that a job found."""

    def get_face_search(
        self, caller: Caller, job_id: str, *, limit: int, after: str | None, by_index: bool
    ) -> Answer[VideoPersons]:
        """One page of the people for whom a job has leads that may be told now."""

    # ------------------------------------------------------------ human review
    def list_reviews(self, token: str) -> Sequence[OpenSeat]:
        """The open reviews that wait for this reviewer."""

    def open_review(self, token: str, review_id: str) -> OpenedReview:
        """Take a seat and look."""

    def decide_review(self, token: str, review_id: str, decisions: Mapping[int, str]) -> int:
        """Decide on candidates, once each; how many are left."""

    def review_outcome(self, caller: Caller, review_id: str) -> Answer[ReviewOutcome]:
        """What became of a review of the caller's own; the gate is asked anew."""

    def review_figures(self) -> Sequence[ReviewFigure]:
        """How reviewed candidates came out, without persons."""
