"""A signed request changes something once: the signatures seen on requests that change records.

Rule, for the 15 minutes in which a captured request would still verify:
- What only reads may be sent again with the same signature (signers with a clock in seconds sign
  the same question alike); each time it is decided, and recorded, anew.
- What changes records (CreateCollection, IndexFaces, DeleteFaces, …) is taken once per signature.
  AWS's SDKs sign each attempt anew, with an invocation id and the attempt's number: retries pass.
- After a restart the memory is empty, so what changes records must be signed since the start.
- The memory is bounded. When it is full of signatures that are still good, changes are put off
  rather than one forgotten.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from rightface.api.rekognition.faults import WireError
from rightface.api.rekognition.sigv4 import SKEW, Claim

CAPACITY = 1 << 18  # about 290 changes a second for 15 minutes; about 40 MB when full
TOLERANCE = timedelta(seconds=2)  # a client's clock may lag the server's by this at its start


def _now() -> datetime:
    return datetime.now(UTC)


class Replays:
    """The signatures seen. One per server; safe for many threads."""

    def __init__(self, *, clock: Callable[[], datetime] = _now, capacity: int = CAPACITY) -> None:
        self._clock = clock
        self._capacity = capacity
        self._since = clock().replace(microsecond=0) - TOLERANCE
        self._seen: dict[bytes, datetime] = {}
        self._swept = clock()
        self._lock = threading.Lock()

    def require_new(self, claim: Claim) -> None:
        """Take a verified claim for a change; raise if it was taken before.

        Raises:
            WireError: a replay, signed before this server's start, or no room to remember.
        """
        if claim.signed_at < self._since:
            raise WireError(
                "InvalidSignatureException",
                "Signed before this server started; a change must be signed since. "
                "Sign it anew (check the clock).",
            )
        mark = hashlib.sha256(f"{claim.access_key_id}/{claim.signature}".encode()).digest()[:16]
        with self._lock:
            if mark in self._seen:
                raise WireError(
                    "InvalidSignatureException",
                    "This very request was received before: a signed change is carried out once. "
                    "Sign it anew to ask again.",
                )
            self._make_room()
            self._seen[mark] = claim.signed_at + SKEW

    def _make_room(self) -> None:
        now = self._clock()
        full = len(self._seen) >= self._capacity
        if full or now - self._swept > SKEW:
            self._seen = {mark: until for mark, until in self._seen.items() if until >= now}
            self._swept = now
        if len(self._seen) >= self._capacity:
            raise WireError(
                "ProvisionedThroughputExceededException",
                "Too many changes in the last minutes to keep replays apart. Try again later.",
            )
