"""SearchFacesByImage through boto3: latency, and the share that gate and ledger take of it.

    python benchmarks/request.py [--requests 80] [--json FILE]

A real server in a process of its own, unmodified boto3 clients in this one, the portraits that come
with the dependencies. One and eight clients. `gate + ledger` is what the server itself measured:
the gate's decision with its record, and the outcome's record.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
from rich.console import Console
from rich.table import Table

from instance import PLACE, TemporaryInstance
from rightface.cli.demo.stage import degraded, eileen_collins, grace_hopper
from rightface.instance import Instance
from rightface.settings import Settings


def prepare(data: Path) -> dict[str, Any]:
    """An instance with one client, and consents for everybody who will be enrolled."""
    settings = Settings(data=data, sector="private-entity", jurisdiction=PLACE)
    with Instance.create(settings) as instance:
        prepared = TemporaryInstance(instance)
        issued = prepared.licence("bench")
        prepared.consent(*(f"person-{number}" for number in range(100)))
    return {
        "aws_access_key_id": issued.licence.access_key_id,
        "aws_secret_access_key": issued.secret_access_key,
    }


@contextmanager
def serving(data: Path) -> Iterator[str]:
    """`rightface serve`, on any free port."""
    command = [sys.executable, "-m", "rightface", "serve", "--data", str(data), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield server.stdout.readline().split()[-1]
        finally:
            server.terminate()


def stages(url: str) -> dict[str, float]:
    """Seconds that the server has spent in each stage so far."""
    with urllib.request.urlopen(f"{url}/metrics") as page:
        text = page.read().decode()
    found = re.findall(r'rightface_stage_seconds_sum\{stage="(\w+)"\} (\S+)', text)
    return {stage: float(seconds) for stage, seconds in found}


def measure(
    url: str, key: dict[str, Any], photo: bytes, clients: int, requests: int
) -> dict[str, Any]:
    """`requests` searches shared by `clients` threads, each with a client of its own."""
    seconds: list[float] = []
    lock = threading.Lock()

    def work(client: Any, count: int) -> None:
        for _ in range(count):
            started = time.perf_counter()
            client.search_faces_by_image(CollectionId="staff", Image={"Bytes": photo})
            taken = time.perf_counter() - started
            with lock:
                seconds.append(taken)

    opened = [
        boto3.client("rekognition", endpoint_url=url, region_name="us-east-1", **key)
        for _ in range(clients)
    ]
    for client in opened:
        work(client, 2)
    seconds.clear()
    before, started = stages(url), time.perf_counter()
    threads = [
        threading.Thread(target=work, args=(client, requests // clients)) for client in opened
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wall, after = time.perf_counter() - started, stages(url)
    spent = {stage: after[stage] - before.get(stage, 0.0) for stage in after}
    cuts = statistics.quantiles(seconds, n=20)
    return {
        "clients": clients,
        "requests": len(seconds),
        "per_second": len(seconds) / wall,
        "p50_ms": 1e3 * statistics.median(seconds),
        "p95_ms": 1e3 * cuts[18],
        "stage_ms": {stage: 1e3 * took / len(seconds) for stage, took in spent.items() if took},
        "gate_and_ledger_share": (spent.get("gate", 0) + spent.get("ledger", 0)) / sum(seconds),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=80)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        data = Path(directory) / "data"
        key = prepare(data)
        with serving(data) as url:
            client = boto3.client("rekognition", endpoint_url=url, region_name="us-east-1", **key)
            client.create_collection(CollectionId="staff")
            for number in range(100):
                portrait = grace_hopper() if number == 0 else eileen_collins()
                client.index_faces(
                    CollectionId="staff",
                    Image={"Bytes": portrait},
                    ExternalImageId=f"person-{number}",
                )
            rows = [
                measure(url, key, degraded(grace_hopper()), clients, asked.requests)
                for clients in (1, 8)
            ]
    table = Table(title="SearchFacesByImage through boto3, 100 faces, portrait of 256 x 303 pixels")
    for column in ("clients", "requests/s", "p50 ms", "p95 ms", "gate + ledger", "stages, ms each"):
        table.add_column(column)
    for row in rows:
        table.add_row(
            str(row["clients"]),
            f"{row['per_second']:.1f}",
            f"{row['p50_ms']:.1f}",
            f"{row['p95_ms']:.1f}",
            f"{100 * row['gate_and_ledger_share']:.1f} %",
            ", ".join(f"{stage} {took:.2f}" for stage, took in row["stage_ms"].items()),
        )
    Console(width=140).print(table)
    if asked.json:
        asked.json.write_text(json.dumps({"benchmark": "request", "rows": rows}, indent=2))


if __name__ == "__main__":
    main()
