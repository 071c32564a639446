"""The templates of an unfinished run at rest: parts sealed under a key of that run alone.

A part is written to the side, whole or not at all (AES-256-GCM, bound to the plan and its number).
The key lies beside the parts, sealed by the instance's key ring; taking it away is what makes the
parts worthless.

Whose directory it is, its plan says: that file is the first to be written and the last to go. What
is not this module's own is never removed, and a directory of other things is not used. Never knows
how templates are made, or of whom.
"""

from __future__ import annotations

import io
import json
import os
import re
import secrets
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rightface.assay.files import PRIVATE, written_whole
from rightface.errors import KeysError, SettingsError, StorageError
from rightface.faces.face import Templates
from rightface.keys import KeyRing, seal, unseal
from rightface.permit import Permit, Touch, require

_KEY, _PLAN = "key.sealed", "plan.json"
_USE = "assay-templates"
_NAMES = r"(key\.sealed|plan\.json|part-\d{6,}\.sealed)"
_OWN = re.compile(rf"{_NAMES}|\.{_NAMES}\.new")
"""The names of all files that are written here; each is a `.….new` at first."""
_NEW_PLAN = f".{_PLAN}.new"
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass
class Part:
    """What one portion gave; the same rows as its images."""

    found: NDArray[np.bool_]
    """(n,): whether there is a template."""
    templates: Templates
    quality: NDArray[np.float32]
    landmarks: NDArray[np.float32]
    """(n, 5, 2)."""
    digests: NDArray[np.uint8]
    reasons: list[str]
    stamps: NDArray[np.int64] = field(default_factory=lambda: np.zeros((0, 2), np.int64))

    def packed(self) -> bytes:
        """Everything as bytes."""
        out = io.BytesIO()
        np.savez(
            out,
            found=self.found,
            templates=self.templates,
            quality=self.quality,
            landmarks=self.landmarks,
            digests=self.digests,
            reasons=np.array(self.reasons, "U32"),
            stamps=self.stamps,
        )
        return out.getvalue()

    @classmethod
    def unpacked(cls, data: bytes) -> Part:
        """The inverse of `packed`. Raises ValueError, KeyError."""
        with np.load(io.BytesIO(data), allow_pickle=False) as told:
            return cls(
                found=told["found"],
                templates=told["templates"],
                quality=told["quality"],
                landmarks=told["landmarks"],
                digests=told["digests"],
                reasons=[str(reason) for reason in told["reasons"]],
                stamps=told["stamps"],
            )


class Sealed:
    """The sealed parts of one plan in a directory, and their key."""

    def __init__(self, directory: Path, keyring: KeyRing, plan: str) -> None:
        """Opens what is there; parts of another plan, or whose key does not open, go first.

        Args:
            directory: is made if it is not there; else empty, or of an earlier run.
            keyring: of the instance; it seals the key of the parts.
            plan: hex SHA-256, see `acquire.plan_of`.

        Raises:
            SettingsError: something else lies in the directory; nothing was touched.
            StorageError: the directory cannot be written to.
        """
        self._directory, self._plan = directory, plan
        self.redone = ""
        try:
            directory.mkdir(parents=True, exist_ok=True)
            there = self._planned()
            if not there and any(each.name != _NEW_PLAN for each in directory.iterdir()):
                raise _taken(directory)
            directory.chmod(0o700)
            self._key = self._opened(keyring, there)
            if self._key == b"":
                self.forget()
                directory.mkdir(mode=0o700, exist_ok=True)
                self._key = secrets.token_bytes(32)
                wrapped = seal(keyring.subkey(_USE), self._key, plan.encode())
                _write(directory / _PLAN, json.dumps({"plan": plan}).encode())
                _write(directory / _KEY, wrapped)
        except OSError as error:
            raise _unwritable(error) from error

    def _planned(self) -> str:
        """The plan of the parts that are there; empty where no run left one."""
        try:
            told = json.loads((self._directory / _PLAN).read_bytes())
        except (FileNotFoundError, ValueError):
            return ""
        plan = told.get("plan") if isinstance(told, dict) and len(told) == 1 else None
        return plan if isinstance(plan, str) and _DIGEST.fullmatch(plan) else ""

    def _opened(self, keyring: KeyRing, there: str) -> bytes:
        """The key of the parts that are there; empty if there are none of this plan."""
        key_file = self._directory / _KEY
        if not there or not key_file.exists():
            return b""
        if there != self._plan:
            self.redone = "They were of other images, another model pack or another way of looking."
            return b""
        with suppress(KeysError):
            return keyring.unseal(_USE, key_file.read_bytes(), self._plan.encode())
        self.redone = "Their key does not open."
        return b""

    def has(self, number: int) -> bool:
        """Whether there is a part of that number, be it damaged."""
        return self._file(number).exists()

    def read(self, number: int, *, permit: Permit) -> Part | None:
        """The part of that number; None if there is none that opens.

        Raises:
            PermitError: `permit` does not cover TEMPLATE: these are the run's own templates,
                which it could as well make again.
        """
        require(permit, Touch.TEMPLATE)
        try:
            return Part.unpacked(
                unseal(self._key, self._file(number).read_bytes(), self._at(number))
            )
        except (OSError, KeysError, ValueError, KeyError):
            return None

    def write(self, number: int, part: Part, *, permit: Permit) -> None:
        """Keep a part. Whole or not at all, whenever the process is killed.

        Raises:
            PermitError: `permit` does not cover TEMPLATE.
            StorageError: it cannot be written.
        """
        require(permit, Touch.TEMPLATE)
        try:
            _write(self._file(number), seal(self._key, part.packed(), self._at(number)))
        except OSError as error:
            raise _unwritable(error) from error

    def forget(self) -> None:
        """Take the key away, then the parts, then the plan. Idempotent.

        What else lies in the directory stays, and the directory with it.
        """
        key, plan = self._directory / _KEY, self._directory / _PLAN
        with suppress(OSError):
            handle = os.open(key, os.O_WRONLY | os.O_NOFOLLOW)
            with os.fdopen(handle, "wb") as file:
                file.write(os.urandom(os.fstat(handle).st_size))
                file.flush()
                os.fsync(handle)
        with suppress(OSError):
            own = [each for each in self._directory.iterdir() if _OWN.fullmatch(each.name)]
            for each in (key, *(each for each in own if each not in (key, plan)), plan):
                with suppress(OSError):
                    each.unlink()
            self._directory.rmdir()

    def _file(self, number: int) -> Path:
        return self._directory / f"part-{number:06d}.sealed"

    def _at(self, number: int) -> bytes:
        return f"{self._plan}:{number}".encode()


def _write(path: Path, content: bytes) -> None:
    with written_whole(path, mode=PRIVATE) as file:
        file.write(content)


def _unwritable(error: OSError) -> StorageError:
    return StorageError(
        "Templates cannot be kept in the directory of the assay.", why=str(error.strerror)
    )


def _taken(directory: Path) -> SettingsError:
    return SettingsError(
        f"The directory '{directory}' is not used for templates.",
        why="Something lies there that no unfinished assay has left.",
        mend="Name another --out, or move away what lies there.",
    )
