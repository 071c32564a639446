"""Cedar: the rules in force, compiled, and what they say of a request.

A rule whose evaluation fails counts as one that forbids: Cedar itself would skip it. Knows no
instrument and no date; it is given rules.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any, NamedTuple

import cedarpy

from rightface.law.rule import Rule
from rightface.law.schema import entities
from rightface.law.vocabulary import Fact

_BASE = "gate#licensed"
_KEPT = 256
"""Questions whose answers are remembered, of one set of rules."""
_Asked = tuple[str, str, str, str]
"""Actor, action, place, and the facts as JSON."""


class _Compiled(NamedTuple):
    rules: tuple[Rule, ...]
    policies: cedarpy.PolicySet
    needed: list[str]
    """The conditions that any of the rules looks at."""


@dataclass(frozen=True)
class Said:
    """What the rules say of one actor's request."""

    fired: tuple[Rule, ...]
    """The rules that forbid, ask for a duty or set an obligation."""
    broken: tuple[str, ...]
    """The keys of rules that could not be evaluated; '' where not even that is known."""
    permitted: bool
    """Whether the base permission holds and nothing forbids."""

    @property
    def is_clear(self) -> bool:
        """Whether it is a yes or a no with its rules, and no rule failed."""
        return not self.broken and (self.permitted or bool(self.fired))


class RuleSet:
    """Some rules, evaluated often. Thread-safe.

    Each operation is judged by the rules whose policy's head admits it; they are compiled when it
    is first asked about. Cedar would skip the others, only more slowly.
    """

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.rules = tuple(rules)
        self.instruments = tuple(dict.fromkeys(rule.instrument for rule in rules))
        text = _policy_set(rules)
        self.digest = hashlib.sha256(text.encode()).hexdigest()
        self._by_action: dict[str, _Compiled] = {}
        self._known: dict[_Asked, Said] = {}
        self._lock = threading.Lock()

    def ask(
        self, actors: Sequence[str], action: str, place: str, facts: Mapping[str, Fact]
    ) -> list[Said]:
        """What the rules say of `action` in `place` by each of `actors`, given the facts."""
        compiled = self._compiled(action)
        context = json.dumps({name: facts[name] for name in compiled.needed if name in facts})
        asked = [(actor, action, place, context) for actor in actors]
        known = {each: found for each in asked if (found := self._known.get(each)) is not None}
        new = [each for each in dict.fromkeys(asked) if each not in known]
        if new:
            answers = cedarpy.is_authorized_batch(
                [_request(*each) for each in new], compiled.policies, entities()
            )
            for each, answer in zip(new, answers, strict=True):
                known[each] = _said(compiled.rules, answer)
            self._remember({each: known[each] for each in new if known[each].is_clear})
        return [known[each] for each in asked]

    def _remember(self, found: Mapping[_Asked, Said]) -> None:
        # The rules never change, and look at nothing but the question: the same one has the same
        # answer. A client's searches of one gallery are mostly the same question.
        with self._lock:
            self._known.update(found)
            while len(self._known) > _KEPT:
                del self._known[next(iter(self._known))]

    def _compiled(self, action: str) -> _Compiled:
        found = self._by_action.get(action)
        if found is None:
            rules = tuple(r for r in self.rules if r.actions is None or action in r.actions)
            found = _Compiled(
                rules=rules,
                policies=cedarpy.PolicySet.from_json_str(_policy_set(rules)),
                needed=sorted({"licensed"}.union(*(rule.attributes for rule in rules))),
            )
            self._by_action[action] = found  # two threads may both compile: the same
        return found


def _policy_set(rules: Sequence[Rule]) -> str:
    told = {_BASE: _base(), **{rule.key: json.loads(rule.policy) for rule in rules}}
    return json.dumps(
        {"staticPolicies": told, "templates": {}, "templateLinks": []}, sort_keys=True
    )


def _request(actor: str, action: str, place: str, context: str) -> dict[str, Any]:
    return {
        "principal": {"type": "Actor", "id": actor},
        "action": {"type": "Action", "id": action},
        "resource": {"type": "Place", "id": place},
        "context": context,
    }


def _said(rules: tuple[Rule, ...], answer: Any) -> Said:
    reasons: list[str] = answer.diagnostics.reasons
    errors: list[str] = answer.diagnostics.errors
    return Said(
        fired=tuple(rule for rule in rules if rule.key in reasons),
        broken=tuple(_blamed(rules, error) for error in errors),
        permitted=answer.allowed and _BASE in reasons and not errors,
    )


def _blamed(rules: tuple[Rule, ...], error: str) -> str:
    return next((rule.key for rule in rules if f"`{rule.key}`" in error), "")


@lru_cache(maxsize=1)
def _base() -> Any:
    text = files("rightface.law").joinpath("base.cedar").read_text("utf-8")
    return json.loads(cedarpy.policies_to_json_str(text))["staticPolicies"]["policy0"]
