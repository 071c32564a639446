"""`rightface subject`: what is held on a person, and their erasure. `rightface suppression`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rightface.cli.output import Data, Json, counted, emit, reporting, say, show_table
from rightface.errors import SettingsError
from rightface.registrar import Registrar
from rightface.registrar_subjects import SubjectReport, receipt_text

app = typer.Typer(help="One person: what is held, every use, erasure.", no_args_is_help=True)
suppression = typer.Typer(
    help="Suppressions: who is not enrolled again without a newer consent.", no_args_is_help=True
)
Subject = Annotated[str, typer.Argument(help="The reference of the person.")]


@app.command()
def report(data: Data, subject: Subject, as_json: Json = False) -> None:
    """Everything held on a person and every use of it, for a request of access."""
    with reporting(as_json), Registrar.open(data) as registrar:
        told = registrar.subjects.report(subject)
        emit(told, as_json, lambda: _tell(told))


@app.command()
def erase(
    data: Data,
    subject: Subject,
    receipt: Annotated[Path | None, typer.Option(help="Write the signed receipt here.")] = None,
    as_json: Json = False,
) -> None:
    """Erase all that is held on a person, everywhere, and print the signed receipt."""
    with reporting(as_json), Registrar.open(data) as registrar:
        if receipt is not None and receipt.exists():
            raise SettingsError(f"'{receipt.name}' exists.", mend="Name another file.")
        done = registrar.subjects.erase(subject)
        if receipt is not None:
            receipt.write_text(receipt_text(done.document), "utf-8")

        def human() -> None:
            gone = ", ".join(counted(number, what) for what, number in done.erased.items())
            say(f"Erased: {gone}. Nothing is left.")
            say("Without a consent given from now on, this person is enrolled nowhere again.")
            say(f"Receipt: ledger index {done.ledger_index}, signature {done.signature}")

        emit(done.document, as_json, human)


@app.command("receipt")
def receipt_(
    data: Data,
    receipt_id: Annotated[str, typer.Argument(help="rcp-… , or the ledger's index.")],
    as_json: Json = False,
) -> None:
    """A receipt that was kept: of a deletion by a client, of a sweep, of a withdrawal."""
    with reporting(as_json), Registrar.open(data) as registrar:
        desk = registrar.subjects
        ids = desk.receipts_of(int(receipt_id)) if receipt_id.isdecimal() else [receipt_id]
        found = [desk.receipt(each) for each in ids]

        def human() -> None:
            for each in found:
                say(receipt_text(each).rstrip())
            if not found:
                say("No receipt is kept for this entry.")

        emit(found, as_json, human)


@suppression.command("list")
def list_(data: Data, as_json: Json = False) -> None:
    """How many suppressions there are, by reason. Nobody is named; only a consent lifts one."""
    with reporting(as_json), Registrar.open(data) as registrar:
        found = registrar.subjects.suppressions()

        def human() -> None:
            if not found:
                say("Nobody is suppressed.")
                return
            show_table(("reason", "entries"), [(why, str(n)) for why, n in found.items()])

        emit(found, as_json, human)


@suppression.command()
def check(data: Data, subject: Subject, as_json: Json = False) -> None:
    """Whether a person is suppressed, where, why and since when."""
    with reporting(as_json), Registrar.open(data) as registrar:
        found = registrar.subjects.standing(subject)

        def human() -> None:
            if found.withdrew:
                say("They withdrew, or said no, and have not consented anew.")
            for one in found.entries:
                say(
                    f"Since {one.since:%Y-%m-%d %H:%M} UTC ({one.reason}): client {one.client},"
                    f" gallery {one.gallery}."
                )
            if not found.withdrew and not found.entries:
                say("Nothing is on record.")
            elif found.last_consent is not None:
                say(f"Their last consent is of {found.last_consent:%Y-%m-%d %H:%M} UTC.")

        emit(found, as_json, human)


def _tell(told: SubjectReport) -> None:
    say(f"What is held on you, as of {told.made_at:%Y-%m-%d %H:%M} UTC.")
    say()
    say(f"Faces: {len(told.faces)}.")
    for face in told.faces:
        ends = [each for each in (face.retain_until, face.idle_until) if each is not None]
        until = f"kept until {min(ends):%Y-%m-%d} at the latest" if ends else "no date is set"
        say(
            f"  {face.client} keeps an encrypted template of your face in its gallery"
            f" '{face.gallery}' since {face.enrolled_at:%Y-%m-%d}, for {face.purpose};"
            f" basis: {face.basis}; {until}{'; with a small picture' if face.crop_kept else ''}."
        )
    say(f"Consents: {len(told.consents)}.")
    for one in told.consents:
        state = f"withdrawn {one.withdrawn_at:%Y-%m-%d}" if one.withdrawn_at else "not withdrawn"
        say(
            f"  Given {one.obtained_at:%Y-%m-%d} ({one.how}) for {', '.join(one.purposes)}"
            f" in {', '.join(one.galleries)}; {state}."
        )
    for entry in told.suppressions:
        say(
            f"Since {entry.since:%Y-%m-%d} you are not enrolled without a newer consent:"
            f" client {entry.client}, gallery {entry.gallery} ({entry.reason})."
        )
    for name, number in told.elsewhere.items():
        say(f"{name.replace('_', ' ').capitalize()}: {number}.")
    say(f"Uses on record: {len(told.uses)}.")
    for use in told.uses:
        by = f"  {use.time:%Y-%m-%d %H:%M} UTC  {use.operation}: {use.outcome}"
        say(f"{by}, by {use.client or '–'}, for {use.purpose or '–'}, entry {use.index}")
    say()
    say("Of the time before an earlier erasure of yours, this lists only what was recorded while")
    say("no face of yours was held: a consent, a refusal, the permission for your first enrolment.")
    say(f"This report is entry {told.ledger_index} of the ledger.")
