"""A slow machine: time that passes when told to, for permits and for whoever renews them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from rightface.assay import permits as renewing
from rightface.errors import Refused
from rightface.permit import Permit
from tests.conftest import Permitted

SHORT, LONG = 40.0, 119.0
"""Seconds: too few to renew a permit, and almost all that it lasts."""


class SlowMachine:
    """Permits of the real gate that age by `passes`; the gate may be told to give no more."""

    def __init__(
        self, permitted: Permitted, monkeypatch: pytest.MonkeyPatch, *, gives: int = 10**9
    ) -> None:
        self._permitted, self.gives = permitted, gives
        self.asked, self.open, self._late = 0, 0, 0.0
        clock = SimpleNamespace(monotonic=self._now)
        monkeypatch.setattr("rightface.permit.time", clock)
        monkeypatch.setattr(renewing, "time", clock)

    def passes(self, seconds: float) -> None:
        self._late += seconds

    @contextmanager
    def permitted(self) -> Iterator[Permit]:
        if self.asked >= self.gives:
            raise Refused("The gate says no.", refusal=None)
        # A permit's end is set by the clock of the gate, which is the real one.
        self._late = 0.0
        with self._permitted("measure-accuracy") as permit:
            self.asked += 1
            self.open += 1
            assert self.open == 1, "never two at once"
            try:
                yield permit
            finally:
                self.open -= 1

    def _now(self) -> float:
        return time.monotonic() + self._late
