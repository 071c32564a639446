"""How findings are kept: signed, with what each was derived from.

Recording checks that every parent is on record and belongs to the client, so that a chain leads
back to its searches. A row that was changed counts as not there. What a chain amounts to:
`provenance.py`. Whether a search took place is for the ledger to say; the caller passes who asks.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from rightface.errors import LawError
from rightface.keys import KeyRing
from rightface.law.provenance import SEARCH, Finding, Provenance
from rightface.law.signed import canonical, sign, verifies
from rightface.law.tables import FindingRow, moment, stamp
from rightface.law.vocabulary import Vocabulary

Searched = Callable[[Session, str, int], bool]
"""Whether the ledger's entry of that index is a permitted identification of that client."""
SEARCHES = frozenset({"identify-1toN", "identify-live"})
ACTS = frozenset({"arrest-on-match", "lineup-on-match", "probable-cause-from-match"})
"""Operations that act on a match, and may cite findings for it."""
_CLIENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_INDEX = re.compile(r"search:(0|[1-9][0-9]{0,14})", re.ASCII)
_MOST_PARENTS = 100
_CHUNK = 500  # ids in one query


@dataclass(frozen=True, kw_only=True)
class FindingTerms:
    """What was found, as it is put on record."""

    client: str
    kind: str
    document_digest: str
    parents: Sequence[str] = ()
    found_at: datetime | None = None
    """None: now."""


class Listed(NamedTuple):
    """One row: its id, its client, and the finding, if its signature is good."""

    finding_id: str
    client: str
    finding: Finding | None


def record(
    session: Session, keyring: KeyRing, terms: FindingTerms, *, at: datetime, searched: Searched
) -> Finding:
    """Write and sign a finding. Call inside `Database.write`.

    Raises:
        LawError: an unknown word, malformed terms, a time in the future, or a parent that is not on
            record for this client.
    """
    words = Vocabulary.load()
    if not _CLIENT.fullmatch(terms.client):
        raise LawError(
            "The client's id is malformed.",
            mend="Use at most 64 letters, digits, '.', '_' and '-'.",
        )
    if not _DIGEST.fullmatch(terms.document_digest):
        raise LawError("The document's digest is not a hexadecimal SHA-256.")
    found_at = at if terms.found_at is None else terms.found_at
    if stamp(found_at) > stamp(at):
        raise LawError("It would be found in the future.", mend="Give its date.")
    parents = tuple(dict.fromkeys(terms.parents))
    if len(parents) > _MOST_PARENTS:
        raise LawError(f"A finding has at most {_MOST_PARENTS} parents.")
    known = trace(session, keyring, terms.client, parents, searched)
    if known.unknown:
        raise LawError(
            f"It rests on what is not on record for this client: {shown(known.unknown[0])}.",
            why="A parent is a finding of this client, or search:INDEX, the ledger's index of one"
            " of its permitted identifications.",
            mend="rightface finding list",
        )
    body = canonical(
        {
            "v": 1,
            "finding_id": "fnd-" + secrets.token_hex(12),
            "client": terms.client,
            "kind": words.finding(terms.kind),
            "parents": list(parents),
            "document_digest": terms.document_digest,
            "found_at": stamp(found_at),
            "recorded_at": stamp(at),
        }
    )
    told = json.loads(body)
    row = FindingRow(
        finding_id=told["finding_id"],
        client=terms.client,
        body=body,
        signature=sign(keyring, body),
        recorded_at=told["recorded_at"],
    )
    session.add(row)
    session.flush()
    return _finding(body)


def trace(
    session: Session, keyring: KeyRing, client: str, cited: Sequence[str], searched: Searched
) -> Provenance:
    """What `cited` rests on, back to the first, as far as it is on record for `client`."""
    found: dict[str, Finding] = {}
    searches: set[str] = set()
    seen: set[str] = set()
    waiting = set(cited)
    while waiting:
        seen |= waiting
        for one in waiting:
            index = _INDEX.fullmatch(one)
            if index is not None and searched(session, client, int(index[1])):
                searches.add(one)
        level = {
            each.finding_id: each.finding
            for each in _of_ids(session, keyring, client, waiting)
            if each.finding is not None
        }
        found |= level
        waiting = {parent for each in level.values() for parent in each.parents} - seen
    return Provenance(cited=tuple(cited), findings=found, searches=frozenset(searches))


def all_findings(session: Session, keyring: KeyRing, client: str | None = None) -> list[Listed]:
    """Every row, oldest first, damaged ones included; of one client, or of all."""
    wanted = _ALL if client is None else _ALL.where(_TABLE.client == client)
    return [_listed(row, keyring) for row in session.connection().execute(wanted)]


def find(session: Session, keyring: KeyRing, finding_id: str) -> Listed | None:
    """The row of that id; None: there is none. Its finding is None if the row was changed."""
    row = session.connection().execute(_ALL.where(_TABLE.finding_id == finding_id)).first()
    return None if row is None else _listed(row, keyring)


def shown(citation: str) -> str:
    """A citation as it may be repeated: one of another form comes from outside, and is not."""
    known = _INDEX.fullmatch(citation) or re.fullmatch(r"fnd-[0-9a-f]{24}", citation, re.ASCII)
    return citation if known else f"{SEARCH}… or fnd-… of another form"


# ---------------------------------------------------------------- rows
_TABLE = FindingRow.__table__.c
_ALL = select(*_TABLE).order_by(_TABLE.recorded_at, _TABLE.finding_id)
_SOME = select(*_TABLE).where(
    _TABLE.client == bindparam("client"),
    _TABLE.finding_id.in_(bindparam("ids", expanding=True)),
)


def _of_ids(
    session: Session, keyring: KeyRing, client: str, ids: Iterable[str]
) -> Iterable[Listed]:
    asked = sorted(one for one in ids if one.startswith("fnd-"))
    for start in range(0, len(asked), _CHUNK):
        told = {"client": client, "ids": asked[start : start + _CHUNK]}
        for row in session.connection().execute(_SOME, told):
            yield _listed(row, keyring)


def _listed(row: Any, keyring: KeyRing) -> Listed:
    finding: Finding | None = None
    try:
        if verifies(keyring, row.body, bytes(row.signature)):
            finding = _finding(row.body)
    except (AttributeError, KeyError, TypeError, ValueError):
        finding = None
    if finding is not None and (finding.finding_id, finding.client) != (row.finding_id, row.client):
        finding = None
    return Listed(row.finding_id, row.client, finding)


@lru_cache(maxsize=4_096)
def _finding(body: str) -> Finding:
    told = json.loads(body)
    return Finding(
        finding_id=told["finding_id"],
        client=told["client"],
        kind=told["kind"],
        parents=tuple(told["parents"]),
        document_digest=told["document_digest"],
        found_at=moment(told["found_at"]),
        recorded_at=moment(told["recorded_at"]),
    )
