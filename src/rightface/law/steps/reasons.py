"""How a step other than the instruments states a reason. One place, so that all read alike."""

from __future__ import annotations

from rightface.law.ruling import Reason, StepResult


def own_reason(
    step: int, instrument: str, rule: str, text: str, change: str, *, citation: str, duty: str = ""
) -> Reason:
    """A reason of the gate's own: `instrument` is what was looked at, such as 'licence'."""
    return Reason(
        step=step,
        instrument=instrument,
        section=rule,
        citation=citation,
        rule=rule,
        text=text,
        change=change,
        duty=duty,
    )


def outcome_of(step: int, reasons: list[Reason], note: str) -> StepResult:
    """`pass` without reasons; `require-duty` if a duty cures each of them; else `deny`."""
    if not reasons:
        return StepResult(step=step, outcome="pass", note=note)
    curable = all(reason.duty for reason in reasons)
    return StepResult(
        step=step,
        outcome="require-duty" if curable else "deny",
        note=" ".join(dict.fromkeys(reason.text for reason in reasons)),
        reasons=tuple(reasons),
    )
