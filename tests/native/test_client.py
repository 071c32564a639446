"""The typed client against the real server: every route has its method, and each does its act."""

from __future__ import annotations

import inspect
import socket
import threading
import uuid
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from typing import Any

import pytest

from rightface.api.native.errors import problem
from rightface.api.native.table import ROLES
from rightface.client import (
    ActOnMatch,
    ApiError,
    Client,
    ConsentTerms,
    FactTerms,
    FindingTerms,
    LicenceTerms,
    PartyAsked,
    RefusedByLaw,
    Unreachable,
    WarrantTerms,
    _error,
)
from rightface.errors import Refused, RequestError
from rightface.gallery.receipts import verify_receipt
from rightface.law.attesters import new_key
from rightface.law.operation import Operation
from rightface.law.ruling import Refusal
from rightface.ledger.proofs import InclusionProof
from tests.native.conftest import Native
from tests.portraits import eileen_collins

TOMORROW = datetime.now(UTC) + timedelta(days=1)
DOCUMENT = sha256(b"a document").hexdigest()
NOT_ROUTES = {"close", "every"}


def client_of(native: Native, role: str = "operator") -> Client:
    if role == "client":
        key, secret = native.key
        return Client(native.url, access_key_id=key, secret_access_key=secret)
    return Client(native.url, token=native.tokens[role])


def terms(client: str, **changed: Any) -> LicenceTerms:
    told = {
        "client": client,
        "sector": "private-entity",
        "jurisdiction": "US-OH",
        "purposes": ["access-control"],
        "operations": ["detect", "enroll", "identify-1toN", "manage-gallery", "erase"],
        "galleries": ["staff*"],
        "valid_until": TOMORROW,
    }
    return LicenceTerms.model_validate(told | changed)


def name() -> str:
    return f"c-{uuid.uuid4().hex[:12]}"


def test_every_route_has_a_method_and_no_method_is_more(native: Native) -> None:
    described = native.ask("GET", "/v1/openapi.json", by=None).json
    operations = {
        operation["operationId"]: (method, operation)
        for operations in described["paths"].values()
        for method, operation in operations.items()
    }
    methods = {
        name: method
        for name, method in inspect.getmembers(Client, inspect.isfunction)
        if not name.startswith("_") and name not in NOT_ROUTES
    }
    assert sorted(methods) == sorted(operations) == sorted(ROLES)
    for each, (_, operation) in operations.items():
        given = set(inspect.signature(methods[each]).parameters) - {"self"}
        asked = {p["name"] for p in operation.get("parameters", [])}
        renamed = {"from": "first", "to": "last"}
        assert {renamed.get(one, one) for one in asked} <= given, each
        told = operation["responses"]["201" if "201" in operation["responses"] else "200"]
        shape = told["content"]["application/json"]["schema"]["$ref"].rsplit("/", 1)[-1]
        returns = str(inspect.signature(methods[each]).return_annotation)
        assert returns.replace("shapes.", "").replace("[", "_").replace("]", "_") == shape, each


def test_a_licence_from_its_issue_to_its_end(native: Native) -> None:
    client, mine = name(), client_of(native)
    asked = terms(
        client,
        parties=[PartyAsked(name="Metro", actor="private-entity")],
        per_day=5,
        differential_limit=2.0,
    )
    issued = mine.issue_licence(asked)
    assert issued.secret_access_key not in repr(issued)
    shown = mine.show_licence(issued.licence.licence_id)
    assert shown == issued.licence
    assert shown.valid_until == TOMORROW
    assert [(p.name, p.actor) for p in shown.parties] == [("Metro", "private-entity")]
    assert (shown.per_day, shown.differential_limit) == (5, 2.0)
    theirs = Client(
        native.url,
        access_key_id=shown.access_key_id,
        secret_access_key=issued.secret_access_key,
    )
    assert theirs.whoami().licence_id == shown.licence_id
    assert mine.revoke_licence(shown.licence_id).revoked_at is not None
    with pytest.raises(ApiError) as refused:
        theirs.whoami()
    assert refused.value.status == 401


def test_pages_go_on_to_the_end_and_tokens_serve_their_list_alone(native: Native) -> None:
    mine = client_of(native)
    for _ in range(3):
        mine.issue_licence(terms(name()))
    whole = mine.list_licences(limit=1000).items
    assert list(mine.every(mine.list_licences, limit=2)) == whole
    after = mine.list_licences(limit=1).next
    assert after is not None
    for wrong in (after[:-4] + "AAAA", "AAAA", "0"):
        with pytest.raises(ApiError) as error:
            mine.list_licences(after=wrong)
        assert error.value.problem.code == "page-token"
    with pytest.raises(ApiError) as error:
        mine.list_facts(after=after)
    assert error.value.problem.code == "page-token"


def test_who_acted_is_in_the_ledger_by_id_alone(native: Native) -> None:
    mine = client_of(native)
    me = mine.whoami()
    issued = mine.issue_licence(terms(name())).licence
    entry = mine.ledger_entry(mine.ledger_checkpoint().size - 1).entry
    assert (entry["operation"], entry["licence"]) == ("licence-issue", issued.licence_id)
    assert entry["records"] == [f"crd-{me.credential_id}"]
    assert me.name not in str(entry)


def test_credits_go_to_whoever_acts_when_many_act_at_once(native: Native) -> None:
    # Group commit runs one caller's work in another caller's thread.
    mine = client_of(native)
    made = [mine.issue_credential(role="operator", name=f"many-{n}") for n in range(6)]
    before = mine.ledger_checkpoint().size

    def act(token: str) -> None:
        for _ in range(10):
            Client(native.url, token=token).issue_licence(terms(name()))

    threads = [threading.Thread(target=act, args=(one.token,)) for one in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    acts: dict[str, int] = {}
    for index in range(before, mine.ledger_checkpoint().size):
        entry = mine.ledger_entry(index).entry
        if entry["operation"] == "licence-issue":
            (who,) = entry["records"]
            acts[who] = acts.get(who, 0) + 1
    assert acts == {f"crd-{one.credential.credential_id}": 10 for one in made}
    for one in made:
        mine.end_credential(one.credential.credential_id)


def test_credentials(native: Native) -> None:
    mine = client_of(native)
    made = mine.issue_credential(role="auditor", name="ada")
    assert made.token not in repr(made)
    assert Client(native.url, token=made.token).whoami().role == "auditor"
    listed = list(mine.every(mine.list_credentials, role="auditor", limit=1))
    assert made.credential in listed
    assert {one.role for one in listed} == {"auditor"}
    ended = mine.end_credential(made.credential.credential_id)
    assert ended.ended_at is not None
    with pytest.raises(ApiError):
        Client(native.url, token=made.token).whoami()
    with pytest.raises(ApiError) as error:
        mine.end_credential("0" * 16)
    assert error.value.status == 404
    with pytest.raises(ApiError) as error:
        mine.issue_credential(role="king", name="ada")
    assert error.value.problem.code == "credential"


def test_a_person_from_consent_to_erasure(native: Native) -> None:
    mine, theirs = client_of(native), client_of(native, "client")
    subject, gallery = name(), name()
    consents = ConsentTerms(
        subjects=[subject],
        purposes=["access-control"],
        galleries=["*"],
        notice="We look at your face.",
        retention_days=30,
        client="acme",
    )
    (recorded,) = mine.record_consents(consents).consents
    assert recorded.notice_digest == sha256(b"We look at your face.").hexdigest()
    assert mine.show_consents(subject).consents == [recorded]
    (seen,) = theirs.show_consents(subject).consents
    assert seen == recorded.model_copy(update={"subject_commitment": None})
    _enrol(native, gallery, subject)
    report = mine.report_subject(subject)
    assert [(one.client, one.gallery) for one in report.faces] == [("acme", gallery)]
    due = mine.list_due(within_days=31)
    assert due.faces >= 1
    assert due.overdue == 0
    assert mine.note_interaction(subject, client="acme", gallery=gallery).faces == 1
    assert mine.preview_sweep().past_date == 0
    receipt = mine.withdraw_consent(subject)
    key = native.instance.instance.keyring.signer("receipt").public_bytes
    assert verify_receipt(receipt.document, key).erased["faces"] == 1
    assert mine.show_suppressions(subject).withdrew
    assert mine.report_subject(subject).faces == []
    assert sum(mine.count_suppressions().by_reason.values()) >= 1


def _enrol(native: Native, gallery: str, subject: str) -> None:
    import boto3

    key, secret = native.key
    wire = boto3.client(
        "rekognition",
        endpoint_url=native.url,
        region_name="eu-central-1",
        aws_access_key_id=key,
        aws_secret_access_key=secret,
    )
    wire.create_collection(CollectionId=gallery)
    told = wire.index_faces(
        CollectionId=gallery, ExternalImageId=subject, Image={"Bytes": eileen_collins()}
    )
    assert len(told["FaceRecords"]) == 1


def test_a_gallerys_target(native: Native) -> None:
    mine, theirs, subject, gallery = client_of(native), client_of(native, "client"), name(), name()
    native.instance.consent(subject)
    _enrol(native, gallery, subject)
    told = mine.aim_gallery(client="acme", gallery=gallery, fpir_target=0.001)
    assert (told.faces, told.fpir_target, told.own_target) == (1, 0.001, 0.001)
    assert told.fmr_needed == pytest.approx(0.001)
    assert told.similarity is not None
    assert told in theirs.list_galleries().items
    assert told in mine.list_galleries(client="acme").items
    with pytest.raises(ApiError) as error:
        theirs.aim_gallery(client="acme", gallery=gallery, fpir_target=0.5)
    assert error.value.status == 403
    with pytest.raises(ApiError) as error:
        theirs.list_galleries(client="another")
    assert error.value.status == 403
    with pytest.raises(ApiError) as error:
        mine.aim_gallery(client="acme", gallery="nowhere", fpir_target=0.5)
    assert error.value.status == 404
    assert mine.aim_gallery(client="acme", gallery=gallery, fpir_target=None).similarity is None


def test_a_gallery_whose_purpose_is_met(native: Native) -> None:
    mine, subject, gallery = client_of(native), name(), name()
    native.instance.consent(subject)
    _enrol(native, gallery, subject)
    ended = mine.end_purpose(client="acme", gallery=gallery)
    assert ended.faces_due == 1
    assert [one.document["erased"]["faces"] for one in ended.receipts] == [1]
    kept = ended.receipts[0].document.get("receipt_id")
    if kept is not None:
        assert mine.show_receipt(kept) == ended.receipts[0]
    erased = mine.erase_subject(subject)
    assert erased.document["erased"]["faces"] == 0
    with pytest.raises(ApiError) as error:
        mine.erase_ended_galleries("acme")
    assert error.value.problem.code == "licence"
    with pytest.raises(ApiError) as error:
        mine.end_purpose(client="acme", gallery="nowhere")
    assert error.value.status == 404


def test_a_client_sees_what_concerns_it_alone(native: Native) -> None:
    mine, theirs, subject = client_of(native), client_of(native, "client"), name()
    native.instance.consent(subject, client="another")
    assert theirs.show_consents(subject).consents == []
    assert len(mine.show_consents(subject).consents) == 1
    foreign = mine.issue_licence(terms(name())).licence
    with pytest.raises(ApiError) as error:
        theirs.show_licence(foreign.licence_id)
    assert error.value.status == 404
    with pytest.raises(ApiError) as error:
        theirs.explain({"operation": "detect", "client": foreign.client})
    assert error.value.problem.code == "not-allowed"
    asked = {"operation": "detect", "client": "acme"}
    for question in (asked | {"subjects": [subject]}, {**asked, "subjects": ["nobody"]}):
        with pytest.raises(ApiError, match="persons") as error:
            theirs.decide([question])
        assert error.value.status == 403
        with pytest.raises(ApiError, match="persons"):
            theirs.explain(question)
        assert mine.decide([question]).decisions[0].outcome != "error"
    told = theirs.decide([asked]).decisions
    assert told[0].outcome in ("allow", "deny", "require-duty")
    with pytest.raises(ApiError) as error:
        theirs.decide([{"operation": "detect", "client": foreign.client}])
    assert error.value.status == 403
    with pytest.raises(ApiError) as error:
        theirs.list_jobs(client=foreign.client)
    assert error.value.status == 403
    assert theirs.list_jobs().items == []


def test_warrants(native: Native) -> None:
    mine = client_of(native)
    asked = WarrantTerms(
        kind="exigent",
        issuer="Officer 7",
        number="1",
        client="acme",
        operations=["identify-1toN"],
        purposes=["missing-child"],
        document_sha256=DOCUMENT,
        galleries=["*"],
        limit_hours=2,
    )
    made = mine.record_warrant(asked)
    assert (made.state, made.issuer, made.limit_hours) == ("holds", "Officer 7", 2)
    assert mine.mark_warrant_requested(made.warrant_id).requested_at is not None
    assert mine.mark_warrant_reported(made.warrant_id).reported_at is not None
    assert mine.show_warrant(made.warrant_id).reported_at is not None
    sealed = mine.record_warrant(asked.model_copy(update={"sealed": True}))
    assert sealed.issuer is None
    assert {made.warrant_id, sealed.warrant_id} <= {
        one.warrant_id for one in mine.every(mine.list_warrants, client="acme", limit=1)
    }
    assert mine.end_warrant(made.warrant_id, refused=True).state == "refused"
    with pytest.raises(ApiError) as error:
        mine.show_warrant("wrt-" + "0" * 24)
    assert error.value.status == 404
    with pytest.raises(ApiError) as error:
        mine.record_warrant(asked.model_copy(update={"purposes": ["nonsense"]}))
    assert error.value.problem.code == "law"


def test_findings_and_acts(native: Native) -> None:
    mine = client_of(native)
    made = mine.record_finding(
        FindingTerms(client="acme", kind="witness", document_sha256=DOCUMENT)
    )
    assert made.origin == "independent"
    assert mine.show_finding(made.finding_id) == made
    assert made in list(mine.every(mine.list_findings, client="acme", limit=1))
    licence = client_of(native, "client").whoami().licence_id or ""
    decided = mine.ask_act_on_match(
        ActOnMatch(
            client="acme",
            licence_id=licence,
            operation="arrest-on-match",
            findings=[made.finding_id],
        )
    )
    assert decided.outcome == "deny"
    assert decided.permit_id is None
    assert all(reason.text and reason.change for reason in decided.reasons)
    entry = mine.ledger_entry(decided.ledger_index).entry
    assert entry["outcome"] == "refused"
    assert f"crd-{mine.whoami().credential_id}" in entry["records"]


def test_what_the_law_waits_for(native: Native) -> None:
    mine = client_of(native)
    commitment = next(
        one.instrument
        for one in mine.every(mine.list_instruments)
        if one.status.endswith("not adopted")
    )
    assert mine.adopt_commitment(commitment).withdrawn_at is None
    ended = mine.withdraw_commitment(commitment, reason="A test.")
    assert ended in list(mine.every(mine.list_adoptions))
    assert ended.reason == "A test."
    duty = mine.record_duty("accountability-report", b"a document", gallery="staff*")
    assert duty.document_digest == DOCUMENT
    assert duty in list(mine.every(mine.list_duties))
    assert duty.duty in {one.duty for one in mine.end_duty("accountability-report").duties}
    fact = mine.record_fact(
        FactTerms(
            name="assembly",
            value=True,
            valid_from=datetime.now(UTC),
            valid_until=TOMORROW,
            client="acme",
            attester="City clerk",
            document_sha256=DOCUMENT,
        )
    )
    assert (fact.state, fact.value) == ("holds", True)
    assert fact in list(mine.every(mine.list_facts))
    assert mine.end_fact(fact.fact_id).state == "ended"
    who = f"Office {name()}"
    added = mine.add_attester(who, public_key=new_key()[1].decode())
    assert added in list(mine.every(mine.list_attesters))
    assert mine.end_attester(who).attesters[0].ended_at is not None


def test_questions(native: Native) -> None:
    question = {
        "operation": "identify-1toN",
        "actor": "private-entity",
        "jurisdiction": "US-IL",
        "purpose": "access-control",
        "as_of": date(2026, 1, 1),
    }
    mine = client_of(native, "auditor")
    told = mine.explain(question, timeline=True)
    assert told.outcome != "allow"
    assert "us-il-bipa-2008" in str(told.explanation["in_force"])
    assert told.explanation["would_change"]
    assert told.explanation["timeline"]["segments"]
    good, bad = mine.decide([question, {"operation": "no-such"}]).decisions
    assert good.outcome == told.outcome
    assert good.reasons
    assert {reason.instrument for reason in good.reasons} <= set(good.instruments)
    assert bad.outcome == "error"
    assert bad.message
    here = list(mine.every(mine.list_instruments, jurisdiction="US-IL", limit=5))
    assert {"us-il-bipa-2008"} <= {one.instrument for one in here}
    with pytest.raises(ApiError) as error:
        mine.list_instruments(jurisdiction="XX-YY")
    assert error.value.status == 422


def test_ledger_and_report(native: Native) -> None:
    mine = client_of(native, "auditor")
    state = mine.ledger_checkpoint()
    proof = mine.prove_inclusion(0)
    import rfc8785

    known = InclusionProof.open(proof.proof.encode(), rfc8785.dumps(proof.entry), state.vkey)
    assert known.index == 0
    grown = mine.prove_consistency(1, state.size)
    assert (grown.old, grown.new, grown.new_root) == (1, state.size, state.root)
    assert mine.prove_consistency(1).new >= state.size
    assert mine.audit_ledger().entries >= state.size
    for wrong in (lambda: mine.ledger_entry(10**9), lambda: mine.prove_consistency(10**9)):
        with pytest.raises(ApiError) as error:
            wrong()
        assert error.value.status == 404
    today = datetime.now(UTC).date()
    report = mine.accountability_report(today, today, operator="Acme").report
    assert report["instance"]["operator"] == "Acme"
    with pytest.raises(ApiError) as error:
        mine.accountability_report(today, today - timedelta(days=2))
    assert error.value.problem.code == "settings"
    assert mine.health().status == "ok"
    assert client_of(native).sweep().receipts == []


def test_what_a_reviewer_may(native: Native) -> None:
    reviewer = client_of(native, "reviewer")
    assert reviewer.list_reviews().reviews == []
    for ask in (reviewer.open_review, lambda one: reviewer.decide_review(one, {1: "same"})):
        with pytest.raises(ApiError) as error:
            ask("rev-" + "0" * 24)
        assert error.value.status == 404
    with pytest.raises(ApiError) as error:
        client_of(native, "client").review_outcome("rev-" + "0" * 24)
    assert error.value.status == 404
    assert client_of(native).review_figures().figures == []
    with pytest.raises(ApiError) as error:
        client_of(native).show_job("0" * 64)
    assert error.value.problem.code == "job-not-found"
    with pytest.raises(ApiError) as error:
        client_of(native).cancel_job("0" * 64)
    assert error.value.status == 404
    with pytest.raises(ApiError) as error:
        client_of(native).show_receipt("rcp-" + "0" * 24)
    assert error.value.status == 404


# ---------------------------------------------------------------- errors
def test_a_refusal_has_every_reason(native: Native) -> None:
    gate = native.instance.instance.gate
    asked = Operation(
        action="identify-1toN",
        client="acme",
        actor="law-enforcement-local",
        client_jurisdiction="US-IL",
        place_jurisdiction="US-IL",
        gallery_jurisdiction="US-IL",
        purpose="protest-monitoring",
        request_id="r",
    )
    refusal = gate.decide(asked)
    assert isinstance(refusal, Refusal)
    status, code, response = problem(Refused("no", refusal=refusal), "id", "somewhere")
    assert (status, code) == (403, "refused")
    error = _error(status, bytes(response.body))
    assert isinstance(error, RefusedByLaw)
    assert [(r.instrument, r.rule) for r in error.reasons] == [
        (r.instrument, r.rule) for r in refusal.ruling.reasons
    ]
    assert all(r.citation and r.change for r in error.reasons)
    assert error.problem.ledger_index == refusal.ledger_index


def test_one_credential_and_no_clear_text() -> None:
    wrong: list[dict[str, Any]] = [
        {},
        {"token": "t", "access_key_id": "k"},
        {"access_key_id": "k"},
    ]
    for told in wrong:
        with pytest.raises(RequestError, match="One credential"):
            Client("https://example.org", **told)
    for url in ("http://example.org", "ftp://localhost", "example.org", ""):
        with pytest.raises(RequestError, match="not https"):
            Client(url, token="t")
    client = Client("https://example.org", token="rf_secret")
    assert "rf_secret" not in repr(client)


@pytest.mark.parametrize("wrong", ["", "..", "a/b", "a?b", "a b", "%2e%2e", "lic-1/revoke", "\n"])
def test_an_id_cannot_change_the_path(native: Native, wrong: str) -> None:
    with pytest.raises(RequestError):
        client_of(native).show_licence(wrong)


def test_what_cannot_be_asked_is_told_without_what_was_given(native: Native) -> None:
    with pytest.raises(RequestError) as error:
        client_of(native).withdraw_consent("alice nobody")
    assert "subject" in str(error.value)
    assert "alice" not in str(error.value)


def test_nobody_there_and_somebody_else_there(native: Native) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    with pytest.raises(Unreachable):
        Client(f"http://127.0.0.1:{port}", token="t", timeout=1).sweep()
    with pytest.raises(Unreachable, match="not of this API"):
        Client(native.url + "/nowhere", token="t").whoami()


def test_a_client_is_shown_consents_of_persons_whom_it_knows_alone(native: Native) -> None:
    mine, theirs, subject = client_of(native), client_of(native, "client"), name()
    native.instance.consent(subject)  # of any client: but this one has never met them
    assert theirs.show_consents(subject).consents == []
    assert len(mine.show_consents(subject).consents) == 1
    _enrol(native, name(), subject)
    (seen,) = theirs.show_consents(subject).consents
    assert seen.subject_commitment is None
    assert seen.galleries
    mine.withdraw_consent(subject)  # and nothing of the client is there any more
    assert theirs.show_consents(subject).consents == []
