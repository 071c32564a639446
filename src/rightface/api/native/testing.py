"""Routes: the tester's door. Comparisons of the tester's own photographs; nothing is kept."""

from __future__ import annotations

from rightface.api.native import asks, shapes
from rightface.api.native.house import By, Id, In, router
from rightface.service_types import Caller

routes = router("assay")


@routes.post("/assay/comparisons")
def compare_samples(
    house: In, who: By, request_id: Id, asked: asks.SamplesAsked
) -> shapes.SampleResult:
    """Compare photographs of the tester's own. Nothing is enrolled, nothing is kept."""
    assert who.licence is not None  # the door lets only clients in
    caller = Caller(licence=who.licence, purpose=asked.purpose, subject=None, request_id=request_id)
    told = house.service.compare_samples(caller, asked.images, asked.pairs)
    return shapes.SampleResult(
        **{
            name: getattr(told.value, name)
            for name in ("pack", "pack_digest", "comparison", "comparison_digest")
        },
        ledger_index=told.ledger_index,
        samples=[shapes.Sample.of(each) for each in told.value.samples],
        comparisons=[shapes.SampleComparison.of(each) for each in told.value.comparisons],
    )
