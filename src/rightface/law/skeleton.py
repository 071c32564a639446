"""A new instrument: a folder that loads and whose cases pass, with comments on what to fill in."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

from rightface.errors import LawError
from rightface.law.instrument import BASELINE, COMMITMENT, KINDS, check_id
from rightface.law.library import SHIPPED
from rightface.law.vocabulary import Vocabulary

_TOML = """\
# {id}: one {kind}. Every line that says FILL IN is a guess of the skeleton's.
# Form: docs/law.md, "Add an instrument". Words: rightface law vocabulary.
id = "{id}"                       # the folder's name
name = "FILL IN: what it is called"
kind = "{kind}"
jurisdiction = "{jurisdiction}"
{dates}citation = "FILL IN: where it is written"
# seen: read at its source · recalled: from memory · derived: concluded · mixed · own: yours, here.
# Whatever is recalled or derived is shown as unverified.
confidence = "{confidence}"
summary = "FILL IN: in two plain sentences, whom it binds and what it asks."

# How each date is known.
[date_evidence]
{evidence}
# A rule as plain facts; policy.cedar has the same rule as a policy of the same id.
#   effect      forbid · duty (with duty = "…": refused until it is on record) · oblige
#   actors      actors, groups, or "everyone"          operations   [] is every operation
#   when        any one table has to hold              unless       none may hold
#   from/until  if it has other dates than the whole; until is the first day it no longer binds
[[rules]]
id = "1"
effect = "forbid"
actors = ["private-entity"]       # FILL IN
operations = ["enroll"]           # FILL IN
unless = [{{ written_release = true }}]   # FILL IN
c = "{confidence}"
note = "FILL IN: what was read and what was not."

# [[exceptions]]   [[duties]]   [[remedies]]   [[gaps]]   [[contradictions]]: text = "…", c = "…"
# [[sources]]: n = 1, at = "https://…", what = "…"; a rule names them with s = [1]
"""

_CEDAR = """\
// The rules of {id}. Each decides; [[rules]] in instrument.toml says the same in plain facts.
// A forbid refuses. With @duty("word") it refuses until that duty is on record. A permit sets an
// obligation (@obligation, @value) and can permit nothing.
@id("1")
@section("FILL IN: section")
@citation("FILL IN: where this rule is written")
@text("FILL IN: what it asks, in one plain sentence.")
@change("FILL IN: what would have to change, for example: obtain a written release.")
forbid (
  principal == Actor::"private-entity",
  action == Action::"enroll",
  resource
)
unless {{ context.written_release }};
"""

_CASES = """\
# Questions, and what this instrument alone says of them. One that allows, one that refuses, one on
# each side of every date, one for each rule and exception. Run: rightface law test {id}
# FILL IN: cases of your own; then: rightface law lint
"""
_CASE = (
    "- {{id: {name}, as_of: {day}, actor: private-entity, jurisdiction: {place},\n"
    "   operation: enroll, purpose: access-control{more}, expect: {expect}}}\n"
)


def make_skeleton(
    instrument_id: str, *, kind: str, jurisdiction: str, directory: Path, start: date
) -> Path:
    """Write the folder `directory`/`instrument_id`; the path of it.

    Args:
        instrument_id: small letters, figures and hyphens, for example `us-tx-austin-2027`.
        kind: one of `instrument.KINDS` but the baseline.
        jurisdiction: a place of the vocabulary, or `*` for an operator's rule or a commitment.
        directory: where the folder is made; made itself if it is absent.
        start: the first day on which it binds; a bill has none.

    Raises:
        LawError: a word that is none, or the id is taken.
    """
    check_id(instrument_id)
    if kind == BASELINE or kind not in KINDS:
        allowed = [one for one in KINDS if one != BASELINE]
        raise LawError(f"There is no kind '{kind[:40]}'.", why=f"Allowed: {', '.join(allowed)}.")
    if not (jurisdiction == "*" and kind in ("operator-rule", COMMITMENT)):
        Vocabulary.load().place(jurisdiction)
    folder = directory / instrument_id
    if folder.exists() or (SHIPPED / instrument_id).exists():
        raise LawError(f"The id '{instrument_id}' is taken.", mend="Choose another id.")
    texts = _texts(instrument_id, kind, jurisdiction, start)
    try:
        folder.mkdir(parents=True)
        for name, text in texts.items():
            (folder / name).write_text(text, "utf-8")
    except OSError as error:
        raise LawError(f"{folder} cannot be written.", why=str(error.strerror)) from error
    return folder


def _texts(instrument_id: str, kind: str, jurisdiction: str, start: date) -> dict[str, str]:
    binds = kind != "bill"
    confidence = "own" if kind == "operator-rule" else "recalled"
    dates, evidence = "# A bill that never became law has no effective_from, and never binds.\n", ""
    if binds:
        dates = (
            f"adopted = {start}              # FILL IN\n"
            f"effective_from = {start}       # FILL IN: the first day on which it binds\n"
            "# effective_until = …            # the first day on which it no longer binds\n"
        )
        for name in ("adopted", "effective_from"):
            evidence += f'{name} = {{ c = "{confidence}", note = "FILL IN" }}\n'
    told = {
        "id": instrument_id,
        "kind": kind,
        "jurisdiction": jurisdiction,
        "dates": dates,
        "confidence": confidence,
        "evidence": evidence,
    }
    place = "US" if jurisdiction == "*" else jurisdiction
    before, refused = start - timedelta(days=1), "deny" if binds else "allow"
    cases = [
        ("before", before, "", "allow"),
        ("first-day", start, "", refused),
        ("released", start, ", written_release: true", "allow"),
    ]
    return {
        "instrument.toml": _TOML.format(**told),
        "policy.cedar": _CEDAR.format(id=instrument_id),
        "cases.yaml": _CASES.format(id=instrument_id)
        + "".join(
            _CASE.format(
                name=f"{instrument_id}-{name}", day=day, place=place, more=more, expect=expect
            )
            for name, day, more, expect in cases
        ),
    }
