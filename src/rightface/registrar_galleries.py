"""The operator's acts on galleries: what their searches may get wrong, and what that means now.

A target is an act of its own in the ledger, which binds: see acts.py. Must never know: a command
line, a wire format.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from rightface.assay.thresholds import fmr_needed
from rightface.errors import CollectionNotFound
from rightface.faces.calibration import similarity
from rightface.gallery.rows import CollectionRow
from rightface.gallery.store import Collection
from rightface.gallery.targets import GALLERY_TARGET, stated
from rightface.instance import Instance


@dataclass(frozen=True, kw_only=True)
class Aimed:
    """A gallery's target, and the threshold that follows from it at the gallery's size now."""

    client: str
    gallery: str
    faces: int
    fpir_target: float | None
    """What applies: the stricter of the gallery's own and the instance's. None: neither has one."""
    own_target: float | None
    fmr_needed: float | None
    """The false match rate that each comparison may have in the worst measured cohort."""
    cohort: str
    """The measured cohort that sets the threshold; empty: all comparisons together do."""
    fmr: float | None
    """The false match rate of that threshold over all comparisons."""
    similarity: float | None
    """The least similarity that a candidate then has, as the wire shows it."""
    extrapolated: bool
    """Whether the threshold lies beyond what was measured."""
    too_small: tuple[str, ...]
    """Cohorts of which there were too few comparisons to measure them: the threshold of the worst
    measured one may be too low for them."""


class GalleryDesk:
    """Galleries of one instance, as its operator sees them."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance

    def listed(self, client: str | None = None) -> list[Aimed]:
        """Every gallery, by client and name; of one client only, if named."""
        query = select(CollectionRow.client, CollectionRow.name)
        if client is not None:
            query = query.where(CollectionRow.client == client)
        with self._instance.database.read() as session:
            named = session.execute(query.order_by(CollectionRow.client, CollectionRow.name)).all()
            return [self._aimed(session, self._found(session, *each)) for each in named]

    def aim(self, *, client: str, gallery: str, fpir: float | None) -> Aimed:
        """State what searches of a gallery may get wrong; None: nothing of its own any more.

        Raises:
            CollectionNotFound: no such gallery of that client.
            SettingsError: it is no share of searches.
        """
        instance = self._instance
        target, counts = stated(fpir)

        def work(session: Session) -> Aimed:
            found = self._found(session, client, gallery)
            instance.store.set_target(session, found, target)
            instance.record_act(
                session,
                GALLERY_TARGET,
                client=client,
                gallery=instance.gallery_commitment(client, gallery),
                counts=counts,
            )
            return self._aimed(session, self._found(session, client, gallery))

        return instance.database.write(work)

    def _found(self, session: Session, client: str, gallery: str) -> Collection:
        try:
            return self._instance.store.find_collection(session, client=client, name=gallery)
        except CollectionNotFound:
            raise CollectionNotFound("This client has no gallery of that name.") from None

    def _aimed(self, session: Session, gallery: Collection) -> Aimed:
        faces = self._instance.store.count_faces(session, gallery)
        both = (self._instance.settings.fpir_target, gallery.fpir_target)
        target = min((each for each in both if each), default=None)
        told = Aimed(
            client=gallery.client,
            gallery=gallery.name,
            faces=faces,
            fpir_target=target,
            own_target=gallery.fpir_target,
            fmr_needed=None,
            cohort="",
            fmr=None,
            similarity=None,
            extrapolated=False,
            too_small=(),
        )
        if target is None:
            return told
        calibration = self._instance.pack.calibration
        needed = fmr_needed(target, faces)
        threshold = calibration.worst_threshold(needed)
        fmr = calibration.rate(threshold.score).fmr
        return Aimed(
            **vars(told)
            | {
                "fmr_needed": needed,
                "cohort": threshold.cohort,
                "fmr": fmr,
                "similarity": similarity(fmr),
                "extrapolated": threshold.extrapolated,
                "too_small": calibration.provenance.too_small,
            }
        )
