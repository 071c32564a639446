"""What is told: the shapes of answers, shared by the server and the Python client.

Must never know: HTTP, where values come from.
"""

from __future__ import annotations

from datetime import date
from typing import Any, Literal

from pydantic import Base64Bytes, Field

from rightface.api.native.words import Moment, Told, Value

Outcome = Literal["allow", "deny", "require-duty"]


# ---------------------------------------------------------------- errors
class Reason(Told):
    """Why the law, a licence or consent refuses, and what would have to change."""

    instrument: str
    section: str
    citation: str
    rule: str
    text: str
    change: str
    duty: str = Field(description="The duty that would cure it; empty: nothing but the change.")
    confidence: str = Field(description="seen, recalled, derived, or own.")
    unverified: bool = Field(description="Whether the rule was not read at its source.")


class Problem(Told):
    """An error (RFC 9457). It holds no personal data."""

    type: str = "about:blank"
    status: int
    title: str
    code: str = Field(description="Stable; for programs.")
    detail: str = Field(description="What happened.")
    why: str = ""
    mend: str = Field(default="", description="What the reader can do about it.")
    request_id: str
    reasons: list[Reason] = Field(default_factory=list, description="Of a refusal of the gate.")
    ledger_index: int | None = Field(default=None, description="Where a refusal is recorded.")


# ---------------------------------------------------------------- who, health
class Health(Told):
    """How each part is."""

    status: Literal["ok", "failing"]
    parts: dict[str, str]


class Myself(Told):
    """Whose credential this is, and as what they act."""

    role: Literal["operator", "reviewer", "auditor", "client"]
    credential_id: str | None = None
    name: str
    licence_id: str | None = None


class Credential(Told):
    """One person's credential."""

    credential_id: str
    role: str
    name: str
    created_at: Moment
    ended_at: Moment | None


class NewCredential(Told):
    """A fresh credential, with its token."""

    credential: Credential
    token: str = Field(description="Shown this once.", repr=False)


# ---------------------------------------------------------------- licences and consents
class Party(Told):
    """Who stands behind a client."""

    name: str
    actor: str


class Licence(Told):
    """One licence."""

    licence_id: str
    client: str
    sector: str
    jurisdiction: str
    parties: list[Party]
    purposes: list[str]
    operations: list[str]
    galleries: list[str]
    jurisdictions: list[str]
    basis: str
    issued_at: Moment
    valid_from: Moment
    valid_until: Moment
    access_key_id: str
    revoked_at: Moment | None
    per_second: int | None = None
    per_day: int | None = None
    differential_limit: float | None = None


class NewLicence(Told):
    """A fresh licence, with its secret."""

    licence: Licence
    secret_access_key: str = Field(description="Shown this once.", repr=False)


class Consent(Told):
    """One consent. It names nobody: the commitment is keyed."""

    consent_id: int
    subject_commitment: str | None = Field(description="Null: a client asked.")
    purposes: list[str]
    galleries: list[str]
    client: str | None
    notice_digest: str
    retention_days: int
    how: str
    obtained_at: Moment
    expires_at: Moment | None
    withdrawn_at: Moment | None


class Consents(Told):
    """What is on record for a person, oldest first."""

    consents: list[Consent]


class Receipt(Told):
    """An erasure that was done, signed. Verify it with `rightface receipt`."""

    document: dict[str, Any] = Field(description="The receipt, exactly as it was signed.")


class Receipts(Told):
    """The erasures of one act."""

    receipts: list[Receipt]


# ---------------------------------------------------------------- warrants and findings
class Warrant(Told):
    """A warrant, an order or an emergency. Of a sealed or damaged one most is null."""

    warrant_id: str
    client: str
    state: str = Field(
        description="holds, not-yet-valid, expired, ended, refused, overdue or damaged."
    )
    kind: str | None = None
    sealed: bool | None = None
    issuer: str | None = None
    number: str | None = None
    operations: list[str] | None = None
    purposes: list[str] | None = None
    galleries: list[str] | None = None
    jurisdictions: list[str] | None = None
    valid_from: Moment | None = None
    valid_until: Moment | None = None
    document_digest: str | None = None
    recorded_at: Moment | None = None
    conditions: dict[str, Value] | None = None
    limit_hours: int | None = None
    due: Moment | None = None
    requested_at: Moment | None = None
    reported_at: Moment | None = None
    ended_at: Moment | None = None


class Finding(Told):
    """A finding. Of a damaged one most is null."""

    finding_id: str
    client: str
    origin: str = Field(description="independent, derived-from-match, unknown or damaged.")
    kind: str | None = None
    parents: list[str] | None = None
    document_digest: str | None = None
    found_at: Moment | None = None
    recorded_at: Moment | None = None


class Obligation(Told):
    """What must hold while a permit is used."""

    kind: str
    value: float
    instrument: str


class ActDecided(Told):
    """The gate's decision of record on an act on a match."""

    outcome: Outcome
    ledger_index: int
    permit_id: str | None
    reasons: list[Reason]
    missing: list[str]
    obligations: list[Obligation]


# ---------------------------------------------------------------- what the law waits for
class Adoption(Told):
    """A commitment that was adopted."""

    instrument: str
    adopted_at: Moment
    withdrawn_at: Moment | None
    reason: str | None
    signed: bool


class Duty(Told):
    """A duty on record."""

    duty: str
    document_digest: str
    met_from: Moment
    recorded_at: Moment
    ended_at: Moment | None
    client: str | None
    gallery: str | None
    signed: bool


class Duties(Told):
    """Duties on record."""

    duties: list[Duty]


class Fact(Told):
    """A fact or a standing condition. Of a damaged one most is null."""

    fact_id: str
    state: str = Field(description="holds, not-yet, over, ended, not-attested or damaged.")
    name: str | None = None
    value: Value | None = None
    client: str | None = None
    gallery: str | None = None
    valid_from: Moment | None = None
    valid_until: Moment | None = None
    recorded_at: Moment | None = None
    attester: str | None = None
    document_digest: str | None = None
    attestation_digest: str | None = None
    ended_at: Moment | None = None


class Attester(Told):
    """One key of one attester."""

    name: str
    public_key: str
    added_at: Moment
    ended_at: Moment | None
    signed: bool


class Attesters(Told):
    """Keys of attesters."""

    attesters: list[Attester]


# ---------------------------------------------------------------- the law
class Instrument(Told):
    """One instrument, and whether it is in force today."""

    instrument: str
    name: str
    kind: str
    jurisdiction: str
    citation: str
    effective_from: date | None
    effective_until: date | None
    status: str
    in_force: bool
    confidence: str
    unverified: bool
    reviewed_by: str
    rules: list[str]


class Decision(Told):
    """The answer to one question. It makes no record and no permit."""

    id: str
    outcome: Literal["allow", "deny", "require-duty", "error"]
    instruments: list[str] = Field(default_factory=list)
    reasons: list[Reason] = Field(default_factory=list)
    missing: list[str] = Field(default_factory=list)
    obligations: list[Obligation] = Field(default_factory=list)
    as_of: str | None = None
    known_at: str | None = None
    jurisdictions: list[str] = Field(default_factory=list)
    in_force: list[str] = Field(default_factory=list)
    left_out: list[str] = Field(default_factory=list)
    policy: str | None = None
    message: str = Field(default="", description="Of an error: what is wrong with the question.")


class Decisions(Told):
    """The answers, in the order of the questions."""

    decisions: list[Decision]


class Explanation(Told):
    """The answer to one question, with all that led to it."""

    id: str
    outcome: Outcome
    text: str = Field(description="For people. It is not legal advice.")
    explanation: dict[str, Any] = Field(description="For programs; see docs/law.md.")


# ---------------------------------------------------------------- one person
class FaceHeld(Told):
    """One face of a person: where, since when, until when, on what basis."""

    face_id: str
    client: str
    gallery: str
    basis: str
    purpose: str
    enrolled_at: Moment
    retain_until: Moment | None
    idle_until: Moment | None
    crop_kept: bool
    in_user: bool
    enrolment: int = Field(description="The ledger's entry of the decision that allowed it.")


class Use(Told):
    """One entry of the ledger in which a person occurs."""

    index: int
    time: Moment
    kind: str
    operation: str
    outcome: str
    client: str | None
    purpose: str | None
    decision: int | None


class Suppression(Told):
    """Where a person is not enrolled again without a newer consent."""

    client: str
    gallery: str
    reason: str
    since: Moment


class Suppressions(Told):
    """Whether a person is suppressed."""

    withdrew: bool
    entries: list[Suppression]
    last_consent: Moment | None


class SuppressionCounts(Told):
    """How many suppressions there are."""

    by_reason: dict[str, int]


class SubjectReport(Told):
    """Everything held on one person, and every use of it."""

    made_at: Moment
    consents: list[Consent]
    faces: list[FaceHeld]
    suppressions: list[Suppression]
    elsewhere: dict[str, int]
    uses: list[Use]
    ledger_index: int


# ---------------------------------------------------------------- jobs and reviews
class Job(Told):
    """One job on a stored video, without what was asked or found."""

    id: str
    client: str
    kind: str
    state: str
    message: str | None
    progress: int = Field(description="Percent.")
    frames: int
    created_at: Moment
    finished_at: Moment | None
    expires_at: Moment


class OpenSeat(Told):
    """A review that waits for a reviewer."""

    review_id: str
    opened_at: Moment
    expires_at: Moment
    seated: bool


class OpenSeats(Told):
    """Reviews that wait for a reviewer, oldest first."""

    reviews: list[OpenSeat]


class Shown(Told):
    """One candidate as a reviewer sees it."""

    number: int
    picture: Base64Bytes = Field(description="PNG, 150 × 150, base64.", repr=False)


class OpenedReview(Told):
    """What a reviewer decides on: no names, no scores, nothing of the others."""

    review_id: str
    expires_at: Moment
    probe: Base64Bytes = Field(description="PNG, 150 × 150, base64.", repr=False)
    candidates: list[Shown]


class Decided(Told):
    """What is left to a reviewer."""

    left: int


class Lead(Told):
    """A candidate whom every reviewer confirmed: a lead, never an identification."""

    face_id: str
    subject: str | None
    user: str | None
    """The user that the face is of, if any."""
    similarity: float
    fmr: float
    extrapolated: bool


class ReviewOutcome(Told):
    """What became of a review, as its client is told."""

    review_id: str
    state: str
    outcome: str | None
    expires_at: Moment
    candidates: list[Lead]
    note: str


class ReviewFigure(Told):
    """How many reviewed candidates of one band came out one way."""

    pack: str
    gallery: str
    band: str
    outcome: str
    number: int


class ReviewFigures(Told):
    """How reviewed candidates came out. Nobody is in them."""

    figures: list[ReviewFigure]


# ---------------------------------------------------------------- evidence, and testing
class Unequal(Told):
    """How unequal groups were found to be: the worst group's false match rate over the best's."""

    value: float
    low: float
    high: float | None = Field(
        description='The interval\'s end at 95 %. None: it has none; `value` is then "at least".'
    )
    fmr_target: float
    groups: int = Field(description="How many groups count in it.")


class GroupMeasured(Told):
    """One group at the threshold that is set on everybody."""

    name: str
    columns: list[str]
    impostor_pairs: int
    genuine_pairs: int
    fmr: float | None
    fmr_low: float | None
    fmr_high: float | None
    tmr: float | None
    too_few: str


class EvidenceUse(Told):
    """What one measurement by itself is for one row of the table."""

    rule: str
    verdict: Literal["enough", "in-part", "too-little", "against"]
    most_faces: int | None = Field(description="The largest gallery that its size is enough for.")
    lacks: list[str]


class Evidence(Told):
    """A measurement of a model pack."""

    evidence_id: str
    state: Literal["stands", "of-another-pack", "ended", "damaged"]
    shipped: bool = Field(default=False, description="It came with the model pack.")
    pack_digest: str = ""
    comparison: str = ""
    software: str = ""
    data_set: str = ""
    data_digest: str = ""
    document_digest: str = ""
    measured_on: date | None = None
    people: int | None = None
    impostor_pairs: int | None = None
    genuine_pairs: int | None = None
    fmr_target: float | None = None
    differential: Unequal | None = Field(default=None, description="Null: not measured.")
    lowest_tmr: float | None = None
    groups: list[GroupMeasured] = Field(default_factory=list)
    left_out: list[str] = Field(
        default_factory=list, description="Ways to split the people without a differential."
    )
    uses: list[EvidenceUse] = Field(
        default_factory=list, description="What it is for each row of the table; if it stands."
    )
    recorded_at: Moment | None = None
    recorded_by: str = ""
    ended_at: Moment | None = None
    ended_why: str = ""


class EvidenceRule(Told):
    """What one kind of operation needs."""

    name: str
    operation: str
    gallery: str
    impostor_pairs: int
    pairs_per_face: int
    people: int
    genuine_pairs: int
    oldest_years: int
    groups: int
    attributes: list[str] = Field(description="What the groups must be by: sex, race.")
    limit: float | None = Field(description="Worst over best; null: no limit of the table's.")
    why: str


class EvidenceRules(Told):
    """The table; of each operation the first row that applies counts."""

    rules: list[EvidenceRule]


class SampleFace(Told):
    """The largest face of a photograph: where, and of which quality. Ratios of its sides."""

    left: float
    top: float
    width: float
    height: float
    confidence: float
    sharpness: float
    brightness: float
    yaw: float
    pitch: float
    roll: float


class Sample(Told):
    """One photograph."""

    face: SampleFace | None
    failure: str = Field(description="Why there is no face to measure; empty: there is one.")


class SampleComparison(Told):
    """One comparison; without figures where a photograph has no face."""

    probe: int
    reference: int
    score: float | None = Field(description="−log10 of the false match rate: higher is more alike.")
    similarity: float | None
    fmr: float | None
    extrapolated: bool


class SampleResult(Told):
    """What a tester is told."""

    pack: str
    pack_digest: str
    comparison: str
    comparison_digest: str
    ledger_index: int = Field(description="Where the decision is recorded.")
    samples: list[Sample]
    comparisons: list[SampleComparison]


# ---------------------------------------------------------------- retention and reports
class Ending(Told):
    """A client whose last licence has ended, and what is to become of its galleries."""

    client: str
    galleries: list[str]
    ended_at: Moment
    erased_from: Moment


class SweepPreview(Told):
    """What a sweep would erase now, in counts."""

    past_date: int
    consent_ended: int
    licences_ended: list[Ending]


class Due(Told):
    """How many faces of one collection are due on one day, by which clock."""

    client: str
    gallery: str
    day: date
    clock: str
    faces: int
    overdue: int


class DueList(Told):
    """What is due."""

    due: list[Due]
    faces: int
    overdue: int


class Moved(Told):
    """What an interaction did."""

    faces: int
    moved: int


class Gallery(Told):
    """A gallery, and the threshold that follows from its target at its size."""

    client: str
    gallery: str
    faces: int
    fpir_target: float | None
    own_target: float | None
    fmr_needed: float | None
    cohort: str
    fmr: float | None
    similarity: float | None
    extrapolated: bool
    too_small: list[str] = Field(
        description="Cohorts with too few comparisons to be measured; the threshold may be too low "
        "for them."
    )


class PurposeEnded(Told):
    """What the end of a purpose did."""

    faces_due: int
    receipts: list[Receipt]


class Report(Told):
    """A report as one document."""

    report: dict[str, Any]


# ---------------------------------------------------------------- the ledger
class SignedState(Told):
    """The ledger's last signed state (C2SP tlog-checkpoint)."""

    origin: str
    size: int
    root: str = Field(description="SHA-256, hexadecimal.")
    vkey: str = Field(description="The key to pin.")
    note: str = Field(description="The signed note.")


class Entry(Told):
    """One entry of the ledger."""

    index: int
    entry: dict[str, Any]


class InclusionProof(Told):
    """Proof that an entry is in the ledger (RFC 6962), checked before it is told."""

    index: int
    size: int
    root: str
    entry: dict[str, Any]
    hashes: list[str]
    proof: str = Field(description="C2SP tlog-proof; the entry goes beside it.")


class ConsistencyProof(Told):
    """Proof that the ledger of `new` entries begins with that of `old`."""

    old: int
    old_root: str
    new: int
    new_root: str
    hashes: list[str]


class Audited(Told):
    """How many entries of the ledger were compared with its files, and agree."""

    entries: int
