"""The operator's acts on warrants, orders and emergencies: recorded, ended, requested, reported.

Each act is one transaction with its own leaf in the ledger, which names the record by its id alone.
Must never know: a command line, a wire format.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from sqlalchemy.orm import Session

from rightface.errors import LawError, NotOnRecord
from rightface.instance import OPERATOR, Instance
from rightface.law import warrant_records
from rightface.law.warrant_records import Listed, WarrantTerms
from rightface.law.warrants import Warrant


class WarrantDesk:
    """Where the operator keeps warrants. Get it from `Registrar.warrants`."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance

    def record(self, terms: WarrantTerms) -> Warrant:
        """Put a warrant, an order or an emergency on record.

        Raises:
            LawError: malformed terms, or an earlier emergency of the client is not reported.
        """
        if terms.client == OPERATOR:
            raise LawError("The operator searches for nobody, and needs no warrant.")
        if not terms.jurisdictions:
            terms = replace(terms, jurisdictions=(self._instance.settings.jurisdiction,))

        def work(session: Session, now: datetime) -> Warrant:
            return warrant_records.record(session, self._instance.keyring, terms, at=now)

        return self._act("warrant-record", work)

    def listed(self, client: str | None = None) -> list[Listed]:
        """Every record, oldest first; damaged ones have no warrant."""
        with self._instance.database.read() as session:
            return warrant_records.all_warrants(session, self._instance.keyring, client)

    def find(self, warrant_id: str) -> Listed:
        """The record of that id.

        Raises:
            LawError: there is none.
        """
        with self._instance.database.read() as session:
            found = warrant_records.find(session, self._instance.keyring, warrant_id)
        if found is None:
            raise NotOnRecord("There is no warrant of that id.", mend="rightface warrant list")
        return found

    def end(self, warrant_id: str, *, refused: bool = False) -> Warrant:
        """End a record now, for good; `refused`: because the court refused it.

        Raises:
            LawError: there is none of that id, or its signature is broken.
        """

        def work(session: Session, now: datetime) -> Warrant:
            keyring = self._instance.keyring
            return warrant_records.end(session, keyring, warrant_id, at=now, refused=refused)

        return self._act("warrant-refused" if refused else "warrant-end", work)

    def mark_requested(self, warrant_id: str, when: datetime | None = None) -> Warrant:
        """Record that its authorisation was asked for; when: None is now.

        Raises:
            LawError: no such record, a broken signature, or a time in the future.
        """

        def work(session: Session, now: datetime) -> Warrant:
            keyring = self._instance.keyring
            return warrant_records.mark_requested(
                session, keyring, warrant_id, when=when or now, now=now
            )

        return self._act("warrant-request", work)

    def mark_reported(self, warrant_id: str, when: datetime | None = None) -> Warrant:
        """Record that an emergency was reported after the fact; when: None is now.

        Raises:
            LawError: no such record, a broken signature, no emergency, or a time out of order.
        """

        def work(session: Session, now: datetime) -> Warrant:
            keyring = self._instance.keyring
            return warrant_records.mark_reported(
                session, keyring, warrant_id, when=when or now, now=now
            )

        return self._act("warrant-report", work)

    def _act(self, act: str, work: Callable[[Session, datetime], Warrant]) -> Warrant:
        def recorded(session: Session) -> Warrant:
            done = work(session, datetime.now(UTC))
            self._instance.record_act(
                session, act, client=done.client, reasons=(done.kind,), records=(done.warrant_id,)
            )
            return done

        return self._instance.database.write(recorded)
