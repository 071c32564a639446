"""Invariant 1: no operation without a permit, and only the gate makes one."""

from __future__ import annotations

import ast
import copy
import importlib
import inspect
import pickle
import pkgutil
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import rightface.assay
import rightface.faces
import rightface.gallery
from instance import TemporaryInstance
from rightface import permit as permits
from rightface.errors import PermitError
from rightface.law.operation import Operation
from rightface.permit import Permit, Touch

SOURCE = Path(rightface.__file__).parent
# What an annotation looks like that lets a face or a template through a public door.
TOUCHING = re.compile(r"\b(Template|Templates|Vector|Vectors|Pixels|SealedTemplate|NewFace|Face)\b")
PIXELS_ONLY = {"decode"}  # makes pixels of bytes; knows of no face
FIGURES_ONLY = {"searches", "searched_groups"}  # tables of what searches came to
PERMITS = {"permit", "permits", "permitted"}  # one, one after another, or how to ask for them
ARITHMETIC = {
    "crowd": "Normalisation",
    "probe_vectors": "Normalisation",
    "reference_vectors": "Normalisation",
    "raw": "equalise_variants",
}
"""Sums over templates that somebody else holds: these ask nobody, so who may call them is told."""
HOLDERS = {"faces/normalisation.py", "faces/packs.py", "assay/equalise_variants.py"}
"""`packs` asks first; the variants are called by whoever fits or judges them, under a permit."""
REQUIRES = {"require", "require_step"}
FORGETTING = {"remove", "forget", "forget_collection", "clear"}


def _public(module: ModuleType) -> Iterator[tuple[str, Any]]:
    for name, value in vars(module).items():
        if name.startswith("_") or getattr(value, "__module__", "") != module.__name__:
            continue
        if inspect.isfunction(value):
            yield name, value
        elif inspect.isclass(value) and not issubclass(value, Exception):
            for inner, method in vars(value).items():
                if inspect.isfunction(method) and not inner.startswith("_"):
                    yield f"{name}.{inner}", method


def _rooms() -> list[ModuleType]:
    found = []
    for room in (rightface.faces, rightface.gallery, rightface.assay):
        for each in pkgutil.walk_packages(room.__path__, f"{room.__name__}."):
            found.append(importlib.import_module(each.name))
    return found


def _touches(name: str, function: Any) -> bool:
    signature = inspect.signature(function)
    told = " ".join(str(p.annotation) for p in signature.parameters.values())
    told += f" {signature.return_annotation}"
    named = name.rsplit(".", maxsplit=1)[-1]
    if named in FORGETTING or name in PIXELS_ONLY | FIGURES_ONLY:
        return False
    return bool(TOUCHING.search(told)) or named.startswith(("erase_", "search"))


def _is_arithmetic(module: ModuleType, name: str) -> bool:
    where, _, what = f"{module.__name__}.{name}".rpartition(".")
    return ARITHMETIC.get(what) == where.rpartition(".")[2]


DOORS = sorted(
    (f"{module.__name__.removeprefix('rightface.')}:{name}", function)
    for module in _rooms()
    for name, function in _public(module)
    if _touches(name, function) and not _is_arithmetic(module, name)
)


@pytest.mark.parametrize(("name", "door"), DOORS, ids=[name for name, _ in DOORS])
def test_every_door_that_a_face_goes_through_checks_its_permit(name: str, door: Any) -> None:
    signature = inspect.signature(door)
    assert PERMITS & set(signature.parameters), "it asks for no permit"
    body = ast.parse(textwrap.dedent(inspect.getsource(door))).body[0]
    assert isinstance(body, ast.FunctionDef)
    calls = [node for node in ast.walk(body) if isinstance(node, ast.Call)]
    required = any(getattr(call.func, "id", "") in REQUIRES for call in calls)
    handed_on = any(
        keyword.arg in PERMITS or getattr(keyword.value, "id", "") in PERMITS
        for call in calls
        for keyword in call.keywords
    )
    protocol = "Protocol" in [base.__name__ for base in _owner(door).__mro__]
    assert required or handed_on or protocol, "it takes a permit and does not look at it"


def _owner(door: Any) -> type:
    module = inspect.getmodule(door)
    owner = vars(module).get(door.__qualname__.split(".")[0], object)
    return owner if inspect.isclass(owner) else object


def test_the_list_of_doors_is_not_empty() -> None:
    names = {name for name, _ in DOORS}
    assert {
        "faces.engine:Engine.analyze",
        "faces.detector:Detector.detect",
        "faces.embedder:Embedder.templates",
        "gallery.vault:Vault.open_template",
        "gallery.store:Store.insert_faces",
        "gallery.exact_index:ExactIndex.search",
        "gallery.erasure:erase_subject",
        "assay.comparisons:compare_all",
        "assay.equalise:fit",
        "assay.studies.searching:search",
    } <= names


def test_sums_over_templates_are_done_only_by_those_who_asked() -> None:
    """`pack.probe_vectors` asks; only `normalisation.probe_vectors` does not."""
    callers = set()
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            unasked = not any(keyword.arg == "permit" for keyword in node.keywords)
            if ARITHMETIC.get(node.func.attr) == "Normalisation" and unasked:
                callers.add(str(path.relative_to(SOURCE)))
    assert callers == HOLDERS


@pytest.mark.parametrize("method", ["probe_vectors", "reference_vectors"])
def test_a_pack_asks_before_it_normalises(licensed: TemporaryInstance, method: str) -> None:
    templates = np.zeros((1, 128), np.float32)
    with licensed.permitted("rebuild-index") as permit:
        getattr(licensed.instance.pack, method)(templates, permit=permit)
    with pytest.raises(PermitError, match="spent"):
        getattr(licensed.instance.pack, method)(templates, permit=permit)


def test_only_the_gate_takes_the_mint() -> None:
    takers = [
        str(path.relative_to(SOURCE))
        for path in SOURCE.rglob("*.py")
        if re.search(r"\btake_mint\b|\bMint\b|permit\._", path.read_text("utf-8"))
    ]
    assert sorted(takers) == ["law/gate.py", "permit.py"]
    with pytest.raises(PermitError, match="taken"):
        permits.take_mint()


def test_no_test_and_no_benchmark_has_a_door_of_its_own() -> None:
    root = SOURCE.parents[1]
    here = Path(__file__)
    for folder in ("tests", "benchmarks"):
        for path in (root / folder).rglob("*.py"):
            if path != here and "law" not in path.parts:  # the law's tests try to break in
                assert "take_mint" not in path.read_text("utf-8"), path


@pytest.mark.parametrize("forged", [None, True, object(), "permit", Touch.DETECT])
def test_nothing_else_passes_for_a_permit(licensed: TemporaryInstance, forged: Any) -> None:
    pixels = np.zeros((64, 64, 3), np.uint8)
    with pytest.raises(PermitError):
        licensed.instance.engine.analyze([pixels], permit=forged)
    with pytest.raises(PermitError):
        licensed.instance.pack.probe_vectors(np.zeros((1, 128), np.float32), permit=forged)


def test_a_permit_made_by_hand_is_forged(licensed: TemporaryInstance) -> None:
    with pytest.raises(PermitError, match="cannot be constructed"):
        Permit()
    with licensed.permitted("detect") as genuine:
        forged = object.__new__(Permit)
        for name in Permit.__slots__:
            if name != "__weakref__":
                object.__setattr__(forged, name, getattr(genuine, name))
        genuine.check(Touch.DETECT)
        with pytest.raises(PermitError, match="forged"):
            forged.check(Touch.DETECT)
        for way in (copy.copy, copy.deepcopy, pickle.dumps):
            with pytest.raises(PermitError):
                way(genuine)


def test_a_permit_that_was_widened_is_forged(licensed: TemporaryInstance) -> None:
    with licensed.permitted("detect") as permit:
        with pytest.raises(PermitError, match="changed"):
            permit.touches = frozenset(Touch)
        object.__setattr__(permit, "touches", frozenset(Touch))
        with pytest.raises(PermitError, match="forged"):
            permit.check(Touch.STORE)


def test_a_permit_covers_only_its_touches_and_only_once(licensed: TemporaryInstance) -> None:
    with licensed.permitted("detect") as permit:
        permit.check(Touch.DETECT)
        with pytest.raises(PermitError, match="does not cover"):
            permit.check(Touch.TEMPLATE)
    with pytest.raises(PermitError, match="spent"):
        permit.check(Touch.DETECT)


def test_a_permit_is_for_its_operation_and_spent_after_it(licensed: TemporaryInstance) -> None:
    instance = licensed.instance
    asked = instance.own_operation("rebuild-index")
    answer = instance.gate.decide(asked)
    assert isinstance(answer, Permit)
    other = Operation(**{**_fields(asked), "gallery": "another"})
    with pytest.raises(PermitError, match="another operation"), answer.exercise(other):
        pass
    with pytest.raises(PermitError, match="issued"):
        answer.check(Touch.OPEN)
    with answer.exercise(asked):
        answer.check(Touch.OPEN)
    with pytest.raises(PermitError, match="used before"), answer.exercise(asked):
        pass


def _fields(operation: Operation) -> dict[str, Any]:
    return {name: getattr(operation, name) for name in operation.__dataclass_fields__}
