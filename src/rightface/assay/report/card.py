"""A model card of what was measured, as Markdown or as a page.

The chapters are those of Mitchell et al. 2019, "Model cards for model reporting" (FAT* '19,
doi:10.1145/3287560.3287596). Every number is the document's; what it does not say is said to be
missing. Never knows where the card is written to.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rightface.assay.report import tables, words
from rightface.assay.report.headline import headline, main_target
from rightface.assay.report.tables import Table
from rightface.assay.result import Assay


@dataclass(frozen=True)
class Section:
    """One chapter: paragraphs, then a list, then tables."""

    title: str
    said: tuple[str, ...] = ()
    points: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()


@dataclass(frozen=True)
class Card:
    """The whole card."""

    title: str
    sections: tuple[Section, ...]


def card(assay: Assay) -> Card:
    """The card of that assay."""
    return Card(
        f"Model card: {assay.measured.name}",
        (
            _details(assay),
            _intended(),
            _factors(assay),
            _metrics(assay),
            _data(assay),
            _training(),
            _analyses(assay),
            _ethics(),
            _caveats(assay),
        ),
    )


def _details(assay: Assay) -> Section:
    kinds = {
        "model-pack": "A model pack of rightface: a face detector, a network that makes templates, "
        "and a comparison of templates.",
        "scores": "Scores that were handed over; the system that made them was not looked at.",
        "service": "A service, measured through its interface; its insides were not looked at.",
    }
    measured = assay.measured
    return Section(
        "Model details",
        (kinds[measured.kind],),
        (
            f"Name: {measured.name}",
            f"Digest of the pack (SHA-256): {measured.pack_digest or 'none: not a pack of ours'}",
            f"Comparison: {measured.comparison or 'not told'}",
            f"Digest of the comparison: {measured.comparison_digest or 'not told'}",
            f"Measured with: {assay.software}",
            f"Measured at: {assay.made_at.isoformat()}",
        ),
    )


def _intended() -> Section:
    return Section(
        "Intended use",
        (
            "Intended: to verify people who agreed to it against their own enrolled photograph, "
            "and to propose candidates to trained people who decide, where law, licence and "
            "consent permit it.",
        ),
        (
            "Not intended: to identify anyone on this model's word alone. A match is a lead.",
            "Not intended: to infer sex, race, age, emotion or any other attribute of a person.",
            "Not intended: to watch people in public, or people who do not know of it.",
            "Not intended: use at thresholds, gallery sizes or on groups of people that are not "
            "measured below.",
            "Not intended: to tell a living face from a picture of one. That was not measured.",
        ),
    )


def _factors(assay: Assay) -> Section:
    if not assay.partitions:
        return Section("Factors", ("The data set was not split by any label: no factor was seen.",))
    said = (
        "The groups are the data set's own labels. Nobody's group is asked for or guessed when "
        "the model runs.",
    )
    points = tuple(
        f"By {words.columns(part.columns)}: {words.listed(tuple(g.name for g in part.groups), 60)}"
        for part in assay.partitions
    )
    if assay.data.rows_are == "images":
        kinds = tuple(dict.fromkeys(one.kind for one in assay.stress))
        changed = words.listed(kinds, 60) if kinds else "none"
        points = (*points, f"Changes made to the photographs: {changed}")
    return Section("Factors", said, points)


def _metrics(assay: Assay) -> Section:
    said = "Error rates of ISO/IEC 19795-1, each with its interval at 95 %."
    targets = tuple(words.odds(one.fmr_target) for one in assay.verification.at)
    looked = (
        f"Thresholds looked at: those where {words.listed(targets, 9)} of all impostor "
        "comparisons match."
        if targets
        else "No threshold was looked at."
    )
    used = {one.measure for part in assay.partitions for one in part.differentials}
    meanings = tuple(
        f"{name}: {meaning}" for key, (name, meaning) in words.MEASURES.items() if key in used
    )
    terms = tuple(
        f"{term}: {meaning}"
        for term, meaning in words.GLOSSARY
        if term.startswith(("False", "Failure", "Interval"))
    )
    return Section("Metrics", (said, looked), (*terms, *meanings))


def _data(assay: Assay) -> Section:
    data = assay.data
    people = "the data set does not say who is who"
    if data.subjects is not None:
        people = words.count(data.subjects)
    added = () if tables.adds_up(assay) else ("These counts do not add up.",)
    return Section(
        "Evaluation data",
        added,
        (
            f"Data set: {data.name}",
            f"Licence: {data.licence or 'not told'}",
            f"{words.things(data).capitalize()} used: {data.images:,}",
            f"People: {people}",
            f"Digest (SHA-256): {data.digest or 'none'}",
        ),
        (tables.exclusions(assay), tables.labels(assay)),
    )


def _training() -> Section:
    return Section(
        "Training data",
        ("The assay measures; it does not know what the model was trained on.",),
    )


def _analyses(assay: Assay) -> Section:
    told = headline(assay)
    number = (f"{told.number} {told.number_means}",) if told.number else ()
    target = main_target(assay)
    found: list[Table] = [tables.operating_points(assay.verification.at)]
    for part in assay.partitions:
        if target is not None:
            found.append(tables.groups(part, target, words.things(assay.data)))
        found.append(tables.differentials(part, target))
    if assay.identification:
        found.append(tables.searches(assay.identification))
        by_group = tables.searched_groups(assay.identification, target)
        found += [by_group] if by_group.rows else []
    if assay.predictions:
        found.append(tables.predictions(assay))
    if assay.stress:
        found.append(tables.stress(assay))
    if assay.discards:
        found.append(tables.discards(assay))
    return Section(
        "Quantitative analyses", (told.measured, *number, *told.groups), (), tuple(found)
    )


def _ethics() -> Section:
    return Section(
        "Ethical considerations",
        (
            "Errors fall on people: a false match accuses or admits the wrong one, a false "
            "non-match shuts out the right one. They do not fall on all groups alike; the tables "
            "by group say how far.",
            "A face cannot be changed as a password can. Templates are biometric data in law.",
            "Ask whether the people in the evaluation data agreed to be measured on; the caveats "
            "below say what is known.",
        ),
    )


def _caveats(assay: Assay) -> Section:
    told = headline(assay)
    return Section(
        "Caveats and recommendations",
        ("Measure on the people, the cameras and the light where it will run.",),
        (
            *(f"Not known: {one}" for one in told.cannot_say),
            *(words.sentence(one) for one in assay.data.caveats),
            *(f"Labels: {words.suspected(one)}" for one in assay.data.suspicions),
            *(f"Labels: {words.sentence(one)}" for one in assay.data.not_checked),
            *(words.sentence(one) for one in assay.warnings),
        ),
    )


# ---------------------------------------------------------------- Markdown
_MARKS = re.compile(r"([\\`*_\[\]<>|#&~])")


def markdown(told: Card) -> str:
    """The card as Markdown. Names of others are escaped: they are text, never markup."""
    lines = [f"# {_plain(told.title)}", ""]
    for section in told.sections:
        lines += [f"## {_plain(section.title)}", ""]
        for one in section.said:
            lines += [_plain(one), ""]
        if section.points:
            lines += [*(f"- {_plain(one)}" for one in section.points), ""]
        for table in section.tables:
            lines += [*_table(table), ""]
    return "\n".join(lines)


def _table(table: Table) -> list[str]:
    caption = f"**{_plain(table.caption)}**"
    if not table.rows:
        return [f"{caption}: none."]
    rule = ["---:" if at in table.numbers else "---" for at in range(len(table.columns))]
    return [caption, "", _row(table.columns), f"| {' | '.join(rule)} |", *map(_row, table.rows)]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(_plain(cell) for cell in cells)} |"


def _plain(told: str) -> str:
    """One line of text in which Markdown sees no mark of its own."""
    return _MARKS.sub(r"\\\1", " ".join(told.split()))
