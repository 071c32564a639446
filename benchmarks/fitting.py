"""Memory and time to fit a normalisation, to judge it and to calibrate, on made-up templates.

    python benchmarks/fitting.py [--templates N]

The memory told is the most that the process has had so far. It is to stay below 700 MB at 30,000
templates, whose comparisons alone would be 1.8 GB.
"""

from __future__ import annotations

import argparse
import resource
import time
from dataclasses import replace
from datetime import date
from functools import partial

import numpy as np

from instance import temporary_instance
from rightface.assay.calibrate import curve
from rightface.assay.calibrating import uncalibrated
from rightface.assay.cohorts import column
from rightface.assay.equalise import FEWEST, Method, fit
from rightface.assay.equalise_table import judge
from rightface.assay.equalise_variants import Variant
from rightface.assay.impostors import Sample, compare

DAY = date(2026, 11, 22)


def drawn(count: int) -> Sample:
    """Templates that lie together as faces' do; two of a person, eight groups."""
    generator = np.random.default_rng(0)
    made = 0.4 * generator.standard_normal((count, 128)).astype(np.float32)
    made[:, 0] += 4
    return Sample(
        name="drawn",
        templates=made / np.linalg.norm(made, axis=1, keepdims=True),
        people=generator.integers(0, count // 2, count).astype(np.int32),
        cohorts=column("group", [f"group {row % 8}" for row in range(count)]),
    )


def main() -> None:
    """One line for each step."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--templates", type=int, default=30_000)
    sample = drawn(asked.parse_args().templates)
    assert sample.cohorts is not None  # they were drawn
    fitted = replace(sample.part(np.arange(2 * FEWEST + 400)), name="fitted")
    with temporary_instance() as room:
        permitted = partial(room.permitted, "measure-accuracy")
        since = time.perf_counter()
        since = told("set-up", since)
        with permitted() as permit:
            fit(
                sample.templates,
                sample.cohorts.codes,
                Method(),
                subjects=sample.subjects,
                permit=permit,
                on=DAY,
            )
        since = told("fit", since)
        judge(
            [fitted, sample],
            fitted.name,
            [Variant(name="ours", method=Method())],
            permitted=permitted,
            pack_digest="",
            on=DAY,
        )
        since = told("judge", since)
        compared = compare(uncalibrated("equalised"), [sample], permitted=permitted)
        since = told("compare", since)
        curve(compared.impostors, compared.highest)
        told("curve", since)


def told(step: str, since: float) -> float:
    """Print a step's time, and the most memory so far; the time now."""
    now = time.perf_counter()
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{step:<8} {now - since:7.1f} s   at most {most:5.0f} MB")
    return now


if __name__ == "__main__":
    main()
