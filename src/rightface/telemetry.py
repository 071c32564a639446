"""Traces for OpenTelemetry: off unless a setting names where they go.

A span per request and one per stage of it, named by words of the code (operations, stages, kinds of
outcome); never what a caller sent. Without the setting nothing is imported and nothing is recorded.
Knows nothing of the rooms above it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rightface import __version__
from rightface.errors import SettingsError


class Traces:
    """Where spans go; `OFF` records none."""

    def __init__(self, provider: Any = None) -> None:
        self._provider = provider
        self._tracer = None if provider is None else provider.get_tracer("rightface", __version__)

    @classmethod
    def to(cls, endpoint: str) -> Traces:
        """Traces sent to an OTLP endpoint over HTTP, in batches; `OFF` if it is empty.

        Args:
            endpoint: for example `http://127.0.0.1:4318/v1/traces`.

        Raises:
            SettingsError: OpenTelemetry is not installed.
        """
        if not endpoint:
            return OFF
        try:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
        except ImportError as error:
            raise SettingsError(
                "The setting 'traces' needs OpenTelemetry.",
                mend="pip install 'rightface[telemetry]', or leave the setting empty.",
            ) from error
        # Only what is said here: the process's command line and host are nobody's business.
        provider = TracerProvider(resource=Resource({"service.name": "rightface"}))
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
        return cls(provider)

    @contextmanager
    def span(self, name: str) -> Iterator[None]:
        """A span for the time of the block; what fails in it is told by the error's type alone."""
        if self._tracer is None:
            yield
            return
        with self._tracer.start_as_current_span(
            name, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield
            except Exception as error:
                span.set_attribute("error.type", type(error).__name__)
                raise

    def note(self, name: str, value: str) -> None:
        """An attribute of the current span: a word of the code."""
        if self._tracer is not None:
            from opentelemetry.trace import get_current_span

            get_current_span().set_attribute(name, value)

    def close(self) -> None:
        """Send what waits. Idempotent."""
        if self._provider is not None:
            self._provider.shutdown()


OFF = Traces()
"""Records nothing."""
