"""The pages of `docs/instruments/`: one for each instrument, and an index by jurisdiction.

Made from the instruments' own files, so that a page never says what the gate does not do. A test
compares the committed pages with what this makes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date
from pathlib import Path
from typing import Any

from rightface.errors import LawError
from rightface.law.instrument import Instrument
from rightface.law.library import InstrumentLibrary
from rightface.law.question import Question
from rightface.law.rule import Rule
from rightface.law.status import dates, linked, status
from rightface.law.testing import cases_of

AS_OF = date(2026, 11, 21)
"""The day for which the index says what is in force: that on which the facts were compiled."""
MARK = "<!-- Made by: rightface law docs. Do not edit. -->"
INDEX = "README.md"
_NOT_ADVICE = "Not legal advice."
_LISTS = {
    "exceptions": "Exceptions",
    "duties": "Duties it names",
    "remedies": "Remedies",
    "gaps": "Gaps",
    "contradictions": "Contradictions between sources",
    "milestones": "Milestones",
    "changes": "Changes",
}


def pages(library: InstrumentLibrary, as_of: date = AS_OF) -> dict[str, str]:
    """File name → Markdown, the index among them.

    Raises:
        LawError: the cases of an instrument are malformed.
    """
    made = {f"{one}.md": instrument_page(library, one) for one in library.instruments}
    return {INDEX: index_page(library, as_of), **made}


def write_pages(library: InstrumentLibrary, directory: Path, as_of: date = AS_OF) -> list[Path]:
    """Write the pages, and delete those of instruments that are gone. Returns what was written.

    Raises:
        LawError: cases are malformed, or the directory cannot be written.
    """
    made = pages(library, as_of)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for old in directory.glob("*.md"):
            if old.name not in made and MARK in old.read_text("utf-8"):
                old.unlink()
        for name, text in made.items():
            (directory / name).write_text(text, "utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise LawError(f"{directory} cannot be written.", why=type(error).__name__) from error
    return [directory / name for name in made]


# ---------------------------------------------------------------- the index
def index_page(library: InstrumentLibrary, as_of: date = AS_OF) -> str:
    """The index: every instrument by jurisdiction, with its status on `as_of`."""
    by_place: dict[str, list[Instrument]] = {}
    for one in library.instruments.values():
        by_place.setdefault(one.jurisdiction, []).append(one)
    parts = [
        "# The instruments",
        MARK,
        f"{len(library.instruments)} instruments, by jurisdiction, with their status on {as_of};"
        " commitments bind only who adopted them. Whatever was not read at its source is marked"
        f" *unverified*. Reviewed by: none by counsel. {_NOT_ADVICE}",
    ]
    for place in sorted(by_place):
        parts.append(f"## {'Everywhere' if place == '*' else place}")
        rows = [
            (
                f"[{one.name}]({one.instrument_id}.md)",
                one.kind,
                dates(one),
                status(one, as_of).told,
                "unverified in part" if one.unverified else one.confidence,
            )
            for one in sorted(by_place[place], key=lambda one: one.instrument_id)
        ]
        parts.append(_table(("instrument", "kind", "binds", f"on {as_of}", "known"), rows))
    return "\n\n".join(parts) + "\n"


# ---------------------------------------------------------------- one instrument
def instrument_page(library: InstrumentLibrary, instrument_id: str) -> str:
    """The page of one instrument.

    Raises:
        LawError: there is none of that id, or its cases are malformed.
    """
    one = library.instrument(instrument_id)
    parts = [
        f"# {one.name}",
        MARK,
        one.summary,
        _table(("", ""), list(_facts(one))),
        "## Dates",
        *_dates(one),
        "## Rules",
        *(part for rule in one.rules for part in _rule(rule)),
    ]
    lifts = one.facts.get("lifts_when")
    if isinstance(lifts, Mapping):
        parts += ["## What lifts it", _entry(lifts)]
    for name, heading in _LISTS.items():
        entries = one.facts.get(name, [])
        if entries:
            parts += [f"## {heading}", "\n".join(f"- {_entry(entry)}" for entry in entries)]
    parts += ["## Sources", _sources(one), "## Cases", *_cases(library, one)]
    parts.append(f"Reviewed by: {one.review}. {_NOT_ADVICE}")
    return "\n\n".join(part for part in parts if part) + "\n"


def _facts(one: Instrument) -> Iterator[tuple[str, str]]:
    yield "id", f"`{one.instrument_id}`"
    yield "kind", one.kind
    yield "where", "everywhere" if one.jurisdiction == "*" else one.jurisdiction
    yield "citation", one.citation
    yield "binds", dates(one)
    if one.is_commitment:
        yield "adoption", "binds only who adopted it"
    told = str(one.facts.get("status", ""))
    if told:
        yield "status", told.replace("-", " ") + _after(one.facts.get("status_note"))
    for name in ("applies_to", "protects_against_actor"):
        if one.facts.get(name):
            yield name.replace("_", " "), ", ".join(map(str, one.facts[name]))
    for name in ("supersedes", "superseded_by", "amends", "amended_by"):
        others = linked(one, name)
        if others:
            yield name.replace("_", " "), ", ".join(f"[{each}]({each}.md)" for each in others)
    yield "known", f"{one.confidence}; unverified in part" if one.unverified else one.confidence
    yield "reviewed by", one.review


def _after(told: object) -> str:
    if isinstance(told, Mapping):
        told = told.get("text", "")
    return f": {told}" if told else ""


def _dates(one: Instrument) -> Iterator[str]:
    if not one.known:
        yield "It never bound."
    evidence = one.facts.get("date_evidence", {})
    rows = []
    for name in ("adopted", "effective_from", "effective_until"):
        if name in one.facts or name in evidence:
            how = evidence.get(name, {}) if isinstance(evidence, Mapping) else {}
            rows.append((name.replace("_", " "), str(one.facts.get(name, "none")), _known(how)))
    if rows:
        yield _table(("date", "", "known"), rows)
    if "known_as" in one.facts:
        yield "What was known of its dates, by the day on which it was known:"
        yield _table(
            ("from that day on", "binds from", "until before", "known"),
            [
                (
                    str(entry.get("known_from", "")),
                    str(entry.get("effective_from", "")),
                    str(entry.get("effective_until", "no end")),
                    _known(entry),
                )
                for entry in one.facts["known_as"]
            ],
        )
    versions = one.facts.get("versions", [])
    if versions:
        yield "Versions:"
        yield "\n".join(
            f"- from {each.get('effective_from', 'unknown')}"
            + (f" until before {each['effective_until']}" if "effective_until" in each else "")
            + f": {_entry(each)}"
            for each in versions
        )


def _rule(rule: Rule) -> Iterator[str]:
    mark = f" **[unverified: {rule.confidence}]**" if rule.unverified else ""
    yield f"### {rule.section} (`{rule.rule_id}`)"
    effect = f"Asks for the duty `{rule.duty}` first." if rule.duty else "Forbids."
    if rule.obligation is not None:
        effect = f"Obliges: {rule.obligation.kind} {rule.obligation.value}."
    yield f"{rule.text} {effect}{mark}"
    lines = [f"- Written in: {rule.citation}", f"- To change the answer: {rule.change}"]
    if rule.actions is not None:
        lines.append(f"- Operations: {', '.join(f'`{each}`' for each in sorted(rule.actions))}")
    if rule.start or rule.until:
        lines.append(f"- Binds {_span(rule.start, rule.until)}")
    if rule.known_from or rule.known_until:
        lines.append(f"- Known to be the rule {_span(rule.known_from, rule.known_until)}")
    if rule.jurisdiction:
        where = "everywhere" if rule.jurisdiction == "*" else rule.jurisdiction
        lines.append(f"- Binds in: {where}")
    lines += [f"- {word}: {_conditions(table)}" for word, table in _conditioned(rule)]
    yield "\n".join(lines)


def _span(start: date | None, until: date | None) -> str:
    told = f"from {start} on" if start else "from the instrument's first day on"
    return told + (f", until before {until}" if until else "")


def _conditioned(rule: Rule) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for number, table in enumerate(rule.facts.when):
        yield "Or if" if number else "If", table
    for table in rule.facts.unless:
        yield "Unless", table


def _conditions(table: Mapping[str, Any]) -> str:
    return " and ".join(f"`{name}` {_wanted(value)}" for name, value in table.items())


def _wanted(value: object) -> str:
    words = {"over": "is over", "under": "is under", "has": "has", "lacks": "lacks"}
    if isinstance(value, Mapping):
        return " and ".join(f"{words[bound]} `{_word(told)}`" for bound, told in value.items())
    if isinstance(value, list):
        return "is one of " + ", ".join(f"`{_word(each)}`" for each in value)
    return f"is `{_word(value)}`"


def _word(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) or "(not said)"


def _entry(entry: Mapping[str, Any]) -> str:
    day = f"{entry['date']}: " if "date" in entry else ""
    note = f" {entry['note']}" if entry.get("note") else ""
    known = _known({name: value for name, value in entry.items() if name != "note"})
    return f"{day}{entry.get('text', '')}{note}{f' ({known})' if known else ''}"


def _known(entry: Mapping[str, Any]) -> str:
    told = str(entry.get("c", ""))
    sources = entry.get("s", [])
    sources = sources if isinstance(sources, list) else [sources]
    if told in ("recalled", "derived"):
        told = f"**unverified: {told}**"
    if sources:
        told += f", {'source' if len(sources) == 1 else 'sources'} "
        told += ", ".join(map(str, sources))
    return told + (f"; {entry['note']}" if entry.get("note") else "")


def _sources(one: Instrument) -> str:
    lines = []
    for source in one.facts.get("sources", []):
        at = f", <{source['at']}>" if "at" in source else ""
        lines.append(f"- [{source.get('n', '?')}] {source.get('what', '')}{at}")
    return "\n".join(lines) or "None: it is our own."


# ---------------------------------------------------------------- cases
def _cases(library: InstrumentLibrary, one: Instrument) -> Iterator[str]:
    yield "What this instrument alone says. Both implementations are held to it."
    yield _table(
        ("case", "as of", "who", "where", "operation", "stated", "expected", "why"),
        [_case(case) for case in cases_of(library, one.instrument_id)],
    )


def _case(case: Question) -> tuple[str, ...]:
    day = case.as_of.astimezone(UTC).date().isoformat() if case.as_of else ""
    if case.known_at is not None:
        day += f", as known on {case.known_at.astimezone(UTC).date()}"
    who = " for ".join([case.actor or "", *(party.actor for party in case.parties)])
    places = (case.client_jurisdiction, case.place_jurisdiction, case.gallery_jurisdiction)
    stated = {
        "purpose": case.purpose,
        "warrant": case.warrant if case.warrant != "none" else None,
        "realtime": True if case.realtime else None,
        "device": case.device if case.device != "unknown" else None,
        "legal_basis": case.legal_basis,
        **case.conditions,
    }
    told = "; ".join(f"{n}: {_stated(v)}" for n, v in stated.items() if v is not None)
    if case.commitments is not None:
        told += f"; commitments: {_stated(case.commitments)}"
    missing = f" ({', '.join(case.missing)})" if case.missing else ""
    where = ", ".join(dict.fromkeys(place or "" for place in places))
    return (
        f"`{case.question_id}`",
        day,
        who,
        where,
        case.action,
        told.removeprefix("; "),
        f"{case.expect}{missing}",
        case.why,
    )


def _stated(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else _word(value)


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [_row(columns), _row(["---"] * len(columns)), *map(_row, rows)]
    return "\n".join(lines)


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in cells) + " |"
