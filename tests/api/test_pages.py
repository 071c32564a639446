"""What anyone may read: health, metrics, policy, the ledger's files. And what nobody may."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instance import TemporaryInstance
from rightface.api.app import create_app
from rightface.api.ledger_files import read
from rightface.api.server import running
from rightface.ledger.verify import verify
from tests.api.conftest import Wire
from tests.api.signing import Told, send

FILES = {
    "checkpoint": "no-cache",
    "vkey": "public, max-age=3600",
    "tile/0/000": "public, max-age=31536000, immutable",
    "tile/0/001.p/17": "public, max-age=3600",
    "tile/1/x001/234": "public, max-age=31536000, immutable",
    "tile/63/000.p/1": "public, max-age=3600",
    "tile/entries/000": "public, max-age=31536000, immutable",
    "tile/entries/x001/x234/067.p/255": "public, max-age=3600",
}


def get(url: str, path: str, method: str = "GET") -> Told:
    return send(url, {"host": "localhost"}, method=method, path=path)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    house = tmp_path / "data" / "ledger"
    for name in (*FILES, "secret", "tile/64/000", "tile/0/1"):
        path = house / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    (house.parent / "master.key").write_text("outside")
    return house


@pytest.mark.parametrize("name", FILES)
def test_each_published_name(directory: Path, name: str) -> None:
    found = read(directory, name)
    assert found is not None
    assert found.content == name.encode()
    assert found.cache_control == FILES[name]
    kind = "text/plain; charset=utf-8" if "tile" not in name else "application/octet-stream"
    assert found.media_type == kind


@pytest.mark.parametrize(
    "name",
    [
        "",
        "secret",
        "../master.key",
        "tile/../../master.key",
        "tile/64/000",
        "tile/0/1",
        "tile/0/000/..",
        "tile/00/000",
        "tile/0/999",
        "tile/0/000.p/0",
        "tile/0/000.p/17/..",
        "tile/0",
        "tile/0/x001",
        "tile/0/٠٠٠",
        "/etc/passwd",
        "checkpoint\n",
        "checkpoint\x00",
        "tile/0/000/x",
    ],
)
def test_no_other_name(directory: Path, name: str) -> None:
    assert read(directory, name) is None


@given(name=st.text(alphabet="./\\tilecheckpoint0123456789xp%\x00~ ", max_size=30))
@settings(max_examples=200)
def test_no_name_leaves_the_directory(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    house = tmp_path_factory.getbasetemp() / "house"
    (house / "ledger").mkdir(parents=True, exist_ok=True)
    (house / "0").write_text("outside")
    assert read(house / "ledger", name) is None


@pytest.mark.parametrize(
    "path",
    [
        "/ledger/../keys/master.key",
        "/ledger/..%2fkeys/master.key",
        "/ledger/%2e%2e/keys/master.key",
        "/ledger/tile/%2e%2e/%2e%2e/rightface.toml",
        "/ledger//etc/passwd",
        "/ledger/checkpoint%00",
        "/ledger/checkpoint%0a",
        "/ledger/",
        "/ledger",
    ],
)
def test_over_http_neither(wire: Wire, path: str) -> None:
    answer = get(wire.url, path)
    assert answer.status == 404
    assert answer.json["message"]


def test_the_ledger_over_http_is_up_to_date_and_verifies(wire: Wire) -> None:
    told = wire.ask("ListCollections", {})
    index = int(told.headers["x-rightface-ledger-index"])
    vkey = get(wire.url, "/ledger/vkey")
    assert vkey.headers["cache-control"] == "public, max-age=3600"
    verified = verify(wire.url + "/ledger", vkey.body.decode().strip())
    assert verified.ok, verified.problems
    assert verified.size > index
    checkpoint = get(wire.url, "/ledger/checkpoint")
    assert int(checkpoint.body.split(b"\n")[1]) >= verified.size
    assert checkpoint.headers["cache-control"] == "no-cache"


def test_health(wire: Wire) -> None:
    answer = get(wire.url, "/healthz")
    assert answer.status == 200
    assert answer.json["status"] == "ok"
    assert {"database", "ledger"} <= set(answer.json["parts"])


def test_a_ledger_that_cannot_be_written(fresh: TemporaryInstance) -> None:
    directory = fresh.service.ledger_directory
    fresh.licence("somebody")  # something to publish
    shutil.rmtree(directory)
    directory.write_text("a file where the directory was")
    with running(create_app(fresh.service)) as url:
        health = get(url, "/healthz")
        assert health.status == 503
        assert health.json["status"] == "failing"
        assert health.json["parts"]["ledger"] != "ok"
        checkpoint = get(url, "/ledger/checkpoint")
        assert checkpoint.status == 503
        assert str(directory).encode() not in checkpoint.body
        assert get(url, "/policy").status == 200
        directory.unlink()
        assert get(url, "/healthz").status == 200  # a projection: written anew from the database
        assert get(url, "/ledger/checkpoint").status == 200


def test_policy(wire: Wire) -> None:
    answer = get(wire.url, "/policy")
    assert b"retention" in answer.body.lower()
    assert answer.headers["content-type"] == "text/markdown; charset=utf-8"


def test_metrics_count_by_words_of_ours_alone(wire: Wire) -> None:
    wire.ask("CreateCollection", {"CollectionId": "my-secret-gallery"})
    body = {
        "CollectionId": "my-secret-gallery",
        "Image": {"Bytes": "/9g="},
        "ExternalImageId": "alice-nobody",
    }
    wire.ask("IndexFaces", body, more={"x-rightface-subject": "alice-nobody"})
    wire.ask("alice-nobody", {})
    page = get(wire.url, "/metrics").body.decode()
    assert 'operation="IndexFaces",outcome="AccessDeniedException"' in page
    assert 'rightface_requests_total{operation="CreateCollection",outcome="ok"}' in page
    assert 'operation="unknown",outcome="UnknownOperationException"' in page
    assert 'rightface_request_seconds_bucket{le="0.005",operation="IndexFaces"}' in page
    assert "rightface_requests_under_way 0.0" in page
    assert "rightface_stage_seconds" in page
    assert "alice" not in page
    assert "secret" not in page


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 405),
        ("PUT", "/", 405),
        ("POST", "/healthz", 405),
        ("GET", "/admin", 404),
        ("POST", "/v1", 404),
        ("GET", "/%2e%2e/", 404),
        ("HEAD", "/healthz", 200),
    ],
)
def test_other_paths_and_methods(wire: Wire, method: str, path: str, status: int) -> None:
    answer = get(wire.url, path, method)
    assert answer.status == status
    if status != 200:
        assert answer.headers["content-type"] == "application/json"
        assert answer.json["message"]
