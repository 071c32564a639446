"""Answers questions about the law: many at once, structured, without record or permit.

Which commitments bind: a question says so with `commitments`. If it does not: all of them, as in
the instruments' cases; but a question that names a client of this instance is about this instance,
and the commitments adopted there at that date count. What one instrument alone says leaves
licences, consent records and evidence out, and so does every question that names no client; the
answer lists what it left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from rightface.errors import LawError
from rightface.law.gate import Gate, judge
from rightface.law.library import InstrumentLibrary
from rightface.law.operation import Operation
from rightface.law.question import Question
from rightface.law.ruling import Reason, Ruling
from rightface.law.world import World


@dataclass(frozen=True)
class Answer:
    """A question, the ruling on it, and how to put it as JSON."""

    question: Question
    ruling: Ruling
    as_of: datetime

    @property
    def left_out(self) -> tuple[str, ...]:
        """The steps that the question gives nothing to judge, by name."""
        return tuple(s.name for s in self.ruling.steps if s.outcome == "left-out")

    def to_json(self) -> dict[str, Any]:
        """The decision as plain values, ready for JSON."""
        ruling = self.ruling
        return {
            "id": self.question.question_id,
            "outcome": ruling.outcome,
            "instruments": list(ruling.instruments),
            "reasons": [reason_json(reason) for reason in ruling.reasons],
            "missing": list(ruling.missing),
            "obligations": [asdict(one) for one in ruling.obligations],
            "as_of": self.as_of.isoformat(),
            "known_at": (self.question.known_at or self.as_of).isoformat(),
            "jurisdictions": list(ruling.jurisdictions),
            "in_force": list(ruling.in_force),
            "left_out": list(self.left_out),
            "policy": ruling.policy_digest,
        }


def reason_json(reason: Reason) -> dict[str, Any]:
    """A reason as plain values, with the mark 'unverified'."""
    return {**asdict(reason), "unverified": reason.unverified}


_KEPT = 64  # desks of some instruments alone


class Desk:
    """Where questions are answered: a library, and the gate of an instance if there is one.

    Args:
        library: the instruments.
        gate: needed for questions that name a client, or say `commitments: recorded`.
        instruments: what these alone say; None: all that bind.
        strict: whether rules that were not read at their source are refused; a gate that is strict
            stays so.
        clock: what 'now' is for questions without a date.
    """

    def __init__(
        self,
        library: InstrumentLibrary,
        gate: Gate | None = None,
        *,
        instruments: Sequence[str] | None = None,
        strict: bool = False,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.library = library if instruments is None else library.only(instruments)
        self._gate = gate
        self._alone = instruments is not None
        self._clock = clock
        self._alone_desks: dict[tuple[str, ...], Desk] = {}
        self._strict = strict or (gate is not None and gate.strict)

    def answer(self, question: Question) -> Answer:
        """The answer to one question.

        Raises:
            LawError: it names a client, and there is no instance; or a word is unknown.
            StorageError: the instance's records cannot be read.
        """
        world = self.world(question)
        return Answer(question, judge(world), world.as_of)

    def answers(self, questions: Iterable[Question]) -> list[Answer]:
        """The answers, in the order of the questions."""
        return [self.answer(question) for question in questions]

    def world(self, question: Question) -> World:
        """What is known for one question. Raises as `answer`."""
        if question.instruments:
            return self._of(question.instruments).world(replace(question, instruments=()))
        as_of = question.as_of or self._clock()
        operation = self._operation(question, as_of)
        adopted = self._adopted(question, as_of)
        if operation.client is not None and self._gate is not None:
            return replace(self._gate.world(operation, adopted=adopted), strict=self._strict)
        return World(
            operation=operation,
            as_of=as_of,
            live=False,
            library=self.library,
            records=None,
            adopted=self.library.commitments if adopted is None else adopted,
            strict=self._strict,
        )

    def adopted(self, at: datetime) -> frozenset[str] | None:
        """The commitments on record as adopted at `at`; None where there is no instance."""
        return None if self._gate is None else self._gate.adopted(at)

    def _of(self, instruments: tuple[str, ...]) -> Desk:
        """This desk with these instruments alone."""
        desk = self._alone_desks.get(instruments)
        if desk is None:
            desk = Desk(
                self.library,
                self._gate,
                instruments=instruments,
                strict=self._strict,
                clock=self._clock,
            )
            while len(self._alone_desks) >= _KEPT:  # whoever asks chooses the instruments
                del self._alone_desks[next(iter(self._alone_desks))]
            self._alone_desks[instruments] = desk
        return desk

    def again(self, question: Question, world: World) -> World:
        """A changed world with its records read again: consent is for one purpose and date."""
        if world.records is None or self._gate is None:
            return world
        adopted = self._adopted(question, world.as_of)
        return replace(self._gate.world(world.operation, adopted=adopted), strict=world.strict)

    def _operation(self, question: Question, as_of: datetime) -> Operation:
        if question.client is None:
            return question.operation()
        if self._gate is None:
            raise LawError(
                f"Question '{question.question_id}' names a client, and there is no instance.",
                mend="Give --data DIR, or leave the client out.",
            )
        licence = self._gate.licence(question.client, question.licence_id, as_of)
        if licence is None and (question.actor is None or question.client_jurisdiction is None):
            raise LawError(
                f"Question '{question.question_id}': the client has no genuine licence.",
                why="It is not known here, or its licence was changed in the database.",
                mend="rightface licence list; or say actor and jurisdiction in the question.",
            )
        told = question.operation(
            actor=licence.sector if licence else None,
            jurisdiction=licence.jurisdiction if licence else None,
        )
        return _without_client(told) if self._alone else told

    def _adopted(self, question: Question, as_of: datetime) -> frozenset[str] | None:
        told = question.commitments
        if told == "all":
            return self.library.commitments
        if told == "none":
            return frozenset()
        if told == "recorded":
            if self._gate is None:
                raise LawError(
                    f"Question '{question.question_id}' is about recorded commitments, and there"
                    " is no instance.",
                    mend="Give --data DIR, or name the commitments.",
                )
            return self._gate.adopted(as_of)
        if isinstance(told, tuple):
            return frozenset(self.library.commitment(one).instrument_id for one in told)
        return None


def _without_client(operation: Operation) -> Operation:
    return replace(operation, client=None, licence_id=None, subjects=())
