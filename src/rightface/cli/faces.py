"""`rightface compare`: two photographs, one permit, one answer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rightface.cli.output import Data, Json, emit, reporting, say
from rightface.errors import NoFace, SettingsError
from rightface.faces.calibration import fmr_of_similarity
from rightface.faces.calibration import similarity as similarity_of
from rightface.service import Service


def add_to(app: typer.Typer) -> None:
    """Add the commands of this file to the root."""
    app.command()(compare)


def compare(
    source: Annotated[Path, typer.Argument(help="A photograph; its largest face is compared.")],
    target: Annotated[Path, typer.Argument(help="Another; its best matching face counts.")],
    data: Data,
    client: Annotated[
        str | None, typer.Option(help="Whose licence; the first that grants verify-1to1.")
    ] = None,
    purpose: Annotated[str | None, typer.Option(help="Which of the licence's purposes.")] = None,
    fmr: Annotated[
        float, typer.Option(help="The false match rate at which two faces match; Rekognition's 80.")
    ] = fmr_of_similarity(80.0),
    as_json: Json = False,
) -> None:
    """Compare the faces of two photographs, 1:1, through the same gate as every client."""
    with reporting(as_json):
        if not 0 < fmr < 1:
            raise SettingsError("--fmr must lie between 0 and 1.", mend="For example 0.001.")
        with Service.open(data) as service:
            caller = service.local_caller("verify-1to1", client=client, purpose=purpose)
            answer = service.compare_faces(
                caller, source=_read(source), target=_read(target), similarity=similarity_of(fmr)
            )
        best = answer.value.best
        if best is None:
            raise NoFace("The second photograph has no face.", mend="Send one that has.")
        told = {
            "match": bool(answer.value.matches),
            "similarity": best.similarity,
            "fmr": best.fmr,
            "extrapolated": best.extrapolated,
            "threshold_fmr": answer.fmr,
            "faces": {
                "source": answer.value.source,
                "target": [
                    *(match.face for match in answer.value.matches),
                    *answer.value.unmatched,
                ],
            },
            "client": caller.licence.client,
            "permit": answer.permit_id,
            "ledger_index": answer.ledger_index,
        }

        def human() -> None:
            verdict = "Match" if told["match"] else "No match"
            beyond = ", extrapolated beyond the calibration's pairs" if best.extrapolated else ""
            say(f"{verdict}: similarity {best.similarity:.1f}, FMR {best.fmr:.1e}{beyond}.")
            say(f"Permit {answer.permit_id}, ledger index {answer.ledger_index}.")

        emit(told, as_json, human)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SettingsError(f"'{path}' cannot be read.", why=str(error.strerror)) from error
