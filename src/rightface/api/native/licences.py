"""Routes: licences."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path

from rightface.api.native import asks, shapes
from rightface.api.native.house import After, By, House, In, Limit, router
from rightface.api.native.words import Page
from rightface.errors import NotOnRecord
from rightface.law.licences import Licence
from rightface.registrar import LicenceTerms

routes = router("licences")
LicenceId = Annotated[str, Path(pattern=r"^lic-[0-9a-f]{24}$")]


@routes.post("/licences", status_code=201)
def issue_licence(house: In, who: By, asked: asks.LicenceTerms) -> shapes.NewLicence:
    """Issue a licence and its access key. The secret is shown this once."""
    del who
    issued = house.registrar.issue_licence(
        LicenceTerms(
            client=asked.client,
            sector=asked.sector,
            jurisdiction=asked.jurisdiction,
            purposes=tuple(asked.purposes),
            operations=tuple(asked.operations),
            galleries=tuple(asked.galleries),
            on_behalf_of=tuple(f"{each.name}:{each.actor}" for each in asked.parties),
            basis=asked.basis,
            valid_from=asked.valid_from,
            valid_until=asked.valid_until,
            per_second=asked.per_second,
            per_day=asked.per_day,
            differential_limit=asked.differential_limit,
        )
    )
    return shapes.NewLicence(
        licence=shapes.Licence.of(issued.licence), secret_access_key=issued.secret_access_key
    )


@routes.get("/licences")
def list_licences(
    house: In, who: By, after: After = None, limit: Limit = 100
) -> Page[shapes.Licence]:
    """Every licence, oldest first, revoked ones and the operator's own included."""
    del who
    found = [shapes.Licence.of(each) for each in house.registrar.licences()]
    return house.page("licences", found, after, limit, Page[shapes.Licence])


@routes.get("/licences/{licence_id}")
def show_licence(house: In, who: By, licence_id: LicenceId) -> shapes.Licence:
    """One licence. A client is shown its own only."""
    found = _find(house, licence_id)
    if who.client is not None and found.client != who.client:
        raise _unknown()
    return shapes.Licence.of(found)


@routes.post("/licences/{licence_id}/revoke")
def revoke_licence(house: In, who: By, licence_id: LicenceId) -> shapes.Licence:
    """Revoke a licence, for good: its key stops working at once."""
    del who
    _find(house, licence_id)
    return shapes.Licence.of(house.registrar.revoke_licence(licence_id))


def _find(house: House, licence_id: str) -> Licence:
    for each in house.registrar.licences():
        if each.licence_id == licence_id:
            return each
    raise _unknown()


def _unknown() -> NotOnRecord:
    return NotOnRecord("There is no licence of that id.")
