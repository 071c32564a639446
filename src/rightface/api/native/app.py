"""The native API as one FastAPI application, to be mounted under /v1.

Its description is at /v1/openapi.json; there are no pages that fetch scripts from elsewhere.
Composes; computes nothing.
"""

from __future__ import annotations

import uuid
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from rightface import __version__
from rightface.api.admission import Admission
from rightface.api.figures import Figures
from rightface.api.native import (
    consents,
    evidence,
    findings,
    galleries,
    jobs,
    law,
    ledger,
    licences,
    people,
    records,
    reports,
    retention,
    reviews,
    subjects,
    testing,
    warrants,
)
from rightface.api.native.errors import MEDIA_TYPE, problem
from rightface.api.native.house import House
from rightface.api.needs import FaceService
from rightface.api.volumes import Volumes

PREFIX = "/v1"
SUBJECTS = (
    people,
    licences,
    consents,
    warrants,
    findings,
    records,
    law,
    subjects,
    jobs,
    reviews,
    galleries,
    retention,
    reports,
    evidence,
    testing,
    ledger,
)
_ABOUT = """What Amazon has no words for: licences, consents, warrants, questions about the law,
retention, reports, the ledger. People send `Authorization: Bearer TOKEN`, clients HTTP Basic with
their access key. Every error is `application/problem+json` of one shape. It is not legal advice."""


def native_app(
    service: FaceService, *, admission: Admission, figures: Figures, volumes: Volumes
) -> FastAPI:
    """The application in front of an open service; the caller closes the service."""
    app = _composed()
    description = described(app)
    app.openapi = lambda: description  # type: ignore[method-assign]
    app.state.house = House(
        service=service,
        instance=service.instance,
        admission=admission,
        figures=figures,
        volumes=volumes,
        fields=frozenset(_fields(description)),
    )
    return app


def _composed() -> FastAPI:
    app = FastAPI(
        title="rightface",
        version=__version__,
        description=_ABOUT,
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
        redirect_slashes=False,
        root_path_in_servers=False,
        generate_unique_id_function=lambda route: route.name,
        separate_input_output_schemas=False,
        exception_handlers={HTTPException: _outside, 404: _outside, 405: _outside},
    )
    for subject in SUBJECTS:
        app.include_router(subject.routes)
    return app


async def _outside(request: Request, error: Exception) -> Response:
    # What does not come to a route's door: no such path, no such method.
    request_id = str(uuid.uuid4())
    response = problem(error, request_id, "no route")[2]
    response.headers["x-request-id"] = request_id
    return response


def described(app: FastAPI | None = None) -> dict[str, Any]:
    """The API's OpenAPI description; without an app, of one that serves nobody."""
    app = app or _composed()
    told = get_openapi(
        title=app.title,
        version=app.version,
        description=app.description,
        routes=app.routes,
        servers=[{"url": PREFIX}],
        separate_input_output_schemas=False,
    )
    told["components"]["securitySchemes"] = {
        "token": {"type": "http", "scheme": "bearer", "description": "rightface credential issue"},
        "access-key": {"type": "http", "scheme": "basic", "description": "A licence's access key."},
    }
    for operations in told["paths"].values():
        for operation in operations.values():
            for status, answer in operation["responses"].items():
                schema = answer.get("content", {}).get("application/json", {}).get("schema", {})
                if schema.get("$ref", "").endswith("/Problem"):
                    answer["content"] = {MEDIA_TYPE: {"schema": schema}}
                if status == "503" and operation["operationId"] == "health":
                    answer["content"][MEDIA_TYPE] = {
                        "schema": {"$ref": "#/components/schemas/Problem"}
                    }
    for unused in ("HTTPValidationError", "ValidationError"):
        told["components"]["schemas"].pop(unused, None)
    return told


def _fields(description: Any) -> set[str]:
    # Every name that the description gives to a field or a parameter.
    found: set[str] = {"body", "query", "path", "header"}
    if isinstance(description, dict):
        properties = description.get("properties")
        if isinstance(properties, dict):
            found |= properties.keys()
        if "in" in description and isinstance(description.get("name"), str):
            found.add(description["name"])
        for value in description.values():
            found |= _fields(value)
    elif isinstance(description, list):
        for value in description:
            found |= _fields(value)
    return found
