"""One assay from beginning to end: a data set, a model pack, a document.

    1. Photographs become templates (`acquire`); copies of one photograph count once.
    2. Everybody is compared with everybody, in counts between the finest cells (`comparisons`).
    3. Thresholds are set on everybody, at the false match rates asked for.
    4. Everybody, each group and each pair of groups is judged at those thresholds (`groups`).
    5. Searches in galleries, if asked for, and what larger galleries would do.
    6. What was asked for beyond: stress, pairs in folds, error versus discard.

Never knows a command line, HTTP, or where permits come from.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from rightface import __version__
from rightface.assay.acquire import Acquired, Look, acquire, plan_of
from rightface.assay.cells import Cells, cells_of, partitions_of
from rightface.assay.changes import Kind
from rightface.assay.cohorts import UNKNOWN
from rightface.assay.comparisons import compare_all
from rightface.assay.counts import Axis
from rightface.assay.errors import AssayError
from rightface.assay.failures import worst, write_failures
from rightface.assay.further import (
    Searched,
    Sides,
    discards,
    in_folds,
    searched,
    usual,
)
from rightface.assay.groups import Images, Judge
from rightface.assay.intervals import rate
from rightface.assay.label_checks import look_through
from rightface.assay.manifest import Manifest
from rightface.assay.operating import Threshold
from rightface.assay.permits import Permitted, Renewed, require_step
from rightface.assay.result import (
    FMR_TARGETS,
    Assay,
    Measured,
    Stress,
)
from rightface.assay.sealed_parts import Sealed
from rightface.assay.stress import Unchanged, years_apart
from rightface.assay.stressed import stressed
from rightface.assay.stripes import is_checkpoint
from rightface.faces.engine import Engine
from rightface.faces.face import Templates
from rightface.faces.packs import ModelPack
from rightface.keys import KeyRing
from rightface.permit import Touch

Stage: TypeAlias = Callable[[str, int, int], None]
"""Told what is being done, and how much of how much."""
SOFTWARE = f"rightface {__version__}"
FEWEST_WITH_FACE = 2
SAMPLE = 1000


@dataclass(frozen=True, kw_only=True)
class Bench:
    """What measures, and who allows it."""

    engine: Engine
    pack: ModelPack
    keyring: KeyRing
    permitted: Permitted


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is asked of an assay."""

    fmr: tuple[float, ...] = FMR_TARGETS
    crosses: tuple[tuple[str, ...], ...] | None = None
    """None: every two columns, if they are few."""
    identify: bool = False
    """Searches in galleries of the data set's own people."""
    stress: tuple[Kind, ...] = ()
    """Changes to make to the photographs."""
    years: NDArray[np.float64] | None = None
    """The year of each of the manifest's images as it was read, or the subject's age; see
    `stressed.years_of`."""
    failures: Path | None = None
    """Where to write a table of what went wrong the most; see `failures`."""
    threads: int = 2


@dataclass(frozen=True, kw_only=True)
class Material:
    """A data set with its templates; all arrays speak of the images that gave a face."""

    manifest: Manifest
    """Without copies."""
    kept: NDArray[np.int64]
    """(n,): where its images stood in the manifest with copies."""
    acquired: Acquired
    """Of the manifest's images; `rows` are their places."""
    digest: str

    @property
    def subjects(self) -> NDArray[np.int32]:
        """(m,)"""
        return self.manifest.subjects[self.acquired.rows]

    @property
    def failed(self) -> NDArray[np.bool_]:
        """(n,): which images of the manifest gave no face."""
        told = np.ones(len(self.manifest), np.bool_)
        told[self.acquired.rows] = False
        return told


def sealed_parts(manifest: Manifest, bench: Bench, directory: Path) -> Sealed:
    """Where the templates of an unfinished run of this data set lie, or will."""
    look = _look(manifest)
    plan = plan_of(_paths(manifest), engine=bench.engine, look=look)
    return Sealed(directory, bench.keyring, plan)


def gather(
    manifest: Manifest, bench: Bench, *, sealed: Sealed | None, threads: int, stage: Stage
) -> Material:
    """The templates of a data set, copies of photographs left out.

    Raises:
        Refused: the gate does not allow it.
        AssayError: fewer than two images gave a face.
    """
    acquired = acquire(
        _paths(manifest),
        engine=bench.engine,
        look=_look(manifest),
        permitted=bench.permitted,
        sealed=sealed,
        threads=threads,
        progress=lambda done, total: stage("templates", done, total),
    )
    digests = [row.tobytes() if row.any() else None for row in acquired.digests]
    kept_manifest, kept = manifest.without_same_bytes(digests)
    acquired = _kept(acquired, kept)
    if len(acquired.rows) < FEWEST_WITH_FACE:
        raise AssayError(
            "Fewer than two images gave a face: there is nothing to compare.",
            why=_reasons(acquired),
            mend="See that the images are photographs of faces.",
        )
    digest = kept_manifest.digest_with(digests[place] for place in kept)
    return Material(manifest=kept_manifest, kept=kept, acquired=acquired, digest=digest)


def assay(
    material: Material,
    bench: Bench,
    wanted: Wanted,
    *,
    directory: Path,
    stage: Stage = lambda *_: None,
    sides: Sides | None = None,
) -> Assay:
    """Everything that is asked of a data set's templates, as one document.

    Args:
        material: see `gather`.
        bench: what measures.
        wanted: what is asked for.
        directory: where unfinished work is kept, so that a killed run goes on.
        stage: told of progress.
        sides: what is compared; None: what the bench's pack makes of the templates.

    Raises:
        Refused: the gate does not allow it.
        AssayError: a cross of unknown columns, or too many groups.
        StorageError: the table of failures cannot be written.
    """
    manifest, rows = material.manifest, material.acquired.rows
    images = partitions_of(manifest.columns, wanted.crosses)
    partitions = tuple(replace(each, codes=each.codes[rows]) for each in images)
    cells = cells_of(partitions, len(rows))
    with Renewed(bench.permitted) as permits:
        sides = sides or _sides(bench.pack, material.acquired.templates, permits)
        compared = compare_all(
            sides.probes,
            sides.references,
            subjects=material.subjects,
            groups=cells.codes,
            group_count=cells.count,
            axis=_axis(sides, cells.count, permits),
            permit=permits,
            threads=wanted.threads,
            progress=lambda done, total: stage("comparisons", done, total),
            checkpoint=_checkpoint(directory, material, bench.pack, cells),
        )
    judge = Judge(compared, material.subjects, cells)
    thresholds = judge.thresholds(wanted.fmr)
    told = []
    for place, column in enumerate(images):
        stage("rates", place, 1 + len(images))
        all_images = Images(column, manifest.subjects, material.failed)
        told.append(judge.partition(place, thresholds, images=all_images))
    with bench.permitted() as permit:
        folds, no_folds = in_folds(manifest.pairs, rows, len(manifest), sides, permit=permit)
    verification = judge.verification(thresholds, wanted.fmr, folds)
    stage("rates", 1 + len(images), 1 + len(images))
    found = Searched()
    if wanted.identify:
        stage("searches", 0, 1)
        with Renewed(bench.permitted) as permits:
            found = searched(
                sides, material.subjects, thresholds, judge.bootstrap, partitions, permit=permits
            )
        stage("searches", 1, 1)
    looked = look_through(compared, judge.everybody, material.subjects, manifest.numbers[rows])
    if wanted.failures is not None:
        wrong = worst(compared, rows, usual(thresholds))
        write_failures(wanted.failures, manifest, wrong, material.acquired.failures)
    data = manifest.data_set(material.digest)
    return Assay(
        software=SOFTWARE,
        made_at=datetime.now(UTC).replace(microsecond=0),
        measured=measured(bench),
        data=data.model_copy(
            update={
                "suspicions": data.suspicions + looked.suspicions,
                "not_checked": looked.not_checked,
            }
        ),
        failures=rate(int(material.failed.sum()), len(manifest)),
        verification=verification,
        partitions=tuple(told),
        identification=found.identification,
        predictions=found.predictions,
        discards=discards(
            compared,
            material.acquired.quality,
            material.subjects,
            usual(thresholds),
            verification.at,
        ),
        stress=_stress(material, bench, wanted, judge, sides, thresholds, directory, stage),
        warnings=(
            *manifest.warnings,
            *_failure_warnings(material.acquired),
            *((no_folds,) if no_folds else ()),
            *judge.unreached(wanted.fmr),
            *judge.warnings,
            *found.warnings,
        ),
    )


def _checkpoint(directory: Path, material: Material, pack: ModelPack, cells: Cells) -> Path:
    """Where unfinished comparisons of this data are kept; those of other data go, and no more."""
    told = hashlib.sha256(f"{material.digest}\0{pack.digest}\0{pack.comparison_digest}".encode())
    told.update(cells.codes.tobytes())
    path = directory / f"comparisons-{told.hexdigest()[:16]}.part"
    for other in directory.glob("comparisons-*.part"):
        if other != path and is_checkpoint(other):
            other.unlink(missing_ok=True)
    return path


def _stress(
    material: Material,
    bench: Bench,
    wanted: Wanted,
    judge: Judge,
    sides: Sides,
    thresholds: Sequence[Threshold],
    directory: Path,
    stage: Stage,
) -> tuple[Stress, ...]:
    genuine, acquired = judge.comparisons.genuine, material.acquired
    strictest = min(thresholds, key=lambda each: each.fmr_target, default=None)
    looked_at = [each for each in thresholds if each in (usual(thresholds), strictest)]
    unchanged = Unchanged(
        references=sides.references,
        subjects=material.subjects,
        genuine_a=genuine.a,
        genuine_b=genuine.b,
        partitions=judge.cells.partitions,
        thresholds=looked_at,
        bootstrap=judge.bootstrap,
    )
    told: tuple[Stress, ...] = ()
    if wanted.years is not None and looked_at:
        years = wanted.years[material.kept[acquired.rows]]
        told = years_apart(unchanged, genuine.scores, years)
        told = told if len({each.level for each in told}) > 1 else ()
    if wanted.stress and looked_at:
        paths = _paths(material.manifest)
        told += stressed(
            unchanged,
            [paths[row] for row in acquired.rows],
            acquired.landmarks,
            engine=bench.engine,
            pack=bench.pack,
            look=_look(material.manifest),
            permitted=bench.permitted,
            digest=material.digest,
            directory=directory,
            threads=wanted.threads,
            kinds=wanted.stress,
            progress=lambda done, total: stage("stress", done, total),
        )
    return told


def _sides(pack: ModelPack, templates: Templates, permits: Renewed) -> Sides:
    return Sides(
        pack.probe_vectors(templates, permit=permits.renewed()),
        pack.reference_vectors(templates, permit=permits.renewed()),
    )


def _axis(sides: Sides, cells: int, permits: Renewed) -> Axis:
    """From the scores of a sample, with room: unit vectors lie within −1 and 1, others anywhere."""
    require_step(permits, Touch.COMPARE)
    sample = slice(None, None, max(1, len(sides.probes) // SAMPLE))
    scores = sides.probes[sample] @ sides.references[sample].T
    least, most = float(scores.min()), float(scores.max())
    if least >= -1.001 and most <= 1.001:
        return Axis.between(-1.0, 1.0, cells)
    room = (most - least) / 2
    return Axis.between(least - room, most + room, cells)


def measured(bench: Bench) -> Measured:
    """What the document says of the model pack, and of how finely it looked."""
    pack = bench.pack
    return Measured(
        kind="model-pack",
        name=pack.id,
        pack_digest=pack.digest,
        comparison=pack.comparison,
        comparison_digest=pack.comparison_digest,
        detector_side=bench.engine.detector_side,
    )


def _look(manifest: Manifest) -> Look:
    return Look(which=manifest.statement.which_face, pad=manifest.statement.pad)


def _paths(manifest: Manifest) -> list[Path]:
    return [manifest.path(place).absolute() for place in range(len(manifest))]


def _kept(acquired: Acquired, kept: NDArray[np.int64]) -> Acquired:
    """What came of those images alone, by their places among them."""
    place = np.full(len(acquired.digests), UNKNOWN, np.int32)
    place[kept] = np.arange(len(kept))
    there = place[acquired.rows] != UNKNOWN
    return replace(
        acquired,
        rows=place[acquired.rows[there]],
        templates=acquired.templates[there],
        quality=acquired.quality[there],
        landmarks=acquired.landmarks[there],
        failures={
            int(place[image]): reason
            for image, reason in acquired.failures.items()
            if place[image] != UNKNOWN
        },
        digests=acquired.digests[kept],
    )


def _reasons(acquired: Acquired) -> str:
    counted = Counter(acquired.failures.values())
    return ", ".join(f"{reason}: {count}" for reason, count in sorted(counted.items()))


def _failure_warnings(acquired: Acquired) -> tuple[str, ...]:
    if not acquired.failures:
        return ()
    return (f"Images that gave no face, by reason: {_reasons(acquired)}.",)
