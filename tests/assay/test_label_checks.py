"""Wrong labels are told from scores and subjects."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from instance import TemporaryInstance
from rightface.assay import comparisons as assay_comparisons
from rightface.assay.acquire import Look, acquire
from rightface.assay.counts import Axis, Counts
from rightface.assay.errors import AssayError
from rightface.assay.label_checks import MOST, Looked, look_through, swapped
from rightface.assay.leads import LOWEST, Leads
from rightface.assay.manifest import read_manifest
from rightface.assay.result import Suspicion

THRESHOLD, OWN = 0.7, 0.6


@dataclass(frozen=True)
class Comparisons:
    scores: NDArray[np.float32]
    a: NDArray[np.int32]
    b: NDArray[np.int32]
    above: float = OWN


def people(count: int = 12, images: int = 4, seed: int = 0) -> NDArray[np.float64]:
    """Unit templates, `images` of each person after another: alike at about 0.9."""
    generator = np.random.default_rng(seed)
    centres = np.repeat(generator.normal(size=(count, 64)), images, axis=0)
    templates = centres + generator.normal(size=centres.shape) * 0.3
    unit: NDArray[np.float64] = templates / np.linalg.norm(templates, axis=1, keepdims=True)
    return unit


def checked(
    templates: NDArray[np.float64], subjects: NDArray[np.int32], *, threshold: float = THRESHOLD
) -> tuple[Suspicion, ...]:
    a, b = (one.astype(np.int32) for one in np.triu_indices(len(templates), 1))
    scores = np.einsum("ij,ij->i", templates[a], templates[b]).astype(np.float32)
    same = (subjects[a] == subjects[b]) & (subjects[a] >= 0)
    high = ~same & (scores >= OWN)
    return swapped(
        Comparisons(scores[same], a[same], b[same]),
        Comparisons(scores[high], a[high], b[high]),
        subjects=subjects,
        numbers=np.arange(len(templates), dtype=np.int64) + 101,
        threshold=threshold,
        own_threshold=OWN,
    )


def of(count: int = 12, images: int = 4) -> NDArray[np.int32]:
    return np.repeat(np.arange(count, dtype=np.int32), images)


def test_right_labels_are_not_suspected() -> None:
    assert checked(people(), of()) == ()


def test_a_planted_swap_is_told_on_both_sides() -> None:
    subjects = of()
    subjects[[5, 30]] = subjects[[30, 5]]
    told = checked(people(), subjects)
    assert {one.rows[0] for one in told} == {101 + 5, 101 + 30}
    like = {one.rows[0] - 101: one.rows[1] - 101 for one in told}
    assert like[5] in (4, 6, 7)
    assert like[30] in (28, 29, 31)


def test_one_person_under_two_names_is_told() -> None:
    subjects = of()
    subjects[2:4] = 12
    told = checked(people(), subjects)
    assert len(told) == 1
    assert "may be one person" in told[0].what
    rows = {row - 101 for row in told[0].rows}
    assert len(rows & {0, 1}) == len(rows & {2, 3}) == 1


def test_two_who_share_one_look_alike_image_are_not_one_person() -> None:
    templates = people()
    templates[4] = templates[0]
    told = checked(templates, of())
    assert all("may be one person" not in one.what for one in told)
    assert [one.rows for one in told] == [(105, 101)]


def test_images_of_nobody_named_are_not_suspected() -> None:
    subjects = of()
    subjects[subjects < 6] = -1
    assert checked(people(), subjects) == ()


def test_more_than_are_told_are_counted() -> None:
    subjects = of(120, 2)
    subjects[1::4], subjects[3::4] = subjects[3::4].copy(), subjects[1::4].copy()
    told = checked(people(120, 2), subjects)
    assert len(told) == MOST + 1
    assert told[-1].what.startswith("240 images")


@pytest.mark.parametrize("threshold", [OWN - 0.01, 0.0])
def test_leads_that_end_above_the_threshold_are_refused(threshold: float) -> None:
    with pytest.raises(AssayError, match="not complete"):
        checked(people(), of(), threshold=threshold)


# ---------------------------------------------------------------- small sets
def looked(
    probes: NDArray[np.float32], references: NDArray[np.float32], subjects: NDArray[np.int32]
) -> Looked:
    """As in an assay of everybody with everybody."""
    a, b = (one.astype(np.int32) for one in np.triu_indices(len(probes), 1))
    scores = np.einsum("ij,ij->i", probes[a], references[b]).astype(np.float32)
    same = subjects[a] == subjects[b]
    axis = Axis.between(float(scores.min()), float(scores.max()))
    impostor = Counts.of(axis, scores[~same])
    found = assay_comparisons.Comparisons(
        axis=axis,
        impostor=impostor.counts.reshape(1, 1, -1),
        genuine=assay_comparisons.GenuineScores(scores[same], a[same], b[same]),
        leads=Leads(scores[~same], a[~same], b[~same], LOWEST),
        trials=np.array([[len(scores)]]),
    )
    return look_through(found, impostor, subjects, np.arange(len(probes), dtype=np.int64))


def swapped_pairs(subjects: NDArray[np.int32], *pairs: tuple[int, int]) -> NDArray[np.int32]:
    made = subjects.copy()
    for one, other in pairs:
        made[[one, other]] = made[[other, one]]
    return made


@pytest.mark.parametrize(("count", "images"), [(40, 2), (100, 2), (60, 4)])
def test_small_sets_are_looked_through_too(count: int, images: int) -> None:
    templates = people(count, images).astype(np.float32)
    subjects = of(count, images)
    assert looked(templates, templates, subjects) == Looked()
    pairs = ((0, 5 * images), (2 * images, 9 * images))
    told = looked(templates, templates, swapped_pairs(subjects, *pairs))
    named = {one.rows[0] for one in told.suspicions}
    wrong = {image for pair in pairs for image in pair}
    if images > 2:
        assert named == wrong
        return
    # Of two images of one person either may be the wrong one.
    assert named <= wrong | {image + 1 for image in wrong}
    assert all(len(named & {one, one + 1, other, other + 1}) >= 2 for one, other in pairs)


def test_sets_that_cannot_be_looked_through_say_why() -> None:
    small = people(30, 2).astype(np.float32)
    told = looked(small, small, of(30, 2)).not_checked
    assert "It takes 3,000 comparisons of different people, and there are 1,740." in told[0]
    alone = people(100, 1).astype(np.float32)
    assert "Nobody is known" in looked(alone, alone, of(100, 1)).not_checked[0]
    alike = np.ones((100, 4), np.float32)
    alike[0] = 0.5
    assert "Too many scores are alike" in looked(alike, alike, of(50, 2)).not_checked[0]


@pytest.mark.faces
def test_labels_swapped_on_purpose_are_told(licensed: TemporaryInstance, faces_root: Path) -> None:
    engine, permitted = licensed.instance.engine, licensed.permitted
    manifest = read_manifest(faces_root / "london" / "manifest.csv")
    images = np.flatnonzero(manifest.subjects < 45)
    acquired = acquire(
        [manifest.path(int(one)).absolute() for one in images],
        engine=engine,
        look=Look(which=manifest.statement.which_face, pad=manifest.statement.pad),
        permitted=lambda: permitted("measure-accuracy"),
        sealed=None,
        threads=1,
    )
    subjects = manifest.subjects[images[acquired.rows]]
    with permitted("measure-accuracy") as permit:
        probes = engine.pack.probe_vectors(acquired.templates, permit=permit)
        references = engine.pack.reference_vectors(acquired.templates, permit=permit)
    assert looked(probes, references, subjects) == Looked()
    first = {who: int(np.flatnonzero(subjects == who)[0]) for who in range(45)}
    pairs = ((first[3], first[20]), (first[11], first[30]))
    told = looked(probes, references, swapped_pairs(subjects, *pairs)).suspicions
    named = {one.rows[0] for one in told}
    assert len(named & {image for pair in pairs for image in pair}) >= 3
    assert all(int(subjects[one]) in {3, 20, 11, 30} for one in named)
