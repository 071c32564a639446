"""The object store: a real directory, and a real S3 server on loopback that is not ours."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from rightface.errors import ObjectError, ObjectTooLarge, SettingsError, StorageError
from rightface.objects import ObjectStore
from rightface.settings import Settings

LIMIT = 1000


def store(data: Path, where: str = "", shared: str = "") -> ObjectStore:
    return ObjectStore.of(Settings(data=data, object_store=where, shared_buckets=shared))


def told(objects: ObjectStore, bucket: str, name: str, version: str | None = None) -> str:
    """The error of a reading by the client `acme`; no name is in it."""
    with pytest.raises(ObjectError) as raised:
        objects.read(bucket, name, version, client="acme", limit=LIMIT)
    error = raised.value
    assert error.mend
    for secret in {bucket, name, *name.split("/")} - {"", ".", "..", "a", "acme", "objects"}:
        assert secret not in str(error)
    return str(error)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    (folder / "objects" / "acme" / "2026").mkdir(parents=True)
    (folder / "objects" / "acme" / "2026" / "größe 1.jpg").write_bytes(b"photograph")
    (folder / "objects" / "zeta").mkdir()
    (folder / "objects" / "zeta" / "theirs.jpg").write_bytes(b"of another")
    (folder / "keys").mkdir()
    (folder / "keys" / "master.key").write_bytes(b"secret")
    return folder


# ---------------------------------------------------------------- a directory
def test_a_key_is_a_path_below_its_bucket(data: Path) -> None:
    objects = store(data)
    name = "2026/größe 1.jpg"
    assert objects.read("acme", name, client="acme", limit=LIMIT) == b"photograph"
    with objects.fetched("acme", name, client="acme", limit=LIMIT) as path:
        assert path.read_bytes() == b"photograph"
    assert {each.name for each in data.iterdir()} == {"objects", "keys"}


def test_a_directory_of_the_settings(data: Path) -> None:
    for where in ("objects", str(data / "objects")):
        objects = store(data, where)
        assert objects.read("acme", "2026/größe 1.jpg", client="acme", limit=10) == b"photograph"
    with pytest.raises(SettingsError, match="no directory"):
        store(data, "elsewhere")


def test_without_a_store_it_says_so(tmp_path: Path) -> None:
    assert "There is no object store." in told(store(tmp_path), "acme", "a.jpg")


@pytest.mark.parametrize(
    "name",
    [
        "../zeta/theirs.jpg",
        "2026/../../zeta/theirs.jpg",
        "../../keys/master.key",
        "/etc/passwd",
        "2026//größe 1.jpg",
        "./2026/größe 1.jpg",
        "2026/größe 1.jpg/",
        "2026/größe 1.jpg\0",
        "a\nb",
        "2026",
        "2026/grösse 1.jpg",
        "2026/gr%C3%B6%C3%9Fe%201.jpg",
        "..%2fzeta%2ftheirs.jpg",
        "a" * 1025,
        "a" * 1024,
        "",
    ],
)
def test_no_name_leads_out_of_its_bucket(data: Path, name: str) -> None:
    told(store(data), "acme", name)


@pytest.mark.parametrize("bucket", ["..", ".", "", "acme/2026", "acme\0", "../keys", ".acme", "xy"])
def test_no_bucket_leads_out_of_the_store(data: Path, bucket: str) -> None:
    told(store(data, shared=""), bucket, "master.key")
    with pytest.raises(ObjectError):
        store(data).read(bucket, "master.key", client=bucket, limit=LIMIT)


def test_links_out_of_the_bucket_are_not_followed(data: Path) -> None:
    bucket = data / "objects" / "acme"
    (bucket / "geheimnis").symlink_to(data / "keys" / "master.key")
    (bucket / "fremde").symlink_to(data / "objects" / "zeta")
    (bucket / "inside").symlink_to(bucket / "2026" / "größe 1.jpg")
    (data / "objects" / "linked").symlink_to(data / "keys")
    (bucket / "kreis").symlink_to(bucket / "kreis")
    objects = store(data, shared="linked")
    for name in ("geheimnis", "fremde/theirs.jpg", "kreis"):
        told(objects, "acme", name)
    told(objects, "linked", "master.key")
    assert objects.read("acme", "inside", client="acme", limit=LIMIT) == b"photograph"


def test_what_is_no_file_is_not_waited_for(data: Path) -> None:
    os.mkfifo(data / "objects" / "acme" / "pipe")
    told(store(data), "acme", "pipe")


def test_a_directory_keeps_no_versions(data: Path) -> None:
    assert "no versions" in told(store(data), "acme", "2026/größe 1.jpg", "3")


def test_a_client_reads_its_own_bucket_and_what_is_shared(data: Path) -> None:
    assert "may not read that bucket" in told(store(data), "zeta", "theirs.jpg")
    assert "may not read that bucket" in told(store(data), "nowhere", "theirs.jpg")
    shared = store(data, shared=" nowhere , zeta ")
    assert shared.read("zeta", "theirs.jpg", client="acme", limit=LIMIT) == b"of another"
    one = store(data, shared="acme=zeta")
    assert one.read("zeta", "theirs.jpg", client="acme", limit=LIMIT) == b"of another"
    assert "may not read" in told(store(data, shared="other=zeta"), "zeta", "theirs.jpg")
    with (
        pytest.raises(ObjectError, match="may not read"),
        one.fetched("zeta", "theirs.jpg", client="beta", limit=LIMIT),
    ):
        pytest.fail("read")


@pytest.mark.parametrize("limit", [0, 9])
def test_too_large(data: Path, limit: int) -> None:
    objects = store(data)
    with pytest.raises(ObjectTooLarge, match=f"10 bytes; at most {limit}"):
        objects.read("acme", "2026/größe 1.jpg", client="acme", limit=limit)
    with (
        pytest.raises(ObjectTooLarge),
        objects.fetched("acme", "2026/größe 1.jpg", client="acme", limit=limit),
    ):
        pytest.fail("read")
    assert {each.name for each in data.iterdir()} == {"objects", "keys"}


def test_no_room_to_copy_to(data: Path) -> None:
    objects = ObjectStore.of(Settings(data=data, object_store=str(data / "objects")))
    (data / "objects").rename(data.parent / "objects")
    gone = ObjectStore.of(Settings(data=data / "gone", object_store=str(data.parent / "objects")))
    del objects
    with (
        pytest.raises(StorageError, match="could not be copied"),
        gone.fetched("acme", "2026/größe 1.jpg", client="acme", limit=LIMIT),
    ):
        pytest.fail("copied")


# ---------------------------------------------------------------- settings
@pytest.mark.parametrize(
    "where",
    [
        "s3://bucket",
        "s3://bucket/prefix",
        "ftp://host",
        "https://",
        "https://host/path",
        "https://key:geheim@host",
        "https://host:port",
        "https://host?x=1",
        "s3+http://host",
        "http://10.0.0.1:9000",
        "http://127.0.0.1.example:9000",
        "s3+http://host?plain-http=yes",
        "file:///etc",
    ],
)
def test_stores_that_are_none(tmp_path: Path, where: str) -> None:
    with pytest.raises(SettingsError) as raised:
        store(tmp_path, where)
    assert "geheim" not in str(raised.value)


@pytest.mark.parametrize(
    "where",
    [
        "s3://",
        "https://minio.example",
        "s3+https://minio.example:9000/",
        "http://localhost:9000",
        "s3+http://127.0.0.1:9000",
        "http://[::1]:9000",
        "s3+http://minio.internal:9000?plain-http=allowed",
    ],
)
def test_stores_that_are_taken(tmp_path: Path, where: str) -> None:
    store(tmp_path, where)


@pytest.mark.parametrize("shared", ["a", "acme=", "=photos", "../x", "pho tos", "acme=a/b"])
def test_shared_buckets_that_are_none(tmp_path: Path, shared: str) -> None:
    with pytest.raises(SettingsError, match="shared_buckets"):
        store(tmp_path, shared=shared)


# ---------------------------------------------------------------- S3's protocol
@pytest.fixture(scope="module")
def s3() -> Iterator[tuple[str, Any]]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    client = boto3.client(
        "s3",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )
    yield url, client
    server.stop()


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "geheim")
    monkeypatch.setenv("AWS_REGION", "us-east-1")


def test_an_s3_server(s3: tuple[str, Any], credentials: None, tmp_path: Path) -> None:
    url, client = s3
    client.create_bucket(Bucket="acme")
    versioning: Any = {"Status": "Enabled"}
    client.put_bucket_versioning(Bucket="acme", VersioningConfiguration=versioning)
    old = client.put_object(Bucket="acme", Key="a b/ö.jpg", Body=b"old")["VersionId"]
    client.put_object(Bucket="acme", Key="a b/ö.jpg", Body=b"new!")
    objects = store(tmp_path, url)
    assert objects.read("acme", "a b/ö.jpg", client="acme", limit=4) == b"new!"
    assert objects.read("acme", "a b/ö.jpg", old, client="acme", limit=4) == b"old"
    with objects.fetched("acme", "a b/ö.jpg", old, client="acme", limit=4) as path:
        assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ObjectTooLarge, match="4 bytes; at most 3"):
        objects.read("acme", "a b/ö.jpg", client="acme", limit=3)
    for name, version in (("missing.jpg", None), ("a b/ö.jpg", "no-such-version")):
        assert "could not be read" in told(objects, "acme", name, version)


def test_a_large_object_of_an_s3_server(
    s3: tuple[str, Any], credentials: None, tmp_path: Path
) -> None:
    url, client = s3
    large = os.urandom(5_000_000)
    client.create_bucket(Bucket="films")
    client.put_object(Bucket="films", Key="film.mp4", Body=large)
    objects = store(tmp_path, url.replace("http://", "s3+http://"), shared="films")
    with objects.fetched("films", "film.mp4", client="acme", limit=len(large)) as path:
        assert path.read_bytes() == large
    assert objects.read("films", "film.mp4", client="acme", limit=len(large)) == large


def test_credentials_are_in_no_error(
    s3: tuple[str, Any], credentials: None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    told_of = told(store(tmp_path, s3[0], shared="no-such-bucket"), "no-such-bucket", "x.jpg")
    assert "geheim" not in told_of + caplog.text
    assert "no-such-bucket" not in caplog.text.replace("GET /no-such-bucket", "")  # moto's own


def test_a_store_that_is_not_there(credentials: None, tmp_path: Path) -> None:
    began = time.monotonic()
    assert "could not be read" in told(store(tmp_path, "http://127.0.0.1:9"), "acme", "x.jpg")
    assert time.monotonic() - began < 20


def test_a_store_that_sends_more_than_it_said(credentials: None, tmp_path: Path) -> None:
    # Its Content-Length says 3; chunks go on for ever.
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def endless() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(65536)
                head = (
                    'HTTP/1.1 200 OK\r\nETag: "x"\r\nTransfer-Encoding: chunked\r\n'
                    "Last-Modified: Sun, 22 Nov 2026 08:00:00 GMT\r\n\r\n"
                )
                connection.sendall(head.encode())
                try:
                    for _ in range(100_000):
                        connection.sendall(b"1000\r\n" + bytes(4096) + b"\r\n")
                except OSError:
                    return

        sender = threading.Thread(target=endless, daemon=True)
        sender.start()
        objects = store(tmp_path, f"http://127.0.0.1:{listening.getsockname()[1]}")
        with pytest.raises(ObjectError):
            objects.read("acme", "x.jpg", client="acme", limit=LIMIT)
        sender.join(10)
        assert not sender.is_alive()
