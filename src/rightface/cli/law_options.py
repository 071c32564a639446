"""Options that the law's commands share, and what they mean."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated

import typer

from rightface.errors import SettingsError
from rightface.law.library import InstrumentLibrary
from rightface.law.testing import load_tested

Extra = Annotated[
    Path | None,
    typer.Option(
        "--extra",
        help="A directory of your own instruments, beside those shipped; RIGHTFACE_INSTRUMENTS.",
    ),
]
MaybeData = Annotated[
    Path | None,
    typer.Option(
        "--data",
        envvar="RIGHTFACE_DATA",
        help="An instance, for questions that name its clients; not needed for others.",
    ),
]
Strict = Annotated[
    bool, typer.Option("--strict", help="Rely on no rule that was not read at its source.")
]
AsOf = Annotated[
    str | None, typer.Option(help="Whose law: a date, where a question gives none; now.")
]
KnownAt = Annotated[
    str | None,
    typer.Option(help="Whose knowledge of the law: a date, where a question gives none."),
]


def library(extra: Path | None, *, tested: bool = True) -> InstrumentLibrary:
    """The shipped instruments with those of `extra`, or of RIGHTFACE_INSTRUMENTS.

    `tested`: only if the cases of the latter come out as expected.

    Raises:
        LawError: one of them is malformed, or fails its own cases.
    """
    told = os.environ.get("RIGHTFACE_INSTRUMENTS")
    directory = extra or (Path(told) if told else None)
    return load_tested(directory) if tested else InstrumentLibrary.load(directory)


def moment(told: str, option: str) -> datetime:
    """The time that an option gives; a date is its first moment, in UTC.

    Raises:
        SettingsError: it is none.
    """
    try:
        found = datetime.fromisoformat(told)
    except ValueError:
        raise SettingsError(f"{option} is no date.", mend="Write it like 2020-06-12.") from None
    return found if found.utcoffset() is not None else found.replace(tzinfo=UTC)


def day(told: str, option: str) -> date:
    """The day that an option gives. Raises SettingsError."""
    try:
        return date.fromisoformat(told)
    except ValueError:
        raise SettingsError(f"{option} is no date.", mend="Write it like 2020-06-12.") from None
