"""Runs the instruments' own cases: what each instrument alone says, against what it should say.

Two witnesses testify: the gate (Cedar) and `reference.py` (plain Python). A case passes only if
both give the answer expected.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path

from rightface.errors import LawError
from rightface.law.decide import Desk
from rightface.law.library import SHIPPED, InstrumentLibrary
from rightface.law.question import Question, read_questions
from rightface.law.reference import verdict

COMBINED = Path(str(files("rightface.law"))) / "combined.yaml"


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

    def line(self) -> str:
        """One line for people on a case that failed."""
        told = (
            f"FAILED {self.case_id} ({self.instrument}): expected {self.expected}, "
            f"gate says {self.outcome}, reference says {self.reference_outcome}"
        )
        if self.missing_expected not in (None, self.missing):
            expected = ", ".join(self.missing_expected or ()) or "nothing"
            told += f"; missing should be {expected}, is {', '.join(self.missing) or 'nothing'}"
        return told + "."


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


def combined_cases() -> list[Question]:
    """The cases that several instruments answer together.

    Raises:
        LawError: the file is malformed, or a case names no instruments.
    """
    cases = read_questions(COMBINED)
    for case in cases:
        if not case.instruments or case.expect is None or case.as_of is None:
            raise LawError(
                f"{COMBINED}: the case '{case.question_id}' lacks instruments, expect or as_of."
            )
    return cases


def run_case(
    library: InstrumentLibrary, instrument_ids: str | Sequence[str], case: Question
) -> CaseResult:
    """Ask one case of one instrument alone, or of some together."""
    alone = [instrument_ids] if isinstance(instrument_ids, str) else list(instrument_ids)
    case = replace(case, instruments=())
    desk = Desk(library, instruments=alone)
    world = desk.world(case)
    ruling = desk.answer(case).ruling
    return CaseResult(
        instrument=alone[0] if len(alone) == 1 else "combined",
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
    """Run the cases of the instruments named; or of all, the combined ones included.

    Raises:
        LawError: an unknown instrument, or malformed cases.
    """
    ids = list(library.instruments) if instruments is None else list(instruments)
    results = [
        run_case(library, instrument_id, case)
        for instrument_id in ids
        for case in cases_of(library, instrument_id)
    ]
    if instruments is None:
        results += [run_case(library, case.instruments, case) for case in combined_cases()]
    return results


def load_tested(extra: Path | None) -> InstrumentLibrary:
    """The shipped instruments and the operator's own in `extra`, whose cases come out as expected.

    Both witnesses are asked the cases of the operator's own; the shipped ones were tested before
    they shipped.

    Raises:
        LawError: one is malformed, or a case of one in `extra` has another outcome; the message
            names the case, what it expects and what was found.
    """
    library = InstrumentLibrary.load(extra)
    for one in library.instruments.values():
        if one.folder.parent == SHIPPED:
            continue
        failed = [each for each in run_cases(library, [one.instrument_id]) if not each.ok]
        if failed:
            more = f" {len(failed) - 1} more failed." if len(failed) > 1 else ""
            raise LawError(
                f"{one.folder / 'cases.yaml'}: the case '{failed[0].case_id}' fails.",
                why=failed[0].line() + more,
                mend=f"Mend the case or the rule: rightface law test {one.instrument_id} --extra "
                f"{one.folder.parent}",
            )
    return library
