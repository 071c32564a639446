"""`rightface demo` comes out as told, and says so when it does not."""

from __future__ import annotations

import json
import subprocess
import sys


def test_the_demonstration_comes_out_as_told() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "rightface", "demo", "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    told = json.loads(done.stdout)
    broken = [step for step in told["steps"] if not step["as_told"]]
    assert broken == []
    assert told["ok"] is True
    assert done.returncode == 0
    assert len({step["chapter"] for step in told["steps"]}) == 6
