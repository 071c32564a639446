"""One shape for every error: RFC 9457's problem+json, with what happened, why, and how to mend it.

No error holds what the caller sent, nor personal data. A fault of ours is told without detail; the
log gets its type and place, never its message. Must never know: routes.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

from fastapi.exceptions import RequestValidationError, ResponseValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from rightface.api.admission import BodyIncomplete, BodyTooLarge, Busy
from rightface.api.native.shapes import Problem, Reason
from rightface.api.native.words import is_known
from rightface.api.volumes import TooMuch
from rightface.errors import (
    CollectionExists,
    CollectionNotFound,
    ConsentError,
    CredentialError,
    FaceNotFound,
    GalleryError,
    JobNotFound,
    KeysError,
    LawError,
    NotOnRecord,
    Overloaded,
    PageTokenError,
    Refused,
    RequestError,
    ReviewError,
    ReviewNotFound,
    RightfaceError,
    SettingsError,
    StorageError,
    UserExists,
    UserNotFound,
)
from rightface.law.decide import reason_json
from rightface.law.ruling import Refusal, Ruling

_log = logging.getLogger(__name__)
MEDIA_TYPE = "application/problem+json"
SAFE_HEADERS = {"cache-control": "no-store", "x-content-type-options": "nosniff"}


class NotAuthenticated(RequestError):
    """No credential, or none that stands."""

    code = "not-authenticated"


class NotYours(RequestError):
    """The credential stands, but not for this."""

    code = "not-allowed"


class NothingHere(RequestError):
    """No such path, or no such method on it."""

    code = "nothing-here"


# First match wins: subclasses stand before their classes.
_STATUS: tuple[tuple[type[Exception], int], ...] = (
    (NotAuthenticated, 401),
    (NotYours, 403),
    (Refused, 403),
    (NotOnRecord, 404),
    (NothingHere, 404),
    (CollectionNotFound, 404),
    (FaceNotFound, 404),
    (UserNotFound, 404),
    (JobNotFound, 404),
    (CollectionExists, 409),
    (UserExists, 409),
    (ReviewNotFound, 404),
    (ReviewError, 409),
    (BodyIncomplete, 408),
    (BodyTooLarge, 413),
    (Busy, 503),
    (Overloaded, 503),
    (TooMuch, 429),
    (PageTokenError, 422),
    (RequestError, 422),
    (ConsentError, 422),
    (LawError, 422),
    (SettingsError, 422),
    (CredentialError, 422),
    (KeysError, 422),
    (GalleryError, 422),
    (StorageError, 503),
)
STATUSES = frozenset(status for _, status in _STATUS) | {400, 405, 500}
"""Every status that a problem can have."""


def problem(
    error: Exception, request_id: str, place: str, known: frozenset[str] = frozenset()
) -> tuple[int, str, Response]:
    """What tells the caller about `error`: status, code, answer. Logs a fault of ours.

    Args:
        error: what was raised.
        request_id: told to the caller, and in the log.
        place: the route's name, for the log.
        known: the fields' names that may be repeated to the caller.
    """
    status, code, told = _told(error, known)
    if status == 500:
        _log_fault(error, request_id, place)
    body = Problem(
        status=status,
        title=HTTPStatus(status).phrase,
        code=code,
        request_id=request_id,
        **told,
    )
    headers = {**SAFE_HEADERS, **_more_headers(error, status)}
    content = body.model_dump_json().encode()
    return status, code, Response(content, status, headers, MEDIA_TYPE)


def reasons(ruling: Ruling) -> list[Reason]:
    """A ruling's reasons, as they are told."""
    return [Reason.of(reason_json(each)) for each in ruling.reasons]


def _told(error: Exception, known: frozenset[str]) -> tuple[int, str, dict[str, Any]]:
    if isinstance(error, RequestValidationError):
        return 422, "request", _of_fields(error.errors(), known)
    if isinstance(error, HTTPException):
        return _of_http(error)
    if isinstance(error, RecursionError):
        return 400, "body", {"detail": "The body is nested too deep."}
    status = next((code for kind, code in _STATUS if isinstance(error, kind)), 500)
    if status == 500 or not isinstance(error, RightfaceError):
        return 500, "internal", {"detail": "An error inside rightface; its log has the place."}
    return status, error.code, _of_ours(error)


def _of_ours(error: RightfaceError) -> dict[str, Any]:
    if isinstance(error, StorageError):
        detail = "The records could not be read or written; nothing of this request was kept."
        return {"detail": detail, "mend": "Try again."}
    told: dict[str, Any] = {"detail": error.what, "why": error.why, "mend": error.mend}
    if isinstance(error, Refused) and isinstance(error.refusal, Refusal):
        told["detail"] = error.refusal.message
        told["reasons"] = reasons(error.refusal.ruling)
        told["ledger_index"] = error.refusal.ledger_index
    return told


def _of_http(error: HTTPException) -> tuple[int, str, dict[str, Any]]:
    if error.status_code == 405:
        return 405, "method", {"detail": "This path does not take this method."}
    if error.status_code == 404:
        detail = "Nothing is here."
        return 404, "nothing-here", {"detail": detail, "mend": "See /v1/openapi.json."}
    return 400, "body", {"detail": "The body is not JSON that can be read."}


def _of_fields(errors: Iterable[Mapping[str, Any]], known: frozenset[str]) -> dict[str, Any]:
    # Which field, and what is asked of it; never what was sent, nor a name that is not ours.
    lines = []
    for each in list(errors)[:10]:
        path = [str(one) if is_known(one, known) else "…" for one in each["loc"]]
        lines.append(f"{'.'.join(path)}: {_WRONG.get(each['type'], each['type'])}.")
    detail = "The request is not as the API's description asks."
    return {"detail": detail, "why": " ".join(lines), "mend": "See /v1/openapi.json."}


_WRONG = {
    "missing": "is missing",
    "extra_forbidden": "is not known",
    "json_invalid": "is not JSON",
    "model_attributes_type": "is not a JSON object, or its Content-Type is not application/json",
    "value_error": "is not of the form asked for",
    "string_pattern_mismatch": "is not of the form asked for",
    "string_too_long": "is too long",
    "string_too_short": "is too short",
    "too_long": "has too many",
    "too_short": "has too few",
}


def _more_headers(error: Exception, status: int) -> dict[str, str]:
    if status == 401:
        # No Basic here: a browser would ask for a password, and then send it by itself.
        return {"www-authenticate": 'Bearer realm="rightface"'}
    if isinstance(error, HTTPException) and status == 405:
        return {"allow": (error.headers or {}).get("Allow", "GET, POST")}
    if isinstance(error, TooMuch):
        return {"retry-after": str(error.seconds)}
    return {"retry-after": "1"} if status == 503 else {}


def _log_fault(error: Exception, request_id: str, place: str) -> None:
    frames = traceback.extract_tb(error.__traceback__)[-6:]
    where = " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in reversed(frames))
    kind = type(error).__name__
    if isinstance(error, ResponseValidationError):
        kind = "an answer that is not of its shape"
    _log.error("%s in %s, request %s: %s", kind, place, request_id, where)
