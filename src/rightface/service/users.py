"""Users: several faces of one person under one id. Made, listed, deleted; each change once.

A request token makes a change once: the same token and parameters within a day are answered as
before. Must never know: a wire format, a command line.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.orm import Session

from rightface.gallery.request_tokens import Asked, Kept
from rightface.gallery.store import Collection
from rightface.permit import Permit
from rightface.service.desk import answer
from rightface.service.leads import Leads
from rightface.service_types import Answer, Caller, UserPage, UserRecord

Change = Callable[[Session, Collection], Kept]
REFUSED: Kept = {"refused": True}
"""What a change gives that was not made after all; it is not kept."""


class Users(Leads):
    """The records of a gallery's users."""

    def create_user(
        self, caller: Caller, collection: str, user_id: str, *, token: str | None = None
    ) -> Answer[None]:
        """Make a user without faces.

        Raises:
            CollectionNotFound, UserExists, TokenReused.
        """
        with self.permitted(caller, "manage-gallery", gallery=collection) as permit:

            def change(session: Session, gallery: Collection) -> Kept:
                self.instance.users.create(session, gallery, user_id)
                self.instance.record_outcome(session, permit, "created", counts={"users": 1})
                return {}

            asked = {"user": user_id}
            self.once(caller, permit, collection, "create-user", token, asked, change)
            return answer(permit, None)

    def delete_user(
        self, caller: Caller, collection: str, user_id: str, *, token: str | None = None
    ) -> Answer[None]:
        """Let go of a user's faces, then delete it with its id.

        Raises:
            CollectionNotFound, UserNotFound, TokenReused.
        """
        with self.permitted(caller, "manage-gallery", gallery=collection) as permit:

            def change(session: Session, gallery: Collection) -> Kept:
                user = self.instance.users.find(session, gallery, user_id)
                freed = self.instance.users.delete(session, gallery, user)
                known = self.instance.keyring.commitment("ledger-user", user.row_id)[:32]
                self.instance.record_outcome(
                    session,
                    permit,
                    "deleted",
                    counts={"users": 1, "faces": freed},
                    forgotten=(known,),  # what a restored backup is held against
                )
                return {}

            asked = {"user": user_id}
            self.once(caller, permit, collection, "delete-user", token, asked, change)
            return answer(permit, None)

    def list_users(
        self, caller: Caller, collection: str, *, limit: int, after: str | None
    ) -> Answer[UserPage]:
        """One page of a collection's users. Raises CollectionNotFound, PageTokenError."""
        with self.permitted(caller, "manage-gallery", gallery=collection) as permit:
            with self.instance.database.read() as session:
                gallery = self.collection(session, caller, collection)
                page = self.instance.users.page(session, gallery, limit=limit, after=after)
            self.done(permit, "told", counts={"users": len(page.items)})
            told = [UserRecord(user_id=one.user_id, faces=one.faces > 0) for one in page.items]
            return answer(permit, UserPage(users=told, next=page.next))

    # ------------------------------------------------------------ once
    def with_token(
        self,
        caller: Caller,
        gallery: Collection,
        operation: str,
        token: str | None,
        parameters: Mapping[str, Any],
    ) -> Asked | None:
        """A request by its token; None: it has none."""
        if token is None:
            return None
        return self.instance.request_tokens.asked(
            caller.licence.client, operation, token, {"gallery": gallery.id, **parameters}
        )

    def answered_before(self, session: Session, asked: Asked | None) -> Kept | None:
        """What the token was answered with before; None: nothing. Raises TokenReused."""
        if asked is None:
            return None
        return self.instance.request_tokens.answered(session, asked, at=datetime.now(UTC))

    def once(
        self,
        caller: Caller,
        permit: Permit,
        collection: str,
        operation: str,
        token: str | None,
        parameters: Mapping[str, Any],
        change: Change,
    ) -> Kept:
        """Make a change, and keep its answer with it; or give the answer kept for the token.

        Raises:
            CollectionNotFound, TokenReused, and what the change raises.
        """

        def work(session: Session) -> Kept:
            gallery = self.collection(session, caller, collection)
            asked = self.with_token(caller, gallery, operation, token, parameters)
            kept = self.answered_before(session, asked)
            if kept is not None:
                self.instance.record_outcome(session, permit, "told")
                return kept
            made = change(session, gallery)
            if asked is not None and made is not REFUSED:
                now = datetime.now(UTC)
                self.instance.request_tokens.keep(session, asked, made, at=now)
            return made

        return self.instance.database.write(work)
