"""Everybody with everybody: the same as a double loop, whatever the blocks; and after a kill."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rightface.assay import blocks, comparisons, stripes
from rightface.assay.cohorts import UNKNOWN
from rightface.assay.comparisons import ComparisonError, Comparisons, compare_all
from rightface.assay.counts import Axis
from rightface.assay.leads import LOWEST, Highest
from rightface.assay.stripes import CheckpointError
from rightface.errors import PermitError
from tests.conftest import Permitted

AXIS = Axis(-1.0, 1.0, 64)
EIGHTH = 1 / 8


@dataclass(frozen=True)
class World:
    """Rows whose products are exact in float32, so that a double loop gives the same scores."""

    templates: NDArray[np.float32]
    subjects: NDArray[np.int32]
    groups: NDArray[np.int16]
    group_count: int

    def compare(self, permitted: Permitted, **more: Any) -> Comparisons:
        told: dict[str, Any] = {
            "subjects": self.subjects,
            "groups": self.groups,
            "group_count": self.group_count,
            "axis": AXIS,
        }
        with permitted("measure-accuracy") as permit:
            return compare_all(self.templates, self.templates, permit=permit, **(told | more))


def world(seed: int, rows: int, group_count: int = 2, people: int = 5) -> World:
    rng = np.random.default_rng(seed)
    return World(
        (rng.integers(-4, 5, (rows, 4)) * EIGHTH).astype(np.float32),
        rng.integers(UNKNOWN, people, rows).astype(np.int32),
        rng.integers(UNKNOWN, group_count, rows).astype(np.int16),
        group_count,
    )


@dataclass
class Expected:
    impostor: NDArray[np.int64]
    trials: NDArray[np.int64]
    genuine: list[tuple[int, int, float]]
    strangers: list[tuple[int, int, float]]


def double_loop(rows: World) -> Expected:
    size = rows.group_count + 1
    told = Expected(np.zeros((size, size, AXIS.bins), int), np.zeros((size, size), int), [], [])
    count = len(rows.templates)
    for a in range(count):
        for b in range(a + 1, count):
            score = float(np.dot(rows.templates[a].astype(float), rows.templates[b].astype(float)))
            pair = sorted(
                rows.group_count if code == UNKNOWN else int(code)
                for code in (rows.groups[a], rows.groups[b])
            )
            told.trials[pair[0], pair[1]] += 1
            if rows.subjects[a] == rows.subjects[b] != UNKNOWN:
                told.genuine.append((a, b, score))
                continue
            place = min(max(int(np.floor((score + 1) * AXIS.bins / 2)), 0), AXIS.bins - 1)
            told.impostor[pair[0], pair[1], place] += 1
            told.strangers.append((a, b, score))
    return told


def listed(found: Any) -> list[tuple[int, int, float]]:
    return list(zip(found.a.tolist(), found.b.tolist(), found.scores.tolist(), strict=True))


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that few rows make many blocks, most of them cut short."""
    monkeypatch.setattr(blocks, "ROWS", 4)
    monkeypatch.setattr(blocks, "COLUMNS", 7)


@pytest.mark.usefixtures("small_blocks")
@settings(max_examples=60)
@given(
    seed=st.integers(0, 10**6),
    rows=st.integers(2, 40),
    group_count=st.integers(1, 5),
    people=st.integers(1, 30),
    threads=st.integers(1, 3),
    limit=st.sampled_from([1, 7, 100, 10_000]),
)
def test_the_same_as_a_double_loop(
    permitted: Permitted,
    seed: int,
    rows: int,
    group_count: int,
    people: int,
    threads: int,
    limit: int,
) -> None:
    data = world(seed, rows, group_count, people)
    expected = double_loop(data)
    found = data.compare(permitted, threads=threads, leads=limit)
    assert (found.impostor == expected.impostor).all()
    assert (found.trials == expected.trials).all()
    assert found.total == rows * (rows - 1) // 2
    assert listed(found.genuine) == expected.genuine
    assert found.impostors().total + len(found.genuine.scores) == found.total
    assert len(found.leads.scores) <= limit
    assert listed(found.leads) == [
        pair for pair in expected.strangers if pair[2] >= found.leads.above
    ]
    if len(expected.strangers) <= limit:  # then no cut may be made
        assert len(found.leads.scores) == len(expected.strangers)


def test_real_blocks_give_what_one_product_gives(permitted: Permitted) -> None:
    rng = np.random.default_rng(1)
    count = 1500
    templates = rng.standard_normal((count, 128)).astype(np.float32)
    templates /= np.linalg.norm(templates, axis=1, keepdims=True)
    data = World(
        templates,
        rng.integers(0, 300, count).astype(np.int32),
        rng.integers(UNKNOWN, 3, count).astype(np.int16),
        3,
    )
    found = data.compare(permitted, leads=1000)
    scores = templates.astype(float) @ templates.T.astype(float)
    a, b = np.triu_indices(count, 1)
    same = data.subjects[a] == data.subjects[b]
    strangers = scores[a, b][~same]
    assert (found.genuine.a == a[same]).all()
    assert np.abs(found.genuine.scores - scores[a, b][same]).max() < 1e-6
    for edge in AXIS.edges:
        near = int((strangers >= edge - 1e-6).sum()), int((strangers >= edge + 1e-6).sum())
        assert near[1] <= found.impostors().at_least(float(edge)) <= near[0]
    assert len(found.leads.scores) == 1000
    assert np.abs(scores[found.leads.a, found.leads.b] - found.leads.scores).max() < 1e-6
    ranked = np.sort(strangers)
    assert ranked[-1001] - 1e-6 <= found.leads.above <= ranked[-1000] + 1e-6


def test_the_first_cut_changes_nothing(
    permitted: Permitted, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = world(5, 300, people=100)
    guessed = data.compare(permitted, leads=50)
    monkeypatch.setattr(comparisons, "_first_cut", lambda *_: LOWEST)
    plain = data.compare(permitted, leads=50)
    assert listed(guessed.leads) == listed(plain.leads)
    assert guessed.leads.above == plain.leads.above or not len(plain.leads.scores)


def test_unknown_subjects_are_different_people_and_that_is_said(permitted: Permitted) -> None:
    data = world(2, 12)
    nobody = World(data.templates, np.full(12, UNKNOWN, np.int32), data.groups, 2)
    found = nobody.compare(permitted)
    assert found.impostors().total == 66
    assert len(found.genuine.scores) == 0
    assert "12 images have no subject" in found.warnings[0]
    assert (
        not World(data.templates, np.zeros(12, np.int32), data.groups, 2)
        .compare(permitted)
        .warnings
    )


def test_between_groups_either_way(permitted: Permitted) -> None:
    found = world(3, 30).compare(permitted)
    assert (found.between(0, 1).counts == found.between(1, 0).counts).all()
    assert not found.impostor[1, 0].any()


def test_probes_and_references_may_differ_if_the_score_does_not(permitted: Permitted) -> None:
    data = world(4, 30)
    scale = np.float32(2)
    with permitted("measure-accuracy") as permit:
        found = compare_all(
            data.templates * scale,
            data.templates / scale,
            subjects=data.subjects,
            groups=data.groups,
            group_count=2,
            axis=AXIS,
            permit=permit,
        )
    assert (found.impostor == double_loop(data).impostor).all()
    with permitted("measure-accuracy") as permit, pytest.raises(ComparisonError, match="symmetric"):
        compare_all(
            data.templates,
            np.roll(data.templates, 1, axis=1),
            subjects=data.subjects,
            groups=data.groups,
            group_count=2,
            axis=AXIS,
            permit=permit,
        )


def test_progress_ends_with_all(permitted: Permitted) -> None:
    told: list[tuple[int, int]] = []
    world(6, 40).compare(permitted, progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (780, 780)
    assert [done for done, _ in told] == sorted(done for done, _ in told)


# ---------------------------------------------------------------- what cannot be compared
def test_no_permit_no_comparison(permitted: Permitted) -> None:
    data = world(7, 4)
    with pytest.raises(PermitError):
        compare_all(
            data.templates,
            data.templates,
            subjects=data.subjects,
            groups=data.groups,
            group_count=2,
            axis=AXIS,
            permit=None,  # type: ignore[arg-type]
        )
    with permitted("detect") as permit, pytest.raises(PermitError, match="does not cover"):
        compare_all(
            data.templates,
            data.templates,
            subjects=data.subjects,
            groups=data.groups,
            group_count=2,
            axis=AXIS,
            permit=permit,
        )


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_templates_that_are_no_numbers_are_named_by_row(
    permitted: Permitted, broken: float
) -> None:
    data = world(8, 30)
    data.templates[[3, 17], 2] = broken
    with pytest.raises(ComparisonError, match=r"2 probe templates .* 3, 17\."):
        data.compare(permitted)


def test_more_broken_rows_than_are_told(permitted: Permitted) -> None:
    data = world(8, 30)
    data.templates[5:25] = np.nan
    with pytest.raises(ComparisonError, match=r"20 probe .* 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, …"):
        data.compare(permitted)


def changed(**parts: Any) -> World:
    data = world(9, 6)
    return World(**({name: getattr(data, name) for name in data.__dataclass_fields__} | parts))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (changed(templates=np.zeros((6, 4), np.float64)), "not float32"),
        (changed(templates=np.full((6, 4), 1e30, np.float32)), "overflow"),
        (changed(templates=np.zeros(6, np.float32)), "not tables"),
        (changed(subjects=np.zeros(5, np.int32)), "not one subject"),
        (changed(subjects=np.full(6, -2, np.int32)), "negative"),
        (changed(groups=np.full(6, 2, np.int16)), "not one of 2"),
        (changed(groups=np.full(6, -2, np.int16)), "not one of 2"),
        (world(9, 1), "fewer than two"),
    ],
)
def test_what_does_not_fit_is_refused(permitted: Permitted, data: World, said: str) -> None:
    with pytest.raises(ComparisonError, match=said):
        data.compare(permitted)


def test_too_many_genuine_comparisons_are_refused_before_any_is_made(
    permitted: Permitted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparisons, "MOST_GENUINE", 100)
    data = World(np.zeros((20, 4), np.float32), np.zeros(20, np.int32), np.zeros(20, np.int16), 1)
    with pytest.raises(ComparisonError, match="more than 100 genuine"):
        data.compare(permitted)


# ---------------------------------------------------------------- leads
@given(
    st.lists(st.integers(0, 20), max_size=80), st.integers(1, 30), st.integers(1, 9), st.randoms()
)
def test_the_highest_are_the_same_in_whatever_order(
    values: list[int], limit: int, size: int, random: Any
) -> None:
    def collected(order: list[int]) -> Highest:
        parts = [Highest(limit), Highest(limit)]
        for number, start in enumerate(range(0, len(order), size)):
            rows = np.array(order[start : start + size], np.int32)
            parts[number % 2].add(np.array([values[row] for row in rows], np.float32), rows, rows)
        parts[0].join(parts[1])
        return parts[0]

    one = collected(list(range(len(values)))).result()
    shuffled = list(range(len(values)))
    random.shuffle(shuffled)
    other = collected(shuffled).result()
    assert listed(one) == listed(other)
    assert one.above == other.above
    assert sorted(one.a.tolist()) == [r for r, value in enumerate(values) if value >= one.above]
    assert len(one.scores) <= limit
    lower = [value for value in values if value < one.above]
    if lower:
        assert sum(value >= max(lower) for value in values) > limit, "not one level less fits"


# ---------------------------------------------------------------- scores of others
def test_given_scores_are_counted_by_the_groups_of_both() -> None:
    scores = np.array([0.9, 0.1, -0.2, 0.3, 0.5])
    same = np.array([True, False, False, False, True])
    one = np.array([0, 1, UNKNOWN, 0, 1], np.int16)
    other = np.array([0, 0, 1, 0, UNKNOWN], np.int16)

    def in_blocks() -> Iterator[Any]:
        for start in (0, 2, 4):
            part = slice(start, start + 2)
            yield scores[part], same[part], one[part], other[part]

    found = Comparisons.from_scores(in_blocks(), group_count=2, axis=AXIS)
    assert found.trials.tolist() == [[2, 1, 0], [0, 0, 2], [0, 0, 0]]
    assert found.impostors().total == 3
    assert found.between(0, 1).at_least(float(AXIS.edges[35])) == 1
    assert listed(found.genuine) == [(0, 0, single(0.9)), (1, 2, 0.5)]
    assert listed(found.leads) == [
        (0, 0, single(0.3)),
        (0, 1, single(0.1)),
        (1, 2, single(-0.2)),
    ]


def single(number: float) -> float:
    return float(np.float32(number))


@pytest.mark.parametrize("score", [np.nan, np.inf])
def test_given_scores_that_are_no_numbers_are_refused(score: float) -> None:
    nobody = np.zeros(1, np.int16)
    with pytest.raises(ComparisonError, match="not a finite number"):
        Comparisons.from_scores(
            [(np.array([score]), np.array([False]), nobody, nobody)], group_count=1, axis=AXIS
        )


# ---------------------------------------------------------------- going on after a kill
RUN = """
    import sys, time
    from pathlib import Path
    import numpy as np
    from instance import temporary_instance
    from rightface.assay import blocks, stripes
    from rightface.assay.comparisons import compare_all
    from rightface.assay.counts import Axis

    blocks.ROWS, blocks.COLUMNS, stripes.SECONDS = 16, 32, 0.0
    held = np.load(sys.argv[1])
    with temporary_instance() as instance, instance.permitted("measure-accuracy") as permit:
        compare_all(
            held["templates"], held["templates"], subjects=held["subjects"],
            groups=held["groups"], group_count=2, axis=Axis(-1.0, 1.0, 64), permit=permit,
            leads=40, checkpoint=Path(sys.argv[2]), progress=lambda *_: time.sleep(0.05),
        )
"""


def test_a_killed_run_goes_on_where_it_was(
    permitted: Permitted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = world(10, 640, people=200)
    held, checkpoint = tmp_path / "held.npz", tmp_path / "comparisons.npz"
    np.savez(held, templates=data.templates, subjects=data.subjects, groups=data.groups)
    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(RUN), str(held), str(checkpoint)],
        env=os.environ | {"PYTHONPATH": "benchmarks"},
        cwd=Path(__file__).resolve().parents[2],
    )
    try:
        end = time.monotonic() + 300
        while done_by(checkpoint) < 3 and child.poll() is None and time.monotonic() < end:
            time.sleep(0.02)
        assert child.poll() is None, "the run was over before it was killed"
        child.send_signal(signal.SIGKILL)
    finally:
        child.kill()
        child.wait()
    before = done_by(checkpoint)
    assert before >= 3

    monkeypatch.setattr(blocks, "ROWS", 16)
    monkeypatch.setattr(blocks, "COLUMNS", 32)
    counted: list[int] = []
    plain = blocks.Counter.count

    def noted(self: blocks.Counter, stripe: blocks.Stripe, above: float) -> blocks.Counted:
        counted.append(stripe.start)
        return plain(self, stripe, above)

    monkeypatch.setattr(blocks.Counter, "count", noted)
    told: list[int] = []
    again = data.compare(
        permitted, leads=40, checkpoint=checkpoint, progress=lambda done, _: told.append(done)
    )
    resumed = len(counted)
    assert not checkpoint.exists()
    anew = data.compare(permitted, leads=40)
    assert resumed == len(counted) - resumed - before, "only what was left was compared"
    assert told[-1] == 640 * 639 // 2
    assert (again.impostor == anew.impostor).all()
    assert (again.trials == anew.trials).all()
    assert listed(again.genuine) == listed(anew.genuine)
    assert listed(again.leads) == listed(anew.leads)
    assert again.leads.above == anew.leads.above


def done_by(checkpoint: Path) -> int:
    """Stripes in a checkpoint; it is never half written."""
    if not checkpoint.exists():
        return 0
    with np.load(checkpoint) as told:
        return int(told["stripes"])


def interrupted(data: World, permitted: Permitted, checkpoint: Path) -> None:
    """Leave a checkpoint behind."""

    def stop(done: int, total: int) -> None:
        if done > total // 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        data.compare(permitted, checkpoint=checkpoint, progress=stop)
    assert checkpoint.exists()


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("what", ["templates", "subjects", "groups"])
def test_a_checkpoint_of_other_data_is_refused(
    permitted: Permitted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.setattr(stripes, "SECONDS", 0.0)
    checkpoint = tmp_path / "comparisons.npz"
    data = world(11, 40)
    interrupted(data, permitted, checkpoint)
    other = {name: getattr(data, name).copy() for name in ("templates", "subjects", "groups")}
    other[what][5] += 1 if other[what][5].max() < 1 else -1
    with pytest.raises(CheckpointError, match="other data"):
        World(**other, group_count=2).compare(permitted, checkpoint=checkpoint)
    assert checkpoint.exists(), "it may be of use to the run that it is of"


@pytest.mark.usefixtures("small_blocks")
def test_a_checkpoint_of_other_bins_or_leads_is_refused(
    permitted: Permitted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stripes, "SECONDS", 0.0)
    checkpoint = tmp_path / "comparisons.npz"
    data = world(11, 40)
    interrupted(data, permitted, checkpoint)
    with pytest.raises(CheckpointError, match="other data"):
        data.compare(permitted, checkpoint=checkpoint, axis=Axis(-1.0, 1.0, 65))
    with pytest.raises(CheckpointError, match="other data"):
        data.compare(permitted, checkpoint=checkpoint, leads=17)


@pytest.mark.parametrize("rest", [b"", b"nothing of ours", b"PK\x03\x04 cut off"])
def test_a_damaged_checkpoint_is_said(permitted: Permitted, tmp_path: Path, rest: bytes) -> None:
    checkpoint = tmp_path / "comparisons.npz"
    checkpoint.write_bytes(rest)
    with pytest.raises(CheckpointError, match="cannot be read"):
        world(12, 8).compare(permitted, checkpoint=checkpoint)


@pytest.mark.usefixtures("small_blocks")
def test_a_checkpoint_that_cannot_be_written_is_said(
    permitted: Permitted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = tmp_path / "comparisons.npz"
    data = world(13, 40)
    monkeypatch.setattr(stripes, "SECONDS", 0.0)
    interrupted(data, permitted, checkpoint)
    before = checkpoint.read_bytes()

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(CheckpointError, match="cannot be written") as said:
            data.compare(permitted, checkpoint=checkpoint)
    assert said.value.why == "No space left on device"
    assert list(tmp_path.iterdir()) == [checkpoint]
    assert checkpoint.read_bytes() == before
    assert data.compare(permitted, checkpoint=checkpoint).total == 40 * 39 // 2
    assert not list(tmp_path.iterdir())


def test_what_a_kill_left_half_written_goes_with_the_checkpoint(
    permitted: Permitted, tmp_path: Path
) -> None:
    (tmp_path / ".comparisons.npz.new").write_bytes(b"half")
    world(14, 8).compare(permitted, checkpoint=tmp_path / "comparisons.npz")
    assert not list(tmp_path.iterdir())
