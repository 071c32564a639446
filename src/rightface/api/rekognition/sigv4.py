"""Who signed this request: AWS Signature Version 4, verified by recomputing it.

`read_claim` looks at the headers alone, so that what cannot be right is refused before the body is
read; `verify` recomputes the signature with botocore's own signer. Strict where AWS is lenient: one
spelling of the Authorization header, every `x-amz-*` and `x-rightface-*` header signed (else
someone on the way could change the operation or the purpose), no header twice.
Knows nothing of licences beyond a key and its secret.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from botocore.auth import SIGV4_TIMESTAMP, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from rightface.api.rekognition.faults import WireError

SERVICE = "rekognition"
SKEW = timedelta(minutes=15)
_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 "
    r"Credential=(?P<key>[A-Za-z0-9]{16,128})/(?P<date>[0-9]{8})/(?P<region>[a-z0-9-]{1,32})"
    r"/(?P<service>[a-z0-9-]{1,32})/aws4_request, ?"
    r"SignedHeaders=(?P<signed>[a-z0-9-]+(?:;[a-z0-9-]+)*), ?"
    r"Signature=(?P<signature>[0-9a-f]{64})"
)
_DATE = re.compile(r"[0-9]{8}T[0-9]{6}Z")
_MUST_BE_SIGNED = ("host", "x-amz-date")
_PREFIXES = ("x-amz-", "x-rightface-")
_NOBODYS_SECRET = secrets.token_hex(20)
_MISMATCH = (
    "The request signature we calculated does not match the signature you provided. "
    "Check your secret access key and signing method."
)


@dataclass(frozen=True, kw_only=True)
class Claim:
    """What a request's headers claim about who signed it; proven by `verify` only."""

    access_key_id: str
    region: str
    signed_at: datetime
    signature: str
    headers: Mapping[str, str]
    """The signed headers, by lower-case name."""


def read_claim(headers: Sequence[tuple[str, str]], now: datetime) -> Claim:
    """The claim in `headers` (name in lower case, value), if it is one that could be right.

    Raises:
        WireError: missing, malformed, incomplete, or too far from `now`.
    """
    # 1. One Authorization header, in SigV4's spelling, for this service.
    given = [value for name, value in headers if name == "authorization"]
    if not given:
        raise WireError("MissingAuthenticationTokenException", "Missing Authentication Token")
    match = _AUTHORIZATION.fullmatch(given[0]) if len(given) == 1 else None
    if match is None:
        raise _incomplete("The Authorization header is not a Signature Version 4 one.")
    if match["service"] != SERVICE:
        raise _wrong(f"Credential should be scoped to correct service: '{SERVICE}'.")
    # 2. Temporary credentials are not for this house.
    if any(name == "x-amz-security-token" for name, _ in headers):
        raise WireError(
            "UnrecognizedClientException",
            "Session tokens are not accepted: rightface issues none. "
            "Sign with a licence's access key alone.",
        )
    # 3. All that matters is signed, and nothing of it is there twice.
    signed = _signed_headers(headers, match["signed"].split(";"))
    # 4. The date is well formed, that of the scope, and within 15 minutes.
    signed_at = _date(signed["x-amz-date"], match["date"])
    _require_near(signed_at, now)
    return Claim(
        access_key_id=match["key"],
        region=match["region"],
        signed_at=signed_at,
        signature=match["signature"],
        headers=signed,
    )


def verify(claim: Claim, body: bytes, secret: str | None) -> None:
    """Let go on only a request whose signature is the one that `secret` gives.

    Args:
        claim: what the headers say.
        body: the request's bytes.
        secret: of the claimed key; None if there is no such key (the same work is done).

    Raises:
        WireError: unknown key, wrong signature, or another body than the one signed.
    """
    told_hash = claim.headers.get("x-amz-content-sha256")
    right_body = told_hash is None or hmac.compare_digest(
        told_hash.encode(), hashlib.sha256(body).hexdigest().encode()
    )
    expected = _signature(claim, body, _NOBODYS_SECRET if secret is None else secret)
    right_signature = hmac.compare_digest(expected.encode(), claim.signature.encode())
    if secret is None:
        raise WireError(
            "UnrecognizedClientException",
            "The security token included in the request is invalid: "
            "no licence here has this access key.",
        )
    if not right_body:
        raise _wrong(
            "The body is not the one whose hash x-amz-content-sha256 gives "
            "(unsigned and streamed payloads are not accepted)."
        )
    if not right_signature:
        raise _wrong(_MISMATCH)


def _signature(claim: Claim, body: bytes, secret: str) -> str:
    # The path is always "/" and there is no query; `host` is among the signed headers.
    request = AWSRequest(
        method="POST", url="http://localhost/", headers=dict(claim.headers), data=body
    )
    request.context["timestamp"] = claim.signed_at.strftime(SIGV4_TIMESTAMP)
    signer = SigV4Auth(Credentials(claim.access_key_id, secret), SERVICE, claim.region)
    text = signer.string_to_sign(request, signer.canonical_request(request))
    return str(signer.signature(text, request))


def _signed_headers(headers: Sequence[tuple[str, str]], names: list[str]) -> dict[str, str]:
    if names != sorted(set(names)):
        raise _incomplete("SignedHeaders must be sorted and name each header once.")
    for name in _MUST_BE_SIGNED:
        if name not in names:
            raise _incomplete(f"SignedHeaders must include '{name}'.")
    found: dict[str, str] = {}
    for name, value in headers:
        if name in names:
            if name in found:
                raise _incomplete(f"The signed header '{name}' is there twice.")
            found[name] = value
        elif name.startswith(_PREFIXES):
            raise _wrong(
                "A header that changes what is asked must be signed: add "
                f"'{re.sub(r'[^a-z0-9-]', '?', name)[:64]}' to SignedHeaders."
            )
    missing = [name for name in names if name not in found]
    if missing:
        raise _incomplete(f"The signed header '{missing[0][:64]}' is missing.")
    return found


def _date(text: str, scope_date: str) -> datetime:
    if not _DATE.fullmatch(text):
        raise _incomplete("X-Amz-Date must be in ISO 8601 basic format: YYYYMMDD'T'HHMMSS'Z'.")
    try:
        signed_at = datetime.strptime(text, SIGV4_TIMESTAMP).replace(tzinfo=UTC)
    except ValueError:
        raise _incomplete("X-Amz-Date is not a date.") from None
    if text[:8] != scope_date:
        raise _wrong("Date in Credential scope does not match YYYYMMDD from X-Amz-Date.")
    return signed_at


def _require_near(signed_at: datetime, now: datetime) -> None:
    # AWS's own sentences; clients read them.
    at, here = signed_at.strftime(SIGV4_TIMESTAMP), now.strftime(SIGV4_TIMESTAMP)
    if signed_at < now - SKEW:
        edge = (now - SKEW).strftime(SIGV4_TIMESTAMP)
        raise _wrong(f"Signature expired: {at} is now earlier than {edge} ({here} - 15 min.)")
    if signed_at > now + SKEW:
        edge = (now + SKEW).strftime(SIGV4_TIMESTAMP)
        raise _wrong(
            f"Signature not yet current: {at} is still later than {edge} ({here} + 15 min.)"
        )


def _incomplete(message: str) -> WireError:
    return WireError("IncompleteSignatureException", message)


def _wrong(message: str) -> WireError:
    return WireError("InvalidSignatureException", message)
