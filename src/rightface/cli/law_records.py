"""`rightface law …`: commitments, duties, facts and attestations, put on record and ended."""

from __future__ import annotations

import hashlib
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from rightface.cli.licence import moment
from rightface.cli.output import Data, Json, counted, emit, plain, reporting, say, show_table
from rightface.errors import SettingsError
from rightface.law.attestations import read_attestation, sign_attestation
from rightface.law.attesters import new_key, private_key
from rightface.law.checklists import checklist as published
from rightface.law.facts import FactTerms
from rightface.law.question import read_yaml
from rightface.registrar import Registrar
from rightface.registrar_law import ListedFact

facts = typer.Typer(
    help="Facts that rules wait for, and conditions that stand.", no_args_is_help=True
)
duties = typer.Typer(help="Duties that a document shows to be met.", no_args_is_help=True)
attester = typer.Typer(help="Whose signed attestations this instance trusts.", no_args_is_help=True)


def mount(app: typer.Typer) -> None:
    """Add these commands to `rightface law`."""
    for command in (adopt, withdraw, checklist, attest):
        app.command()(command)
    app.command("attester-key")(attester_key)
    app.add_typer(attester, name="attester")
    app.add_typer(facts, name="facts")
    app.add_typer(duties, name="duties")


def _read(path: Path, what: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SettingsError(
            f"The {what} '{path.name}' cannot be read.", why=type(error).__name__
        ) from error


# ---------------------------------------------------------------- commitments
def adopt(data: Data, commitment: Annotated[str, typer.Argument()], as_json: Json = False) -> None:
    """Bind this instance to a commitment, from now on. Statutes bind anyway."""
    with reporting(as_json), Registrar.open(data) as registrar:
        adopted = registrar.law.adopt(commitment)
        emit(adopted, as_json, lambda: say(f"{adopted.instrument} binds this instance."))


def withdraw(
    data: Data,
    commitment: Annotated[str, typer.Argument()],
    reason: Annotated[str, typer.Option(help="Why. It stays on record.")],
    as_json: Json = False,
) -> None:
    """Withdraw an adopted commitment, from now on. Signed and logged; statutes cannot be."""
    with reporting(as_json), Registrar.open(data) as registrar:
        ended = registrar.law.withdraw(commitment, reason)
        emit(ended, as_json, lambda: say(f"{ended.instrument} binds this instance no longer."))


# ---------------------------------------------------------------- attestations
def checklist(
    name: Annotated[str, typer.Argument(help="For example grounded-in-human-rights.")],
    as_json: Json = False,
) -> None:
    """A published checklist, and its digest (the SHA-256 of the file)."""
    with reporting(as_json):
        found = published(name)

        def human() -> None:
            say(f"{found.title}\n{found.about}\n")
            for number, item in enumerate(found.items, 1):
                mark = "" if item.confidence == "seen" else " (unverified)"
                say(f"{number:2}. {item.item_id}: {item.question}")
                say(f"    {item.source}{mark}")
            say(f"\n{found.name}, SHA-256 {found.digest}")

        emit(found, as_json, human)


def attester_key(
    out: Annotated[Path, typer.Option(help="The private key; OUT.pub gets the public one.")],
    as_json: Json = False,
) -> None:
    """Make an attester's own Ed25519 key. The instance needs the public half only."""
    with reporting(as_json):
        private, public = new_key()
        public_file = out.with_name(out.name + ".pub")
        try:
            for path, content, mode in ((out, private, 0o600), (public_file, public, 0o644)):
                handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
                with os.fdopen(handle, "wb") as file:
                    file.write(content)
        except OSError as error:
            raise SettingsError(
                "The key cannot be written.",
                why=f"{error.strerror}: {Path(error.filename).name}",
                mend="Name another file; a key is never overwritten.",
            ) from error
        told = {"private_key": out, "public_key": public_file}

        def human() -> None:
            say(f"{out}: keep it to yourself.")
            say(f"{public_file}: for 'rightface law attester add'.")

        emit(told, as_json, human)


def attest(
    name: Annotated[str, typer.Option("--checklist", help="The checklist that is answered.")],
    answers: Annotated[Path, typer.Option(help="A YAML file: law, attester, date, answers.")],
    key: Annotated[Path, typer.Option(help="The attester's private key.")],
    out: Annotated[Path, typer.Option(help="Where the signed attestation goes.")],
    as_json: Json = False,
) -> None:
    """Sign answers to a checklist with the attester's own key. A no is signed like a yes."""
    with reporting(as_json):
        signed = sign_attestation(
            published(name), read_yaml(answers), private_key(_read(key, "key"))
        )
        try:
            out.write_text(json.dumps(json.loads(signed.text), indent=2) + "\n", "utf-8")
        except OSError as error:
            raise SettingsError(
                f"'{out.name}' cannot be written.", why=type(error).__name__
            ) from error
        unmet = [answer.item for answer in signed.answers if not answer.met]
        told = {
            "attestation": out,
            "digest": signed.digest,
            "checklist": signed.checklist,
            "checklist_digest": signed.checklist_digest,
            "attester": signed.attester,
            "unmet": unmet,
        }

        def human() -> None:
            say(f"{counted(len(signed.answers), 'items')} answered, signed by {signed.attester}.")
            if unmet:
                say(f"Not met: {', '.join(unmet)}. No fact can rest on it.")
            say(f"{out}, SHA-256 {signed.digest}")

        emit(told, as_json, human)


@attester.command("add")
def attester_add(
    data: Data,
    name: Annotated[str, typer.Argument(help="The person or office, as attestations name them.")],
    public_key: Annotated[Path, typer.Option(help="Their public Ed25519 key, PEM.")],
    as_json: Json = False,
) -> None:
    """Trust what this person or office signs with this key. Signed and logged."""
    with reporting(as_json), Registrar.open(data) as registrar:
        added = registrar.law.add_attester(name, _read(public_key, "public key"))
        emit(added, as_json, lambda: say(f"{added.name} is trusted: key {added.public_key}."))


@attester.command("list")
def attester_list(data: Data, as_json: Json = False) -> None:
    """Every attester's key, ended ones too."""
    with reporting(as_json), Registrar.open(data) as registrar:
        found = registrar.law.attesters()

        def human() -> None:
            show_table(
                ("attester", "public key", "since", "until", "state"),
                [
                    (
                        each.name,
                        each.public_key or "–",
                        f"{each.added_at:%Y-%m-%d}",
                        f"{each.ended_at:%Y-%m-%d}" if each.ended_at else "–",
                        _state(each.signed, each.ended_at is not None, "trusted"),
                    )
                    for each in found
                ],
            )

        emit(found, as_json, human)


@attester.command("end")
def attester_end(data: Data, name: Annotated[str, typer.Argument()], as_json: Json = False) -> None:
    """Trust a person or office no longer: facts that rest on their word hold no more."""
    with reporting(as_json), Registrar.open(data) as registrar:
        ended = registrar.law.end_attester(name)
        emit(ended, as_json, lambda: say(f"{name} is trusted no longer."))


# ---------------------------------------------------------------- facts
@facts.command("record")
def facts_record(
    data: Data,
    name: Annotated[str, typer.Argument(help="A fact, or a recordable condition.")],
    valid_from: Annotated[str, typer.Option("--from", help="Since when it holds.")],
    attested_by: Annotated[
        str, typer.Option("--attester", help="The named person or office who says so.")
    ],
    document: Annotated[Path, typer.Option(help="What shows it. Its SHA-256 is kept.")],
    until: Annotated[
        str | None, typer.Option(help="First day on which it no longer holds.")
    ] = None,
    value: Annotated[str | None, typer.Option(help="A condition's value.")] = None,
    client: Annotated[str | None, typer.Option(help="A condition of this client; all.")] = None,
    gallery: Annotated[
        str | None, typer.Option(help="A condition of galleries of this pattern; all.")
    ] = None,
    attestation: Annotated[
        Path | None, typer.Option(help="The signed answers, where a checklist is asked for.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Put a fact or a standing condition on record. Signed and logged."""
    with reporting(as_json):
        terms = FactTerms(
            name=name,
            valid_from=moment(valid_from) or datetime.now(UTC),
            valid_until=moment(until),
            attester=attested_by,
            document_digest=hashlib.sha256(_read(document, "document")).hexdigest(),
            value=None if value is None else _value(value),
            client=client,
            gallery=gallery,
            attestation=None if attestation is None else _attestation(attestation),
        )
        with Registrar.open(data) as registrar:
            fact = registrar.law.record_fact(terms)
        emit(fact, as_json, lambda: say(f"{fact.fact_id}: {fact.name} is on record."))


@facts.command("list")
def facts_list(data: Data, as_json: Json = False) -> None:
    """Every fact and standing condition, with its state now."""
    with reporting(as_json), Registrar.open(data) as registrar:
        found = registrar.law.facts()

        def human() -> None:
            show_table(
                ("id", "name", "value", "client", "gallery", "from", "until", "by", "state"),
                [_fact_row(each) for each in found],
            )

        told = [
            {**(plain(each.fact) if each.fact else {"fact_id": each.fact_id}), "state": each.state}
            for each in found
        ]
        emit(told, as_json, human)


@facts.command("end")
def facts_end(data: Data, fact_id: Annotated[str, typer.Argument()], as_json: Json = False) -> None:
    """End a fact or a standing condition, from now on and for good. Signed and logged."""
    with reporting(as_json), Registrar.open(data) as registrar:
        ended = registrar.law.end_fact(fact_id)
        emit(ended, as_json, lambda: say(f"{ended.name} is ended."))


# ---------------------------------------------------------------- duties
@duties.command("record")
def duties_record(
    data: Data,
    duty: Annotated[str, typer.Argument(help="A duty of the vocabulary.")],
    document: Annotated[Path, typer.Option(help="What shows it. Its SHA-256 is kept.")],
    met_from: Annotated[str | None, typer.Option("--from", help="Since when; now.")] = None,
    client: Annotated[str | None, typer.Option(help="It counts for this client; all.")] = None,
    gallery: Annotated[
        str | None, typer.Option(help="It counts for galleries of this pattern; all.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Put a duty on record as met. Signed and logged."""
    with reporting(as_json), Registrar.open(data) as registrar:
        content = _read(document, "document")
        recorded = registrar.law.record_duty(
            duty, content, moment(met_from), client=client, gallery=gallery
        )
        emit(recorded, as_json, lambda: say(f"{recorded.duty} is on record as met."))


@duties.command("list")
def duties_list(data: Data, as_json: Json = False) -> None:
    """Every duty on record, ended ones too. What is unsigned does not count."""
    with reporting(as_json), Registrar.open(data) as registrar:
        found = registrar.law.duties()

        def human() -> None:
            show_table(
                ("duty", "client", "gallery", "met from", "ended", "document", "state"),
                [
                    (
                        each.duty,
                        each.client or "all",
                        each.gallery or "all",
                        f"{each.met_from:%Y-%m-%d}",
                        f"{each.ended_at:%Y-%m-%d}" if each.ended_at else "–",
                        each.document_digest[:16],
                        _state(each.signed, each.ended_at is not None, "met"),
                    )
                    for each in found
                ],
            )

        emit(found, as_json, human)


@duties.command("end")
def duties_end(data: Data, duty: Annotated[str, typer.Argument()], as_json: Json = False) -> None:
    """Record that a duty is met no longer. Signed and logged."""
    with reporting(as_json), Registrar.open(data) as registrar:
        ended = registrar.law.end_duty(duty)
        emit(ended, as_json, lambda: say(f"{duty} is met no longer."))


def _state(signed: bool, ended: bool, good: str) -> str:
    if not signed:
        return "unsigned: does not count"
    return "ended" if ended else good


def _fact_row(listed: ListedFact) -> tuple[str, ...]:
    fact = listed.fact
    if fact is None:
        return (listed.fact_id, *["–"] * 7, listed.state)
    return (
        fact.fact_id,
        fact.name,
        json.dumps(plain(fact.value)),
        fact.client or "all",
        fact.gallery or "all",
        f"{fact.valid_from:%Y-%m-%d}",
        f"{fact.valid_until:%Y-%m-%d}" if fact.valid_until else "–",
        fact.attester,
        listed.state,
    )


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _attestation(path: Path) -> str:
    try:
        return read_attestation(_read(path, "attestation").decode("utf-8")).text
    except UnicodeDecodeError as error:
        raise SettingsError(f"'{path.name}' is no text.") from error
