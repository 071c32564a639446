"""Reads the text files that lawyers and operators write, and no others.

A device, a file without end or one nested so deep that its parser would fail is an error like any
other.
"""

from __future__ import annotations

import stat
from pathlib import Path

from rightface.errors import LawError

LONGEST = 2**20
"""Bytes that a file of an instrument may have."""
DEEPEST = 64
"""How deep brackets may be nested."""


def read_text(path: Path, longest: int = LONGEST) -> str:
    """The text of a file.

    Raises:
        LawError: it is missing, no plain file, too long or not UTF-8.
    """
    try:
        known = path.stat()
        if not stat.S_ISREG(known.st_mode) or known.st_size > longest:
            raise LawError(
                f"{path} is no file of at most {longest:,} bytes.",
                mend="Put a plain text file there.",
            )
        return path.read_text("utf-8")
    except FileNotFoundError:
        raise LawError(f"{path} is missing.", mend="Write it, or give another path.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise LawError(
            f"{path} cannot be read.",
            why=str(getattr(error, "strerror", None) or "It is not UTF-8 text."),
            mend="Make it a text file that rightface may read.",
        ) from error


def require_flat(text: str, path: Path) -> None:
    """Let pass a text whose brackets are nested no deeper than `DEEPEST`, wherever they stand.

    Raises:
        LawError: they are nested deeper.
    """
    depth = 0
    for letter in text:
        if letter in "([{":
            depth += 1
            if depth > DEEPEST:
                raise LawError(
                    f"{path} is nested more than {DEEPEST} deep.", mend="Write it flatter."
                )
        elif letter in ")]}":
            depth = max(0, depth - 1)
