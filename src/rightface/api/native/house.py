"""What every route stands on: the parts of the house, and the door that each request comes through.

The door's steps are numbered. It lets nothing in that has no place, no credential or no right, and
reads no body before; then it hands over to the route's function, in one of the bounded threads.
Must never know: what a route does.
"""

from __future__ import annotations

import inspect
import time
import uuid
from collections.abc import Callable, Coroutine, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Query
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from rightface.api.admission import Admission, BodyIncomplete, BodyTooLarge
from rightface.api.figures import Figures
from rightface.api.native.errors import SAFE_HEADERS, NotYours, problem
from rightface.api.native.shapes import Problem
from rightface.api.native.table import ANYONE as ANYBODY
from rightface.api.native.table import ROLES
from rightface.api.native.who import ANYONE, Who, identify
from rightface.api.native.words import Page, Token
from rightface.api.needs import FaceService
from rightface.api.volumes import Volumes
from rightface.credentials import Credential
from rightface.errors import PageTokenError, RequestError
from rightface.gallery.pages import PageTokens
from rightface.instance import Instance, acting_as
from rightface.law.licences import Licence
from rightface.registrar import Registrar
from rightface.registrar_credentials import CredentialDesk
from rightface.retention import RetentionDesk

T = TypeVar("T")
BODY_BYTES = 8 * 1024 * 1024
Handler = Callable[[Request], Coroutine[Any, Any, Response]]


@dataclass(frozen=True, kw_only=True)
class House:
    """The open parts of one instance, as the routes use them."""

    service: FaceService
    instance: Instance
    admission: Admission
    figures: Figures
    volumes: Volumes
    """What licences may ask, on this wire and Rekognition's together."""
    fields: frozenset[str] = frozenset()
    """The names of all fields that the API has: what an error may repeat."""

    @property
    def registrar(self) -> Registrar:
        """The operator's desk, on the service's own instance."""
        return Registrar(self.instance)

    @property
    def credentials(self) -> CredentialDesk:
        """Where people's credentials are kept."""
        return CredentialDesk(self.instance)

    @property
    def retention(self) -> RetentionDesk:
        """Retention's desk."""
        return RetentionDesk(self.instance)

    def standing(self, token: str) -> Credential | None:
        """See `who.Doorkeeper`."""
        return self.credentials.standing(token)

    def authenticate(self, access_key_id: str) -> tuple[Licence, str] | None:
        """See `who.Doorkeeper`."""
        return self.service.authenticate(access_key_id)

    def page(
        self, scope: str, rows: Sequence[T], after: str | None, limit: int, kind: type[Page[T]]
    ) -> Page[T]:
        """The rows behind `after`, at most `limit`, and where they go on.

        Raises:
            PageTokenError: the token is not one that was given for this list.
        """
        tokens = PageTokens(self.instance.keyring)
        start = 0 if after is None else int(tokens.open(f"v1/{scope}", after))
        end = min(start + limit, len(rows))
        if start > len(rows):
            raise PageTokenError("The list is shorter now.", mend="Ask from its beginning.")
        more = tokens.seal(f"v1/{scope}", str(end)) if end < len(rows) else None
        return kind(items=list(rows[start:end]), next=more)


class Door(APIRoute):
    """One route: its door, and its function in a thread of its own."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **more: Any) -> None:
        self.roles = ROLES[endpoint.__name__]
        more["responses"] = _problems(self.roles, more.get("responses"))
        if ANYBODY not in self.roles:
            schemes: list[dict[str, list[str]]] = [{"token": []}] if self.roles - {"client"} else []
            schemes += [{"access-key": []}] if "client" in self.roles else []
            more["openapi_extra"] = {"security": schemes, "x-roles": sorted(self.roles)}
        super().__init__(path, _in_thread(endpoint), **more)

    def get_route_handler(self) -> Handler:
        """The door around FastAPI's own handler; never raises."""
        inner = super().get_route_handler()

        async def answer(request: Request) -> Response:
            started, house = time.perf_counter(), _house(request)
            request.state.request_id = str(uuid.uuid4())
            try:
                response = await self._enter(request, house, inner)
                response.headers.update(SAFE_HEADERS)
                outcome = "ok"
            except Exception as error:  # noqa: BLE001  # the last door: all become answers
                _, outcome, response = problem(
                    error, request.state.request_id, self.name, house.fields
                )
                if isinstance(error, BodyTooLarge | BodyIncomplete):
                    response.headers["connection"] = "close"
            response.headers["x-request-id"] = request.state.request_id
            house.figures.count(f"v1/{self.name}", outcome, time.perf_counter() - started)
            return response

        return answer

    async def _enter(self, request: Request, house: House, inner: Handler) -> Response:
        # 1. Room for one more request.
        async with house.admission.enter():
            # 2. Who asks, by the header alone; whether this route answers them; and of a client,
            #    whether its licence has room for one more.
            request.state.who = who = await self._who(request, house)
            self._require_known(request)
            # 3. The body, as far as it may be long.
            async with house.admission.body(request, BODY_BYTES) as body:
                request._body = body  # where Starlette keeps what it has read
                # 4. The route, and in the ledger the credential that acts.
                credential = who.credential
                acting = acting_as(credential.credential_id) if credential else nullcontext()
                with acting:
                    return await inner(request)

    def _require_known(self, request: Request) -> None:
        given = [name for name, _ in request.query_params.multi_items()]
        known = {field.alias for field in self.dependant.query_params}
        if not known.issuperset(given) or len(given) != len(set(given)):
            raise RequestError(
                "The query has a parameter that is not known, or one that is given twice.",
                why=f"Known here: {', '.join(sorted(known)) or 'none'}.",
            )

    async def _who(self, request: Request, house: House) -> Who:
        if ANYBODY in self.roles:
            return ANYONE
        told = request.headers.getlist("authorization")
        header = told[0] if len(told) == 1 else None
        who = await house.admission.in_thread(lambda: identify(header, house))
        if who.role not in self.roles:
            raise NotYours(
                f"This is not for the role {who.role}.",
                mend=f"Roles that may: {', '.join(sorted(self.roles))}.",
            )
        licence = who.licence
        if licence is not None:
            await house.admission.in_thread(lambda: house.volumes.take(licence))
        return who


def router(subject: str) -> APIRouter:
    """A router for one subject, each of its routes behind the door."""
    return APIRouter(route_class=Door, tags=[subject])


def _in_thread(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    async def run(**given: Any) -> Any:
        house, who = given["house"], given["who"]
        return await house.admission.in_thread(partial(endpoint, **given), client=who.share)

    run.__name__ = endpoint.__name__
    run.__doc__ = endpoint.__doc__
    run.__signature__ = inspect.signature(endpoint, eval_str=True)  # type: ignore[attr-defined]
    return run


def _problems(roles: frozenset[str], more: Any) -> dict[int | str, dict[str, Any]]:
    never = {401, 403} if ANYBODY in roles else set()
    never |= set() if "client" in roles else {429}
    told = {
        400: "A body that cannot be read",
        401: "No credential that stands",
        403: "Not for this role, or refused by the gate",
        404: "Not on record",
        408: "The body did not arrive in time",
        409: "Not possible as things stand",
        413: "Too large a body",
        422: "Not as this description asks, or not possible by the law's rules",
        429: "More than the client's licence allows, per second or per day",
        500: "A fault of the server",
        503: "No room now, or the records cannot be read or written",
    }
    return {
        **{
            code: {"model": Problem, "description": d}
            for code, d in told.items()
            if code not in never
        },
        **(more or {}),
    }


def _house(request: Request) -> House:
    house: House = request.app.state.house
    return house


def _who(request: Request) -> Who:
    who: Who = request.state.who
    return who


def _request_id(request: Request) -> str:
    told: str = request.state.request_id
    return told


In = Annotated[House, Depends(_house)]
By = Annotated[Who, Depends(_who)]
Id = Annotated[str, Depends(_request_id)]
After = Annotated[Token | None, Query(description="Where the list goes on: `next` of a page.")]
Limit = Annotated[int, Query(ge=1, le=1000, description="How many at most.")]
