"""The instance that a measurement runs in: its gate permits, its ledger is the record.

An assay touches faces, so it asks the gate like everybody: `measure-accuracy`, for the purpose
`research`, under a licence. An instance that is made for an assay gets such a licence for its own
operator, and stays where it was made: whoever doubts the figures can read there what was measured,
when, and under which rules. In an instance that was there before nobody is licensed silently, and
nobody else's licence is used: an outside tester's measurements are the tester's. Must never know: a
wire format, a command line, what is measured.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rightface.errors import LicenceError
from rightface.faces.engine import Engine
from rightface.faces.packs import ModelPack
from rightface.instance import Instance
from rightface.law import licences
from rightface.law.licences import Licence
from rightface.permit import Permit
from rightface.registrar import LicenceTerms, Registrar
from rightface.service.desk import Desk
from rightface.service_types import Caller
from rightface.settings import FILE, Settings

ACTION = "measure-accuracy"
PURPOSE = "research"
BASIS = "research"
MEASURER = "measurer"
"""The client that the operator is when it measures; its own licence is for upkeep alone."""
LICENCE_DAYS = 365


class Measuring:
    """An open instance, and a licence to measure in it."""

    def __init__(self, instance: Instance, licence: Licence) -> None:
        self.instance = instance
        self.licence = licence
        self._desk = Desk(instance)

    def engine(self, pack: ModelPack) -> Engine:
        """The face engine, with one thread to an inference: several photographs go at once."""
        settings = self.instance.settings
        return Engine(
            pack, cache=settings.data / "models", threads=1, detector_side=settings.detector_side
        )

    @contextmanager
    def permitted(self) -> Iterator[Permit]:
        """A permit for one portion of the work: it lasts two minutes. The outcome is recorded.

        Raises:
            Refused: the gate said no; the refusal has every reason.
        """
        with self._desk.permitted(self._caller(), ACTION) as permit:
            yield permit
            self._desk.done(permit, "measured")

    def finished(self, counts: Mapping[str, int]) -> int:
        """Record what the whole assay came to, under a last permit; its decision's index.

        Args:
            counts: how many of what, for example images and comparisons; never who.

        Raises:
            Refused: the gate no longer allows it.
        """
        with self._desk.permitted(self._caller(), ACTION) as permit:
            self._desk.done(permit, "assayed", counts=counts)
            return permit.ledger_index

    def _caller(self) -> Caller:
        return Caller(
            licence=self.licence,
            purpose=PURPOSE,
            subject=None,
            request_id=f"assay-{uuid.uuid4()}",
        )


@contextmanager
def measuring(data: Path, *, sector: str, jurisdiction: str, make: bool) -> Iterator[Measuring]:
    """Open the instance in `data`; with `make`, make it first if it is not there.

    Args:
        data: the instance's directory.
        sector: what the operator is (an actor of the vocabulary); for an instance that is made.
        jurisdiction: where the measurement takes place; likewise.
        make: whether an instance may be made, and the operator of one that is made be licensed to
            measure. In one that was there a licence of `MEASURER` that grants `measure-accuracy`
            for `research` must stand: one that was revoked or has run out is not issued anew.

    Raises:
        SettingsError, KeysError, StorageError: it cannot be made or opened.
        LawError: the sector or jurisdiction is not a word of the vocabulary.
        LicenceError: no licence to measure stands.
    """
    fresh = make and not (data / FILE).exists()
    if fresh:
        data.parent.mkdir(parents=True, exist_ok=True)
        instance = Instance.create(Settings(data=data, sector=sector, jurisdiction=jurisdiction))
    else:
        instance = Instance.open(data)
    with instance:
        licence = _standing(instance) or (_licensed(instance) if fresh else None)
        if licence is None:
            raise LicenceError(
                f"No standing licence of '{MEASURER}' grants {ACTION} for {PURPOSE}.",
                why="The operator measures as that client, and under nobody else's licence. One "
                "that was revoked or has run out is not issued anew by itself.",
                mend=f"rightface licence issue --client {MEASURER} --sector SECTOR "
                f"--jurisdiction PLACE --purpose {PURPOSE} --operation {ACTION} --basis {BASIS} "
                "--until DATE",
            )
        yield Measuring(instance, licence)


def _standing(instance: Instance) -> Licence | None:
    now = datetime.now(UTC)
    with instance.database.read() as session:
        for each in licences.of_client(session, instance.keyring, MEASURER):
            grants = ACTION in each.operations and PURPOSE in each.purposes
            if grants and each.revoked_at is None and each.holds(now):
                return each
    return None


def _licensed(instance: Instance) -> Licence:
    settings = instance.settings
    terms = LicenceTerms(
        client=MEASURER,
        sector=settings.sector,
        jurisdiction=settings.jurisdiction,
        purposes=(PURPOSE,),
        operations=(ACTION,),
        galleries=(),
        on_behalf_of=(),
        basis=BASIS,
        valid_from=None,
        valid_until=datetime.now(UTC) + timedelta(days=LICENCE_DAYS),
    )
    return Registrar(instance).issue_licence(terms).licence
