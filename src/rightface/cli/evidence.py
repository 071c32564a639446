"""`rightface evidence`: what was measured of the model pack, and what the gate asks of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rightface.cli.output import Data, Json, emit, plain, reporting, say, show_table
from rightface.errors import SettingsError
from rightface.law.evidence import REQUIREMENTS, SHIPPED, Evidence, Requirement
from rightface.registrar import Registrar
from rightface.registrar_evidence import Told

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

        def human() -> None:
            say(
                f"{added.evidence_id} is on record: {_pairs(added)} impostor pairs, worst/best "
                f"{_ratio(added.evidence)}."
            )
            say(f"It is {_worth(added)}.")
            _say_left_out(added)

        emit(added, as_json, human)


@app.command("list")
def list_(data: Data, as_json: Json = False) -> None:
    """What ships with the pack, then every record, oldest first, ended and damaged ones too."""
    with reporting(as_json), Registrar.open(data) as registrar:
        told = registrar.evidence.listed()

        def human() -> None:
            show_table(
                ("evidence", "measured", "data set", "pairs", "worst/best", "state", "is"),
                [
                    (
                        _name(each),
                        "–" if each.evidence is None else each.evidence.measured_on.isoformat(),
                        "–" if each.figures is None else each.figures.data_set,
                        _pairs(each),
                        _ratio(each.evidence),
                        each.state.replace("-", " "),
                        _worth(each),
                    )
                    for each in told
                ],
            )

        emit(told, as_json, human)


@app.command()
def show(data: Data, evidence_id: EvidenceId, as_json: Json = False) -> None:
    """One record: every group that was measured, and what it lacks for each row of the table."""
    with reporting(as_json), Registrar.open(data) as registrar:
        found = registrar.evidence.find(evidence_id)
        emit(found, as_json, lambda: _say_all(found))


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
    "people",
    "genuine pairs",
    "oldest",
    "groups",
    "by",
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
        f"{row.people:,}",
        f"{row.genuine_pairs:,}",
        f"{row.oldest_years} {'year' if row.oldest_years == 1 else 'years'}",
        f"{row.groups}" if row.groups else "–",
        " × ".join(row.attributes) or "–",
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


def _say_all(found: Told) -> None:
    for name, value in plain(found.figures or found.evidence).items():
        if name not in ("groups", "differential", "left_out"):
            say(f"{name}: {'–' if value is None else value}")
    say(f"worst/best: {_ratio(found.evidence)}")
    _say_left_out(found)
    if found.recorded_at is not None:
        say(f"recorded_at: {found.recorded_at.isoformat()}, by {found.by}")
    elif found.shipped:
        say("It came with the release; nobody here signed it.")
    if found.ended_at is not None:
        say(f"ended_at: {found.ended_at.isoformat()}: {found.ended_why}")
    if found.uses:
        say()
        show_table(
            ("rule", "by itself it is", "it lacks"),
            [(use.rule, use.verdict.replace("-", " "), " ".join(use.lacks)) for use in found.uses],
        )
    groups = () if found.figures is None else found.figures.groups
    if groups:
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
                for each in groups
            ],
        )


def _say_left_out(told: Told) -> None:
    if told.figures is None:
        return
    if not told.figures.groups and not told.figures.left_out:
        say("No group was measured: rightface assay run --cohort COLUMN.")
    for one in told.figures.left_out:
        say(f"Not in worst/best: {one}.")
    if told.evidence is not None and told.evidence.lowest_tmr is None:
        say("How often people are recognised (the true match rate) is not measured by group.")


def _name(told: Told) -> str:
    if told.shipped and told.evidence_id != SHIPPED:
        return f"{told.evidence_id} ({SHIPPED})"
    return told.evidence_id


def _pairs(told: Told) -> str:
    return "–" if told.evidence is None else f"{told.evidence.impostor_pairs:,}"


def _worth(told: Told) -> str:
    """What it is good for by itself, and what it refuses."""
    if not told.uses:
        return "–"
    enough = [
        use.rule if use.most_faces is None else f"{use.rule} to {use.most_faces:,} faces"
        for use in told.uses
        if use.verdict == "enough"
    ]
    against = [use.rule for use in told.uses if use.verdict == "against"]
    said = f"enough for {', '.join(enough) or 'nothing by itself'}"
    return f"{said}; against {', '.join(against)}" if against else said


def _ratio(told: Evidence | None) -> str:
    found = None if told is None else told.differential
    if found is None:
        return "–" if told is None else "not measured"
    end = "no upper end" if found.high is None else f"{found.high:.3g}"
    return f"{found.value:.3g} ({found.low:.3g} to {end}; {found.groups} groups)"


def _rate(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"
