"""What the demonstration plays on: a temporary instance, the real command line, a real server.

Every step goes through the same doors as a user's: `rightface …` as a process of its own, boto3 as
the client. Knows nothing of the rooms.
"""

from __future__ import annotations

import importlib.util
import io
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rightface.boto3 import stamp
from rightface.errors import SettingsError


@dataclass(frozen=True)
class Told:
    """What a command of the transcript printed and how it ended."""

    line: str
    status: int
    value: Any


@dataclass(frozen=True)
class Key:
    """A client's access key."""

    access_key_id: str
    secret_access_key: str


class Stage:
    """One temporary instance and its server."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.address = ""

    def command(self, *words: str, data: bool = True) -> Told:
        """Run `rightface WORDS --json`; its line (as a reader would type it), status and answer.

        In this process, which spares a second each; the server beside it is a process of its own.
        """
        from rightface.cli.main import complete

        placed = (*words, "--data", str(self.data)) if data else words
        out = io.StringIO()
        with redirect_stdout(out):
            status = complete()([*placed, "--json"], standalone_mode=False) or 0
        printed = out.getvalue()
        try:
            value = json.loads(printed)
        except json.JSONDecodeError:
            value = [json.loads(line) for line in printed.splitlines() if line[:1] == "{"]
        if not value:
            raise SettingsError(f"'rightface {words[0]}' did not answer.")
        shown = " ".join(_quoted(word) for word in ("rightface", *words))
        return Told(shown.replace(str(self.data), "DIR"), status, value)

    @contextmanager
    def serving(self) -> Iterator[None]:
        """A server on loopback, on any free port, until the block ends."""
        server = subprocess.Popen(  # noqa: S603  # our own command line
            [sys.executable, "-m", "rightface", "serve", "--data", str(self.data), "--port", "0"],
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert server.stdout is not None
            ready = server.stdout.readline()
            if not ready.startswith("rightface ready on "):
                raise SettingsError("The server did not start.")
            self.address = ready.split()[-1]
            yield
        finally:
            server.terminate()
            server.wait(timeout=30)
            if server.stdout is not None:
                server.stdout.close()

    def client(self, key: Key, purpose: str | None = None) -> Any:
        """An unmodified boto3 client with the key; `purpose` where the licence has several."""
        import boto3

        client = boto3.client(
            "rekognition",
            endpoint_url=self.address,
            region_name="us-east-1",
            aws_access_key_id=key.access_key_id,
            aws_secret_access_key=key.secret_access_key,
        )
        if purpose:
            stamp(client, purpose=purpose)
        return client


def grace_hopper() -> bytes:
    """Matplotlib's sample portrait: Rear Admiral Grace Hopper, US Navy, public domain."""
    return _carried("matplotlib", "mpl-data/sample_data/grace_hopper.jpg")


def eileen_collins() -> bytes:
    """scikit-image's astronaut: Eileen Collins, NASA, public domain."""
    return _carried("skimage", "data/astronaut.png")


def degraded(portrait: bytes) -> bytes:
    """Half the size, turned by 8 degrees, JPEG quality 40."""
    from PIL import Image

    image = Image.open(io.BytesIO(portrait)).convert("RGB")
    half = image.resize((image.width // 2, image.height // 2), Image.Resampling.LANCZOS)
    turned = half.rotate(8, resample=Image.Resampling.BICUBIC, fillcolor=(127, 127, 127))
    out = io.BytesIO()
    turned.save(out, "JPEG", quality=40)
    return out.getvalue()


def _carried(package: str, path: str) -> bytes:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise SettingsError(
            f"The demonstration needs {package}, which carries a public-domain portrait.",
            mend="pip install 'rightface[demo]'",
        )
    return (Path(spec.origin).parent / path).read_bytes()


def _quoted(word: str) -> str:
    return f"'{word}'" if any(letter in word for letter in " *:") else word
