from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from rightface.assay import identification
from rightface.assay.bootstrap import SubjectBootstrap
from rightface.assay.cohorts import column
from rightface.assay.errors import AssayError
from rightface.assay.identification import (
    Enrol,
    Searches,
    gallery_sizes,
    search_all,
)
from rightface.assay.search_rates import identifications
from rightface.errors import PermitError
from tests.conftest import Permitted

DIMENSIONS = 16


def drawn(people: int, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """People with one to four images each, in a random order of rows; unit length."""
    rng = np.random.default_rng(seed)
    subjects = np.repeat(np.arange(people), rng.integers(1, 5, people)).astype(np.int32)
    subjects = rng.permutation(subjects)
    own = rng.normal(size=(people, DIMENSIONS))
    vectors = own[subjects] + 0.8 * rng.normal(size=(len(subjects), DIMENSIONS))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors.astype(np.float32), subjects


def search(
    permitted: Permitted,
    vectors: NDArray[np.float32],
    subjects: NDArray[np.int32],
    thresholds: tuple[float, ...] = (0.5, 0.7),
    **more: object,
) -> Searches:
    with permitted("measure-accuracy") as permit:
        return search_all(
            vectors,
            vectors,
            subjects=subjects,
            thresholds=thresholds,
            permit=permit,
            **more,  # type: ignore[arg-type]
        )


@pytest.mark.parametrize("enrol", ["one", "all-but-one"])
def test_every_search_equals_a_plain_loop(
    permitted: Permitted, monkeypatch: pytest.MonkeyPatch, enrol: Enrol
) -> None:
    monkeypatch.setattr(identification, "_PROBES_AT_ONCE", 7)
    monkeypatch.setattr(identification, "_REFERENCES_AT_ONCE", 5)
    vectors, subjects = drawn(40)
    plans: list[identification._Plan] = []
    planned = identification._planned

    def remembered(*told: object) -> identification._Plan:
        plans.append(planned(*told))  # type: ignore[arg-type]
        return plans[-1]

    monkeypatch.setattr(identification, "_planned", remembered)
    sizes = (3, 10, 28)
    found = search(permitted, vectors, subjects, sizes=sizes, enrol=enrol, draws=2)
    non_mated, mated = found.non_mated, found.mated
    p = m = 0
    for plan in plans:
        order = [subjects[plan.gallery[at]] for at in plan.first[:-1]]
        assert len(set(order)) == len(order) == 28
        used = [*plan.gallery, *plan.insiders, *plan.outsiders]
        assert sorted(used) == list(range(len(subjects)))
        for row in plan.outsiders:
            assert non_mated.rows[p] == row
            assert subjects[row] not in order
            for k, size in enumerate(sizes):
                scores = best_of_people(vectors, subjects, plan, int(row), order[:size])
                best = sorted(scores, reverse=True)[:10]
                assert np.allclose(non_mated.best[p, k, : len(best)], best, atol=1e-6)
                assert np.isinf(non_mated.best[p, k, len(best) :]).all()
                above = [sum(s >= t for s in scores) for t in (0.5, 0.7)]
                assert non_mated.counts[p, k].tolist() == above
            p += 1
        for row in plan.insiders:
            assert mated.rows[m] == row
            place = order.index(subjects[row])
            assert mated.place[m] == place
            (mate,) = best_of_people(vectors, subjects, plan, int(row), [subjects[row]])
            assert mated.score[m] == pytest.approx(mate, abs=1e-6)
            for k, size in enumerate(sizes):
                others = [who for who in order[:size] if who != subjects[row]]
                ahead = sum(
                    s >= mate for s in best_of_people(vectors, subjects, plan, int(row), others)
                )
                assert mated.rank[m, k] == (1 + ahead if place < size else 0)
            m += 1
    assert (p, m) == (len(non_mated.rows), len(mated.rows))


def best_of_people(
    vectors: NDArray[np.float32],
    subjects: NDArray[np.int32],
    plan: identification._Plan,
    probe: int,
    people: list[int],
) -> list[float]:
    return [
        max(float(vectors[probe] @ vectors[r]) for r in plan.gallery if subjects[r] == who)
        for who in people
    ]


def test_one_image_or_all_but_one_are_enrolled(permitted: Permitted) -> None:
    vectors, subjects = drawn(60)
    images = np.bincount(subjects)
    one = search(permitted, vectors, subjects, enrol="one", draws=1)
    most = search(permitted, vectors, subjects, enrol="all-but-one", draws=1)
    assert np.array_equal(one.non_mated.rows, most.non_mated.rows)
    enrolled = np.setdiff1d(np.arange(60), subjects[one.non_mated.rows])
    assert len(one.mated.rows) == (images[enrolled] - 1).sum()
    assert len(most.mated.rows) == (images[enrolled] > 1).sum()


def test_the_document_adds_up(permitted: Permitted) -> None:
    vectors, subjects = drawn(80)
    found = search(permitted, vectors, subjects, sizes=(5, 20, 56), thresholds=(0.4, 0.6))
    told = identifications(found, SubjectBootstrap(subjects, replicates=50), (1e-2, None))
    assert [one.gallery_size for one in told] == [5, 20, 56]
    for k, one in enumerate(told):
        assert one.non_mated_searches == len(found.non_mated.rows)
        assert one.mated_searches == (found.mated.place < one.gallery_size).sum()
        for t, point in enumerate(one.at):
            assert point.fpir.errors == (found.non_mated.counts[:, k, t] > 0).sum()
            assert point.fpir.trials == one.non_mated_searches
            assert point.fnir.trials == one.mated_searches
        assert one.at[0].fpir.errors >= one.at[1].fpir.errors
        assert one.at[0].fnir.errors <= one.at[1].fnir.errors
        hits = [rank.hit.errors for rank in one.ranks]
        assert hits == sorted(hits)
        assert all(rank.rank <= one.gallery_size for rank in one.ranks)
    # FPIR grows with the gallery: galleries are nested and the searches the same.
    for t in range(2):
        rates = [one.at[t].fpir.errors for one in told]
        assert rates == sorted(rates)
    short = identifications(
        found, SubjectBootstrap(subjects, replicates=50), (1e-2, None), longest=1
    )
    assert short[2].at[0].fnir.errors >= told[2].at[0].fnir.errors
    assert short[2].at[0].fnir.errors >= told[2].mated_searches - told[2].ranks[0].hit.errors


def test_groups_are_searched_in_everybodys_gallery(permitted: Permitted) -> None:
    vectors, subjects = drawn(80)
    labels = column("gender", [["f", "m", ""][who % 3] for who in subjects])
    found = search(permitted, vectors, subjects, sizes=(20, 56), thresholds=(0.4, 0.6))
    bootstrap = SubjectBootstrap(subjects, replicates=50)
    small, told = identifications(found, bootstrap, (1e-2, None), partitions=(labels,))
    assert small.groups == ()
    assert [(each.columns, each.name) for each in told.groups] == [
        (("gender",), "f"),
        (("gender",), "m"),
    ]
    for code, group in enumerate(told.groups):
        outside = labels.codes[found.non_mated.rows] == code
        inside = (labels.codes[found.mated.rows] == code) & (found.mated.place < 56)
        for t, point in enumerate(group.at):
            assert point.threshold == told.at[t].threshold
            assert point.fpir.trials == outside.sum()
            assert point.fpir.errors == (found.non_mated.counts[outside, 1, t] > 0).sum()
            assert point.fnir.trials == inside.sum()
            missed = found.mated.score[inside] < np.float32(point.threshold)
            assert point.fnir.errors == missed.sum()
            if 0 < point.fpir.errors < point.fpir.trials:
                assert point.fpir.method == "subject-bootstrap"
        assert group.rank_one.errors == (found.mated.rank[inside, 1] == 1).sum()
    few = column("region", ["north" if who < 5 else "south" for who in subjects])
    told = identifications(found, bootstrap, (1e-2, None), partitions=(few,))[-1]
    assert told.groups[0].rank_one.too_few
    assert not told.groups[1].rank_one.too_few
    whole = identifications(
        found, bootstrap, (1e-2, None), partitions=(column("all", ["x"] * len(subjects)),)
    )[-1]
    assert whole.groups[0].at == whole.at
    assert whole.groups[0].rank_one == whole.ranks[0].hit


def test_people_who_are_told_apart_are_always_found(permitted: Permitted) -> None:
    subjects = np.repeat(np.arange(16, dtype=np.int32), 2)
    vectors = np.eye(16, dtype=np.float32)[subjects]
    found = search(permitted, vectors, subjects, kept_out=0.25)
    told = identifications(found, SubjectBootstrap(subjects, replicates=20), (None, None))[-1]
    assert told.gallery_size == 12
    assert told.at[0].fpir.rate == 0
    assert told.at[0].fnir.rate == 0
    assert told.ranks[0].hit.rate == 1


def test_ties_count_against_the_mate(permitted: Permitted) -> None:
    subjects = np.repeat(np.arange(10, dtype=np.int32), 2)
    vectors = np.tile(np.eye(1, 4, dtype=np.float32), (20, 1))
    found = search(permitted, vectors, subjects, sizes=(7,))
    assert (found.mated.rank == 7).all()


def test_rows_of_nobody_take_no_part(permitted: Permitted) -> None:
    vectors, subjects = drawn(30)
    subjects[:5] = -1
    found = search(permitted, vectors, subjects)
    assert found.left_out == 5
    assert found.non_mated.rows.min() >= 5
    assert found.mated.rows.min() >= 5


def test_the_same_seed_draws_the_same_galleries(permitted: Permitted) -> None:
    vectors, subjects = drawn(30)
    one, other, third = (search(permitted, vectors, subjects, seed=s) for s in (1, 1, 2))
    assert np.array_equal(one.mated.rank, other.mated.rank)
    assert not np.array_equal(one.non_mated.rows, third.non_mated.rows)


def test_gallery_sizes_are_halves() -> None:
    assert gallery_sizes(1532) == (11, 23, 47, 95, 191, 383, 766, 1532)
    assert gallery_sizes(7) == (7,)


def test_no_search_without_a_permit() -> None:
    vectors, subjects = drawn(10)
    with pytest.raises(PermitError):
        search_all(
            vectors,
            vectors,
            subjects=subjects,
            thresholds=(0.5,),
            permit=None,  # type: ignore[arg-type]
        )


def test_what_cannot_be_searched_is_refused(permitted: Permitted) -> None:
    vectors, subjects = drawn(20)
    for wrong in ((21,), (5, 5), (8, 4), (0, 4)):
        with pytest.raises(AssayError, match="sizes"):
            search(permitted, vectors, subjects, sizes=wrong)
    with pytest.raises(AssayError, match="three people"):
        search(permitted, vectors[:2], np.array([0, 1], np.int32))
    with pytest.raises(AssayError, match="same rows"):
        search(permitted, vectors, subjects[:-1])
    vectors[3, 2] = np.nan
    with pytest.raises(AssayError, match="row 4"):
        search(permitted, vectors, subjects)


def test_people_with_one_image_each_are_enrolled_or_searched_for(permitted: Permitted) -> None:
    vectors, _ = drawn(40)
    vectors, subjects = vectors[:40], np.arange(40, dtype=np.int32)
    found = search(permitted, vectors, subjects, thresholds=(0.2,))
    told = identifications(found, SubjectBootstrap(subjects, replicates=20), (None,))[-1]
    assert (told.mated_searches, told.gallery_size) == (0, 28)
    assert told.non_mated_searches == 5 * 12
    assert told.at[0].fnir.rate is None
    assert all(rank.hit.rate is None for rank in told.ranks)
