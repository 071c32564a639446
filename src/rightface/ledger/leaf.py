"""Leaves: what one record of the ledger may say.

A leaf is public for good, so nothing may enter that could tell who a person is. There is no field
for free text: every field is a word, an identifier, a digest or a number, and is checked. People
appear only as keyed commitments. Must never know the law's vocabulary, faces, or where leaves lie.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Literal

from rightface.errors import LedgerError
from rightface.ledger.tiles import ENTRY_LIMIT

VERSION = 1
Kind = Literal["decision", "outcome", "act"]
KINDS = ("decision", "outcome", "act")

# Lower-case words of a controlled vocabulary, with the N of "identify-1toN".
_WORD = re.compile(r"[a-z][A-Za-z0-9]*(?:-[A-Za-z0-9]+)*", re.ASCII)
# Names that an operator chooses: of clients, licences, galleries (Rekognition's own pattern).
_NAME = re.compile(r"[A-Za-z0-9_.-]+", re.ASCII)
_PLACE = re.compile(r"[A-Z0-9]+(?:-[A-Z0-9]+)*", re.ASCII)
_REASON = re.compile(r"[a-z0-9][A-Za-z0-9.-]*(?:#[A-Za-z0-9._()-]+)?", re.ASCII)
_RECORD = re.compile(
    r"(?:wrt|fnd|fct|evd)-[0-9a-f]{24}|crd-[0-9a-f]{16}|search:[0-9]{1,16}", re.ASCII
)
_REQUEST = re.compile(r"[A-Za-z0-9-]+", re.ASCII)
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)
_COMPARISON = re.compile(r"raw|[a-z][a-z0-9-]{0,31}\.[0-9a-f]{64}", re.ASCII)
_SHORT = re.compile(r"[0-9a-f]{32}", re.ASCII)
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", re.ASCII)

_WORDS = {  # field: (pattern, longest)
    "operation": (_WORD, 64),
    "client": (_NAME, 64),
    "licence": (_NAME, 64),
    "purpose": (_WORD, 64),
    "basis": (_WORD, 64),
    "gallery": (_NAME, 255),
    "outcome": (_WORD, 64),
    "policy": (_DIGEST, 64),
    "pack": (_DIGEST, 64),
    "comparison": (_COMPARISON, 97),
    "request": (_REQUEST, 64),
}
_LISTS = {  # field: (pattern, longest, most)
    "jurisdictions": (_PLACE, 32, 32),
    "reasons": (_REASON, 128, 128),
    "subjects": (_DIGEST, 64, 800),
    "forgotten": (_SHORT, 32, 800),
    "records": (_RECORD, 32, 256),
}
_COUNTS = 16
_LARGEST = 2**53 - 1  # what JSON numbers carry exactly (RFC 8785, 3.2.2.3)


@dataclass(frozen=True, kw_only=True)
class Leaf:
    """One record. Fields that are None or empty are left out of its canonical form.

    Raises:
        LedgerError: on construction, if a field could carry anything but what it is for. The
            message names the field, never its content.
    """

    time: datetime
    """When, with a time zone; recorded in UTC, to the microsecond."""
    kind: Kind
    """A `decision` of the gate, the `outcome` of what a decision allowed, or an `act` of law."""
    operation: str
    """What was asked or done, one word: `identify-1toN`, `consent-withdraw`."""
    outcome: str
    """How it ended: `allow`, `deny`, `require-duty`, `done`, `failed`, …"""
    client: str | None = None
    licence: str | None = None
    purpose: str | None = None
    basis: str | None = None
    """The legal basis relied on."""
    gallery: str | None = None
    jurisdictions: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    """Instrument and section: `us-il-bipa-2008#15b`."""
    policy: str | None = None
    """SHA-256 of the policies in force, hex."""
    pack: str | None = None
    """SHA-256 of the model pack, hex."""
    comparison: str | None = None
    """How templates are compared: `raw`, or the score normalisation's name, a dot, its SHA-256."""
    subjects: tuple[str, ...] = ()
    """Keyed commitments (hex), never references."""
    forgotten: tuple[str, ...] = ()
    """Keyed commitments (hex, 32 digits) of the faces that were erased: what a restored backup is
    held against."""
    records: tuple[str, ...] = ()
    """What it rests on or is about, by id alone: warrants, findings, facts, `search:7`; and the
    credential of whoever acted."""
    request: str | None = None
    of: int | None = None
    """The index of the decision that this outcome belongs to."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """How many of what: `{"faces": 2}`."""
    v: int = VERSION

    def __post_init__(self) -> None:
        if self.v != VERSION:
            raise _invalid("v", f"This version of rightface writes version {VERSION}.")
        if self.kind not in KINDS:
            raise _invalid("kind", f"It is one of: {', '.join(KINDS)}.")
        if not isinstance(self.time, datetime) or self.time.tzinfo is None:
            raise _invalid("time", "It needs a time zone.")
        object.__setattr__(self, "time", self.time.astimezone(UTC))
        for name, (pattern, longest) in _WORDS.items():
            value = getattr(self, name)
            if value is None and name not in ("operation", "outcome"):
                continue
            if not _fits(value, pattern, longest):
                raise _invalid(name, f"It must match {pattern.pattern}, at most {longest} long.")
        for name, (pattern, longest, most) in _LISTS.items():
            values = tuple(getattr(self, name))
            if len(values) > most or not all(_fits(value, pattern, longest) for value in values):
                why = f"At most {most}, each to match {pattern.pattern}, at most {longest} long."
                raise _invalid(name, why)
            object.__setattr__(self, name, values)
        self._check_numbers()

    def _check_numbers(self) -> None:
        if self.of is None and self.kind == "outcome":
            raise _invalid("of", "An outcome belongs to a decision.")
        if self.of is not None and (self.kind == "decision" or not _is_count(self.of)):
            raise _invalid("of", "It is the index of an earlier decision; a decision has none.")
        counts = dict(self.counts)
        good = all(_fits(key, _WORD, 32) and _is_count(value) for key, value in counts.items())
        if len(counts) > _COUNTS or not good:
            raise _invalid("counts", f"At most {_COUNTS} words, each with a whole number.")
        object.__setattr__(self, "counts", MappingProxyType(counts))

    def __hash__(self) -> int:
        return hash(self.canonical())

    def canonical(self) -> bytes:
        """The leaf as canonical JSON (RFC 8785): the bytes that are stored, hashed and published.

        Raises:
            LedgerError: more than 65,535 bytes, which an entry bundle cannot hold.
        """
        told: dict[str, Any] = {}
        for name in _FIELDS:
            value = getattr(self, name)
            if isinstance(value, datetime):
                value = value.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
            elif isinstance(value, Mapping):
                value = dict(value)
            if value is not None and value not in ((), {}):
                told[name] = value
        # Of ASCII names and texts without controls, and whole numbers, as all fields are, this is
        # RFC 8785's form; a test holds it against that library.
        content = json.dumps(told, sort_keys=True, separators=(",", ":")).encode("ascii")
        if len(content) > ENTRY_LIMIT:
            raise LedgerError(
                "The record is too large for the ledger.",
                why=f"It has {len(content)} bytes; the limit is {ENTRY_LIMIT}.",
            )
        return content

    @classmethod
    def parse(cls, content: bytes) -> Leaf:
        """The leaf that these bytes are the canonical form of.

        Raises:
            LedgerError: not a leaf, or not in canonical form.
        """
        try:
            told = json.loads(content)
            time = told.pop("time")
            if not isinstance(time, str) or not _TIME.fullmatch(time):
                raise _invalid("time", "It is written in UTC, to the microsecond.")
            told["time"] = datetime.fromisoformat(time)
            for name in _LISTS:
                if name in told:
                    told[name] = tuple(told[name])
            leaf = cls(**told)
        except (ValueError, TypeError, AttributeError, KeyError, RecursionError):
            raise LedgerError("The entry is not a leaf of this ledger's form.") from None
        if leaf.canonical() != content:
            raise LedgerError("The entry is not in canonical form (RFC 8785).")
        return leaf


_FIELDS = tuple(each.name for each in fields(Leaf))


def _fits(value: object, pattern: re.Pattern[str], longest: int) -> bool:
    return isinstance(value, str) and len(value) <= longest and bool(pattern.fullmatch(value))


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value <= _LARGEST


def _invalid(name: str, why: str) -> LedgerError:
    return LedgerError(f"The record's field '{name}' may not stand in the ledger.", why=why)
