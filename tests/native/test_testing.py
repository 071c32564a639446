"""The tester's door and the evidence on record, over HTTP."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from sqlalchemy import text

from made_up_evidence import GROUPS, of_pack
from rightface.client import ApiError, Client, RefusedByLaw
from rightface.law.evidence import REQUIREMENTS
from rightface.ledger.log import leaf_at, size
from tests.native.conftest import Native
from tests.portraits import degraded, eileen_collins, grace_hopper, nobody


def lab(native: Native, name: str, **changed: Any) -> Client:
    told: dict[str, Any] = {
        "purposes": ("research",),
        "operations": ("measure-accuracy",),
        "basis": "research",
        "per_day": 20,
    }
    issued = native.instance.licence(name, **(told | changed))
    return Client(
        native.url,
        access_key_id=issued.licence.access_key_id,
        secret_access_key=issued.secret_access_key,
    )


def rows(native: Native) -> dict[str, int]:
    """How many rows there are of whatever keeps a face."""
    with native.instance.instance.database.read() as session:
        return {
            table: int(session.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())
            for table in ("faces", "subjects", "collections", "users", "gallery_log", "reviews")
        }


def test_photographs_are_compared_and_not_kept(native: Native) -> None:
    before = rows(native)
    images = [grace_hopper(), degraded(grace_hopper()), eileen_collins(), nobody(), b"no image"]
    with lab(native, "lab") as client:
        told = client.compare_samples(images)
        assert [one.failure for one in told.samples[:4]] == ["", "", "", "no-face"]
        assert told.samples[4].failure.startswith("image")
        assert told.samples[0].face is not None
        assert told.samples[0].face.confidence > 80
        compared = {(one.probe, one.reference): one for one in told.comparisons}
        assert sorted(compared) == [(a, b) for a in range(5) for b in range(a + 1, 5)]
        same, other = compared[0, 1], compared[0, 2]
        assert same.fmr is not None
        assert other.fmr is not None
        assert same.fmr < 1e-4
        assert other.fmr > 1e-2
        assert (same.similarity or 0) > (other.similarity or 0)
        assert (same.score or 0) > (other.score or 0)
        for pair in ((0, 3), (2, 4), (3, 4)):
            assert compared[pair].fmr is compared[pair].score is None, "a failure to acquire"
        assert told.pack_digest == native.instance.instance.pack.digest
        [again] = client.compare_samples(images[:2], pairs=[(1, 0)]).comparisons
        assert (again.probe, again.reference) == (1, 0)
    assert rows(native) == before, "nothing is kept"
    database = native.instance.instance.database
    database.write(lambda session: None)  # behind the outcome
    with database.read() as session:
        leaf = leaf_at(session, told.ledger_index)
        assert (leaf.operation, leaf.client) == ("measure-accuracy", "lab")
        assert leaf.outcome == "permitted"
        outcomes = [leaf_at(session, index) for index in range(told.ledger_index, size(session))]
    [outcome] = [one for one in outcomes if one.of == told.ledger_index]
    assert outcome.counts == {"images": 5, "faces": 3, "comparisons": 3}


def test_nobody_but_a_tester_with_volumes_comes_through(native: Native) -> None:
    images = [grace_hopper(), eileen_collins()]
    with lab(native, "boundless", per_day=None) as client:
        with pytest.raises(ApiError, match="how much it may ask") as error:
            client.compare_samples(images)
        assert error.value.status == 422
    with lab(native, "few", per_day=1) as client:
        client.compare_samples(images)
        with pytest.raises(ApiError) as error:
            client.compare_samples(images)
        assert (error.value.status, error.value.problem.code) == (429, "volume-used-up")
    with lab(native, "other", operations=("detect",)) as client:
        with pytest.raises(RefusedByLaw) as refused:
            client.compare_samples(images)
        assert "operation-not-granted" in [one.rule for one in refused.value.reasons]
    answer = native.ask("POST", "/v1/assay/comparisons", {"images": ["aGk="]}, by="operator")
    assert answer.status == 403, "people have no photographs to test with"


@pytest.mark.parametrize(
    "body",
    [
        {"images": []},
        {"images": ["aGk="] * 65},
        {"images": ["aGk="], "pairs": [[0, 1]]},
        {"images": ["aGk="], "pairs": [[-1, 0]]},
        {"images": [7]},
        {"images": ["aGk="], "keep": True},
    ],
)
def test_what_cannot_be_compared(native: Native, body: dict[str, Any]) -> None:
    issued = native.instance.licence(
        "lab-2", ("research",), ("measure-accuracy",), "research", per_day=50
    )
    key = f"{issued.licence.access_key_id}:{issued.secret_access_key}".encode()
    by = "Basic " + base64.b64encode(key).decode()
    assert native.ask("POST", "/v1/assay/comparisons", body, by=by).status == 422


def test_evidence_on_record_and_the_rules(native: Native) -> None:
    with Client(native.url, token=native.tokens["auditor"]) as client:
        shipped = list(client.every(client.list_evidence))
        assert (shipped[0].evidence_id, shipped[0].shipped) == ("shipped", True)
        assert (shipped[0].impostor_pairs or 0) > 1_000_000
        desk = native.instance.registrar.evidence
        added = desk.add(of_pack(native.instance.instance.pack))
        told = client.show_evidence(added.evidence_id)
        assert (told.state, told.shipped, len(told.groups)) == ("stands", False, GROUPS)
        assert {use.rule: use.verdict for use in told.uses} == dict.fromkeys(
            [row.name for row in REQUIREMENTS], "enough"
        )
        assert told.differential is not None
        assert told.differential.value == 1.5
        desk.end(added.evidence_id, why="It was a test.")
        assert client.show_evidence(added.evidence_id).state == "ended"
        rules = client.evidence_rules().rules
        assert [rule.name for rule in rules] == [row.name for row in REQUIREMENTS]
        with pytest.raises(ApiError) as error:
            client.show_evidence("evd-" + "0" * 24)
        assert error.value.status == 404
