"""Collections: made, told of, deleted. And the records of the faces in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy.orm import Session

from rightface.gallery.erasure import Erasure, erase_collection, erase_faces
from rightface.service.desk import Desk, answer, record_of
from rightface.service_types import (
    Answer,
    Caller,
    CollectionInfo,
    CollectionPage,
    DeletedFaces,
    FacePage,
)


class Collections(Desk):
    """Galleries and what is recorded in them."""

    def create_collection(
        self, caller: Caller, name: str, tags: Mapping[str, str]
    ) -> Answer[CollectionInfo]:
        """Make an empty collection. Raises CollectionExists."""
        with self.permitted(caller, "manage-gallery", gallery=name) as permit:

            def work(session: Session) -> CollectionInfo:
                made = self.instance.store.create_collection(
                    session,
                    client=caller.licence.client,
                    name=name,
                    pack_digest=self.instance.pack.digest,
                    tags=tags,
                )
                self.instance.record_outcome(session, permit, "created")
                return self.info(session, made)

            return answer(permit, self.instance.database.write(work))

    def describe_collection(self, caller: Caller, name: str) -> Answer[CollectionInfo]:
        """What is known of a collection. Raises CollectionNotFound."""
        with self.permitted(caller, "manage-gallery", gallery=name) as permit:
            with self.instance.database.read() as session:
                told = self.info(session, self.collection(session, caller, name))
            self.done(permit, "told")
            return answer(permit, told)

    def list_collections(
        self, caller: Caller, limit: int, after: str | None
    ) -> Answer[CollectionPage]:
        """The caller's own collections, by name."""
        with self.permitted(caller, "manage-gallery") as permit:
            with self.instance.database.read() as session:
                page = self.instance.store.list_collections(
                    session, client=caller.licence.client, limit=limit, after=after
                )
                told = [self.info(session, each) for each in page.items]
            self.done(permit, "told", counts={"collections": len(told)})
            return answer(permit, CollectionPage(collections=told, next=page.next))

    def delete_collection(self, caller: Caller, name: str) -> Answer[object]:
        """Erase a collection and every face in it. Raises CollectionNotFound."""
        with self.permitted(caller, "erase", gallery=name) as permit:

            def work(session: Session) -> Erasure:
                return erase_collection(
                    session,
                    self.instance.vault,
                    self.collection(session, caller, name),
                    reason="deletion",
                    suppressing=self.instance.settings.suppress_deletions,
                    record=self.erased(permit),
                    permit=permit,
                )

            erasure = self.erase(work)
            return answer(permit, erasure, receipt=erasure.receipt_id)

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
        """One page of what is recorded of the faces; of one user's only, if `user_id` is given.

        Raises:
            CollectionNotFound, UserNotFound, PageTokenError.
        """
        with self.permitted(caller, "manage-gallery", gallery=collection) as permit:
            with self.instance.database.read() as session:
                gallery = self.collection(session, caller, collection)
                user = None
                if user_id is not None:
                    user = self.instance.users.find(session, gallery, user_id).row_id
                page = self.instance.store.list_faces(
                    session,
                    gallery,
                    limit=limit,
                    after=after,
                    face_ids=face_ids,
                    user_id=user,
                    permit=permit,
                )
            self.done(permit, "told", counts={"faces": len(page.items)})
            faces = [record_of(each, each.subject) for each in page.items]
            return answer(
                permit, FacePage(faces=faces, next=page.next, model_version=self.model_version)
            )

    def delete_faces(
        self, caller: Caller, collection: str, face_ids: Sequence[str]
    ) -> Answer[DeletedFaces]:
        """Erase faces. Those that belong to a user stay: take them out of it first.

        Raises CollectionNotFound.
        """
        held: dict[str, str] = {}
        with self.permitted(caller, "erase", gallery=collection) as permit:

            def work(session: Session) -> Erasure:
                gallery = self.collection(session, caller, collection)
                held.update(self.instance.users.holding(session, gallery, face_ids, permit=permit))
                return erase_faces(
                    session,
                    self.instance.vault,
                    gallery,
                    [one for one in face_ids if one not in held],
                    reason="deletion",
                    suppressing=self.instance.settings.suppress_deletions,
                    record=self.erased(permit),
                    permit=permit,
                )

            erasure = self.erase(work)
            left = {*erasure.missing, *held}
            deleted = [each for each in dict.fromkeys(face_ids) if each not in left]
            told = DeletedFaces(
                deleted=deleted, missing=list(erasure.missing), held=list(held.items())
            )
            return answer(permit, told, receipt=erasure.receipt_id)
