"""Step 2: what the instruments in force say of the client and of everybody who stands behind it.

Each is judged; one prohibition outweighs everything. An erasure is not judged: no instrument stands
between a person and being forgotten.
"""

from __future__ import annotations

from rightface.law.policies import Said
from rightface.law.rule import Rule
from rightface.law.ruling import Obligation, Reason, StepResult
from rightface.law.steps.reasons import own_reason
from rightface.law.world import Judged, World


def check(world: World, *, licensed: bool) -> StepResult:
    """Prohibitions, duties and obligations of the rules in force."""
    if world.operation.action == "erase":
        return StepResult(step=2, outcome="pass", note="Forgetting is always allowed.")
    chain = world.chain
    answers = world.rules.ask(
        [judged.actor for judged in chain],
        world.operation.action,
        world.operation.place_jurisdiction,
        world.facts(licensed=licensed),
    )
    reasons: dict[str, Reason] = {}
    obligations: dict[Obligation, None] = {}
    spoke: dict[str, None] = {}
    for judged, said in zip(chain, answers, strict=True):
        for reason in (*_reasons(judged, said, licensed), *_unverified(world, judged)):
            reasons.setdefault(reason.key, reason)
        for rule in said.fired:
            spoke[rule.instrument] = None
            if rule.obligation is not None:
                obligations[rule.obligation] = None
    return _result(world, list(reasons.values()), tuple(obligations), tuple(spoke))


def _reasons(judged: Judged, said: Said, licensed: bool) -> list[Reason]:
    found = [_reason(judged, rule) for rule in said.fired if rule.obligation is None]
    found += [_broken(key) for key in said.broken]
    if not said.permitted and not found and licensed:
        found.append(_broken(""))
    return found


def _unverified(world: World, judged: Judged) -> list[Reason]:
    # Strict: a rule that bears on this and rests on what was not read at its source (its text, its
    # instrument's dates, an exception) is not relied on. What it would say counts for nothing; that
    # nobody has verified it refuses.
    return [
        own_reason(
            2,
            rule.instrument,
            f"{rule.rule_id}-unverified",
            "In strict mode nothing rests on a rule of which the text, a date or an exception was "
            "not read at its source.",
            "Verify it at its source and mark it 'seen', or ask without strict mode.",
            citation=rule.citation,
        )
        for rule in (world.rules.rules if world.strict else ())
        if judged.actor in rule.facts.actors
        and world.operation.action in rule.facts.operations
        and world.library.instruments[rule.instrument].rests_on_hearsay(rule, world.known_day)
    ]


def _reason(judged: Judged, rule: Rule) -> Reason:
    text = rule.text
    if judged.name:
        text = f"{judged.name} ({judged.actor}) stands behind the client. {text}"
    return Reason(
        step=2,
        instrument=rule.instrument,
        section=rule.section,
        citation=rule.citation,
        rule=rule.rule_id,
        text=text,
        change=rule.change,
        confidence=rule.confidence,
        duty=rule.duty,
        party=judged.name,
    )


def _broken(key: str) -> Reason:
    instrument, _, rule = key.partition("#")
    return own_reason(
        2,
        instrument or "gate",
        rule or "not-permitted",
        "A rule could not be evaluated; what cannot be judged is refused.",
        "Mend the rule's policy: rightface law test.",
        citation="rightface: refused by default",
    )


def _result(
    world: World, reasons: list[Reason], obligations: tuple[Obligation, ...], spoke: tuple[str, ...]
) -> StepResult:
    curable = all(reason.duty for reason in reasons)
    binding = ", ".join(world.rules.instruments) or "none"
    return StepResult(
        step=2,
        outcome="pass" if not reasons else "require-duty" if curable else "deny",
        note=f"In force in {', '.join(world.jurisdictions)} on {world.day}: {binding}.",
        reasons=tuple(reasons),
        obligations=obligations,
        spoke=spoke,
    )
