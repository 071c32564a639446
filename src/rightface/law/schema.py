"""The Cedar schema that every policy is checked against, made from the vocabulary.

`schema.cedarschema` beside this file is its text for readers; a test holds that they agree. What
the words mean is in `vocabulary.toml`.
"""

from __future__ import annotations

import json
from functools import lru_cache

from cedarpy import Entities, Schema

from rightface.law.vocabulary import Condition, Kind, Vocabulary

_TYPES: dict[Kind, str] = {
    "bool": "Bool",
    "int": "Long",
    "duties": "Set<String>",
    "facts": "Set<String>",
}


def schema_text(words: Vocabulary) -> str:
    """The schema as Cedar writes it: an Actor does an Action in a Place, given Facts."""
    facts = "\n".join(
        f"  {name}: {_TYPES.get(condition.kind, 'String')}," for name, condition in _sorted(words)
    )
    actions = ",\n  ".join(f'"{name}"' for name in words.operations)
    return (
        "// Made from vocabulary.toml by rightface.law.schema.\n"
        "entity Group in [Group];\n"
        "entity Actor in [Group];\n"
        "entity Place;\n\n"
        f"type Facts = {{\n{facts}\n}};\n\n"
        f"action\n  {actions}\n"
        "appliesTo {\n  principal: [Actor],\n  resource: [Place],\n  context: Facts,\n};\n"
    )


@lru_cache(maxsize=1)
def schema() -> Schema:
    """The schema, parsed once."""
    return Schema.from_str(schema_text(Vocabulary.load()))


@lru_cache(maxsize=1)
def entities() -> Entities:
    """All actors and groups, and what lies in what; parsed once."""
    words = Vocabulary.load()
    told = [_entity("Group", name, within) for name, within in words.groups.items()]
    told += [_entity("Actor", name, actor.groups) for name, actor in words.actors.items()]
    return Entities.from_json_str(json.dumps(told))


def _entity(kind: str, name: str, groups: tuple[str, ...]) -> dict[str, object]:
    return {
        "uid": {"type": kind, "id": name},
        "attrs": {},
        "parents": [{"type": "Group", "id": group} for group in groups],
    }


def _sorted(words: Vocabulary) -> list[tuple[str, Condition]]:
    return sorted(words.conditions.items())
