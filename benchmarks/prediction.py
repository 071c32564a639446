"""How well do a few thousand people tell what far larger galleries do?

    python benchmarks/prediction.py [--quick] [--faces] [--json FILE]

Two populations of synthetic templates without end, so that the truth can be found by searching
galleries of up to 200,000 people: one evenly spread, one with crowds of look-alikes of unequal
size. 3,000 people of each are the data set that `rightface.assay.prediction` predicts from. With
--faces also photographs of LFW and London, whose larger galleries are held back (minutes): at most
two of each person, which is what a search needs.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from instance import TemporaryInstance, temporary_instance
from labelled import Photograph, photographs, require_photographs
from rightface.assay.acquire import Look, acquire
from rightface.assay.bootstrap import SubjectBootstrap
from rightface.assay.identification import NonMated, search_all
from rightface.assay.permits import Renewed
from rightface.assay.prediction import Predicted, predict
from rightface.faces.engine import Engine
from rightface.faces.packs import load_pack

PEOPLE, PROBES, DIMENSIONS, CROWDS, AT_ONCE = 3000, 1500, 128, 300, 5000
IMAGES_EACH = 2
TARGETS = (1e-3, 1e-4, 1e-5)
SIZES = (5_000, 20_000, 100_000, 200_000)

Templates = NDArray[np.float32]
Draw = Callable[[int], Templates]


@dataclass(frozen=True)
class Row:
    """One prediction beside what really happens."""

    population: str
    family: str
    fmr_target: float
    gallery: int
    found: float
    predicted: float | None
    low: float | None
    high: float | None
    independent: float


def even(rng: np.random.Generator) -> Draw:
    """Everybody around one mean, spread less and less along further directions."""
    spread = np.arange(1, DIMENSIONS + 1) ** -0.5
    mean = rng.normal(size=DIMENSIONS) * 0.15
    return lambda count: unit(mean + rng.normal(size=(count, DIMENSIONS)) * spread)


def crowded(rng: np.random.Generator) -> Draw:
    """Crowds of unequal size, of people more alike than others are."""
    spread = np.arange(1, DIMENSIONS + 1) ** -0.5
    centres = rng.normal(size=(CROWDS, DIMENSIONS)) * spread
    share = rng.pareto(1.2, CROWDS) + 0.1
    share /= share.sum()

    def draw(count: int) -> Templates:
        own = rng.normal(size=(count, DIMENSIONS)) * spread
        return unit(0.5 * centres[rng.choice(CROWDS, count, p=share)] + 0.85 * own)

    return draw


def unit(vectors: NDArray[np.float64]) -> Templates:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def impostors(templates: Templates, subjects: NDArray[np.int32]) -> NDArray[np.float32]:
    """The scores of all pairs of different people."""
    parts = [
        (templates[at] @ templates[at + 1 :].T)[subjects[at + 1 :] != subjects[at]]
        for at in range(len(templates) - 1)
    ]
    return np.concatenate(parts)


def searched(
    opened: TemporaryInstance, templates: Templates, subjects: NDArray[np.int32]
) -> tuple[NonMated, Predicted]:
    scores = impostors(templates, subjects)
    thresholds = [float(cut) for cut in np.quantile(scores, [1 - target for target in TARGETS])]
    with Renewed(lambda: opened.permitted("measure-accuracy")) as permits:
        found = search_all(
            templates, templates, subjects=subjects, thresholds=thresholds, permit=permits
        ).non_mated
    return found, predict(found, SubjectBootstrap(subjects), TARGETS, sizes=SIZES)


def truth(
    draw: Draw, thresholds: tuple[float, ...], sizes: tuple[int, ...]
) -> dict[int, list[float]]:
    """Gallery size → the share of probes that find a candidate at each threshold."""
    probes, best = draw(PROBES), np.full(PROBES, -1.0, np.float32)
    done, found = 0, {}
    for size in sizes:
        while done < size:
            some = min(AT_ONCE, size - done)
            best, done = np.maximum(best, (probes @ draw(some).T).max(axis=1)), done + some
        found[size] = [float((best >= cut).mean()) for cut in thresholds]
    return found


def synthetic(opened: TemporaryInstance, sizes: tuple[int, ...]) -> Iterator[Row]:
    for name, population in (("even", even), ("crowded", crowded)):
        draw = population(np.random.default_rng(1))
        found, told = searched(opened, draw(PEOPLE), np.arange(PEOPLE, dtype=np.int32))
        real = truth(draw, found.thresholds, sizes)
        for one in told.predictions:
            if one.gallery_size in real:
                share = real[one.gallery_size][TARGETS.index(one.fmr_target)]
                yield row(name, told.family, one.fmr_target, one.gallery_size, share, told)


def row(
    population: str, family: str, target: float, gallery: int, found: float, told: Predicted
) -> Row:
    (one,) = (p for p in told.predictions if p.fmr_target == target and p.gallery_size == gallery)
    return Row(
        population,
        family,
        target,
        gallery,
        found,
        one.fpir.value,
        one.fpir.low,
        one.fpir.high,
        1 - (1 - target) ** gallery,
    )


def labelled(opened: TemporaryInstance) -> Iterator[Row]:
    require_photographs()
    cache = opened.instance.settings.data / "models"
    engine = Engine(load_pack(), cache=cache, threads=1, detector_side=640)
    templates: list[Templates] = []
    names: list[str] = []
    for data_set, look in (("lfw", Look(which="central")), ("london", Look())):
        chosen = few_of_each(photographs(data_set))
        acquired = acquire(
            [each.path for each in chosen],
            engine=engine,
            look=look,
            permitted=lambda: opened.permitted("measure-accuracy"),
        )
        templates.append(acquired.templates)
        names += [chosen[row].subject for row in acquired.rows]
    _, subjects = np.unique(names, return_inverse=True)
    _, told = searched(opened, np.concatenate(templates), subjects.astype(np.int32))
    for one in told.predictions:
        if one.measured is not None:
            yield row(
                "LFW and London", told.family, one.fmr_target, one.gallery_size, one.measured, told
            )


def few_of_each(found: list[Photograph]) -> list[Photograph]:
    """In their order, at most `IMAGES_EACH` of each person."""
    taken: Counter[str] = Counter()
    chosen = []
    for each in found:
        taken[each.subject] += 1
        if taken[each.subject] <= IMAGES_EACH:
            chosen.append(each)
    return chosen


def show(rows: list[Row]) -> None:
    table = Table(title="FPIR of galleries that nothing was fitted to")
    for heading in (
        "population",
        "family",
        "FMR",
        "gallery",
        "found",
        "predicted",
        "95 %",
        "alike",
    ):
        table.add_column(
            heading, justify="left" if heading in ("population", "family") else "right"
        )
    for r in rows:
        ends = "" if r.low is None or r.high is None else f"{r.low:.3f} to {r.high:.3f}"
        told = "" if r.predicted is None else f"{r.predicted:.3f}"
        table.add_row(
            r.population,
            r.family,
            f"{r.fmr_target:g}",
            f"{r.gallery:,}",
            f"{r.found:.3f}",
            told,
            ends,
            f"{r.independent:.3f}",
        )
    Console(width=120).print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="galleries of at most 20,000")
    parser.add_argument("--faces", action="store_true", help="LFW and London, too (minutes)")
    parser.add_argument("--only-faces", action="store_true", help="LFW and London alone")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    sizes = SIZES[:2] if asked.quick else SIZES
    with temporary_instance() as opened:
        rows = [] if asked.only_faces else list(synthetic(opened, sizes))
        rows += list(labelled(opened)) if asked.faces or asked.only_faces else []
    show(rows)
    if asked.json:
        asked.json.write_text(json.dumps([asdict(r) for r in rows], indent=1) + "\n")


if __name__ == "__main__":
    main()
