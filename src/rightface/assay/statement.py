"""What `dataset.toml`, beside a manifest, states of the data set as a whole."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rightface.assay.errors import ManifestError

FILE = "dataset.toml"
MOST_PAD = 1000
WhichFace: TypeAlias = Literal["largest", "central"]


class Statement(BaseModel):
    """Name, terms and limits of a data set, and how its photographs are to be read."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: str = ""
    licence: str = ""
    may_show: bool = False
    """Whether the licence lets a report show photographs of it."""
    caveats: list[str] = Field(default=[])
    """To be repeated beside every figure."""
    pad: int = Field(default=0, ge=0, le=MOST_PAD)
    """Pixels to add on every side before a face is looked for: for tight crops."""
    which_face: WhichFace = "largest"
    """Of several faces in one photograph: which one is the person named."""


def with_said(statement: Statement, said: Mapping[str, Any]) -> Statement:
    """The statement, but for what was said elsewhere; None is not said.

    Raises:
        ManifestError: a field is of the wrong kind, or beyond its range.
    """
    told = {field: value for field, value in said.items() if value is not None}
    try:
        return Statement.model_validate(statement.model_dump() | told)
    except ValidationError as error:
        (wrong, *_) = error.errors()
        raise ManifestError(
            f"What is said of the data set cannot be: {wrong['loc'][0]} {wrong['input']!r}.",
            mend=f"{wrong['msg']}.",
        ) from error


def read_statement(folder: Path) -> Statement:
    """The statement in that folder; one that says nothing where there is none.

    Raises:
        ManifestError: it is not TOML, or a field is unknown or of the wrong kind.
    """
    path = folder / FILE
    if not path.is_file():
        return Statement()
    try:
        return Statement.model_validate(tomllib.loads(path.read_text("utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ManifestError(f"{FILE} cannot be read as TOML.") from error
    except ValidationError as error:
        wrong = sorted({".".join(map(str, one["loc"])) for one in error.errors()})
        raise ManifestError(
            f"{FILE} does not state what it should: {', '.join(wrong)}.",
            mend=f"Its fields are {', '.join(Statement.model_fields)}.",
        ) from error
