"""`rightface law`: what the instruments say, why, and what would change the answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from rightface.cli import law_records
from rightface.cli.output import Json, emit, plain, reporting, say, show_table
from rightface.errors import SettingsError
from rightface.law.decide import Desk
from rightface.law.explain import explain as explained
from rightface.law.library import InstrumentLibrary
from rightface.law.question import question, read_questions
from rightface.law.testing import run_cases
from rightface.registrar import Registrar

app = typer.Typer(
    help="The instruments: list, ask, explain, adopt. Not legal advice.", no_args_is_help=True
)
MaybeData = Annotated[
    Path | None,
    typer.Option(
        "--data",
        envvar="RIGHTFACE_DATA",
        help="An instance, for questions that name its clients; not needed for others.",
    ),
]


@contextmanager
def _desk(data: Path | None, instruments: list[str] | None) -> Iterator[Desk]:
    if data is None:
        yield Desk(InstrumentLibrary.load(), instruments=instruments)
        return
    with Registrar.open(data) as registrar:
        yield registrar.desk(instruments)


@app.command("list")
def list_(data: MaybeData = None, as_json: Json = False) -> None:
    """Every instrument: where it binds, from when, and how well it is known."""
    with reporting(as_json), _desk(data, None) as desk:
        told: list[dict[str, Any]] = [
            {
                "id": one.instrument_id,
                "name": one.name,
                "kind": one.kind,
                "jurisdiction": one.jurisdiction,
                "citation": one.citation,
                "effective_from": one.effective_from,
                "effective_until": one.effective_until,
                "confidence": one.confidence,
                "unverified": one.unverified,
                "rules": [rule.rule_id for rule in one.rules],
            }
            for one in desk.library.instruments.values()
        ]

        def human() -> None:
            show_table(
                ("instrument", "kind", "where", "from", "until", "citation", "known"),
                [
                    (
                        each["id"],
                        each["kind"],
                        each["jurisdiction"],
                        str(each["effective_from"] or "always"),
                        str(each["effective_until"] or "–"),
                        each["citation"],
                        "unverified in part" if each["unverified"] else each["confidence"],
                    )
                    for each in told
                ],
            )
            say("None has been reviewed by counsel so far. This is not legal advice.")

        emit(told, as_json, human)


@app.command()
def show(
    instrument: Annotated[str, typer.Argument(help="Its id, as 'law list' shows it.")],
    as_json: Json = False,
) -> None:
    """One instrument: its facts, and its rules as policies."""
    with reporting(as_json):
        one = InstrumentLibrary.load().instrument(instrument)
        policy = (one.folder / "policy.cedar").read_text("utf-8")
        told = {"id": one.instrument_id, **plain(one.facts), "policy": policy}

        def human() -> None:
            say((one.folder / "instrument.toml").read_text("utf-8"))
            say(policy)

        emit(told, as_json, human)


law_records.mount(app)


@app.command()
def test(
    instrument: Annotated[list[str] | None, typer.Argument(help="Ids; all.")] = None,
    as_json: Json = False,
) -> None:
    """Run the instruments' own cases. Exit status 1 if one fails."""
    with reporting(as_json):
        results = run_cases(InstrumentLibrary.load(), instrument or None)
        failed = [each for each in results if not each.ok]

        def human() -> None:
            for each in failed:
                say(
                    f"FAILED {each.case_id} ({each.instrument}): expected {each.expected}, "
                    f"gate says {each.outcome}, reference says {each.reference_outcome}."
                )
            say(f"{len(results)} cases, {len(results) - len(failed)} as expected.")

        told = [{**plain(each), "ok": each.ok} for each in results]
        emit({"cases": told, "failed": len(failed)}, as_json, human)
        if failed:
            raise typer.Exit(1)


@app.command()
def decide(
    requests: Annotated[Path, typer.Option(help="A YAML file with a list of questions.")],
    data: MaybeData = None,
    instrument: Annotated[
        list[str] | None, typer.Option(help="What this one alone says. Repeatable.")
    ] = None,
    instruments: Annotated[str | None, typer.Option(help="The same: ID,ID.")] = None,
    as_json: Json = False,
) -> None:
    """Answer many questions, without record or permit. With --json: one decision a line."""
    with reporting(as_json):
        alone = [*(instrument or []), *(instruments.split(",") if instruments else [])]
        questions = read_questions(requests)
        with _desk(data, alone or None) as desk:
            answers = desk.answers(questions)
        for each in answers:
            if as_json:
                typer.echo(json.dumps(plain(each.to_json()), ensure_ascii=False))
            else:
                missing = f" (missing: {', '.join(each.ruling.missing)})"
                say(
                    f"{each.question.question_id}: {each.ruling.outcome}"
                    f"{missing if each.ruling.missing else ''}"
                    f"  {', '.join(each.ruling.instruments)}"
                )


@app.command()
def explain(
    operation: Annotated[str, typer.Option(help="What is done, for example identify-1toN.")],
    actor: Annotated[str | None, typer.Option(help="What the client is.")] = None,
    jurisdiction: Annotated[str | None, typer.Option(help="Where, for example US-CA-SF.")] = None,
    purpose: Annotated[str | None, typer.Option(help="What for.")] = None,
    as_of: Annotated[str | None, typer.Option(help="A date; now.")] = None,
    consent: Annotated[bool | None, typer.Option(help="Whether the people consented.")] = None,
    warrant: Annotated[str, typer.Option(help="The authorisation relied on.")] = "none",
    on_behalf_of: Annotated[
        list[str] | None, typer.Option("--for", help="Who stands behind, NAME:ACTOR. Repeatable.")
    ] = None,
    client: Annotated[str | None, typer.Option(help="A client of the instance.")] = None,
    gallery: Annotated[str | None, typer.Option(help="The collection.")] = None,
    condition: Annotated[
        list[str] | None, typer.Option(help="NAME=VALUE of the vocabulary. Repeatable.")
    ] = None,
    data: MaybeData = None,
    as_json: Json = False,
) -> None:
    """One question: the decision, each step, who spoke, and what would change it."""
    with reporting(as_json):
        told: dict[str, Any] = {
            "operation": operation,
            "actor": actor,
            "jurisdiction": jurisdiction,
            "purpose": purpose,
            "as_of": as_of,
            "consent": consent,
            "warrant": warrant,
            "parties": on_behalf_of or [],
            "client": client,
            "gallery": gallery,
            "conditions": dict(_condition(each) for each in condition or []),
        }
        asked = question({name: value for name, value in told.items() if value is not None})
        with _desk(data, None) as desk:
            answer = explained(desk, asked)

        def human() -> None:
            say(answer.text())
            say("\nThis is not legal advice.")

        emit(answer.to_json(), as_json, human)


def _condition(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise SettingsError("A condition is written NAME=VALUE.", mend="For example assembly=true.")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value
