"""How warrants, orders and emergencies are kept: signed, checked at each use.

The record is a canonical JSON text with an Ed25519 signature; what happened to it since (asked for,
reported, ended) is signed as well. A row that was changed counts as not there, and is reported as
damaged. Whether a record covers an operation: `warrants.py`.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from types import MappingProxyType
from typing import Any, NamedTuple

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from rightface.errors import LawError, NotOnRecord
from rightface.keys import KeyRing
from rightface.law.signed import canonical, sign, verifies
from rightface.law.tables import WarrantRow, moment, stamp
from rightface.law.vocabulary import Fact, Vocabulary
from rightface.law.warrants import EXIGENT, Warrant

LIMIT_HOURS = 48
"""How long an emergency may run before authorisation and report are due, if nothing is said."""
MOST_HOURS = 168
_AHEAD = timedelta(days=366)
"""How far in the future a record's term may start."""
_CLIENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
"""Conditions that the gate reads from records of their own; no warrant states them."""


@dataclass(frozen=True, kw_only=True)
class WarrantTerms:
    """What a document says, as it is put on record."""

    kind: str
    issuer: str = field(repr=False)
    number: str = field(repr=False)
    client: str
    operations: Sequence[str]
    purposes: Sequence[str]
    jurisdictions: Sequence[str]
    document_digest: str = field(repr=False)
    valid_until: datetime | None = None
    """None: the end of an emergency's limit; every other document states its end."""
    galleries: Sequence[str] = ()
    valid_from: datetime | None = None
    """None: now."""
    sealed: bool = False
    conditions: Mapping[str, object] = field(default_factory=dict)
    limit_hours: int | None = None


class Listed(NamedTuple):
    """One row: its id, its client, and the record, if its signature is good."""

    warrant_id: str
    client: str
    warrant: Warrant | None


def record(session: Session, keyring: KeyRing, terms: WarrantTerms, *, at: datetime) -> Warrant:
    """Write and sign a record. Call inside `Database.write`.

    Raises:
        LawError: an unknown word, malformed terms, or an emergency while an earlier one of the same
            client is past its limit without a report.
    """
    told = _checked(terms, at)
    if told["kind"] == EXIGENT:
        _require_reported(session, keyring, terms.client, at)
    body = canonical(told)
    row = WarrantRow(
        warrant_id=told["warrant_id"],
        client=told["client"],
        body=body,
        signature=sign(keyring, body),
        recorded_at=told["recorded_at"],
    )
    _sign_course(row, keyring)
    session.add(row)
    session.flush()
    return _verified(row, keyring)


def find(session: Session, keyring: KeyRing, warrant_id: str) -> Listed | None:
    """The row of that id; None: there is none. Its record is None if the row was changed."""
    row = session.connection().execute(_BY_ID, {"warrant_id": warrant_id}).first()
    return None if row is None else _listed(row, keyring)


def all_warrants(session: Session, keyring: KeyRing, client: str | None = None) -> list[Listed]:
    """Every row, oldest first, ended and damaged ones included; of one client, or of all."""
    wanted = _ALL if client is None else _ALL.where(_TABLE.client == client)
    return [_listed(row, keyring) for row in session.connection().execute(wanted)]


def end(
    session: Session, keyring: KeyRing, warrant_id: str, *, at: datetime, refused: bool = False
) -> Warrant:
    """End a record at `at`, for good; `refused`: by the court. A second time changes nothing.

    Raises:
        LawError: there is none of that id, or its signature is broken.
    """
    row, known = _row(session, keyring, warrant_id)
    if known.ended_at is not None:
        return known
    row.ended_at, row.ended_as = stamp(at), "refused" if refused else "ended"
    return _changed(session, row, keyring)


def mark_requested(
    session: Session, keyring: KeyRing, warrant_id: str, *, when: datetime, now: datetime
) -> Warrant:
    """Record when its authorisation was asked for. A second time changes nothing.

    Raises:
        LawError: there is none of that id, its signature is broken, it is no emergency, or `when`
            is in the future.
    """
    row, known = _row(session, keyring, warrant_id)
    if known.limit_hours is None:
        raise LawError(
            f"A {known.kind} is an authorisation itself; none is asked for.",
            why="Only an emergency runs before its authorisation.",
        )
    if known.requested_at is not None:
        return known
    if stamp(when) > stamp(now):
        raise LawError("The authorisation would be asked for in the future.", mend="Give its date.")
    row.requested_at = stamp(when)
    return _changed(session, row, keyring)


def mark_reported(
    session: Session, keyring: KeyRing, warrant_id: str, *, when: datetime, now: datetime
) -> Warrant:
    """Record when an emergency was reported after the fact. A second time changes nothing.

    Raises:
        LawError: there is none of that id, its signature is broken, it is no emergency, or `when`
            is before its start or in the future.
    """
    row, known = _row(session, keyring, warrant_id)
    if known.kind != EXIGENT:
        raise LawError(f"It is a {known.kind}: only an emergency is reported after the fact.")
    if known.reported_at is not None:
        return known
    if not stamp(known.valid_from) <= stamp(when) <= stamp(now):
        raise LawError(
            "A report after the fact lies between the emergency's start and now.",
            mend="Give the date on which it was reported.",
        )
    row.reported_at = stamp(when)
    return _changed(session, row, keyring)


# ---------------------------------------------------------------- validation
def _checked(terms: WarrantTerms, at: datetime) -> dict[str, Any]:
    words = Vocabulary.load()
    if words.warrant(terms.kind) == "none":
        raise LawError("'none' is no authorisation.", mend="Name its kind.")
    if not _CLIENT.fullmatch(terms.client):
        raise LawError(
            "The client's id is malformed.",
            mend="Use at most 64 letters, digits, '.', '_' and '-'.",
        )
    for name, text in (("issuer", terms.issuer), ("number", terms.number)):
        if not 0 < len(text.strip()) <= 200 or not text.isprintable():
            raise LawError(f"The {name} is empty, too long or unprintable.")
    if not _DIGEST.fullmatch(terms.document_digest):
        raise LawError("The document's digest is not a hexadecimal SHA-256.")
    if not terms.operations or not terms.purposes or not terms.jurisdictions:
        raise LawError("It names at least one operation, one purpose and one place.")
    if any(not 0 < len(each) <= 255 or not each.isprintable() for each in terms.galleries):
        raise LawError("A gallery's pattern is empty, too long or unprintable.")
    start = at if terms.valid_from is None else terms.valid_from
    return {
        "v": 1,
        "warrant_id": "wrt-" + secrets.token_hex(12),
        "kind": terms.kind,
        "issuer": terms.issuer.strip(),
        "number": terms.number.strip(),
        "client": terms.client,
        "operations": _unique(words.operation(one) for one in terms.operations),
        "purposes": _unique(words.purpose(one) for one in terms.purposes),
        "galleries": _unique(terms.galleries),
        "jurisdictions": _unique(words.place(one) for one in terms.jurisdictions),
        **_dates(terms, start, at),
        "document_digest": terms.document_digest,
        "sealed": bool(terms.sealed),
        "conditions": _conditions(terms.conditions, words),
        "limit_hours": _limit(terms),
        "recorded_at": stamp(at),
    }


def _dates(terms: WarrantTerms, start: datetime, at: datetime) -> dict[str, str]:
    until = terms.valid_until
    if until is None:
        hours = _limit(terms)
        if hours is None:
            raise LawError("The document has an end.", mend="Give --until DATE.")
        until = start + timedelta(hours=hours)
    if stamp(start) >= stamp(until):
        raise LawError("Its term ends before it starts.", mend="Give a later end.")
    if terms.kind == EXIGENT and stamp(start) > stamp(at):
        raise LawError("An emergency cannot start in the future.", mend="Record it when it does.")
    if stamp(start) > stamp(at + _AHEAD):
        raise LawError(
            f"Its term starts more than {_AHEAD.days} days from now.",
            mend="Mend the date, or record it later.",
        )
    return {"valid_from": stamp(start), "valid_until": stamp(until)}


def _limit(terms: WarrantTerms) -> int | None:
    hours = terms.limit_hours
    if terms.kind != EXIGENT:
        if hours is not None:
            raise LawError(
                "Only an emergency has a limit in hours.",
                why="Every other authorisation has its term.",
                mend="Leave the hours out, or record it as exigent.",
            )
        return None
    if hours is None:
        return LIMIT_HOURS
    if isinstance(hours, bool) or not isinstance(hours, int) or not 1 <= hours <= MOST_HOURS:
        raise LawError(f"An emergency's limit is between 1 and {MOST_HOURS} hours.")
    return hours


def _conditions(stated: Mapping[str, object], words: Vocabulary) -> dict[str, Fact | list[str]]:
    found: dict[str, Fact | list[str]] = {}
    for name, value in stated.items():
        condition = words.condition(name)
        if not condition.case:
            raise LawError(
                f"'{name}' is no condition that a document states.",
                why="It states facts of the case, such as the offence, and nothing else.",
                mend="Those marked 'case' in: rightface law vocabulary.",
            )
        checked = words.value(name, value)
        found[name] = list(checked) if isinstance(checked, tuple) else checked
    return found


def _require_reported(session: Session, keyring: KeyRing, client: str, at: datetime) -> None:
    for each in all_warrants(session, keyring, client):
        if each.warrant is not None and each.warrant.unreported(at):
            raise LawError(
                f"The emergency {each.warrant_id} of this client has run its hours unreported.",
                why="A new one is not recorded until the earlier one is reported.",
                mend=f"rightface warrant report {each.warrant_id}",
            )


def _unique(words: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(words))


# ---------------------------------------------------------------- rows
_TABLE = WarrantRow.__table__.c
_BY_ID = select(*_TABLE).where(_TABLE.warrant_id == bindparam("warrant_id"))
_ALL = select(*_TABLE).order_by(_TABLE.recorded_at, _TABLE.warrant_id)


def _row(session: Session, keyring: KeyRing, warrant_id: str) -> tuple[WarrantRow, Warrant]:
    row = session.get(WarrantRow, warrant_id)
    if row is None:
        raise NotOnRecord("There is no warrant of that id.", mend="rightface warrant list")
    return row, _verified(row, keyring)


def _changed(session: Session, row: WarrantRow, keyring: KeyRing) -> Warrant:
    _sign_course(row, keyring)
    session.flush()
    return _verified(row, keyring)


def _sign_course(row: WarrantRow, keyring: KeyRing) -> None:
    row.course_signature = sign(keyring, _course(row))


def _course(row: object) -> str:
    names = ("warrant_id", "requested_at", "reported_at", "ended_at", "ended_as")
    return canonical({"warrant-course": 1, **{n: getattr(row, n, None) for n in names}})


def _listed(row: Any, keyring: KeyRing) -> Listed:
    try:
        warrant = _verified(row, keyring)
    except LawError:
        warrant = None
    return Listed(row.warrant_id, row.client, warrant)


def _verified(row: Any, keyring: KeyRing) -> Warrant:
    text = _course(row)
    signed = ((row.body, row.signature), (text, row.course_signature))
    try:
        if not all(verifies(keyring, each, bytes(signature)) for each, signature in signed):
            raise _damaged(row.warrant_id)
        warrant = _warrant(row.body, text)
    except (AttributeError, KeyError, TypeError, ValueError):
        raise _damaged(row.warrant_id) from None
    if (row.warrant_id, row.client) != (warrant.warrant_id, warrant.client):
        raise _damaged(row.warrant_id)
    return warrant


@lru_cache(maxsize=1_024)
def _warrant(body: str, course: str) -> Warrant:
    told, since = json.loads(body), json.loads(course)
    conditions = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in told["conditions"].items()
    }
    return Warrant(
        warrant_id=told["warrant_id"],
        kind=told["kind"],
        issuer=told["issuer"],
        number=told["number"],
        client=told["client"],
        operations=tuple(told["operations"]),
        purposes=tuple(told["purposes"]),
        galleries=tuple(told["galleries"]),
        jurisdictions=tuple(told["jurisdictions"]),
        valid_from=moment(told["valid_from"]),
        valid_until=moment(told["valid_until"]),
        document_digest=told["document_digest"],
        recorded_at=moment(told["recorded_at"]),
        sealed=told["sealed"],
        conditions=MappingProxyType(conditions),
        limit_hours=told["limit_hours"],
        requested_at=_moment(since["requested_at"]),
        reported_at=_moment(since["reported_at"]),
        ended_at=_moment(since["ended_at"]),
        ended_as=since["ended_as"],
    )


def _moment(text: str | None) -> datetime | None:
    return None if text is None else moment(text)


def _damaged(warrant_id: str) -> LawError:
    return LawError(
        f"The record of {warrant_id} does not bear this instance's signature.",
        why="It was changed, or it was made with other keys.",
        mend="Put the authorisation on record again.",
    )
