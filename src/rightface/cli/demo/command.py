"""`rightface demo`: plays the story in a temporary directory and prints it as a transcript."""

from __future__ import annotations

import tempfile
import textwrap
import time
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console

from rightface.cli.output import Json, emit, reporting

if TYPE_CHECKING:
    from rightface.cli.demo.story import Step


WIDTH = 100


def add_to(app: typer.Typer) -> None:
    """Add the commands of this file to the root."""
    app.command()(demo)


def demo(as_json: Json = False) -> None:
    """One governed face search, end to end, on public-domain portraits; nothing is kept."""
    from rightface.cli.demo.stage import Stage
    from rightface.cli.demo.story import tell

    started = time.monotonic()
    console = Console(highlight=False, soft_wrap=True, emoji=False)
    steps: list[Step] = []
    with reporting(as_json), tempfile.TemporaryDirectory(prefix="rightface-demo-") as directory:
        chapter = ""
        for step in tell(Stage(Path(directory) / "data")):
            steps.append(step)
            if as_json:
                continue
            if step.chapter != chapter:
                chapter = step.chapter
                console.print(f"\n{chapter}", style="bold", markup=False)
            _print(console, step)
        broken = [step for step in steps if not step.as_told]
        told = {
            "ok": not broken,
            "seconds": round(time.monotonic() - started, 1),
            "steps": steps,
        }

        def human() -> None:
            console.print(
                f"\n{len(steps)} steps, {len(steps) - len(broken)} as told, "
                f"{told['seconds']} s. This is not legal advice.",
                markup=False,
            )

        emit(told, as_json, human)
        if broken:
            raise typer.Exit(1)


def _print(console: Console, step: Step) -> None:
    mark = "✓" if step.as_told else "✗"
    console.print(_wrapped(step.asked, f"  {mark} ", "    "), markup=False)
    console.print(_wrapped(step.answer, "      ", "      "), markup=False)
    console.print(_wrapped(step.why, "      ", "      "), style="dim", markup=False)


def _wrapped(text: str, first: str, later: str) -> str:
    return textwrap.fill(
        text,
        WIDTH,
        initial_indent=first,
        subsequent_indent=later,
        break_long_words=False,
        break_on_hyphens=False,
    )
