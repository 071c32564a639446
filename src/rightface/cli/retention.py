"""`rightface retention`: what is kept until when, what moves the dates, what is erased."""

from __future__ import annotations

from collections import Counter
from typing import Annotated

import typer

from rightface.cli.licence import moment
from rightface.cli.output import Data, Json, counted, emit, reporting, say, show_table
from rightface.gallery.receipts import Receipt
from rightface.retention import RetentionDesk, Sweep

app = typer.Typer(
    help="Retention: two clocks on every face, and what is due.", no_args_is_help=True
)


@app.command()
def interaction(
    data: Data,
    subject: Annotated[str, typer.Argument(help="The reference of the person.")],
    gallery: Annotated[str, typer.Option(help="The collection.")],
    client: Annotated[
        str | None, typer.Option(help="Whose collection, if several have one of this name.")
    ] = None,
    at: Annotated[str | None, typer.Option(help="When it was; now.")] = None,
    as_json: Json = False,
) -> None:
    """The person did something with the client: the clock of idleness starts anew."""
    with reporting(as_json), RetentionDesk.open(data) as desk:
        moved = desk.interaction(subject, gallery=gallery, client=client, at=moment(at))

        def human() -> None:
            say(f"Noted. The idle date of {moved.moved} of {counted(moved.faces, 'faces')} moved.")

        emit(moved, as_json, human)


@app.command("purpose-ended")
def purpose_ended(
    data: Data,
    client: Annotated[str, typer.Option(help="Whose collection.")],
    gallery: Annotated[str, typer.Option(help="The collection whose purpose is met.")],
    as_json: Json = False,
) -> None:
    """The purpose of a collection is met: erase all that is enrolled there, now."""
    with reporting(as_json), RetentionDesk.open(data) as desk:
        ended = desk.end_purpose(client=client, gallery=gallery)

        def human() -> None:
            say(f"The purpose is met: {counted(ended.faces_due, 'faces')} became due.")
            _tell(ended.receipts)

        told = {
            "faces_due": ended.faces_due,
            "receipts": [receipt.document for receipt in ended.receipts],
        }
        emit(told, as_json, human)


@app.command()
def due(
    data: Data,
    within: Annotated[int, typer.Option(help="Days to look ahead.", min=0, max=36_500)] = 30,
    as_json: Json = False,
) -> None:
    """What is due when, in counts; nothing is erased. Exit status 1 if something is overdue."""
    with reporting(as_json), RetentionDesk.open(data) as desk:
        found = desk.due(within_days=within)
        overdue = sum(one.overdue for one in found)
        galleries: Counter[tuple[str, str]] = Counter()
        for one in found:
            galleries[one.client, one.gallery] += one.faces

        def human() -> None:
            if not found:
                say(f"Nothing is due within {counted(within, 'days')}.")
                return
            show_table(
                ("client", "gallery", "day", "clock", "faces", "overdue"),
                [
                    (
                        one.client,
                        one.gallery,
                        str(one.day),
                        one.clock,
                        str(one.faces),
                        str(one.overdue),
                    )
                    for one in found
                ],
            )
            if overdue:
                say(f"ALARM: {counted(overdue, 'faces')} overdue. Run: rightface retention sweep")

        told = {
            "within_days": within,
            "overdue": overdue,
            "galleries": [
                {"client": client, "gallery": gallery, "faces": faces}
                for (client, gallery), faces in sorted(galleries.items())
            ],
            "due": found,
        }
        emit(told, as_json, human)
        if overdue:
            raise typer.Exit(1)


@app.command()
def sweep(
    data: Data,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    as_json: Json = False,
) -> None:
    """Erase what is due, now. A running server does so once a minute.

    Faces past a retention date; faces whose consent has ended; the galleries of clients whose last
    licence ended, after the days of grace.
    """
    with reporting(as_json), RetentionDesk.open(data) as desk:
        if dry_run:
            _tell_dry(desk.would_sweep(), as_json)
            return
        receipts = desk.sweep()

        def human() -> None:
            if not receipts:
                say("Nothing was overdue.")
            _tell(receipts)

        told = {
            "faces": sum(receipt.erased["faces"] for receipt in receipts),
            "receipts": [receipt.document for receipt in receipts],
        }
        emit(told, as_json, human)


def _tell(receipts: tuple[Receipt, ...]) -> None:
    for receipt in receipts:
        gone = ", ".join(counted(number, what) for what, number in receipt.erased.items())
        say(f"Erased: {gone}. Nothing is left.")
        say(f"Receipt: ledger index {receipt.ledger_index}, signature {receipt.signature}")


def _tell_dry(sweep: Sweep, as_json: bool) -> None:
    def human() -> None:
        say(f"Past a retention date: {counted(sweep.past_date, 'faces')}.")
        say(f"Consent has ended: {counted(sweep.consent_ended, 'faces')}.")
        for one in sweep.licences_ended:
            say(
                f"The last licence of {one.client} ended on {one.ended_at:%Y-%m-%d}: "
                f"galleries to erase: {len(one.galleries)}, from "
                f"{one.erased_from:%Y-%m-%d} on."
            )
        say("Nothing was erased.")

    emit(sweep, as_json, human)
