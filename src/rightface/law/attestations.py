"""Attestations: a named person's signed answers to a published checklist about one law.

The attester signs canonical JSON (RFC 8785) with a key of their own. An attestation says what a
person answers for; whether it suffices is checked here, item by item. No boolean beside it counts.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from rightface.errors import LawError
from rightface.keys import verify_signature
from rightface.law.attesters import check_name
from rightface.law.checklists import Checklist
from rightface.law.signed import canonical
from rightface.law.vocabulary import Vocabulary

_KIND = "rightface-attestation"
LONGEST = 262_144  # characters of an attestation
_LONGEST_TEXT = 4_000  # characters of a reason, a reference, a name of a law


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The answer to one item."""

    item: str
    met: bool
    reason: str
    reference: str
    """Where in the law it stands."""


@dataclass(frozen=True, kw_only=True)
class Law:
    """The law that is attested to."""

    name: str
    citation: str
    jurisdiction: str
    in_force_from: date


@dataclass(frozen=True, kw_only=True)
class Attestation:
    """Signed answers; the signature is that of the key inside. Whether to trust it is not said."""

    checklist: str
    checklist_digest: str
    law: Law
    attester: str
    office: str
    on: date
    answers: tuple[Answer, ...]
    public_key: str
    """The raw Ed25519 public key, hex."""
    text: str
    """All of it as canonical JSON, the signature included."""

    @property
    def digest(self) -> str:
        """Hex SHA-256 of the text."""
        return hashlib.sha256(self.text.encode("utf-8")).hexdigest()

    def holds_for(self, jurisdiction: str, starts: date) -> bool:
        """Whether every answer is yes, and the law is of that place and in force by `starts`."""
        return (
            bool(self.answers)
            and all(answer.met for answer in self.answers)
            and self.law.jurisdiction == jurisdiction
            and self.law.in_force_from <= starts
        )


def sign_attestation(checklist: Checklist, told: object, key: Ed25519PrivateKey) -> Attestation:
    """The answers of `told` to `checklist`, signed with `key`. A no is signed like a yes.

    Args:
        checklist: what is answered.
        told: a mapping with `law` (name, citation, jurisdiction, in_force_from), `attester`
            (name, office), `date` and `answers` (item → met, reason, reference).
        key: the attester's own.

    Raises:
        LawError: a field is missing, unknown or of the wrong kind, or an item is unanswered.
    """
    filled = _mapping(told, "The file", {"law", "attester", "date", "answers"})
    law = _mapping(filled["law"], "law", {"name", "citation", "jurisdiction", "in_force_from"})
    attester = _mapping(filled["attester"], "attester", {"name", "office"})
    items = {item.item_id for item in checklist.items}
    answers = _mapping(filled["answers"], "answers", items)
    statement = {
        "kind": _KIND,
        "v": 1,
        "checklist": checklist.name,
        "checklist_digest": checklist.digest,
        "law": {**law, "in_force_from": str(_day(law["in_force_from"]))},
        "attester": attester,
        "date": str(_day(filled["date"])),
        "answers": [
            {"item": item.item_id, **_mapping(answers[item.item_id], item.item_id, _ANSWER)}
            for item in checklist.items
        ],
    }
    signature = key.sign(canonical(statement).encode("utf-8"))
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    told_all = {"statement": statement, "public_key": public.hex(), "signature": signature.hex()}
    return read_attestation(canonical(told_all))


@lru_cache(maxsize=64)
def read_attestation(text: str) -> Attestation:
    """The attestation that `text` holds, its signature checked against the key inside.

    Raises:
        LawError: it is malformed, or was changed after it was signed.
    """
    if len(text) > LONGEST:
        raise LawError("The attestation is too long.")
    try:
        told = json.loads(text)
        whole = _mapping(told, "The attestation", {"statement", "public_key", "signature"})
        public, signature = bytes.fromhex(whole["public_key"]), bytes.fromhex(whole["signature"])
        signed = canonical(whole["statement"]).encode("utf-8")
    except (ValueError, TypeError, RecursionError) as error:
        raise LawError("The attestation is not one.", why=type(error).__name__) from error
    if not verify_signature(public, signed, signature):
        raise LawError(
            "The attestation's signature is broken.",
            why="It was changed after it was signed, or signed with another key.",
            mend="Ask the attester for it anew.",
        )
    return _attestation(whole["statement"], public.hex(), canonical(whole))


def check_against(attestation: Attestation, checklist: Checklist) -> None:
    """Let go on only what answers every item of today's checklist with yes.

    Raises:
        LawError: another checklist or another version of it, an item unanswered or not met.
    """
    if attestation.checklist != checklist.name or attestation.checklist_digest != checklist.digest:
        raise LawError(
            "The attestation answers another checklist.",
            why=f"Asked for is '{checklist.name}' with the digest {checklist.digest}.",
            mend=f"Have today's answered: rightface law checklist {checklist.name}.",
        )
    wanted = {item.item_id for item in checklist.items}
    answered = [answer.item for answer in attestation.answers]
    if set(answered) != wanted or len(answered) != len(wanted):
        missing = ", ".join(sorted(wanted - set(answered))) or "one stands twice or is unknown"
        raise LawError(f"The attestation does not answer every item once: {missing}.")
    unmet = ", ".join(answer.item for answer in attestation.answers if not answer.met)
    if unmet:
        raise LawError(
            f"By the attestation the law does not meet: {unmet}.",
            why="The fact holds only if every item is met.",
        )


_ANSWER = frozenset({"met", "reason", "reference"})


def _attestation(told: Any, public_key: str, text: str) -> Attestation:
    fields = {"kind", "v", "checklist", "checklist_digest", "law", "attester", "date", "answers"}
    statement = _mapping(told, "The statement", fields)
    if (statement["kind"], statement["v"]) != (_KIND, 1):
        raise LawError("The statement is no attestation of this form.")
    law = _mapping(statement["law"], "law", {"name", "citation", "jurisdiction", "in_force_from"})
    attester = _mapping(statement["attester"], "attester", {"name", "office"})
    if not isinstance(statement["answers"], list):
        raise LawError("The attestation's answers are no list.")
    return Attestation(
        checklist=_text(statement["checklist"]),
        checklist_digest=_text(statement["checklist_digest"]),
        law=Law(
            name=_text(law["name"]),
            citation=_text(law["citation"]),
            jurisdiction=Vocabulary.load().place(law["jurisdiction"]),
            in_force_from=_day(law["in_force_from"]),
        ),
        attester=check_name(_text(attester["name"])),
        office=_text(attester["office"]),
        on=_day(statement["date"]),
        answers=tuple(_answer(each) for each in statement["answers"]),
        public_key=public_key,
        text=text,
    )


def _answer(told: Any) -> Answer:
    answer = _mapping(told, "An answer", {"item", *_ANSWER})
    if not isinstance(answer["met"], bool):
        raise LawError("An answer's 'met' is neither true nor false.")
    return Answer(
        item=_text(answer["item"]),
        met=answer["met"],
        reason=_text(answer["reason"]),
        reference=_text(answer["reference"]),
    )


def _mapping(told: object, what: str, names: set[str] | frozenset[str]) -> dict[str, Any]:
    if not isinstance(told, Mapping):
        raise LawError(f"{what}: fields are missing.", why=f"It needs {', '.join(sorted(names))}.")
    absent, beyond = sorted(names - set(told)), sorted(str(one) for one in set(told) - names)
    if absent:
        raise LawError(f"{what}: '{absent[0]}' is missing.", mend="Answer everything.")
    if beyond:
        shown = beyond[0] if beyond[0].isprintable() and len(beyond[0]) <= 80 else "(unreadable)"
        raise LawError(f"{what}: '{shown}' is unknown.", why=f"It has {', '.join(sorted(names))}.")
    return dict(told)


def _text(told: object) -> str:
    if not isinstance(told, str) or not told.strip() or len(told) > _LONGEST_TEXT:
        raise LawError(
            "A text of the attestation is missing, too long or no text.",
            why=f"Each has 1 to {_LONGEST_TEXT} characters; a reason is asked for every answer.",
        )
    return told


def _day(told: object) -> date:
    if isinstance(told, date):
        return told
    try:
        return date.fromisoformat(str(told))
    except ValueError:
        raise LawError(
            "A date of the attestation is none.",
            why="A law that is attested to is in force from a day on; a bill is no law.",
            mend="Write it as 2031-01-01.",
        ) from None
