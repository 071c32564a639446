"""What every vector index must do, and the values it answers with.

An index maps face ids to reference vectors and finds those with the greatest inner product with a
probe vector. It is a projection of the SQL rows: it can be thrown away and filled again. Both sides
come from the model pack and may differ in kind (neither unit length nor symmetric), of any one
dimension. Must never know: SQL, subjects, HTTP.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rightface.permit import Permit

Vectors = NDArray[np.float32]  # shape (n, dimension)
MOST = 4096  # candidates of one search; Rekognition's own limit


@dataclass(frozen=True, slots=True)
class Hit:
    """One candidate: a face id and the inner product of its reference with the probe."""

    id: str
    score: float


@dataclass(frozen=True, slots=True)
class GroupHit:
    """One group's best face: the group, the face, the inner product of its reference."""

    group: str
    id: str
    score: float


class Index(Protocol):
    """A set of reference vectors that can be searched. Safe to use from several threads."""

    @property
    def dimension(self) -> int:
        """The length of the vectors."""

    def __len__(self) -> int: ...

    def __contains__(self, face_id: object) -> bool: ...

    def add(self, ids: Sequence[str], vectors: Vectors, *, permit: Permit) -> None:
        """Add faces; an id that is there already gets the new vector. Needs INDEX.

        Raises:
            GalleryError: the ids are not UUIDs or repeat; the vectors have another shape, NaN or
                infinity. Nothing was added.
        """

    def remove(self, ids: Iterable[str]) -> int:
        """Forget faces at once, content included; ids that are not there are passed over.

        Needs no permit: forgetting is always allowed.

        Returns:
            How many were there.
        """

    def keep(self, ids: Iterable[str]) -> int:
        """Forget every face but these.

        Returns:
            How many were forgotten.

        Raises:
            GalleryError: an id is no UUID; nothing was changed.
        """

    def assign(self, groups: Mapping[str, str | None]) -> None:
        """Put faces (by id) into a group each (None: into none). Ids not held are passed over.

        A face is of one group at most; a face that is added is of none until it is assigned.
        Needs no permit: it touches no vector.

        Raises:
            GalleryError: an id, of a face or of a group, is no UUID. Nothing was changed.
        """

    def search_grouped(
        self, probes: Vectors, k: int, *, without: Collection[str] = (), permit: Permit
    ) -> list[list[GroupHit]]:
        """For each probe the `k` (1 to 4,096) best groups, each by its best face. Needs SEARCH.

        Exact: what a plain search of all faces, reduced to each group's best, would give. Faces of
        no group and the faces of `without` count as absent. Best first, equal scores by group.

        Raises:
            GalleryError: as `search`.
        """

    def search(self, probes: Vectors, k: int, *, permit: Permit) -> list[list[Hit]]:
        """For each probe the `k` (1 to 4,096) best faces, best first, equal scores by id. SEARCH.

        Raises:
            GalleryError: `k` out of range, another shape, NaN or infinity.
        """

    def rebuild(self, *, permit: Permit) -> None:
        """Learn the codes anew from what is held (nothing is lost or re-read). Needs INDEX."""
