"""A day of a real server, its log at debug: then everything it left behind is searched.

Nothing of a person, no secret and no image may stand in clear in what a server prints, serves to
anyone, publishes, traces, or writes. What the database holds in clear is `IN_CLEAR`, with reasons;
docs/security.md says the same.
"""

from __future__ import annotations

import base64
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import urllib3
from botocore.exceptions import BotoCoreError, ClientError

from rightface.registrar_credentials import CredentialDesk
from tests.api import signing
from tests.portraits import eileen_collins, grace_hopper, nobody, small
from tests.security.house import made, opened, rightface, serving
from tests.test_telemetry import collector
from tests.video import clips

SUBJECTS = ("zz-subject-quillfeather", "zz-subject-oxenham")
USERS = ("zz-user-bramblewick", "zz-user-tolliver")
GALLERY = "zz-gallery-larkspur"
TAG_KEY, TAG_VALUE = "zz-tagkey-mulberry", "zz-tagvalue-persimmon"
TOKEN = "zz-token-halberd"
JOB_TAG = "zz-jobtag-snapdragon"
FILES = ("zz-film-juniper.mp4", "zz-photo-hawthorn.jpg", "zz-missing-celandine.jpg")
CLIENT = "zz-client-acme"
WORDS = (*SUBJECTS, *USERS, GALLERY, TAG_KEY, TAG_VALUE, TOKEN, JOB_TAG, *FILES, CLIENT)

IN_CLEAR = {
    # In the rows of the database, and in its copies. Whoever has the database alone reads these.
    GALLERY: "rows are found by it, and licences name patterns of it; the client's own choice",
    TAG_KEY: "words about a collection; put no people into them (docs/security.md)",
    TAG_VALUE: "as its key",
    CLIENT: "the operator's name for a client, which the ledger publishes too",
}
IN_LEDGER = {CLIENT}  # of a gallery it has a keyed hash


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory, models: Path) -> Iterator[dict[str, bytes]]:
    """What a day left behind: names of places, and all bytes that are there."""
    root = tmp_path_factory.mktemp("day")
    data = root / "data"
    made(data, models)
    pictures = {"grace": small(grace_hopper()), "eileen": small(eileen_collins())}
    with collector() as (endpoint, spans):
        with opened(data) as house:
            issued = house.licence(CLIENT)
            house.consent(*SUBJECTS)
            operator = CredentialDesk(house.instance).issue(role="operator", name="op").token
        bucket = data / "objects" / CLIENT
        bucket.mkdir(parents=True)
        grace = clips.grace()
        clips.written(bucket / FILES[0], 1.0, lambda at: clips.placed((grace, 50)))
        (bucket / FILES[1]).write_bytes(pictures["eileen"])
        environment = {
            "RIGHTFACE_TRACES": endpoint,
            "RIGHTFACE_KEEP_CROPS": "true",
            "PYTHONFAULTHANDLER": "1",
        }
        with serving(data, root / "stderr", environment, debug=True) as server:
            pages = _lived(server, issued, pictures, operator)
            # While it runs: what is in the write-ahead log, and on its pages.
            found = {f"page {name}": page for name, page in pages.items()}
            for path in sorted(data.glob("rightface.db*")):
                found[f"database {path.name} under way"] = path.read_bytes()
            server.process.send_signal(signal.SIGTERM)
            assert server.process.wait(60) == 0
            assert server.process.stdout is not None
            found["stdout"] = server.process.stdout.read().encode()
    found["stderr"] = (root / "stderr").read_bytes()
    found["traces"] = b"".join(spans)
    assert b"IndexFaces" in found["traces"]
    backup = root / "copy.backup"
    rightface("backup", "--data", str(data), str(backup))
    for path in [*data.rglob("*"), backup]:
        within = path.relative_to(root)
        if path.is_file() and "objects" not in within.parts and "models" not in within.parts:
            kind = "ledger" if "ledger" in within.parts else "file"
            kind = "database" if path.name.startswith("rightface.db") else kind
            found[f"{kind} {within}"] = path.read_bytes()
    secrets = {
        "secret": issued.secret_access_key.encode(),
        "token": operator.encode(),
        "token's secret": operator.rpartition("_")[2].encode(),
        **{f"image {name}": each for name, each in _forms(pictures).items()},
    }
    yield found | {f"secret {name}": each for name, each in secrets.items()}


def _forms(pictures: dict[str, bytes]) -> dict[str, bytes]:
    """A piece from the middle of each image, as it is, in hexadecimal and in base64."""
    forms: dict[str, bytes] = {}
    for name, picture in pictures.items():
        start = len(picture) // 2 // 3 * 3
        piece = picture[start : start + 48]
        forms |= {
            name: piece,
            f"{name}, hexadecimal": piece.hex().encode(),
            f"{name}, base64": base64.b64encode(piece),
        }
    return forms


def _lived(server: Any, issued: Any, pictures: dict[str, bytes], operator: str) -> dict[str, bytes]:
    client = server.client(issued, parameter_validation=False)
    gallery = {"CollectionId": GALLERY}
    seen, stored = {"Bytes": pictures["grace"]}, {"S3Object": {"Bucket": CLIENT, "Name": FILES[1]}}
    client.create_collection(**gallery, Tags={TAG_KEY: TAG_VALUE})
    ids = [
        client.index_faces(**gallery, Image=image, ExternalImageId=who)["FaceRecords"][0]["Face"][
            "FaceId"
        ]
        for image, who in zip((seen, stored), SUBJECTS, strict=True)
    ]
    for user, face_id in zip(USERS, ids, strict=True):
        client.create_user(**gallery, UserId=user, ClientRequestToken=TOKEN + user[-3:])
        client.associate_faces(**gallery, UserId=user, FaceIds=[face_id])
    film = {"Video": {"S3Object": {"Bucket": CLIENT, "Name": FILES[0]}}, "JobTag": JOB_TAG}
    job = client.start_face_detection(**film, ClientRequestToken=TOKEN)["JobId"]
    search = client.start_face_search(**film, **gallery)["JobId"]
    for get, job_id in ((client.get_face_detection, job), (client.get_face_search, search)):
        until = time.monotonic() + 240
        while get(JobId=job_id)["JobStatus"] == "IN_PROGRESS" and time.monotonic() < until:
            time.sleep(0.3)
    asked: list[tuple[Any, dict[str, Any]]] = [
        (client.describe_collection, gallery),
        (client.list_collections, {}),
        (client.list_faces, gallery),
        (client.list_users, gallery),
        (client.search_faces, gallery | {"FaceId": ids[0]}),
        (client.search_faces_by_image, gallery | {"Image": seen}),
        (client.search_users, gallery | {"UserId": USERS[0]}),
        (client.search_users_by_image, gallery | {"Image": seen}),
        (client.detect_faces, {"Image": stored}),
        (client.compare_faces, {"SourceImage": seen, "TargetImage": stored}),
        # What goes wrong, with a name in each.
        (client.describe_collection, {"CollectionId": SUBJECTS[0]}),
        (client.create_collection, gallery),
        (client.create_user, gallery | {"UserId": USERS[0]}),
        (client.delete_user, gallery | {"UserId": "zz-user-bramblewick-not"}),
        (client.index_faces, gallery | {"Image": {"Bytes": b"zz"}, "ExternalImageId": USERS[0]}),
        (client.index_faces, gallery | {"Image": seen, "ExternalImageId": USERS[1]}),
        (client.index_faces, gallery | {"Image": {"Bytes": nobody()}, "ExternalImageId": "x y"}),
        (client.detect_faces, {"Image": {"S3Object": {"Bucket": CLIENT, "Name": FILES[2]}}}),
        (client.detect_faces, {"Image": {"S3Object": {"Bucket": SUBJECTS[0], "Name": "x"}}}),
        (client.detect_faces, {"Image": {"Bytes": pictures["grace"][:400]}}),
        (client.search_users, gallery | {"UserId": SUBJECTS[1]}),
        (client.get_face_search, {"JobId": SUBJECTS[0]}),
        (client.tag_resource, {"ResourceArn": f"arn:{SUBJECTS[0]}", "Tags": {TAG_KEY: "x"}}),
        (client.recognize_celebrities, {"Image": seen}),
        (client.detect_labels, {"Image": seen}),
    ]
    for ask, members in asked:
        with suppress(ClientError, BotoCoreError):
            ask(**members)
    for more in (
        {"secret": "x" * 40},
        {"key": SUBJECTS[0]},
        {"more": {"x-rightface-subject": SUBJECTS[0]}},
    ):
        key = {"key": issued.licence.access_key_id, "secret": issued.secret_access_key}
        signing.ask(server.url, "DescribeCollection", gallery, **(key | more))
    signing.ask(server.url, "DescribeCollection", b'{"CollectionId": "' + GALLERY.encode(), **key)
    pool = urllib3.PoolManager(retries=False)
    for told in (operator, operator + "x"):
        for method, path, body in (
            ("GET", "/v1/licences", None),
            ("POST", "/v1/consents", {"subjects": [SUBJECTS[0]]}),
            ("GET", f"/v1/subjects/{SUBJECTS[0]}", None),
            ("POST", "/v1/credentials", {"role": SUBJECTS[0], "name": USERS[0]}),
            ("GET", f"/v1/{GALLERY}", None),
        ):
            headers = {"authorization": f"Bearer {told}"}
            pool.request(method, server.url + path, json=body, headers=headers)
    pool.request("GET", f"{server.url}/{SUBJECTS[0]}")
    client.disassociate_faces(**gallery, UserId=USERS[1], FaceIds=[ids[1]])
    client.delete_faces(**gallery, FaceIds=[ids[1]])
    with suppress(ClientError):  # it may have gone with its last face
        client.delete_user(**gallery, UserId=USERS[1])
    return {
        path: pool.request("GET", server.url + path).data
        for path in ("/metrics", "/healthz", "/policy", "/ledger/checkpoint")
    }


def places(day: dict[str, bytes], *kinds: str) -> dict[str, bytes]:
    return {name: each for name, each in day.items() if name.startswith(kinds)}


def test_there_is_something_to_search(day: dict[str, bytes]) -> None:
    assert len(places(day, "database")) >= 3
    assert any("wal" in name for name in places(day, "database"))
    assert any("entries" in name for name in places(day, "ledger"))
    assert b'outcome="InvalidSignatureException"' in day["page /metrics"]
    assert len(places(day, "secret image")) == 6


@pytest.mark.parametrize("kind", ["stdout", "stderr", "traces", "page", "ledger", "file"])
def test_nothing_stands_in_clear(day: dict[str, bytes], kind: str) -> None:
    let = IN_LEDGER if kind == "ledger" else set()
    told = [
        (name, word)
        for name, content in places(day, kind).items()
        for word in WORDS
        if word not in let and word.encode() in content
    ]
    assert told == []


def test_the_database_holds_in_clear_what_is_listed(day: dict[str, bytes]) -> None:
    told = {
        word
        for content in places(day, "database").values()
        for word in WORDS
        if word.encode() in content
    }
    assert told == set(IN_CLEAR)


def test_no_secret_and_no_image_stands_anywhere(day: dict[str, bytes]) -> None:
    told = [
        (name, what)
        for name, content in places(
            day, "stdout", "stderr", "traces", "page", "ledger", "file", "database"
        ).items()
        for what, secret in places(day, "secret").items()
        if secret in content
    ]
    assert told == []
