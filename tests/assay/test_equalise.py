"""Fitting the normalisation on people drawn so that one group crowds; judging it on others."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from numpy.typing import NDArray

from rightface.assay import equalise
from rightface.assay.cohorts import UNKNOWN
from rightface.assay.differentials import GroupRates, ratio_of
from rightface.assay.equalise import Method, fit
from rightface.assay.equalise_table import LEAST_IMAGES, AtRate, judge
from rightface.assay.equalise_variants import Form, Variant, additive, one_sided, symmetric, weaker
from rightface.assay.errors import AssayError
from rightface.assay.impostors import Sample
from rightface.errors import PermitError
from tests.assay.crowds import drawn, groups_of
from tests.conftest import Permitted

DAY = date(2026, 1, 2)


@pytest.fixture(autouse=True)
def _few_suffice(monkeypatch: pytest.MonkeyPatch) -> None:
    """These people are drawn so that a crowd shows in a hundred photographs."""
    monkeypatch.setattr(equalise, "FEWEST", 100)


@pytest.fixture(scope="module")
def people() -> Sample:
    return drawn(0, photographs=2)


def test_whoever_is_crowded_is_told_so_from_the_template_alone(
    people: Sample, permitted: Permitted
) -> None:
    groups = groups_of(people)
    with permitted("measure-accuracy") as permit:
        made = fit(
            people.templates,
            groups.codes,
            Method(),
            subjects=people.subjects,
            permit=permit,
            on=DAY,
            data_set="x",
        )
    others = drawn(1)
    mean, _ = made.crowd(others.templates)
    by_group = {
        name: mean[groups_of(others).codes == code].mean()
        for code, name in enumerate(groups_of(others).values)
    }
    assert by_group["crowded"] > by_group["middle"] > by_group["spread"]
    assert made.fitted.data_sets == ("x: 1200 photographs",)


def test_the_same_set_gives_the_same_numbers(people: Sample, permitted: Permitted) -> None:
    codes = groups_of(people).codes
    with permitted("measure-accuracy") as permit:
        one, again = (
            fit(people.templates, codes, Method(), subjects=people.subjects, permit=permit, on=DAY)
            for _ in range(2)
        )
        other = fit(
            people.templates, codes, Method(seed=1), subjects=people.subjects, permit=permit, on=DAY
        )
    assert one.digest == again.digest != other.digest


def test_images_without_a_group_take_no_part(people: Sample, permitted: Permitted) -> None:
    codes = groups_of(people).codes.copy()
    codes[::2] = -1
    with permitted("measure-accuracy") as permit:
        one = fit(
            people.templates, codes, Method(), subjects=people.subjects, permit=permit, on=DAY
        )
        two = fit(
            people.templates[1::2],
            codes[1::2],
            Method(),
            subjects=people.subjects[1::2],
            permit=permit,
            on=DAY,
        )
    assert one.digest == two.digest


def test_a_fit_holds_no_scores_of_all(permitted: Permitted) -> None:
    """All 16 million scores would be 128 MB."""
    draw = np.random.default_rng(0)
    made = draw.standard_normal((4000, 128)).astype(np.float32)
    templates = made / np.linalg.norm(made, axis=1, keepdims=True)
    codes = draw.integers(0, 3, len(made)).astype(np.int16)
    nobodies = np.full(len(made), UNKNOWN, np.int32)
    with permitted("measure-accuracy") as permit:
        tracemalloc.start()
        try:
            fit(templates, codes, Method(), subjects=nobodies, permit=permit, on=DAY)
            assert tracemalloc.get_traced_memory()[1] < 60_000_000
        finally:
            tracemalloc.stop()


def test_too_few_are_refused(people: Sample, permitted: Permitted) -> None:
    codes = np.full(len(people.templates), -1, np.int16)
    codes[:99] = 0
    with (
        permitted("measure-accuracy") as permit,
        pytest.raises(AssayError, match="99 photographs with a face have a group: too few"),
    ):
        fit(people.templates, codes, Method(), subjects=people.subjects, permit=permit, on=DAY)


def test_nobody_is_crowded_by_themselves(permitted: Permitted) -> None:
    whole = drawn(3, photographs=4)
    few = whole.part(np.flatnonzero(whole.subjects % 5 == 0))
    codes, subjects = groups_of(few).codes, few.subjects.copy()
    subjects[::7] = UNKNOWN
    with permitted("measure-accuracy") as permit:
        made = fit(few.templates, codes, Method(), subjects=subjects, permit=permit, on=DAY)
        other = fit(few.templates, codes, Method(), subjects=nobody(few), permit=permit, on=DAY)
    crowds = np.array([naive_crowd(few, codes, subjects, row) for row in range(len(subjects))])
    assert np.allclose(made.lowest, crowds.min(axis=0), atol=2e-6)
    assert np.allclose(made.highest, crowds.max(axis=0), atol=2e-6)
    assert other.highest[0] > made.highest[0]


def naive_crowd(
    sample: Sample, codes: NDArray[np.int16], subjects: NDArray[np.int32], row: int
) -> tuple[float, float]:
    """m and log d of one image among other people's: the nearest of 4 % of all weight."""
    weight = [1 / int((codes == code).sum()) for code in codes]
    scores = sample.templates.astype(float) @ sample.templates[row].astype(float)
    others = [
        (-scores[each], weight[each])
        for each in range(len(codes))
        if each != row and (subjects[each] == UNKNOWN or subjects[each] != subjects[row])
    ]
    near: list[tuple[float, float]] = []
    passed = 0.0
    for score, own in sorted(others):
        passed += own / sum(weight)
        if passed > Method().share and len(near) >= 5:
            break
        near.append((-score, own))
    total = sum(own for _, own in near)
    mean = sum(score * own for score, own in near) / total
    spread = sum((score - mean) ** 2 * own for score, own in near) / total
    return mean, np.log(spread) / 2


def nobody(sample: Sample) -> NDArray[np.int32]:
    return np.full(len(sample.subjects), UNKNOWN, np.int32)


def test_who_is_not_named_is_somebody_else(people: Sample, permitted: Permitted) -> None:
    codes = groups_of(people).codes
    everybody = np.arange(len(codes), dtype=np.int32)
    with permitted("measure-accuracy") as permit:
        one, two = (
            fit(people.templates, codes, Method(), subjects=each, permit=permit, on=DAY)
            for each in (nobody(people), everybody)
        )
    assert one.digest == two.digest


def test_one_person_alone_is_refused(people: Sample, permitted: Permitted) -> None:
    subjects = np.zeros(len(people.templates), np.int32)
    subjects[:4] = UNKNOWN
    with (
        permitted("measure-accuracy") as permit,
        pytest.raises(AssayError, match="of one person"),
    ):
        fit(
            people.templates,
            groups_of(people).codes,
            Method(),
            subjects=subjects,
            permit=permit,
            on=DAY,
        )


def test_fitting_needs_a_permit_to_compare(people: Sample, permitted: Permitted) -> None:
    with permitted("detect") as permit, pytest.raises(PermitError):
        fit(
            people.templates,
            groups_of(people).codes,
            Method(),
            subjects=people.subjects,
            permit=permit,
            on=DAY,
        )


def test_on_people_not_fitted_the_groups_come_closer_and_matches_stay(
    people: Sample, permitted: Permitted
) -> None:
    few = people.part(np.flatnonzero(people.subjects % 2 == 0))
    told = judge(
        [few, replace(drawn(1, photographs=2), name="others")],
        few.name,
        (Variant(name="raw", method=None), Variant(name="ours", method=Method())),
        permitted=lambda: permitted("measure-accuracy"),
        pack_digest="0" * 64,
        on=DAY,
    )
    raw, ours = told.variants
    assert (raw.dimensions, ours.dimensions) == (128, 130)
    for place in (0, 2):  # at 1e-3: the set itself, and people of whom no fit knows anybody
        assert raw.at[place].data_set == ours.at[place].data_set == (few.name, "", "others")[place]
        before, after = (spread(each.at[place]) for each in (raw, ours))
        assert after < 0.5 * before
        for each in (raw, ours):
            match = each.at[place].true_match
            assert match is not None
            assert match.value is not None
            assert match.low is not None
            assert match.high is not None
            assert match.low <= match.value <= match.high
            assert match.value > 0.99
        gain, shares = (
            ours.at[place].true_match_gain,
            [each.at[place].true_match for each in told.variants],
        )
        assert raw.at[place].true_match_gain is None
        assert gain is not None
        assert gain.low is not None
        assert gain.high is not None
        first, last = (each.value for each in shares if each is not None)
        assert gain.value == pytest.approx((last or 0) - (first or 0))
        assert gain.low <= (gain.value or 0) <= gain.high


def spread(told: AtRate) -> float:
    """The worst group's rate over the best's; the least that a rate counts as is 1e-6."""
    rates = [group.fmr.value or 0 for group in told.groups]
    return max(rates) / max(min(rates), 1e-6)


@pytest.mark.parametrize(("form", "numbers"), [(symmetric, 258), (additive, 130), (one_sided, 129)])
def test_every_form_brings_groups_closer(
    form: Form, numbers: int, people: Sample, permitted: Permitted
) -> None:
    codes = groups_of(people).codes
    with permitted("measure-accuracy") as permit:
        made = fit(
            people.templates, codes, Method(), subjects=people.subjects, permit=permit, on=DAY
        )
    others = drawn(1)
    probes, references = form(made)(others.templates)
    assert probes.shape == references.shape == (len(others.templates), numbers)
    groups = groups_of(others).codes
    above = {}
    for name, scores in (
        ("raw", others.templates @ others.templates.T),
        ("", probes @ references.T),
    ):
        np.fill_diagonal(scores, scores.min())
        within = [scores[groups == code][:, groups == code] for code in range(3)]
        threshold = np.quantile(np.concatenate([each.ravel() for each in within]), 0.99)
        rates = [float((each >= threshold).mean()) for each in within]
        above[name] = max(rates) / max(min(rates), 1e-5)
    assert above[""] < 0.5 * above["raw"]


def test_every_figure_is_that_of_a_double_loop(people: Sample, permitted: Permitted) -> None:
    told = judge(
        [people],
        people.name,
        [Variant(name="raw", method=None)],
        permitted=lambda: permitted("measure-accuracy"),
        pack_digest="0" * 64,
        on=DAY,
    )
    scores = people.templates @ people.templates.T
    once = np.triu(np.ones(scores.shape, np.bool_), 1)
    same = people.subjects[:, None] == people.subjects[None, :]
    strangers = np.sort(scores[once & ~same])[::-1]
    codes = groups_of(people).codes
    for point in told.variants[0].at:
        threshold = strangers[int(point.fmr * len(strangers)) - 1]
        hits = scores[once & same] >= threshold
        assert point.true_match is not None
        assert point.true_match.value == pytest.approx(hits.mean(), abs=2 / len(hits))
        rates = []
        for code, each in enumerate(point.groups):
            inside = once & ~same & (codes == code)[:, None] & (codes == code)[None, :]
            assert each.name == groups_of(people).values[code]
            assert each.images == (codes == code).sum()
            assert each.comparisons == inside.sum()
            assert each.matches == pytest.approx((scores[inside] >= threshold).sum(), abs=2)
            rates.append(each.matches / each.comparisons)
            assert each.fmr.low is not None
            assert each.fmr.high is not None
            assert each.fmr.low <= each.matches / each.comparisons <= each.fmr.high
        assert point.worst_over_best is not None
        if min(rates) > 0:
            assert point.worst_over_best.value == pytest.approx(max(rates) / min(rates))
        else:
            assert point.worst_over_best.high is None
    assert min(rates) == 0 < told.variants[0].at[0].groups[0].matches


def test_a_small_group_is_shown_and_is_in_no_ratio(people: Sample, permitted: Permitted) -> None:
    codes = groups_of(people).codes
    few = people.part(np.flatnonzero((codes != 0) | (np.arange(len(codes)) % 8 == 0)))
    told = judge(
        [few],
        few.name,
        [Variant(name="raw", method=None)],
        permitted=lambda: permitted("measure-accuracy"),
        pack_digest="0" * 64,
        on=DAY,
    )
    first = told.variants[0].at[0]
    assert [each.images < LEAST_IMAGES for each in first.groups] == [True, False, False]
    large, all_ = (
        GroupRates(
            tuple(each.name for each in some),
            np.array([each.matches for each in some]),
            np.array([each.comparisons for each in some]),
        )
        for some in (first.groups[1:], first.groups)
    )
    assert first.worst_over_best is not None
    assert first.worst_over_best.value == ratio_of(large).value != ratio_of(all_).value


def test_less_of_it_is_between_raw_and_all_of_it(people: Sample, permitted: Permitted) -> None:
    with permitted("measure-accuracy") as permit:
        made = fit(
            people.templates,
            groups_of(people).codes,
            Method(),
            subjects=people.subjects,
            permit=permit,
            on=DAY,
        )
    raw, some = people.templates @ people.templates.T, people.templates[:200]
    probes, references = weaker(1.0, 1.0)(made)(some)
    whole = made.probe_vectors(some) @ made.reference_vectors(some).T
    # The same but for the scale: 0.1 and what m is at the mean template.
    assert np.corrcoef((probes @ references.T).ravel(), whole.ravel())[0, 1] > 0.9999
    probes, references = weaker(0.0, 0.0)(made)(some)
    assert np.ptp(probes @ references.T - raw[:200, :200]) < 1e-5


def test_a_set_to_fit_on_must_be_there_and_have_groups(
    people: Sample, permitted: Permitted
) -> None:
    with pytest.raises(AssayError, match="no data set 'nobody'"):
        judge(
            [people],
            "nobody",
            permitted=lambda: permitted("measure-accuracy"),
            pack_digest="",
            on=DAY,
        )
