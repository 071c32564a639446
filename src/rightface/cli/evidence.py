"""`rightface evidence`: what was measured of the model pack, and what the gate asks of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from rightface.cli.output import Data, Json, emit, plain, reporting, say, show_table
from rightface.errors import SettingsError
from rightface.law.evidence import REQUIREMENTS, Evidence, Requirement
from rightface.law.evidence_records import EvidenceOnRecord
from rightface.registrar import Registrar

app = typer.Typer(
    help="Measurements of the model pack on record: what may run rests on them.",
    no_args_is_help=True,
)
_LARGEST = 256 * 1024 * 1024
EvidenceId = Annotated[str, typer.Argument(help="Its id: evd-….")]


@app.command()
def add(
    data: Data,
    assay: Annotated[Path, typer.Argument(help="The assay.json of `rightface assay run`.")],
    fmr: Annotated[
        float, typer.Option(help="The false match rate at whose threshold groups are compared.")
    ] = 1e-3,
    as_json: Json = False,
) -> None:
    """Put an assay on record, signed: it must be about the pack in use, and add up."""
    with reporting(as_json):
        content = _read(assay)
        with Registrar.open(data) as registrar:
            added = registrar.evidence.add(content, fmr_target=fmr)
        emit(added, as_json, lambda: say(f"{added.evidence_id} is on record: {_sum(added)}."))


@app.command("list")
def list_(data: Data, as_json: Json = False) -> None:
    """What ships with the pack, then every record, oldest first, ended and damaged ones too."""
    with reporting(as_json), Registrar.open(data) as registrar:
        desk = registrar.evidence
        told = [_shipped(each) for each in desk.shipped()]
        for row in desk.listed():
            if row.found is None:
                told.append({"evidence_id": row.evidence_id, "state": _state(None, row.ended)})
            else:
                told.append(_told(row.found, _state(row.found, row.ended, desk.in_use(row.found))))

        def human() -> None:
            show_table(
                ("evidence", "measured", "data set", "impostor pairs", "worst/best", "state"),
                [
                    (
                        each["evidence_id"],
                        each.get("measured_on", "–"),
                        each.get("data_set", "–"),
                        f"{each['impostor_pairs']:,}" if "impostor_pairs" in each else "–",
                        each.get("worst_over_best", "–"),
                        each["state"],
                    )
                    for each in told
                ],
            )

        emit(told, as_json, human)


@app.command()
def show(data: Data, evidence_id: EvidenceId, as_json: Json = False) -> None:
    """One record, with every group that was measured."""
    with reporting(as_json), Registrar.open(data) as registrar:
        found = registrar.evidence.find(evidence_id)
        figures = found.figures

        def human() -> None:
            for name, value in plain(figures).items():
                if name not in ("groups", "differential"):
                    say(f"{name}: {'–' if value is None else value}")
            say(f"worst/best: {_ratio(found.evidence)}")
            say(f"recorded_at: {found.recorded_at.isoformat()}, by {found.by}")
            if found.ended_at is not None:
                say(f"ended_at: {found.ended_at.isoformat()}: {found.ended_why}")
            if figures.groups:
                say()
                show_table(
                    ("group", "impostor pairs", "FMR", "95 %", "genuine pairs", "TMR", "note"),
                    [
                        (
                            each.name,
                            f"{each.impostor_pairs:,}",
                            _rate(each.fmr),
                            f"{_rate(each.fmr_low)} to {_rate(each.fmr_high)}",
                            f"{each.genuine_pairs:,}",
                            "–" if each.tmr is None else f"{each.tmr:.4f}",
                            each.too_few,
                        )
                        for each in figures.groups
                    ],
                )

        emit(found, as_json, human)


@app.command()
def end(
    data: Data,
    evidence_id: EvidenceId,
    reason: Annotated[str, typer.Option(help="Why. It stays on record.")],
    as_json: Json = False,
) -> None:
    """End a record, from now on and for good. Signed and logged."""
    with reporting(as_json), Registrar.open(data) as registrar:
        ended = registrar.evidence.end(evidence_id, why=reason)
        told = {"evidence_id": evidence_id, "damaged": ended is None, "record": ended}
        emit(told, as_json, lambda: say(f"{evidence_id} is ended."))


@app.command()
def rules(as_json: Json = False) -> None:
    """What each operation needs: the table that step 5 of the gate goes by."""

    def human() -> None:
        show_table(COLUMNS, [cells(row) for row in REQUIREMENTS])
        for row in REQUIREMENTS:
            say(f"\n{row.name}: {row.why}")

    emit(REQUIREMENTS, as_json, human)


COLUMNS = (
    "rule",
    "operation",
    "gallery",
    "impostor pairs",
    "and per face",
    "oldest",
    "groups",
    "worst/best",
)


def cells(row: Requirement) -> tuple[str, ...]:
    """A row of the table, as it is printed; docs/evidence.md has the same."""
    return (
        row.name,
        row.operation,
        row.gallery,
        f"{row.impostor_pairs:,}",
        f"{row.pairs_per_face:,}" if row.pairs_per_face else "–",
        f"{row.oldest_years} {'year' if row.oldest_years == 1 else 'years'}",
        f"{row.groups}" if row.groups else "–",
        f"{row.limit:g}" if row.limit is not None else "–",
    )


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > _LARGEST:
            raise SettingsError("The assay's file is larger than 256 MiB.")
        return path.read_bytes()
    except OSError as error:
        raise SettingsError(
            f"The assay '{path.name}' cannot be read.", why=type(error).__name__
        ) from error


def _sum(added: EvidenceOnRecord) -> str:
    pairs = f"{added.figures.impostor_pairs:,} impostor pairs"
    return f"{pairs}, worst/best {_ratio(added.evidence)}"


def _ratio(told: Evidence) -> str:
    found = told.differential
    if found is None:
        return "not measured"
    end = "no upper end" if found.high is None else f"{found.high:.3g}"
    return f"{found.value:.3g} ({found.low:.3g} to {end}; {found.groups} groups)"


def _rate(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"


def _state(found: EvidenceOnRecord | None, ended: bool, in_use: bool = True) -> str:
    if ended:
        return "ended"
    if found is None:
        return "damaged"
    return "counts" if in_use else "of another pack"


def _shipped(one: Evidence) -> dict[str, Any]:
    return {
        "evidence_id": one.source,
        "measured_on": one.measured_on.isoformat(),
        "impostor_pairs": one.impostor_pairs,
        "worst_over_best": _ratio(one),
        "state": "counts",
        "evidence": plain(one),
    }


def _told(found: EvidenceOnRecord, state: str) -> dict[str, Any]:
    return {
        "evidence_id": found.evidence_id,
        "measured_on": found.figures.measured_on.isoformat(),
        "data_set": found.figures.data_set,
        "impostor_pairs": found.figures.impostor_pairs,
        "worst_over_best": _ratio(found.evidence),
        "state": state,
        "evidence": plain(found.evidence),
    }
