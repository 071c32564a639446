"""TLS in front of the server, as docs/deploy.md says: Debian's nginx with our configuration."""

from __future__ import annotations

import http.client
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, SSLError
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from tests.conftest import Server
from tests.portraits import eileen_collins, small

CONFIGURATION = Path(__file__).resolve().parents[2] / "deploy" / "nginx.conf"
NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")


@dataclass(frozen=True)
class Front:
    url: str
    certificate: Path
    folder: Path


def _certificate(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName(
                [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
            ),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, SHA256())
    )
    certificate, private = folder / "fullchain.pem", folder / "privkey.pem"
    certificate.write_bytes(made.public_bytes(Encoding.PEM))
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return certificate, private


def _free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as opened:
        return int(opened.getsockname()[1])


@pytest.fixture(scope="module")
def front(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    if NGINX is None:
        pytest.skip("nginx is not installed here (Debian: apt-get install nginx)")
    folder = tmp_path_factory.mktemp("nginx")
    certificate, private = _certificate(folder)
    port = _free_port()
    ours = CONFIGURATION.read_text("utf-8")
    for told, here in (
        ("listen 443 ssl;", f"listen 127.0.0.1:{port} ssl;"),
        ("/etc/ssl/rightface/fullchain.pem", str(certificate)),
        ("/etc/ssl/rightface/privkey.pem", str(private)),
        ("http://127.0.0.1:8017", server.endpoint_url),
    ):
        assert ours.count(told) == 1, f"the configuration does not say '{told}' once"
        ours = ours.replace(told, here)
    paths = "".join(
        f"{kind}_temp_path {folder}/{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    whole = folder / "nginx.conf"
    whole.write_text(
        f"daemon off;\nuser root;\npid {folder}/pid;\nerror_log {folder}/error.log;\n"
        f"events {{}}\nhttp {{\n{paths}{ours}}}\n",
        "utf-8",
    )
    command = [NGINX, "-c", str(whole), "-p", str(folder), "-e", str(folder / "error.log")]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 20
        while True:
            assert process.poll() is None, process.stderr.read() if process.stderr else ""
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                assert time.monotonic() < deadline, "nginx does not listen"
                time.sleep(0.05)
        yield Front(f"https://localhost:{port}", certificate, folder)
    finally:
        process.terminate()
        process.communicate(timeout=20)


def _client(front: Front, server: Server, **more: Any) -> Any:
    return server.client(
        endpoint_url=front.url,
        config=Config(retries={"total_max_attempts": 1}),
        **({"verify": str(front.certificate)} | more),
    )


def test_boto3_works_through_tls(front: Front, server: Server) -> None:
    client = _client(front, server)
    told = client.detect_faces(Image={"Bytes": small(eileen_collins())})
    assert len(told["FaceDetails"]) == 1
    assert told["ResponseMetadata"]["HTTPHeaders"]["x-rightface-permit"]


def test_the_largest_picture_passes_and_a_larger_one_is_refused(
    front: Front, server: Server
) -> None:
    client = _client(front, server)
    with pytest.raises(ClientError) as refused:
        client.detect_faces(Image={"Bytes": bytes(5 * 1024 * 1024)})
    assert refused.value.response["Error"]["Code"] == "InvalidImageFormatException"
    with pytest.raises(ClientError) as refused:
        client.detect_faces(Image={"Bytes": bytes(30_000_000)})
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 413


def test_a_wrong_secret_is_refused_behind_it_too(front: Front, server: Server) -> None:
    client = _client(front, server, aws_secret_access_key="0" * 40)
    with pytest.raises(ClientError) as refused:
        client.list_collections()
    assert refused.value.response["Error"]["Code"] == "InvalidSignatureException"


def test_an_unknown_certificate_is_not_trusted(front: Front, server: Server) -> None:
    with pytest.raises(SSLError):
        _client(front, server, verify=True).list_collections()


def test_old_tls_is_refused_and_hsts_is_said(front: Front) -> None:
    place = urlsplit(front.url)
    assert place.hostname is not None
    context = ssl.create_default_context(cafile=str(front.certificate))
    connection = http.client.HTTPSConnection(place.hostname, place.port, context=context)
    connection.request("GET", "/healthz")
    answer = connection.getresponse()
    assert answer.status == 200
    assert "max-age" in (answer.getheader("strict-transport-security") or "")
    connection.close()
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.load_verify_locations(front.certificate)
    old.minimum_version = ssl.TLSVersion.TLSv1_2
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    old.set_ciphers("DEFAULT@SECLEVEL=0")
    with pytest.warns(DeprecationWarning):
        old.minimum_version = ssl.TLSVersion.TLSv1_1
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    with (
        socket.create_connection((place.hostname, place.port or 0)) as plain,
        pytest.raises(ssl.SSLError),
        old.wrap_socket(plain, server_hostname="localhost"),
    ):
        pass


def test_neither_addresses_nor_photographs_stay_behind(front: Front, server: Server) -> None:
    picture = small(eileen_collins(), 900)
    _client(front, server).detect_faces(Image={"Bytes": picture})
    for path in front.folder.rglob("*"):
        if path.is_file() and path.suffix not in (".pem", ".conf"):
            content = path.read_bytes()
            assert b"127.0.0.1" not in content or path.name == "error.log"
            assert picture[100:200] not in content
    assert not (front.folder / "access.log").exists()
