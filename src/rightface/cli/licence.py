"""`rightface licence`: who may ask what, for whom, where and until when."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from rightface.cli.output import Data, Json, counted, emit, plain, reporting, say, show_table
from rightface.errors import SettingsError
from rightface.registrar import LicenceTerms, Registrar

app = typer.Typer(
    help="Licences: signed, per client, with the parties behind it.", no_args_is_help=True
)

TESTING = "measure-accuracy"
WITHOUT_VOLUMES = (
    "Nothing can be tested with it over the network: there a licence for measure-accuracy must say "
    "how much it may ask (--per-day, --per-second). It holds on this machine alone."
)


def moment(text: str | None) -> datetime | None:
    """A date or time of the command line, in UTC unless it says otherwise.

    Raises:
        SettingsError: it is neither.
    """
    if text is None:
        return None
    try:
        told = datetime.fromisoformat(text)
    except ValueError:
        raise SettingsError(f"'{text}' is not a date.", mend="Write it as 2030-01-01.") from None
    return told if told.tzinfo else told.replace(tzinfo=UTC)


@app.command()
def issue(
    data: Data,
    client: Annotated[str, typer.Option(help="The client's short name, for example acme.")],
    sector: Annotated[str, typer.Option(help="What the client is: an actor of the vocabulary.")],
    jurisdiction: Annotated[str, typer.Option(help="Where the client is, for example US-IL.")],
    purpose: Annotated[list[str], typer.Option(help="A purpose of the vocabulary. Repeatable.")],
    operation: Annotated[list[str], typer.Option(help="An operation it may ask. Repeatable.")],
    until: Annotated[str, typer.Option(help="The first day on which it no longer holds.")],
    gallery: Annotated[
        list[str] | None, typer.Option(help="A pattern of collection names. Repeatable.")
    ] = None,
    on_behalf_of: Annotated[
        list[str] | None,
        typer.Option("--for", help="Who stands behind the client, NAME:SECTOR. Repeatable."),
    ] = None,
    basis: Annotated[
        str, typer.Option(help="The legal basis where a request cannot name its subject.")
    ] = "consent-warranted",
    valid_from: Annotated[str | None, typer.Option("--from", help="First day; now.")] = None,
    per_second: Annotated[
        int | None, typer.Option(help="Requests per second; as many as there is room for.", min=1)
    ] = None,
    per_day: Annotated[
        int | None, typer.Option(help="Requests per day (UTC); no limit.", min=1)
    ] = None,
    differential_limit: Annotated[
        float | None,
        typer.Option(
            help="How many times as often the worst group may match falsely as the best.", min=1
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Issue a licence and its access key. The secret is shown this once."""
    with reporting(as_json):
        terms = LicenceTerms(
            client=client,
            sector=sector,
            jurisdiction=jurisdiction,
            purposes=tuple(purpose),
            operations=tuple(operation),
            galleries=tuple(gallery or ()),
            on_behalf_of=tuple(on_behalf_of or ()),
            basis=basis,
            valid_from=moment(valid_from),
            valid_until=moment(until),
            per_second=per_second,
            per_day=per_day,
            differential_limit=differential_limit,
        )
        with Registrar.open(data) as registrar:
            issued = registrar.issue_licence(terms)
        unlimited = TESTING in operation and per_second is None and per_day is None
        told = {
            "licence_id": issued.licence.licence_id,
            "client": issued.licence.client,
            "access_key_id": issued.licence.access_key_id,
            "secret_access_key": issued.secret_access_key,
            "licence": issued.licence,
            "note": WITHOUT_VOLUMES if unlimited else "",
        }

        def human() -> None:
            say(f"Licence {issued.licence.licence_id} for {issued.licence.client}")
            say(f"  access key id      {issued.licence.access_key_id}")
            say(f"  secret access key  {issued.secret_access_key}   (shown this once)")
            if unlimited:
                say(f"Note: {WITHOUT_VOLUMES}")

        emit(told, as_json, human)


@app.command("list")
def list_(data: Data, as_json: Json = False) -> None:
    """All licences, revoked ones too."""
    with reporting(as_json), Registrar.open(data) as registrar:
        licences = registrar.licences()

        def human() -> None:
            show_table(
                ("licence", "client", "sector", "for", "operations", "until", "state"),
                [
                    (
                        each.licence_id,
                        each.client,
                        each.sector,
                        ", ".join(f"{p.name}:{p.actor}" for p in each.parties) or "–",
                        ", ".join(sorted(each.operations)),
                        f"{each.valid_until:%Y-%m-%d}",
                        "revoked" if each.revoked_at else "issued",
                    )
                    for each in licences
                ],
            )

        emit(licences, as_json, human)


@app.command()
def revoke(
    data: Data,
    licence_id: Annotated[str, typer.Argument()],
    erase: Annotated[
        bool,
        typer.Option("--erase", help="Erase the client's galleries at once, without grace."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Revoke a licence: its key stops working at once.

    The galleries of a client without a licence are erased when its days of grace are over (the
    setting licence_grace_days): rightface retention sweep --dry-run.
    """
    with reporting(as_json), Registrar.open(data) as registrar:
        revoked = registrar.revoke_licence(licence_id)
        receipts = registrar.erase_ended_galleries(revoked.client) if erase else ()

        def human() -> None:
            say(f"Licence {revoked.licence_id} is revoked.")
            for receipt in receipts:
                gone = ", ".join(counted(number, what) for what, number in receipt.erased.items())
                say(f"Erased a gallery: {gone}. Receipt: ledger index {receipt.ledger_index}")

        told = {**plain(revoked), "receipts": [receipt.document for receipt in receipts]}
        emit(told, as_json, human)
