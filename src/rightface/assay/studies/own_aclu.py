"""From two sets of photographs to the ACLU's test: whose templates are compared with whose."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from rightface.assay.errors import AssayError
from rightface.assay.intervals import rate
from rightface.assay.permits import Renewed
from rightface.assay.result import Measured, Rate
from rightface.assay.run import Bench, Material, measured
from rightface.assay.studies.searching import OwnTest, own_test, search, settings


@dataclass(frozen=True, kw_only=True)
class OwnAclu:
    """What came of it, and on what."""

    measured: Measured
    probes: str
    gallery: str
    """The data sets' names."""
    probes_digest: str
    gallery_digest: str
    probe_failures: Rate
    gallery_failures: Rate
    """Failures to acquire."""
    same_photographs: int
    """Probes that are in the gallery too, byte by byte; they were not searched for."""
    test: OwnTest
    caveats: tuple[str, ...]
    """What both data sets say of themselves."""


def of_materials(
    probes: Material,
    gallery: Material,
    bench: Bench,
    *,
    fpir: float,
    fmr: tuple[float, ...] = (),
) -> OwnAclu:
    """Search for every probe that has a face, in everybody of the gallery who has one.

    Raises:
        Refused: the gate does not allow it.
        SettingsError: a rate does not lie between 0 and 1.
        AssayError: all photographs are in both sets.
    """
    size = len(gallery.acquired.rows)
    set_at = settings(bench.pack.calibration, size, fpir, fmr)
    there = {row.tobytes() for row in gallery.acquired.digests[gallery.acquired.rows]}
    digests = probes.acquired.digests[probes.acquired.rows]
    other = np.array([row.tobytes() not in there for row in digests], np.bool_)
    if not other.any():
        raise AssayError(
            "Every photograph to search for is in the gallery too.",
            mend="Name other people as the gallery.",
        )
    rows = probes.acquired.rows[other]
    with Renewed(bench.permitted) as permits:
        found = search(
            bench.pack.probe_vectors(probes.acquired.templates[other], permit=permits.renewed()),
            bench.pack.reference_vectors(gallery.acquired.templates, permit=permits.renewed()),
            [each.score for each in set_at],
            permit=permits,
        )
    columns = [
        replace(column, codes=column.codes[rows]) for column in probes.manifest.columns.values()
    ]
    test = own_test(
        found,
        set_at,
        bench.pack.calibration,
        subjects=probes.manifest.subjects[rows],
        columns=columns,
        gallery_size=size,
        target_fpir=fpir,
    )
    return OwnAclu(
        measured=measured(bench),
        probes=probes.manifest.statement.name,
        gallery=gallery.manifest.statement.name,
        probes_digest=probes.digest,
        gallery_digest=gallery.digest,
        probe_failures=_failures(probes),
        gallery_failures=_failures(gallery),
        same_photographs=int((~other).sum()),
        test=test,
        caveats=(*probes.manifest.statement.caveats, *gallery.manifest.statement.caveats),
    )


def _failures(material: Material) -> Rate:
    return rate(int(material.failed.sum()), len(material.manifest))
