"""A search that only a warrant permits, by an unmodified boto3 client against a real server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from sqlalchemy import text

from made_up_evidence import of_pack
from rightface.api.app import create_app
from rightface.api.server import running
from rightface.boto3 import stamp
from rightface.instance import Instance
from rightface.law.findings import FindingTerms
from rightface.law.licences import IssuedLicence
from rightface.law.warrant_records import WarrantTerms
from rightface.ledger.log import entries, size
from rightface.registrar import LicenceTerms, Registrar
from rightface.service import Service
from rightface.settings import Settings
from tests.portraits import degraded, grace_hopper

RULES = Path(__file__).parents[1] / "instruments"
RULE = "test-search-needs-a-warrant#search"
ISSUER, NUMBER, DIGEST = "District Court of Nowhere", "2026-CR-0017", "ab" * 32


class Station:
    """A server with an operator's rule of its own, and a sheriff's licence."""

    def __init__(self, instance: Instance, url: str) -> None:
        self.instance = instance
        self.registrar = Registrar(instance)
        self.url = url
        self.issued = self.licence("sheriff")

    def licence(self, client: str) -> IssuedLicence:
        return self.registrar.issue_licence(
            LicenceTerms(
                client=client,
                sector="law-enforcement-local",
                jurisdiction="US-TX",
                purposes=("identify-deceased",),
                operations=("enroll", "identify-1toN", "arrest-on-match"),
                galleries=("morgue",),
                on_behalf_of=(),
                basis="public-task",
                valid_from=None,
                valid_until=datetime.now(UTC) + timedelta(days=1),
            )
        )

    def client(self, warrant: str | None = None) -> Any:
        made = boto3.client(
            "rekognition",
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id=self.issued.licence.access_key_id,
            aws_secret_access_key=self.issued.secret_access_key,
            config=Config(retries={"total_max_attempts": 1}),
        )
        return stamp(made, warrant=warrant)

    def warrant(self, **changed: Any) -> str:
        told: dict[str, Any] = {
            "kind": "warrant",
            "issuer": ISSUER,
            "number": NUMBER,
            "client": "sheriff",
            "operations": ["identify-1toN"],
            "purposes": ["identify-deceased"],
            "galleries": ["morgue"],
            "jurisdictions": ["US-TX"],
            "valid_from": datetime.now(UTC) - timedelta(hours=1),
            "valid_until": datetime.now(UTC) + timedelta(days=30),
            "document_digest": DIGEST,
            "sealed": True,
        }
        return self.registrar.warrants.record(WarrantTerms(**(told | changed))).warrant_id

    def search(self, warrant: str | None) -> Any:
        return self.client(warrant).search_faces_by_image(
            CollectionId="morgue", Image={"Bytes": degraded(grace_hopper())}
        )

    def refused(self, warrant: str | None) -> tuple[str, set[str]]:
        """The message and the reasons of a search that is refused."""
        with pytest.raises(ClientError) as caught:
            self.search(warrant)
        response: Any = caught.value.response
        assert response["Error"]["Code"] == "AccessDeniedException"
        reasons = response["ResponseMetadata"]["HTTPHeaders"]["x-rightface-reasons"]
        assert ISSUER not in str(response)
        assert NUMBER not in str(response)
        return response["Error"]["Message"], set(reasons.split(","))

    def leaves(self) -> list[dict[str, Any]]:
        self.instance.database.write(lambda _: None)  # behind the outcomes that wait
        with self.instance.database.read() as session:
            return [json.loads(body) for body in entries(session, 0, size(session))]


@pytest.fixture(scope="module")
def station(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    settings = Settings(
        data=tmp_path_factory.mktemp("station") / "data",
        sector="government-agency",
        jurisdiction="US-TX",
        instruments=str(RULES),
    )
    with Instance.create(settings) as instance:
        (settings.data / "models").symlink_to(models.absolute())
        service = Service(instance)
        service.prepare()
        with running(create_app(service)) as url:
            made = Station(instance, url)
            made.registrar.evidence.add(of_pack(instance.pack))
            client = made.client()
            client.create_collection(CollectionId="morgue")
            client.index_faces(
                CollectionId="morgue", Image={"Bytes": grace_hopper()}, ExternalImageId="unknown-1"
            )
            yield made
        service.close()


def test_permitted_with_the_warrant_alone(station: Station) -> None:
    assert station.refused(None)[1] == {RULE}
    warrant = station.warrant()
    answer = station.search(warrant)
    assert len(answer["FaceMatches"]) == 1
    index = int(answer["ResponseMetadata"]["HTTPHeaders"]["x-rightface-ledger-index"])
    leaf = station.leaves()[index]
    assert (leaf["outcome"], leaf["records"]) == ("permitted", [warrant])


@pytest.mark.parametrize(
    ("rule", "changed"),
    [
        ("expired", {"valid_until": datetime.now(UTC) - timedelta(minutes=1)}),
        ("purpose-not-covered", {"purposes": ["missing-person"]}),
        ("gallery-not-covered", {"galleries": ["other"]}),
        ("place-not-covered", {"jurisdictions": ["US-CA"]}),
        ("operation-not-covered", {"operations": ["verify-1to1"]}),
        ("other-client", {"client": "another"}),
        ("overdue", {"kind": "exigent", "limit_hours": 1}),
    ],
)
def test_refused_with_one_that_does_not_cover(
    station: Station, rule: str, changed: dict[str, Any]
) -> None:
    assert station.refused(station.warrant(**changed))[1] == {RULE, f"warrant#{rule}"}


def test_refused_with_one_that_was_ended(station: Station) -> None:
    warrant = station.warrant()
    station.search(warrant)
    station.registrar.warrants.end(warrant, refused=True)
    message, reasons = station.refused(warrant)
    assert reasons == {RULE, "warrant#ended"}
    assert "refused by the court" in message


def test_refused_with_one_that_was_changed_in_the_database(station: Station) -> None:
    warrant = station.warrant(galleries=["other"])
    told = {"id": warrant}
    change = "UPDATE warrants SET body = replace(body, 'other', 'morgue') WHERE warrant_id = :id"
    station.instance.database.write(lambda session: session.execute(text(change), told))
    assert station.refused(warrant)[1] == {RULE, "warrant#signature"}
    assert station.registrar.warrants.find(warrant).warrant is None


def test_refused_with_one_that_nobody_recorded(station: Station) -> None:
    unknown = "wrt-" + "0" * 24
    assert station.refused(unknown)[1] == {RULE, "warrant#not-on-record"}
    assert all(unknown not in leaf.get("records", ()) for leaf in station.leaves())


def test_an_id_of_another_form(station: Station) -> None:
    with pytest.raises(ClientError, match="x-rightface-warrant must match"):
        station.search("wrt alice")


def test_an_arrest_remembers_which_search_it_came_from(station: Station) -> None:
    desk, licence = station.registrar.findings, station.issued.licence

    def put(kind: str, *parents: str) -> str:
        terms = FindingTerms(client="sheriff", kind=kind, document_digest=DIGEST, parents=parents)
        return desk.record(terms).finding.finding_id

    def arrest(*cited: str) -> Any:
        return desk.ask(
            client="sheriff",
            licence_id=licence.licence_id,
            operation="arrest-on-match",
            cited=cited,
        )

    answer = station.search(station.warrant())
    index = int(answer["ResponseMetadata"]["HTTPHeaders"]["x-rightface-ledger-index"])
    line_up = put("line-up", f"search:{index}")
    confession = put("confession", line_up)
    refused = arrest(f"search:{index}", line_up, confession)
    assert set(refused.reasons) == {
        "baseline-human-rights#lead",
        "test-search-needs-a-warrant#arrest",
    }
    witness = put("witness")
    allowed = arrest(f"search:{index}", confession, witness)
    assert allowed.allowed
    leaves = station.leaves()
    assert leaves[allowed.ledger_index]["records"] == [f"search:{index}", confession, witness]
    assert leaves[refused.ledger_index]["outcome"] == "refused"
    recorded = [leaf for leaf in leaves if leaf["operation"] == "finding-record"]
    assert recorded[0]["records"] == [line_up, f"search:{index}"]
    # A refused search, an enrolment or an act of the operator is no search to rest on.
    for number, leaf in enumerate(leaves):
        searched = station.instance.database.read
        with searched() as session:
            known = station.instance.searched(session, "sheriff", number)
            assert not station.instance.searched(session, "another", number)
        assert known == (
            leaf["kind"] == "decision"
            and leaf["operation"] == "identify-1toN"
            and leaf["outcome"] == "permitted"
        )


def test_nothing_of_a_sealed_document_is_in_the_ledger(station: Station) -> None:
    station.warrant()
    told = json.dumps(station.leaves())
    acts = [leaf for leaf in station.leaves() if leaf["operation"] == "warrant-record"]
    assert acts
    assert acts[-1]["reasons"] == ["warrant"]
    for hidden in (ISSUER, NUMBER, DIGEST):
        assert hidden not in told
