"""The index against a plain NumPy oracle, over random histories (Hypothesis)."""

from __future__ import annotations

import uuid
from contextlib import ExitStack

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from rightface.gallery.exact_index import ExactIndex
from tests.conftest import Permitted

DIMENSION = 6
Vector = np.ndarray[tuple[int], np.dtype[np.float32]]
_pool = [str(uuid.uuid5(uuid.NAMESPACE_OID, str(i))) for i in range(400)]
_users = [str(uuid.uuid5(uuid.NAMESPACE_URL, str(i))) for i in range(400)]
_permitted: list[Permitted] = []


class History(RuleBasedStateMachine):
    @initialize(small=st.sampled_from([64, 100, 10_000]))
    def start(self, small: int) -> None:
        self.stack = ExitStack()
        self.permit = self.stack.enter_context(_permitted[0]("measure-accuracy"))
        self.index = ExactIndex(DIMENSION, small=small, depth=32)
        self.held: dict[str, Vector] = {}
        self.group: dict[str, str] = {}

    @rule(
        first=st.integers(0, 399),
        count=st.integers(0, 120),
        seed=st.integers(0, 99),
        few=st.booleans(),
    )
    def add(self, first: int, count: int, seed: int, few: bool) -> None:
        names = _pool[first : first + count]
        drawn = np.random.default_rng(seed).standard_normal((len(names), DIMENSION))
        vectors = (np.round(drawn) if few else drawn).astype(np.float32)  # `few`: many ties
        self.index.add(names, vectors, permit=self.permit)
        self.held.update(zip(names, vectors, strict=True))
        for name in names:
            self.group.pop(name, None)  # a face that is added is of no group

    @rule(first=st.integers(0, 399), count=st.integers(0, 200))
    def remove(self, first: int, count: int) -> None:
        names = _pool[first : first + count]
        assert self.index.remove(names) == sum(name in self.held for name in names)
        for name in names:
            self.held.pop(name, None)
            self.group.pop(name, None)

    @rule(
        first=st.integers(0, 399),
        count=st.integers(0, 300),
        seed=st.integers(0, 99),
        each=st.sampled_from([1, 3, 20, 400]),
        none=st.sampled_from([0.0, 0.3, 1.0]),
    )
    def assign(self, first: int, count: int, seed: int, each: int, none: float) -> None:
        rng, names = np.random.default_rng(seed), _pool[first : first + count]
        groups = {
            name: None if rng.random() < none else _users[rng.integers(0, 400 // each)]
            for name in names
        }
        self.index.assign(groups)
        for name, group in groups.items():
            if group is None or name not in self.held:
                self.group.pop(name, None)
            else:
                self.group[name] = group

    @rule()
    def rebuild(self) -> None:
        self.index.rebuild(permit=self.permit)

    @rule()
    def clear(self) -> None:
        self.index.clear()
        self.held.clear()
        self.group.clear()

    @rule(seed=st.integers(0, 99), k=st.integers(1, 500), few=st.booleans())
    def search(self, seed: int, k: int, few: bool) -> None:
        drawn = np.random.default_rng(seed).standard_normal(DIMENSION)
        probe = (np.round(drawn) if few else drawn).astype(np.float32)
        (hits,) = self.index.search(probe[None], k, permit=self.permit)
        scores = {name: float(vector @ probe) for name, vector in self.held.items()}
        assert len(hits) == min(k, len(scores))
        assert len({hit.id for hit in hits}) == len(hits)
        for hit, best in zip(hits, sorted(scores.values(), reverse=True), strict=False):
            assert abs(hit.score - scores[hit.id]) < 1e-5
            assert abs(hit.score - best) < 1e-5
        assert hits == sorted(hits, key=lambda hit: (-hit.score, hit.id))

    @rule(
        seed=st.integers(0, 99),
        k=st.integers(1, 500),
        few=st.booleans(),
        first=st.integers(0, 399),
        absent=st.sampled_from([0, 1, 100]),
    )
    def search_grouped(self, seed: int, k: int, few: bool, first: int, absent: int) -> None:
        drawn = np.random.default_rng(seed).standard_normal(DIMENSION)
        probe = (np.round(drawn) if few else drawn).astype(np.float32)
        without = set(_pool[first : first + absent])
        (hits,) = self.index.search_grouped(probe[None], k, without=without, permit=self.permit)
        scores = {
            name: float(self.held[name] @ probe) for name in self.group if name not in without
        }
        best: dict[str, float] = {}
        for name, score in scores.items():
            best[self.group[name]] = max(best.get(self.group[name], score), score)
        assert len(hits) == min(k, len(best))
        assert len({hit.group for hit in hits}) == len(hits)
        for hit, score in zip(hits, sorted(best.values(), reverse=True), strict=False):
            assert self.group[hit.id] == hit.group
            assert hit.id not in without
            assert abs(hit.score - scores[hit.id]) < 1e-5
            assert abs(hit.score - best[hit.group]) < 1e-5
            assert abs(hit.score - score) < 1e-5
        assert hits == sorted(hits, key=lambda hit: (-hit.score, hit.group))

    @invariant()
    def knows_what_it_holds(self) -> None:
        if hasattr(self, "held"):
            assert len(self.index) == len(self.held)
            for name in _pool[::37]:
                assert (name in self.index) == (name in self.held)

    def teardown(self) -> None:
        if hasattr(self, "stack"):
            self.stack.close()


History.TestCase.settings = settings(
    max_examples=40,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


def test_any_history(permitted: Permitted) -> None:
    _permitted[:] = [permitted]
    from hypothesis.stateful import run_state_machine_as_test

    run_state_machine_as_test(History, settings=History.TestCase.settings)


@pytest.mark.parametrize("cap", [64, 65, 128])
def test_at_the_border_of_learning(permitted: Permitted, cap: int) -> None:
    names = _pool[:cap]
    vectors = np.random.default_rng(cap).standard_normal((cap, 3)).astype(np.float32)
    index = ExactIndex(3, small=64, depth=8)
    with permitted("measure-accuracy") as permit:
        index.add(names, vectors, permit=permit)
        (hits,) = index.search(vectors[:1], cap + 5, permit=permit)
    assert len(hits) == cap
