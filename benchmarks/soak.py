"""Half an hour of mixed load: does memory grow, does anything fail?

    python benchmarks/soak.py [--minutes 30] [--clients 8] [--json FILE]

A real server in a process of its own, eight boto3 clients: searches, enrolments and deletions in
balance, detection, comparison, lists, and pictures that are broken, no pictures, or large. The
server's resident memory (VmRSS) is read every five seconds; the first fifth of the time is warm-up.
Growth is the median of the last tenth over the median of the tenth after the warm-up. Exit status 1
if memory grew by more than 5 %, or any answer was not what the request deserved, or the ledger does
not verify.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError
from rich.console import Console
from rich.progress import Progress, TimeRemainingColumn
from rich.table import Table

from rightface.ledger.verify import verify
from served import Key, client_of, photos, prepare, serving

EVERY = 5.0
MOST_GROWTH = 0.05
KEPT = 300  # faces that each client leaves in the gallery
DESERVED = {"InvalidImageFormatException", "InvalidParameterException", "ImageTooLargeException"}


def resident(pid: int) -> int:
    """Bytes of a process in memory."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise OSError("no VmRSS")


class Load:
    """One client's share of the load."""

    def __init__(self, url: str, key: Key, number: int, pictures: list[bytes]) -> None:
        self._client = client_of(url, key)
        self._pictures = pictures
        self._random = random.Random(number)
        self._faces: list[str] = []
        self.answers: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()

    def run(self, stop: threading.Event, subjects: range) -> None:
        """Ask until told to stop; `subjects` have consented."""
        names = (f"subject-{each}" for each in subjects)
        kinds = (self._search, self._detect, self._compare, self._list, self._broken)
        while not stop.is_set():
            ask = self._random.choices(kinds, (8, 2, 1, 1, 1))[0]
            self._count(ask.__name__.strip("_"), ask)
            if self._random.random() < 0.15:
                name = next(names, None)
                if name is None:
                    self.errors["ran out of subjects"] += 1
                    return
                self._count("enrol", lambda name=name: self._enrol(name))
            if len(self._faces) > KEPT:
                self._count("delete", self._delete)

    def _count(self, name: str, ask: Any) -> None:
        try:
            ask()
            self.answers[name] += 1
        except Exception as error:  # noqa: BLE001  # counted, not hidden
            told = error.response["Error"]["Code"] if isinstance(error, ClientError) else ""
            self.errors[f"{name}: {told or type(error).__name__}"] += 1

    def _picture(self) -> dict[str, bytes]:
        return {"Bytes": self._random.choice(self._pictures)}

    def _search(self) -> None:
        self._client.search_faces_by_image(CollectionId="staff", Image=self._picture())

    def _detect(self) -> None:
        self._client.detect_faces(Image=self._picture())

    def _compare(self) -> None:
        self._client.compare_faces(SourceImage=self._picture(), TargetImage=self._picture())

    def _list(self) -> None:
        self._client.list_faces(CollectionId="staff", MaxResults=200)

    def _enrol(self, subject: str) -> None:
        told = self._client.index_faces(
            CollectionId="staff", Image=self._picture(), ExternalImageId=subject
        )
        self._faces += [each["Face"]["FaceId"] for each in told["FaceRecords"]]

    def _delete(self) -> None:
        gone = [self._faces.pop(self._random.randrange(len(self._faces))) for _ in range(20)]
        told = self._client.delete_faces(CollectionId="staff", FaceIds=gone)
        if set(told["DeletedFaces"]) != set(gone):
            raise ValueError("not all were deleted")

    def _broken(self) -> None:
        whole = self._random.choice(self._pictures)
        bad = self._random.choice(
            (whole[: len(whole) // 2], b"x", whole + bytes(3_000_000), bytes(1_000_000))
        )
        try:
            self._client.detect_faces(Image={"Bytes": bad})
        except ClientError as error:
            if error.response["Error"]["Code"] not in DESERVED:
                raise


def soak(minutes: float, clients: int) -> dict[str, Any]:
    """Load a server for so long; what came of it."""
    tenth = minutes * 60 / 10
    pictures, kind = photos(300)
    each = int(minutes * 90) + 20  # subjects per client: more than it can enrol
    with tempfile.TemporaryDirectory() as directory:
        data = Path(directory) / "data"
        key = prepare(data, subjects=clients * each, galleries={"staff": 10_000})
        samples: list[tuple[float, int]] = []
        stop = threading.Event()
        with serving(data) as (url, pid):
            loads = [Load(url, key, number, pictures) for number in range(clients)]
            threads = [
                threading.Thread(
                    target=load.run, args=(stop, range(number * each, (number + 1) * each))
                )
                for number, load in enumerate(loads)
            ]
            for thread in threads:
                thread.start()
            started = time.monotonic()
            columns = (*Progress.get_default_columns()[:3], TimeRemainingColumn())
            with Progress(*columns, console=Console(stderr=True)) as progress:
                bar = progress.add_task("soaking", total=minutes * 60)
                while (gone := time.monotonic() - started) < minutes * 60:
                    samples.append((gone, resident(pid)))
                    progress.update(bar, completed=gone)
                    time.sleep(min(EVERY, tenth / 5))
            stop.set()
            for thread in threads:
                thread.join()
        found = verify(data / "ledger")
    early = [size for at, size in samples if 2 * tenth <= at < 3 * tenth]
    late = [size for at, size in samples if at >= 9 * tenth]
    before, after = statistics.median(early), statistics.median(late)
    answers = sum((load.answers for load in loads), Counter[str]())
    errors = sum((load.errors for load in loads), Counter[str]())
    return {
        "benchmark": "soak",
        "photographs": kind,
        "minutes": minutes,
        "clients": clients,
        "answers": dict(answers),
        "errors": dict(errors),
        "per_second": answers.total() / (minutes * 60),
        "rss_after_warm_up": before,
        "rss_at_the_end": after,
        "growth": after / before - 1,
        "ledger_entries": found.size,
        "ledger_problems": [str(problem) for problem in found.problems],
        "samples": samples,
    }


def main() -> int:
    """Measure and print; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    told = soak(asked.minutes, asked.clients)
    table = Table(title=f"{told['minutes']:g} minutes, {told['clients']} clients")
    table.add_column("what")
    table.add_column("is", justify="right")
    for name, number in sorted(told["answers"].items()):
        table.add_row(f"answers: {name}", f"{number:,}")
    for name, number in sorted(told["errors"].items()):
        table.add_row(f"[red]errors: {name}", f"{number:,}")
    table.add_row("answers per second", f"{told['per_second']:.1f}")
    table.add_row("resident memory after warm-up", f"{told['rss_after_warm_up'] / 2**20:.0f} MiB")
    table.add_row("resident memory at the end", f"{told['rss_at_the_end'] / 2**20:.0f} MiB")
    table.add_row("growth", f"{100 * told['growth']:+.1f} %")
    table.add_row("ledger entries, verified", f"{told['ledger_entries']:,}")
    Console(width=100).print(table)
    if asked.json:
        asked.json.write_text(json.dumps(told, indent=2))
    wrong = bool(told["errors"]) or bool(told["ledger_problems"])
    return int(wrong or told["growth"] > MOST_GROWTH)


if __name__ == "__main__":
    sys.exit(main())
