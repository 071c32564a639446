"""The operator's acts on what the law waits for: commitments, duties, facts, attesters.

Each act is one transaction with its own leaf in the ledger. A leaf names words, ids and keyed
commitments; never an attester's name, a reason or a document. Must never know: a command line.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy.orm import Session

from rightface.errors import LawError
from rightface.instance import OPERATOR, Instance
from rightface.law import adoptions, attesters, duties, facts, licences
from rightface.law.adoptions import Adoption
from rightface.law.attesters import Attester
from rightface.law.duties import DutyOnRecord
from rightface.law.facts import FactOnRecord, FactTerms


@dataclass(frozen=True, kw_only=True)
class ListedFact:
    """A record as it is shown. Damaged ones have an id and nothing more."""

    fact_id: str
    state: str
    """holds, not-yet, over, ended, not-attested or damaged."""
    fact: FactOnRecord | None


class LawDesk:
    """Where the operator keeps what the law waits for. Get it from `Registrar.law`."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance

    # ------------------------------------------------------------ commitments
    def adopt(self, instrument: str) -> Adoption:
        """Bind the instance to a commitment from now on.

        Raises:
            LawError: it is no commitment, is unknown, or does not bind any more.
        """
        known = self._instance.library.commitment(instrument)
        if not known.on(datetime.now(UTC).date()):
            raise LawError(
                f"'{instrument}' is not in force.",
                why=f"It bound from {known.effective_from} until {known.effective_until}.",
                mend="rightface law list shows what is.",
            )

        def work(session: Session) -> Adoption:
            adopted = adoptions.adopt(
                session, self._instance.keyring, instrument, at=datetime.now(UTC), by=OPERATOR
            )
            self._instance.record_act(session, "commitment-adopt", reasons=(instrument,))
            return adopted

        return self._instance.database.write(work)

    def withdraw(self, instrument: str, reason: str) -> Adoption:
        """End the adoption of a commitment now.

        Raises:
            LawError: it is no commitment, is unknown or not adopted, or no reason is given.
        """
        self._instance.library.commitment(instrument)

        def work(session: Session) -> Adoption:
            withdrawn = adoptions.withdraw_adoption(
                session,
                self._instance.keyring,
                instrument,
                reason=reason,
                at=datetime.now(UTC),
                by=OPERATOR,
            )
            self._instance.record_act(session, "commitment-withdraw", reasons=(instrument,))
            return withdrawn

        return self._instance.database.write(work)

    def adoptions(self) -> list[Adoption]:
        """Every adoption, oldest first, ended ones included."""
        with self._instance.database.read() as session:
            return adoptions.all_adoptions(session, self._instance.keyring)

    # ------------------------------------------------------------ duties
    def record_duty(
        self,
        duty: str,
        document: bytes,
        met_from: datetime | None = None,
        *,
        client: str | None = None,
        gallery: str | None = None,
    ) -> DutyOnRecord:
        """Put a met duty on record. Of the document only the SHA-256 is kept.

        Raises:
            LawError: no such duty, one that no document meets, a client without a licence, or a
                malformed gallery's pattern.
        """

        def work(session: Session) -> DutyOnRecord:
            self._check_client(session, client)
            recorded = duties.record_duty(
                session,
                self._instance.keyring,
                duty,
                document_digest=hashlib.sha256(document).hexdigest(),
                at=datetime.now(UTC),
                by=OPERATOR,
                met_from=met_from,
                client=client,
                gallery=gallery,
            )
            self._instance.record_act(session, "duty-record", client=client, reasons=(duty,))
            return recorded

        return self._instance.database.write(work)

    def end_duty(self, duty: str) -> list[DutyOnRecord]:
        """Record that a duty is met no longer, from now on.

        Raises:
            LawError: no such duty, or it is not on record.
        """

        def work(session: Session) -> list[DutyOnRecord]:
            keyring = self._instance.keyring
            ended = duties.end_duty(session, keyring, duty, at=datetime.now(UTC))
            if not ended:
                raise LawError(f"'{duty}' is not on record.", mend="rightface law duties list")
            self._instance.record_act(session, "duty-end", reasons=(duty,))
            return ended

        return self._instance.database.write(work)

    def duties(self) -> list[DutyOnRecord]:
        """Every duty on record, oldest first, ended ones included."""
        with self._instance.database.read() as session:
            return duties.all_duties(session, self._instance.keyring)

    # ------------------------------------------------------------ facts
    def record_fact(self, terms: FactTerms) -> FactOnRecord:
        """Put a fact or a standing condition on record.

        Raises:
            LawError: malformed terms, a client without a licence, or an attestation that does not
                suffice.
        """

        def work(session: Session) -> FactOnRecord:
            keyring = self._instance.keyring
            self._check_client(session, terms.client)
            fact = facts.record_fact(session, keyring, terms, at=datetime.now(UTC))
            self._record(session, "fact-record", fact)
            return fact

        return self._instance.database.write(work)

    def end_fact(self, fact_id: str) -> FactOnRecord:
        """End a fact or a standing condition now, for good. A damaged one ends as well.

        Raises:
            LawError: there is none of that id.
        """

        def work(session: Session) -> FactOnRecord:
            keyring = self._instance.keyring
            fact = facts.end_fact(session, keyring, fact_id, at=datetime.now(UTC))
            self._record(session, "fact-end", fact)
            return fact

        return self._instance.database.write(work)

    def facts(self) -> list[ListedFact]:
        """Every fact and standing condition, oldest first, with its state now."""
        now = datetime.now(UTC)
        with self._instance.database.read() as session:
            keyring = self._instance.keyring
            found, damaged = facts.all_facts(session, keyring)
            known = attesters.trusted(attesters.all_attesters(session, keyring), now, live=True)
        return [
            *(ListedFact(fact_id=f.fact_id, state=f.state(known, now), fact=f) for f in found),
            *(ListedFact(fact_id=one, state="damaged", fact=None) for one in damaged),
        ]

    # ------------------------------------------------------------ attesters
    def add_attester(self, name: str, public_pem: bytes) -> Attester:
        """Trust the attestations of `name` under this public key from now on.

        Raises:
            KeysError: no public Ed25519 key. LawError: a malformed name, or it is trusted already.
        """
        public = attesters.public_key(public_pem)

        def work(session: Session) -> Attester:
            keyring = self._instance.keyring
            added = attesters.add_attester(session, keyring, name, public, at=datetime.now(UTC))
            self._record_attester(session, "attester-add", name)
            return added

        return self._instance.database.write(work)

    def end_attester(self, name: str) -> list[Attester]:
        """Trust the attestations of `name` no longer: what rests on them holds no more.

        Raises:
            LawError: nobody of that name is trusted.
        """

        def work(session: Session) -> list[Attester]:
            keyring = self._instance.keyring
            ended = attesters.end_attester(session, keyring, name, at=datetime.now(UTC))
            self._record_attester(session, "attester-end", name)
            return ended

        return self._instance.database.write(work)

    def attesters(self) -> list[Attester]:
        """Every attester's key, oldest first, ended ones included."""
        with self._instance.database.read() as session:
            return attesters.all_attesters(session, self._instance.keyring)

    def _check_client(self, session: Session, client: str | None) -> None:
        known = client is None or licences.of_client(session, self._instance.keyring, client)
        if not known:
            raise LawError("No client of that id has a licence.", mend="rightface licence list")

    # ------------------------------------------------------------ the ledger
    def _record(self, session: Session, act: str, fact: FactOnRecord) -> None:
        self._instance.record_act(
            session,
            act,
            client=fact.client,
            reasons=(fact.name.replace("_", "-"),),  # a leaf's words have hyphens
            records=(fact.fact_id,),
            subjects=(self._commitment(fact.attester),),
        )

    def _record_attester(self, session: Session, act: str, name: str) -> None:
        self._instance.record_act(session, act, subjects=(self._commitment(name),))

    def _commitment(self, name: str) -> str:
        return self._instance.keyring.commitment("attester", name)
