"""Human review, the duty that this service performs itself: it seals what named reviewers decide.

Only in a live decision, and only for what it can seal. Where there are too few reviewers, or what
is asked cannot be sealed, the operation is refused before anybody is looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from rightface.law.ruling import Obligation, Reason, Ruling, StepResult
from rightface.law.steps.reasons import own_reason
from rightface.law.world import SEALED, World

KIND = "human-review"
"""The obligation: its value is the number of reviewers."""
_CITATION = "rightface: a candidate is a lead, never an identification"


def performable(world: World, ruling: Ruling) -> Mapping[str, tuple[str, ...]]:
    """The missing duties, with who asks for them, if sealing meets each of them; else nothing."""
    if not world.live or world.operation.action not in SEALED or ruling.outcome != "require-duty":
        return {}
    duties = world.library.vocabulary.duties
    if any(not duties[duty].reviewers for duty in ruling.missing):
        return {}
    return {
        duty: tuple(
            dict.fromkeys(reason.instrument for reason in ruling.reasons if reason.duty == duty)
        )
        for duty in ruling.missing
    }


def performed(world: World) -> Iterator[Obligation]:
    """What has to hold for each duty that counts as met because the service performs it."""
    for duty, asking in world.performed.items():
        reviewers = world.library.vocabulary.duties[duty].reviewers
        yield from (Obligation(KIND, reviewers, instrument) for instrument in asking)


def reasons(
    world: World, results: Iterable[StepResult], obligations: Iterable[Obligation]
) -> list[Reason]:
    """Why a review that is asked for cannot be held now; `obligations`: those merged."""
    if not world.live:
        return []
    duties = world.library.vocabulary.duties
    obliged = [int(one.value) for one in obligations if one.kind == KIND]
    missing = [
        duties[reason.duty] for result in results for reason in result.reasons if reason.duty
    ]
    if world.operation.action not in SEALED:
        return [_cannot_seal(world, max(obliged))] if obliged else []
    needed = max([*obliged, *(duty.reviewers for duty in missing)], default=0)
    there = 0 if world.records is None else world.records.reviewers
    return [_too_few(world, needed, there)] if needed > there else []


def _cannot_seal(world: World, needed: int) -> Reason:
    return own_reason(
        6,
        "review",
        "cannot-seal",
        "The result is to be reviewed by people first; of this operation it cannot be sealed.",
        "Search a gallery instead (identify-1toN), of which the candidates can be sealed.",
        citation=_CITATION,
        duty=_duty(world, needed),
    )


def _too_few(world: World, needed: int, there: int) -> Reason:
    people = "one named reviewer decides" if needed == 1 else f"{needed} named reviewers decide"
    return own_reason(
        6,
        "review",
        "too-few-reviewers",
        f"Nobody is told of a candidate before {people} on it; this instance has {there} who may.",
        "Give each reviewer a credential: rightface credential issue --role reviewer --name NAME.",
        citation=_CITATION,
        duty=_duty(world, needed),
    )


def _duty(world: World, needed: int) -> str:
    told = world.library.vocabulary.duties.values()
    enough = (one for one in told if 0 < one.reviewers <= needed)
    return max(enough, key=lambda one: one.reviewers).name
