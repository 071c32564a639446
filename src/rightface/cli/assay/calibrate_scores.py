"""`rightface assay calibrate --scores`: another system's scores, so no gate and no instance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from rightface.cli.assay.bench import made, write_text
from rightface.errors import SettingsError

if TYPE_CHECKING:
    from rightface.assay.calibrating import Calibrated


def of_scores(
    file: Path,
    paths: Sequence[Path],
    *,
    cohort: Sequence[str] | None,
    caveat: Sequence[str],
    on: date,
    seed: int,
    photographs: Mapping[str, object],
) -> Calibrated:
    """What the scores of a table stand for, written to `paths`.

    Args:
        file: the table.
        paths: where the document goes.
        cohort: columns of groups; None: all of few values.
        caveat: sentences to stand beside the figures.
        on: the day.
        seed: of what is drawn.
        photographs: what the command line may say of photographs alone, each with its name.

    Raises:
        SettingsError: something of photographs is said.
        TableError, ScoreFileError, CalibrationError: the scores cannot be read, or do not suffice.
        StorageError: the document cannot be written.
    """
    from rightface.assay.calibrating_scores import calibrate_scores
    from rightface.assay.calibration_document import written
    from rightface.assay.score_file import read_scores

    said = [name for name, value in photographs.items() if value]
    if said:
        raise SettingsError(
            f"--scores is of no photographs, and {said[0]} is.", mend="Leave one of them out."
        )
    with read_scores(file, cohort_columns=cohort) as read:
        found = calibrate_scores(read, name=file.stem, on=on, caveats=caveat, seed=seed)
    for path in paths:
        made(path.parent)
        write_text(path, written(found.document))
    return found
