"""Routes: findings, what they rest on, and acts on a match."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query

from rightface.api.native import asks, shapes
from rightface.api.native.errors import reasons
from rightface.api.native.house import After, By, In, Limit, router
from rightface.api.native.words import Name, Page
from rightface.law.findings import FindingTerms
from rightface.registrar_findings import Traced

routes = router("findings")
FindingId = Annotated[str, Path(pattern=r"^fnd-[0-9a-f]{24}$")]


@routes.post("/findings", status_code=201)
def record_finding(house: In, who: By, asked: asks.FindingTerms) -> shapes.Finding:
    """Put a finding on record, with all that it was derived from."""
    del who
    terms = FindingTerms(
        client=asked.client,
        kind=asked.kind,
        document_digest=asked.document_sha256,
        parents=tuple(asked.parents),
        found_at=asked.found_at,
    )
    return _told(house.registrar.findings.record(terms))


@routes.get("/findings")
def list_findings(
    house: In,
    who: By,
    client: Annotated[Name | None, Query()] = None,
    after: After = None,
    limit: Limit = 100,
) -> Page[shapes.Finding]:
    """Every finding, oldest first, damaged ones too."""
    del who
    found = [
        _told(traced)
        if traced is not None
        else shapes.Finding(finding_id=row.finding_id, client=row.client, origin="damaged")
        for row, traced in house.registrar.findings.listed(client)
    ]
    return house.page(f"findings/{client}", found, after, limit, Page[shapes.Finding])


@routes.get("/findings/{finding_id}")
def show_finding(house: In, who: By, finding_id: FindingId) -> shapes.Finding:
    """One finding."""
    del who
    return _told(house.registrar.findings.find(finding_id))


@routes.post("/findings/acts")
def ask_act_on_match(house: In, who: By, asked: asks.ActOnMatch) -> shapes.ActDecided:
    """Ask the gate whether a match may be acted on. The decision is recorded, whatever it is."""
    del who
    answer = house.registrar.findings.ask(
        client=asked.client,
        licence_id=asked.licence_id,
        operation=asked.operation,
        cited=asked.findings,
        warrant_id=asked.warrant_id,
        purpose=asked.purpose,
    )
    ruling = answer.ruling
    return shapes.ActDecided(
        outcome="allow" if ruling is None else ruling.outcome,
        ledger_index=answer.ledger_index,
        permit_id=answer.permit_id,
        reasons=[] if ruling is None else reasons(ruling),
        missing=[] if ruling is None else list(ruling.missing),
        obligations=[shapes.Obligation.of(each) for each in answer.obligations],
    )


def _told(traced: Traced) -> shapes.Finding:
    finding = traced.finding
    return shapes.Finding(
        finding_id=finding.finding_id,
        client=finding.client,
        origin=traced.origin,
        kind=finding.kind,
        parents=list(finding.parents),
        document_digest=finding.document_digest,
        found_at=finding.found_at,
        recorded_at=finding.recorded_at,
    )
