"""Runs the instruments' own cases: what each instrument alone says, against what it should say.

Two witnesses testify: the gate (Cedar) and `reference.py` (plain Python). A case passes only if
both give the answer expected.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rightface.errors import LawError
from rightface.law.decide import Desk
from rightface.law.library import InstrumentLibrary
from rightface.law.question import Question, read_questions
from rightface.law.reference import verdict


@dataclass(frozen=True, kw_only=True)
class CaseResult:
    """One case and how it came out."""

    instrument: str
    case_id: str
    expected: str
    outcome: str
    reference_outcome: str
    missing_expected: tuple[str, ...] | None
    missing: tuple[str, ...]
    why: str

    @property
    def ok(self) -> bool:
        """Whether both witnesses gave the answer expected."""
        return (
            self.outcome == self.expected == self.reference_outcome
            and self.missing_expected in (None, self.missing)
        )


def cases_of(library: InstrumentLibrary, instrument_id: str) -> list[Question]:
    """The cases of one instrument.

    Raises:
        LawError: the file is malformed, or a case expects nothing.
    """
    path = library.instrument(instrument_id).folder / "cases.yaml"
    cases = read_questions(path)
    for case in cases:
        if case.expect is None:
            raise LawError(
                f"{path}: the case '{case.question_id}' expects nothing.", mend="Add 'expect: …'."
            )
        if case.as_of is None:
            raise LawError(
                f"{path}: the case '{case.question_id}' has no date.", mend="Add 'as_of: …'."
            )
    return cases


def run_case(library: InstrumentLibrary, instrument_id: str, case: Question) -> CaseResult:
    """Ask one case of one instrument alone."""
    desk = Desk(library, instruments=[instrument_id])
    world = desk.world(case)
    ruling = desk.answer(case).ruling
    return CaseResult(
        instrument=instrument_id,
        case_id=case.question_id,
        expected=case.expect or "",
        outcome=ruling.outcome,
        reference_outcome=verdict(
            world.operation, world.as_of, desk.library.instruments.values(), world.adopted
        ).outcome,
        missing_expected=case.missing,
        missing=ruling.missing,
        why=case.why,
    )


def run_cases(
    library: InstrumentLibrary, instruments: Iterable[str] | None = None
) -> list[CaseResult]:
    """Run the cases of the instruments named, or of all.

    Raises:
        LawError: an unknown instrument, or malformed cases.
    """
    ids = list(library.instruments) if instruments is None else list(instruments)
    return [
        run_case(library, instrument_id, case)
        for instrument_id in ids
        for case in cases_of(library, instrument_id)
    ]
