"""The ledger against the rows: was anything that ended, was taken on or erased put back?

The signature of a row shows that this instance wrote it, not that it is the last word: whoever
writes to the database can put an earlier signed row back, or delete one. The ledger has the last
word: it is append-only, and what was signed of it binds. So it is replayed in memory:

    1. What ended stays ended: licences, credentials, warrants, facts, evidence, attesters, duties.
    2. What was adopted and not withdrawn since stands.
    3. Who withdrew has no consent from before that stands. Whom an act suppressed is suppressed,
       at that place, for that reason, and since no earlier moment.
    4. What was put on record is there: licences, warrants, findings, facts, evidence, credentials.
    5. A gallery's target is the one that was stated last.
    6. What was erased is gone: faces, users, collections (unless made anew; then none of the old
       faces is in it). Where entries of earlier releases name no face, nothing can be held.

After a restore from a backup (its act in the ledger), 4 speaks of later acts only: the backup
lacked those in between, and the operator confirmed it. That a consent was recorded here its own
row shows (law/consents: a keyed hash); one that was not is counted in the log, and covers nothing.
Reads everything once, and opens each subject's key if any face was ever erased; changes nothing.
Must never know: a wire format, a command line, faces.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from rightface.act_words import ACTS
from rightface.credentials import CredentialRow
from rightface.erased import Erased
from rightface.errors import LedgerError
from rightface.faces.packs import RAW
from rightface.gallery import targets as gallery_targets
from rightface.gallery.rows import CollectionRow, FaceRow
from rightface.instance import OPERATOR, SUPPRESS, Instance
from rightface.law import adoptions, consents, suppressions
from rightface.law.tables import (
    AttesterRow,
    ConsentRow,
    DutyRow,
    EvidenceRow,
    FactRow,
    FindingRow,
    LicenceRow,
    SuppressionRow,
    WarrantRow,
)
from rightface.ledger import log

_MATTERS = (  # in canonical JSON; no leaf has free text in which they could stand
    b'"kind":"act"',
    b'"outcome":"created"',
    b'"outcome":"deleted"',
    b'"outcome":"erased"',
)
_AT_ONCE = 4096
_log = logging.getLogger(__name__)
_NAMED = 5  # disagreements told one by one
Act = dict[str, Any]


def require_agreement(instance: Instance) -> int:
    """Hold every act of the ledger against the rows; how many acts there were.

    Raises:
        LedgerError: they do not agree. It names each disagreement by its ledger index.
    """
    return len(agreed(instance).acts)


def agreed(instance: Instance) -> Told:
    """As `require_agreement`; what the ledger's acts say."""
    with instance.database.read() as session:
        told = Told.by(session)
        problems = list(dict.fromkeys(_Replay(instance, session, told).problems()))
        if damaged := consents.damaged(session, instance.keyring):
            _log.error("%d consents are not as they were written; they cover nothing", damaged)
    if problems:
        more = f" And {len(problems) - _NAMED} more." if len(problems) > _NAMED else ""
        raise LedgerError(
            "The database does not agree with the ledger's acts; nothing is served.",
            why=" ".join(problems[:_NAMED]) + more,
            mend="Bring back the database as it was, or withdraw, revoke and end anew what is "
            "named, with `rightface`, and ask who can write to the database.",
        )
    return told


@dataclass
class Told:
    """What the ledger says of acts and of erasures."""

    acts: list[tuple[int, Act]] = field(default_factory=list)
    erased: Erased = field(default_factory=Erased)
    made: list[tuple[int, int]] = field(default_factory=list)
    """(entry, its decision) of each collection that was made."""

    @property
    def comparison(self) -> str:
        """How faces were compared by what was stated last; entries before any said so: raw."""
        said = [act["comparison"] for _, act in self.acts if "comparison" in act]
        return said[-1] if said else RAW

    @classmethod
    def by(cls, session: Session) -> Told:
        """Read the whole ledger once."""
        told, size = cls(), log.size(session)
        for start in range(0, size, _AT_ONCE):
            bodies = log.entries(session, start, min(start + _AT_ONCE, size))
            for index, body in enumerate(bodies, start):
                if any(each in body for each in _MATTERS):
                    told._take(index, json.loads(body))
        return told

    def _take(self, index: int, leaf: Act) -> None:
        counts = leaf.get("counts", {})
        if leaf["kind"] == "act":
            self.acts.append((index, leaf))
        elif leaf["outcome"] == "created" and not counts.get("users"):
            self.made.append((index, leaf["of"]))
        elif leaf["kind"] == "outcome":
            self.erased.note(
                index,
                leaf["outcome"],
                gallery=leaf.get("gallery"),
                subjects=leaf.get("subjects", ()),
                forgotten=leaf.get("forgotten", ()),
                counts=counts,
            )


class _Replay:
    def __init__(self, instance: Instance, session: Session, told: Told) -> None:
        self._instance = instance
        self._session = session
        self._told = told
        self._acts = told.acts
        restores = [index for index, act in told.acts if act["operation"] == "restore"]
        self._restored = restores[-1] if restores else -1

    def problems(self) -> Iterator[str]:
        yield from self._records()
        yield from self._attesters()
        yield from self._duties()
        yield from self._adoptions()
        yield from self._withdrawals()
        yield from self._targets()
        yield from self._erasures()

    # ------------------------------------------------------------ by id
    def _records(self) -> Iterator[str]:
        """1 and 4, for what an act names by its id."""
        ended = self._columns(
            ("licence", LicenceRow.licence_id, LicenceRow.revoked_at),
            ("warrant", WarrantRow.warrant_id, WarrantRow.ended_at),
            ("warrant-request", WarrantRow.warrant_id, WarrantRow.requested_at),
            ("warrant-report", WarrantRow.warrant_id, WarrantRow.reported_at),
            ("fact", FactRow.fact_id, FactRow.ended_at),
            ("evidence", EvidenceRow.evidence_id, EvidenceRow.ended_at),
            ("finding", FindingRow.finding_id, FindingRow.recorded_at),
            ("credential", CredentialRow.credential_id, CredentialRow.ended_at),
        )
        for index, act in self._acts:
            known = ACTS.get(act["operation"])
            if known is None or known.record is None:
                continue
            kind, ends = known.record, known.ends
            named = act.get("licence") if kind == "licence" else _first(act, "records")
            if named is None:
                continue
            key = named.removeprefix("crd-") if kind == "credential" else named
            word = act["operation"]
            if key not in ended[kind]:
                if index > self._restored:
                    yield f"Entry {index}, {word}: the record is gone."
            elif known.replayed == "lost" and index <= self._restored:
                continue
            elif ends and ended[kind][key] is None:
                yield f"Entry {index}, {word}: it was undone."

    def _columns(self, *told: tuple[str, Any, Any]) -> dict[str, dict[str, str | None]]:
        return {
            kind: {row[0]: row[1] for row in self._session.execute(select(name, column))}
            for kind, name, column in told
        }

    # ------------------------------------------------------------ by name
    def _attesters(self) -> Iterator[str]:
        standing = {
            self._instance.keyring.commitment("attester", name)
            for (name,) in self._session.execute(
                select(AttesterRow.name).where(AttesterRow.ended_at.is_(None))
            )
        }
        for who, (index, word) in self._last("subjects", "attester-add", "attester-end").items():
            if word == "attester-end" and who in standing:
                yield f"Entry {index}, attester-end: it was undone."

    def _duties(self) -> Iterator[str]:
        standing = set(
            self._session.scalars(select(DutyRow.duty).where(DutyRow.ended_at.is_(None)))
        )
        for duty, (index, word) in self._last("reasons", "duty-record", "duty-end").items():
            if word == "duty-end" and duty in standing:
                yield f"Entry {index}, duty-end: it was undone."

    def _adoptions(self) -> Iterator[str]:
        standing = {
            each.instrument
            for each in adoptions.all_adoptions(self._session, self._instance.keyring)
            if each.withdrawn_at is None
        }
        words = ("commitment-adopt", "commitment-withdraw")
        for instrument, (index, word) in self._last("reasons", *words).items():
            if word == "commitment-adopt" and instrument not in standing:
                yield f"Entry {index}, commitment-adopt: it was undone."

    def _last(self, where: str, *words: str) -> dict[str, tuple[int, str]]:
        return {
            str(_first(act, where)): (index, act["operation"])
            for index, act in self._acts
            if act["operation"] in words
        }

    # ------------------------------------------------------------ withdrawals and suppressions
    def _withdrawals(self) -> Iterator[str]:
        keyring = self._instance.keyring
        columns = (
            SuppressionRow.subject,
            SuppressionRow.client,
            SuppressionRow.gallery,
            SuppressionRow.reason,
            SuppressionRow.at,
        )
        held = {tuple(row[:4]): row[4] for row in self._session.execute(select(*columns))}
        withdrew: dict[str, tuple[int, str]] = {}
        for index, act in self._acts:
            if act["operation"] != SUPPRESS:
                continue
            reason = str(_first(act, "reasons"))
            place = suppressions.place_of(
                keyring, None if act["client"] == OPERATOR else act["client"], act.get("gallery")
            )
            for person in act.get("subjects", (suppressions.ANY,)):
                since = held.get((person, *place, reason))
                if since is None:
                    yield f"Entry {index}, {SUPPRESS}: the entry is gone."
                elif since < act["time"]:  # both are UTC, as text of one width
                    yield f"Entry {index}, {SUPPRESS}: the entry was set back."
                if reason == suppressions.WITHDRAWAL:
                    withdrew[person] = (index, act["time"])
        if not withdrew:
            return
        rows = self._session.execute(
            select(ConsentRow.subject, ConsentRow.obtained_at).where(
                ConsentRow.withdrawn_at.is_(None)
            )
        )
        for subject, obtained_at in rows:
            index, time = withdrew.get(suppressions.person(keyring, subject), (-1, ""))
            if obtained_at <= time:
                yield f"Entry {index}, {SUPPRESS}: a withdrawal was undone."

    # ------------------------------------------------------------ targets of galleries
    def _targets(self) -> Iterator[str]:
        stated = {
            act["gallery"]: (index, gallery_targets.stated_in(act.get("counts", {})))
            for index, act in self._acts
            if act["operation"] == gallery_targets.GALLERY_TARGET
        }
        if not stated:
            return
        rows = self._session.execute(
            select(CollectionRow.client, CollectionRow.name, CollectionRow.fpir_target)
        )
        for client, name, target in rows:
            gallery = self._instance.gallery_commitment(client, name)
            index, last = stated.get(gallery, (-1, target))
            if target != last and not self._made_anew(gallery, index):
                yield f"Entry {index}, {gallery_targets.GALLERY_TARGET}: it was undone."

    # ------------------------------------------------------------ what was erased
    def _erasures(self) -> Iterator[str]:
        instance, session, erased = self._instance, self._session, self._told.erased
        faces = erased.faces_in(session, instance.vault, unopened=False, whole_subjects=False)
        if number := sum(1 for _ in faces):
            yield f"Faces that were erased are there again: {number}."
        if number := len(erased.users_in(session, instance.keyring)):
            yield f"Users that were deleted are there again: {number}."
        for row_id, client, name, index in erased.collections_in(session, instance.keyring):
            if not self._made_anew(instance.gallery_commitment(client, name), index):
                yield f"Entry {index}: the collection that was erased is there again."
            older = select(func.count()).where(
                FaceRow.collection_id == row_id, FaceRow.ledger_index < index
            )
            if session.execute(older).scalar_one():
                yield f"Entry {index}: faces of the collection that was erased are there again."

    def _made_anew(self, gallery: str, since: int) -> bool:
        for index, decision in reversed(self._told.made):
            if index < since:
                return False
            if (
                json.loads(log.entries(self._session, decision, decision + 1)[0]).get("gallery")
                == gallery
            ):
                return True
        return False


def _first(act: Act, name: str) -> str | None:
    values = act.get(name) or ()
    return str(values[0]) if values else None
