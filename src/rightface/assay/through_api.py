"""An assay of any service that speaks Rekognition's face API, through `CompareFaces` alone.

    1. The pairs are settled beforehand: genuine ones, and a stated number of impostor pairs drawn
       at random (seeded). So is what it will cost.
    2. Each pair is one request: the photographs as they are, a threshold of 0. The similarity is
       the score. It is coarse: few digits, and bunched at its upper end.
    3. A request is recorded before the next is sent; a run that was stopped goes on.
    4. A photograph failed if a comparison with it failed, and none succeeded. (The service does not
       say in which of both photographs it found no face.)

The service chooses the face: the largest of the one, each of the other, the best counts.
Photographs leave this machine: whoever calls has said so (`require_leave`). Nothing else does: a
file is sent if it lies in the images' folder and decodes as a photograph. Records hold numbers of
pairs and scores, never a name or an image.
"""

from __future__ import annotations

import ipaddress
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias
from urllib.parse import urlsplit

import botocore.session
import numpy as np
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from numpy.typing import NDArray

from rightface.assay.acquire import Progress
from rightface.assay.errors import AssayError
from rightface.assay.manifest import Manifest
from rightface.assay.permits import Permitted, Renewed
from rightface.assay.service_pairs import Plan
from rightface.errors import ImageError, SettingsError, StorageError
from rightface.faces.image import decode
from rightface.permit import Permit, Touch, require

TIMEOUT = 5
"""Seconds that one request may take to connect, and to answer."""
ATTEMPTS = 2
UNUSABLE = (
    "InvalidParameterException",  # Amazon's word for: no face in one of both
    "ImageTooLargeException",
    "InvalidImageFormatException",
)
_RECORDS = "requests.jsonl"


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What the service said; parallel to the plan."""

    scores: NDArray[np.float64]
    """(k,): the similarity, 0..100; NaN where it could not be compared."""
    failed: NDArray[np.bool_]
    """(n,): images in which the service found no face, or that it did not take."""
    sent: int
    """Requests of this run; the other answers were on record."""
    seconds: float


class Service(Protocol):
    """The one operation that is asked of a client of Rekognition."""

    def compare_faces(self, **told: Any) -> dict[str, Any]:
        """`CompareFaces`."""


def is_loopback(endpoint: str) -> bool:
    """Whether that URL leads to this very machine."""
    host = urlsplit(endpoint).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def require_leave(endpoint: str, *, given: bool) -> None:
    """Let photographs leave this machine only if somebody said so.

    Raises:
        SettingsError: the endpoint is another machine, and nobody did.
    """
    if given or is_loopback(endpoint):
        return
    raise SettingsError(
        "This would send photographs of people to another machine.",
        why="What happens to them there is not in your hands.",
        mend="If you may do that, say --yes-send-images.",
    )


def client_of(endpoint: str, *, region: str) -> Service:
    """A client of the service there; credentials come from where botocore finds them.

    To this very machine no proxy is used: it could be another, and nobody has said that photographs
    may go there.

    Raises:
        SettingsError: the endpoint is no URL, or there are no credentials.
    """
    try:
        session = botocore.session.get_session()
        if session.get_credentials() is None:
            raise SettingsError(
                "There are no credentials for the service.",
                mend="Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE.",
            )
        client: Any = session.create_client(
            "rekognition",
            endpoint_url=endpoint,
            region_name=region,
            config=Config(
                retries={"mode": "standard", "max_attempts": ATTEMPTS},
                connect_timeout=TIMEOUT,
                read_timeout=TIMEOUT * 6,
                proxies={} if is_loopback(endpoint) else None,
            ),
        )
    except (BotoCoreError, ValueError) as error:
        raise SettingsError("The service cannot be reached by that URL.", why=str(error)) from error
    service: Service = client
    return service


def ask(
    service: Service,
    manifest: Manifest,
    plan: Plan,
    *,
    directory: Path,
    permitted: Permitted,
    per_second: float,
    progress: Progress | None = None,
    pause: Callable[[float], None] = time.sleep,
) -> Answers:
    """Ask about every pair that is not on record yet.

    Args:
        service: see `client_of`.
        manifest: the data set that the plan is of.
        plan: the pairs.
        directory: where the answers are recorded.
        permitted: asks the gate, as often as it takes.
        per_second: requests per second, at most.
        progress: told of pairs that have an answer.
        pause: waits so many seconds.

    Raises:
        Refused: the gate does not allow it.
        AssayError: the service refuses, or cannot be reached; what was answered stays on record.
        StorageError: an answer cannot be recorded.
    """
    records = _Records(directory / _RECORDS, plan.digest)
    known = records.read()
    left = [place for place in range(len(plan)) if place not in known]
    began, sent = time.perf_counter(), 0
    if progress is not None:
        progress(len(known), len(plan))
    with records, Renewed(permitted) as permits:
        for place in left:
            ready = began + sent / per_second - time.perf_counter()
            if ready > 0:
                pause(ready)
            known[place] = _asked(service, manifest, plan, place, permit=permits.renewed())
            records.add(place, known[place])
            sent += 1
            if progress is not None:
                progress(len(known), len(plan))
    return _answers(plan, known, len(manifest), sent, time.perf_counter() - began)


Said: TypeAlias = "float | str"
"""A similarity; or in which of both images there was nothing to compare: `a`, `b`, `either`."""
EITHER = "either"
BELOW_FLOOR = 0.0
"""The score where the service found faces and told no similarity: it keeps low ones to itself."""


def _asked(service: Service, manifest: Manifest, plan: Plan, place: int, *, permit: Permit) -> Said:
    require(permit, Touch.COMPARE)
    images = []
    for side, at in (("a", int(plan.a[place])), ("b", int(plan.b[place]))):
        try:
            data = manifest.path(at).read_bytes()
            decode(data)
        except (OSError, ImageError):
            return side
        images.append(data)
    try:
        answer = service.compare_faces(
            SourceImage={"Bytes": images[0]},
            TargetImage={"Bytes": images[1]},
            SimilarityThreshold=0.0,
        )
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        if code in UNUSABLE:
            return EITHER
        raise AssayError(
            "The service refused a request.",
            why=f"It said {code or 'nothing that can be read'}.",
            mend="Mend that and run this again: answers that were given are kept.",
        ) from error
    except BotoCoreError as error:
        raise AssayError(
            "The service does not answer.",
            why=type(error).__name__,
            mend="Run this again when it does: answers that were given are kept.",
        ) from error
    found = [float(match["Similarity"]) for match in answer.get("FaceMatches", ())]
    return max(found) if found else _nobody(answer)


def _nobody(answer: dict[str, Any]) -> Said:
    return BELOW_FLOOR if answer.get("UnmatchedFaces") else "b"


class _Records:
    """The answers on disk: a line for the plan, then one for each pair."""

    def __init__(self, path: Path, digest: str) -> None:
        self._path, self._digest = path, digest
        self._handle = -1

    def read(self) -> dict[int, Said]:
        """Place in the plan → what was said. A line that was cut by a kill counts as none.

        Raises:
            AssayError: they are of another plan.
            StorageError: they cannot be read.
        """
        if not self._path.exists():
            return {}
        known: dict[int, Said] = {}
        try:
            lines = self._path.read_bytes().split(b"\n")
            self._whole = len(b"\n".join(lines[:-1])) + (len(lines) > 1)
            if len(lines) < 2:
                return {}
            if json.loads(lines[0]).get("plan") != self._digest:
                raise AssayError(
                    "There are answers of other pairs in this directory.",
                    mend="Name another --out, or remove its requests.jsonl.",
                )
            for line in lines[1:-1]:
                told = json.loads(line)
                known[int(told["pair"])] = told["said"]
        except (OSError, ValueError, KeyError, AttributeError) as error:
            raise StorageError(
                "The answers on record cannot be read.", mend="Remove requests.jsonl."
            ) from error
        return known

    _whole = 0

    def __enter__(self) -> _Records:
        try:
            self._handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
            os.ftruncate(self._handle, self._whole)
            os.lseek(self._handle, 0, os.SEEK_END)
            if not self._whole:
                self._append({"plan": self._digest})
        except OSError as error:
            raise _unrecorded(error) from error
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._handle)

    def add(self, place: int, said: Said) -> None:
        """Record one answer.

        Raises:
            StorageError: it cannot be written.
        """
        try:
            self._append({"pair": place, "said": said})
        except OSError as error:
            raise _unrecorded(error) from error

    def _append(self, told: dict[str, Any]) -> None:
        line = json.dumps(told).encode() + b"\n"
        while line:
            line = line[os.write(self._handle, line) :]


def _unrecorded(error: OSError) -> StorageError:
    return StorageError("An answer cannot be recorded.", why=str(error.strerror))


def _answers(plan: Plan, known: dict[int, Said], images: int, sent: int, seconds: float) -> Answers:
    scores = np.full(len(plan), np.nan)
    failed = np.zeros(images, np.bool_)
    for place, said in known.items():
        if not isinstance(said, str):
            scores[place] = said
    good = np.isfinite(scores)
    compared = np.zeros(images, np.bool_)
    compared[plan.a[good]] = compared[plan.b[good]] = True
    for place, said in known.items():
        if isinstance(said, str):
            sides = {"a": plan.a[[place]], "b": plan.b[[place]]}
            blamed = sides.get(said, np.array([plan.a[place], plan.b[place]]))
            failed[blamed[~compared[blamed]]] = True
    if not np.isfinite(scores).any():
        raise AssayError(
            "The service compared no pair at all.",
            why="It found no face, or took no photograph.",
            mend="Try one pair by hand: aws rekognition compare-faces.",
        )
    return Answers(scores=scores, failed=failed, sent=sent, seconds=seconds)
