"""How measurements of the model pack are kept: signed, with data set, figures and signer.

A row that was changed does not count, and refuses: it may have been one that told against the
model. What is asked of them: `evidence.py` and `steps/evidence.py`. Never knows a data set or a
face: it is given figures.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from rightface.errors import LawError, NotOnRecord
from rightface.keys import KeyRing
from rightface.law.clocks import holds
from rightface.law.evidence import SHIPPED, Evidence
from rightface.law.figures import Figures, check, evidence_of, from_plain, is_same, to_plain
from rightface.law.signed import opened, sealed
from rightface.law.tables import EvidenceRow, moment, stamp

KIND = "evidence"


@dataclass(frozen=True, kw_only=True)
class EvidenceOnRecord:
    """One measurement on record, its signature verified."""

    evidence_id: str
    figures: Figures
    evidence: Evidence
    """What step 5 looks at."""
    recorded_at: datetime
    by: str
    """Who put it on record: `operator`, or a credential's id. The instance signed it. `shipped`: it
    came with the model pack, and only its end is on record."""
    ended_at: datetime | None
    ended_why: str

    def is_ended(self, known: str, *, live: bool) -> bool:
        """Whether its end counts, as known at that time stamp."""
        return self.ended_at is not None and (live or stamp(self.ended_at) <= known)

    def holds(self, at: str, known: str, *, live: bool) -> bool:
        """Whether it stands, by both clocks (time stamps). How old it may be is another matter."""
        return holds(
            at,
            known,
            live=live,
            start="",
            until=None,
            recorded=stamp(self.recorded_at),
            ended=None if self.ended_at is None else stamp(self.ended_at),
        )


def standing_copy(session: Session, keyring: KeyRing, figures: Figures) -> EvidenceOnRecord | None:
    """The record of the same document, compared at the same rate, that is not ended; if any."""
    for row in session.scalars(select(EvidenceRow).where(EvidenceRow.ended_at.is_(None))):
        found = _of_row(keyring, row)
        if found is not None and is_same(found.figures, figures):
            return found
    return None


def is_on_record(session: Session, evidence_id: str) -> bool:
    """Whether there is a row of that id, in whatever state."""
    return session.get(EvidenceRow, evidence_id) is not None


class Listed(NamedTuple):
    """One row: its id, the measurement if its signature is good, and whether the row is ended."""

    evidence_id: str
    found: EvidenceOnRecord | None
    ended: bool


def record(
    session: Session, keyring: KeyRing, figures: Figures, *, at: datetime, by: str
) -> EvidenceOnRecord:
    """Write and sign a measurement. Call inside `Database.write`.

    Raises:
        LawError: figures that cannot be, a date in the future, or a malformed digest.
    """
    check(figures, at)
    evidence_id = "evd-" + secrets.token_hex(12)
    return _verified(keyring, _put(session, keyring, evidence_id, figures, at=at, by=by))


def end(
    session: Session,
    keyring: KeyRing,
    evidence_id: str,
    *,
    at: datetime,
    why: str,
    shipped: Mapping[str, Figures] = MappingProxyType({}),
) -> EvidenceOnRecord | None:
    """End a measurement at `at`, for good. A second time changes nothing. Call in `Database.write`.

    A damaged one ends as well: a signed record takes its place that never held. None is returned
    of it, for nothing of its text is believed. Of what came with the model pack (`shipped`, by its
    id) there is no record until it ends: one is made then.

    Raises:
        NotOnRecord: there is none of that id.
        LawError: no reason is given.
    """
    if not why.strip() or len(why) > 1000 or not why.isprintable():
        raise LawError("Why it ends is not said, or not in one line.", mend="Give --reason.")
    row = session.get(EvidenceRow, evidence_id)
    if evidence_id in shipped and (row is None or _of_row(keyring, row) is None):
        if row is not None:  # damaged: the release says it again
            session.delete(row)
            session.flush()
        row = _put(session, keyring, evidence_id, shipped[evidence_id], at=at, by=SHIPPED)
    if row is None:
        raise NotOnRecord("There is no evidence of that id.", mend="rightface evidence list")
    found = _of_row(keyring, row)
    if found is not None and found.ended_at is not None:
        return found
    told = {
        "evidence_id": evidence_id,
        "figures": None,
        "was": hashlib.sha256(str(row.body).encode()).hexdigest(),
        "recorded_at": stamp(at),
        "by": "nobody: the record was damaged",
    }
    if found is None:
        row.pack_digest, row.recorded_at = "", stamp(at)
    else:
        told = dict(opened(keyring, KIND, row.body, row.signature) or {})
    row.ended_at = stamp(at)
    row.body, row.signature = sealed(
        keyring, KIND, {**told, "ended_at": stamp(at), "ended_why": why}
    )
    session.flush()
    return _of_row(keyring, row)


def put_back(session: Session, evidence_id: str, *, at: datetime) -> None:
    """Hold the place of a measurement that told against the model, and that a restore has lost.

    Of its figures nothing is left. So the place holds a row without a signature, which refuses like
    every damaged one until somebody ends it with a reason. Call inside `Database.write`.
    """
    if session.get(EvidenceRow, evidence_id) is None:
        session.add(
            EvidenceRow(
                evidence_id=evidence_id,
                pack_digest="",
                body="",
                signature=b"",
                recorded_at=stamp(at),
            )
        )
        session.flush()


def all_evidence(session: Session, keyring: KeyRing) -> list[Listed]:
    """Every measurement, oldest first, ended and damaged ones included."""
    rows = session.scalars(
        select(EvidenceRow).order_by(EvidenceRow.recorded_at, EvidenceRow.evidence_id)
    )
    return [
        Listed(row.evidence_id, _of_row(keyring, row), row.ended_at is not None) for row in rows
    ]


def find(session: Session, keyring: KeyRing, evidence_id: str) -> EvidenceOnRecord:
    """The measurement of that id.

    Raises:
        NotOnRecord: there is none of that id.
        LawError: its signature is broken.
    """
    row = session.get(EvidenceRow, evidence_id)
    if row is None:
        raise NotOnRecord("There is no evidence of that id.", mend="rightface evidence list")
    return _verified(keyring, row)


def read_row(
    keyring: KeyRing,
    evidence_id: str,
    pack_digest: str,
    body: str,
    signature: bytes,
    recorded_at: str,
    ended_at: str | None,
) -> EvidenceOnRecord | None:
    """What a row's columns say; None: the signature is broken, or text and columns disagree."""
    told = opened(keyring, KIND, body, signature)
    if told is None or told["figures"] is None:
        return None
    columns = (evidence_id, pack_digest, recorded_at, ended_at)
    signed = (
        told["evidence_id"],
        told["figures"]["pack_digest"],
        told["recorded_at"],
        told["ended_at"],
    )
    return _read(body) if signed == columns else None


def _put(
    session: Session,
    keyring: KeyRing,
    evidence_id: str,
    figures: Figures,
    *,
    at: datetime,
    by: str,
) -> EvidenceRow:
    told = {
        "evidence_id": evidence_id,
        "figures": to_plain(figures),
        "recorded_at": stamp(at),
        "by": by,
        "ended_at": None,
        "ended_why": "",
    }
    body, signature = sealed(keyring, KIND, told)
    row = EvidenceRow(
        evidence_id=evidence_id,
        pack_digest=figures.pack_digest,
        body=body,
        signature=signature,
        recorded_at=stamp(at),
    )
    session.add(row)
    session.flush()
    return row


def _of_row(keyring: KeyRing, row: EvidenceRow) -> EvidenceOnRecord | None:
    return read_row(
        keyring,
        row.evidence_id,
        row.pack_digest,
        row.body,
        row.signature,
        row.recorded_at,
        row.ended_at,
    )


def _verified(keyring: KeyRing, row: EvidenceRow) -> EvidenceOnRecord:
    found = _of_row(keyring, row)
    if found is None:
        raise LawError(
            f"The record of {row.evidence_id} does not bear this instance's signature.",
            why="It was changed, or it was made with other keys. It does not count.",
            mend=f"End it, and add the assay again: rightface evidence end {row.evidence_id}"
            " --reason damaged",
        )
    return found


@lru_cache(maxsize=256)
def _read(body: str) -> EvidenceOnRecord:
    told = json.loads(body)
    figures = from_plain(told["figures"])
    ended = told["ended_at"]
    return EvidenceOnRecord(
        evidence_id=told["evidence_id"],
        figures=figures,
        evidence=evidence_of(figures, told["evidence_id"], shipped=told["by"] == SHIPPED),
        recorded_at=moment(told["recorded_at"]),
        by=told["by"],
        ended_at=None if ended is None else moment(ended),
        ended_why=told["ended_why"],
    )
