"""`rightface consent`: what a person agreed to, and its withdrawal."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Annotated

import typer

from rightface.cli.licence import moment
from rightface.cli.output import Data, Json, counted, emit, reporting, say
from rightface.errors import SettingsError
from rightface.registrar import ConsentTerms, Registrar

app = typer.Typer(help="Consent: recorded, checked at every use, withdrawn.", no_args_is_help=True)


def subjects_of(path: Path) -> list[str]:
    """The column `subject` of a CSV file.

    Raises:
        SettingsError: no such file or column, or an empty cell.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file)
            if "subject" not in (rows.fieldnames or ()):
                raise SettingsError(
                    f"{path.name} has no column 'subject'.",
                    mend="Its first line names the columns.",
                )
            subjects = [(row["subject"] or "").strip() for row in rows]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SettingsError(f"{path.name} cannot be read.", why=type(error).__name__) from error
    if not subjects or not all(subjects):
        raise SettingsError(
            f"{path.name} has no subjects, or a row without one.", mend="Mend the file."
        )
    return list(dict.fromkeys(subjects))


@app.command()
def record(
    data: Data,
    purpose: Annotated[list[str], typer.Option(help="A purpose agreed to. Repeatable.")],
    gallery: Annotated[list[str], typer.Option(help="A pattern of collections. Repeatable.")],
    notice: Annotated[Path, typer.Option(help="The text that the person was shown.")],
    retention_days: Annotated[int, typer.Option(help="How long templates may be kept.", min=1)],
    subject: Annotated[list[str] | None, typer.Option(help="The reference. Repeatable.")] = None,
    subjects_from: Annotated[
        Path | None, typer.Option(help="A CSV file with a column 'subject', for many.")
    ] = None,
    how: Annotated[str, typer.Option(help="How it was given.")] = "written-release",
    obtained: Annotated[str | None, typer.Option(help="When it was given; now.")] = None,
    expires: Annotated[str | None, typer.Option(help="When it ends by itself.")] = None,
    client: Annotated[str | None, typer.Option(help="Only for this client; any.")] = None,
    as_json: Json = False,
) -> None:
    """Record that a person agreed, to what, and on which notice."""
    with reporting(as_json):
        if (subject is None) == (subjects_from is None):
            raise SettingsError("Give either --subject or --subjects-from FILE.csv.")
        subjects = subject if subjects_from is None else subjects_of(subjects_from)
        try:
            shown = notice.read_bytes()
        except OSError as error:
            raise SettingsError(
                f"The notice '{notice.name}' cannot be read.",
                why=type(error).__name__,
                mend="Give the file with the text that the person was shown.",
            ) from error
        terms = ConsentTerms(
            purposes=tuple(purpose),
            galleries=tuple(gallery),
            notice=shown,
            retention_days=retention_days,
            how=how,
            obtained_at=moment(obtained),
            expires_at=moment(expires),
            client=client,
        )
        with Registrar.open(data) as registrar:
            consents = registrar.record_consents(subjects or [], terms)

        def human() -> None:
            for each in consents:
                say(f"Consent {each.consent_id} recorded, until {each.expires_at or 'withdrawn'}.")

        emit(
            consents[0] if subjects_from is None and len(consents) == 1 else consents,
            as_json,
            human,
        )


@app.command()
def withdraw(
    data: Data,
    subject: Annotated[str, typer.Option(help="The reference of the person.")],
    as_json: Json = False,
) -> None:
    """Withdraw consent: erase all that is held on the person, and print the signed receipt."""
    with reporting(as_json), Registrar.open(data) as registrar:
        receipt = registrar.withdraw_consent(subject)

        def human() -> None:
            gone = ", ".join(counted(number, what) for what, number in receipt.erased.items())
            say(f"Withdrawn and erased: {gone}. Nothing is left.")
            say(f"Receipt: ledger index {receipt.ledger_index}, signature {receipt.signature}")

        emit(receipt.document, as_json, human)


@app.command()
def show(
    data: Data,
    subject: Annotated[str, typer.Option(help="The reference of the person.")],
    as_json: Json = False,
) -> None:
    """What is on record for a person."""
    with reporting(as_json), Registrar.open(data) as registrar:
        consents = registrar.consents_of(subject)

        def human() -> None:
            if not consents:
                say("No consent is on record.")
            for each in consents:
                state = f"withdrawn {each.withdrawn_at:%Y-%m-%d}" if each.withdrawn_at else "given"
                say(
                    f"{each.consent_id}  {state}  for {', '.join(each.purposes)}"
                    f"  in {', '.join(each.galleries)}  notice sha256 {each.notice_digest[:16]}…"
                )

        emit(consents, as_json, human)
