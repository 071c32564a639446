"""What goes wrong, in Amazon's words: each rightface error becomes an exception of the model.

An error of the service that is not in the table is a fault of ours: InternalServerError, with no
detail for the caller, and a log line that holds its type and place but never its message, which
might carry personal data.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Mapping
from pathlib import Path

from rightface.api.rekognition.told import of_refusal
from rightface.errors import (
    CollectionExists,
    CollectionNotFound,
    ConsentError,
    FaceNotFound,
    ImageError,
    ImageTooLarge,
    LicenceError,
    NoFace,
    ObjectError,
    ObjectTooLarge,
    PageTokenError,
    Refused,
    RequestError,
    StorageError,
)
from rightface.law.ruling import Refusal

_log = logging.getLogger(__name__)


class WireError(RequestError):
    """An error as the caller will read it.

    Args:
        kind: Amazon's name of the exception, for example `InvalidParameterException`.
        message: for people; holds no personal data.
        status: the HTTP status.
        headers: more headers for the answer.
    """

    def __init__(
        self,
        kind: str,
        message: str,
        *,
        status: int = 400,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.status = status
        self.headers = dict(headers or {})


NO_FACE = "There are no faces in the image. Should be at least 1."
# First match wins: subclasses stand before their classes.
_TABLE: tuple[tuple[type[Exception], str], ...] = (
    (ImageTooLarge, "ImageTooLargeException"),
    (ObjectTooLarge, "ImageTooLargeException"),
    (ObjectError, "InvalidS3ObjectException"),
    (ImageError, "InvalidImageFormatException"),
    (NoFace, "InvalidParameterException"),
    (CollectionNotFound, "ResourceNotFoundException"),
    (CollectionExists, "ResourceAlreadyExistsException"),
    (FaceNotFound, "InvalidParameterException"),
    (PageTokenError, "InvalidPaginationTokenException"),
    (RequestError, "InvalidParameterException"),
    (LicenceError, "AccessDeniedException"),
    (ConsentError, "AccessDeniedException"),
)


def as_wire_error(
    error: Exception, modelled: frozenset[str], operation: str, request_id: str
) -> WireError:
    """The error that tells the caller about `error`; logs it if it is a fault of ours.

    Args:
        error: what was raised.
        modelled: the exceptions that Amazon's model lists for the operation.
        operation: its name, for the log.
        request_id: for the log.
    """
    if isinstance(error, WireError):
        return error
    if isinstance(error, Refused) and isinstance(error.refusal, Refusal):
        refusal = error.refusal
        return WireError("AccessDeniedException", refusal.message, headers=of_refusal(refusal))
    for kind_of_error, kind in _TABLE:
        if isinstance(error, kind_of_error):
            known = kind if kind in modelled else "InvalidParameterException"
            return WireError(known, NO_FACE if isinstance(error, NoFace) else str(error))
    _log_fault(error, operation, request_id)
    if isinstance(error, StorageError):
        told = "The records could not be read or written; nothing of this request was kept."
    else:
        told = "An error inside rightface; its log has the place."
    return WireError("InternalServerError", f"{told} Request {request_id}. Try again.", status=500)


def _log_fault(error: Exception, operation: str, request_id: str) -> None:
    frames = traceback.extract_tb(error.__traceback__)[-6:]
    place = " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in reversed(frames))
    _log.error("%s in %s, request %s: %s", type(error).__name__, operation, request_id, place)
