"""What is another client's is, to a client, as what does not exist: on each route with an id."""

from __future__ import annotations

import re
from typing import Any

import pytest

from rightface.api.native.table import CLIENT, ROLES
from tests.conftest import Server
from tests.native.conftest import Native
from tests.native.test_who import routes
from tests.portraits import eileen_collins, small

NOTHING = {
    "show_licence": "lic-" + "0" * 24,
    "show_job": "0" * 64,
    "show_receipt": "rcp-" + "0" * 24,
}


@pytest.fixture(scope="module")
def theirs(native: Native) -> dict[str, str]:
    """A licence, a job and a receipt of another client."""
    opened = native.instance
    issued = opened.licence("umbrella")
    key = (issued.licence.access_key_id, issued.secret_access_key)
    client: Any = Server(native.url, *key, opened).client()
    bucket = opened.instance.settings.data / "objects" / "umbrella"
    bucket.mkdir(parents=True, exist_ok=True)
    (bucket / "film.mp4").write_bytes(b"no film")
    opened.consent("their-subject")
    client.create_collection(CollectionId="theirs")
    indexed = client.index_faces(
        CollectionId="theirs",
        Image={"Bytes": small(eileen_collins())},
        ExternalImageId="their-subject",
    )
    face_id = indexed["FaceRecords"][0]["Face"]["FaceId"]
    erased = client.delete_faces(CollectionId="theirs", FaceIds=[face_id])
    job = client.start_face_detection(
        Video={"S3Object": {"Bucket": "umbrella", "Name": "film.mp4"}}
    )
    return {
        "show_licence": issued.licence.licence_id,
        "show_job": job["JobId"],
        "show_receipt": erased["ResponseMetadata"]["HTTPHeaders"]["x-rightface-receipt"],
    }


@pytest.mark.parametrize("name", NOTHING)
def test_what_is_anothers_does_not_exist(native: Native, theirs: dict[str, str], name: str) -> None:
    described = native.ask("GET", "/v1/openapi.json", by=None).json["paths"]
    (path,) = (p for p, each in described.items() if each.get("get", {}).get("operationId") == name)
    told = []
    for thing in (theirs[name], NOTHING[name]):
        answer = native.ask("GET", "/v1" + re.sub(r"\{\w+\}", thing, path), by="client")
        assert answer.status == 404, answer.body
        told.append({key: each for key, each in answer.json.items() if key != "request_id"})
    assert told[0] == told[1]
    there = native.ask("GET", "/v1" + re.sub(r"\{\w+\}", theirs[name], path))
    assert there.status == 200, "the operator finds it"


def test_lists_hold_the_callers_own(native: Native, theirs: dict[str, str]) -> None:
    listed = native.ask("GET", "/v1/jobs", by="client")
    assert listed.status == 200
    assert theirs["show_job"] not in listed.body.decode()


def test_no_route_of_a_client_that_names_a_thing_is_left_out(native: Native) -> None:
    named = {n for n, _, path in routes(native) if "lic-000" in path and CLIENT in ROLES[n]}
    # A review is told under the licence that asked for it (tests/native/test_reviews.py); a
    # subject's consents are asked with the client's own name.
    assert named - {"review_outcome", "show_consents"} == set(NOTHING)
