"""Traces: off by default; where they are on, an OTLP endpoint gets words of the code alone."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from instance import TemporaryInstance
from rightface.api.app import create_app
from rightface.api.server import running
from rightface.instance import Instance
from rightface.service import Service
from tests.conftest import Server
from tests.portraits import eileen_collins, small

SUBJECT = "alice.liddell-1865"


@contextmanager
def collector() -> Iterator[tuple[str, list[bytes]]]:
    """An OTLP endpoint that keeps what it gets."""
    got: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1/traces", got
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_spans_tell_stages_and_nobody(fresh: TemporaryInstance, models: Path) -> None:
    with collector() as (endpoint, got):
        settings = replace(fresh.instance.settings, traces=endpoint)
        traced = Service(Instance(settings, fresh.instance.keyring, fresh.instance.database))
        issued = fresh.licence("acme")
        fresh.consent(SUBJECT)
        with running(create_app(traced)) as url:
            key = (issued.licence.access_key_id, issued.secret_access_key)
            client = Server(url, *key, fresh).client()
            client.create_collection(CollectionId="wonderland")
            client.index_faces(
                CollectionId="wonderland",
                Image={"Bytes": small(eileen_collins())},
                ExternalImageId=SUBJECT,
            )
            with pytest.raises(ClientError):
                client.describe_collection(CollectionId="elsewhere")
        traced.traces.close()
    told = b"".join(got)
    spans = [
        span
        for body in got
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]
    names = {span.name for span in spans}
    assert {"IndexFaces", "gate", "decode", "analyze", "write", "DescribeCollection"} <= names
    by_id = {span.span_id: span for span in spans}
    (decode,) = (span for span in spans if span.name == "decode")
    assert by_id[decode.parent_span_id].name == "IndexFaces"
    outcomes = {a.value.string_value for s in spans for a in s.attributes if a.key == "outcome"}
    assert outcomes == {"ok", "ResourceNotFoundException"}
    for secret in (SUBJECT, "wonderland", "elsewhere", *key, str(settings.data)):
        assert secret.encode() not in told


def test_without_the_setting_no_recorder_is_imported() -> None:
    code = (
        "import sys, rightface.service, rightface.api.app\n"
        "sys.exit(any(name.startswith('opentelemetry.sdk') for name in sys.modules))"
    )
    env = {**os.environ, "PYTHONWARNINGS": "ignore"}
    assert subprocess.run([sys.executable, "-c", code], env=env, check=False).returncode == 0
