"""Published checklists: what a fact must be measured by before a rule may rely on it.

A checklist is a file of `checklists/`, in plain sentences with sources. Its digest is the SHA-256
of the file, so that `sha256sum` finds the same. Knows nothing of attesters or facts.
"""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

from rightface.errors import LawError

_ITEM = frozenset({"id", "question", "source", "c"})


@dataclass(frozen=True, kw_only=True)
class Item:
    """One question that has to be answered yes, with a reason."""

    item_id: str
    question: str
    source: str
    confidence: str
    """How the source is known: `seen` or `recalled`."""


@dataclass(frozen=True, kw_only=True)
class Checklist:
    """A published list of questions."""

    name: str
    title: str
    about: str
    digest: str
    """Hex SHA-256 of the published file."""
    items: tuple[Item, ...]


def checklist_names() -> tuple[str, ...]:
    """The names of all published checklists, in order."""
    folder = files("rightface.law") / "checklists"
    found = (entry.name for entry in folder.iterdir() if entry.name.endswith(".toml"))
    return tuple(sorted(name.removesuffix(".toml") for name in found))


@lru_cache(maxsize=16)
def checklist(name: str) -> Checklist:
    """The checklist of that name, as published today.

    Raises:
        LawError: there is none, or its file is damaged.
    """
    known = checklist_names()
    if name not in known:
        raise LawError("There is no checklist of that name.", why=f"Known: {', '.join(known)}.")
    content = (files("rightface.law") / "checklists" / f"{name}.toml").read_bytes()
    try:
        told = tomllib.loads(content.decode("utf-8"))
        items = tuple(_item(each) for each in told["items"])
        found = Checklist(
            name=told["name"],
            title=told["title"],
            about=told["about"],
            digest=hashlib.sha256(content).hexdigest(),
            items=items,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(name, f"{type(error).__name__}: {error}") from error
    if found.name != name or len({each.item_id for each in items}) != len(items) or not items:
        raise _damaged(name, "It has another name, no items, or an item twice.")
    return found


def _item(told: dict[str, Any]) -> Item:
    if set(told) != _ITEM or told["c"] not in ("seen", "recalled"):
        raise ValueError("an item has id, question, source and c (seen or recalled)")
    if not all(isinstance(value, str) and value for value in told.values()):
        raise ValueError("an item's fields are text")
    return Item(
        item_id=told["id"], question=told["question"], source=told["source"], confidence=told["c"]
    )


def _damaged(name: str, why: str) -> LawError:
    return LawError(f"The checklist '{name}' is damaged.", why=why, mend="Install rightface again.")
