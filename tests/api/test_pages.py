"""What anyone may read: health, metrics, policy, the ledger's files. And what nobody may."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rightface.api.ledger_files import read
from rightface.errors import LedgerError
from tests.api.conftest import Wire
from tests.api.signing import Told, ask, send

FILES = {
    "checkpoint": "no-cache",
    "vkey": "public, max-age=3600",
    "tile/0/000": "public, max-age=31536000, immutable",
    "tile/0/001.p/17": "public, max-age=3600",
    "tile/1/x001/234": "public, max-age=31536000, immutable",
    "tile/entries/000": "public, max-age=31536000, immutable",
    "tile/entries/x001/x234/067.p/255": "public, max-age=3600",
}


def get(wire: Wire, path: str, method: str = "GET") -> Told:
    return send(wire.url, {"host": "localhost"}, method=method, path=path)


@pytest.fixture
def ledger(wire: Wire) -> Path:
    directory = wire.service.ledger_directory
    for name in FILES:
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    (directory / "secret").write_text("no")
    (directory.parent / "master.key").write_text("no")
    return directory


@pytest.mark.parametrize("name", FILES)
def test_ledger_files(wire: Wire, ledger: Path, name: str) -> None:
    answer = get(wire, f"/ledger/{name}")
    assert answer.status == 200
    assert answer.body == name.encode()
    assert answer.headers["cache-control"] == FILES[name]
    kind = "text/plain; charset=utf-8" if "tile" not in name else "application/octet-stream"
    assert answer.headers["content-type"] == kind


def test_the_checkpoint_is_brought_up_to_date_first(wire: Wire, ledger: Path) -> None:
    before = wire.service.published
    get(wire, "/ledger/tile/0/000")
    assert wire.service.published == before
    get(wire, "/ledger/checkpoint")
    assert wire.service.published == before + 1


def test_a_ledger_that_cannot_be_published(
    wire: Wire, ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise LedgerError("The tree shrank.")

    monkeypatch.setattr(wire.service, "publish_ledger", fail)
    answer = get(wire, "/ledger/checkpoint")
    assert answer.status == 503
    assert b"shrank" not in answer.body


@pytest.mark.parametrize(
    "path",
    [
        "/ledger/secret",
        "/ledger/../master.key",
        "/ledger/..%2fmaster.key",
        "/ledger/tile/../../master.key",
        "/ledger/tile/%2e%2e/%2e%2e/master.key",
        "/ledger/tile/0/000/..",
        "/ledger/tile/64/000",
        "/ledger/tile/00/000",
        "/ledger/tile/0/1",
        "/ledger/tile/0/000.p/0",
        "/ledger/tile/0/000.p/256/..",
        "/ledger/tile/0/999",
        "/ledger/tile/0",
        "/ledger/tile/0/x001",
        "/ledger//etc/passwd",
        "/ledger/checkpoint%00",
        "/ledger/checkpoint%0a",
        "/ledger/",
        "/ledger",
    ],
)
def test_paths_that_are_no_ledger_files(wire: Wire, ledger: Path, path: str) -> None:
    answer = get(wire, path)
    assert answer.status == 404
    assert answer.json["message"]


@given(name=st.text(alphabet="./\\tilecheckpoint0123456789xp%\x00~ ", max_size=30))
@settings(max_examples=300)
def test_no_name_leaves_the_directory(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    house = tmp_path_factory.getbasetemp() / "house"
    (house / "ledger").mkdir(parents=True, exist_ok=True)
    (house / "0").write_text("outside")
    assert read(house / "ledger", name) is None


def test_health(wire: Wire) -> None:
    answer = get(wire, "/healthz")
    assert answer.status == 200
    assert answer.json == {"status": "ok", "parts": {"database": "ok", "ledger": "ok"}}
    wire.service.parts = {"database": "ok", "ledger": "storage"}
    answer = get(wire, "/healthz")
    wire.service.parts = {"database": "ok", "ledger": "ok"}
    assert answer.status == 503
    assert answer.json["parts"]["ledger"] == "storage"


def test_policy(wire: Wire) -> None:
    answer = get(wire, "/policy")
    assert answer.body == b"# Retention policy\n"
    assert answer.headers["content-type"] == "text/markdown; charset=utf-8"


def test_metrics_count_by_words_of_ours_alone(wire: Wire) -> None:
    image = {"Bytes": "/9g="}
    ask(wire.url, "CreateCollection", {"CollectionId": "my-secret-gallery"})
    body = {"CollectionId": "my-secret-gallery", "Image": image, "ExternalImageId": "alice"}
    ask(wire.url, "IndexFaces", body, more={"x-rightface-subject": "alice"})
    ask(wire.url, "alice", {})
    page = get(wire, "/metrics").body.decode()
    assert 'rightface_requests_total{operation="IndexFaces",outcome="ok"}' in page
    assert 'operation="unknown",outcome="UnknownOperationException"' in page
    assert 'rightface_request_seconds_bucket{le="0.005",operation="IndexFaces"}' in page
    assert "rightface_requests_under_way 0.0" in page
    assert "alice" not in page and "secret" not in page


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
    answer = get(wire, path, method)
    assert answer.status == status
    if status != 200:
        assert answer.headers["content-type"] == "application/json"
        assert answer.json["message"]
