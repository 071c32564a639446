"""What findings rest on: whether evidence is independent of a match, or follows from it.

A match is only a lead, and so is everything that was found because of it. A finding one of whose
ancestors is a search is derived from the match, however long the chain; one without is independent.
What a finding is called decides nothing. How findings are kept: `findings.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from types import MappingProxyType

SEARCH = "search:"
"""The prefix of a citation of this client's own search, by the index of its decision."""
NONE, DERIVED, INDEPENDENT = "none", "derived-from-match", "independent"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something found in a case."""

    finding_id: str
    client: str
    kind: str
    """A word of the vocabulary's findings."""
    parents: tuple[str, ...]
    """What it was derived from: findings by their ids, searches as `search:INDEX`."""
    document_digest: str
    """Hex SHA-256 of the document that shows it."""
    found_at: datetime
    recorded_at: datetime


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """What an operation cites, and all that is on record of it for this client."""

    cited: tuple[str, ...] = ()
    findings: Mapping[str, Finding] = field(default_factory=lambda: MappingProxyType({}))
    """The findings cited and their ancestors, by id, as far as they are on record."""
    searches: frozenset[str] = frozenset()
    """The searches among them, as `search:INDEX`, that were permitted identifications."""

    @cached_property
    def origin(self) -> Mapping[str, str]:
        """Of each finding on record whose chain is whole: derived or independent."""
        children: dict[str, list[str]] = {}
        open_: dict[str, int] = {}
        for name, finding in self.findings.items():
            within = {parent for parent in finding.parents if parent in self.findings}
            open_[name] = len(within)
            for parent in within:
                children.setdefault(parent, []).append(name)
        found: dict[str, str | None] = {}
        ready = [name for name, parents in open_.items() if not parents]
        for name in ready:  # grows: a finding is ready once all of its parents are judged
            found[name] = self._of(self.findings[name].parents, found)
            for child in children.get(name, ()):
                open_[child] -= 1
                if not open_[child]:
                    ready.append(child)
        # What has a gap, or rests on itself (which no honest record can), is judged by nobody.
        return MappingProxyType({name: how for name, how in found.items() if how is not None})

    def _of(self, parents: tuple[str, ...], found: Mapping[str, str | None]) -> str | None:
        known = [DERIVED if each in self.searches else found.get(each) for each in parents]
        if None in known:
            return None
        return DERIVED if DERIVED in known else INDEPENDENT

    @cached_property
    def unknown(self) -> tuple[str, ...]:
        """The citations that are not on record for this client, or whose chain has a gap."""
        return tuple(
            each
            for each in dict.fromkeys(self.cited)
            if each not in self.searches and self.origin.get(each) is None
        )

    @cached_property
    def known(self) -> tuple[str, ...]:
        """The citations that are on record for this client, each once."""
        gone = set(self.unknown)
        return tuple(each for each in dict.fromkeys(self.cited) if each not in gone)

    @cached_property
    def other_evidence(self) -> str | None:
        """What the findings cited amount to besides the match; None: nothing is cited."""
        if not self.cited:
            return None
        amounts = {self.origin.get(each) for each in self.cited if each not in self.searches}
        return next((word for word in (INDEPENDENT, DERIVED) if word in amounts), NONE)
