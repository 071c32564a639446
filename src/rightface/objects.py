"""The object store of one instance: photographs and videos that a request names by bucket and key.

A local directory by default (`bucket/key` below it), any S3-compatible store by URL. A client
reads its own bucket, the one of its name, and those that the setting `shared_buckets` gives it.
What is read here is bytes; whoever asks holds a permit for what is done with them. Errors never
repeat a bucket's or an object's name. Must never know: faces, law, a wire format.
"""

from __future__ import annotations

import ipaddress
import re
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import IO, TYPE_CHECKING, Self
from urllib.parse import SplitResult, urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, S3Store

from rightface.errors import ObjectError, ObjectTooLarge, SettingsError, StorageError
from rightface.settings import Settings

if TYPE_CHECKING:
    from obstore import GetResult
    from obstore.store import ClientConfig, RetryConfig

# Amazon's model: S3Bucket, S3ObjectName, S3ObjectVersion. A leading dot would be a hidden folder.
_BUCKET = re.compile(r"[0-9A-Za-z_-][0-9A-Za-z._-]{2,254}")
_LONGEST_NAME = 1024
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_PIECE = 1 << 20  # bytes read at a time
_PHOTOGRAPH = timedelta(seconds=30)
_VIDEO = timedelta(minutes=30)
_CONNECT, _STALL = timedelta(seconds=5), timedelta(seconds=15)
_RETRIES: RetryConfig = {"max_retries": 2, "retry_timeout": timedelta(seconds=10)}
_STORES = 256  # buckets whose connections are kept
_PLAIN_HTTP = "plain-http=allowed"


@dataclass(frozen=True)
class _Asked:
    bucket: str
    name: str
    version: str | None


_Open = Callable[[_Asked, timedelta], "GetResult"]


class ObjectStore:
    """Where objects lie. Thread-safe; reads only."""

    def __init__(self, opener: _Open, shared: dict[str, frozenset[str]], data: Path) -> None:
        self._open = opener
        self._shared = shared
        self._data = data

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The store that the settings name. Nothing is connected to until something is read.

        Raises:
            SettingsError: `object_store` or `shared_buckets` cannot be understood.
        """
        shared = _shared_buckets(settings.shared_buckets)
        told = settings.object_store
        opener: _Open
        if "://" in told:
            opener = _S3(told)
        elif told:
            opener = _Directory(settings.data / told)
            if not (settings.data / told).is_dir():
                raise SettingsError(
                    "The setting 'object_store' names no directory.",
                    mend="Name a directory, or a URL such as s3:// or https://HOST.",
                )
        else:
            opener = _Directory(settings.data / "objects")
        return cls(opener, shared, settings.data)

    def read(
        self, bucket: str, name: str, version: str | None = None, *, client: str, limit: int
    ) -> bytes:
        """The object's bytes, for `client`.

        Raises:
            ObjectTooLarge: it has more than `limit` bytes.
            ObjectError: no store, no such object, or not this client's to read.
        """
        asked = self._allowed(_Asked(bucket, name, version), client)
        return b"".join(self._pieces(asked, limit, _PHOTOGRAPH))

    def size(self, bucket: str, name: str, version: str | None = None, *, client: str) -> int:
        """How many bytes the object has, without reading them.

        Raises:
            ObjectError: no store, no such object, or not this client's to read.
        """
        asked = self._allowed(_Asked(bucket, name, version), client)
        if self._open is None:
            raise _unreadable()
        try:
            return int(self._open(asked, _PHOTOGRAPH).meta["size"])
        except ObjectError:
            raise
        except (BaseError, OSError, ValueError):  # their messages carry names
            raise _unreadable() from None

    @contextmanager
    def fetched(
        self, bucket: str, name: str, version: str | None = None, *, client: str, limit: int
    ) -> Iterator[Path]:
        """The object as a file without a name, readable through the path until the block ends.

        Whatever happens, the file is gone with the block, or with this process. Raises as `read`.

        Raises:
            StorageError: the data directory's disk is full or read-only.
        """
        asked = self._allowed(_Asked(bucket, name, version), client)
        with self._copied(asked, limit) as file:
            yield Path(f"/proc/self/fd/{file.fileno()}")

    def _copied(self, asked: _Asked, limit: int) -> IO[bytes]:
        with ExitStack() as unless_done:
            try:
                file = unless_done.enter_context(tempfile.TemporaryFile(dir=self._data))
                for piece in self._pieces(asked, limit, _VIDEO):
                    file.write(piece)
                file.flush()
            except OSError as error:
                told = str(error.strerror)
                raise StorageError("A stored object could not be copied.", why=told) from None
            unless_done.pop_all()
            return file

    def _allowed(self, asked: _Asked, client: str) -> _Asked:
        segments = asked.name.split("/")
        if (
            not _BUCKET.fullmatch(asked.bucket)
            or not 0 < len(asked.name) <= _LONGEST_NAME
            or _CONTROL.search(asked.name + (asked.version or ""))
            or any(segment in ("", ".", "..") for segment in segments)
        ):
            raise ObjectError(
                "The object's bucket or name cannot be used.",
                mend="Name a bucket and a key without control characters, empty parts, '.' or '..'",
            )
        given = self._shared.get(client, frozenset()) | self._shared.get("", frozenset())
        if asked.bucket != client and asked.bucket not in given:
            raise ObjectError(
                "This client may not read that bucket.",
                why="It reads the bucket of its own name, and those that the operator shares.",
                mend="Use that bucket, or ask the operator to name it in 'shared_buckets'.",
            )
        return asked

    def _pieces(self, asked: _Asked, limit: int, patience: timedelta) -> Iterator[bytes]:
        read = 0
        try:
            found = self._open(asked, patience)
            _require_within(found.meta["size"], limit)
            for piece in found.stream(min_chunk_size=_PIECE):
                read += len(piece)
                _require_within(read, limit)
                yield bytes(piece)
        except ObjectError:
            raise
        except (BaseError, OSError, RuntimeError, ValueError):  # their messages carry names
            raise _unreadable() from None


def _require_within(size: int, limit: int) -> None:
    if size > limit:
        raise ObjectTooLarge(
            "The object has too many bytes.",
            why=f"{size} bytes; at most {limit} are read.",
            mend="Store it smaller.",
        )


def _unreadable() -> ObjectError:
    return ObjectError(
        "The object could not be read from the object store.",
        why="It is not there, not to be read with these credentials, or the store did not answer.",
        mend="Check the bucket, the key, the version and their case, and the operator's store.",
    )


class _Directory:
    """`root/bucket/key`. Nothing outside `root/bucket` is read, whatever links there are."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def __call__(self, asked: _Asked, patience: timedelta) -> GetResult:
        del patience
        if asked.version is not None:
            raise ObjectError(
                "A directory keeps no versions of its objects.",
                mend="Leave Version out, or configure a store that keeps versions.",
            )
        if not self._root.is_dir():
            raise ObjectError(
                "There is no object store.",
                mend="The operator makes the directory 'objects', or sets 'object_store'.",
            )
        bucket = self._root.resolve() / asked.bucket
        place = (bucket / asked.name).resolve(strict=True)
        if not place.is_relative_to(bucket) or not place.is_file():
            raise _unreadable()
        return obstore.get(LocalStore(bucket), str(place.relative_to(bucket)))


class _S3:
    """A store of S3's protocol. Credentials and region come from the environment (AWS_…)."""

    def __init__(self, url: str) -> None:
        self._endpoint = _endpoint(url)
        self._stores: dict[tuple[str, timedelta], S3Store] = {}
        self._lock = threading.Lock()

    def __call__(self, asked: _Asked, patience: timedelta) -> GetResult:
        store = self._store(asked.bucket, patience)
        if asked.version is None:
            return obstore.get(store, asked.name)
        return obstore.get(store, asked.name, options={"version": asked.version})

    def _store(self, bucket: str, patience: timedelta) -> S3Store:
        with self._lock:
            if (bucket, patience) not in self._stores:
                while len(self._stores) >= _STORES:
                    self._stores.pop(next(iter(self._stores)))
                self._stores[bucket, patience] = self._connected(bucket, patience)
            return self._stores[bucket, patience]

    def _connected(self, bucket: str, patience: timedelta) -> S3Store:
        options: ClientConfig = {
            "connect_timeout": _CONNECT,
            "read_timeout": _STALL,
            "timeout": patience,
            "allow_http": self._endpoint is not None and self._endpoint.startswith("http://"),
        }
        if self._endpoint is None:
            return S3Store(bucket, client_options=options, retry_config=_RETRIES)
        return S3Store(
            bucket, endpoint=self._endpoint, client_options=options, retry_config=_RETRIES
        )


def _endpoint(url: str) -> str | None:
    """Where the store is; None: Amazon's own. Plain http on this machine only, or where said."""
    wrong = SettingsError(
        "The setting 'object_store' is not understood.",  # the URL might hold a secret
        why="It is s3:// (Amazon's), https://HOST[:PORT], s3+http://HOST[:PORT] or a directory.",
        mend="Give credentials as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment.",
    )
    if url == "s3://":
        return None
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise wrong from None
    scheme = parts.scheme.removeprefix("s3+")
    clean = scheme in ("http", "https") and parts.path in ("", "/") and not parts.fragment
    if not clean or not host or parts.username is not None or parts.password is not None:
        raise wrong
    _require_encrypted(scheme, host, parts)
    named = f"[{host}]" if ":" in host else host
    return f"{scheme}://{named}" + (f":{port}" if port else "")


def _require_encrypted(scheme: str, host: str, parts: SplitResult) -> None:
    if parts.query not in ("", _PLAIN_HTTP):
        raise SettingsError(
            "The setting 'object_store' has a query that means nothing.",
            mend=f"The only one is ?{_PLAIN_HTTP}",
        )
    if scheme == "http" and not _is_loopback(host) and parts.query != _PLAIN_HTTP:
        raise SettingsError(
            "The setting 'object_store' would send photographs in the clear.",
            why="It is plain http to another machine.",
            mend=f"Use https://, or add ?{_PLAIN_HTTP} where the network itself is trusted.",
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _shared_buckets(text: str) -> dict[str, frozenset[str]]:
    """`photos, acme=acme-2026`: buckets for all clients (under ""), and for one."""
    shared: dict[str, set[str]] = {}
    for each in filter(None, (part.strip() for part in text.split(","))):
        client, is_for_one, bucket = each.rpartition("=")
        if not _BUCKET.fullmatch(bucket) or (is_for_one and not client):
            raise SettingsError(
                "The setting 'shared_buckets' is not understood.",
                mend='For example: shared_buckets = "photos, acme=acme-photos"',
            )
        shared.setdefault(client, set()).add(bucket)
    return {client: frozenset(buckets) for client, buckets in shared.items()}
