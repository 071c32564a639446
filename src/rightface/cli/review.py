"""`rightface review`: named people decide on what a search found before anybody is told of it."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from rightface.cli.output import Data, Json, counted, emit, reporting, say, show_table
from rightface.errors import CredentialError, SettingsError
from rightface.service import Service
from rightface.service_types import OpenedReview

app = typer.Typer(
    help="Human review: sealed searches that wait for named reviewers.", no_args_is_help=True
)
VARIABLE = "RIGHTFACE_TOKEN"
ReviewId = Annotated[str, typer.Argument(help="Its id: rev-….")]
TokenFile = Annotated[
    Path | None,
    typer.Option(help=f"A file with the reviewer's token; else it is in {VARIABLE}."),
]


def token_of(file: Path | None) -> str:
    """The token of a file or of the environment; never an argument, which others could read.

    Raises:
        CredentialError: neither is there, or the file cannot be read.
    """
    if file is None:
        told = os.environ.get(VARIABLE, "")
    else:
        try:
            told = file.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise CredentialError(
                "The token's file cannot be read.", why=type(error).__name__
            ) from error
    if not told.strip():
        raise CredentialError(
            "There is no token.", mend=f"Set {VARIABLE}, or name its file with --token-file."
        )
    return told.strip()


@app.command("list")
def list_(data: Data, token_file: TokenFile = None, as_json: Json = False) -> None:
    """The open reviews that wait for you, oldest first."""
    with reporting(as_json), Service.open(data) as service:
        found = service.list_reviews(token_of(token_file))

        def human() -> None:
            show_table(
                ("review", "since", "until", "taken up"),
                [
                    (
                        each.review_id,
                        f"{each.opened_at:%Y-%m-%d %H:%M}",
                        f"{each.expires_at:%Y-%m-%d %H:%M}",
                        "by you" if each.seated else "–",
                    )
                    for each in found
                ],
            )

        emit(found, as_json, human)


@app.command("open")
def open_(
    data: Data,
    review_id: ReviewId,
    to: Annotated[
        Path | None,
        typer.Option(help="A directory for the pictures; made if missing. Delete it afterwards."),
    ] = None,
    token_file: TokenFile = None,
    as_json: Json = False,
) -> None:
    """Take a review up and look: the probe, and each candidate you have not decided on."""
    with reporting(as_json), Service.open(data) as service:
        token = token_of(token_file)
        if to is None and not as_json:
            raise SettingsError("Where are the pictures to go?", mend="Give --to DIRECTORY.")
        opened = service.open_review(token, review_id)
        files = {} if to is None else _written(opened, to)

        def human() -> None:
            said = counted(len(opened.candidates), "candidates")
            say(f"{review_id}: the probe and {said}, in your own order.")
            for file in files.values():
                say(f"  {file}")
            say(f"Until {opened.expires_at:%Y-%m-%d %H:%M} UTC, once on each, with same,")
            say("not-this-person or cannot-tell:")
            say(f"  rightface review decide {review_id} --candidate N=WORD …")

        emit(_told(opened, files), as_json, human)


@app.command()
def decide(
    data: Data,
    review_id: ReviewId,
    candidate: Annotated[
        list[str],
        typer.Option(help="N=same, N=not-this-person or N=cannot-tell. Repeatable."),
    ],
    token_file: TokenFile = None,
    as_json: Json = False,
) -> None:
    """Decide on candidates by the numbers you see. Once on each; it cannot be changed."""
    with reporting(as_json), Service.open(data) as service:
        decisions = dict(_decision(each) for each in candidate)
        if len(decisions) < len(candidate):
            raise SettingsError("A candidate is named twice.", mend="Decide once on each.")
        left = service.decide_review(token_of(token_file), review_id, decisions)
        told = {"review_id": review_id, "decided": len(decisions), "left": left}

        def human() -> None:
            more = f"{counted(left, 'candidates')} left" if left else "nothing is left for you"
            say(f"{counted(len(decisions), 'decisions')} kept; {more}.")

        emit(told, as_json, human)


@app.command()
def figures(data: Data, as_json: Json = False) -> None:
    """How reviewed candidates came out, by model pack, gallery and false match rate."""
    with reporting(as_json), Service.open(data) as service:
        found = service.review_figures()

        def human() -> None:
            show_table(
                ("pack", "gallery", "rate up to", "outcome", "candidates"),
                [
                    (each.pack[:12], each.gallery[:12], each.band, each.outcome, str(each.number))
                    for each in found
                ],
            )

        emit(found, as_json, human)


def _written(opened: OpenedReview, to: Path) -> dict[int, Path]:
    # 0 is the probe. For the reviewer's eyes: nobody else may read the directory.
    try:
        to.mkdir(mode=0o700, parents=True, exist_ok=True)
        files = {0: to / "probe.png"}
        files |= {one.number: to / f"candidate-{one.number}.png" for one in opened.candidates}
        pictures = {0: opened.probe} | {one.number: one.picture for one in opened.candidates}
        for number, file in files.items():
            handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(handle, "wb") as out:
                out.write(pictures[number])
    except OSError as error:
        raise SettingsError("The pictures cannot be written.", why=type(error).__name__) from error
    return files


def _told(opened: OpenedReview, files: dict[int, Path]) -> dict[str, Any]:
    def picture(number: int, content: bytes) -> dict[str, str]:
        if number in files:
            return {"file": str(files[number])}
        return {"png": base64.b64encode(content).decode()}

    return {
        "review_id": opened.review_id,
        "expires_at": opened.expires_at,
        "probe": picture(0, opened.probe),
        "candidates": [
            {"number": one.number, **picture(one.number, one.picture)} for one in opened.candidates
        ],
    }


def _decision(text: str) -> tuple[int, str]:
    number, equals, word = text.partition("=")
    if not equals or not number.isascii() or not number.isdigit():
        raise SettingsError("A decision is written N=WORD.", mend="For example 1=not-this-person.")
    return int(number), word
