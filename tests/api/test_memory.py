"""The server's memory: large pictures leave nothing behind."""

from __future__ import annotations

import subprocess
import sys

import pytest

CODE = """
import sys, threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
import numpy as np
from rightface.api.memory import keep_little

if not keep_little():
    sys.exit(3)

def resident():
    (line,) = (l for l in Path("/proc/self/status").read_text().splitlines() if "VmRSS" in l)
    return int(line.split()[1]) / 1024

begin = threading.Barrier(8)

def work(number):
    begin.wait()
    for turn in range(20):
        size = 2_000_000 + 500_000 * ((number * 7 + turn * 3) % 20)
        np.ones(size, np.uint8).sum()

before = resident()
with ThreadPoolExecutor(8) as pool:
    list(pool.map(work, range(8)))
    after = resident()
sys.exit(after - before > 8)
"""


def test_blocks_of_pictures_are_given_back() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], check=False, timeout=300)
    if done.returncode == 3:
        pytest.skip("not glibc")
    assert done.returncode == 0
