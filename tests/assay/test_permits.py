"""Work that outlasts a permit: on a slow machine every step is permitted; a no stops it cleanly."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rightface.assay import blocks, equalise, identification, stress
from rightface.assay.comparisons import Comparisons, compare_all
from rightface.assay.counts import Axis
from rightface.assay.false_matches import FalseMatches
from rightface.assay.identification import search_all
from rightface.assay.operating import Threshold
from rightface.assay.permits import Renewed, require_step, step_beside
from rightface.assay.service_pairs import plan_pairs
from rightface.assay.stress import ComparedAgain, Unchanged
from rightface.assay.studies import searching
from rightface.errors import PermitError, Refused
from rightface.permit import Permit, Touch
from tests.assay import crowds
from tests.assay.clocks import LONG, SHORT, SlowMachine
from tests.assay.test_through_api import Alphabetical, asked, stated
from tests.conftest import Permitted


@pytest.fixture
def slow(permitted: Permitted, monkeypatch: pytest.MonkeyPatch) -> SlowMachine:
    return SlowMachine(permitted, monkeypatch)


def drawn(rows: int) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(rows, 4)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors, (np.arange(rows) // 2).astype(np.int32)


def test_one_permit_does_not_last_and_a_renewed_one_does(slow: SlowMachine) -> None:
    with slow.permitted() as permit:
        slow.passes(LONG)
        require_step(permit, Touch.COMPARE)
        slow.passes(SHORT)
        with pytest.raises(PermitError, match="expired"):
            require_step(permit, Touch.COMPARE)
    slow.asked = 0
    with Renewed(slow.permitted) as permits:
        assert slow.asked == 0  # nothing is asked before there is a step
        for _ in range(10):
            require_step(permits, Touch.COMPARE)
            assert step_beside(permits, Touch.COMPARE)
            slow.passes(LONG)
            asked = slow.asked
            assert not step_beside(permits, Touch.COMPARE)
            assert slow.asked == asked
    assert (slow.asked, slow.open) == (10, 0)


def test_a_renewed_permit_covers_no_more_than_a_permit(permitted: Permitted) -> None:
    with (
        Renewed(lambda: permitted("detect")) as permits,
        pytest.raises(PermitError, match="does not cover"),
    ):
        require_step(permits, Touch.COMPARE)
    with Renewed(lambda: permitted("detect")) as permits:
        require_step(permits, Touch.DETECT)
        with pytest.raises(PermitError, match="does not cover"):
            step_beside(permits, Touch.COMPARE)


def test_after_its_block_nothing_is_open(slow: SlowMachine) -> None:
    with Renewed(slow.permitted) as permits:
        permit = permits.renewed()
    with pytest.raises(PermitError, match="spent"):
        permit.check(Touch.COMPARE)


def compare(slow: SlowMachine, **more: Any) -> Comparisons:
    vectors, subjects = drawn(40)
    with Renewed(slow.permitted) as permits:
        return compare_all(
            vectors,
            vectors,
            subjects=subjects,
            groups=np.zeros(40, np.int16),
            group_count=1,
            axis=Axis(-1.0, 1.0, 64),
            permit=permits,
            **more,
        )


@pytest.mark.parametrize("threads", [1, 3])
def test_comparisons_outlast_a_permit(
    slow: SlowMachine, monkeypatch: pytest.MonkeyPatch, threads: int
) -> None:
    monkeypatch.setattr(blocks, "ROWS", 2)
    whole = compare(slow)
    assert slow.asked == 1
    told = compare(slow, threads=threads, progress=lambda *_: slow.passes(SHORT))
    assert slow.asked >= 4
    assert np.array_equal(told.impostor, whole.impostor)
    assert told.total == 40 * 39 // 2


def test_no_permit_is_spent_while_a_stripe_is_under_way_and_each_begins_under_an_open_one(
    slow: SlowMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "ROWS", 2)
    real, now = blocks.Counter.count, slow._now
    under: list[tuple[int, int, int]] = []

    def counted(*told: Any) -> blocks.Counted:
        began, is_open = slow.asked, slow.open
        time.sleep(0.003)
        found = real(*told)
        under.append((began, slow.asked, is_open))
        return found

    def later() -> float:
        slow.passes(3.0)  # however near two readings of the clock are, time passes between
        return now()

    monkeypatch.setattr("rightface.permit.time.monotonic", later)  # whoever renews reads it too
    monkeypatch.setattr(blocks.Counter, "count", counted)
    compare(slow, threads=3)
    assert len(under) == 20
    assert slow.asked > 2
    assert all(began == ended and is_open == 1 for began, ended, is_open in under)


def test_a_no_in_the_middle_of_comparisons_keeps_what_is_done(
    slow: SlowMachine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(blocks, "ROWS", 2)
    whole, checkpoint = compare(slow), tmp_path / "comparisons.part"
    slow.gives = slow.asked + 3
    with pytest.raises(Refused):
        compare(slow, checkpoint=checkpoint, progress=lambda *_: slow.passes(SHORT))
    assert slow.open == 0
    slow.gives = 10**9
    done: list[int] = []
    told = compare(slow, checkpoint=checkpoint, progress=lambda some, _: done.append(some))
    assert done[0] > 4 * 38  # more than its first four stripes: the earlier ones were kept
    assert np.array_equal(told.impostor, whole.impostor)
    assert not checkpoint.exists()


def test_searches_outlast_a_permit(slow: SlowMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, subjects = drawn(60)
    real = identification._scores

    def slowly(*told: Any) -> NDArray[np.float32]:
        slow.passes(SHORT)
        return real(*told)

    def search() -> NDArray[np.int32]:
        with Renewed(slow.permitted) as permits:
            return search_all(
                vectors, vectors, subjects=subjects, thresholds=[0.5], permit=permits
            ).non_mated.counts

    whole = search()
    monkeypatch.setattr(identification, "_scores", slowly)
    assert np.array_equal(search(), whole)
    assert slow.asked > 5
    slow.gives = slow.asked + 2
    with pytest.raises(Refused):
        search()
    assert slow.open == 0


def test_the_search_of_ones_own_photographs_outlasts_a_permit(
    slow: SlowMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors, _ = drawn(60)
    monkeypatch.setattr(searching, "_PROBES_AT_ONCE", 10)
    monkeypatch.setattr(searching, "_REFERENCES_AT_ONCE", 20)

    def slowly(*told: Any) -> None:
        slow.passes(SHORT)
        require_step(*told)

    def found() -> searching.Found:
        with Renewed(slow.permitted) as permits:
            return searching.search(vectors, vectors, [0.5, 0.9], permit=permits)

    whole = found()
    monkeypatch.setattr("rightface.assay.studies.searching.require_step", slowly)
    told = found()
    assert np.array_equal(told.best, whole.best)
    assert np.array_equal(told.above, whole.above)
    assert slow.asked > 5
    slow.gives = slow.asked + 2
    with pytest.raises(Refused):
        found()
    with slow_permit(slow) as permit, pytest.raises(PermitError, match="expired"):
        searching.search(vectors, vectors, [0.5], permit=permit)
    assert slow.open == 0


def slow_permit(slow: SlowMachine) -> AbstractContextManager[Permit]:
    slow.gives = 10**9
    return slow.permitted()


def test_a_fit_outlasts_a_permit(slow: SlowMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    sample = crowds.drawn(photographs=2)
    cohorts = crowds.groups_of(sample)

    def slowly(*told: Any) -> None:
        slow.passes(SHORT)
        require_step(*told)

    def fitted() -> str:
        with Renewed(slow.permitted) as permits:
            return equalise.fit(
                sample.templates,
                cohorts.codes,
                equalise.Method(cosines=4),
                subjects=sample.subjects,
                permit=permits,
                on=date(2026, 1, 1),
            ).digest

    whole = fitted()
    monkeypatch.setattr("rightface.assay.equalise.require_step", slowly)
    assert (fitted(), slow.asked > 3) == (whole, True)
    slow.gives = slow.asked + 2
    with pytest.raises(Refused):
        fitted()
    assert slow.open == 0


def test_a_slow_service_outlasts_a_permit(slow: SlowMachine, tmp_path: Path) -> None:
    class Slow(Alphabetical):
        def compare_faces(self, **told: Any) -> dict[str, Any]:
            slow.passes(SHORT)
            return super().compare_faces(**told)

    manifest = stated(tmp_path / "set", *"aabbccdd")
    plan = plan_pairs(manifest, genuine=0, impostor=20)
    service = Slow()
    slow.gives = 3
    with pytest.raises(Refused):
        asked(service, manifest, plan, tmp_path, slow.permitted)
    answered = len(service.asked)
    assert 3 <= answered < len(plan)
    slow.gives = 10**9
    told = asked(service, manifest, plan, tmp_path, slow.permitted)
    assert told.sent == len(plan) - answered
    assert len(set(service.asked)) == len(plan)
    assert (slow.asked > 8, slow.open) == (True, 0)


def test_stress_outlasts_a_permit(slow: SlowMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, subjects = drawn(60)
    unchanged = Unchanged(
        references=vectors,
        subjects=subjects,
        genuine_a=np.arange(0, 60, 2, dtype=np.int32),
        genuine_b=np.arange(1, 60, 2, dtype=np.int32),
        partitions=(),
        thresholds=(Threshold(1e-2, 0.6),),
        bootstrap=None,
    )
    rows = np.arange(60, dtype=np.int32)

    def counted() -> FalseMatches:
        with Renewed(slow.permitted) as permits:
            return ComparedAgain(unchanged, vectors, rows, permit=permits).false_matches

    whole, real = counted().rates(0, 0), FalseMatches.add

    def slowly(*told: Any) -> None:
        slow.passes(SHORT)
        real(*told)

    monkeypatch.setattr(FalseMatches, "add", slowly)
    monkeypatch.setattr(stress, "AT_ONCE", 600)
    assert counted().rates(0, 0) == whole
    assert slow.asked > 2
    slow.gives = slow.asked + 1
    with pytest.raises(Refused):
        counted()
    assert slow.open == 0
