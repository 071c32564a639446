"""A gallery of small templates, on the fixtures of all rooms."""

from __future__ import annotations

import uuid
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from rightface.db import Database
from rightface.gallery.erasure import Erasure
from rightface.gallery.index import Vectors
from rightface.gallery.room import IndexRoom
from rightface.gallery.store import Collection, NewFace, Store
from rightface.gallery.vault import Vault
from rightface.keys import KeyRing
from rightface.permit import Permit, Touch, require
from tests.conftest import Permitted

DIMENSION = 8


class Lopsided:
    """A comparison whose two sides differ in kind and are longer than the template."""

    dimension = DIMENSION
    vector_dimension = 2 * DIMENSION + 1

    def reference_vectors(self, templates: NDArray[np.float32], *, permit: Permit) -> Vectors:
        require(permit, Touch.OPEN)
        return self.references(templates)

    def references(self, templates: NDArray[np.float32]) -> Vectors:
        ones = np.ones((len(templates), 1), np.float32)
        return np.hstack([3 * templates, templates**2, ones])

    def probes(self, templates: NDArray[np.float32]) -> Vectors:
        bias = np.full((len(templates), 1), -0.5, np.float32)
        return np.hstack([templates, np.full_like(templates, -0.25), bias])


def templates(count: int, seed: int = 0) -> NDArray[np.float32]:
    drawn = np.random.default_rng(seed).standard_normal((count, DIMENSION))
    unit: NDArray[np.float32] = (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype("f4")
    return unit


def new_face(
    subject: str | None, template: NDArray[np.float32], *, crop: bytes | None = None
) -> NewFace:
    return NewFace(
        image_id=str(uuid.uuid4()),
        subject=subject,
        template=template,
        crop=crop,
        left=0.1,
        top=0.2,
        width=0.3,
        height=0.4,
        confidence=99.5,
        quality={"sharpness": 80.0},
        basis="consent-warranted",
        purpose="access-control",
        ledger_index=7,
    )


@dataclass
class Gallery:
    database: Database
    keyring: KeyRing
    vault: Vault
    store: Store
    room: IndexRoom
    comparison: Lopsided
    permitted: Permitted
    recorded: list[Erasure]

    def collection(self, name: str = "staff", client: str = "acme") -> Collection:
        return self.database.write(
            lambda session: self.store.create_collection(
                session, client=client, name=name, pack_digest="0" * 64
            )
        )

    def enrol(self, collection: Collection, *faces: NewFace) -> list[str]:
        """As another process would: the rows are written, this process' index knows nothing."""
        with self.permitted("enroll") as permit:
            self.database.write(
                lambda session: self.store.insert_faces(session, collection, faces, permit=permit)
            )
        return [face.face_id for face in faces]

    def found(self, collection: Collection, template: NDArray[np.float32], k: int = 1) -> list[str]:
        probe = self.comparison.probes(template[None, :])
        with self.permitted("identify-1toN") as permit, self.database.read() as session:
            (hits,) = self.room.search(session, collection.id, probe, k, permit=permit)
        return [hit.id for hit in hits]

    def record(self, session: Session, erasure: Erasure) -> int:
        self.recorded.append(erasure)
        return 40 + len(self.recorded)


def other_room(gallery: Gallery, database: Database, asked: list[str] | None = None) -> IndexRoom:
    """The index room of another process (its own connections, its own memory)."""

    def rebuilding() -> AbstractContextManager[Permit]:
        if asked is not None:
            asked.append("rebuild-index")
        return gallery.permitted("rebuild-index")

    return IndexRoom(database, gallery.vault, gallery.comparison, rebuilding)


@pytest.fixture
def gallery(database: Database, keyring: KeyRing, permitted: Permitted) -> Gallery:
    vault = Vault(keyring)
    comparison = Lopsided()
    room = IndexRoom(database, vault, comparison, lambda: permitted("rebuild-index"))
    store = Store(keyring, vault)
    return Gallery(database, keyring, vault, store, room, comparison, permitted, [])
