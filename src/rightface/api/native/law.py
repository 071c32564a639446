"""Routes: questions about the law. They make no record and no permit."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Query

from rightface.api.native import asks, shapes
from rightface.api.native.errors import NotYours
from rightface.api.native.house import After, By, In, Limit, router
from rightface.api.native.who import Who
from rightface.api.native.words import Page
from rightface.errors import LawError
from rightface.law.decide import Desk
from rightface.law.explain import explain as explained
from rightface.law.instrument import Instrument
from rightface.law.question import Question, question
from rightface.law.status import concerns, status

routes = router("law")


@routes.get("/instruments")
def list_instruments(
    house: In,
    who: By,
    jurisdiction: Annotated[
        str | None, Query(pattern=r"^[A-Z0-9]+(-[A-Z0-9]+)*$", max_length=32)
    ] = None,
    after: After = None,
    limit: Limit = 100,
) -> Page[shapes.Instrument]:
    """Every instrument, or those that concern a place, and whether it is in force today."""
    del who
    desk, now = house.registrar.desk(), datetime.now(UTC)
    words, adopted = desk.library.vocabulary, desk.adopted(now)
    if jurisdiction is not None:
        words.place(jurisdiction)
    found = [
        _instrument(one, status(one, now.date(), adopted=adopted).told)
        for one in desk.library.instruments.values()
        if jurisdiction is None or concerns(one, jurisdiction, words)
    ]
    scope = f"instruments/{jurisdiction}"
    return house.page(scope, found, after, limit, Page[shapes.Instrument])


@routes.post("/law/decide")
def decide(house: In, who: By, asked: asks.QuestionsAsked) -> shapes.Decisions:
    """Answer questions about the law. One that is malformed gets an error, the others an answer."""
    desk = house.registrar.desk()
    told = [_decided(desk, who, n, one) for n, one in enumerate(asked.questions, 1)]
    return shapes.Decisions(decisions=told)


@routes.post("/law/explain")
def explain(house: In, who: By, asked: asks.QuestionAsked) -> shapes.Explanation:
    """Answer one question with each step, each instrument, and what would change the answer."""
    told = _asked(who, question(asked.question))
    found = explained(house.registrar.desk(), told, with_timeline=asked.timeline)
    return shapes.Explanation(
        id=told.question_id,
        outcome=found.ruling.outcome,
        text=found.text(),
        explanation=found.to_json(),
    )


def _decided(desk: Desk, who: Who, number: int, told: dict[str, Any]) -> shapes.Decision:
    name = f"question-{number}"
    try:
        one = question(told, default_id=name)
        return shapes.Decision.model_validate(desk.answer(_asked(who, one)).to_json())
    except LawError as error:
        return shapes.Decision(id=name, outcome="error", message=str(error))


def _asked(who: Who, told: Question) -> Question:
    # A client asks about itself, or about nobody: others' licences and consents are not its own.
    if who.client is not None and told.client not in (None, who.client):
        raise NotYours("The question is about another client.", mend="Leave 'client' out.")
    if who.client is not None and told.subjects:
        # The answer would say, without a record, whether somebody withdrew or was erased.
        raise NotYours(
            "The question names persons.",
            why="What is on record of persons is asked after by the operation itself.",
            mend="Leave 'subjects' out.",
        )
    return told


def _instrument(one: Instrument, told: str) -> shapes.Instrument:
    return shapes.Instrument(
        instrument=one.instrument_id,
        name=one.name,
        kind=one.kind,
        jurisdiction=one.jurisdiction,
        citation=one.citation,
        effective_from=one.effective_from,
        effective_until=one.effective_until,
        status=told,
        in_force=told == "in force",
        confidence=one.confidence,
        unverified=one.unverified,
        reviewed_by=one.review,
        rules=[rule.rule_id for rule in one.rules],
    )
