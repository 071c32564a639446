"""`rightface warrant`: warrants, orders and emergencies. Of a sealed one little is shown."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from rightface.cli.licence import moment
from rightface.cli.output import Data, Json, emit, plain, reporting, say, show_table
from rightface.errors import SettingsError
from rightface.law.warrant_records import Listed, WarrantTerms
from rightface.law.warrants import Warrant
from rightface.registrar import Registrar

app = typer.Typer(
    help="Warrants, orders and emergencies: signed, with scope and dates.", no_args_is_help=True
)
WarrantId = Annotated[str, typer.Argument(help="Its id: wrt-….")]


def digest_of(document: Path) -> str:
    """Hex SHA-256 of a file.

    Raises:
        SettingsError: it cannot be read.
    """
    try:
        return hashlib.sha256(document.read_bytes()).hexdigest()
    except OSError as error:
        raise SettingsError(
            "The document cannot be read.", why=type(error).__name__, mend="Give its file."
        ) from error


@app.command()
def record(
    data: Data,
    client: Annotated[str, typer.Option(help="The client that it is given to.")],
    kind: Annotated[str, typer.Option(help="A word of the vocabulary, for example court-order.")],
    issuer: Annotated[
        str, typer.Option(help="The court or authority; of an emergency, who declared it.")
    ],
    number: Annotated[str, typer.Option(help="Its number or file reference.")],
    operation: Annotated[list[str], typer.Option(help="An operation it covers. Repeatable.")],
    purpose: Annotated[list[str], typer.Option(help="A purpose it covers. Repeatable.")],
    document: Annotated[Path, typer.Option(help="The document; only its SHA-256 is kept.")],
    gallery: Annotated[
        list[str] | None, typer.Option(help="A pattern of collections. Repeatable.")
    ] = None,
    jurisdiction: Annotated[
        list[str] | None, typer.Option(help="Where it reaches; the instance's. Repeatable.")
    ] = None,
    until: Annotated[
        str | None, typer.Option(help="When it ends; of an emergency, absent: with its limit.")
    ] = None,
    valid_from: Annotated[str | None, typer.Option("--from", help="When it begins; now.")] = None,
    condition: Annotated[
        list[str] | None, typer.Option(help="What it states, NAME=VALUE. Repeatable.")
    ] = None,
    limit_hours: Annotated[
        int | None, typer.Option(help="Of an emergency: 1 to 168 hours; 48.")
    ] = None,
    sealed: Annotated[
        bool, typer.Option("--sealed", help="Never show more than id, kind, client and state.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Put a warrant, an order or an emergency on record."""
    with reporting(as_json):
        terms = WarrantTerms(
            kind=kind,
            issuer=issuer,
            number=number,
            client=client,
            operations=operation,
            purposes=purpose,
            galleries=gallery or (),
            jurisdictions=jurisdiction or (),
            valid_from=moment(valid_from),
            valid_until=moment(until),
            document_digest=digest_of(document),
            sealed=sealed,
            conditions=dict(_condition(each) for each in condition or []),
            limit_hours=limit_hours,
        )
        with Registrar.open(data) as registrar:
            recorded = registrar.warrants.record(terms)
        _tell(recorded, as_json, "is on record")


@app.command("list")
def list_(
    data: Data,
    client: Annotated[str | None, typer.Option(help="Only this client's.")] = None,
    as_json: Json = False,
) -> None:
    """Every record, oldest first; damaged, ended and expired ones too."""
    with reporting(as_json), Registrar.open(data) as registrar:
        told = list(_told(registrar.warrants.listed(client)))

        def human() -> None:
            show_table(
                ("warrant", "kind", "client", "state", "until", "issuer", "number"),
                [
                    (
                        each["warrant_id"],
                        each.get("kind", "–"),
                        each["client"],
                        each["state"] + (", sealed" if each.get("sealed") else ""),
                        str(each.get("valid_until", "–"))[:16],
                        each.get("issuer", "–"),
                        each.get("number", "–"),
                    )
                    for each in told
                ],
            )

        emit(told, as_json, human)


@app.command()
def show(data: Data, warrant_id: WarrantId, as_json: Json = False) -> None:
    """One record. Exit status 1 if it is damaged."""
    with reporting(as_json), Registrar.open(data) as registrar:
        (told,) = _told([registrar.warrants.find(warrant_id)])

        def human() -> None:
            for name, value in plain(told).items():
                say(f"{name}: {json.dumps(value, ensure_ascii=False)}")

        emit(told, as_json, human)
        if told["state"] == "damaged":
            raise typer.Exit(1)


@app.command()
def end(
    data: Data,
    warrant_id: WarrantId,
    refused: Annotated[bool, typer.Option("--refused", help="The court refused it.")] = False,
    as_json: Json = False,
) -> None:
    """End a record: from now on it lifts nothing."""
    with reporting(as_json), Registrar.open(data) as registrar:
        _tell(registrar.warrants.end(warrant_id, refused=refused), as_json, "is ended")


@app.command()
def request(
    data: Data,
    warrant_id: WarrantId,
    at: Annotated[str | None, typer.Option(help="When it was asked for; now.")] = None,
    as_json: Json = False,
) -> None:
    """The authorisation was asked for."""
    with reporting(as_json), Registrar.open(data) as registrar:
        done = registrar.warrants.mark_requested(warrant_id, moment(at))
        _tell(done, as_json, "is marked: authorisation asked for")


@app.command()
def report(
    data: Data,
    warrant_id: WarrantId,
    at: Annotated[str | None, typer.Option(help="When it was reported; now.")] = None,
    as_json: Json = False,
) -> None:
    """The emergency was reported after the fact."""
    with reporting(as_json), Registrar.open(data) as registrar:
        done = registrar.warrants.mark_reported(warrant_id, moment(at))
        _tell(done, as_json, "is marked: reported")


def _tell(warrant: Warrant, as_json: bool, what: str) -> None:
    now = datetime.now(UTC)
    state = warrant.state(now)
    emit(warrant.told(now), as_json, lambda: say(f"{warrant.warrant_id} {what}; it {_IS[state]}."))


_IS = {
    "holds": "holds",
    "not-yet-valid": "does not hold yet",
    "expired": "has expired",
    "ended": "was ended",
    "refused": "was refused",
    "overdue": "is overdue: authorisation or report is missing",
}


def _told(rows: Iterable[Listed]) -> Iterable[dict[str, Any]]:
    now = datetime.now(UTC)
    for row in rows:
        if row.warrant is None:
            yield {"warrant_id": row.warrant_id, "client": row.client, "state": "damaged"}
        else:
            yield row.warrant.told(now)


def _condition(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise SettingsError(
            "A condition is written NAME=VALUE.", mend="For example offence=homicide."
        )
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value
