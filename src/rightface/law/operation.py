"""What is asked of the gate: one operation, with everything that the law may want to know.

A value and nothing more. Its digest binds a permit to it. The gate checks words, this checks types.
Subject references are in the digest; they are never in a ruling, an error or the ledger.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from types import MappingProxyType

from rightface.errors import LawError
from rightface.law.vocabulary import Fact

MOST_FINDINGS = 64  # that one act may cite; all of them are named in the ledger
_PARTY = "A party is a name and an actor, written NAME:ACTOR."
_EXAMPLE = "For example 'Metro PD:law-enforcement-local'."


@dataclass(frozen=True)
class Party:
    """Someone who stands behind the client: an end user, a reseller's customer."""

    name: str
    actor: str

    def __post_init__(self) -> None:
        if not _is_text(self.name) or not _is_text(self.actor):
            raise LawError(_PARTY, mend=_EXAMPLE)

    @classmethod
    def parse(cls, text: str) -> Party:
        """The party written as `NAME:ACTOR`.

        Raises:
            LawError: another form.
        """
        name, colon, actor = text.rpartition(":")
        if not colon or not name.strip() or not actor.strip():
            raise LawError(_PARTY, mend=_EXAMPLE)
        return cls(name.strip(), actor.strip())


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One operation, as asked.

    Raises:
        LawError: a field of the wrong type, or an `as_of` without a time zone.
    """

    action: str
    """An operation of the vocabulary."""
    client: str | None
    """The client's id; None in a question that leaves licences out."""
    actor: str
    """The client's own sector: an actor of the vocabulary."""
    client_jurisdiction: str
    place_jurisdiction: str
    """Where the camera or the photograph's place is; the instance's, if nothing else is known."""
    gallery_jurisdiction: str
    parties: tuple[Party, ...] = ()
    """The end users who stand behind the client."""
    licence_id: str | None = None
    purpose: str | None = None
    gallery: str | None = None
    """The collection's name; None where none is touched."""
    as_of: datetime | None = None
    """None: now. The gate gives permits for now only."""
    known_at: datetime | None = None
    """Whose knowledge of the law counts in a question; None: that of its own time."""
    subjects: tuple[str, ...] = ()
    """References of the persons who are named."""
    realtime: bool = False
    device: str = "unknown"
    warrant: str = "none"
    warrant_id: str | None = None
    """The recorded warrant, order or emergency that is relied on."""
    findings: tuple[str, ...] = ()
    """What an act on a match relies on: recorded findings, and searches as `search:INDEX`."""
    declared: Mapping[str, Fact] = field(default_factory=dict)
    """What the client says of its own request: only what tells against it (`declarable`)."""
    legal_basis: str | None = None
    """None: the licence's."""
    conditions: Mapping[str, Fact] = field(default_factory=dict)
    """Facts that a question states. A real operation states none; the gate reads the records."""
    review: str | None = None
    """The human review that it looks into or collects: whoever finished their part of it counts as
    one of its reviewers. Set by this service alone."""
    request_id: str = ""

    def __post_init__(self) -> None:
        for name in ("action", "actor", "device", "warrant", "request_id", *_PLACES):
            if not isinstance(getattr(self, name), str):
                raise LawError(f"The operation's {name} is not text.")
        for name in (
            "client",
            "licence_id",
            "purpose",
            "gallery",
            "legal_basis",
            "warrant_id",
            "review",
        ):
            value = getattr(self, name)
            if value is not None and not isinstance(value, str):
                raise LawError(f"The operation's {name} is neither text nor absent.")
        for name in ("as_of", "known_at"):
            told = getattr(self, name)
            if told is not None and (not isinstance(told, datetime) or told.utcoffset() is None):
                raise LawError(f"The operation's {name} has no time zone.", mend="Give it in UTC.")
        if not isinstance(self.realtime, bool):
            raise LawError("The operation's realtime is neither true nor false.")
        self._freeze()

    def _freeze(self) -> None:
        # The fields were given by a caller; what they are annotated as proves nothing here.
        try:
            stated: Mapping[str, object] = self.conditions
            named: object = self.subjects
            cited: object = self.findings
            parties, subjects = tuple(self.parties), tuple(self.subjects)
            findings = tuple(self.findings)
            conditions = {
                name: tuple(sorted(value)) if isinstance(value, list | set | frozenset) else value
                for name, value in stated.items()
            }
            declared = dict(self.declared)
        except (TypeError, ValueError, AttributeError) as error:
            raise LawError(
                "The operation's parties, subjects or conditions are no lists."
            ) from error
        if not all(isinstance(party, Party) for party in parties):
            raise LawError("The operation's parties are not parties.")
        if isinstance(named, str) or not all(isinstance(s, str) for s in subjects):
            raise LawError("The operation's subjects are not text.")
        if isinstance(cited, str) or not all(isinstance(one, str) for one in findings):
            raise LawError("The operation's findings are not text.")
        if len(findings) > MOST_FINDINGS:
            raise LawError(f"It cites more than {MOST_FINDINGS} findings.", mend="Cite fewer.")
        if not all(isinstance(n, str) and _is_fact(v) for n, v in conditions.items()):
            raise LawError("The operation's conditions are neither words, numbers nor truths.")
        object.__setattr__(self, "parties", parties)
        object.__setattr__(self, "subjects", subjects)
        object.__setattr__(self, "findings", findings)
        if not all(isinstance(n, str) and _is_fact(v) for n, v in declared.items()):
            raise LawError("What the operation declares is neither words, numbers nor truths.")
        object.__setattr__(self, "conditions", MappingProxyType(conditions))
        object.__setattr__(self, "declared", MappingProxyType(declared))

    @property
    def jurisdictions(self) -> tuple[str, ...]:
        """Where it happens: the client's, the place's and the gallery's, each once."""
        return tuple(dict.fromkeys(getattr(self, name) for name in _PLACES))

    @property
    def digest(self) -> str:
        """Hex SHA-256 over every field, as canonical JSON."""
        told = {f.name: getattr(self, f.name) for f in fields(self)}
        told["parties"] = [[party.name, party.actor] for party in self.parties]
        told["conditions"] = dict(self.conditions)
        told["declared"] = dict(self.declared)
        for name in ("as_of", "known_at"):
            if told[name] is not None:
                told[name] = told[name].astimezone(UTC).isoformat()
        text = json.dumps(told, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode("ascii")).hexdigest()


_PLACES = ("client_jurisdiction", "place_jurisdiction", "gallery_jurisdiction")


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _is_fact(value: object) -> bool:
    return isinstance(value, bool | int | str) or (
        isinstance(value, tuple) and all(isinstance(word, str) for word in value)
    )
