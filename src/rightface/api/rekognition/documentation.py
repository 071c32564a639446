"""docs/rekognition.md, made from the code: `python -m rightface.api.rekognition.documentation`.

A test compares the file with what is made here. The prose is documentation.md, beside this file.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from importlib.resources import files
from string import Template

from rightface.api.rekognition import calls, calls_users, model
from rightface.api.rekognition.operations_table import ATTRIBUTES, ENTRIES, Entry
from rightface.faces.quality import HIGH, LOW, MEDIUM


def page() -> str:
    """The whole page, Markdown."""
    changing = ", ".join(entry.name for entry in ENTRIES if entry.changes)
    prose = files(__package__ or "").joinpath("documentation.md").read_text("utf-8")
    head = Template(prose).substitute(
        image_mib=model.IMAGE_BYTES // 1024**2,
        threshold=f"{calls.THRESHOLD:g}",
        matches=calls.MOST_MATCHES,
        users=calls_users.MOST_USERS,
        indexed=calls.MOST_INDEXED,
        page=calls.PAGE,
        changing=changing,
        quality=_bars(),
    )
    counts = {
        state: sum(entry.state == state for entry in ENTRIES)
        for state in ("works", "planned", "declined")
    }
    told = ", ".join(f"{count} {state}" for state, count in counts.items())
    parts = [
        head,
        f"## Operations ({told})\n",
        "A planned one answers `UnsupportedOperationException`, a declined one "
        "`AccessDeniedException`, both with the reason.\n",
        _table(ENTRIES),
        "\n## Facial attributes (DetectFaces, IndexFaces)\n",
        "Asking for a declined one is refused, never answered with a guess.\n",
        _table(ATTRIBUTES.values()),
        "",
    ]
    return "\n".join(parts)


def _bars() -> str:
    rows = [
        f"| `{name}` | {bar.yaw:g}° | {bar.pitch:g}° | {bar.dark:g}–{bar.bright:g} | "
        f"{bar.sharpness:g} | {bar.confidence:g} | {bar.eye_distance:g} px |"
        for name, bar in (("LOW", LOW), ("MEDIUM", MEDIUM), ("HIGH", HIGH))
    ]
    head = (
        "| filter | yaw, at most | pitch | brightness | sharpness, at least | confidence | eyes |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        "| `NONE` | | | | | | |",
    )
    return "\n".join([*head, *rows])


def _table(entries: Iterable[Entry]) -> str:
    rows = [f"| {entry.name} | {entry.state} | {entry.reason} |" for entry in entries]
    return "\n".join(["| name | state | what or why |", "| --- | --- | --- |", *rows])


if __name__ == "__main__":
    sys.stdout.write(page())
