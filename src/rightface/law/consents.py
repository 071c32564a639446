"""Consents: what each person agreed to, for how long, and whether they took it back.

Rows hold keyed commitments, never a subject's reference. Consent is read at every use: nothing of
it is cached. A withdrawn consent covers nothing, at any date, at once. Each row has a keyed hash of
all that it says: one that this instance did not write, or that was changed since, covers nothing
and lifts nothing; a withdrawal in it counts. Knows nothing of faces.
"""

from __future__ import annotations

import hmac
import json
import logging
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import Row, bindparam, select
from sqlalchemy.orm import Session

from rightface.errors import ConsentError
from rightface.keys import KeyRing
from rightface.law.tables import ConsentRow, moment, stamp
from rightface.law.vocabulary import Vocabulary

_log = logging.getLogger(__name__)
_DIGEST = re.compile(r"[0-9a-f]{64}")
BASIS = "consent-warranted"
"""The legal basis, in the vocabulary, that rests on each person's consent."""
OBJECTION = "objection"
"""How a row came about that records only that a person said no."""


class Consent(NamedTuple):
    """One consent. Term: half-open, [obtained_at, expires_at).

    A named tuple, since a search may need thousands of them.
    """

    consent_id: int
    subject_commitment: str
    purposes: tuple[str, ...]
    galleries: tuple[str, ...]
    client: str | None
    notice_digest: str
    retention_days: int
    how: str
    obtained_at: datetime
    expires_at: datetime | None
    withdrawn_at: datetime | None

    @property
    def written(self) -> bool:
        """Whether it is a written release, given after a notice."""
        return Vocabulary.load().how.get(self.how, False)

    def covers(
        self, *, purpose: str, gallery: str | None, client: str | None, at: datetime
    ) -> bool:
        """Whether it holds at `at` for this purpose, gallery (None: none used) and client."""
        return (
            self.withdrawn_at is None
            and self.obtained_at <= at
            and (self.expires_at is None or at < self.expires_at)
            and purpose in self.purposes
            and (gallery is None or any(fnmatchcase(gallery, p) for p in self.galleries))
            and (self.client is None or self.client == client)
        )


def record(
    session: Session,
    keyring: KeyRing,
    subject: str,
    *,
    purposes: Sequence[str],
    galleries: Sequence[str],
    notice_digest: str,
    retention_days: int,
    obtained_at: datetime,
    how: str = "written-release",
    expires_at: datetime | None = None,
    client: str | None = None,
) -> Consent:
    """Put a consent on record. Call inside `Database.write`.

    Args:
        session: the writing session.
        keyring: makes the commitment of `subject`.
        subject: the person's reference; it is not stored.
        purposes: purposes agreed to.
        galleries: patterns of collection names agreed to, such as 'staff*'.
        notice_digest: hex SHA-256 of the notice that the person was given.
        retention_days: for how long templates may be kept, in days.
        obtained_at: when the person agreed.
        how: a word of the vocabulary, such as 'written-release'.
        expires_at: first moment at which it no longer holds; None: open.
        client: the one client it is for; None: any client of this instance.

    Raises:
        LawError: an unknown purpose.
        ConsentError: anything else that is malformed, or older than the person's withdrawal.
    """
    words = Vocabulary.load()
    if not subject:
        raise ConsentError("A consent needs a subject.")
    if not purposes or not galleries or not all(galleries):
        raise ConsentError("A consent names at least one purpose and one gallery.")
    if not _DIGEST.fullmatch(notice_digest):
        raise ConsentError("The notice's digest is not a hexadecimal SHA-256.")
    if isinstance(retention_days, bool) or not 1 <= retention_days <= 36_500:
        raise ConsentError("The retention is not between 1 and 36,500 days.")
    if how not in words.how:
        raise ConsentError(
            "Unknown way of obtaining consent.", why=f"Allowed: {', '.join(words.how)}."
        )
    if expires_at is not None and stamp(expires_at) <= stamp(obtained_at):
        raise ConsentError("The consent ends before it starts.", mend="Give a later end.")
    commitment = keyring.commitment("subject", subject)
    withdrawn = [row.withdrawn_at for row in _rows(session, [commitment]) if row.withdrawn_at]
    if withdrawn and stamp(obtained_at) <= max(withdrawn):
        raise ConsentError(
            "The consent is older than the person's withdrawal.",
            why="Only a consent that was given after the withdrawal lifts it.",
            mend="Ask the person again, and give the date of the new consent.",
        )
    row = ConsentRow(
        subject=commitment,
        purposes=json.dumps(list(dict.fromkeys(words.purpose(p) for p in purposes))),
        galleries=json.dumps(list(dict.fromkeys(galleries))),
        client=client,
        notice_digest=notice_digest,
        retention_days=retention_days,
        how=how,
        obtained_at=stamp(obtained_at),
        expires_at=None if expires_at is None else stamp(expires_at),
    )
    _write(session, keyring, row)
    return _consent(row)


def withdraw(session: Session, keyring: KeyRing, subject: str, at: datetime) -> list[Consent]:
    """Withdraw all consents of a person; what was withdrawn just now is returned.

    A person who never consented, or has withdrawn before, is put on record as saying no, so that
    nobody enrolls them silently.

    A row that is damaged is withdrawn too, and not returned.

    Raises:
        ConsentError: no subject.
    """
    if not subject:
        raise ConsentError("A withdrawal needs a subject.")
    commitment = keyring.commitment("subject", subject)
    rows = list(
        session.scalars(
            select(ConsentRow).where(ConsentRow.subject == commitment).order_by(ConsentRow.id)
        )
    )
    standing = [row for row in rows if row.withdrawn_at is None]
    sound = [row for row in standing if is_sound(keyring, row)]
    for row in standing:
        mark_withdrawn(keyring, row, at)
    if not rows:
        objection = ConsentRow(
            subject=commitment,
            purposes="[]",
            galleries="[]",
            client=None,
            notice_digest="",
            retention_days=0,
            how=OBJECTION,
            obtained_at=stamp(at),
            withdrawn_at=stamp(at),
        )
        _write(session, keyring, objection)
    session.flush()
    return [_consent(row) for row in sound]


def mark_withdrawn(keyring: KeyRing, row: ConsentRow, at: datetime) -> None:
    """Withdraw one row; the caller flushes. Inside `Database.write`."""
    row.withdrawn_at = stamp(at)
    row.mac = row_mac(keyring, row)


def row_mac(keyring: KeyRing, row: ConsentRow | Row[Any]) -> str:
    """The keyed hash (hex, 64 digits) of all that a consent's row says, its id included."""
    told = [
        row.id,
        row.subject,
        row.purposes,
        row.galleries,
        row.client,
        row.notice_digest,
        row.retention_days,
        row.how,
        row.obtained_at,
        row.expires_at,
        row.withdrawn_at,
    ]
    return keyring.commitment("consent-row", json.dumps(told))


def is_sound(keyring: KeyRing, row: ConsentRow | Row[Any]) -> bool:
    """Whether this instance wrote the row as it is."""
    return hmac.compare_digest(row_mac(keyring, row).encode(), (row.mac or "").encode())


def damaged(session: Session, keyring: KeyRing) -> int:
    """How many rows this instance did not write as they are. Reads all of them."""
    rows = session.execute(select(*_TABLE).execution_options(yield_per=1_000))
    return sum(not is_sound(keyring, row) for row in rows)


def _write(session: Session, keyring: KeyRing, row: ConsentRow) -> None:
    session.add(row)
    session.flush()  # gives it its id
    row.mac = row_mac(keyring, row)
    session.flush()


def of_subject(session: Session, keyring: KeyRing, subject: str) -> list[Consent]:
    """All consents of a person, oldest first, withdrawn and expired ones included.

    A damaged row is left out.
    """
    found = _rows(session, [keyring.commitment("subject", subject)])
    return [_consent(row) for row in found if row.how != OBJECTION and _sound(keyring, row)]


def covering(
    session: Session,
    keyring: KeyRing,
    subjects: Iterable[str],
    *,
    purpose: str,
    gallery: str | None,
    client: str | None,
    at: datetime,
) -> dict[str, Consent]:
    """Subject → the newest consent that covers this use. Who is not covered is not in it.

    One query however many subjects there are.
    """
    return standing(
        session, keyring, subjects, purpose=purpose, gallery=gallery, client=client, at=at
    ).covering


def suppressed(session: Session, keyring: KeyRing, subject: str) -> bool:
    """Whether the person withdrew, or said no, and has not consented anew since."""
    rows = _rows(session, [keyring.commitment("subject", subject)])
    said = [row for row in rows if row.withdrawn_at is not None or _sound(keyring, row)]
    return bool(said) and said[-1].withdrawn_at is not None


def covered(
    session: Session,
    keyring: KeyRing,
    commitments: Iterable[str],
    *,
    purpose: str,
    gallery: str,
    client: str,
    at: datetime,
) -> frozenset[str]:
    """Those of these rows' commitments whose person is covered for a use at `at`."""
    use = _Use(purpose, gallery, client, stamp(at))
    known = sorted(set(commitments))
    return frozenset(row.subject for row in _rows(session, known) if use.covered_by(keyring, row))


@dataclass(frozen=True)
class Standing:
    """How some persons stand towards one use."""

    covering: dict[str, Consent]
    """Subject → the newest consent that covers it."""
    suppressed: frozenset[str]
    """Subjects who withdrew, or said no, and have not consented anew since."""
    given: dict[str, datetime]
    """Subject → when the last consent was given that is not withdrawn, whatever it covers."""


def standing(
    session: Session,
    keyring: KeyRing,
    subjects: Iterable[str],
    *,
    purpose: str,
    gallery: str | None,
    client: str | None,
    at: datetime,
) -> Standing:
    """Who is covered, and who withdrew, in one query."""
    known = {keyring.commitment("subject", subject): subject for subject in subjects}
    newest: dict[str, Row[Any]] = {}
    withdrawn: dict[str, bool] = {}
    given: dict[str, str] = {}
    use = _Use(purpose, gallery, client, stamp(at))
    for row in _rows(session, list(known)):
        # Ordered by id: the last row of each person says whether they are suppressed.
        if row.withdrawn_at is None and not _sound(keyring, row):
            continue
        withdrawn[row.subject] = row.withdrawn_at is not None
        if row.withdrawn_at is None and row.obtained_at > given.get(row.subject, ""):
            given[row.subject] = row.obtained_at
        before = newest.get(row.subject)
        if use.holds(row) and (before is None or row.obtained_at >= before.obtained_at):
            newest[row.subject] = row
    return Standing(
        covering={known[subject]: _consent(row) for subject, row in newest.items()},
        suppressed=frozenset(known[subject] for subject, gone in withdrawn.items() if gone),
        given={known[subject]: _moment(at) for subject, at in given.items()},
    )


@dataclass(frozen=True)
class _Use:
    """`Consent.covers` on a raw row: a search may ask it of thousands."""

    purpose: str
    gallery: str | None
    client: str | None
    at: str

    def covered_by(self, keyring: KeyRing, row: Row[Any]) -> bool:
        return row.withdrawn_at is None and _sound(keyring, row) and self.holds(row)

    def holds(self, row: Row[Any]) -> bool:
        # On a row that is sound. Those of earlier releases may have been damaged before they were.
        try:
            return (
                row.withdrawn_at is None
                and row.obtained_at <= self.at
                and (row.expires_at is None or self.at < row.expires_at)
                and (row.client is None or row.client == self.client)
                and self.purpose in _words(row.purposes)
                and _any_matches(row.galleries, self.gallery)
            )
        except (ValueError, TypeError):
            _log.error("a consent's record is damaged; it covers nothing")
            return False


_TABLE = ConsentRow.__table__.c
_OF_ONE = select(*_TABLE).where(_TABLE.subject == bindparam("subject")).order_by(_TABLE.id)
_OF_MANY = (
    select(*_TABLE)
    .where(_TABLE.subject.in_(bindparam("subjects", expanding=True)))
    .order_by(_TABLE.id)
)


def _rows(session: Session, commitments: list[str]) -> Sequence[Row[Any]]:
    if not commitments:
        return ()
    if len(commitments) == 1:
        return session.connection().execute(_OF_ONE, {"subject": commitments[0]}).all()
    return session.connection().execute(_OF_MANY, {"subjects": commitments}).all()


def _sound(keyring: KeyRing, row: Row[Any]) -> bool:
    if is_sound(keyring, row):
        return True
    _log.error("a consent's record is not as it was written; it covers nothing")
    return False


@lru_cache(maxsize=1_024)
def _any_matches(galleries: str, gallery: str | None) -> bool:
    return gallery is None or any(fnmatchcase(gallery, one) for one in _words(galleries))


def _consent(row: ConsentRow | Row[Any]) -> Consent:
    return Consent(
        consent_id=row.id,
        subject_commitment=row.subject,
        purposes=_words(row.purposes),
        galleries=_words(row.galleries),
        client=row.client,
        notice_digest=row.notice_digest,
        retention_days=row.retention_days,
        how=row.how,
        obtained_at=_moment(row.obtained_at),
        expires_at=None if row.expires_at is None else _moment(row.expires_at),
        withdrawn_at=None if row.withdrawn_at is None else _moment(row.withdrawn_at),
    )


@lru_cache(maxsize=1_024)
def _words(text: str) -> tuple[str, ...]:
    return tuple(json.loads(text))


@lru_cache(maxsize=4_096)
def _moment(text: str) -> datetime:
    return moment(text)
