"""The vault: what is kept of a person is sealed under a key of their own.

Each subject has an AES-256-GCM key, wrapped by the instance's sub-key "vault". It seals the
subject's reference, every template and every crop of theirs; each seal is bound to its place
(subject, face, collection), so that rows cannot be swapped. Destroy the key and all of it is noise.
Must never know: policy text, HTTP, pixels' meaning. Never logs or raises a reference.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal, overload

import numpy as np
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from numpy.typing import NDArray
from sqlalchemy import Select, insert, select
from sqlalchemy.orm import Session

from rightface.errors import GalleryError, KeysError
from rightface.gallery.rows import FaceRow, SubjectRow
from rightface.keys import KeyRing, seal, unseal
from rightface.permit import Permit, Touch, require

Template = NDArray[np.float32]  # shape (dimension,), as the model pack made it
_KEY = 32  # bytes
_NONCE = 12
_BLOCK = 64  # references are padded to whole blocks, so that their length tells little


@dataclass(frozen=True)
class SubjectKey:
    """A subject's row id and unwrapped key. Keep it for one call; never store or print it."""

    subject_id: str
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class SealedTemplate:
    """A template as the database holds it, with what is needed to open it."""

    face_id: str
    collection_id: str
    subject_id: str
    wrapped_key: bytes = field(repr=False)
    template: bytes = field(repr=False)


class Vault:
    """Seals and opens what belongs to subjects. Thread-safe; holds no subject's key."""

    def __init__(self, keyring: KeyRing) -> None:
        self._keyring = keyring

    # ------------------------------------------------------------ subjects and their keys
    @overload
    def subject_for(
        self, session: Session, reference: str | None, *, create: Literal[True]
    ) -> SubjectKey: ...
    @overload
    def subject_for(
        self, session: Session, reference: str | None, *, create: bool = False
    ) -> SubjectKey | None: ...
    def subject_for(
        self, session: Session, reference: str | None, *, create: bool = False
    ) -> SubjectKey | None:
        """The key of the subject known by `reference`; made if missing and `create` says so.

        With `reference` None a nameless subject is made each time (or None returned).

        Raises:
            KeysError: the row's key does not open (changed bytes, or another master key).
        """
        if reference is not None:
            found = session.execute(
                select(SubjectRow.id, SubjectRow.wrapped_key).where(
                    SubjectRow.commitment == self.row_commitment(reference)
                )
            ).one_or_none()
            if found is not None:
                return self._unwrapped(found.id, found.wrapped_key)
        return self._new_subject(session, reference) if create else None

    def row_commitment(self, reference: str) -> str:
        """What `subjects.commitment` and the consent rows hold for `reference` (hex HMAC)."""
        return self._keyring.commitment("subject", reference)

    def commitment(self, session: Session, reference: str) -> str:
        """What the ledger may say of a subject: hex, 64 digits.

        Keyed under the subject's own key while that exists, so that it means nothing once the key
        is erased; under the instance's key for a subject that has no row, or one whose key does not
        open: damage must not stand in the way of a refusal or an erasure.
        """
        try:
            subject = self.subject_for(session, reference)
        except KeysError:
            subject = None
        if subject is None:
            return self.instance_commitment(reference)
        return subject_commitment(subject)

    def instance_commitment(self, reference: str) -> str:
        """What the ledger says of somebody who has no row, under the instance's key."""
        return self._keyring.commitment("ledger-subject", reference)

    def commitment_of(self, subject_id: str, wrapped_key: bytes) -> str:
        """What the ledger says of the subject in a row that was fetched already.

        Raises:
            KeysError: the key does not open.
        """
        return subject_commitment(self._unwrapped(subject_id, wrapped_key))

    def erased_as(
        self, subject_id: str, wrapped_key: bytes, face_ids: Iterable[str]
    ) -> tuple[str, list[str]]:
        """What the ledger says of a subject, and of each of these faces when they are erased.

        A face's commitment (hex, 32 digits) is keyed under its subject's key, so that it means
        nothing once that is gone; a restored backup still has the key, and finds the face by it.

        Raises:
            KeysError: the key does not open.
        """
        subject = self._unwrapped(subject_id, wrapped_key)
        return subject_commitment(subject), [face_commitment(subject, one) for one in face_ids]

    @property
    def keyring(self) -> KeyRing:
        """The keys that commitments are made with."""
        return self._keyring

    def _new_subject(self, session: Session, reference: str | None) -> SubjectKey:
        subject = SubjectKey(str(uuid.uuid4()), os.urandom(_KEY))
        place = key_place(subject.subject_id)
        wrapped = seal(self._keyring.subkey("vault"), subject.key, place)
        sealed = None
        if reference is not None:
            sealed = seal(subject.key, padded(reference), _reference_place(subject.subject_id))
        session.execute(
            insert(SubjectRow).values(
                id=subject.subject_id,
                commitment=None if reference is None else self.row_commitment(reference),
                wrapped_key=wrapped,
                sealed_reference=sealed,
                created_at=datetime.now(UTC),
            )
        )
        return subject

    def _unwrapped(self, subject_id: str, wrapped: bytes) -> SubjectKey:
        try:
            key = self._keyring.unseal("vault", wrapped, key_place(subject_id))
        except KeysError as error:
            raise KeysError(
                "A subject's key cannot be opened.",
                why="Its row was changed, or the master key is another one.",
                mend="Restore the database and the keys from the same backup.",
            ) from error
        return SubjectKey(subject_id, key)

    # ------------------------------------------------------------ references
    def reference_of(self, session: Session, subject_id: str, *, permit: Permit) -> str | None:
        """The reference of a subject; None for a nameless or unknown one. Needs READ.

        Raises:
            KeysError: the row does not open.
        """
        require(permit, Touch.READ)
        found = session.execute(
            select(SubjectRow.wrapped_key, SubjectRow.sealed_reference).where(
                SubjectRow.id == subject_id
            )
        ).one_or_none()
        if found is None:
            return None
        return self.open_reference(
            subject_id, found.wrapped_key, found.sealed_reference, permit=permit
        )

    def open_reference(
        self, subject_id: str, wrapped_key: bytes, sealed: bytes | None, *, permit: Permit
    ) -> str | None:
        """The reference in a row that was fetched already. Needs READ.

        Raises:
            KeysError: the row does not open.
        """
        require(permit, Touch.READ)
        if sealed is None:
            return None
        key = self._unwrapped(subject_id, wrapped_key).key
        return unpadded(unseal(key, sealed, _reference_place(subject_id)))

    # ------------------------------------------------------------ templates and crops
    def seal_template(
        self,
        subject: SubjectKey,
        template: Template,
        *,
        face_id: str,
        collection_id: str,
        permit: Permit,
    ) -> bytes:
        """Seal a template (float32, shape (dimension,)) for one face of one collection. STORE.

        Raises:
            GalleryError: the template is not a finite float vector.
        """
        require(permit, Touch.STORE)
        values = np.ascontiguousarray(template, dtype="<f4")
        if values.ndim != 1 or not values.size or not np.isfinite(values).all():
            raise GalleryError("A template must be one vector of finite numbers.")
        return seal(subject.key, values.tobytes(), _place("template", face_id, collection_id))

    def open_templates(
        self, rows: Iterable[SealedTemplate], *, permit: Permit
    ) -> Iterator[tuple[str, Template | None]]:
        """(face id, template) of each row; None where a row does not open. Needs OPEN.

        Unwrapped keys are remembered for this call only.
        """
        require(permit, Touch.OPEN)
        key_of, key = "", AESGCM(bytes(_KEY))
        for row in rows:
            try:
                if row.subject_id != key_of:
                    key = AESGCM(self._unwrapped(row.subject_id, row.wrapped_key).key)
                    key_of = row.subject_id
                sealed = row.template
                place = _place("template", row.face_id, row.collection_id)
                plain = key.decrypt(sealed[:_NONCE], sealed[_NONCE:], place)
                yield row.face_id, np.frombuffer(plain, dtype="<f4")
            except (KeysError, InvalidTag, ValueError):
                yield row.face_id, None

    def open_template(
        self, session: Session, face_id: str, collection_id: str, *, permit: Permit
    ) -> Template | None:
        """The template of one face; None if it has no row in this collection. Needs OPEN.

        Raises:
            KeysError: the row does not open.
        """
        require(permit, Touch.OPEN)
        row = session.execute(
            sealed_templates().where(FaceRow.id == face_id, FaceRow.collection_id == collection_id)
        ).one_or_none()
        if row is None:
            return None
        ((_, template),) = self.open_templates([SealedTemplate(*row)], permit=permit)
        if template is None:
            raise KeysError("A template cannot be opened.", why="Its row was changed.")
        return template

    def seal_crop(
        self,
        subject: SubjectKey,
        crop: bytes,
        *,
        face_id: str,
        collection_id: str,
        permit: Permit,
    ) -> bytes:
        """Seal an encoded crop for one face of one collection. Needs STORE."""
        require(permit, Touch.STORE)
        return seal(subject.key, crop, _place("crop", face_id, collection_id))

    def open_crop(
        self, session: Session, face_id: str, collection_id: str, *, permit: Permit
    ) -> bytes | None:
        """The crop of one face, as it was given; None if none is kept. Needs OPEN.

        Raises:
            KeysError: the row does not open.
        """
        require(permit, Touch.OPEN)
        row = session.execute(
            select(FaceRow.crop, SubjectRow.id, SubjectRow.wrapped_key)
            .join(SubjectRow, SubjectRow.id == FaceRow.subject_id)
            .where(FaceRow.id == face_id, FaceRow.collection_id == collection_id)
        ).one_or_none()
        if row is None or row.crop is None:
            return None
        key = self._unwrapped(row.id, row.wrapped_key).key
        return unseal(key, row.crop, _place("crop", face_id, collection_id))


def sealed_templates() -> Select[str, str, str, bytes, bytes]:
    """The query whose rows are the fields of `SealedTemplate`, in order."""
    return select(
        FaceRow.id,
        FaceRow.collection_id,
        FaceRow.subject_id,
        SubjectRow.wrapped_key,
        FaceRow.template,
    ).join(SubjectRow, SubjectRow.id == FaceRow.subject_id)


def subject_commitment(subject: SubjectKey) -> str:
    """The subject's name in the ledger: HMAC-SHA256 of its id under its own key, hex."""
    message = b"rightface/ledger-subject\x1f" + subject.subject_id.encode()
    return hmac.digest(subject.key, message, hashlib.sha256).hex()


def face_commitment(subject: SubjectKey, face_id: str) -> str:
    """An erased face's name in the ledger: HMAC-SHA256 under its subject's key, 32 hex digits."""
    message = b"rightface/ledger-face\x1f" + face_id.encode()
    return hmac.digest(subject.key, message, hashlib.sha256).hex()[:32]


def _place(kind: str, face_id: str, collection_id: str) -> bytes:
    return f"rightface/{kind}/1\x1f{face_id}\x1f{collection_id}".encode()


def key_place(subject_id: str) -> bytes:
    """What a subject's wrapped key is bound to."""
    return f"rightface/subject-key/1\x1f{subject_id}".encode()


def _reference_place(subject_id: str) -> bytes:
    return f"rightface/reference/1\x1f{subject_id}".encode()


def padded(name: str) -> bytes:
    """A name to be sealed, filled up to whole blocks: its length tells little."""
    content = name.encode() + b"\x80"  # ISO/IEC 7816-4 padding
    return content + bytes(-len(content) % _BLOCK)


def unpadded(content: bytes) -> str:
    """The name that `padded` was given."""
    return content[: content.rindex(b"\x80")].decode()
