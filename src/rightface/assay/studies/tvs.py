"""CBP's Traveler Verification Service: from capture to match, end to end."""

from __future__ import annotations

from rightface.assay.studies.facts import StudyFacts
from rightface.assay.studies.reproduction import (
    Reproduction,
    compared,
    ours,
    reproduction,
    stated,
)


def reproduce(facts: StudyFacts) -> Reproduction:
    """The share of travellers confirmed, and how many the match rate leaves out."""
    match, capture = facts.number("match_2019") / 100, facts.number("capture_2019") / 100
    confirmed = match * capture
    cells = (
        compared(
            facts.tables["end_to_end"],
            "2019 test",
            "share",
            100 * confirmed,
            f"{capture:g} captured x {match:g} matched",
        ),
    )
    goals = facts.number("capture_goal") * facts.number("match_required") / 100
    captured_2017 = facts.number("confirmed_2017") / facts.number("match_2017")
    travellers = facts.count("travellers_2020")
    earlier, later = facts.count("airports_march_2020"), facts.count("airports_may_2020")
    return reproduction(
        facts,
        cells,
        (
            stated(
                facts,
                "lesson",
                round(1 / (1 - confirmed)) == 5,
                f"{100 * (1 - confirmed):.1f} % were not confirmed",
            ),
            ours(
                f"CBP's own requirements, met both, come to {goals:.1f} %: capture of "
                f"{facts.number('capture_goal'):g} %, match of "
                f"{facts.number('match_required'):g} %."
            ),
            ours(
                f"In the pilot of 2017, {facts.number('match_2017'):g} % matched and "
                f"{facts.number('confirmed_2017'):g} % of all confirmed fit if "
                f"{100 * captured_2017:.1f} % were captured."
            ),
            ours(
                f"If 2019's rates held for the {travellers:,} travellers of the fiscal year 2020, "
                f"{round(travellers * (1 - confirmed), -4):,.0f} were not confirmed, of whom "
                f"{round(travellers * (1 - capture), -4):,.0f} without any comparison."
            ),
            stated(facts, "airports", earlier < later),
            stated(facts, "two-tests", facts.number("match_2017") == facts.number("match_2019")),
        ),
    )
