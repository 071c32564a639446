"""`POST /`: one request of Rekognition's JSON 1.1 protocol, from its headers to its answer.

The steps are numbered; each refuses before the next costs anything. What runs in a thread is
everything that computes or waits, so that the event loop never does.
"""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import Response

from rightface.api.admission import (
    HEAVY_BYTES,
    Admission,
    BodyIncomplete,
    BodyTooLarge,
    Busy,
    Lane,
    announced_bytes,
)
from rightface.api.figures import Figures
from rightface.api.needs import FaceService
from rightface.api.rekognition import model, told
from rightface.api.rekognition.call import Call, Reply
from rightface.api.rekognition.calls import carry_out
from rightface.api.rekognition.constraints import check
from rightface.api.rekognition.faults import WireError, as_wire_error
from rightface.api.rekognition.operations_table import TABLE
from rightface.api.rekognition.replays import Replays
from rightface.api.rekognition.sigv4 import Claim, read_claim, verify
from rightface.api.volumes import TooFast, Volumes, VolumeUsedUp
from rightface.law.licences import Licence
from rightface.service_types import Caller

MEDIA_TYPE = "application/x-amz-json-1.1"
_DRAINED_BYTES = 128 * 1024 * 1024
_PURPOSE = re.compile(r"[a-z0-9-]{1,64}")
_WARRANT = re.compile(r"[a-z0-9-]{1,40}")
_DECLARE = re.compile(r"[a-z0-9_=, -]{1,512}")
_SUBJECT = re.compile(r"[a-zA-Z0-9_.\-:]{1,255}")  # as ExternalImageId


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """One request, as far as its headers say."""

    request_id: str
    operation: str | None
    """None: not one that Amazon has published."""
    headers: list[tuple[str, str]]
    is_plain: bool
    """Whether the path is `/` without a query."""


class RekognitionEndpoint:
    """Rekognition's wire in front of one service."""

    def __init__(
        self,
        service: FaceService,
        *,
        admission: Admission,
        figures: Figures,
        volumes: Volumes,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._service = service
        self._admission = admission
        self._figures = figures
        self._clock = clock
        self._replays = Replays(clock)
        self._volumes = volumes
        model.service_model()  # parsed now, not while the first client waits

    async def answer(self, request: Request) -> Response:
        """The answer to one request; never raises."""
        started = time.perf_counter()
        asked = _asked(request)
        name = asked.operation or "unknown"
        traces = self._service.traces
        with self._figures.under_way.track_inprogress(), traces.span(name):
            try:
                response = await self._answer(asked, request)
                outcome = "ok"
            except Exception as error:  # noqa: BLE001  # the wire's last door: all become answers
                modelled = model.exceptions_of(name) if asked.operation else frozenset()
                wire_error = as_wire_error(_of_admission(error), modelled, name, asked.request_id)
                response = _refusal(wire_error, asked.request_id)
                if isinstance(error, BodyTooLarge | BodyIncomplete) and not _drains(request):
                    response.headers["connection"] = "close"
                outcome = wire_error.kind
            traces.note("outcome", outcome)
        self._figures.count(name, outcome, time.perf_counter() - started)
        return response

    async def _answer(self, asked: _Asked, request: Request) -> Response:
        async with self._admission.enter():
            # 1. The headers alone: a signature that could be right, for this path, in JSON 1.1.
            arrived = self._clock()
            claim = read_claim(asked.headers, arrived)
            _require_protocol(asked)
            # 2. Who it says that it is: a key that nobody has ends here.
            known = await self._admission.in_thread(
                lambda: self._service.authenticate(claim.access_key_id)
            )
            if known is None:
                verify(claim, b"", None)  # raises
            assert known is not None
            # 3. The body, as far as this operation may have one.
            limit = model.body_limit(asked.operation)
            async with self._admission.body(request, limit) as body:
                return await self._admission.in_thread(
                    lambda: _response(
                        200, self._serve(asked, claim, known, arrived, body), asked.request_id
                    ),
                    client=known[0].client,
                    lane=_lane(asked.operation, body),
                )

    def _serve(
        self,
        asked: _Asked,
        claim: Claim,
        known: tuple[Licence, str],
        arrived: datetime,
        body: bytes,
    ) -> Reply:
        # 4. Who: the signature is the one that the key's secret gives, within its volume.
        verify(claim, body, known[1])
        self._volumes.take(known[0])
        # 5. What: an operation that works here.
        name = _require_works(asked.operation)
        # 6. Once: what changes records is carried out once per signature.
        if TABLE[name].changes:
            self._replays.require_new(claim, arrived)
        # 7. The parameters, as Amazon's model says.
        members = check(name, model.read_json(body))
        # 8. For what, of whom and on which warrant, by signed headers.
        caller = Caller(
            licence=known[0],
            purpose=_word(claim, told.PURPOSE, _PURPOSE),
            subject=_word(claim, told.SUBJECT, _SUBJECT),
            request_id=asked.request_id,
            warrant=_word(claim, told.WARRANT, _WARRANT),
            declared=_declared(_word(claim, told.DECLARE, _DECLARE) or ""),
        )
        # 9. The service, which asks the gate.
        call = Call(service=self._service, caller=caller, region=claim.region, members=members)
        return carry_out(name, call)


def _asked(request: Request) -> _Asked:
    headers = [
        (name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers.raw
    ]
    target = request.headers.get("x-amz-target", "")
    name = target.removeprefix(model.TARGET)
    known = name != target and name in TABLE
    return _Asked(
        request_id=str(uuid.uuid4()),
        operation=name if known else None,
        headers=headers,
        is_plain=request.scope.get("raw_path", b"/") == b"/" and not request.scope["query_string"],
    )


def _lane(operation: str | None, body: bytes) -> Lane:
    # An object's size is not known before it is fetched: it may be large, and far away. The word
    # may be spelt with escapes, which no request needs: whoever uses one waits with the heavy ones.
    if len(body) >= HEAVY_BYTES or b'"S3Object"' in body or b"\\u" in body:
        return Lane.HEAVY
    return Lane.BULK if operation == "IndexFaces" else Lane.QUICK


def _declared(text: str) -> dict[str, bool | str]:
    # `assembly, device=body-camera`: a word by itself is true. The gate knows the words.
    pairs = (each.strip().partition("=") for each in text.split(",") if each.strip())
    return {name: True if value in ("", "true") else value for name, _, value in pairs}


def _require_protocol(asked: _Asked) -> None:
    headers = dict(asked.headers)
    if not asked.is_plain:
        raise WireError("InvalidSignatureException", "Rekognition's path is '/', with no query.")
    if headers.get("content-type", "").partition(";")[0].strip().lower() != MEDIA_TYPE:
        raise WireError("SerializationException", f"The Content-Type must be {MEDIA_TYPE}.")
    if headers.get("content-encoding", "identity") != "identity":
        raise WireError("SerializationException", "A Content-Encoding is not accepted.")


def _require_works(name: str | None) -> str:
    if name is None:
        raise WireError(
            "UnknownOperationException", "X-Amz-Target names no operation of Rekognition's."
        )
    entry = TABLE[name]
    if entry.state == "declined":
        raise WireError("AccessDeniedException", f"{name} is declined: {entry.reason}")
    if entry.state == "planned":
        raise WireError("UnsupportedOperationException", f"{name} is planned. {entry.reason}")
    return name


def _word(claim: Claim, header: str, pattern: re.Pattern[str]) -> str | None:
    value = claim.headers.get(header)
    if value is not None and not pattern.fullmatch(value.strip()):
        raise WireError("InvalidParameterException", f"{header} must match {pattern.pattern}")
    return None if value is None else value.strip()


def _drains(request: Request) -> bool:
    # A client that is still sending reads the refusal only when all is sent: the rest of a body of
    # bearable length is read and thrown away by the HTTP server; of any other the connection ends.
    return 0 < announced_bytes(request) <= _DRAINED_BYTES


def _of_admission(error: Exception) -> Exception:
    if isinstance(error, BodyTooLarge):
        return WireError("ImageTooLargeException", str(error), status=413)
    if isinstance(error, Busy):
        return WireError("ProvisionedThroughputExceededException", str(error))
    if isinstance(error, TooFast):
        return WireError("ThrottlingException", str(error))
    if isinstance(error, VolumeUsedUp):
        return WireError("ProvisionedThroughputExceededException", str(error))
    if isinstance(error, BodyIncomplete):
        return WireError("RequestTimeoutException", str(error), status=408)
    return error


def _response(status: int, reply: Reply, request_id: str) -> Response:
    body = json.dumps(reply.body, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    headers = {"x-amzn-requestid": request_id, "cache-control": "no-store", **reply.headers}
    return Response(body.encode(), status, headers, MEDIA_TYPE)


def _refusal(error: WireError, request_id: str) -> Response:
    body = {"__type": error.kind, "message": error.what, "Message": error.what}
    headers = {"x-amzn-errortype": error.kind, **error.headers}
    return _response(error.status, Reply(body=body, headers=headers), request_id)
