"""Routes: evidence on record, and what the gate asks of it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path

from rightface.api.native import shapes
from rightface.api.native.house import After, By, In, Limit, router
from rightface.api.native.words import Page
from rightface.law.evidence import REQUIREMENTS
from rightface.registrar_evidence import Told

routes = router("evidence")
_MEASURED = (
    *("pack_digest", "measured_on", "impostor_pairs", "genuine_pairs", "differential"),
    "lowest_tmr",
)
_FIGURES = (
    *("comparison", "software", "data_set", "data_digest", "document_digest", "people"),
    *("fmr_target", "left_out"),
)
EvidenceId = Annotated[str, Path(pattern=r"^evd-[0-9a-f]{24}$")]


@routes.get("/evidence")
def list_evidence(
    house: In, who: By, after: After = None, limit: Limit = 100
) -> Page[shapes.Evidence]:
    """What ships with the model pack, then every record, oldest first, damaged ones too."""
    del who
    found = [_told(each) for each in house.registrar.evidence.listed()]
    return house.page("evidence", found, after, limit, Page[shapes.Evidence])


@routes.get("/evidence/{evidence_id}")
def show_evidence(house: In, who: By, evidence_id: EvidenceId) -> shapes.Evidence:
    """One record, with every group that was measured."""
    del who
    return _told(house.registrar.evidence.find(evidence_id), groups=True)


@routes.get("/evidence-rules")
def evidence_rules(house: In, who: By) -> shapes.EvidenceRules:
    """What each operation needs: the table that step 5 of the gate goes by."""
    del house, who
    return shapes.EvidenceRules(rules=[shapes.EvidenceRule.of(row) for row in REQUIREMENTS])


def _told(one: Told, *, groups: bool = False) -> shapes.Evidence:
    told: dict[str, Any] = {
        "evidence_id": one.evidence_id,
        "state": one.state,
        "shipped": one.shipped,
        "uses": one.uses,
        "recorded_at": one.recorded_at,
        "recorded_by": one.by,
        "ended_at": one.ended_at,
        "ended_why": one.ended_why,
    }
    for source, names in ((one.evidence, _MEASURED), (one.figures, _FIGURES)):
        if source is not None:
            told |= {name: getattr(source, name) for name in names}
    if groups and one.figures is not None:
        told["groups"] = one.figures.groups
    return shapes.Evidence.model_validate(told, from_attributes=True)
