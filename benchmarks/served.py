"""What benchmarks of the server share: a server in its own process, galleries, photographs."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import numpy as np
from botocore.config import Config
from numpy.typing import NDArray
from PIL import Image
from sqlalchemy.orm import Session

from instance import PLACE, PURPOSE, TemporaryInstance
from labelled import ROOT, photographs
from made_up_evidence import of_pack
from rightface.cli.demo.stage import degraded, eileen_collins, grace_hopper
from rightface.gallery.store import NewFace
from rightface.instance import Instance
from rightface.permit import Permit
from rightface.settings import Settings
from search import drawn

Key = dict[str, Any]


def prepare(data: Path, *, subjects: int, galleries: dict[str, int] | None = None) -> Key:
    """An instance with one client, consents for `subject-0`… and galleries with so many faces.

    The galleries' faces are drawn vectors, spread as real templates are (search.py), enrolled under
    permits of the real gate; photographs are enrolled later, through the server.
    """
    settings = Settings(data=data, sector="private-entity", jurisdiction=PLACE)
    with Instance.create(settings) as instance:
        prepared = TemporaryInstance(instance)
        issued = prepared.licence("bench")
        for start in range(0, subjects, 1000):
            names = range(start, min(start + 1000, subjects))
            prepared.consent(*(f"subject-{number}" for number in names))
        # Or large galleries are refused: this speaks for up to 10,000,000 faces.
        made_up = of_pack(instance.pack, target=1e-5)
        prepared.registrar.evidence.add(made_up, fmr_target=1e-5)
        for name, faces in (galleries or {}).items():
            _fill(prepared, name, faces)
    return {
        "aws_access_key_id": issued.licence.access_key_id,
        "aws_secret_access_key": issued.secret_access_key,
    }


def _fill(prepared: TemporaryInstance, name: str, faces: int) -> None:
    instance = prepared.instance
    pack = instance.pack
    made = instance.database.write(
        lambda session: instance.store.create_collection(
            session, client="bench", name=name, pack_digest=pack.digest
        )
    )

    def insert(session: Session, new: list[NewFace], permit: Permit) -> None:
        instance.store.insert_faces(session, made, new, permit=permit)

    for start in range(0, faces, 2000):
        count = min(2000, faces - start)
        vectors = drawn(count, seed=start)
        with prepared.permitted("enroll") as permit:
            new = [
                _face(f"filler-{start + row}", vectors[row], permit.ledger_index)
                for row in range(count)
            ]
            instance.database.write(partial(insert, new=new, permit=permit))


def _face(subject: str, template: NDArray[np.float32], ledger_index: int) -> NewFace:
    return NewFace(
        image_id=str(uuid.uuid4()),
        subject=subject,
        template=template,
        left=0.25,
        top=0.25,
        width=0.5,
        height=0.5,
        confidence=99.0,
        quality={"sharpness": 90.0, "brightness": 60.0},
        basis="consent-warranted",
        purpose=PURPOSE,
        ledger_index=ledger_index,
    )


@contextmanager
def serving(data: Path, *more: str) -> Iterator[tuple[str, int]]:
    """`rightface serve`, on any free port; its URL and its process id."""
    command = [sys.executable, "-m", "rightface", "serve", "--data", str(data), "--port", "0"]
    with subprocess.Popen([*command, *more], stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            line = server.stdout.readline()
            if not line:
                sys.exit("The server did not start.")
            yield line.split()[-1], server.pid
        finally:
            server.terminate()


def client_of(url: str, key: Key) -> Any:
    """An unmodified boto3 client that tries each request once."""
    return boto3.client(
        "rekognition",
        endpoint_url=url,
        region_name="us-east-1",
        config=Config(retries={"total_max_attempts": 1}, read_timeout=120),
        **key,
    )


def stages(url: str) -> dict[str, float]:
    """Seconds that the server has spent in each stage so far."""
    with urllib.request.urlopen(f"{url}/metrics") as page:
        text = page.read().decode()
    found = re.findall(r'rightface_stage_seconds_sum\{stage="(\w+)"\} (\S+)', text)
    return {stage: float(seconds) for stage, seconds in found}


def photos(count: int) -> tuple[list[bytes], str]:
    """Up to `count` photographs, each of somebody else, and what they are.

    LFW's, where ../shared/faces is; else crops and shades of the two portraits that come with the
    dependencies.
    """
    if ROOT.is_dir():
        seen: dict[str, Path] = {}
        for each in photographs("lfw"):
            seen.setdefault(each.subject, each.path)
            if len(seen) == count:
                break
        return [path.read_bytes() for path in seen.values()], "LFW, 250 x 250 pixels"
    portraits = [degraded(grace_hopper()), degraded(eileen_collins())]
    return [
        _shaded(portraits[number % 2], 0.7 + 0.6 * number / count) for number in range(count)
    ], "two portraits in many shades"


def _shaded(portrait: bytes, factor: float) -> bytes:
    pixels = np.asarray(Image.open(io.BytesIO(portrait)).convert("RGB"), np.float32) * factor
    out = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(out, "JPEG", quality=90)
    return out.getvalue()
