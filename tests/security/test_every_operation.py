"""Every operation that Amazon has published × everybody who may not ask it.

The requests are made from the model, so a new operation is in the table by itself. What is refused
is refused with Amazon's exception; what the gate decided is in the ledger; of what is another
client's, nobody is told more than of what does not exist.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest

from instance import OPERATIONS, TemporaryInstance, temporary_instance
from rightface.api.app import create_app
from rightface.api.rekognition import model
from rightface.api.rekognition.operations_table import TABLE
from rightface.api.server import running
from rightface.law.licences import IssuedLicence
from rightface.ledger.leaf import Leaf
from rightface.ledger.log import entries, size
from rightface.registrar import LicenceTerms
from tests.api import signing
from tests.api.signing import Told
from tests.conftest import Server
from tests.security.requests import (
    NOWHERE,
    PHOTOGRAPH,
    body,
    require_well_formed,
    well_formed,
)

EVERY = sorted(model.operation_names())
WORKS = [name for name in EVERY if TABLE[name].state == "works"]
CHANGES = [name for name in WORKS if TABLE[name].changes]
READS = [name for name in WORKS if not TABLE[name].changes]
GALLERY, USER, SUBJECT, BUCKET = "a-gallery-of-anne", "a-user-of-anne", "s.anne-77", "anne"
OWN_GALLERY = "a-gallery-of-bert"


@dataclass(frozen=True)
class House:
    """Two clients; the first has something of each kind, the second would like to know of it."""

    url: str
    instance: TemporaryInstance
    keys: Mapping[str, IssuedLicence]
    face_id: str
    jobs: Mapping[str, str]
    own: Mapping[str, dict[str, Any]]
    """Of each operation, members that name what is the second client's."""

    def ask(self, name: str, asked: dict[str, Any], by: str = "bert", **signed: Any) -> Told:
        issued = self.keys[by]
        told = {"key": issued.licence.access_key_id, "secret": issued.secret_access_key}
        return signing.ask(self.url, name, body(asked), **(told | signed))

    def leaves(self, since: int) -> list[Leaf]:
        self.instance.instance.database.write(lambda _: None)  # behind the outcomes that wait
        with self.instance.instance.database.read() as session:
            return [Leaf.parse(one) for one in entries(session, since, size(session))]

    @property
    def size(self) -> int:
        self.instance.instance.database.write(lambda _: None)
        with self.instance.instance.database.read() as session:
            return size(session)

    def client(self, name: str) -> Any:
        issued = self.keys[name]
        key = (issued.licence.access_key_id, issued.secret_access_key)
        return Server(self.url, *key, self.instance).client()


@pytest.fixture(scope="module")
def house(models: Any) -> Iterator[House]:
    with temporary_instance(models) as opened:
        keys = {
            "anne": opened.licence("anne"),
            "bert": opened.licence("bert"),
            "revoked": opened.licence("bert"),
            "expired": _expired(opened),
            "without": opened.licence("bert", operations=("redact",)),
        }
        opened.registrar.revoke_licence(keys["revoked"].licence.licence_id)
        opened.consent(SUBJECT)
        for client in ("anne", "bert"):
            bucket = opened.instance.settings.data / "objects" / client
            bucket.mkdir(parents=True)
            (bucket / "none.mp4").write_bytes(b"no film at all")
        bucket = opened.instance.settings.data / "objects" / BUCKET
        (bucket / "anne.mp4").write_bytes(b"no film")
        (bucket / "anne.jpg").write_bytes(PHOTOGRAPH)
        opened.service.prepare()
        with running(create_app(opened.service)) as url:
            made = House(url, opened, keys, "", {}, {})
            yield _furnished(made)


def _expired(opened: TemporaryInstance) -> IssuedLicence:
    past = datetime.now(UTC) - timedelta(days=2)
    return opened.registrar.issue_licence(
        LicenceTerms(
            client="bert",
            sector="private-entity",
            jurisdiction="US-OH",
            purposes=("access-control",),
            operations=OPERATIONS,
            galleries=("*",),
            on_behalf_of=(),
            basis="consent-warranted",
            valid_from=past,
            valid_until=past + timedelta(days=1),
        )
    )


def _furnished(house: House) -> House:
    anne, bert = house.client("anne"), house.client("bert")
    bert.create_collection(CollectionId=OWN_GALLERY)
    anne.create_collection(CollectionId=GALLERY, Tags={"owner": "anne"})
    enrolled = anne.index_faces(
        CollectionId=GALLERY, Image={"Bytes": PHOTOGRAPH}, ExternalImageId=SUBJECT
    )
    face_id = enrolled["FaceRecords"][0]["Face"]["FaceId"]
    anne.create_user(CollectionId=GALLERY, UserId=USER)
    anne.associate_faces(CollectionId=GALLERY, UserId=USER, FaceIds=[face_id])
    jobs, owned = (
        _jobs(anne, "anne", GALLERY),
        _jobs(bert, "bert", OWN_GALLERY),
    )
    own: dict[str, dict[str, Any]] = {name: {"JobId": job} for name, job in owned.items()}
    arn = bert.describe_collection(CollectionId=OWN_GALLERY)["CollectionARN"]
    for name in ("TagResource", "UntagResource", "ListTagsForResource"):
        own[name] = {"ResourceArn": arn}
    return House(house.url, house.instance, house.keys, face_id, jobs, own)


def _jobs(client: Any, bucket: str, gallery: str) -> dict[str, str]:
    """A job of each kind, ended: the file is no film."""
    video = {"S3Object": {"Bucket": bucket, "Name": "none.mp4"}}
    jobs = {
        "GetFaceDetection": client.start_face_detection(Video=video)["JobId"],
        "GetFaceSearch": client.start_face_search(Video=video, CollectionId=gallery)["JobId"],
    }
    gets = {"GetFaceDetection": client.get_face_detection, "GetFaceSearch": client.get_face_search}
    for name, get in gets.items():
        until = time.monotonic() + 120
        while get(JobId=jobs[name])["JobStatus"] == "IN_PROGRESS" and time.monotonic() < until:
            time.sleep(0.1)
    return jobs


def held(house: House) -> Any:
    """All that the first client has, as it is told to it."""
    anne = house.client("anne")
    tags = f"arn:aws:rekognition:us-east-1:{_suffix(anne)}"
    told = [
        anne.list_collections()["CollectionIds"],
        anne.list_faces(CollectionId=GALLERY)["Faces"],
        anne.list_users(CollectionId=GALLERY)["Users"],
        anne.list_tags_for_resource(ResourceArn=tags)["Tags"],
        anne.get_face_detection(JobId=house.jobs["GetFaceDetection"])["JobStatus"],
    ]
    return json.loads(json.dumps(told))


def _suffix(client: Any) -> str:
    arn: str = client.describe_collection(CollectionId=GALLERY)["CollectionARN"]
    return arn.split(":", 4)[4]


def test_each_request_could_be_answered() -> None:
    for name in EVERY:
        require_well_formed(name, well_formed(name))
    assert len(EVERY) >= 75
    assert set(EVERY) == set(TABLE)


# ------------------------------------------------------------ who is not let in
NOT_LET_IN = {
    "no-key": "MissingAuthenticationTokenException",
    "unknown-key": "UnrecognizedClientException",
    "wrong-secret": "InvalidSignatureException",
    "stale-date": "InvalidSignatureException",
    "date-to-come": "InvalidSignatureException",
}


def _outside(house: House, kind: str, name: str) -> Told:
    asked = well_formed(name)
    if kind == "unknown-key":
        return house.ask(name, asked, key="RFAKUNKNOWNUNKNOWN00")
    if kind == "wrong-secret":
        return house.ask(name, asked, secret="x" * 40)
    if kind == "stale-date":
        return house.ask(name, asked, at=datetime.now(UTC) - timedelta(minutes=16))
    if kind == "date-to-come":
        return house.ask(name, asked, at=datetime.now(UTC) + timedelta(minutes=16))
    raw = json.dumps(body(asked)).encode()
    host = urlsplit(house.url).netloc
    headers = signing.signed_headers(raw, name, host=host)
    del headers["authorization"]
    return signing.send(house.url, headers, raw)


@pytest.mark.parametrize("kind", NOT_LET_IN)
def test_who_is_not_let_in_hears_one_and_the_same(house: House, kind: str) -> None:
    before = house.size
    for name in EVERY:
        told = _outside(house, kind, name)
        assert (told.status, told.kind) == (400, NOT_LET_IN[kind]), name
        assert "x-rightface-ledger-index" not in told.headers, "the gate was not asked"
    assert house.size == before
    page = signing.send(house.url, {"host": "x"}, method="GET", path="/metrics").body.decode()
    for name in EVERY:
        assert f'operation="{name}",outcome="{NOT_LET_IN[kind]}"' in page, "counted, if not decided"


# ------------------------------------------------------------ what does not work here
@pytest.mark.parametrize("name", [name for name in EVERY if name not in WORKS])
def test_what_is_not_done_here_is_refused_to_everybody(house: House, name: str) -> None:
    declined = TABLE[name].state == "declined"
    kind = "AccessDeniedException" if declined else "UnsupportedOperationException"
    for by in house.keys:
        told = house.ask(name, well_formed(name), by)
        assert (told.status, told.kind) == (400, kind)
        assert TABLE[name].reason in told.json["message"]


# ------------------------------------------------------------ who is let in, and may not
RULES = {
    "expired": "licence#expired",
    "revoked": "licence#revoked",
    "without": "licence#operation-not-granted",
}
ERASES = ("DeleteCollection", "DeleteFaces")
REFUSED = [
    (name, by) for name in WORKS for by in RULES if name not in ERASES or by == "revoked"
]  # forgetting needs no grant (docs/law.md); but a revoked key is nobody's any more


@pytest.mark.parametrize("by", ["expired", "without"])
@pytest.mark.parametrize("name", ERASES)
def test_forgetting_needs_no_grant_and_is_recorded(house: House, name: str, by: str) -> None:
    before = house.size
    told = house.ask(name, well_formed(name), by)
    assert told.kind == "ResourceNotFoundException"
    assert house.leaves(before)[0].outcome == "permitted"


@pytest.mark.parametrize(("name", "by"), REFUSED)
def test_a_licence_that_does_not_grant_it(house: House, name: str, by: str) -> None:
    before = house.size
    # Of what is there, and is the client's own: nothing but the licence is in the way.
    own = {"CollectionId": OWN_GALLERY} | house.own.get(name, {})
    told = house.ask(name, well_formed(name, **own), by)
    assert (told.status, told.kind) == (400, "AccessDeniedException")
    assert RULES[by] in told.headers["x-rightface-reasons"]
    (leaf,) = house.leaves(before)
    assert int(told.headers["x-rightface-ledger-index"]) == before
    assert (leaf.kind, leaf.outcome) == ("decision", "refused")
    assert leaf.licence == house.keys[by].licence.licence_id


# ------------------------------------------------------------ what is another's
def _others(house: House, name: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Requests that name what is the first client's, each beside one that names what nobody has."""
    suffix = _suffix(house.client("anne"))
    arn = f"arn:aws:rekognition:us-east-1:{suffix}"
    own = {"CollectionId": OWN_GALLERY}
    pairs: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({"CollectionId": GALLERY}, {"CollectionId": "no-such-thing"}),
        (
            {"CollectionId": GALLERY, "FaceId": house.face_id, "UserId": USER},
            {"CollectionId": "no-such-thing", "FaceId": NOWHERE, "UserId": "nobody"},
        ),
        (own | {"FaceId": house.face_id}, own | {"FaceId": NOWHERE}),
        (own | {"FaceIds": [house.face_id]}, own | {"FaceIds": [NOWHERE]}),
        (own | {"UserId": USER}, own | {"UserId": "nobody"}),
        (
            {"ResourceArn": arn},
            {"ResourceArn": arn.replace(GALLERY, "no-such-thing")},
        ),
        (
            {"Video": {"S3Object": {"Bucket": BUCKET, "Name": "anne.mp4"}}},
            {"Video": {"S3Object": {"Bucket": "nobody", "Name": "anne.mp4"}}},
        ),
    ]
    for image in ("Image", "SourceImage", "TargetImage"):
        theirs = {image: {"S3Object": {"Bucket": BUCKET, "Name": "anne.jpg"}}}
        pairs.append((theirs, {image: {"S3Object": {"Bucket": "nobody", "Name": "anne.jpg"}}}))
    if name in house.jobs:
        other = "GetFaceSearch" if name == "GetFaceDetection" else "GetFaceDetection"
        nothing = {"JobId": "0" * 64}
        pairs += [({"JobId": house.jobs[each]}, nothing) for each in (name, other)]
    made = [(well_formed(name, **theirs), well_formed(name, **none)) for theirs, none in pairs]
    return [(theirs, none) for theirs, none in made if theirs != none]


def _said(told: Told, asked: dict[str, Any]) -> Any:
    """An answer without what is of each request by itself: its ids, and the names it was given."""
    own = ("permit", "ledger-index", "receipt")
    passing = {"date", "x-amzn-requestid", *(f"x-rightface-{each}" for each in own)}
    headers = {name: value for name, value in told.headers.items() if name not in passing}
    text = told.body.decode()
    given = [asked.get(each) for each in ("CollectionId", "FaceId", "UserId")]
    for each in [*given, *asked.get("FaceIds", ())]:
        text = text.replace(str(each), "GIVEN") if each else text
    headers.pop("content-length")
    return told.status, headers, text


ABOUT_THINGS = [
    name
    for name in WORKS
    if name not in ("CreateCollection", "ListCollections")  # these name what is the caller's alone
]


@pytest.mark.parametrize("name", ABOUT_THINGS)
def test_what_is_anothers_is_as_what_does_not_exist(house: House, name: str) -> None:
    before = held(house)
    pairs = _others(house, name)
    assert pairs, "nothing of another's can be named"
    for theirs, none in pairs:
        require_well_formed(name, theirs)
        since = house.size
        answers = [house.ask(name, theirs), house.ask(name, none)]
        told = [_said(answers[0], theirs), _said(answers[1], none)]
        assert told[0] == told[1]
        decided = [leaf for leaf in house.leaves(since) if leaf.kind == "decision"]
        assert len(decided) == sum("x-rightface-ledger-index" in one.headers for one in answers)
        assert all(leaf.client == "bert" for leaf in decided)
        for secret in (SUBJECT, "anne"):
            assert secret not in answers[0].body.decode().replace(GALLERY, "").replace(USER, "")
    assert held(house) == before


def test_a_name_that_another_has_is_free(house: House) -> None:
    """Two clients may give their collections one name; neither hears of the other's."""
    assert house.ask("CreateCollection", {"CollectionId": GALLERY}).status == 200
    try:
        assert house.ask("DescribeCollection", {"CollectionId": GALLERY}).json["FaceCount"] == 0
        assert house.ask("ListFaces", {"CollectionId": GALLERY}).json["Faces"] == []
        assert GALLERY in house.ask("ListCollections", {}).json["CollectionIds"]
        found = house.ask("SearchFacesByImage", well_formed("SearchFacesByImage") | {
            "CollectionId": GALLERY, "FaceMatchThreshold": 0,
        })  # fmt: skip
        assert (found.status, found.json["FaceMatches"]) == (200, [])
    finally:
        assert house.ask("DeleteCollection", {"CollectionId": GALLERY}).status == 200
    assert house.client("anne").describe_collection(CollectionId=GALLERY)["FaceCount"] == 1


def test_a_list_holds_the_callers_own(house: House) -> None:
    assert house.ask("ListCollections", {}).json["CollectionIds"] == [OWN_GALLERY]


# ------------------------------------------------------------ what is sent twice
def _twice(house: House, name: str, asked: dict[str, Any], **more: str) -> tuple[Told, Told, int]:
    raw = json.dumps(body(asked)).encode()
    issued = house.keys["bert"]
    headers = signing.signed_headers(
        raw,
        name,
        key=issued.licence.access_key_id,
        secret=issued.secret_access_key,
        host=urlsplit(house.url).netloc,
        more=more,
    )
    first = signing.send(house.url, headers, raw)
    between = house.size
    return first, signing.send(house.url, headers, raw), between


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_carried_out_once(house: House, name: str) -> None:
    asked = well_formed(name, CollectionId=f"once-{uuid.uuid4()}")
    first, again, between = _twice(house, name, asked, **{"x-rightface-nonce": str(uuid.uuid4())})
    assert first.kind != "InvalidSignatureException"
    assert (again.status, again.kind) == (400, "InvalidSignatureException")
    assert "once" in again.json["message"]
    assert house.size == between, "nothing was decided, nothing was done"


def test_without_a_nonce_a_change_is_carried_out_once_after_two_seconds(house: House) -> None:
    asked = {"CollectionId": f"once-{uuid.uuid4()}"}
    raw = json.dumps(asked).encode()
    issued = house.keys["bert"]
    key: dict[str, Any] = {"key": issued.licence.access_key_id, "secret": issued.secret_access_key}
    host = urlsplit(house.url).netloc
    headers = signing.signed_headers(raw, "CreateCollection", host=host, **key)
    assert signing.send(house.url, headers, raw).status == 200
    time.sleep(2.3)
    assert signing.send(house.url, headers, raw).kind == "InvalidSignatureException"
    assert house.ask("DeleteCollection", asked).status == 200


@pytest.mark.parametrize("name", READS)
def test_a_question_asked_again_is_decided_again(house: House, name: str) -> None:
    asked = well_formed(name, CollectionId=OWN_GALLERY)
    first, again, between = _twice(house, name, asked)
    assert first.kind == again.kind
    if "x-rightface-ledger-index" in first.headers:
        assert int(again.headers["x-rightface-ledger-index"]) >= between
        assert house.size > between
