"""Measurements that ship with the model pack: assays' documents, each held to its digest.

Nobody signs them: they are part of the release, like the weights. So one that is missing or was
changed makes the whole pack unusable, as a changed weights file does; it may have been the one that
told against the model. Never knows what the documents say.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib.resources import files

from rightface.errors import WeightsError

FILES: Mapping[str, str] = {
    "evidence.json": "e29549263bf48c36f1785b5af33a3342271f8dc0a3ee0b178c382ea419d54a4e",
}
"""File name beside the calibration → SHA-256, hex. `benchmarks/evidence.py` prints the lines."""
_FOLDER = files("rightface.faces")


def documents() -> tuple[bytes, ...]:
    """The bytes of every document that ships, in the order of `FILES`.

    Raises:
        WeightsError: one is missing, or is not the one that was released.
    """
    return tuple(_document(name, digest) for name, digest in FILES.items())


def _document(name: str, digest: str) -> bytes:
    try:
        content = (_FOLDER / name).read_bytes()
    except OSError as error:
        raise _damaged(name, f"It cannot be read: {type(error).__name__}.") from error
    if hashlib.sha256(content).hexdigest() != digest:
        raise _damaged(name, "Its SHA-256 is not the one in the pack's list.")
    return content


def _damaged(name: str, why: str) -> WeightsError:
    return WeightsError(
        f"The model pack's measurement '{name}' is not the one that was released.",
        why=why,
        mend="Install rightface again.",
    )
