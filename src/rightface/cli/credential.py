"""`rightface credential`: the tokens of operators, reviewers and auditors."""

from __future__ import annotations

from typing import Annotated

import typer

from rightface.cli.output import Data, Json, emit, reporting, say, show_table
from rightface.registrar_credentials import CredentialDesk

app = typer.Typer(
    help="Credentials of people: operators, reviewers, auditors.", no_args_is_help=True
)


@app.command()
def issue(
    data: Data,
    role: Annotated[str, typer.Option(help="operator, reviewer or auditor.")],
    name: Annotated[str, typer.Option(help="Whose it is; it never enters the ledger.")],
    as_json: Json = False,
) -> None:
    """Issue a credential. Its token is shown this once."""
    with reporting(as_json), CredentialDesk.open(data) as desk:
        issued = desk.issue(role=role, name=name)
        told = {"credential": issued.credential, "token": issued.token}

        def human() -> None:
            say(f"Credential {issued.credential.credential_id} for {name}, {role}")
            say(f"  token  {issued.token}   (shown this once)")

        emit(told, as_json, human)


@app.command("list")
def list_(
    data: Data,
    role: Annotated[str | None, typer.Option(help="Only of this role.")] = None,
    as_json: Json = False,
) -> None:
    """All credentials, ended ones too. Never a token."""
    with reporting(as_json), CredentialDesk.open(data) as desk:
        found = desk.listed(role)

        def human() -> None:
            show_table(
                ("credential", "role", "name", "since", "state"),
                [
                    (
                        each.credential_id,
                        each.role,
                        each.name,
                        f"{each.created_at:%Y-%m-%d}",
                        f"ended {each.ended_at:%Y-%m-%d}" if each.ended_at else "stands",
                    )
                    for each in found
                ],
            )

        emit(found, as_json, human)


@app.command()
def end(
    data: Data,
    credential_id: Annotated[str, typer.Argument(help="Its id, 16 hexadecimal digits.")],
    as_json: Json = False,
) -> None:
    """End a credential, for good: its token opens nothing any more."""
    with reporting(as_json), CredentialDesk.open(data) as desk:
        ended = desk.end(credential_id)
        emit(ended, as_json, lambda: say(f"Credential {ended.credential_id} is ended."))
