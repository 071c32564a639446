"""Candidates are leads: which faces of a gallery may be used for one request, here and now.

Every search passes through here before it tells of anybody, by face or by user, in a photograph or
a video. Must never know: a wire format, a command line.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from sqlalchemy.orm import Session

from rightface.gallery.store import Collection, StoredFace
from rightface.law import consents
from rightface.law.world import CONSENT
from rightface.service.desk import Desk, purpose_of
from rightface.service.floors import Aim
from rightface.service_types import Caller

MOST_CANDIDATES = 4096


class Leads(Desk):
    """What all searches share."""

    def aim_of(self, session: Session, gallery: Collection, probes: int = 1) -> Aim | None:
        """What the gallery aims at in one search, at the size that `session` sees; None: nothing.

        The stricter of its own target and the instance's.
        """
        stated = (self.instance.settings.fpir_target, gallery.fpir_target)
        targets = [target for target in stated if target]
        if not targets:
            return None
        faces = len(self.instance.indexes.catch_up(session, gallery.id))
        return Aim(min(targets), probes * faces)

    def usable(
        self, session: Session, caller: Caller, gallery: str, faces: Mapping[str, StoredFace]
    ) -> dict[str, StoredFace]:
        """Those faces that may be used now: kept no longer than allowed, and on a standing basis.

        Consent, where the face was enrolled on it or the caller relies on it; else the purpose that
        the face was enrolled for.
        """
        now = datetime.now(UTC)
        kept = {face_id: face for face_id, face in faces.items() if face.kept(now)}
        purpose = purpose_of(caller) or ""
        by_consent = {
            face_id
            for face_id, face in kept.items()
            if CONSENT in (face.basis, caller.licence.basis)
        }
        references = {kept[face_id].subject for face_id in by_consent}
        covered = consents.covering(
            session,
            self.instance.keyring,
            {subject for subject in references if subject},
            purpose=purpose,
            gallery=gallery,
            client=caller.licence.client,
            at=now,
        )
        return {
            face_id: face
            for face_id, face in kept.items()
            if (face.subject in covered if face_id in by_consent else face.purpose == purpose)
        }

    def known(self, session: Session, subjects: Iterable[str | None]) -> tuple[str, ...]:
        """The ledger's commitments of those who are named, in their order, each once."""
        return tuple(
            self.instance.vault.commitment(session, each)
            for each in dict.fromkeys(subjects)
            if each is not None
        )
