"""Checks a report against the ledger's public files alone: the counts are made again and compared.

Needs neither the instance nor its database. Must never know SQL, or a page.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from rightface.errors import LedgerError, SettingsError
from rightface.ledger.leaf import Leaf
from rightface.ledger.reading import signed_entries
from rightface.ledger.source import Source
from rightface.report.accountability import REPORT, span
from rightface.report.tally import tally


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What a check found."""

    entries: int
    """How many entries of the ledger were read."""
    pinned: bool
    """Whether the ledger's key was given by the caller; else it came with the files."""
    differences: tuple[str, ...]
    """The places in the report whose counts are not the ledger's."""


def check_report(report: Any, source: Path | str | Source, vkey: str | None = None) -> Checked:
    """Make the counts of a report (its JSON document) again from a ledger's public files.

    Raises:
        SettingsError: it is no such report.
        LedgerError: the ledger is damaged, not signed by `vkey`, or not the report's.
    """
    try:
        if report["report"] != REPORT:
            raise KeyError
        start, end = span(date.fromisoformat(report["from"]), date.fromisoformat(report["to"]))
        size, told = int(report["checkpoint"]["size"]), report["counts"]
        root = bytes.fromhex(report["checkpoint"]["root"])
    except (KeyError, TypeError, ValueError):
        raise SettingsError(
            "This is no accountability report.", mend="Give the file made with --json."
        ) from None
    entries = signed_entries(source, size, root, vkey)
    counted = tally((Leaf.parse(entry) for entry in entries), start, end)
    return Checked(
        entries=size,
        pinned=vkey is not None,
        differences=tuple(_differences("counts", told, counted)),
    )


def require_same(checked: Checked) -> None:
    """Raise LedgerError unless every count agrees."""
    if checked.differences:
        raise LedgerError(
            "The report's counts are not those of the ledger.",
            why=f"They differ at: {', '.join(checked.differences[:10])}.",
            mend="Ask whoever made the report; keep it, and the ledger's checkpoint.",
        )


def _differences(where: str, told: Any, counted: Any) -> list[str]:
    if isinstance(told, dict) and isinstance(counted, dict):
        return [
            place
            for name in sorted(told.keys() | counted.keys())
            for place in _differences(f"{where}.{name}", told.get(name), counted.get(name))
        ]
    if isinstance(told, list) and isinstance(counted, list) and len(told) == len(counted):
        pairs = enumerate(zip(told, counted, strict=True))
        return [place for i, (a, b) in pairs for place in _differences(f"{where}[{i}]", a, b)]
    return [] if told == counted and type(told) is type(counted) else [where]
