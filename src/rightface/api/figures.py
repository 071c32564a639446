"""The wire's Prometheus figures: counts and seconds by operation and outcome, nothing of a person.

Labels are words of the code (operations that Amazon has published, kinds of outcome), never what a
caller sent.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import generate_latest

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Figures:
    """One server's figures."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "rightface_requests",
            "Requests by operation and outcome (ok, or the exception's name)",
            ("operation", "outcome"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "rightface_request_seconds",
            "Seconds from the headers to the answer",
            ("operation",),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self.under_way = Gauge(
            "rightface_requests_under_way", "Requests under way", registry=self._registry
        )

    def count(self, operation: str, outcome: str, seconds: float) -> None:
        """One request answered."""
        self._requests.labels(operation, outcome).inc()
        self._seconds.labels(operation).observe(seconds)

    def page(self, others: CollectorRegistry) -> bytes:
        """The text page for Prometheus, with another registry's figures behind ours."""
        return generate_latest(self._registry) + generate_latest(others)
