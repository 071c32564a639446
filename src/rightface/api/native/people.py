"""Routes: health, who one is, and people's credentials."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query
from starlette.responses import JSONResponse

from rightface.api.native import asks, shapes
from rightface.api.native.house import After, By, House, In, Limit, router
from rightface.api.native.words import Page
from rightface.credentials import Credential
from rightface.errors import NotOnRecord

routes = router("people")
CredentialId = Annotated[str, Path(pattern=r"^[0-9a-f]{16}$")]


@routes.get("/health", responses={503: {"model": shapes.Health, "description": "Not all is well"}})
def health(house: In, who: By) -> shapes.Health:
    """How each part of the server is; 503 if one does not work. Needs no credential."""
    del who
    parts = house.service.healthy()
    ok = all(state == "ok" for state in parts.values())
    told = shapes.Health(status="ok" if ok else "failing", parts=parts)
    if not ok:
        return JSONResponse(told.model_dump(), 503)  # type: ignore[return-value]
    return told


@routes.get("/whoami")
def whoami(who: By, house: In) -> shapes.Myself:
    """Whose credential this is, and as what they act."""
    del house
    if who.licence is not None:
        licence = who.licence
        return shapes.Myself(role="client", name=licence.client, licence_id=licence.licence_id)
    assert who.credential is not None  # the door lets nobody else in
    known = who.credential
    return shapes.Myself.model_validate(
        {"role": known.role, "name": known.name, "credential_id": known.credential_id}
    )


@routes.post("/credentials", status_code=201)
def issue_credential(house: In, who: By, asked: asks.CredentialTerms) -> shapes.NewCredential:
    """Issue a credential. Its token is shown this once."""
    del who
    issued = house.credentials.issue(role=asked.role, name=asked.name)
    return shapes.NewCredential(
        credential=shapes.Credential.of(issued.credential), token=issued.token
    )


@routes.get("/credentials")
def list_credentials(
    house: In,
    who: By,
    role: Annotated[str | None, Query(pattern="^[a-z]{1,16}$")] = None,
    after: After = None,
    limit: Limit = 100,
) -> Page[shapes.Credential]:
    """Every credential, oldest first, ended ones too. Never a token."""
    del who
    found = [shapes.Credential.of(each) for each in house.credentials.listed(role)]
    scope = f"credentials/{role}"
    return house.page(scope, found, after, limit, Page[shapes.Credential])


@routes.post("/credentials/{credential_id}/end")
def end_credential(house: In, who: By, credential_id: CredentialId) -> shapes.Credential:
    """End a credential, for good."""
    del who
    _require_known(house, credential_id)
    ended: Credential = house.credentials.end(credential_id)
    return shapes.Credential.of(ended)


def _require_known(house: House, credential_id: str) -> None:
    if all(each.credential_id != credential_id for each in house.credentials.listed()):
        raise NotOnRecord("There is no credential of that id.")
