"""Attempts to get at a permit without the gate, or to stretch one that it gave."""

from __future__ import annotations

import copy
import pickle
import re
import threading
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

import rightface
from rightface.errors import PermitError
from rightface.law import gate as gate_module
from rightface.law.gate import Gate
from rightface.law.operation import Party
from rightface.law.touches import TOUCHES
from rightface.permit import Mint, Permit, Touch, require, take_mint
from tests.law.conftest import Instance, operation

SOURCE = Path(rightface.__file__).parent


@pytest.fixture
def permit(instance: Instance) -> Permit:
    return instance.allowed(operation(instance.licence()))


def test_only_the_gate_takes_the_mint() -> None:
    users = {
        path.relative_to(SOURCE).as_posix()
        for path in SOURCE.rglob("*.py")
        if re.search(r"\btake_mint\b|\bMint\b|_mint\b|\b_genuine\b|\b_secret\b", path.read_text())
    }
    assert users == {"law/gate.py", "permit.py"}


def test_the_mint_is_taken() -> None:
    with pytest.raises(PermitError, match="taken"):
        take_mint()


def test_a_permit_cannot_be_constructed() -> None:
    with pytest.raises(PermitError):
        Permit()
    with pytest.raises(PermitError):
        Permit("id", "digest", "identify-1toN")


def test_an_empty_permit_is_forged() -> None:
    forged = object.__new__(Permit)
    with pytest.raises(PermitError, match="forged"):
        forged.check(Touch.SEARCH)
    with pytest.raises(PermitError, match="forged"), forged.exercise(SimpleNamespace(digest="")):
        pass


def test_a_permit_filled_in_from_a_genuine_one_is_forged(
    instance: Instance, permit: Permit
) -> None:
    forged = object.__new__(Permit)
    for name in Permit.__slots__:
        if name != "__weakref__":
            object.__setattr__(forged, name, getattr(permit, name))
    asked = instance.recorded[0][0]
    with pytest.raises(PermitError, match="forged"), forged.exercise(asked):
        pass


def test_a_second_mint_makes_nothing_without_its_own_key(instance: Instance) -> None:
    asked = operation(instance.licence())
    forged = Mint(b"another key").issue(
        operation=asked,
        action=asked.action,
        client="acme",
        ledger_index=0,
        touches=frozenset(Touch),
    )
    with pytest.raises(PermitError, match="forged"), forged.exercise(asked):
        pass
    sources = [path for path in SOURCE.rglob("*.py") if path.name != "permit.py"]
    assert not [path for path in sources if "Mint(" in path.read_text()]
    assert isinstance(gate_module._mint, Mint)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("action", "enroll"),
        ("client", "mallory"),
        ("touches", frozenset(Touch)),
        ("operation_digest", "0" * 64),
        ("ledger_index", 999),
        ("obligations", ()),
        ("_expires", 1e18),
        ("permit_id", "0" * 32),
    ],
)
def test_a_changed_permit_is_forged(
    instance: Instance, permit: Permit, name: str, value: object
) -> None:
    with pytest.raises(PermitError, match="cannot be changed"):
        setattr(permit, name, value)
    changed = getattr(permit, name) != value
    object.__setattr__(permit, name, value)
    if changed:
        asked = instance.recorded[0][0]
        with pytest.raises(PermitError), permit.exercise(asked):
            pass


def test_a_permit_cannot_be_copied_or_sent_away(permit: Permit) -> None:
    for attempt in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(PermitError):
            attempt(permit)
    with pytest.raises(PermitError):
        del permit.action


@pytest.mark.parametrize(
    "changed",
    [
        {"action": "enroll"},
        {"gallery": "staff-2"},
        {"purpose": "attendance"},
        {"client": "other"},
        {"subjects": ("somebody",)},
        {"request_id": "request-2"},
        {"place_jurisdiction": "US-IL"},
        {"realtime": True},
        {"conditions": {"consent": True}},
        {"parties": (Party("Metro PD", "school"),)},
        {"licence_id": "lic-1"},
    ],
)
def test_a_permit_serves_no_other_operation(
    instance: Instance, permit: Permit, changed: dict[str, object]
) -> None:
    asked = instance.recorded[0][0]
    other = replace(asked, **changed)  # type: ignore[arg-type]
    with pytest.raises(PermitError, match="another operation"), permit.exercise(other):
        pass
    with permit.exercise(asked):
        permit.check(Touch.SEARCH)


def test_a_permit_opens_once(instance: Instance, permit: Permit) -> None:
    asked = instance.recorded[0][0]
    with permit.exercise(asked):
        permit.check(Touch.SEARCH)
        with pytest.raises(PermitError, match="used before"), permit.exercise(asked):
            pass
    with pytest.raises(PermitError, match="spent"):
        permit.check(Touch.SEARCH)
    with pytest.raises(PermitError, match="used before"), permit.exercise(asked):
        pass


def test_a_permit_is_spent_by_a_failure_too(instance: Instance, permit: Permit) -> None:
    asked = instance.recorded[0][0]
    with pytest.raises(ValueError, match="broken"), permit.exercise(asked):
        raise ValueError("broken")
    with pytest.raises(PermitError, match="used before"), permit.exercise(asked):
        pass


def test_a_spent_permit_cannot_be_set_back(instance: Instance, permit: Permit) -> None:
    asked = instance.recorded[0][0]
    with permit.exercise(asked):
        pass
    for name in ("_state", "state"):
        with pytest.raises(AttributeError):
            object.__setattr__(permit, name, "issued")
    with pytest.raises(PermitError, match="spent"):
        permit.check(Touch.SEARCH)


def test_a_permit_opens_once_however_many_try_at_a_time(instance: Instance) -> None:
    asked = operation(instance.licence())
    permit = instance.allowed(asked)
    opened, start = [], threading.Barrier(8)

    def attempt() -> None:
        start.wait()
        try:
            with permit.exercise(asked):
                opened.append(True)
                time.sleep(0.01)
        except PermitError:
            pass

    threads = [threading.Thread(target=attempt) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(opened) == 1


def test_an_unopened_permit_lets_nobody_through(permit: Permit) -> None:
    with pytest.raises(PermitError, match="issued"):
        permit.check(Touch.SEARCH)


def test_a_permit_does_not_outlive_its_time(
    instance: Instance, permit: Permit, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = instance.recorded[0][0]
    with permit.exercise(asked):
        permit.check(Touch.SEARCH)
        late = time.monotonic() + 121
        monkeypatch.setattr("rightface.permit.time.monotonic", lambda: late)
        with pytest.raises(PermitError, match="expired"):
            permit.check(Touch.SEARCH)


def test_a_permit_covers_its_touches_only(instance: Instance, permit: Permit) -> None:
    asked = instance.recorded[0][0]
    with permit.exercise(asked):
        for touch in Touch:
            if touch in TOUCHES["identify-1toN"]:
                permit.check(touch)
            else:
                with pytest.raises(PermitError, match="does not cover"):
                    permit.check(touch)


@pytest.mark.parametrize("thing", [None, True, "permit", object(), SimpleNamespace(check=print)])
def test_things_that_are_no_permit(thing: object) -> None:
    with pytest.raises(PermitError, match="needs a permit"):
        require(thing, Touch.DETECT)


def test_a_subclass_is_no_permit() -> None:
    class Generous(Permit):
        __slots__ = ()

        def check(self, touch: Touch) -> None:
            return None

    with pytest.raises(PermitError, match="needs a permit"):
        require(object.__new__(Generous), Touch.DETECT)


def test_an_operation_changed_after_the_decision_is_another(instance: Instance) -> None:
    asked = operation(instance.licence())
    permit = instance.allowed(asked)
    object.__setattr__(asked, "gallery", "visitors")
    with pytest.raises(PermitError, match="another operation"), permit.exercise(asked):
        pass


def test_a_gate_that_records_nothing_still_needs_an_index(instance: Instance) -> None:
    asked = operation(instance.licence())
    lazy = Gate(
        instance.database,
        instance.keyring,
        instance.library,
        lambda asked, judged: None,  # type: ignore[arg-type,return-value]
        lambda: (),
        lambda: instance.now,
    )
    with pytest.raises(Exception, match="no place in the ledger"):
        lazy.decide(asked)


def test_the_table_of_touches() -> None:
    told = {action: " ".join(sorted(touches)) for action, touches in TOUCHES.items()}
    assert told == {
        "detect": "detect",
        "verify-1to1": "compare detect template",
        "identify-1toN": "detect open read search template",
        "identify-live": "detect open read search template",
        "enroll": "compare detect index open read store template",
        "erase": "erase read",
        "manage-gallery": "read",
        "rebuild-index": "index open read",
        "measure-accuracy": "compare detect index search template",
    }
