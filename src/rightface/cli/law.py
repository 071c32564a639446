"""`rightface law`: what the instruments say, why, and what would change the answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from rightface.cli import law_records, law_writing
from rightface.cli.law_options import (
    AsOf,
    Extra,
    KnownAt,
    MaybeData,
    Strict,
    day,
    library,
    moment,
)
from rightface.cli.output import Json, emit, error_json, plain, reporting, say
from rightface.errors import LawError, SettingsError, StorageError
from rightface.law.decide import Answer, Desk
from rightface.law.explain import Explanation
from rightface.law.explain import explain as explained
from rightface.law.instrument import KINDS, Instrument
from rightface.law.question import Malformed, Question, question, read_each, read_questions
from rightface.law.status import concerns, dates, status
from rightface.law.testing import run_cases
from rightface.law.timeline import GLYPHS
from rightface.registrar import Registrar

app = typer.Typer(
    help="The instruments: list, ask, explain, adopt. Not legal advice.", no_args_is_help=True
)
_COLOURS = {"allow": "cyan", "require-duty": "yellow", "deny": "red"}


class Format(StrEnum):
    """How an explanation is told."""

    TEXT = "text"
    JSON = "json"
    SVG = "svg"


@contextmanager
def _desk(
    data: Path | None,
    instruments: list[str] | None = None,
    extra: Path | None = None,
    strict: bool = False,
) -> Iterator[Desk]:
    if data is None:
        yield Desk(library(extra), instruments=instruments, strict=strict)
        return
    if extra is not None:
        raise SettingsError(
            "An instance has its own instruments: --data and --extra exclude each other.",
            mend="Leave --data out (and RIGHTFACE_DATA), or set 'instruments' in its settings.",
        )
    with Registrar.open(data) as registrar:
        yield registrar.desk(instruments, strict=strict)


@app.command("list")
def list_(
    as_of: Annotated[str | None, typer.Option(help="In force on this day; today.")] = None,
    jurisdiction: Annotated[
        str | None, typer.Option(help="Only what binds in this place or in a part of it.")
    ] = None,
    kind: Annotated[str | None, typer.Option(help="Only this kind, for example statute.")] = None,
    data: MaybeData = None,
    extra: Extra = None,
    as_json: Json = False,
) -> None:
    """Every instrument: where it binds, from when, whether it is in force, how well it is known.

    With --data a commitment counts as in force if it is adopted there; else all do.
    """
    with reporting(as_json), _desk(data, extra=extra) as desk:
        on = day(as_of, "--as-of") if as_of else datetime.now(UTC).date()
        words = desk.library.vocabulary
        if jurisdiction is not None:
            words.place(jurisdiction)
        if kind is not None and kind not in KINDS:
            raise SettingsError(
                f"There is no kind '{kind[:40]}'.", why=f"Kinds: {', '.join(KINDS)}."
            )
        adopted = desk.adopted(moment(as_of, "--as-of") if as_of else datetime.now(UTC))
        told = [
            _listed(one, status(one, on, adopted=adopted).told)
            for one in desk.library.instruments.values()
            if kind in (None, one.kind)
            and (jurisdiction is None or concerns(one, jurisdiction, words))
        ]

        def human() -> None:
            law_writing.listed(told)
            say(f"Status on {on}. None has been reviewed by counsel so far. Not legal advice.")

        emit(told, as_json, human)


def _listed(one: Instrument, told: str) -> dict[str, Any]:
    return {
        "id": one.instrument_id,
        "name": one.name,
        "kind": one.kind,
        "jurisdiction": one.jurisdiction,
        "citation": one.citation,
        "effective_from": one.effective_from,
        "effective_until": one.effective_until,
        "binds": dates(one),
        "status": told,
        "in_force": told == "in force",
        "confidence": one.confidence,
        "unverified": one.unverified,
        "reviewed_by": one.review,
        "rules": [rule.rule_id for rule in one.rules],
    }


@app.command()
def show(
    instrument: Annotated[str, typer.Argument(help="Its id, as 'law list' shows it.")],
    extra: Extra = None,
    as_json: Json = False,
) -> None:
    """One instrument: its status today, its facts, and its rules as policies."""
    with reporting(as_json):
        one = library(extra).instrument(instrument)
        policy = (one.folder / "policy.cedar").read_text("utf-8")
        now = status(one, datetime.now(UTC).date()).told
        told = {"id": one.instrument_id, "status_today": now, **plain(one.facts), "policy": policy}

        def human() -> None:
            mark = " Unverified in part." if one.unverified else ""
            say(f"# {now}; {dates(one)}. Reviewed by: {one.review}.{mark} Not legal advice.")
            say((one.folder / "instrument.toml").read_text("utf-8"))
            say(policy)

        emit(told, as_json, human)


law_records.mount(app)
law_writing.mount(app)


@app.command()
def test(
    instrument: Annotated[list[str] | None, typer.Argument(help="Ids; all.")] = None,
    extra: Extra = None,
    as_json: Json = False,
) -> None:
    """Run the instruments' own cases. Exit status 1 if one fails."""
    with reporting(as_json):
        results = run_cases(library(extra, tested=False), instrument or None)
        failed = [each for each in results if not each.ok]

        def human() -> None:
            for each in failed:
                say(each.line())
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
    as_of: AsOf = None,
    known_at: KnownAt = None,
    strict: Strict = False,
    extra: Extra = None,
    as_json: Json = False,
) -> None:
    """Answer many questions, without record or permit. With --json: one decision a line.

    Exit status 0: every question is answered, whatever the answers. 2: the file is no list of
    questions, or a word, field or date of some questions is wrong; those get an error each, with
    --json a line with the outcome 'error', and the others are answered. 1: another error.
    """
    with reporting(as_json):
        alone = [*(instrument or []), *(instruments.split(",") if instruments else [])]
        questions = [
            each if isinstance(each, Malformed) else _at(each, as_of, known_at)
            for each in read_each(requests)
        ]
        with _desk(data, alone or None, extra, strict) as desk:
            answers = [_answered(desk, each) for each in questions]
        for answer in answers:
            _tell(answer, as_json)
        if any(isinstance(answer, Malformed) for answer in answers):
            raise typer.Exit(2)


def _answered(desk: Desk, told: Question | Malformed) -> Answer | Malformed:
    if isinstance(told, Malformed):
        return told
    try:
        return desk.answer(told)
    except LawError as error:
        return Malformed(told.question_id, error)


def _printable(name: str) -> str:
    # A file's ids are not ours: no control characters reach the terminal.
    return name if name.isprintable() else repr(name)


def _tell(answer: Answer | Malformed, as_json: bool) -> None:
    if isinstance(answer, Malformed):
        error = answer.error
        if as_json:
            line = {"id": answer.question_id, "outcome": "error", **error_json(error)}
            typer.echo(json.dumps(plain(line), ensure_ascii=False))
        else:
            say(f"{_printable(answer.question_id)}: error  {error.diagnostics()}")
    elif as_json:
        typer.echo(json.dumps(plain(answer.to_json()), ensure_ascii=False))
    else:
        missing = f" (missing: {', '.join(answer.ruling.missing)})"
        say(
            f"{_printable(answer.question.question_id)}: {answer.ruling.outcome}"
            f"{missing if answer.ruling.missing else ''}"
            f"  {', '.join(answer.ruling.instruments)}"
        )


def _at(told: Question, as_of: str | None, known_at: str | None) -> Question:
    # The options hold for questions that give no date of their own.
    if told.as_of is None and as_of is not None:
        told = replace(told, as_of=moment(as_of, "--as-of"))
    if told.known_at is None and known_at is not None:
        told = replace(told, known_at=moment(known_at, "--known-at"))
    return told


@app.command()
def explain(
    operation: Annotated[
        str | None, typer.Option(help="What is done, for example identify-1toN.")
    ] = None,
    actor: Annotated[str | None, typer.Option(help="What the client is.")] = None,
    jurisdiction: Annotated[str | None, typer.Option(help="Where, for example US-CA-SF.")] = None,
    purpose: Annotated[str | None, typer.Option(help="What for.")] = None,
    consent: Annotated[bool | None, typer.Option(help="Whether the people consented.")] = None,
    warrant: Annotated[str | None, typer.Option(help="The authorisation relied on.")] = None,
    on_behalf_of: Annotated[
        list[str] | None, typer.Option("--for", help="Who stands behind, NAME:ACTOR. Repeatable.")
    ] = None,
    client: Annotated[str | None, typer.Option(help="A client of the instance.")] = None,
    gallery: Annotated[str | None, typer.Option(help="The collection.")] = None,
    condition: Annotated[
        list[str] | None, typer.Option(help="NAME=VALUE of the vocabulary. Repeatable.")
    ] = None,
    warrant_id: Annotated[str | None, typer.Option(help="A warrant on record.")] = None,
    finding: Annotated[
        list[str] | None, typer.Option(help="A finding on record, or search:INDEX. Repeatable.")
    ] = None,
    commitments: Annotated[
        str | None, typer.Option(help="Which count as adopted: all, none, recorded, or ID,ID.")
    ] = None,
    instruments: Annotated[str | None, typer.Option(help="What these alone say: ID,ID.")] = None,
    requests: Annotated[
        Path | None, typer.Option(help="Take the question from this YAML file instead.")
    ] = None,
    question_id: Annotated[
        str | None, typer.Option("--id", help="Which question of the file; its only one.")
    ] = None,
    as_of: AsOf = None,
    known_at: KnownAt = None,
    strict: Strict = False,
    timeline: Annotated[
        bool, typer.Option("--timeline", help="The decision over 2018 to 2030 as well.")
    ] = False,
    format_: Annotated[
        Format, typer.Option("--format", help="svg draws the timeline alone.")
    ] = Format.TEXT,
    out: Annotated[Path | None, typer.Option(help="Write it to this file.")] = None,
    data: MaybeData = None,
    extra: Extra = None,
    as_json: Json = False,
) -> None:
    """One question: the decision, each step, who spoke, what would change it, and its timeline."""
    shape = Format.JSON if as_json else format_
    with reporting(shape is Format.JSON):
        told: dict[str, Any] = {
            "operation": operation,
            "actor": actor,
            "jurisdiction": jurisdiction,
            "purpose": purpose,
            "consent": consent,
            "warrant": warrant,
            "parties": on_behalf_of,
            "client": client,
            "gallery": gallery,
            "conditions": dict(_condition(each) for each in condition or []) or None,
            "warrant_id": warrant_id,
            "findings": finding or None,
            "commitments": commitments.split(",")
            if commitments not in (None, "all", "none", "recorded")
            else commitments,
        }
        asked = _asked(
            {name: value for name, value in told.items() if value is not None},
            requests,
            question_id,
        )
        alone = instruments.split(",") if instruments else None
        with _desk(data, alone, extra, strict) as desk:
            answer = explained(
                desk,
                _at(asked, as_of, known_at),
                with_timeline=timeline or shape is Format.SVG,
            )
        if out is not None:
            _write(out, _rendered(answer, shape))
            say(f"{answer.ruling.outcome}. Written to {out}.")
        elif shape is Format.TEXT:
            _coloured(_rendered(answer, shape))
        else:
            typer.echo(_rendered(answer, shape), nl=False)


def _asked(told: dict[str, Any], requests: Path | None, question_id: str | None) -> Question:
    if requests is None:
        if question_id is not None:
            raise SettingsError("--id names a question of a file.", mend="Add --requests FILE.")
        return question(told)
    if told:
        raise SettingsError(
            "The question stands in the file and on the command line.",
            mend="With --requests give only --id, --as-of, --known-at and how to tell it.",
        )
    every = {each.question_id: each for each in read_questions(requests)}
    if question_id is None and len(every) == 1:
        return next(iter(every.values()))
    if question_id is None or question_id not in every:
        raise SettingsError(
            f"{requests} holds {len(every)} questions; which one is meant?",
            why=f"Its ids: {', '.join(list(every)[:20])}.",
            mend="Name it: --id ID.",
        )
    return every[question_id]


def _rendered(answer: Explanation, shape: Format) -> str:
    if shape is Format.JSON:
        return json.dumps(plain(answer.to_json()), indent=2, ensure_ascii=False) + "\n"
    if shape is Format.SVG:
        return answer.svg()
    return answer.text() + "\n\nThis is not legal advice.\n"


def _coloured(text: str) -> None:
    # Only the bar's glyphs have colour, and they differ without it.
    told = Text(text, end="")
    for outcome, glyph in GLYPHS.items():
        told.highlight_regex(f"{glyph}+", _COLOURS[outcome])
    Console(soft_wrap=True, highlight=False, emoji=False).print(told, end="")


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, "utf-8")
    except OSError as error:
        raise StorageError(f"{path} cannot be written.", why=str(error.strerror)) from error


def _condition(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise SettingsError("A condition is written NAME=VALUE.", mend="For example assembly=true.")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value
