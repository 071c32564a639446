"""What a client says against its own request is heard; what speaks for it is not."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from rightface.boto3 import stamp
from tests.conftest import Server
from tests.portraits import grace_hopper, small

GRACE = {"Bytes": small(grace_hopper(), 300)}


@pytest.mark.parametrize(
    ("said", "rule"),
    [("assembly", "protest-monitoring"), ("selected_by_protected_trait=true", "racial-profiling")],
)
def test_what_tells_against_a_search_refuses_it(server: Server, said: str, rule: str) -> None:
    client = stamp(server.client(), declare=f"{said}, device=body-camera")
    server.client().create_collection(CollectionId=f"declared-{rule}")
    with pytest.raises(ClientError) as raised:
        client.search_faces_by_image(CollectionId=f"declared-{rule}", Image=GRACE)
    assert raised.value.response["Error"]["Code"] == "AccessDeniedException"
    headers = raised.value.response["ResponseMetadata"]["HTTPHeaders"]
    assert f"baseline-human-rights#{rule}" in headers["x-rightface-reasons"]
    found = stamp(server.client(), declare=None).search_faces_by_image(
        CollectionId=f"declared-{rule}", Image=GRACE
    )
    assert found["FaceMatches"] == []


@pytest.mark.parametrize(
    "said", ["consent", "device=file", "offence=homicide", "nonsense", "a=b=c"]
)
def test_what_would_speak_for_it_is_an_error(server: Server, said: str) -> None:
    client = stamp(server.client(), declare=said)
    with pytest.raises(ClientError) as raised:
        client.compare_faces(SourceImage=GRACE, TargetImage=GRACE)
    error = raised.value.response["Error"]
    assert error["Code"] in ("InvalidParameterException", "ValidationException"), error
    assert f"'{said.partition('=')[0]}'" in error["Message"]
