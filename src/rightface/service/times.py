"""Where a request's time goes: seconds per stage, for /metrics and the benchmarks."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from prometheus_client import CollectorRegistry, Histogram

from rightface.permit import Permit
from rightface.telemetry import OFF, Traces

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class Times:
    """One service's stages: gate, decode, analyze, search, write, ledger, erase."""

    def __init__(self, traces: Traces = OFF) -> None:
        self.traces = traces
        self.registry = CollectorRegistry()
        self._stages = Histogram(
            "rightface_stage_seconds",
            "Seconds spent in each stage of an operation",
            ("stage",),
            buckets=_SECONDS,
            registry=self.registry,
        )

    @contextmanager
    def of(self, stage: str) -> Iterator[None]:
        """Count the block's time to `stage`."""
        started = time.perf_counter()
        try:
            with self.traces.span(stage):
                yield
        finally:
            self._stages.labels(stage).observe(time.perf_counter() - started)

    @contextmanager
    def gate(self, asking: AbstractContextManager[Permit]) -> Iterator[Permit]:
        """Count the time until the gate has answered and recorded its answer, not the block's."""
        started = time.perf_counter()
        try:
            with self.traces.span("gate"):
                permit = asking.__enter__()
        finally:
            self._stages.labels("gate").observe(time.perf_counter() - started)
        try:
            yield permit
        except BaseException as error:
            if not asking.__exit__(type(error), error, error.__traceback__):
                raise
        else:
            asking.__exit__(None, None, None)
