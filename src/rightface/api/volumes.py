"""How much a licence may ask, by all wires together: per second, and per day (UTC).

Signed into the licence. Per second is a token bucket with room for two seconds. The day's count
starts from the decisions in the ledger, so that a restart gives nothing back. Knows no HTTP.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from rightface.errors import RequestError

if TYPE_CHECKING:
    from rightface.law.licences import Licence

BURST_SECONDS = 2.0


class TooMuch(RequestError):
    """More than the licence allows."""

    code = "too-much"

    def __init__(self, what: str, *, mend: str, seconds: int) -> None:
        super().__init__(what, mend=mend)
        self.seconds = seconds
        """After so many there is room again."""


class TooFast(TooMuch):
    """More per second than the licence allows; try again."""

    code = "too-fast"


class VolumeUsedUp(TooMuch):
    """The day's volume of the licence is used up."""

    code = "volume-used-up"


class Volumes:
    """The counts of one server. Thread-safe.

    Args:
        counted: how many requests of a licence were decided since a moment.
        clock: the time.
        ticks: seconds of a clock that never steps back.
    """

    def __init__(
        self,
        counted: Callable[[str, datetime], int],
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self._counted = counted
        self._clock = clock
        self._ticks = ticks
        self._buckets: dict[str, tuple[float, float]] = {}  # licence: (tokens, as of)
        self._days: dict[str, tuple[date, int]] = {}
        self._lock = threading.Lock()

    def take(self, licence: Licence) -> None:
        """Count one request of this licence.

        Raises:
            TooFast: its rate is exceeded.
            VolumeUsedUp: its daily volume is.
        """
        if licence.per_second is None and licence.per_day is None:
            return
        with self._lock:
            if licence.per_day is not None:
                self._require_left_today(licence.licence_id, licence.per_day)
            if licence.per_second is not None:
                self._take_token(licence.licence_id, licence.per_second)
            if licence.per_day is not None:
                today, used = self._days[licence.licence_id]
                self._days[licence.licence_id] = (today, used + 1)

    def _require_left_today(self, licence_id: str, most: int) -> None:
        now = self._clock()
        today, used = self._days.get(licence_id, (None, 0))
        if today != now.date():
            midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
            used = self._counted(licence_id, midnight)
            self._days[licence_id] = (now.date(), used)
        if used >= most:
            raise VolumeUsedUp(
                f"The licence's volume of {most:,} requests per day is used up.",
                mend="Wait for midnight (UTC), or ask the operator for another licence.",
                seconds=_until_midnight(now),
            )

    def _take_token(self, licence_id: str, rate: int) -> None:
        now = self._ticks()
        room = max(1.0, rate * BURST_SECONDS)
        tokens, since = self._buckets.get(licence_id, (room, now))
        tokens = min(room, tokens + (now - since) * rate)
        if tokens < 1.0:
            self._buckets[licence_id] = (tokens, now)
            raise TooFast(
                f"The licence allows {rate:,} requests per second.",
                mend="Send fewer at once.",
                seconds=1,
            )
        self._buckets[licence_id] = (tokens - 1.0, now)


def _until_midnight(now: datetime) -> int:
    day = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    return math.ceil((day - now).total_seconds())
