"""The object store of one instance: photographs and videos that a request names by bucket and key.

A local directory by default (`bucket/key` below it), any S3-compatible store by URL. What is read
here is bytes; whoever asks holds a permit for what is done with them. Must never know: faces, law,
a wire format.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from rightface.errors import ObjectError
from rightface.settings import Settings


class ObjectStore:
    """Where objects lie. Thread-safe; reads only."""

    def __init__(self, settings: Settings) -> None:
        del settings

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The store that the settings name. Opened at the first use."""
        return cls(settings)

    def read(self, bucket: str, name: str, version: str | None = None, *, limit: int) -> bytes:
        """The object's bytes.

        Raises:
            ObjectError: no store, no such object, or it has more than `limit` bytes.
        """
        del bucket, name, version, limit
        raise ObjectError("There is no object store.")

    @contextmanager
    def fetched(
        self, bucket: str, name: str, version: str | None = None, *, limit: int
    ) -> Iterator[Path]:
        """The object as a private temporary file, gone after the block. Raises as `read`."""
        del bucket, name, version, limit
        raise ObjectError("There is no object store.")
        yield Path()
