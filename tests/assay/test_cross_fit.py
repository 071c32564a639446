"""Scores of people that were fitted on, by fits without them: against the same by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from functools import partial

import numpy as np
import pytest

from rightface.assay import cross_fit as crossing
from rightface.assay import equalise
from rightface.assay.calibrating import crossed, uncalibrated
from rightface.assay.cross_fit import PARTS, CrossFit, cross_fit
from rightface.assay.equalise import Method, fit
from rightface.assay.errors import AssayError
from rightface.assay.impostors import Sample, compare
from rightface.errors import PermitError
from rightface.faces.normalisation import Normalisation
from rightface.faces.packs import ModelPack
from tests.assay.crowds import drawn, groups_of
from tests.conftest import Permitted

DAY = date(2026, 1, 2)
SIMPLE = Method(cosines=8)


@pytest.fixture(autouse=True)
def _few_suffice(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is fitted, not how well, is looked at here."""
    monkeypatch.setattr(equalise, "FEWEST", 100)


@pytest.fixture(scope="module")
def people() -> Sample:
    whole = drawn(0, photographs=2)
    return whole.part(np.flatnonzero(whole.subjects % 2 == 0))


def made_of(sample: Sample, permitted: Permitted) -> CrossFit:
    return cross_fit(
        sample.templates,
        groups_of(sample).codes,
        SIMPLE,
        subjects=sample.subjects,
        permitted=partial(permitted, "measure-accuracy"),
        on=DAY,
    )


def test_two_people_are_compared_by_the_fit_without_both(
    people: Sample, permitted: Permitted
) -> None:
    made = made_of(people, permitted)
    rows = np.random.default_rng(3).permutation(len(people.templates))[:60]
    with permitted("measure-accuracy") as permit:
        probes, references = made.vectors(people.templates, rows, permit=permit)
    scores = probes @ references.T
    assert set(made.parts[rows].tolist()) == set(range(PARTS))
    for one, probe in enumerate(rows):
        for other, reference in enumerate(rows):
            pair = sorted((int(made.parts[probe]), int(made.parts[reference])))
            by = made.fits[pair[0], pair[1]]
            score = (
                by.probe_vectors(people.templates[[probe]])
                @ by.reference_vectors(people.templates[[reference]]).T
            )
            assert scores[one, other] == pytest.approx(float(score[0, 0]), abs=1e-5)


def test_a_fit_knows_nothing_of_the_parts_that_it_is_without(
    people: Sample, permitted: Permitted
) -> None:
    made = made_of(people, permitted)
    away = made.parts == 1
    other = replace(
        people, templates=np.where(away[:, None], people.templates[::-1], people.templates)
    )
    again = made_of(other, permitted)
    for pair, before in made.fits.items():
        assert (again.fits[pair].digest == before.digest) == (1 in pair)


def test_nobody_is_in_two_parts(people: Sample, permitted: Permitted) -> None:
    made = made_of(people, permitted)
    for who in np.unique(people.subjects):
        assert len(set(made.parts[people.subjects == who].tolist())) == 1
    sizes = np.bincount(made.parts)
    assert sizes.min() > 0.8 * sizes.max()


def test_vectors_need_a_permit(people: Sample, permitted: Permitted) -> None:
    made = made_of(people, permitted)
    with permitted("identify-1toN") as permit:
        pass
    with pytest.raises(PermitError):
        made.vectors(people.templates, np.arange(3), permit=permit)


# ---------------------------------------------------------------- in a calibration
def fitted(sample: Sample, permitted: Permitted, method: Method) -> Normalisation:
    with permitted("measure-accuracy") as permit:
        return fit(
            sample.templates,
            groups_of(sample).codes,
            method,
            subjects=sample.subjects,
            permit=permit,
            on=DAY,
            data_set=sample.name,
        )


def pack_with(made: Normalisation | None) -> ModelPack:
    return replace(uncalibrated("raw"), normalisation=made)


def test_cohorts_of_the_fitted_set_are_compared_by_fits_without_them(
    people: Sample, permitted: Permitted
) -> None:
    asked = partial(permitted, "measure-accuracy")
    pack = pack_with(fitted(people, permitted, Method()))
    sample = crossed(people, pack, asked, on=DAY)
    assert sample.crossed is not None
    told = compare(pack, [sample], permitted=asked)
    flattered = compare(pack, [people], permitted=asked)
    with permitted("measure-accuracy") as permit:
        everybody = np.arange(len(people.templates))
        probes, references = sample.crossed.vectors(people.templates, everybody, permit=permit)
    for place, name in enumerate(groups_of(people).values):
        rows = np.flatnonzero(groups_of(people).codes == place)
        scores = probes[rows] @ references[rows].T
        strangers = people.subjects[rows][:, None] != people.subjects[rows][None, :]
        by_hand = scores[np.triu(strangers, 1)]
        cohort = told.cohorts[place]
        assert cohort.name == f"{name} ({people.name})"
        assert cohort.impostors.total == len(by_hand) == flattered.cohorts[place].impostors.total
        assert cohort.impostors.score_at(0.01) == pytest.approx(
            float(np.quantile(by_hand, 0.99)), abs=2e-3
        )


def test_other_sets_and_raw_scores_need_no_further_fits(
    people: Sample, permitted: Permitted, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = partial(permitted, "measure-accuracy")
    made = fitted(people, permitted, Method())
    monkeypatch.setattr(crossing, "fit", None)  # whoever fits fails
    for sample, pack in (
        (replace(people, name="another"), pack_with(made)),
        (people, pack_with(None)),
        (replace(people, cohorts=None), pack_with(made)),
    ):
        assert crossed(sample, pack, asked, on=DAY) is sample


def test_a_normalisation_that_was_fitted_otherwise_is_refused(
    people: Sample, permitted: Permitted
) -> None:
    pack = pack_with(fitted(people, permitted, SIMPLE))
    with pytest.raises(AssayError, match="fitted otherwise"):
        crossed(people, pack, partial(permitted, "measure-accuracy"), on=DAY)
