"""Every act that the code records is a word of the one table, and every word of it is recorded."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

import rightface
from instance import TemporaryInstance
from rightface.act_words import ACTS
from rightface.errors import LedgerError
from rightface.ledger.leaf import Leaf
from rightface.replay import _Plan

SOURCE = Path(rightface.__file__).parent
RECORDERS = {"record_act", "_act", "_record", "_record_attester"}
"""What the desks call to record an act: `record_act`, or their own way to it."""
WORD = re.compile(r"[a-z]+(-[a-z]+)*")
WRITERS = {"instance.py", "review_leaves.py"}
"""The modules that make a leaf of an act; all others call them."""


def trees() -> dict[Path, ast.Module]:
    return {path: ast.parse(path.read_text("utf-8")) for path in SOURCE.rglob("*.py")}


def constants(tree: ast.Module) -> dict[str, str]:
    """The module's own names of a word: `BACKUP = "backup"`."""
    return {
        target.id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def words_in(argument: ast.expr, known: dict[str, str]) -> list[str]:
    if isinstance(argument, ast.IfExp):
        return [*words_in(argument.body, known), *words_in(argument.orelse, known)]
    told = known.get(argument.id) if isinstance(argument, ast.Name) else None
    if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
        told = argument.value
    return [told] if told is not None and WORD.fullmatch(told) else []


def recorded() -> Iterator[str]:
    everywhere = {name: word for tree in trees().values() for name, word in constants(tree).items()}
    for tree in trees().values():
        known = everywhere | constants(tree)
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call):
                continue
            called = node.func
            name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
            if name in RECORDERS:
                found = [words for each in node.args if (words := words_in(each, known))]
                yield from found[0] if found else ()  # the first is the act


def test_the_table_holds_what_the_code_records_and_nothing_else() -> None:
    assert set(recorded()) == set(ACTS)


def test_acts_are_written_in_two_places_only() -> None:
    found = {path.name for path in trees() if 'kind="act"' in path.read_text("utf-8")}
    assert found == WRITERS


@pytest.mark.parametrize("word", sorted(ACTS))
def test_no_act_of_ours_needs_to_be_confirmed_at_a_restore(word: str) -> None:
    leaf = Leaf(time=datetime.now(UTC), kind="act", operation=word, outcome="done")
    plan = _Plan.of(7, [leaf.canonical()])
    assert not plan.unknown
    told = {"again": len(plan.acts), "lost": plan.lost[word]}
    assert told == {each: int(ACTS[word].replayed == each) for each in told}


def test_another_word_is_not_recorded(fresh: TemporaryInstance) -> None:
    with pytest.raises(LedgerError, match="no act"):
        fresh.instance.database.write(
            lambda session: fresh.instance.record_act(session, "something-new")
        )
