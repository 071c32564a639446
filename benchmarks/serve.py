"""The server under load: enrolments and searches per second through boto3, and what others manage.

    python benchmarks/serve.py [--seconds 10] [--faces 10000 100000] [--json FILE]

A real server in a process of its own; unmodified boto3 clients in threads of this one, 1, 8 and 32.
Searches are SearchFacesByImage in galleries of 10,000 and 100,000 faces, enrolments IndexFaces. The
same photographs go to `face_recognition` (dlib) behind a minimal HTTP handler, which finds the
faces, makes one encoding and compares it with a list of 10,000. DeepFace's API is measured where
`deepface` is installed with its weights; it downloads them at first use, so mostly it is not.
Clients and servers share this machine's cores. Latencies are seen by the client.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import importlib.util
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from served import client_of, photos, prepare, serving, stages

CLIENTS = (1, 8, 32)
PEOPLE = 200
SUBJECTS = 60_000


def load(
    ask: Callable[[int], Callable[[bytes], None]],
    pictures: list[bytes],
    clients: int,
    seconds: float,
) -> dict[str, Any]:
    """Ask for so many seconds with so many clients at once.

    Args:
        ask: by the client's number, what sends one photograph and waits for the answer.
        pictures: sent in turn.
        clients: threads.
        seconds: how long.
    """
    taken: list[float] = []
    failed: list[str] = []
    lock = threading.Lock()
    begin = threading.Barrier(clients + 1)
    stop = threading.Event()

    def run(number: int) -> None:
        one = ask(number)
        one(pictures[number % len(pictures)])  # connect, warm up
        begin.wait()
        for turn in count(number):
            if stop.is_set():
                return
            started = time.perf_counter()
            try:
                one(pictures[turn % len(pictures)])
                with lock:
                    taken.append(time.perf_counter() - started)
            except Exception as error:  # noqa: BLE001  # counted, not hidden
                with lock:
                    failed.append(type(error).__name__)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    begin.wait()
    started = time.perf_counter()
    time.sleep(seconds)
    stop.set()
    for thread in threads:
        thread.join()
    wall = time.perf_counter() - started
    cuts = statistics.quantiles(taken, n=100) if len(taken) > 1 else [float("nan")] * 99
    return {
        "clients": clients,
        "answers": len(taken),
        "failed": len(failed),
        "per_second": len(taken) / wall,
        "p50_ms": 1e3 * cuts[49],
        "p95_ms": 1e3 * cuts[94],
        "p99_ms": 1e3 * cuts[98],
        "seconds": sum(taken),
    }


def ours(
    faces: list[int], pictures: list[bytes], seconds: float, many: list[int]
) -> Iterator[dict[str, Any]]:
    """rightface's rows, one at a time."""
    with tempfile.TemporaryDirectory() as directory:
        data = Path(directory) / "data"
        galleries = {f"of-{number}": number for number in faces}
        key = prepare(data, subjects=SUBJECTS, galleries=galleries)
        subjects = (f"subject-{number}" for number in count())
        with serving(data) as (url, _):

            def searching(gallery: str) -> Callable[[int], Callable[[bytes], None]]:
                def ask(_: int) -> Callable[[bytes], None]:
                    client = client_of(url, key)
                    return lambda photo: client.search_faces_by_image(
                        CollectionId=gallery, Image={"Bytes": photo}
                    )

                return ask

            def enrolling(gallery: str) -> Callable[[int], Callable[[bytes], None]]:
                def ask(_: int) -> Callable[[bytes], None]:
                    client = client_of(url, key)
                    return lambda photo: client.index_faces(
                        CollectionId=gallery, Image={"Bytes": photo}, ExternalImageId=next(subjects)
                    )

                return ask

            for gallery, number in galleries.items():
                searching(gallery)(0)(pictures[0])  # fills the index
                for what, asking in (("search", searching), ("enrol", enrolling)):
                    for clients in many:
                        before = stages(url)
                        row = load(asking(gallery), pictures, clients, seconds)
                        after = stages(url)
                        spent = {each: after[each] - before.get(each, 0.0) for each in after}
                        share = (spent.get("gate", 0) + spent.get("ledger", 0)) / row["seconds"]
                        yield {
                            "server": "rightface",
                            "what": what,
                            "faces": number,
                            "gate_and_ledger_share": share,
                            **row,
                        }


THEIRS = """
import io, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
import numpy as np, face_recognition
known = list(np.random.default_rng(1).standard_normal((10_000, 128)))
class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        image = face_recognition.load_image_file(io.BytesIO(body))
        found = face_recognition.face_encodings(image)
        near = int(face_recognition.face_distance(known, found[0]).argmin()) if found else -1
        told = str(near).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)
    def log_message(self, *_): pass
class Server(ThreadingHTTPServer):
    request_queue_size = 128
server = Server(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
"""


@contextmanager
def their_server() -> Iterator[int]:
    """`face_recognition` behind Python's own HTTP server; its port."""
    command = [sys.executable, "-W", "ignore", "-c", THEIRS]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline())
        finally:
            process.terminate()


def theirs(pictures: list[bytes], seconds: float, many: list[int]) -> Iterator[dict[str, Any]]:
    """face_recognition's rows."""
    with their_server() as port:

        def ask(_: int) -> Callable[[bytes], None]:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)

            def send(photo: bytes) -> None:
                connection.request("POST", "/", photo)
                answer = connection.getresponse()
                answer.read()
                if answer.status != 200:
                    raise OSError(answer.status)

            return send

        for clients in many:
            row = load(ask, pictures, clients, seconds)
            yield {"server": "face_recognition", "what": "search", "faces": 10_000, **row}


def deepface(
    url: str, pictures: list[bytes], seconds: float, many: list[int]
) -> Iterator[dict[str, Any]]:
    """DeepFace's own API, running at `url` (its POST /represent: detection and one template)."""
    import base64

    place = urlsplit(url)

    def ask(_: int) -> Callable[[bytes], None]:
        connection = http.client.HTTPConnection(place.netloc, timeout=300)

        def send(photo: bytes) -> None:
            encoded = "data:image/jpeg;base64," + base64.b64encode(photo).decode()
            body = json.dumps({"img": encoded, "enforce_detection": False})
            connection.request("POST", "/represent", body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:
                raise OSError(answer.status)

        return send

    for clients in many:
        row = load(ask, pictures, clients, seconds)
        yield {"server": "DeepFace", "what": "represent", "faces": 0, **row}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--faces", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--clients", type=int, nargs="+", default=list(CLIENTS))
    parser.add_argument("--deepface", help="URL of a running DeepFace API")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    pictures, kind = photos(PEOPLE)
    rows: list[dict[str, Any]] = []
    notes: list[str] = []
    sources = [ours(asked.faces, pictures, asked.seconds, asked.clients)]
    if importlib.util.find_spec("face_recognition") is None:
        notes.append("face_recognition is not installed here (make bench installs it).")
    else:
        sources.append(theirs(pictures, asked.seconds, asked.clients))
    if asked.deepface:
        sources.append(deepface(asked.deepface, pictures, asked.seconds, asked.clients))
    else:
        notes.append("DeepFace: no --deepface URL; its weights are downloaded at first use.")
    with contextlib.ExitStack() as stack:
        progress = stack.enter_context(Progress(console=Console(stderr=True)))
        bar = progress.add_task("measuring", total=None)
        for source in sources:
            for row in source:
                rows.append(row)
                progress.update(bar, advance=1, description=f"{len(rows)} rows")
    table = Table(title=f"{len(pictures)} photographs ({kind}), {asked.seconds:g} s each")
    for column in (
        "server",
        "what",
        "faces",
        "clients",
        "per second",
        "p50 ms",
        "p95 ms",
        "p99 ms",
        "failed",
        "gate + ledger",
        "x face_recognition",
    ):
        table.add_column(column, justify="left" if column in ("server", "what") else "right")
    base = {
        row["clients"]: row["per_second"] for row in rows if row["server"] == "face_recognition"
    }
    for row in rows:
        share = row.get("gate_and_ledger_share")
        times = row["per_second"] / base[row["clients"]] if row["clients"] in base else None
        row["times_face_recognition"] = times
        table.add_row(
            row["server"],
            row["what"],
            f"{row['faces']:,}",
            str(row["clients"]),
            f"{row['per_second']:.1f}",
            f"{row['p50_ms']:.1f}",
            f"{row['p95_ms']:.1f}",
            f"{row['p99_ms']:.1f}",
            str(row["failed"]),
            "" if share is None else f"{100 * share:.1f} %",
            "" if times is None else f"{times:.1f}",
        )
    console = Console(width=140)
    console.print(table)
    for note in notes:
        console.print(note)
    if asked.json:
        told = {"benchmark": "serve", "photographs": kind, "rows": rows, "notes": notes}
        asked.json.write_text(json.dumps(told, indent=2))


if __name__ == "__main__":
    main()
