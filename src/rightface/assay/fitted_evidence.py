"""An assay of the very set that a normalisation was fitted on, which flatters nobody.

Each two people are compared by a fit without both (`cross_fit`), so the document says of the
normalisation what it does on people whom it does not know. It is a document like any other, and can
be evidence. Never knows a command line, HTTP, or where permits come from.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np

from rightface.assay.calibrating import crossed, sample_of
from rightface.assay.cross_fit import PARTS
from rightface.assay.errors import AssayError
from rightface.assay.further import Sides
from rightface.assay.result import Assay
from rightface.assay.run import Bench, Material, Stage, Wanted, assay
from rightface.faces.normalisation import Normalisation

CROSS_FITTED = (
    "The score normalisation was fitted on these people. Here each two of them were compared by a "
    f"fit of the same kind without both: the people were drawn into {PARTS} parts, and a fit left "
    "out the parts of the two. The fit that is in use has all of them."
)
NO_GENUINE = (
    "Nobody is named twice: this is of false matches only, and says nothing of who is missed, nor "
    "how unequally."
)


def assay_without(
    material: Material,
    made: Normalisation,
    bench: Bench,
    wanted: Wanted,
    *,
    columns: Collection[str] | None,
    on: date,
    directory: Path,
    caveats: tuple[str, ...] = (),
    stage: Stage = lambda *_: None,
) -> Assay:
    """The assay of the set that `made` was fitted on, by fits without the people compared.

    Args:
        material: that set.
        made: fitted on it by this release's method.
        bench: what measures; with any comparison.
        wanted: what is asked for; searches and stress cannot be.
        columns: of the groups that were balanced; None: all.
        on: the day.
        directory: where unfinished work is kept.
        caveats: sentences that stand beside the figures.
        stage: told of progress.

    Raises:
        Refused: the gate does not allow it.
        AssayError: `made` was fitted on something else, or otherwise; or the set is too small.
    """
    pack = replace(bench.pack, normalisation=made)
    sample = crossed(sample_of(material, columns), pack, bench.permitted, on=on, stage=stage)
    if sample.crossed is None:
        raise AssayError("The score normalisation was not fitted on this data set.")
    everybody = np.arange(len(sample.templates))
    with bench.permitted() as permit:
        sides = Sides(*sample.crossed.vectors(sample.templates, everybody, permit=permit))
    told = assay(
        material,
        replace(bench, pack=pack),
        replace(wanted, identify=False, stress=(), years=None),
        directory=directory,
        stage=stage,
        sides=sides,
    )
    further = (CROSS_FITTED, *caveats)
    if not told.verification.genuine:
        further = (CROSS_FITTED, NO_GENUINE, *caveats)
    data = told.data.model_copy(update={"caveats": (*told.data.caveats, *further)})
    return told.model_copy(update={"data": data})
