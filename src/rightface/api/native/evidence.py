"""Routes: evidence on record, and what the gate asks of it."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path

from rightface.api.native import shapes
from rightface.api.native.house import After, By, In, Limit, router
from rightface.api.native.words import Page
from rightface.law.evidence import REQUIREMENTS
from rightface.law.evidence_records import EvidenceOnRecord

routes = router("evidence")
EvidenceId = Annotated[str, Path(pattern=r"^evd-[0-9a-f]{24}$")]


@routes.get("/evidence")
def list_evidence(
    house: In, who: By, after: After = None, limit: Limit = 100
) -> Page[shapes.Evidence]:
    """What ships with the model pack, then every record, oldest first, damaged ones too."""
    del who
    desk = house.registrar.evidence
    found = [
        shapes.Evidence(
            evidence_id=one.source,
            state="counts",
            pack_digest=one.pack_digest,
            measured_on=one.measured_on,
            impostor_pairs=one.impostor_pairs,
            genuine_pairs=one.genuine_pairs,
            differential=None if one.differential is None else shapes.Unequal.of(one.differential),
            lowest_tmr=one.lowest_tmr,
        )
        for one in desk.shipped()
    ]
    for row in desk.listed():
        if row.found is None:
            state: shapes.EvidenceState = "ended" if row.ended else "damaged"
            found.append(shapes.Evidence(evidence_id=row.evidence_id, state=state))
        else:
            found.append(_told(row.found, in_use=desk.in_use(row.found)))
    return house.page("evidence", found, after, limit, Page[shapes.Evidence])


@routes.get("/evidence/{evidence_id}")
def show_evidence(house: In, who: By, evidence_id: EvidenceId) -> shapes.Evidence:
    """One record, with every group that was measured."""
    del who
    desk = house.registrar.evidence
    found = desk.find(evidence_id)
    return _told(found, in_use=desk.in_use(found), groups=True)


@routes.get("/evidence-rules")
def evidence_rules(house: In, who: By) -> shapes.EvidenceRules:
    """What each operation needs: the table that step 5 of the gate goes by."""
    del house, who
    return shapes.EvidenceRules(rules=[shapes.EvidenceRule.of(row) for row in REQUIREMENTS])


def _told(found: EvidenceOnRecord, *, in_use: bool, groups: bool = False) -> shapes.Evidence:
    figures = found.figures
    state: shapes.EvidenceState = "counts" if in_use else "of-another-pack"
    return shapes.Evidence(
        evidence_id=found.evidence_id,
        state=state if found.ended_at is None else "ended",
        pack_digest=figures.pack_digest,
        comparison=figures.comparison,
        software=figures.software,
        data_set=figures.data_set,
        data_digest=figures.data_digest,
        document_digest=figures.document_digest,
        measured_on=figures.measured_on,
        people=figures.people,
        impostor_pairs=figures.impostor_pairs,
        genuine_pairs=figures.genuine_pairs,
        fmr_target=figures.fmr_target,
        differential=None
        if figures.differential is None
        else shapes.Unequal.of(figures.differential),
        lowest_tmr=figures.lowest_tmr,
        groups=[shapes.GroupMeasured.of(each) for each in figures.groups] if groups else [],
        recorded_at=found.recorded_at,
        recorded_by=found.by,
        ended_at=found.ended_at,
        ended_why=found.ended_why,
    )
