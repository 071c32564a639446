"""One shape for every error: it tells what is wrong, and nothing of what was sent."""

from __future__ import annotations

import json
import logging
import socket
from typing import Any

import pytest

from rightface.api.native.errors import MEDIA_TYPE, STATUSES
from rightface.api.native.house import BODY_BYTES
from rightface.api.native.shapes import Problem
from tests.native.conftest import Answered, Native

SECRET = "alice-nobody-7f3a"


def is_a_problem(answer: Answered) -> Problem:
    assert answer.headers["content-type"] == MEDIA_TYPE
    told = Problem.model_validate(answer.json)
    assert set(answer.json) == set(Problem.model_fields)
    assert told.status == answer.status
    assert told.status in STATUSES
    assert told.detail
    assert told.request_id == answer.headers["x-request-id"]
    assert answer.headers["cache-control"] == "no-store"
    assert SECRET not in json.dumps(answer.json)
    return told


BODIES: list[tuple[str, Any]] = [
    ("unknown-field", {"role": "operator", "name": "x", SECRET: 1}),
    ("wrong-type", {"role": [SECRET], "name": "x"}),
    ("too-long", {"role": "operator", "name": SECRET * 20}),
    ("a-list", [SECRET]),
    ("a-text", SECRET),
    ("null", None),
    ("missing", {"name": SECRET}),
    ("nul", {"role": "operator", "name": SECRET + "\x00"}),
]


@pytest.mark.parametrize(("kind", "body"), BODIES, ids=[kind for kind, _ in BODIES])
def test_a_body_of_another_form(native: Native, kind: str, body: Any) -> None:
    raw = json.dumps(body).encode()
    answer = native.ask("POST", "/v1/credentials", raw=raw, content_type="application/json")
    told = is_a_problem(answer)
    assert (told.status, told.code) == (422, "request")
    assert told.why
    assert kind


RAW = {
    "no-json": b'{"role": ',
    "not-utf-8": b'{"role": "\xff"}',
    "a-lone-surrogate": b'{"role": "\\ud800", "name": "x"}',
    "very-deep": b"[" * 200_000,
    "deep-and-whole": b'{"question": ' + b'{"a":' * 3000 + b"1" + b"}" * 3000 + b"}",
    "nan": b'{"question": {"a": NaN}}',
    "a-large-number": b'{"question": {"a": ' + b"9" * 5000 + b"}}",
    "nothing": b"",
}


@pytest.mark.parametrize("kind", RAW)
@pytest.mark.parametrize("path", ["/v1/credentials", "/v1/law/explain"])
def test_bytes_that_are_no_request(native: Native, path: str, kind: str) -> None:
    answer = native.ask("POST", path, raw=RAW[kind], content_type="application/json")
    assert is_a_problem(answer).status in (400, 422)


@pytest.mark.parametrize("media", ["text/plain", "application/x-www-form-urlencoded", "", "x"])
def test_another_media_type(native: Native, media: str) -> None:
    body = b'{"role": "auditor", "name": "x"}'
    answer = native.ask("POST", "/v1/credentials", raw=body, content_type=media)
    assert is_a_problem(answer).status == 422


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/nothing", 404),
        ("GET", f"/v1/{SECRET}", 404),
        ("GET", "/v1//licences", 404),
        ("GET", "/v1/licences/", 404),
        ("DELETE", "/v1/licences", 405),
        ("POST", "/v1/whoami", 405),
        ("GET", f"/v1/licences/{SECRET}", 422),
        ("GET", "/v1/licences/..%2f..%2fetc", 404),
        ("GET", f"/v1/licences?{SECRET}=1", 422),
        ("GET", "/v1/licences?limit=1&limit=2", 422),
        ("GET", "/v1/licences?limit=0", 422),
        ("GET", f"/v1/licences?after={SECRET}", 422),
        ("GET", "/v1/ledger/entries/-1", 422),
        ("GET", "/v1/ledger/entries/99999999999999999999", 422),
        ("GET", "/v1/licences/lic-000000000000000000000000", 404),
        ("POST", "/v1/licences/lic-000000000000000000000000/revoke", 404),
        ("POST", "/v1/facts/fct-000000000000000000000000/end", 404),
        ("GET", "/v1/findings/fnd-000000000000000000000000", 404),
        ("POST", f"/v1/duties/{SECRET}/end", 422),
    ],
)
def test_paths_and_queries(native: Native, method: str, path: str, status: int) -> None:
    answer = native.ask(method, path)
    told = Problem.model_validate(answer.json)
    assert (answer.status, told.status) == (status, status)
    if "duties" not in path:  # the law names the word that it does not know, to whoever said it
        is_a_problem(answer)


def test_a_body_that_is_too_large_is_not_read(native: Native) -> None:
    host, port = native.url.removeprefix("http://").split(":")
    head = (
        f"POST /v1/licences HTTP/1.1\r\nhost: x\r\nauthorization: {native.operator}\r\n"
        f"content-type: application/json\r\ncontent-length: {BODY_BYTES + 1}\r\n\r\n"
    )
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(head.encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 413")


def test_a_fault_of_ours_is_told_without_its_words(
    native: Native, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from rightface.registrar_credentials import CredentialDesk

    def broken(self: object, role: object = None) -> Any:
        raise ZeroDivisionError(SECRET)

    monkeypatch.setattr(CredentialDesk, "listed", broken)
    with caplog.at_level(logging.ERROR, "rightface"):
        told = is_a_problem(native.ask("GET", "/v1/credentials"))
    assert (told.status, told.code) == (500, "internal")
    (line,) = [one for one in caplog.records if one.name.startswith("rightface.api")]
    assert "ZeroDivisionError" in line.getMessage()
    assert "list_credentials" in line.getMessage()
    assert told.request_id in line.getMessage()
    assert SECRET not in caplog.text


def test_figures_name_routes_and_codes_alone(native: Native) -> None:
    native.ask("GET", f"/v1/licences/{SECRET}")
    page = native.ask("GET", "/metrics", by=None).body.decode()
    assert 'operation="v1/show_licence",outcome="request"' in page
    assert SECRET not in page
    assert "rf_operator" not in page


def test_rekognition_and_the_public_pages_are_as_they_were(native: Native) -> None:
    assert native.ask("POST", "/v1", by=None).status == 404
    assert native.ask("GET", "/healthz", by=None).status == 200
    assert native.ask("GET", "/policy", by=None).status == 200
    assert native.ask("GET", "/ledger/vkey", by=None).status == 200
    wire = native.ask("POST", "/", by=None, raw=b"{}")
    assert wire.json["__type"]
