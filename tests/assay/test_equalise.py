"""Fitting the normalisation on people drawn so that one group crowds; judging it on others."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from numpy.typing import NDArray

from rightface.assay.cohorts import UNKNOWN, Column, column
from rightface.assay.equalise import Method, fit
from rightface.assay.equalise_table import Sample, Variant, additive, judge, one_sided, symmetric
from rightface.assay.errors import AssayError
from rightface.errors import PermitError
from rightface.faces.face import Templates
from tests.conftest import Permitted

DAY = date(2026, 1, 2)
GROUPS = {"crowded": (120, 0.3), "middle": (200, 0.5), "spread": (280, 0.8)}
"""Name → people, and how far apart they are."""


def drawn(seed: int = 0, photographs: int = 1) -> Sample:
    """People around one mean for each group; photographs of one person differ little."""
    draw = np.random.default_rng(seed)
    axes = np.linalg.qr(np.random.default_rng(99).standard_normal((128, 128)))[0]
    rows: list[Templates] = []
    labels, subjects = [], []
    for place, (name, (people, apart)) in enumerate(GROUPS.items()):
        centre = 0.9 * axes[0] + 0.3 * axes[1 + place]
        who = centre + apart * draw.standard_normal((people, 1, 32)) @ axes[10:42] / np.sqrt(32)
        seen = who + 0.1 * draw.standard_normal((people, photographs, 128)) / np.sqrt(128)
        rows.append(seen.reshape(-1, 128).astype(np.float32))
        labels += [name] * people * photographs
        subjects += np.repeat(np.arange(people) + 1000 * place, photographs).tolist()
    made = np.vstack(rows)
    unit: Templates = made / np.linalg.norm(made, axis=1, keepdims=True)
    return Sample(
        name=f"drawn-{seed}",
        templates=unit,
        subjects=np.array(subjects, np.int32),
        groups=column("group", labels),
    )


def groups_of(sample: Sample) -> Column:
    assert sample.groups is not None
    return sample.groups


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


def test_too_few_are_refused(people: Sample, permitted: Permitted) -> None:
    codes = np.full(len(people.templates), -1, np.int16)
    codes[:99] = 0
    with (
        permitted("measure-accuracy") as permit,
        pytest.raises(AssayError, match="too few to fit on"),
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
    variants = (
        Variant(name="raw", method=None),
        Variant(name="ours", method=Method()),
        *(
            Variant(name=form.__name__, method=Method(), form=form)
            for form in (symmetric, additive, one_sided)
        ),
    )
    told = judge(
        [people],
        people.name,
        variants,
        permitted=lambda: permitted("measure-accuracy"),
        pack_digest="0" * 64,
        on=DAY,
        halves=1,
    )
    at = {each.name: each.at[0] for each in told.variants}
    assert [each.dimensions for each in told.variants] == [128, 130, 258, 130, 129]
    spread = {
        name: max(group.fmr.value or 0 for group in each.groups)
        / max(min(group.fmr.value or 0 for group in each.groups), 1e-6)
        for name, each in at.items()
    }
    assert spread["ours"] < 0.5 * spread["raw"]
    assert spread["symmetric"] < 0.5 * spread["raw"]
    for name in ("raw", "ours"):
        match = at[name].true_match
        assert match is not None
        assert match.value is not None
        assert match.value > 0.99
        assert match.low is not None
        assert match.high is not None
        assert match.low <= match.value <= match.high


def test_pairs_and_matches_add_up(people: Sample, permitted: Permitted) -> None:
    told = judge(
        [people],
        people.name,
        [Variant(name="raw", method=None)],
        permitted=lambda: permitted("measure-accuracy"),
        pack_digest="0" * 64,
        on=DAY,
        halves=2,
    )
    for point in told.variants[0].at:
        assert {each.name: each.images for each in point.groups} == {
            name: 2 * count for name, (count, _) in GROUPS.items()
        }
        for each in point.groups:
            assert 0 <= each.matches <= each.comparisons
            # Four halves with about half of the group's people each, two photographs a person.
            quarter = 4 * (each.images / 2) ** 2 / 2
            assert each.comparisons == pytest.approx(quarter, rel=0.2)


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
