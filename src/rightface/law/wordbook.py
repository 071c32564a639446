"""The whole vocabulary, told to somebody who has never seen it: as JSON and as Markdown.

Who writes cases needs nothing else. Reads `vocabulary.toml`, `purposes.toml` and the question's
fields; holds no word of its own.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from typing import Any

from rightface.law.question import FIELDS
from rightface.law.vocabulary import Condition, Vocabulary
from rightface.law.world import STATED_ELSEWHERE

ABOUT = (
    "The controlled words of questions and cases. An unknown word is an error; free text decides"
    " nothing. A condition that is not stated has its default. Not legal advice."
)
OUTCOMES: Mapping[str, str] = {
    "allow": "Nothing forbids it, and no duty is missing; obligations may be attached.",
    "deny": "At least one rule forbids it, for at least one of those who stand in the chain.",
    "require-duty": "Nothing forbids it, but the missing duties must be on record first.",
}
COMBINED = (
    "Everybody in the chain is judged, in every place given: the actor, then the parties behind"
    " it. One deny outweighs everything; else the missing duties of all instruments are united."
)
KINDS: Mapping[str, str] = {
    "bool": "true or false",
    "int": "a whole number",
    "word": "one of the words listed",
    "purpose": "a word of the purposes",
    "warrant": "a word of the authorisations",
    "basis": "a word of the legal bases",
    "actor": "a word of the actors",
    "offence": "a word of the offences",
    "duties": "a list of words of the duties",
    "facts": "a list of words of the facts",
}
EXAMPLE = """\
- id: q1
  as_of: 2024-05-01          # whose law: that day's
  known_at: 2024-05-01       # whose knowledge of the law; left out: that of as_of
  actor: private-entity
  parties: ['City police:law-enforcement-local']   # who stands behind the actor
  jurisdiction: US-IL
  operation: enroll
  purpose: loyalty-programme
  consent: true
  warrant: none
  written_release: true      # any condition, by its name
  duties: [public-retention-policy]
  expect: deny               # in cases only
"""
_REQUIRED: Mapping[str, str] = {
    "operation": "always",
    "actor": "unless a client is named",
    "jurisdiction": "unless a client is named, or all three places are given one by one",
    "as_of": "in cases",
    "expect": "in cases",
}
_VALUES: Mapping[str, str] = {
    "as_of": "YYYY-MM-DD, or a time such as 2024-05-01T12:00:00Z",
    "known_at": "as as_of",
    "knowledge_as_of": "as as_of",
    "actor": "a word of the actors",
    "jurisdiction": "a jurisdiction",
    "client_jurisdiction": "a jurisdiction",
    "place_jurisdiction": "a jurisdiction",
    "gallery_jurisdiction": "a jurisdiction",
    "operation": "a word of the operations, or an alias",
    "purpose": "a word of the purposes",
    "consent": "true, false or null",
    "warrant": "a word of the authorisations, or null",
    "parties": "a list of NAME:ACTOR, or of {name: …, actor: …}",
    "realtime": "true or false",
    "device": "a word of the condition device",
    "legal_basis": "a word of the legal bases",
    "commitments": "all, none, recorded, or a list of instrument ids",
    "conditions": "a mapping of condition to value",
    "expect": "allow, deny or require-duty",
    "missing": "a list of words of the duties",
    "subjects": "a list of texts",
    "findings": "a list of texts",
}


def vocabulary_json() -> dict[str, Any]:
    """Every word with its definition, every condition with its type, every field of a question.

    Raises:
        LawError: the vocabulary's files are damaged.
    """
    words = Vocabulary.load()
    defined = tomllib.loads(files("rightface.law").joinpath("vocabulary.toml").read_text("utf-8"))
    return {
        "about": ABOUT,
        "outcomes": [{"word": n, "definition": d} for n, d in OUTCOMES.items()],
        "combined": COMBINED,
        "question_fields": [
            {
                "field": name,
                "definition": told,
                "values": _VALUES.get(name, "text"),
                "required": _REQUIRED.get(name, "no"),
            }
            for name, told in FIELDS.items()
        ],
        "example": EXAMPLE,
        "actors": [
            {"word": n, "definition": a.definition, "groups": sorted(words.groups_of(n))}
            for n, a in words.actors.items()
        ],
        "groups": [
            {
                "word": n,
                "definition": defined["groups"][n]["definition"],
                "within": list(within),
                "actors": [a for a in words.actors if n in words.groups_of(a)],
            }
            for n, within in words.groups.items()
        ],
        "operations": [
            {
                "word": n,
                "aliases": list(o.aliases),
                "implies": list(o.implies),
                "definition": o.definition,
            }
            for n, o in words.operations.items()
        ],
        "purposes": [
            {"word": n, "consequential": p.consequential, "definition": p.definition}
            for n, p in words.purposes.items()
        ],
        "warrants": [{"word": n, "definition": d} for n, d in words.warrants.items()],
        "legal_bases": [
            {
                "word": n,
                "only": sorted(only),
                "definition": defined["bases"][n]["definition"],
            }
            for n, only in words.bases.items()
        ],
        "duties": [
            {
                "word": n,
                "recordable": d.recordable,
                "reviewers": d.reviewers,
                "definition": d.definition,
            }
            for n, d in words.duties.items()
        ],
        "facts": [
            {
                "word": n,
                "jurisdiction": f.jurisdiction,
                "checklist": f.checklist,
                "definition": f.definition,
            }
            for n, f in words.facts.items()
        ],
        "offences": [
            {"word": n, "violent": o.violent, "felony": o.felony, "definition": o.definition}
            for n, o in words.offences.items()
        ],
        "finding_kinds": [{"word": n, "definition": d} for n, d in words.findings.items()],
        "consent_how": [
            {
                "word": n,
                "written": written,
                "explicit": n in words.explicit,
                "definition": defined["how"][n]["definition"],
            }
            for n, written in words.how.items()
        ],
        "condition_kinds": dict(KINDS),
        "conditions": [_condition(one) for one in words.conditions.values()],
        "jurisdictions": {
            "form": "A country's ISO 3166-1 alpha-2 code or a union, then narrower parts in "
            "capitals and figures, joined by hyphens: US, US-CA, US-CA-SF, GB-SCT, EU.",
            "contains": "A place lies in all that enclose it: US-CA-SF in US-CA in US; DE in EU.",
            "unions": {name: sorted(members) for name, members in words.unions.items()},
            "countries": sorted(words.countries),
        },
    }


def _condition(one: Condition) -> dict[str, Any]:
    stated = "as a condition"
    if one.derived:
        stated = "never: the gate finds it"
    elif one.name in STATED_ELSEWHERE or one.name == "consent":
        stated = "as the question's field of that name"
    return {
        "name": one.name,
        "kind": one.kind,
        "words": list(one.words),
        "default": list(one.default) if isinstance(one.default, tuple) else one.default,
        "stated": stated,
        "derived": one.derived,
        "recordable": one.recordable,
        "case": one.case,
        "declarable": list(one.declarable),
        "definition": one.definition,
    }


# ---------------------------------------------------------------- Markdown
def vocabulary_markdown() -> str:
    """The same as one page. `docs/vocabulary.md` is this text; a test compares."""
    told = vocabulary_json()
    parts = [
        "# The vocabulary",
        "<!-- Made by: rightface law vocabulary. Do not edit. -->",
        told["about"],
        "As JSON: `rightface law vocabulary --json`.",
        "## A question",
        f"```yaml\n{EXAMPLE}```",
        _table(told["question_fields"], ("field", "required", "values", "definition")),
        "## Outcomes",
        _table(told["outcomes"], ("word", "definition")),
        told["combined"],
        *_lists(told),
        "## Conditions",
        "Kinds: " + "; ".join(f"`{kind}` is {what}" for kind, what in KINDS.items()) + ".",
        "A *recordable* condition may stand on record for a client or a gallery of an instance. "
        "One of the *case* stands for one client with an end, or in a warrant's record. What is "
        "*declarable* a client may say of its own request, because it tells against it."
        " A *derived* one is found by the gate and cannot be stated.",
        _table(
            [_condition_row(one) for one in told["conditions"]],
            ("name", "kind", "default", "definition"),
        ),
        "## Jurisdictions",
        told["jurisdictions"]["form"],
        told["jurisdictions"]["contains"],
        *(
            f"{name}: {', '.join(members)}."
            for name, members in told["jurisdictions"]["unions"].items()
        ),
    ]
    return "\n\n".join(parts) + "\n"


def _lists(told: Mapping[str, Any]) -> Iterable[str]:
    yield "## Actors"
    yield _table(told["actors"], ("word", "groups", "definition"))
    yield "Rules also name groups of actors; `everyone` is all of them."
    yield _table(told["groups"], ("word", "actors", "definition"))
    yield "## Operations"
    yield "A licence for an operation grants what it implies. Aliases may be used in questions."
    yield _table(told["operations"], ("word", "aliases", "implies", "definition"))
    yield "## Purposes"
    yield "Consequential: a match may cost a person liberty, work, entry, money or a service."
    yield _table(told["purposes"], ("word", "consequential", "definition"))
    yield "## Authorisations (field `warrant`)"
    yield _table(told["warrants"], ("word", "definition"))
    yield "## Legal bases (field `legal_basis`)"
    yield _table(told["legal_bases"], ("word", "only", "definition"))
    yield "## Duties (condition `duties`)"
    yield (
        "Recordable: a document on record meets it; the others are met by a feature. Reviewers: the"
        " service performs it, where it can seal the result until so many have decided (review.md)."
    )
    yield _table(told["duties"], ("word", "recordable", "reviewers", "definition"))
    yield "## Facts, states of the world (condition `facts`)"
    yield _table(told["facts"], ("word", "jurisdiction", "checklist", "definition"))
    yield "## Offences (condition `offence`)"
    yield _table(told["offences"], ("word", "violent", "felony", "definition"))
    yield "## Kinds of findings"
    yield "Only in records of findings; what a finding was derived from decides, not its kind."
    yield _table(told["finding_kinds"], ("word", "definition"))
    yield "## How a consent was obtained"
    yield "Only in consent records; a question states `written_release`, `explicit_consent`."
    yield _table(told["consent_how"], ("word", "written", "explicit", "definition"))


def _condition_row(one: Mapping[str, Any]) -> dict[str, Any]:
    marks = [name for name in ("derived", "recordable", "case", "declarable") if one[name]]
    words = f" One of: {', '.join(one['words'])}." if one["words"] else ""
    stated = " Stated as the field of that name." if "field" in one["stated"] else ""
    return {
        "name": one["name"],
        "kind": ", ".join([str(one["kind"]), *marks]),
        "default": "empty" if one["default"] in ("", []) else one["default"],
        "definition": f"{one['definition']}{words}{stated}",
    }


def _table(rows: Sequence[Mapping[str, Any]], columns: tuple[str, ...]) -> str:
    lines = ["| " + " | ".join(columns) + " |", "| " + " | ".join("---" for _ in columns) + " |"]
    for row in rows:
        lines.append("| " + " | ".join(_cell(row[column], i) for i, column in enumerate(columns)))
        lines[-1] += " |"
    return "\n".join(lines)


def _cell(value: object, column: int) -> str:
    if isinstance(value, bool):
        text = "yes" if value else "no"
    elif isinstance(value, list):
        text = ", ".join(str(one) for one in value)
    else:
        text = str(value)
    text = " ".join(text.split()).replace("|", "\\|")
    return f"`{text}`" if column == 0 and text else text
