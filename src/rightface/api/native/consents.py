"""Routes: consents. A person's reference stands in a body alone, never in a path or a query."""

from __future__ import annotations

from rightface.api.native import asks, shapes
from rightface.api.native.house import By, In, router
from rightface.registrar import ConsentTerms

routes = router("consents")


@routes.post("/consents", status_code=201)
def record_consents(house: In, who: By, asked: asks.ConsentTerms) -> shapes.Consents:
    """Put the same consent on record for each person: for all of them, or for none."""
    del who
    terms = ConsentTerms(
        purposes=tuple(asked.purposes),
        galleries=tuple(asked.galleries),
        notice=asked.notice.encode(),
        retention_days=asked.retention_days,
        how=asked.how,
        obtained_at=asked.obtained_at,
        expires_at=asked.expires_at,
        client=asked.client,
    )
    subjects = list(dict.fromkeys(asked.subjects))
    recorded = house.registrar.record_consents(subjects, terms)
    return shapes.Consents(consents=[shapes.Consent.of(each) for each in recorded])


@routes.post("/consents/show")
def show_consents(house: In, who: By, asked: asks.SubjectNamed) -> shapes.Consents:
    """What is on record for a person. A client is shown what it may rely on, of whom it knows."""
    found = house.registrar.consents_of(asked.subject, client=who.client)
    told = [shapes.Consent.of(each) for each in found]
    if who.client is not None:
        told = [each.model_copy(update={"subject_commitment": None}) for each in told]
    return shapes.Consents(consents=told)


@routes.post("/consents/withdraw")
def withdraw_consent(house: In, who: By, asked: asks.SubjectNamed) -> shapes.Receipt:
    """Withdraw every consent of a person, and erase all that is held; the signed receipt."""
    del who
    receipt = house.registrar.withdraw_consent(asked.subject)
    return shapes.Receipt(document=receipt.document)
