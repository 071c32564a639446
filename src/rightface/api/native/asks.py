"""What may be asked: the bodies of requests. An unknown field is refused.

Must never know: HTTP, how anything is done.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Base64Bytes, Field

from rightface.api.native.words import (
    Asked,
    Citation,
    Digest,
    Gallery,
    Identifier,
    Line,
    Moment,
    Name,
    Pattern,
    Place,
    Subject,
    Value,
    Word,
)

Words = Annotated[list[Word], Field(min_length=1, max_length=64)]
Patterns = Annotated[list[Pattern], Field(max_length=64)]
Verdict = Literal["same", "not-this-person", "cannot-tell"]
Position = Annotated[int, Field(ge=0, le=63)]
Conditions = Annotated[dict[Word, Value], Field(max_length=64)]


class PartyAsked(Asked):
    """Who stands behind a client."""

    name: Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[^:\x00-\x1f\x7f]+$")]
    actor: Word


class LicenceTerms(Asked):
    """What a licence grants."""

    client: Name
    sector: Word = Field(description="What the client is: an actor of the vocabulary.")
    jurisdiction: Place = Field(description="Where the client is.")
    purposes: Words
    operations: Words
    galleries: Patterns = Field(default_factory=list, description="Patterns of collections.")
    parties: Annotated[list[PartyAsked], Field(max_length=64)] = Field(default_factory=list)
    basis: Word = "consent-warranted"
    valid_from: Moment | None = Field(default=None, description="Null: now.")
    valid_until: Moment = Field(description="The first moment at which it no longer holds.")
    per_second: Annotated[int, Field(ge=1, le=10**6)] | None = None
    per_day: Annotated[int, Field(ge=1, le=10**12)] | None = None
    differential_limit: Annotated[float, Field(ge=1, le=10**6)] | None = Field(
        default=None,
        description="How many times as often the worst group may match falsely as the best.",
    )


class ConsentTerms(Asked):
    """The same consent of one person or of several: all are recorded, or none."""

    subjects: Annotated[list[Subject], Field(min_length=1, max_length=1000)]
    purposes: Words
    galleries: Annotated[list[Pattern], Field(min_length=1, max_length=64)]
    notice: Annotated[str, Field(min_length=1, max_length=65_536)] = Field(
        description="The text that the person was shown. Only its SHA-256 is kept."
    )
    retention_days: Annotated[int, Field(ge=1, le=36_500)]
    how: Word = "written-release"
    obtained_at: Moment | None = Field(default=None, description="Null: now.")
    expires_at: Moment | None = Field(default=None, description="Null: until it is withdrawn.")
    client: Name | None = Field(default=None, description="The one client it is for; null: any.")


class SubjectNamed(Asked):
    """One person, by the reference that the client enrols with."""

    subject: Subject


class WarrantTerms(Asked):
    """What a warrant, an order or an emergency says."""

    kind: Word
    issuer: Line
    number: Line
    client: Name
    operations: Words
    purposes: Words
    galleries: Patterns = Field(default_factory=list)
    jurisdictions: Annotated[list[Place], Field(max_length=32)] = Field(
        default_factory=list, description="Where it reaches; empty: where the instance is."
    )
    document_sha256: Digest = Field(description="Of the document, which is not kept.")
    valid_from: Moment | None = Field(default=None, description="Null: now.")
    valid_until: Moment | None = Field(
        default=None,
        description="Null: the end of an emergency's limit; every other document has an end.",
    )
    sealed: bool = False
    conditions: Conditions = Field(default_factory=dict)
    limit_hours: Annotated[int, Field(ge=1, le=168)] | None = None


class WarrantEnd(Asked):
    """How a warrant ends."""

    refused: bool = Field(default=False, description="Whether the court refused it.")


class At(Asked):
    """When something took place."""

    at: Moment | None = Field(default=None, description="Null: now.")


class FindingTerms(Asked):
    """What was found, and what it was derived from."""

    client: Name
    kind: Word
    document_sha256: Digest
    parents: Annotated[list[Citation], Field(max_length=100)] = Field(default_factory=list)
    found_at: Moment | None = Field(default=None, description="Null: now.")


class ActOnMatch(Asked):
    """An act on a match, to be decided by the gate, on record."""

    client: Name
    licence_id: Identifier
    operation: Word
    findings: Annotated[list[Citation], Field(max_length=100)] = Field(default_factory=list)
    warrant_id: Identifier | None = None
    purpose: Word | None = None


class AdoptionAsked(Asked):
    """The commitment that shall bind."""

    instrument: Word


class Withdrawal(Asked):
    """Why a commitment is withdrawn."""

    reason: Annotated[str, Field(min_length=1, max_length=1000)]


class DutyTerms(Asked):
    """A duty that is met, and the document that shows it."""

    duty: Word
    document: Base64Bytes = Field(
        max_length=4 * 1024 * 1024, description="Base64. Only its SHA-256 is kept."
    )
    met_from: Moment | None = Field(default=None, description="Null: now.")
    client: Name | None = None
    gallery: Pattern | None = None


class FactTerms(Asked):
    """A fact, or a condition that stands."""

    name: Word
    valid_from: Moment
    valid_until: Moment | None = None
    attester: Line
    document_sha256: Digest
    value: Value | None = Field(default=None, description="Of a condition; null: true, of a fact.")
    client: Name | None = None
    gallery: Pattern | None = None
    attestation: dict[str, Any] | None = Field(
        default=None, description="The attester's signed answers, where the fact names a checklist."
    )


class AttesterAsked(Asked):
    """Whose attestations shall be trusted, and under which key."""

    name: Line
    public_key: Annotated[str, Field(min_length=1, max_length=4096)] = Field(
        description="Their public Ed25519 key, PEM."
    )


class AttesterNamed(Asked):
    """Whose attestations shall be trusted no longer."""

    name: Line


class QuestionAsked(Asked):
    """A question about the law. Its fields: docs/law.md."""

    question: dict[str, Any]
    timeline: bool = Field(
        default=False, description="Whether to find the decision through the years."
    )


class QuestionsAsked(Asked):
    """Several questions."""

    questions: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=100)]


class InteractionAsked(Asked):
    """A person did something with the client: the idle dates move."""

    subject: Subject
    gallery: Gallery
    client: Name
    at: Moment | None = Field(default=None, description="Null: now.")


class GalleryNamed(Asked):
    """One gallery of one client."""

    client: Name
    gallery: Gallery


class TargetStated(GalleryNamed):
    """What searches of a gallery may get wrong."""

    fpir_target: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="The share of searches of people who are not enrolled that may find somebody; "
        "null: none of the gallery's own.",
    )


class ClientNamed(Asked):
    """One client."""

    client: Name


class ReviewDecisions(Asked):
    """What a reviewer decides, by the numbers that they see; once on each."""

    decisions: Annotated[
        dict[Annotated[str, Field(pattern=r"^[0-9]{1,4}$")], Verdict],
        Field(min_length=1, max_length=1000),
    ]


class OutcomeAsked(Asked):
    """For what a client asks after a review."""

    purpose: Word | None = Field(
        default=None, description="That of the search; null: the licence's only."
    )


class SamplesAsked(Asked):
    """Photographs of a tester's own, and which of them shall be compared."""

    images: Annotated[list[Base64Bytes], Field(min_length=1, max_length=64)] = Field(
        description="Base64. Compared, and not kept."
    )
    pairs: Annotated[list[tuple[Position, Position]], Field(max_length=2016)] | None = Field(
        default=None, description="Probe and reference by their places, from 0; null: all pairs."
    )
    purpose: Word | None = Field(default=None, description="Null: the licence's only one.")


class CredentialTerms(Asked):
    """Whose credential, and as what they act."""

    role: Word = Field(description="operator, reviewer or auditor.")
    name: Name
