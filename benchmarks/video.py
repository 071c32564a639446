"""A minute of stored video through both kinds of jobs: frames a second, times real time, memory.

    python benchmarks/video.py [SECONDS]

640 × 360, 25 frames a second, H.264, two people who move. The work is done by one thread of low
priority; so on a busy machine look at the processor seconds, not at the clock.
"""

from __future__ import annotations

import io
import os
import resource
import sys
import time
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from instance import PURPOSE, temporary_instance
from rightface.cli.demo.stage import eileen_collins, grace_hopper
from rightface.service_types import Caller, StoredObject

RATE = 25


def main(seconds: int) -> None:
    """Print one line for each kind of job."""
    with temporary_instance() as opened:
        issued = opened.licence("acme")
        bucket = opened.instance.settings.data / "objects" / "acme"
        bucket.mkdir(parents=True)
        write(bucket / "a.mp4", seconds)
        caller = Caller(
            licence=issued.licence, purpose=PURPOSE, subject=None, request_id="benchmark"
        )
        service = opened.service
        opened.consent("grace", "eileen")
        service.create_collection(caller, "staff", {})
        for name, photo in (("grace", grace_hopper()), ("eileen", eileen_collins())):
            service.index_faces(
                caller, "staff", image=photo, subject=name, max_faces=None, quality_filter="AUTO"
            )
        video = StoredObject(bucket="acme", name="a.mp4")
        print(f"load {os.getloadavg()[0]:.1f}, {len(os.sched_getaffinity(0))} cores")
        for kind in ("detection", "search"):
            if kind == "detection":
                job = service.start_face_detection(caller, video=video, token=None, tag=None)
            else:
                job = service.start_face_search(
                    caller, "staff", video=video, similarity=80.0, token=None, tag=None
                )
            started, before = time.perf_counter(), _processor()
            if kind == "detection":
                service.prepare()
            while (done := opened.registrar.jobs.find(job.value)).state in _OPEN:
                time.sleep(0.1)
            clock, processor = time.perf_counter() - started, _processor() - before
            print(
                f"{kind}: {done.state}, {done.frames} frames looked at; "
                f"{clock:.1f} s by the clock ({seconds / clock:.2f} × real time), "
                f"{processor:.1f} s of a core ({done.frames / processor:.1f} frames/s, "
                f"{seconds / processor:.1f} × real time); "
                f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10} MiB"
            )


_OPEN = ("SUBMITTED", "IN_PROGRESS")


def _processor() -> float:
    """Of this process and the decoders that it has waited for."""
    return sum(os.times()[:4])


def write(path: Path, seconds: int) -> None:
    """Two portraits that move, on grey."""
    people = [_portrait(grace_hopper()), _portrait(eileen_collins())]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = 640, 360, "yuv420p"
        for number in range(seconds * RATE):
            frame = np.full((360, 640, 3), 90, np.uint8)
            for place, person in enumerate(people):
                left = 310 * place + round((20 - 10 * place) * number / RATE) % 90
                frame[60:300, left : left + person.shape[1]] = person
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


def _portrait(photo: bytes) -> NDArray[np.uint8]:
    image = Image.open(io.BytesIO(photo)).convert("RGB")
    return np.asarray(image.resize((round(image.width * 240 / image.height), 240)))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 60)
