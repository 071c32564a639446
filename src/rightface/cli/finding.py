"""`rightface finding`: what was found in a case, what it was derived from, and acts on a match."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from rightface.cli.licence import moment
from rightface.cli.output import Data, Json, emit, plain, reporting, say, show_table
from rightface.cli.warrant import digest_of
from rightface.errors import Refused
from rightface.law.findings import FindingTerms
from rightface.law.ruling import refusal_text
from rightface.registrar import Registrar
from rightface.registrar_findings import Traced

app = typer.Typer(
    help="Findings and what they rest on: a match is only a lead.", no_args_is_help=True
)


@app.command()
def record(
    data: Data,
    client: Annotated[str, typer.Option(help="The client whose case it is.")],
    kind: Annotated[str, typer.Option(help="A word of the vocabulary, for example witness.")],
    document: Annotated[Path, typer.Option(help="What shows it; only its SHA-256 is kept.")],
    parent: Annotated[
        list[str] | None,
        typer.Option(help="What it was derived from: a finding, or search:INDEX. Repeatable."),
    ] = None,
    found: Annotated[str | None, typer.Option(help="When it was found; now.")] = None,
    as_json: Json = False,
) -> None:
    """Put a finding on record, with all that it was derived from."""
    with reporting(as_json):
        terms = FindingTerms(
            client=client,
            kind=kind,
            document_digest=digest_of(document),
            parents=tuple(parent or ()),
            found_at=moment(found),
        )
        with Registrar.open(data) as registrar:
            recorded = registrar.findings.record(terms)
        name = recorded.finding.finding_id
        emit(_told(recorded), as_json, lambda: say(f"{name} is on record: {recorded.origin}."))


@app.command("list")
def list_(
    data: Data,
    client: Annotated[str | None, typer.Option(help="Only this client's.")] = None,
    as_json: Json = False,
) -> None:
    """Every finding, oldest first, damaged ones too."""
    with reporting(as_json), Registrar.open(data) as registrar:
        told = [
            {"finding_id": row.finding_id, "client": row.client, "origin": "damaged"}
            if traced is None
            else _told(traced)
            for row, traced in registrar.findings.listed(client)
        ]

        def human() -> None:
            show_table(
                ("finding", "client", "kind", "origin", "derived from"),
                [
                    (
                        each["finding_id"],
                        each["client"],
                        each.get("kind", "–"),
                        each["origin"],
                        ", ".join(each.get("parents", ())) or "–",
                    )
                    for each in told
                ],
            )

        emit(told, as_json, human)


@app.command()
def show(
    data: Data,
    finding_id: Annotated[str, typer.Argument(help="Its id: fnd-….")],
    as_json: Json = False,
) -> None:
    """One finding."""
    with reporting(as_json), Registrar.open(data) as registrar:
        told = _told(registrar.findings.find(finding_id))

        def human() -> None:
            for name, value in plain(told).items():
                say(f"{name}: {', '.join(value) or '–' if isinstance(value, list) else value}")

        emit(told, as_json, human)


@app.command()
def act(
    data: Data,
    client: Annotated[str, typer.Option(help="Who wants to act.")],
    licence: Annotated[str, typer.Option(help="Under which licence.")],
    operation: Annotated[
        str, typer.Option(help="arrest-on-match, lineup-on-match or probable-cause-from-match.")
    ],
    findings: Annotated[
        str, typer.Option(help="What it relies on: finding ids and search:INDEX, with commas.")
    ] = "",
    warrant: Annotated[str | None, typer.Option(help="A warrant on record.")] = None,
    purpose: Annotated[str | None, typer.Option(help="If the licence has several.")] = None,
    as_json: Json = False,
) -> None:
    """Ask the gate whether a match may be acted on; the decision is recorded. 3: refused."""
    with reporting(as_json), Registrar.open(data) as registrar:
        answer = registrar.findings.ask(
            client=client,
            licence_id=licence,
            operation=operation,
            cited=tuple(each.strip() for each in findings.split(",") if each.strip()),
            warrant_id=warrant,
            purpose=purpose,
        )
        told = {
            "outcome": "allow" if answer.ruling is None else answer.ruling.outcome,
            "ledger_index": answer.ledger_index,
            "permit": answer.permit_id,
            "reasons": list(answer.reasons),
            "obligations": answer.obligations,
            "missing": [] if answer.ruling is None else list(answer.ruling.missing),
            "message": "Allowed." if answer.ruling is None else refusal_text(answer.ruling),
        }

        def human() -> None:
            say(str(told["message"]))
            say(f"Ledger index: {answer.ledger_index}")

        emit(told, as_json, human)
        if not answer.allowed:
            raise typer.Exit(Refused.exit_status)


def _told(traced: Traced) -> dict[str, Any]:
    return {**plain(traced.finding), "origin": traced.origin}
