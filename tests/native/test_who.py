"""Every route × every credential: none, malformed, wrong, ended, of another role; and the right."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from rightface.api.native.house import router
from rightface.api.native.table import ROLES
from tests.native.conftest import Native, basic

PEOPLE = ("operator", "reviewer", "auditor", "client")


def routes(native: Native) -> Iterator[tuple[str, str, str]]:
    """(name, method, path with ids that nothing has) of every route of the description."""
    described = native.ask("GET", "/v1/openapi.json", by=None).json
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            filled = re.sub(r"\{index\}", "0", path)
            filled = re.sub(r"\{(\w+)\}", "lic-" + "0" * 24, filled)
            yield operation["operationId"], method.upper(), f"/v1{filled}"


def test_the_table_and_the_routes_are_the_same(native: Native) -> None:
    assert sorted(name for name, _, _ in routes(native)) == sorted(ROLES)


def test_there_are_no_pages_that_fetch_scripts(native: Native) -> None:
    for path in ("/v1/docs", "/v1/redoc", "/v1/docs/oauth2-redirect", "/v1/", "/v1/openapi.yaml"):
        answer = native.ask("GET", path)
        assert (answer.status, answer.json["code"]) == (404, "nothing-here")
    described = native.ask("GET", "/v1/openapi.json", by=None)
    assert described.json["servers"] == [{"url": "/v1"}]
    assert b"cdn" not in described.body


def test_a_route_without_a_place_in_the_table_cannot_be_made() -> None:
    def no_such_route() -> None:
        """Nothing."""

    with pytest.raises(KeyError):
        router("people").get("/x")(no_such_route)


WRONG = {
    "none": None,
    "empty": "",
    "only-a-scheme": "Bearer",
    "another-scheme": "Digest abc",
    "no-token": "Bearer rf_operator_0000",
    "not-ascii": "Bearer rf_operator_\xe9",
    "too-long": "Bearer " + "a" * 5000,
    "unknown-token": f"Bearer rf_operator_{'0' * 16}_{'a' * 43}",
    "unknown-key": basic("RFAKUNKNOWN", "x" * 40),
    "no-base64": "Basic ???",
    "no-colon": "Basic YWJj",
    "ended": "ended",
    "revoked": "revoked",
}


@pytest.mark.parametrize("kind", WRONG)
def test_no_route_answers_without_a_standing_credential(native: Native, kind: str) -> None:
    for name, method, path in routes(native):
        if "anyone" in ROLES[name]:
            continue
        answer = native.ask(method, path, by=WRONG[kind], raw=b"{" if method == "POST" else None)
        assert (answer.status, answer.json["code"]) == (401, "not-authenticated"), name
        assert answer.headers["www-authenticate"].startswith("Bearer")


def test_a_right_credential_with_a_wrong_secret(native: Native) -> None:
    for role, token in native.tokens.items():
        for wrong in (
            token[:-1] + ("A" if token[-1] != "A" else "B"),
            token.replace(f"rf_{role}", "rf_operator" if role != "operator" else "rf_auditor"),
        ):
            assert native.ask("GET", "/v1/whoami", by=f"Bearer {wrong}").status == 401
    key, secret = native.key
    for pair in ((key, secret[:-1]), (key, ""), (key.lower(), secret), ("", secret)):
        assert native.ask("GET", "/v1/whoami", by=basic(*pair)).status == 401


def test_two_authorizations_are_none(native: Native) -> None:
    import http.client

    host = native.url.removeprefix("http://")
    connection = http.client.HTTPConnection(host)
    connection.putrequest("GET", "/v1/whoami")
    connection.putheader("authorization", native.operator)
    connection.putheader("authorization", native.auditor)
    connection.endheaders()
    assert connection.getresponse().status == 401
    connection.close()


def test_every_route_answers_its_roles_and_no_other(native: Native) -> None:
    for name, method, path in routes(native):
        for role in PEOPLE:
            # A body that is no JSON: whoever may ask hears of it, and nothing is done.
            answer = native.ask(
                method, path, by=role, raw=b"{" if method == "POST" else None,
                content_type="application/json",
            )  # fmt: skip
            if "anyone" in ROLES[name] or role in ROLES[name]:
                assert answer.status not in (401, 403, 500), (name, role)
            else:
                assert (answer.status, answer.json["code"]) == (403, "not-allowed"), (name, role)


@pytest.mark.parametrize("role", PEOPLE)
def test_whoami(native: Native, role: str) -> None:
    told = native.ask("GET", "/v1/whoami", by=role).json
    assert told["role"] == role
    assert told["name"] == ("acme" if role == "client" else f"a-{role}")


def test_a_body_is_not_read_before_the_credential(native: Native) -> None:
    import socket

    host, port = native.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(
            b"POST /v1/licences HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
            b"content-length: 1000000\r\n\r\n"
        )  # and no byte of the body
        assert connection.recv(200).startswith(b"HTTP/1.1 401")
