"""The templates of an unfinished run at rest: parts sealed under a key of that run alone.

A part is written to the side, whole or not at all (AES-256-GCM, bound to the plan and its number).
The key lies beside the parts, sealed by the instance's key ring; taking it away is what makes the
parts worthless. Never knows how templates are made, or of whom.
"""

from __future__ import annotations

import io
import json
import os
import secrets
import shutil
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rightface.errors import KeysError, StorageError
from rightface.faces.face import Templates
from rightface.keys import KeyRing, seal, unseal
from rightface.permit import Permit, Touch, require

_KEY, _PLAN = "key.sealed", "plan.json"
_USE = "assay-templates"


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

        Raises:
            StorageError: the directory cannot be written to.
        """
        self._directory, self._plan = directory, plan
        self.redone = ""
        try:
            directory.mkdir(parents=True, exist_ok=True)
            directory.chmod(0o700)
            self._key = self._opened(keyring)
            if self._key == b"":
                self.forget()
                directory.mkdir(mode=0o700)
                self._key = secrets.token_bytes(32)
                wrapped = seal(keyring.subkey(_USE), self._key, plan.encode())
                _write(directory / _KEY, wrapped)
                _write(directory / _PLAN, json.dumps({"plan": plan}).encode())
        except OSError as error:
            raise _unwritable(error) from error

    def _opened(self, keyring: KeyRing) -> bytes:
        """The key of the parts that are there; empty if there are none of this plan."""
        key_file, plan_file = self._directory / _KEY, self._directory / _PLAN
        if not (key_file.exists() and plan_file.exists()):
            return b""
        with suppress(ValueError, KeyError, TypeError):
            if json.loads(plan_file.read_bytes())["plan"] != self._plan:
                self.redone = "They were of other images, another model pack or another way."
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
        """Take the key away, then the parts. Idempotent."""
        with suppress(OSError):
            key = self._directory / _KEY
            with key.open("r+b") as file:
                file.write(os.urandom(key.stat().st_size))
                file.flush()
                os.fsync(file.fileno())
        shutil.rmtree(self._directory, ignore_errors=True)

    def _file(self, number: int) -> Path:
        return self._directory / f"part-{number:06d}.sealed"

    def _at(self, number: int) -> bytes:
        return f"{self._plan}:{number}".encode()


def _write(path: Path, content: bytes) -> None:
    beside = path.with_name(f".{path.name}.new")
    beside.unlink(missing_ok=True)
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def _unwritable(error: OSError) -> StorageError:
    return StorageError(
        "Templates cannot be kept in the directory of the assay.", why=str(error.strerror)
    )
