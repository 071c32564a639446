"""One question, and an answer that a person understands.

The decision, each step, each instrument that spoke, and what would change the answer. The last is
found by asking the gate again with one thing or a few things changed, never written by hand.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rightface.law.decide import Answer, Desk, reason_json
from rightface.law.instrument import Instrument
from rightface.law.question import Question
from rightface.law.ruling import Reason, Ruling, StepResult
from rightface.law.variations import Change, changes_that_matter

_SAID = {
    "allow": "Allowed.",
    "deny": "Refused.",
    "require-duty": "Refused until the duties named are met.",
}


@dataclass(frozen=True, kw_only=True)
class Spoken:
    """One instrument that spoke, and how well it is known."""

    instrument: Instrument
    reasons: tuple[Reason, ...]

    @property
    def dates(self) -> str:
        """From when to when it binds, in words."""
        start, end = self.instrument.effective_from, self.instrument.effective_until
        if start is None:
            return "always"
        approx = " (approximate)" if self.instrument.facts.get("dates_precision") else ""
        return f"from {start}{approx}" + (f" until before {end}" if end else "")

    @property
    def links(self) -> tuple[str, ...]:
        """Where it can be read, as far as an address is known."""
        sources = self.instrument.facts.get("sources", [])
        return tuple(str(source["at"]) for source in sources if "at" in source)


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """The answer to one question, with everything that led to it."""

    answer: Answer
    spoken: tuple[Spoken, ...]
    changes: tuple[Change, ...]

    @property
    def ruling(self) -> Ruling:
        """The gate's ruling."""
        return self.answer.ruling

    def to_json(self) -> dict[str, Any]:
        """Everything as plain values, ready for JSON."""
        return {
            **self.answer.to_json(),
            "steps": [_step_json(step) for step in self.ruling.steps],
            "spoken": [_spoken_json(spoken) for spoken in self.spoken],
            "would_change": [
                {"outcome": change.outcome, "if": list(change.told)} for change in self.changes
            ],
        }

    def text(self) -> str:
        """The explanation for people: short lines, plain words."""
        return "\n".join(
            [*self._decision(), *self._steps(), *self._instruments(), *self._would_change()]
        )

    def _decision(self) -> list[str]:
        operation = self.answer.question
        lines = [
            f"{_SAID[self.ruling.outcome]}",
            f"Asked: {operation.action} for {operation.purpose or 'no stated purpose'} in "
            f"{', '.join(self.ruling.jurisdictions)}, as of {self.answer.as_of.date()}.",
        ]
        if self.ruling.missing:
            lines.append(f"Missing: {', '.join(self.ruling.missing)}.")
        lines += [f"Obliges: {one.kind} {one.value} ({one.instrument})."
                  for one in self.ruling.obligations]  # fmt: skip
        return lines

    def _steps(self) -> list[str]:
        return ["", "Steps"] + [
            f"  {step.step} {step.name}: {step.outcome}. {step.note}" for step in self.ruling.steps
        ]

    def _instruments(self) -> list[str]:
        lines = ["", "Instruments that spoke"] if self.spoken else ["", "No instrument spoke."]
        for spoken in self.spoken:
            one = spoken.instrument
            mark = ", unverified in part" if one.unverified else ""
            lines.append(f"  {one.name} ({one.kind}, {one.jurisdiction}, {spoken.dates}{mark})")
            for reason in spoken.reasons:
                kind = f"duty {reason.duty}" if reason.duty else "forbids"
                known = f" [unverified: {reason.confidence}]" if reason.unverified else ""
                lines.append(f"    {reason.section} {kind}: {reason.text}{known}")
                lines.append(f"      {reason.citation}. To change it: {reason.change}")
            lines += [f"    {link}" for link in spoken.links[:2]]
        return lines

    def _would_change(self) -> list[str]:
        if not self.changes:
            return ["", "Nothing that was tried would change the answer for the better."]
        lines = ["", "It would be another answer if"]
        for change in self.changes:
            lines.append(f"  {'; and '.join(change.told)} → {change.outcome}")
        return lines


def explain(desk: Desk, question: Question) -> Explanation:
    """The explanation of one question.

    Raises:
        LawError: as `Desk.answer`.
    """
    world, answer = desk.world(question), desk.answer(question)
    spoken = tuple(
        Spoken(
            instrument=desk.library.instrument(one),
            reasons=tuple(r for r in answer.ruling.reasons if r.instrument == one),
        )
        for one in answer.ruling.instruments
    )
    changes = changes_that_matter(world, answer.ruling, lambda w: desk.again(question, w))
    return Explanation(answer=answer, spoken=spoken, changes=changes)


def _step_json(step: StepResult) -> dict[str, Any]:
    return {
        "step": step.step,
        "name": step.name,
        "outcome": step.outcome,
        "note": step.note,
        "reasons": [reason_json(reason) for reason in step.reasons],
    }


def _spoken_json(spoken: Spoken) -> dict[str, Any]:
    one = spoken.instrument
    return {
        "instrument": one.instrument_id,
        "name": one.name,
        "kind": one.kind,
        "jurisdiction": one.jurisdiction,
        "citation": one.citation,
        "binds": spoken.dates,
        "confidence": one.confidence,
        "unverified": one.unverified,
        "links": list(spoken.links),
        "rules": [reason.rule for reason in spoken.reasons],
    }
