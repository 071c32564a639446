"""Routes: what the law waits for: commitments, duties, facts, attesters."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import Path

from rightface.api.native import asks, shapes
from rightface.api.native.house import After, By, In, Limit, router
from rightface.api.native.words import Page
from rightface.law.facts import FactOnRecord, FactTerms
from rightface.registrar_law import ListedFact

routes = router("records")
WordInPath = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$")]
FactId = Annotated[str, Path(pattern=r"^fct-[0-9a-f]{24}$")]


# ---------------------------------------------------------------- commitments
@routes.post("/commitments", status_code=201)
def adopt_commitment(house: In, who: By, asked: asks.AdoptionAsked) -> shapes.Adoption:
    """Bind the instance to a commitment, from now on."""
    del who
    return shapes.Adoption.of(house.registrar.law.adopt(asked.instrument))


@routes.get("/commitments")
def list_adoptions(
    house: In, who: By, after: After = None, limit: Limit = 100
) -> Page[shapes.Adoption]:
    """Every adoption, oldest first, ended ones too."""
    del who
    found = [shapes.Adoption.of(each) for each in house.registrar.law.adoptions()]
    return house.page("commitments", found, after, limit, Page[shapes.Adoption])


@routes.post("/commitments/{instrument}/withdraw")
def withdraw_commitment(
    house: In, who: By, instrument: WordInPath, asked: asks.Withdrawal
) -> shapes.Adoption:
    """Withdraw an adopted commitment, from now on."""
    del who
    return shapes.Adoption.of(house.registrar.law.withdraw(instrument, asked.reason))


# ---------------------------------------------------------------- duties
@routes.post("/duties", status_code=201)
def record_duty(house: In, who: By, asked: asks.DutyTerms) -> shapes.Duty:
    """Put a duty on record as met. Of the document only the SHA-256 is kept."""
    del who
    recorded = house.registrar.law.record_duty(
        asked.duty, asked.document, asked.met_from, client=asked.client, gallery=asked.gallery
    )
    return shapes.Duty.of(recorded)


@routes.get("/duties")
def list_duties(house: In, who: By, after: After = None, limit: Limit = 100) -> Page[shapes.Duty]:
    """Every duty on record, oldest first, ended ones too. What is unsigned does not count."""
    del who
    found = [shapes.Duty.of(each) for each in house.registrar.law.duties()]
    return house.page("duties", found, after, limit, Page[shapes.Duty])


@routes.post("/duties/{duty}/end")
def end_duty(house: In, who: By, duty: WordInPath) -> shapes.Duties:
    """Record that a duty is met no longer."""
    del who
    ended = house.registrar.law.end_duty(duty)
    return shapes.Duties(duties=[shapes.Duty.of(each) for each in ended])


# ---------------------------------------------------------------- facts
@routes.post("/facts", status_code=201)
def record_fact(house: In, who: By, asked: asks.FactTerms) -> shapes.Fact:
    """Put a fact or a standing condition on record."""
    del who
    terms = FactTerms(
        name=asked.name,
        valid_from=asked.valid_from,
        valid_until=asked.valid_until,
        attester=asked.attester,
        document_digest=asked.document_sha256,
        value=_value(asked.value),
        client=asked.client,
        gallery=asked.gallery,
        attestation=None if asked.attestation is None else json.dumps(asked.attestation),
    )
    recorded = house.registrar.law.record_fact(terms)
    return _fact(house.registrar.law.facts(), recorded)


@routes.get("/facts")
def list_facts(house: In, who: By, after: After = None, limit: Limit = 100) -> Page[shapes.Fact]:
    """Every fact and standing condition, with its state now."""
    del who
    found = [_listed(each) for each in house.registrar.law.facts()]
    return house.page("facts", found, after, limit, Page[shapes.Fact])


@routes.post("/facts/{fact_id}/end")
def end_fact(house: In, who: By, fact_id: FactId) -> shapes.Fact:
    """End a fact or a standing condition, for good. A damaged one ends as well."""
    del who
    ended = house.registrar.law.end_fact(fact_id)
    return _fact(house.registrar.law.facts(), ended)


# ---------------------------------------------------------------- attesters
@routes.post("/attesters", status_code=201)
def add_attester(house: In, who: By, asked: asks.AttesterAsked) -> shapes.Attester:
    """Trust what this person or office signs with this key."""
    del who
    added = house.registrar.law.add_attester(asked.name, asked.public_key.encode())
    return shapes.Attester.of(added)


@routes.get("/attesters")
def list_attesters(
    house: In, who: By, after: After = None, limit: Limit = 100
) -> Page[shapes.Attester]:
    """Every attester's key, oldest first, ended ones too."""
    del who
    found = [shapes.Attester.of(each) for each in house.registrar.law.attesters()]
    return house.page("attesters", found, after, limit, Page[shapes.Attester])


@routes.post("/attesters/end")
def end_attester(house: In, who: By, asked: asks.AttesterNamed) -> shapes.Attesters:
    """Trust a person or office no longer: facts that rest on their word hold no more."""
    del who
    ended = house.registrar.law.end_attester(asked.name)
    return shapes.Attesters(attesters=[shapes.Attester.of(each) for each in ended])


def _fact(listed: list[ListedFact], fact: FactOnRecord) -> shapes.Fact:
    return next(_listed(each) for each in listed if each.fact_id == fact.fact_id)


def _listed(each: ListedFact) -> shapes.Fact:
    told: dict[str, Any] = {"fact_id": each.fact_id} if each.fact is None else _plain(each.fact)
    return shapes.Fact.model_validate({**told, "state": each.state})


def _plain(fact: FactOnRecord) -> dict[str, Any]:
    told = asdict(fact)
    value = told["value"]
    return {**told, "value": list(value) if isinstance(value, tuple) else value}


def _value(told: bool | int | str | list[str] | None) -> bool | int | str | tuple[str, ...] | None:
    return tuple(told) if isinstance(told, list) else told
