"""A typed client of the native API under /v1.

    from rightface.client import Client

    with Client("https://faces.example.org", token="rf_operator_…") as client:
        for licence in client.every(client.list_licences):
            print(licence.client, licence.valid_until)

Synchronous; may be used from several threads. TLS is verified, and plain HTTP goes to this machine
only. What only reads is asked again where the connection breaks or the server has no room; what
changes anything is not. An error is an `ApiError` with all that the server tells. Must never know:
the server's rooms.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Self, TypeVar
from urllib.parse import urlencode, urlsplit

import urllib3
from pydantic import BaseModel, ValidationError

from rightface.api.native import asks, shapes
from rightface.api.native.asks import (
    ActOnMatch,
    ConsentTerms,
    FactTerms,
    FindingTerms,
    LicenceTerms,
    PartyAsked,
    Verdict,
    WarrantTerms,
)
from rightface.api.native.shapes import Problem, Reason
from rightface.api.native.words import Page
from rightface.errors import RequestError, RightfaceError

__all__ = [
    "ActOnMatch",
    "ApiError",
    "Client",
    "ConsentTerms",
    "FactTerms",
    "FindingTerms",
    "LicenceTerms",
    "PartyAsked",
    "RefusedByLaw",
    "Unreachable",
    "WarrantTerms",
]

A = TypeVar("A", bound=BaseModel)
T = TypeVar("T")
_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class _Patience(urllib3.Retry):
    # Where a licence's volume is used up, `Retry-After` may be tomorrow: that is told, not slept.
    RETRY_AFTER_STATUS_CODES = frozenset({503})


_AGAIN = _Patience(
    total=3,
    allowed_methods=frozenset({"GET"}),
    status_forcelist=frozenset({503}),
    backoff_factor=0.2,
    redirect=0,
    raise_on_status=False,
    respect_retry_after_header=True,
)
_ONCE = urllib3.Retry(total=0, redirect=0, raise_on_status=False)


class ApiError(RightfaceError):
    """The server's answer is an error; `problem` has all of it, `str()` the words."""

    code = "api"

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail, why=problem.why, mend=problem.mend)
        self.problem = problem
        self.status = problem.status


class RefusedByLaw(ApiError):
    """The gate refused; `reasons` names each instrument, its citation, and what would change it."""

    code = "refused"

    @property
    def reasons(self) -> list[Reason]:
        """Why."""
        return self.problem.reasons


class Unreachable(RightfaceError):
    """There is no server, its certificate is not good, or what it answers is not of this API."""

    code = "unreachable"


class Client:
    """One server, asked by one person or one client. Use it in a `with` block.

    Args:
        url: where the server is, for example `https://faces.example.org`; without `/v1`.
        token: a person's token; or else
        access_key_id: a client's access key, with
        secret_access_key: its secret.
        ca_certs: a file of certificate authorities; None: this machine's.
        timeout: seconds to wait for an answer.

    Raises:
        RequestError: neither or both kinds of credential, or plain HTTP to another machine.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        access_key_id: str | None = None,
        secret_access_key: str | None = None,
        ca_certs: str | None = None,
        timeout: float = 60.0,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
            raise RequestError(
                "The server's URL is not https.",
                why="A credential would cross the network in the clear.",
                mend="Give https://…; plain http goes to this machine only.",
            )
        self._url = url.rstrip("/") + "/v1"
        self._headers = {"accept": "application/json, application/problem+json"}
        self._headers["authorization"] = _authorization(token, access_key_id, secret_access_key)
        self._pool = urllib3.PoolManager(
            cert_reqs="CERT_REQUIRED", ca_certs=ca_certs, timeout=timeout
        )

    def __repr__(self) -> str:
        return f"Client({self._url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._pool.clear()

    def every(self, listing: Callable[..., Page[T]], **more: Any) -> Iterator[T]:
        """Each item of a list, over all of its pages: `client.every(client.list_licences)`."""
        after: str | None = None
        while True:
            page = listing(after=after, **more)
            yield from page.items
            after = page.next
            if after is None:
                return

    # ------------------------------------------------------------ people
    def health(self) -> shapes.Health:
        """How each part of the server is."""
        status, content = self._send("GET", "/health", None, _ONCE)
        if status in (200, 503) and b'"parts"' in content:
            return _read(shapes.Health, content)
        raise _error(status, content)

    def whoami(self) -> shapes.Myself:
        """Whose credential this is, and as what they act."""
        return self._get(shapes.Myself, "/whoami")

    def issue_credential(self, *, role: str, name: str) -> shapes.NewCredential:
        """Issue a credential: operator, reviewer or auditor. Its token is shown this once."""
        asked = _of(asks.CredentialTerms, role=role, name=name)
        return self._post(shapes.NewCredential, "/credentials", asked)

    def list_credentials(
        self, *, role: str | None = None, after: str | None = None, limit: int = 100
    ) -> Page[shapes.Credential]:
        """Every credential, oldest first."""
        kind = Page[shapes.Credential]
        return self._get(kind, "/credentials", role=role, after=after, limit=limit)

    def end_credential(self, credential_id: str) -> shapes.Credential:
        """End a credential, for good."""
        return self._post(shapes.Credential, f"/credentials/{_part(credential_id)}/end")

    # ------------------------------------------------------------ licences
    def issue_licence(self, terms: LicenceTerms) -> shapes.NewLicence:
        """Issue a licence and its access key. The secret is shown this once."""
        return self._post(shapes.NewLicence, "/licences", terms)

    def list_licences(self, *, after: str | None = None, limit: int = 100) -> Page[shapes.Licence]:
        """Every licence, oldest first."""
        return self._get(Page[shapes.Licence], "/licences", after=after, limit=limit)

    def show_licence(self, licence_id: str) -> shapes.Licence:
        """One licence."""
        return self._get(shapes.Licence, f"/licences/{_part(licence_id)}")

    def revoke_licence(self, licence_id: str) -> shapes.Licence:
        """Revoke a licence, for good."""
        return self._post(shapes.Licence, f"/licences/{_part(licence_id)}/revoke")

    # ------------------------------------------------------------ consents
    def record_consents(self, terms: ConsentTerms) -> shapes.Consents:
        """Put the same consent on record for each person."""
        return self._post(shapes.Consents, "/consents", terms)

    def show_consents(self, subject: str) -> shapes.Consents:
        """What is on record for a person. A client is shown it of persons whom it knows."""
        return self._post(
            shapes.Consents, "/consents/show", _of(asks.SubjectNamed, subject=subject)
        )

    def withdraw_consent(self, subject: str) -> shapes.Receipt:
        """Withdraw every consent of a person, and erase all that is held."""
        named = _of(asks.SubjectNamed, subject=subject)
        return self._post(shapes.Receipt, "/consents/withdraw", named)

    # ------------------------------------------------------------ warrants
    def record_warrant(self, terms: WarrantTerms) -> shapes.Warrant:
        """Put a warrant, an order or an emergency on record."""
        return self._post(shapes.Warrant, "/warrants", terms)

    def list_warrants(
        self, *, client: str | None = None, after: str | None = None, limit: int = 100
    ) -> Page[shapes.Warrant]:
        """Every record, oldest first; of one client, or of all."""
        kind = Page[shapes.Warrant]
        return self._get(kind, "/warrants", client=client, after=after, limit=limit)

    def show_warrant(self, warrant_id: str) -> shapes.Warrant:
        """One record."""
        return self._get(shapes.Warrant, f"/warrants/{_part(warrant_id)}")

    def end_warrant(self, warrant_id: str, *, refused: bool = False) -> shapes.Warrant:
        """End a record, for good; `refused`: because the court refused it."""
        asked = _of(asks.WarrantEnd, refused=refused)
        return self._post(shapes.Warrant, f"/warrants/{_part(warrant_id)}/end", asked)

    def mark_warrant_requested(
        self, warrant_id: str, *, at: datetime | None = None
    ) -> shapes.Warrant:
        """The authorisation was asked for."""
        path = f"/warrants/{_part(warrant_id)}/requested"
        return self._post(shapes.Warrant, path, _of(asks.At, at=at))

    def mark_warrant_reported(
        self, warrant_id: str, *, at: datetime | None = None
    ) -> shapes.Warrant:
        """The emergency was reported after the fact."""
        path = f"/warrants/{_part(warrant_id)}/reported"
        return self._post(shapes.Warrant, path, _of(asks.At, at=at))

    # ------------------------------------------------------------ findings
    def record_finding(self, terms: FindingTerms) -> shapes.Finding:
        """Put a finding on record, with all that it was derived from."""
        return self._post(shapes.Finding, "/findings", terms)

    def list_findings(
        self, *, client: str | None = None, after: str | None = None, limit: int = 100
    ) -> Page[shapes.Finding]:
        """Every finding, oldest first; of one client, or of all."""
        kind = Page[shapes.Finding]
        return self._get(kind, "/findings", client=client, after=after, limit=limit)

    def show_finding(self, finding_id: str) -> shapes.Finding:
        """One finding."""
        return self._get(shapes.Finding, f"/findings/{_part(finding_id)}")

    def ask_act_on_match(self, asked: ActOnMatch) -> shapes.ActDecided:
        """Ask the gate whether a match may be acted on; the decision is recorded."""
        return self._post(shapes.ActDecided, "/findings/acts", asked)

    # ------------------------------------------------------------ what the law waits for
    def adopt_commitment(self, instrument: str) -> shapes.Adoption:
        """Bind the instance to a commitment, from now on."""
        asked = _of(asks.AdoptionAsked, instrument=instrument)
        return self._post(shapes.Adoption, "/commitments", asked)

    def list_adoptions(
        self, *, after: str | None = None, limit: int = 100
    ) -> Page[shapes.Adoption]:
        """Every adoption, oldest first."""
        return self._get(Page[shapes.Adoption], "/commitments", after=after, limit=limit)

    def withdraw_commitment(self, instrument: str, *, reason: str) -> shapes.Adoption:
        """Withdraw an adopted commitment, from now on."""
        path = f"/commitments/{_part(instrument)}/withdraw"
        return self._post(shapes.Adoption, path, _of(asks.Withdrawal, reason=reason))

    def record_duty(
        self,
        duty: str,
        document: bytes,
        *,
        met_from: datetime | None = None,
        client: str | None = None,
        gallery: str | None = None,
    ) -> shapes.Duty:
        """Put a duty on record as met. Of the document only the SHA-256 is kept."""
        asked = _of(
            asks.DutyTerms,
            duty=duty,
            document=base64.b64encode(document),
            met_from=met_from,
            client=client,
            gallery=gallery,
        )
        return self._post(shapes.Duty, "/duties", asked)

    def list_duties(self, *, after: str | None = None, limit: int = 100) -> Page[shapes.Duty]:
        """Every duty on record, oldest first."""
        return self._get(Page[shapes.Duty], "/duties", after=after, limit=limit)

    def end_duty(self, duty: str) -> shapes.Duties:
        """Record that a duty is met no longer."""
        return self._post(shapes.Duties, f"/duties/{_part(duty)}/end")

    def record_fact(self, terms: FactTerms) -> shapes.Fact:
        """Put a fact or a standing condition on record."""
        return self._post(shapes.Fact, "/facts", terms)

    def list_facts(self, *, after: str | None = None, limit: int = 100) -> Page[shapes.Fact]:
        """Every fact and standing condition, with its state now."""
        return self._get(Page[shapes.Fact], "/facts", after=after, limit=limit)

    def end_fact(self, fact_id: str) -> shapes.Fact:
        """End a fact or a standing condition, for good."""
        return self._post(shapes.Fact, f"/facts/{_part(fact_id)}/end")

    def add_attester(self, name: str, *, public_key: str) -> shapes.Attester:
        """Trust what this person or office signs with this key (PEM)."""
        asked = _of(asks.AttesterAsked, name=name, public_key=public_key)
        return self._post(shapes.Attester, "/attesters", asked)

    def list_attesters(
        self, *, after: str | None = None, limit: int = 100
    ) -> Page[shapes.Attester]:
        """Every attester's key, oldest first."""
        return self._get(Page[shapes.Attester], "/attesters", after=after, limit=limit)

    def end_attester(self, name: str) -> shapes.Attesters:
        """Trust a person or office no longer."""
        return self._post(shapes.Attesters, "/attesters/end", _of(asks.AttesterNamed, name=name))

    # ------------------------------------------------------------ the law
    def list_instruments(
        self, *, jurisdiction: str | None = None, after: str | None = None, limit: int = 100
    ) -> Page[shapes.Instrument]:
        """Every instrument, or those that concern a place."""
        kind = Page[shapes.Instrument]
        told = {"jurisdiction": jurisdiction, "after": after, "limit": limit}
        return self._get(kind, "/instruments", **told)

    def decide(self, questions: Sequence[Mapping[str, Any]]) -> shapes.Decisions:
        """Answer questions about the law, without record or permit. A client names no subjects."""
        asked = _of(asks.QuestionsAsked, questions=[dict(one) for one in questions])
        return self._post(shapes.Decisions, "/law/decide", asked)

    def explain(self, question: Mapping[str, Any], *, timeline: bool = False) -> shapes.Explanation:
        """Answer one question with all that led to the answer, and what would change it."""
        asked = _of(asks.QuestionAsked, question=dict(question), timeline=timeline)
        return self._post(shapes.Explanation, "/law/explain", asked)

    # ------------------------------------------------------------ one person
    def report_subject(self, subject: str) -> shapes.SubjectReport:
        """Everything held on a person, and every use of it."""
        named = _of(asks.SubjectNamed, subject=subject)
        return self._post(shapes.SubjectReport, "/subjects/report", named)

    def erase_subject(self, subject: str) -> shapes.Receipt:
        """Erase all that is held on a person, everywhere."""
        return self._post(
            shapes.Receipt, "/subjects/erase", _of(asks.SubjectNamed, subject=subject)
        )

    def show_suppressions(self, subject: str) -> shapes.Suppressions:
        """Whether a person is suppressed, where, why and since when."""
        named = _of(asks.SubjectNamed, subject=subject)
        return self._post(shapes.Suppressions, "/subjects/suppressions", named)

    def count_suppressions(self) -> shapes.SuppressionCounts:
        """How many suppressions there are, by reason."""
        return self._get(shapes.SuppressionCounts, "/suppressions")

    def erase_ended_galleries(self, client: str) -> shapes.Receipts:
        """Erase the galleries of a client whose last licence has ended."""
        return self._post(shapes.Receipts, "/galleries/erase", _of(asks.ClientNamed, client=client))

    def show_receipt(self, receipt_id: str) -> shapes.Receipt:
        """A receipt that is kept."""
        return self._get(shapes.Receipt, f"/receipts/{_part(receipt_id)}")

    # ------------------------------------------------------------ jobs and reviews
    def list_jobs(
        self, *, client: str | None = None, after: str | None = None, limit: int = 100
    ) -> Page[shapes.Job]:
        """Every job that has not expired, oldest first."""
        return self._get(Page[shapes.Job], "/jobs", client=client, after=after, limit=limit)

    def show_job(self, job_id: str) -> shapes.Job:
        """One job: its state and progress."""
        return self._get(shapes.Job, f"/jobs/{_part(job_id)}")

    def cancel_job(self, job_id: str) -> shapes.Job:
        """End a job that waits or is under way."""
        return self._post(shapes.Job, f"/jobs/{_part(job_id)}/cancel")

    def list_reviews(self) -> shapes.OpenSeats:
        """The open reviews that wait for this reviewer, oldest first."""
        return self._get(shapes.OpenSeats, "/reviews")

    def open_review(self, review_id: str) -> shapes.OpenedReview:
        """Take a seat and look."""
        return self._post(shapes.OpenedReview, f"/reviews/{_part(review_id)}/open")

    def decide_review(self, review_id: str, decisions: Mapping[int, Verdict]) -> shapes.Decided:
        """Decide on candidates by the numbers that one sees, once on each."""
        told = {str(number): verdict for number, verdict in decisions.items()}
        path = f"/reviews/{_part(review_id)}/decide"
        return self._post(shapes.Decided, path, _of(asks.ReviewDecisions, decisions=told))

    def review_outcome(self, review_id: str, *, purpose: str | None = None) -> shapes.ReviewOutcome:
        """What became of a review of one's own."""
        path = f"/reviews/{_part(review_id)}/outcome"
        return self._post(shapes.ReviewOutcome, path, _of(asks.OutcomeAsked, purpose=purpose))

    def review_figures(self) -> shapes.ReviewFigures:
        """How reviewed candidates came out."""
        return self._get(shapes.ReviewFigures, "/review-figures")

    # ------------------------------------------------------------ evidence, and testing
    def list_evidence(self, *, after: str | None = None, limit: int = 100) -> Page[shapes.Evidence]:
        """What was measured of the model pack: what ships with it, then every record."""
        return self._get(Page[shapes.Evidence], "/evidence", after=after, limit=limit)

    def show_evidence(self, evidence_id: str) -> shapes.Evidence:
        """One measurement on record, with every group."""
        return self._get(shapes.Evidence, f"/evidence/{_part(evidence_id)}")

    def evidence_rules(self) -> shapes.EvidenceRules:
        """What each operation needs of the evidence."""
        return self._get(shapes.EvidenceRules, "/evidence-rules")

    def compare_samples(
        self,
        images: Sequence[bytes],
        *,
        pairs: Sequence[tuple[int, int]] | None = None,
        purpose: str | None = None,
    ) -> shapes.SampleResult:
        """Compare photographs of one's own, for testing. Nothing is enrolled, nothing is kept.

        `pairs`: probe and reference by their places in `images`; None: each with each, once. Needs
        an access key whose licence grants measure-accuracy and says how much it may ask.
        """
        asked = _of(
            asks.SamplesAsked,
            images=[base64.b64encode(image) for image in images],
            pairs=None if pairs is None else list(pairs),
            purpose=purpose,
        )
        return self._post(shapes.SampleResult, "/assay/comparisons", asked)

    # ------------------------------------------------------------ retention and reports
    def list_due(self, *, within_days: int = 0) -> shapes.DueList:
        """What is overdue, or due within so many days."""
        return self._get(shapes.DueList, "/retention/due", within_days=within_days)

    def preview_sweep(self) -> shapes.SweepPreview:
        """What a sweep would erase now."""
        return self._get(shapes.SweepPreview, "/retention/preview")

    def sweep(self) -> shapes.Receipts:
        """Erase what is due; a receipt for each part."""
        return self._post(shapes.Receipts, "/retention/sweep")

    def note_interaction(
        self, subject: str, *, client: str, gallery: str, at: datetime | None = None
    ) -> shapes.Moved:
        """A person did something with the client: the idle dates of their faces move."""
        asked = _of(asks.InteractionAsked, subject=subject, client=client, gallery=gallery, at=at)
        return self._post(shapes.Moved, "/retention/interactions", asked)

    def list_galleries(
        self, *, client: str | None = None, after: str | None = None, limit: int = 100
    ) -> Page[shapes.Gallery]:
        """Every gallery with its size, its target and the threshold that follows."""
        return self._get(
            Page[shapes.Gallery], "/galleries", client=client, after=after, limit=limit
        )

    def aim_gallery(
        self, *, client: str, gallery: str, fpir_target: float | None
    ) -> shapes.Gallery:
        """State what searches of a gallery may get wrong; None: nothing of its own any more."""
        asked = _of(asks.TargetStated, client=client, gallery=gallery, fpir_target=fpir_target)
        return self._post(shapes.Gallery, "/galleries/targets", asked)

    def end_purpose(self, *, client: str, gallery: str) -> shapes.PurposeEnded:
        """The purpose of a gallery is met: all that is enrolled there is erased."""
        asked = _of(asks.GalleryNamed, client=client, gallery=gallery)
        return self._post(shapes.PurposeEnded, "/retention/purpose-ends", asked)

    def accountability_report(
        self, first: date, last: date, *, operator: str = ""
    ) -> shapes.Report:
        """The accountability report for the days from `first` to `last`, both included."""
        told = {"from": first.isoformat(), "to": last.isoformat(), "operator": operator}
        return self._get(shapes.Report, "/reports/accountability", **told)

    # ------------------------------------------------------------ the ledger
    def ledger_checkpoint(self) -> shapes.SignedState:
        """The ledger's signed state, brought up to date."""
        return self._get(shapes.SignedState, "/ledger/checkpoint")

    def ledger_entry(self, index: int) -> shapes.Entry:
        """One entry."""
        return self._get(shapes.Entry, f"/ledger/entries/{index:d}")

    def prove_inclusion(self, index: int) -> shapes.InclusionProof:
        """Proof that an entry is in the ledger."""
        return self._get(shapes.InclusionProof, f"/ledger/entries/{index:d}/proof")

    def prove_consistency(self, old: int, new: int | None = None) -> shapes.ConsistencyProof:
        """Proof that the ledger of `new` entries (None: all) only appends to that of `old`."""
        return self._get(shapes.ConsistencyProof, "/ledger/consistency", old=old, new=new)

    def audit_ledger(self) -> shapes.Audited:
        """Compare the database with the public files, entry by entry."""
        return self._post(shapes.Audited, "/ledger/audit")

    # ------------------------------------------------------------ asking
    def _get(self, kind: type[A], path: str, **query: Any) -> A:
        told = {name: value for name, value in query.items() if value is not None}
        path += f"?{urlencode(told)}" if told else ""
        status, content = self._send("GET", path, None, _AGAIN)
        if status != 200:
            raise _error(status, content)
        return _read(kind, content)

    def _post(self, kind: type[A], path: str, asked: BaseModel | None = None) -> A:
        body = None if asked is None else asked.model_dump_json(exclude_none=True).encode()
        status, content = self._send("POST", path, body, _ONCE)
        if status not in (200, 201):
            raise _error(status, content)
        return _read(kind, content)

    def _send(
        self, method: str, path: str, body: bytes | None, retries: urllib3.Retry
    ) -> tuple[int, bytes]:
        headers = dict(self._headers)
        if body is not None:
            headers["content-type"] = "application/json"
        try:
            answer = self._pool.request(
                method, self._url + path, body=body, headers=headers, retries=retries
            )
        except urllib3.exceptions.HTTPError as error:
            raise Unreachable(
                "The server cannot be reached.",
                why=type(getattr(error, "reason", None) or error).__name__,
                mend="Check its URL, its certificate, and that it runs.",
            ) from error
        return answer.status, answer.data


def _authorization(token: str | None, key: str | None, secret: str | None) -> str:
    if token is not None and key is None and secret is None:
        return f"Bearer {token}"
    if token is None and key is not None and secret is not None:
        return "Basic " + base64.b64encode(f"{key}:{secret}".encode()).decode()
    raise RequestError(
        "One credential is needed.",
        mend="Give token, or access_key_id and secret_access_key.",
    )


def _of(kind: type[A], **told: Any) -> A:
    try:
        return kind(**told)
    except ValidationError as error:
        # Which field, and what is asked of it: never what was given.
        wrong = (".".join(str(part) for part in each["loc"]) for each in error.errors())
        raise RequestError(
            "This cannot be asked so.", why=f"Not of the form asked for: {', '.join(wrong)}."
        ) from None


def _part(identifier: str) -> str:
    if not _PART.fullmatch(identifier):  # nothing may change the path
        raise RequestError("That is no id.", mend="Give it as the API told it.")
    return identifier


def _read(kind: type[A], content: bytes) -> A:
    try:
        return kind.model_validate_json(content)
    except ValidationError:
        raise _strange() from None


def _error(status: int, content: bytes) -> RightfaceError:
    try:
        problem = Problem.model_validate(json.loads(content))
    except (ValueError, ValidationError):
        return _strange(status)
    return RefusedByLaw(problem) if problem.code == "refused" else ApiError(problem)


def _strange(status: int | None = None) -> Unreachable:
    why = "" if status is None else f"Its status is {status}."
    return Unreachable(
        "The answer is not of this API.", why=why, mend="Check the server's URL and its version."
    )
