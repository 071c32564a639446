"""The ledger's public files over HTTP, as any static web server would serve them (C2SP tlog-tiles).

Only names of the published layout are looked for, so no path of a request ever reaches the file
system as it came. Knows no leaf and no key.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_HUNDREDS = r"(?:x[0-9]{3}/){0,6}[0-9]{3}"
_TILE = re.compile(
    rf"tile/(?:entries|[0-9]|[1-5][0-9]|6[0-3])/{_HUNDREDS}(?P<partial>\.p/(?:[1-9][0-9]{{0,2}}))?"
)
_FOREVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True, kw_only=True)
class PublicFile:
    """A file of the ledger, ready to be sent."""

    content: bytes
    media_type: str
    cache_control: str


def read(directory: Path, name: str) -> PublicFile | None:
    """The public file `name` (the path behind `/ledger/`); None: no such file.

    A full tile never changes; a partial one of a given width does not either, but may go away once
    the full one is there; the checkpoint changes with every entry.
    """
    kind = _kind(name)
    if kind is None:
        return None
    path = directory / name
    try:
        content = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None
    return PublicFile(content=content, media_type=kind[0], cache_control=kind[1])


def _kind(name: str) -> tuple[str, str] | None:
    if name == "checkpoint":
        return "text/plain; charset=utf-8", "no-cache"
    if name == "vkey":
        return "text/plain; charset=utf-8", "public, max-age=3600"
    match = _TILE.fullmatch(name)
    if match is None:
        return None
    cache = "public, max-age=3600" if match["partial"] else _FOREVER
    return "application/octet-stream", cache
