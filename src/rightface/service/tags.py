"""Tags of collections: words of the client's own, which mean nothing here.

Must never know: a wire format, a command line.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from sqlalchemy.orm import Session

from rightface.errors import LimitReached
from rightface.service.desk import Desk, answer
from rightface.service_types import Answer, Caller

MOST_TAGS = 200
"""Tags of one collection; as many as Rekognition's own shape holds."""
Tagged = dict[str, str]


class Tags(Desk):
    """What a client has written on its galleries."""

    def tag_collection(self, caller: Caller, name: str, tags: Mapping[str, str]) -> Answer[None]:
        """Add tags; a key that is there gets the new value.

        Raises:
            CollectionNotFound.
            LimitReached: it would have more than 200.
        """
        return self._tag(caller, name, lambda held: held | dict(tags))

    def untag_collection(self, caller: Caller, name: str, keys: Collection[str]) -> Answer[None]:
        """Take tags away; keys that are not there are passed over. Raises CollectionNotFound."""
        return self._tag(
            caller, name, lambda held: {key: held[key] for key in held if key not in keys}
        )

    def list_tags(self, caller: Caller, name: str) -> Answer[Tagged]:
        """A collection's tags. Raises CollectionNotFound."""
        with self.permitted(caller, "manage-gallery", gallery=name) as permit:
            with self.instance.database.read() as session:
                tags = dict(self.collection(session, caller, name).tags)
            self.done(permit, "told", counts={"tags": len(tags)})
            return answer(permit, tags)

    def _tag(self, caller: Caller, name: str, change: Callable[[Tagged], Tagged]) -> Answer[None]:
        with self.permitted(caller, "manage-gallery", gallery=name) as permit:

            def work(session: Session) -> None:
                gallery = self.collection(session, caller, name)
                tags = change(dict(gallery.tags))
                if len(tags) > MOST_TAGS:
                    raise LimitReached(f"A collection has at most {MOST_TAGS} tags.")
                self.instance.store.set_tags(session, gallery, tags)
                self.instance.record_outcome(session, permit, "tagged", counts={"tags": len(tags)})

            self.instance.database.write(work)
            return answer(permit, None)
