"""One question, and an answer that a person understands.

The decision, each step, each instrument that spoke, those that would and do not bind, what would
change the answer, and the answer through the years. The last two are found by asking the gate
again, never written by hand.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rightface.law.decide import Answer, Desk, reason_json
from rightface.law.instrument import Instrument
from rightface.law.question import Question
from rightface.law.ruling import Obligation, Reason, Ruling, StepResult
from rightface.law.status import Status, dates, reaches, status
from rightface.law.timeline import Timeline, timeline
from rightface.law.timeline_svg import timeline_svg
from rightface.law.variations import Change, changes_that_matter
from rightface.law.world import World

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
    obligations: tuple[Obligation, ...]

    @property
    def dates(self) -> str:
        """From when to when it binds, in words."""
        return dates(self.instrument)

    @property
    def says(self) -> str:
        """forbid, duty or, where it only attaches obligations, allow."""
        if any(not reason.duty for reason in self.reasons):
            return "forbid"
        return "duty" if self.reasons else "allow"

    @property
    def links(self) -> tuple[str, ...]:
        """Where it can be read, as far as an address is known."""
        sources = self.instrument.facts.get("sources", [])
        return tuple(str(source["at"]) for source in sources if "at" in source)


@dataclass(frozen=True, kw_only=True)
class Silent:
    """An instrument with rules on this very operation there, that does not bind; and why not."""

    instrument: Instrument
    status: Status


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """The answer to one question, with everything that led to it."""

    answer: Answer
    world: World
    spoken: tuple[Spoken, ...]
    quiet: tuple[str, ...]
    """Instruments in force here and now that said nothing against it."""
    not_in_force: tuple[Silent, ...]
    changes: tuple[Change, ...]
    timeline: Timeline | None

    @property
    def ruling(self) -> Ruling:
        """The gate's ruling."""
        return self.answer.ruling

    def to_json(self) -> dict[str, Any]:
        """Everything as plain values, ready for JSON."""
        told = {
            **self.answer.to_json(),
            "known_at": self.world.known_day.isoformat(),
            "strict": self.world.strict,
            "steps": [_step_json(step) for step in self.ruling.steps],
            "spoken": [_spoken_json(spoken) for spoken in self.spoken],
            "in_force_and_silent": list(self.quiet),
            "not_in_force": [_silent_json(silent) for silent in self.not_in_force],
            "would_change": [
                {"outcome": change.outcome, "if": list(change.told)} for change in self.changes
            ],
        }
        if self.timeline is not None:
            told["timeline"] = self.timeline.to_json()
        return told

    def text(self) -> str:
        """The explanation for people: short lines, plain words."""
        lines = [*self._decision(), *self._steps(), *self._instruments(), *self._unbinding()]
        lines += self._would_change()
        if self.timeline is not None:
            lines += ["", self.timeline.text()]
        return "\n".join(lines)

    def svg(self) -> str:
        """The timeline as an SVG document. Needs an explanation with a timeline."""
        assert self.timeline is not None
        return timeline_svg(self.timeline, self.asked, self.world.day)

    @property
    def asked(self) -> str:
        """The question in one line. Names nobody."""
        told = self.world.operation
        chain = " for ".join(judged.actor for judged in self.world.chain)
        return (
            f"{told.action} by {chain} for {told.purpose or 'no stated purpose'} in "
            f"{', '.join(self.ruling.jurisdictions)}"
        )

    def _decision(self) -> list[str]:
        known = ""
        if self.world.known_day != self.world.day:
            known = f", as known on {self.world.known_day}"
        strict = ", relying on nothing unverified" if self.world.strict else ""
        lines = [
            f"{_SAID[self.ruling.outcome]}",
            f"Asked: {self.asked}, as of {self.answer.as_of.date()}{known}{strict}.",
        ]
        if self.ruling.missing:
            lines.append(f"Missing: {', '.join(self.ruling.missing)}.")
        lines += [
            f"Obliges: {one.kind} {one.value} ({one.instrument})."
            for one in self.ruling.obligations
        ]
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
            lines.append(
                f"  {one.name} ({one.kind}, {one.jurisdiction}, {spoken.dates}{mark}; "
                f"reviewed by: {one.review})"
            )
            for reason in spoken.reasons:
                kind = f"duty {reason.duty}" if reason.duty else "forbids"
                known = f" [unverified: {reason.confidence}]" if reason.unverified else ""
                lines.append(f"    {reason.section} {kind}: {reason.text}{known}")
                lines.append(f"      {reason.citation}. To change it: {reason.change}")
            lines += [
                f"    allows, and obliges: {each.kind} {each.value}" for each in spoken.obligations
            ]
            lines += [f"    {link}" for link in spoken.links[:2]]
        if self.quiet:
            lines.append(f"In force, and silent on this: {', '.join(self.quiet)}.")
        return lines

    def _unbinding(self) -> list[str]:
        if not self.not_in_force:
            return []
        return ["", "There are also, and do not bind"] + [
            f"  {each.instrument.name} ({each.instrument.instrument_id}): {each.status.told}"
            for each in self.not_in_force
        ]

    def _would_change(self) -> list[str]:
        if self.ruling.allowed:
            return []
        if not self.changes:
            return ["", "Nothing that was tried would change the answer for the better."]
        lines = ["", "It would be another answer if"]
        for change in self.changes:
            lines.append(f"  {'; and '.join(change.told)} → {change.outcome}")
        return lines


def explain(desk: Desk, question: Question, *, with_timeline: bool = False) -> Explanation:
    """The explanation of one question.

    Args:
        desk: where it is answered.
        question: the question.
        with_timeline: whether to find the decision through the years as well.

    Raises:
        LawError: as `Desk.answer`.
    """
    world, answer = desk.world(question), desk.answer(question)
    ruling = answer.ruling
    spoken = tuple(
        Spoken(
            instrument=desk.library.instrument(one),
            reasons=tuple(r for r in ruling.reasons if r.instrument == one),
            obligations=tuple(o for o in ruling.obligations if o.instrument == one),
        )
        for one in ruling.instruments
    )

    def again(changed: World) -> World:
        return desk.again(question, changed)

    return Explanation(
        answer=answer,
        world=world,
        spoken=spoken,
        quiet=tuple(one for one in ruling.in_force if one not in ruling.instruments),
        not_in_force=tuple(_not_in_force(world)),
        changes=changes_that_matter(world, ruling, again),
        timeline=timeline(world, again) if with_timeline else None,
    )


def _not_in_force(world: World) -> list[Silent]:
    # Only those with a rule on this very operation by somebody in the chain: not the whole library.
    actors = {judged.actor for judged in world.chain}
    found = []
    for one in world.library.instruments.values():
        bears = any(
            world.operation.action in rule.facts.operations and rule.facts.actors & actors
            for rule in one.rules
        )
        now = status(one, world.day, world.known_day, world.adopted)
        here = reaches(one, world.jurisdictions, world.library.vocabulary)
        if bears and here and not now.in_force:
            found.append(Silent(instrument=one, status=now))
    return found


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
        "says": spoken.says,
        "kind": one.kind,
        "jurisdiction": one.jurisdiction,
        "citation": one.citation,
        "sections": [reason.section for reason in spoken.reasons],
        "binds": spoken.dates,
        "effective_from": str(one.effective_from) if one.effective_from else None,
        "effective_until": str(one.effective_until) if one.effective_until else None,
        "confidence": one.confidence,
        "unverified": one.unverified,
        "reviewed_by": one.review,
        "links": list(spoken.links),
        "rules": [reason.rule for reason in spoken.reasons],
        "obligations": [{"kind": o.kind, "value": o.value} for o in spoken.obligations],
    }


def _silent_json(silent: Silent) -> dict[str, Any]:
    one = silent.instrument
    return {
        "instrument": one.instrument_id,
        "name": one.name,
        "status": silent.status.word,
        "told": silent.status.told,
        "citation": one.citation,
    }
