"""Cedar: the rules in force, compiled, and what they say of a request.

A rule whose evaluation fails counts as one that forbids: Cedar itself would skip it. Knows no
instrument and no date; it is given rules.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

import cedarpy

from rightface.law.rule import Rule
from rightface.law.schema import entities
from rightface.law.vocabulary import Fact

_BASE = "gate#licensed"


@dataclass(frozen=True)
class Said:
    """What the rules say of one actor's request."""

    fired: tuple[Rule, ...]
    """The rules that forbid, ask for a duty or set an obligation."""
    broken: tuple[str, ...]
    """The keys of rules that could not be evaluated; '' where not even that is known."""
    permitted: bool
    """Whether the base permission holds and nothing forbids."""


class RuleSet:
    """Some rules, compiled once, evaluated often. Thread-safe."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.rules = tuple(rules)
        self.instruments = tuple(dict.fromkeys(rule.instrument for rule in rules))
        told = {_BASE: _base(), **{rule.key: json.loads(rule.policy) for rule in rules}}
        text = json.dumps(
            {"staticPolicies": told, "templates": {}, "templateLinks": []}, sort_keys=True
        )
        self.digest = hashlib.sha256(text.encode()).hexdigest()
        self._compiled = cedarpy.PolicySet.from_json_str(text)
        self._by_key = {rule.key: rule for rule in rules}
        self._needed = sorted({"licensed"}.union(*(rule.attributes for rule in rules)))

    def ask(
        self, actors: Sequence[str], action: str, place: str, facts: Mapping[str, Fact]
    ) -> list[Said]:
        """What the rules say of `action` in `place` by each of `actors`, given the facts."""
        context = json.dumps({name: facts[name] for name in self._needed if name in facts})
        requests = [
            {
                "principal": {"type": "Actor", "id": actor},
                "action": {"type": "Action", "id": action},
                "resource": {"type": "Place", "id": place},
                "context": context,
            }
            for actor in actors
        ]
        answers = cedarpy.is_authorized_batch(requests, self._compiled, entities())
        return [self._said(answer) for answer in answers]

    def _said(self, answer: Any) -> Said:
        reasons: list[str] = answer.diagnostics.reasons
        errors: list[str] = answer.diagnostics.errors
        fired = tuple(rule for rule in self.rules if rule.key in reasons)
        return Said(
            fired=fired,
            broken=tuple(self._blamed(error) for error in errors),
            permitted=answer.allowed and _BASE in reasons and not errors,
        )

    def _blamed(self, error: str) -> str:
        return next((key for key in self._by_key if f"`{key}`" in error), "")


@lru_cache(maxsize=1)
def _base() -> Any:
    text = files("rightface.law").joinpath("base.cedar").read_text("utf-8")
    return json.loads(cedarpy.policies_to_json_str(text))["staticPolicies"]["policy0"]
