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

from rightface import errors
from rightface.api.rekognition.told import of_failure, of_refusal
from rightface.errors import NoFace, Refused, RequestError, RightfaceError, StorageError
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
INVALID = "InvalidParameterException"
_NOT_FOUND = "ResourceNotFoundException"
_DENIED = "AccessDeniedException"
TABLE: dict[type[RightfaceError], tuple[str, ...]] = {
    errors.ImageError: ("InvalidImageFormatException",),
    errors.ImageTooLarge: ("ImageTooLargeException",),
    errors.ObjectError: ("InvalidS3ObjectException",),
    errors.ObjectTooLarge: ("ImageTooLargeException", "VideoTooLargeException"),
    errors.VideoError: (INVALID,),
    errors.VideoTooLarge: ("VideoTooLargeException",),
    errors.NoFace: (INVALID,),
    errors.FaceNotFound: (INVALID,),
    errors.CollectionNotFound: (_NOT_FOUND,),
    errors.CollectionExists: ("ResourceAlreadyExistsException",),
    errors.PackMismatch: (INVALID,),
    errors.UserNotFound: (_NOT_FOUND,),
    errors.UserExists: ("ConflictException",),
    errors.UserChanged: ("ConflictException",),
    errors.LimitReached: ("ServiceQuotaExceededException",),
    errors.JobNotFound: (_NOT_FOUND,),
    errors.JobLimit: ("LimitExceededException",),
    errors.JobMismatch: ("IdempotentParameterMismatchException",),
    errors.TokenReused: ("IdempotentParameterMismatchException",),
    errors.Overloaded: ("ProvisionedThroughputExceededException",),
    errors.PageTokenError: ("InvalidPaginationTokenException",),
    errors.RequestError: (INVALID,),
    errors.ReviewError: (_DENIED,),
    errors.LicenceError: (_DENIED,),
    errors.ConsentError: (_DENIED,),
}
"""Each error, and what it becomes: the first that the operation's model lists, else `INVALID`.
The nearest class counts. Every other error is a fault of ours."""


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
        return WireError(_DENIED, refusal.message, headers=of_refusal(refusal))
    proof = of_failure(error.proof) if isinstance(error, RightfaceError) else {}
    kinds = _kinds(error)
    if kinds:
        kind = next((each for each in kinds if each in modelled), INVALID)
        told = NO_FACE if isinstance(error, NoFace) else str(error)
        return WireError(kind, told, headers=proof)
    _log_fault(error, operation, request_id)
    if isinstance(error, StorageError):
        told = "The records could not be read or written; nothing of this request was kept."
    else:
        told = "An error inside rightface; its log has the place."
    told = f"{told} Request {request_id}. Try again."
    return WireError("InternalServerError", told, status=500, headers=proof)


def _kinds(error: Exception) -> tuple[str, ...]:
    nearest = (TABLE[each] for each in type(error).__mro__ if each in TABLE)
    return next(nearest, ())


def _log_fault(error: Exception, operation: str, request_id: str) -> None:
    frames = traceback.extract_tb(error.__traceback__)[-6:]
    place = " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in reversed(frames))
    _log.error("%s in %s, request %s: %s", type(error).__name__, operation, request_id, place)
