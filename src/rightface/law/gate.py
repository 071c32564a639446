"""The gate: the one place where permits are made.

Read `Gate.decide` and `judge`: the steps are numbered as in the design. What a step looks at is in
`steps/`. Knows rules, dates and records; never pixels, templates or HTTP.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from sqlalchemy.orm import Session

from rightface.db import Database
from rightface.errors import RightfaceError, StorageError
from rightface.keys import KeyRing
from rightface.law.evidence import Evidence
from rightface.law.findings import Searched
from rightface.law.library import InstrumentLibrary
from rightface.law.licences import Licence
from rightface.law.on_record import on_record
from rightface.law.operation import Operation
from rightface.law.records import Faces, Reviewers, find_licence, read_records
from rightface.law.ruling import Outcome, Refusal, Ruling, StepResult
from rightface.law.steps import (
    consent,
    evidence,
    instruments,
    licence,
    obligations,
    review,
    time_and_client,
    warrant,
)
from rightface.law.touches import touches_of
from rightface.law.world import Records, World, check_words
from rightface.permit import Permit, take_mint

Judged = Callable[[Session], Ruling]
Recorder = Callable[[Operation, Judged], int]
"""Opens a writing transaction, has the operation judged in it, writes the decision, and returns its
index in the ledger once that is durable; raises if it cannot."""
Clock = Callable[[], datetime]

_mint = take_mint()


def judge(world: World) -> Ruling:
    """Steps 0 to 6: what law, licence and consent say. Makes no record and no permit.

    If all that is missing is what this service performs itself (human review, by sealing), it is
    judged again with that counted as met, and becomes an obligation of the permit.
    """
    check_words(world.operation, world.library)
    ruling = _judged(world)
    performed = review.performable(world, ruling)
    if not performed:
        return ruling
    again = _judged(replace(world, performed=performed))
    # If not: what was missing at first, and what step 6 says of the reviewers.
    return again if again.allowed else _ruling(world, [*ruling.steps[:-1], again.steps[-1]])


def _judged(world: World) -> Ruling:
    results = [
        # 0. Establish the time that is asked about, and the client.
        time_and_client.check(world),
        # 1. The client's licence: genuine, in term, and covering what is asked.
        covered := licence.check(world),
        # 2. The instruments in force here and now, for everybody in the chain (Cedar).
        instruments.check(world, licensed=covered.outcome != "deny"),
        # 3. The consent, or another recorded basis, of each person who is named.
        consent.check(world),
        # 4. The warrant, order or emergency that is relied on.
        warrant.check(world),
        # 5. The evidence that the model works.
        evidence.check(world),
    ]
    # 6. The obligations, merged to the strictest; a review that is asked for can be held.
    return _ruling(world, [*results, obligations.check(world, results)])


class Gate:
    """Decides. One per process and instance; thread-safe."""

    def __init__(
        self,
        database: Database,
        keyring: KeyRing,
        library: InstrumentLibrary,
        recorder: Recorder,
        evidence: Callable[[], tuple[Evidence, ...]],
        clock: Clock = lambda: datetime.now(UTC),
        *,
        strict: bool = False,
        searched: Searched = lambda *_: False,
        reviewers: Reviewers = lambda *_: 0,
        faces: Faces = lambda *_: 0,
    ) -> None:
        self.strict = strict
        """Whether rules that were not read at their source are refused."""
        self._database = database
        self._keyring = keyring
        self._library = library
        self._recorder = recorder
        self._evidence = evidence
        self._clock = clock
        self._searched = searched
        self._reviewers = reviewers
        self._faces = faces

    def decide(self, operation: Operation) -> Permit | Refusal:
        """A permit for exactly this operation, now, or the reasons why not. Either is on record.

        Raises:
            LawError: a word of the operation is not of the vocabulary. Nothing is recorded.
            StorageError: records cannot be read, or the decision cannot be recorded.
        """
        rulings: list[Ruling] = []

        def judged(session: Session) -> Ruling:
            # 0.–6. In the transaction of the record: what is judged is what stands at that moment.
            rulings.append(judge(self._world(operation, session, live=True)))
            return rulings[-1]

        # 7. The ledger: without a record there is no permit.
        index = self._record(operation, judged)
        ruling = rulings[-1]
        if not ruling.allowed:
            return Refusal(ruling=ruling, ledger_index=index, request_id=operation.request_id)
        # 8. The permit, for this operation alone.
        return _mint.issue(
            operation=operation,
            action=operation.action,
            client=operation.client or "",
            ledger_index=index,
            touches=touches_of(operation.action),
            obligations=ruling.obligations,
        )

    def still_allows(self, session: Session, operation: Operation) -> bool:
        """Whether what was permitted would be permitted again, in the transaction of `session`.

        For what takes a while between permit and change. Makes no permit.
        """
        return judge(self._world(operation, session, live=True)).allowed

    def consider(self, operation: Operation, *, adopted: frozenset[str] | None = None) -> Ruling:
        """What the gate would say, at any date, without record or permit.

        Args:
            operation: the question; it may state conditions. One that names no client leaves
                licences, consent records and evidence out.
            adopted: the commitments that count as adopted. None: those on record at that date if a
                client is named, else all.

        Raises:
            LawError: a word of the operation is not of the vocabulary.
            StorageError: records cannot be read.
        """
        return judge(self.world(operation, adopted=adopted))

    def world(self, operation: Operation, *, adopted: frozenset[str] | None = None) -> World:
        """What is known for a question, for those who vary it. Takes and raises as `consider`."""
        with self._database.read() as session:
            return self._world(operation, session, live=False, adopted=adopted)

    def licence(self, client: str, licence_id: str | None, at: datetime) -> Licence | None:
        """The licence named, or the client's newest that holds at `at`; None if none is genuine."""
        with self._database.read() as session:
            return find_licence(session, self._keyring, client, licence_id, at)[0]

    def adopted(self, at: datetime) -> frozenset[str]:
        """The commitments on record as adopted at `at`."""
        with self._database.read() as session:
            return on_record(session, self._keyring, as_of=at).adopted

    def _world(
        self,
        operation: Operation,
        session: Session,
        *,
        live: bool,
        adopted: frozenset[str] | None = None,
    ) -> World:
        now = self._clock()
        as_of = now if live or operation.as_of is None else operation.as_of
        records: Records | None = None
        if live or operation.client is not None:
            records = read_records(
                session,
                self._keyring,
                operation,
                as_of,
                self._evidence,
                self._searched,
                self._reviewers,
                self._faces,
                live=live,
            )
        if adopted is None:
            adopted = self._library.commitments if records is None else records.adopted
        return World(
            operation=operation,
            as_of=as_of,
            live=live,
            library=self._library,
            records=records,
            adopted=adopted,
            strict=self.strict,
        )

    def _record(self, operation: Operation, judged: Judged) -> int:
        try:
            index = self._recorder(operation, judged)
        except RightfaceError:
            raise
        except Exception as error:
            raise StorageError("The decision could not be recorded; nothing is allowed.") from error
        if type(index) is not int or index < 0:
            raise StorageError("The decision has no place in the ledger; nothing is allowed.")
        return index


def _ruling(world: World, results: list[StepResult]) -> Ruling:
    reasons = tuple(reason for result in results for reason in result.reasons)
    outcome: Outcome = "allow"
    if any(result.outcome not in {"pass", "left-out"} for result in results):
        curable = all(result.outcome != "deny" for result in results)
        outcome = "require-duty" if curable else "deny"
    allowed, known = outcome == "allow", world.library.instruments
    speakers = (
        [one for result in results for one in result.spoke]
        if allowed
        else [reason.instrument for reason in reasons if reason.instrument in known]
    )
    return Ruling(
        outcome=outcome,
        instruments=tuple(dict.fromkeys(speakers)),
        in_force=world.rules.instruments,
        reasons=reasons,
        missing=tuple(sorted({reason.duty for reason in reasons if reason.duty})),
        obligations=results[-1].obligations if allowed else (),
        steps=tuple(results),
        policy_digest=world.rules.digest,
        jurisdictions=world.jurisdictions,
        relied_on=world.relied_on,
    )
