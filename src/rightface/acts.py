"""The ledger's acts against the rows: was anything that ended, or was taken on, put back?

The signature of a row shows that this instance wrote it, not that it is the last word: whoever
writes to the database can put an earlier signed row back, or delete one. The ledger has the last
word: it is append-only, and what was signed of it binds. So its acts are replayed in memory:

    1. What ended stays ended: licences, credentials, warrants, facts, attesters, duties.
    2. What was adopted and not withdrawn since stands.
    3. Who withdrew has no consent from before that stands, and is suppressed; so is whom an erasure
       suppressed.
    4. What was put on record is there: licences, warrants, findings, facts, credentials.

After a restore from a backup (its act in the ledger), 4 speaks of later acts only: the backup
lacked those in between, and the operator confirmed it. Reads everything once; changes nothing.
Must never know: a wire format, a command line, faces.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from rightface.credentials import CredentialRow
from rightface.errors import LedgerError
from rightface.instance import SUPPRESS, Instance
from rightface.law import adoptions, suppressions
from rightface.law.tables import (
    AttesterRow,
    ConsentRow,
    DutyRow,
    FactRow,
    FindingRow,
    LicenceRow,
    SuppressionRow,
    WarrantRow,
)
from rightface.ledger import log

_ACT = b'"kind":"act"'  # canonical JSON; no leaf has free text in which it could stand
_AT_ONCE = 4096
_NAMED = 5  # disagreements told one by one
Act = dict[str, Any]


def require_agreement(instance: Instance) -> int:
    """Hold every act of the ledger against the rows; how many acts there were.

    Raises:
        LedgerError: they do not agree. It names each disagreement by its ledger index.
    """
    with instance.database.read() as session:
        acts = list(_acts(session))
        problems = list(dict.fromkeys(_Replay(instance, session, acts).problems()))
    if problems:
        more = f" And {len(problems) - _NAMED} more." if len(problems) > _NAMED else ""
        raise LedgerError(
            "The database does not agree with the ledger's acts; nothing is served.",
            why=" ".join(problems[:_NAMED]) + more,
            mend="Bring back the database as it was, or withdraw, revoke and end anew what is "
            "named, with `rightface`, and ask who can write to the database.",
        )
    return len(acts)


def _acts(session: Session) -> Iterator[tuple[int, Act]]:
    size = log.size(session)
    for start in range(0, size, _AT_ONCE):
        bodies = log.entries(session, start, min(start + _AT_ONCE, size))
        for offset, body in enumerate(bodies):
            if _ACT in body:
                yield start + offset, json.loads(body)


class _Replay:
    def __init__(self, instance: Instance, session: Session, acts: list[tuple[int, Act]]) -> None:
        self._instance = instance
        self._session = session
        self._acts = acts
        restores = [index for index, act in acts if act["operation"] == "restore"]
        self._restored = restores[-1] if restores else -1

    def problems(self) -> Iterator[str]:
        yield from self._records()
        yield from self._attesters()
        yield from self._duties()
        yield from self._adoptions()
        yield from self._withdrawals()

    # ------------------------------------------------------------ by id
    def _records(self) -> Iterator[str]:
        """1 and 4, for what an act names by its id."""
        ended = self._columns(
            ("licence", LicenceRow.licence_id, LicenceRow.revoked_at),
            ("warrant", WarrantRow.warrant_id, WarrantRow.ended_at),
            ("warrant-request", WarrantRow.warrant_id, WarrantRow.requested_at),
            ("warrant-report", WarrantRow.warrant_id, WarrantRow.reported_at),
            ("fact", FactRow.fact_id, FactRow.ended_at),
            ("finding", FindingRow.finding_id, FindingRow.recorded_at),
            ("credential", CredentialRow.credential_id, CredentialRow.ended_at),
        )
        told = {
            "licence-issue": ("licence", False),
            "licence-revoke": ("licence", True),
            "warrant-record": ("warrant", False),
            "warrant-end": ("warrant", True),
            "warrant-refused": ("warrant", True),
            "warrant-request": ("warrant-request", True),
            "warrant-report": ("warrant-report", True),
            "fact-record": ("fact", False),
            "fact-end": ("fact", True),
            "finding-record": ("finding", False),
            "credential-issue": ("credential", False),
            "credential-end": ("credential", True),
        }
        for index, act in self._acts:
            if act["operation"] not in told:
                continue
            kind, ends = told[act["operation"]]
            named = act.get("licence") if kind == "licence" else _first(act, "records")
            if named is None:
                continue
            key = named.removeprefix("crd-") if kind == "credential" else named
            word = act["operation"]
            if key not in ended[kind]:
                if index > self._restored:
                    yield f"Entry {index}, {word}: the record is gone."
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
        held = {
            (subject, reason)
            for subject, reason in self._session.execute(
                select(SuppressionRow.subject, SuppressionRow.reason)
            )
        }
        withdrew: dict[str, tuple[int, str]] = {}
        for index, act in self._acts:
            if act["operation"] != SUPPRESS:
                continue
            reason = str(_first(act, "reasons"))
            for person in act.get("subjects", (suppressions.ANY,)):
                if (person, reason) not in held:
                    yield f"Entry {index}, {SUPPRESS}: the entry is gone."
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
            if obtained_at <= time:  # both are UTC, as text of one width
                yield f"Entry {index}, {SUPPRESS}: a withdrawal was undone."


def _first(act: Act, name: str) -> str | None:
    values = act.get(name) or ()
    return str(values[0]) if values else None
