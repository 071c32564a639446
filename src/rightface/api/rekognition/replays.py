"""Replays: for how long a captured request could be sent again, and what is done about it.

A signature verifies for 15 minutes. The rule for that time:
- What only reads may be sent again; each time it is decided, and recorded, anew.
- What changes records (CreateCollection, IndexFaces, DeleteFaces, …) is carried out once per
  signature, but for a repeat whose headers come within two seconds of the first's. X-Amz-Date
  counts seconds, and AWS's SDKs sign nothing else that differs (their invocation ids are added
  after signing), so a client that asks alike twice in one second, or retries at once, signs
  alike: the two cannot be told apart, and refusing would break unmodified clients.
- With a signed `x-rightface-nonce` there is no such excuse: once, strictly. `rightface.boto3.stamp`
  adds one to each attempt.
- After a restart the memory is empty, so what changes records must be signed since the start.
- The memory is bounded. When it is full of signatures that are still good, changes are put off
  rather than one forgotten.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from datetime import datetime, timedelta

from rightface.api.rekognition.faults import WireError
from rightface.api.rekognition.sigv4 import SKEW, Claim
from rightface.api.rekognition.told import NONCE

CAPACITY = 1 << 18  # about 290 changes a second for 15 minutes; about 60 MB when full
SAME_SECOND = timedelta(seconds=2)  # one second of the client's clock, one for the way
TOLERANCE = timedelta(seconds=2)  # a client's clock may lag the server's by this at its start


class Replays:
    """The signatures seen. One per server; safe for many threads."""

    def __init__(self, clock: Callable[[], datetime], *, capacity: int = CAPACITY) -> None:
        self._clock = clock
        self._capacity = capacity
        self._since = clock().replace(microsecond=0) - TOLERANCE
        self._seen: dict[bytes, tuple[datetime, datetime]] = {}  # first arrival, good until
        self._swept = clock()
        self._lock = threading.Lock()

    def require_new(self, claim: Claim, arrived: datetime) -> None:
        """Take a verified claim for a change; raise if it is a replay.

        Args:
            claim: whose signature was verified.
            arrived: when its headers came.

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
                first = self._seen[mark][0]
                if NONCE not in claim.headers and abs(arrived - first) <= SAME_SECOND:
                    return
                raise WireError(
                    "InvalidSignatureException",
                    "This very request was received before: a signed change is carried out once. "
                    "Sign it anew to ask again.",
                )
            self._make_room()
            self._seen[mark] = (arrived, claim.signed_at + SKEW)

    def _make_room(self) -> None:
        now = self._clock()
        full = len(self._seen) >= self._capacity
        if full or now - self._swept > SKEW:
            self._seen = {mark: times for mark, times in self._seen.items() if times[1] >= now}
            self._swept = now
        if len(self._seen) >= self._capacity:
            raise WireError(
                "ProvisionedThroughputExceededException",
                "Too many changes in the last minutes to keep replays apart. Try again later.",
            )
