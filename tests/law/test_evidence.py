"""Step 5: each row of the table at its edges, what is on record, and what nothing gets around."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from rightface.errors import LawError, LicenceError, NotOnRecord
from rightface.law import evidence_records
from rightface.law.evidence import (
    LOWEST_TRUE_MATCH,
    MOST_YEARS,
    NO_UPPER_END,
    REQUIREMENTS,
    WORST_OVER_BEST,
    Differential,
    last_day,
    measured_facts,
    pairs_needed,
)
from rightface.law.evidence_records import EvidenceOnRecord
from rightface.law.figures import Figures, GroupFigures, evidence_of, tells_against
from rightface.law.licences import Licence
from rightface.law.splits import Split, answers, attributes_of
from rightface.law.steps.evidence import uses
from tests.law.conftest import GOOD, NOW, Instance, keys, operation

NO_LAW = "US-OH"  # no instrument binds a private entity there, but the baseline
TODAY = NOW.date()
ROWS = {row.name: row for row in REQUIREMENTS}
SMALL, LARGE = 1_000, 1_001


def figures(**changed: Any) -> Figures:
    told: dict[str, Any] = {
        "pack_digest": GOOD.pack_digest,
        "comparison": "raw",
        "comparison_digest": "",
        "software": "rightface test",
        "data_set": "nobody",
        "data_digest": "ab" * 32,
        "document_digest": "cd" * 32,
        "measured_on": TODAY - timedelta(days=10),
        "images": 10_000,
        "people": 4_000,
        "impostor_pairs": 20_000_000,
        "genuine_pairs": 5_000,
        "smallest_fmr": 1.5e-6,
        "fmr_target": 1e-3,
        "differential": Differential(value=1.5, low=1.2, high=1.9, fmr_target=1e-3, groups=8),
        "lowest_tmr": None,
        "groups": groups(8),
    }
    return Figures(**(told | changed))


def unequal(low: float, value: float, high: float | None, **changed: Any) -> Differential:
    told: dict[str, Any] = {"fmr_target": 1e-3, "groups": 8}
    return Differential(low=low, value=value, high=high, **(told | changed))


def groups(
    count: int, *, columns: tuple[str, ...] = ("gender", "ethnicity"), **changed: Any
) -> tuple[GroupFigures, ...]:
    """So many groups that are large enough; `changed`: the last one."""
    told: dict[str, Any] = {
        "columns": columns,
        "impostor_pairs": 700_000,
        "genuine_pairs": 600,
        "fmr": 1e-3,
        "fmr_low": 8e-4,
        "fmr_high": 1.2e-3,
        "tmr": 0.99,
    }
    some = [GroupFigures(**told, name=f"group {number}") for number in range(count - 1)]
    return (*some, GroupFigures(**(told | {"name": "the last"} | changed)))


def put(instance: Instance, **changed: Any) -> EvidenceOnRecord:
    return instance.database.write(
        lambda session: evidence_records.record(
            session, instance.keyring, figures(**changed), at=instance.now, by="operator"
        )
    )


def end(instance: Instance, evidence_id: str) -> EvidenceOnRecord | None:
    return instance.database.write(
        lambda session: evidence_records.end(
            session, instance.keyring, evidence_id, at=instance.now, why="It was wrong."
        )
    )


def by(instance: Instance, row: str) -> tuple[Licence, str]:
    """A licence, and the action, to which a row of the table applies."""
    told: dict[str, Any] = {"jurisdiction": NO_LAW, "operations": ["identify-1toN"]}
    if row == "verification":
        return instance.licence(**told | {"operations": ["verify-1to1"]}), "verify-1to1"
    if row == "live":
        return instance.licence(**told | {"operations": ["identify-live"]}), "identify-live"
    if row == "law-enforcement":
        told |= {"sector": "law-enforcement-local", "purposes": ["identify-deceased"]}
    if row in ("not-by-consent", "law-enforcement"):
        told |= {"basis": "legal-obligation"}
    instance.faces = LARGE if row == "large-consented" else SMALL
    return instance.licence(**told), "identify-1toN"


# ---------------------------------------------------------------- the table
@pytest.mark.parametrize("row", ROWS)
def test_the_edges_of_each_row(instance: Instance, row: str) -> None:
    needed = ROWS[row]
    licence, action = by(instance, row)
    asked = operation(licence, action)
    least = pairs_needed(needed, instance.faces)
    instance.evidence = replace(GOOD, impostor_pairs=least)
    told = instance.decide(asked)
    before = [] if hasattr(told, "permit_id") else keys(told)
    assert not [key for key in before if key.startswith("evidence#")]

    def said(**changed: Any) -> list[str]:
        instance.evidence = replace(GOOD, impostor_pairs=least, **changed)
        answer = instance.decide(asked)
        reasons = [] if hasattr(answer, "permit_id") else keys(answer)
        return [key for key in reasons if key.startswith("evidence#")]

    instance.evidence = replace(GOOD, impostor_pairs=least - 1)
    assert "evidence#accuracy" in keys(instance.refused(asked))
    oldest = TODAY.replace(year=TODAY.year - needed.oldest_years)
    assert said(measured_on=oldest) == []
    assert said(measured_on=oldest - timedelta(days=1))[:1] == ["evidence#accuracy"]
    if needed.limit is None:
        assert said(differential=None) == []
        assert said(differential=unequal(150, 182, 200)) == []
        return
    limit = needed.limit
    asked_of = ("gender", "ethnicity") if "sex" in needed.attributes else ("race",)

    def split(count: int = needed.groups, **changed: Any) -> dict[str, tuple[Split, ...]]:
        return {"splits": (Split(**({"columns": asked_of, "groups": count} | changed)),)}

    assert said(differential=None) == ["evidence#differential"]
    assert said(differential=unequal(1, 1.5, limit), **split()) == []
    assert said(differential=unequal(1, 1.5, limit), **split(small_times=limit)) == []
    wrong: list[dict[str, Any]] = [
        {"differential": unequal(1, 1.5, limit, fmr_target=1e-2)},
        {"differential": unequal(1, 1.5, limit + 0.1)},
        {"differential": unequal(limit + 0.1, limit + 1, limit + 2)},
        {"differential": unequal(1, 1.1, None)},
        {"differential": unequal(limit + 0.1, limit + 1, None)},
        split(needed.groups - 1),
        split(columns=("batch",)),
        split(columns=("sex",)),
        split(columns=(*asked_of, "age")),
        split(columns=()),
        split(small_times=limit + 0.1, small_group="a few"),
        {"splits": ()},
    ]
    assert [said(**one) for one in wrong] == [["evidence#differential"]] * len(wrong)
    if len(asked_of) == 2:
        assert said(**split(columns=("race",))) == ["evidence#differential"]
    assert said(**split(), people=needed.people) == []


@pytest.mark.parametrize("row", ROWS)
def test_enough_is_of_people_too_and_says_who_is_missed(instance: Instance, row: str) -> None:
    needed = ROWS[row]
    licence, action = by(instance, row)
    asked = operation(licence, action)

    def said(**changed: Any) -> list[str]:
        instance.evidence = replace(GOOD, **changed)
        answer = instance.decide(asked)
        reasons = [] if hasattr(answer, "permit_id") else keys(answer)
        return [key for key in reasons if key.startswith("evidence#")]

    assert said(people=needed.people, genuine_pairs=needed.genuine_pairs) == []
    assert said(people=needed.people - 1) == ["evidence#accuracy"]
    assert said(impostor_pairs=10**9, people=2) == ["evidence#accuracy"]
    assert f"{needed.people:,} are needed" in instance.refused(asked).message
    assert said(genuine_pairs=needed.genuine_pairs - 1) == ["evidence#genuine"]
    put(instance, genuine_pairs=needed.genuine_pairs)
    assert said(genuine_pairs=0) == [], "another measurement may say it"


def test_eight_batches_of_one_set_are_no_groups(instance: Instance) -> None:
    licence, _ = by(instance, "not-by-consent")
    instance.evidence = replace(GOOD, differential=None)
    batches = unequal(1.0, 1.11, 1.73)
    put(instance, differential=batches, groups=groups(8, columns=("batch",)))
    refusal = instance.refused(operation(licence))
    assert keys(refusal) == ["evidence#differential"]
    assert "at least 8 groups by sex × race" in refusal.message
    put(instance, differential=batches, groups=groups(8, columns=("Sex", "skin_type")))
    instance.allowed(operation(licence))


def test_groups_speak_for_galleries_two_decades_over_their_rate(instance: Instance) -> None:
    licence, _ = by(instance, "large-consented")
    instance.evidence = replace(GOOD, differential=unequal(1, 1.5, 1.9))
    instance.faces = 100_000
    ruling = instance.gate.consider(operation(licence))
    assert ruling.outcome == "allow"
    [note] = [step.note for step in ruling.steps if step.step == 5]
    assert "100,000 faces are searched at a stricter one" in note
    instance.faces = 100_001
    assert "says nothing of more than 100,000 faces" in instance.refused(operation(licence)).message
    instance.evidence = replace(GOOD, differential=unequal(1, 1.5, 1.9, fmr_target=1e-4))
    instance.allowed(operation(licence))


def test_a_small_group_that_matches_far_more_is_told_of(instance: Instance) -> None:
    licence, _ = by(instance, "large-consented")
    few: dict[str, Any] = {"too_few": "Only 3,000 comparisons.", "impostor_pairs": 3_000}
    far = groups(9, fmr=0.02, fmr_low=0.013, fmr_high=0.03, **few)
    instance.evidence = evidence_of(figures(groups=far), "evd-1")
    refusal = instance.refused(operation(licence))
    assert keys(refusal) == ["evidence#differential"]
    assert "The group the last (gender × ethnicity) is too small to count, yet" in refusal.message
    assert "20 times" in refusal.message
    verdicts = {use.rule: use for use in uses(instance.evidence, TODAY)}
    assert verdicts["large-consented"].verdict == "in-part"
    assert "the last" in verdicts["large-consented"].lacks[0]
    for changed in ({"fmr": 0.008}, {"impostor_pairs": 100}, {"fmr_low": 9e-4}, {"too_few": ""}):
        told: dict[str, Any] = {"fmr": 0.02, "fmr_low": 0.0035, "fmr_high": 0.03} | few | changed
        instance.evidence = evidence_of(figures(groups=groups(9, **told)), "evd-1")
        instance.allowed(operation(licence))


def test_every_face_of_a_large_gallery_asks_for_pairs(instance: Instance) -> None:
    licence, _ = by(instance, "large-consented")
    instance.evidence = replace(
        GOOD, impostor_pairs=20_000_000, differential=unequal(1, 1.5, 1.9, fmr_target=1e-4)
    )
    instance.faces = 200_000
    instance.allowed(operation(licence))
    instance.faces = 200_001
    assert "20,000,100 are needed" in instance.refused(operation(licence)).message


def test_whoever_stands_behind_the_client_counts(instance: Instance) -> None:
    from rightface.law.operation import Party

    instance.evidence = replace(GOOD, differential=None)
    police = Party("Metro PD", "law-enforcement-local")
    licence = instance.licence(jurisdiction=NO_LAW, parties=[police])
    assert "evidence#differential" in keys(instance.refused(operation(licence)))


def test_a_leap_day() -> None:
    assert last_day(date(2024, 2, 29), 1) == date(2025, 2, 28)
    assert last_day(date(2024, 2, 29), 4) == date(2028, 2, 29)


def test_the_refusal_says_what_is_missing_and_how_to_mend_it(instance: Instance) -> None:
    licence, _ = by(instance, "large-consented")
    instance.evidence = replace(GOOD, differential=unequal(150, 182, 200))
    message = instance.refused(operation(licence)).message
    assert "182 times (95 %: 150 to 200)" in message
    assert "at most 10 times is allowed here" in message
    assert "rightface evidence add" in message


def test_at_least_so_many_times_is_over_every_limit(instance: Instance) -> None:
    licence, _ = by(instance, "large-consented")
    instance.evidence = replace(GOOD, differential=unequal(1.2, 1.5, None))
    refusal = instance.refused(operation(licence))
    assert keys(refusal) == ["evidence#differential"]
    assert "at least 1.5 times (95 %: from 1.2, without an upper end)" in refusal.message
    assert "is not shown" in refusal.message
    instance.evidence = GOOD
    small = put(instance, differential=unequal(1.2, 1.5, None))
    instance.allowed(operation(licence))  # it shows nothing either way
    bad = put(instance, differential=unequal(90, 520, None))
    refusal = instance.refused(operation(licence))
    assert bad.evidence_id in refusal.message
    assert "at least 520 times" in refusal.message
    with instance.database.read() as session:
        for one in (small, bad):
            assert evidence_records.find(session, instance.keyring, one.evidence_id) == one


@pytest.mark.parametrize(
    ("differential", "against"),
    [
        (None, False),
        (unequal(1, 1.5, 2), False),
        (unequal(1, 1.5, 2.1), True),
        (unequal(1, 1.5, None), True),
    ],
)
def test_what_may_tell_against_the_model(differential: Differential | None, against: bool) -> None:
    assert tells_against(figures(differential=differential)) == against


# ---------------------------------------------------------------- the licence's limit
def test_a_licence_may_be_stricter_and_never_laxer(instance: Instance) -> None:
    for action in ("verify-1to1", "identify-1toN"):
        strict = instance.licence(jurisdiction=NO_LAW, differential_limit=1.8)
        assert keys(instance.refused(operation(strict, action))) == ["evidence#differential"]
        fitting = instance.licence(jurisdiction=NO_LAW, differential_limit=1.9)
        instance.allowed(operation(fitting, action))
    lax = instance.licence(jurisdiction=NO_LAW, differential_limit=1000.0)
    instance.faces = LARGE
    instance.evidence = replace(GOOD, differential=unequal(11, 12, 13))
    assert keys(instance.refused(operation(lax))) == ["evidence#differential"]


@pytest.mark.parametrize("limit", [0.0, 0.99, -1.0, float("inf"), float("nan")])
def test_a_limit_that_is_none(instance: Instance, limit: float) -> None:
    with pytest.raises(LicenceError, match="from 1 on"):
        instance.licence(differential_limit=limit)


# ---------------------------------------------------------------- on record
def test_what_is_on_record_counts_and_its_end_at_once(instance: Instance) -> None:
    licence, _ = by(instance, "large-consented")
    instance.evidence = replace(GOOD, differential=None)
    asked = operation(licence)
    assert keys(instance.refused(asked)) == ["evidence#differential"]
    found = put(instance)
    instance.allowed(asked)
    ended = end(instance, found.evidence_id)
    assert ended is not None
    assert ended.ended_why == "It was wrong."
    assert keys(instance.refused(asked)) == ["evidence#differential"]
    assert end(instance, found.evidence_id) == ended, "a second time changes nothing"


@pytest.mark.parametrize("other", [{"pack_digest": "1" * 64}, {"comparison_digest": "2" * 64}])
def test_another_packs_evidence_does_not_count(instance: Instance, other: dict[str, str]) -> None:
    licence, _ = by(instance, "large-consented")
    instance.evidence = replace(GOOD, differential=None)
    put(instance, **other)
    assert keys(instance.refused(operation(licence))) == ["evidence#differential"]


def test_without_a_pack_nothing_on_record_helps(instance: Instance) -> None:
    instance.evidence = None
    put(instance)
    assert keys(instance.refused(operation(instance.licence(jurisdiction=NO_LAW)))) == [
        "evidence#accuracy"
    ]


def test_a_bad_measurement_is_not_hidden_by_a_good_one(instance: Instance) -> None:
    licence, _ = by(instance, "large-consented")
    bad = put(instance, differential=unequal(150, 182, 200))
    put(instance)
    refusal = instance.refused(operation(licence))
    assert bad.evidence_id in refusal.message
    end(instance, bad.evidence_id)
    instance.allowed(operation(licence))
    put(instance, differential=unequal(2, 9, 40))  # too little to say: it shows nothing either way
    instance.allowed(operation(licence))


@pytest.mark.parametrize(
    "change",
    [
        "body = replace(body, '182', '1.5')",
        "ended_at = recorded_at",
        "pack_digest = 'ff'",
        "signature = zeroblob(64)",
    ],
)
@pytest.mark.sqlite_only
def test_a_record_that_was_changed_refuses(instance: Instance, change: str) -> None:
    licence = instance.licence(jurisdiction=NO_LAW)
    found = put(instance, differential=unequal(150, 182, 200))
    instance.allowed(operation(licence))
    with instance.database.writing_engine.begin() as connection:
        connection.execute(text(f"UPDATE evidence_on_record SET {change}"))
    refusal = instance.refused(operation(licence))
    assert keys(refusal) == ["evidence#damaged"]
    assert f"rightface evidence end {found.evidence_id}" in refusal.message
    with instance.database.read() as session, pytest.raises(LawError, match="signature"):
        evidence_records.find(session, instance.keyring, found.evidence_id)
    assert end(instance, found.evidence_id) is None, "nothing of it is believed"
    instance.allowed(operation(licence))
    with instance.database.read() as session:
        [row] = evidence_records.all_evidence(session, instance.keyring)
    assert (row.found, row.ended) == (None, True)


def test_a_question_about_the_past_goes_by_what_was_known(instance: Instance) -> None:
    licence, _ = by(instance, "large-consented")
    instance.evidence = replace(GOOD, differential=None)
    before = instance.now
    instance.now += timedelta(hours=1)
    found = put(instance)
    instance.now += timedelta(hours=1)
    end(instance, found.evidence_id)
    asked = operation(licence)
    told = [
        instance.gate.consider(replace(asked, as_of=before + timedelta(minutes=m))).outcome
        for m in (30, 90, 150)
    ]
    assert told == ["require-duty", "allow", "require-duty"]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"pack_digest": "x"}, "digest"),
        ({"document_digest": ""}, "digest"),
        ({"measured_on": TODAY + timedelta(days=1)}, "future"),
        ({"differential": unequal(2, 1, 3)}, "interval"),
        ({"differential": unequal(2, 1, None)}, "interval"),
        ({"differential": unequal(2, float("inf"), None)}, "interval"),
    ],
)
def test_figures_that_cannot_be(instance: Instance, changed: dict[str, Any], said: str) -> None:
    with pytest.raises(LawError, match=said):
        put(instance, **changed)


def test_an_end_names_a_record_and_a_reason(instance: Instance) -> None:
    with pytest.raises(NotOnRecord):
        end(instance, "evd-" + "0" * 24)
    found = put(instance)
    with pytest.raises(LawError, match="Why"):
        instance.database.write(
            lambda session: evidence_records.end(
                session, instance.keyring, found.evidence_id, at=instance.now, why=" "
            )
        )


# ---------------------------------------------------------------- what instruments ask
def virginia(instance: Instance) -> list[str]:
    """What the police of Virginia hear while SB 741 is in force, of their model's accuracy."""
    licence = instance.licence(
        sector="law-enforcement-local",
        jurisdiction="US-VA",
        purposes=["missing-person"],
        basis="public-task",
    )
    return [key for key in keys(instance.gate.consider(operation(licence))) if "va-sb741" in key]


def test_virginia_asks_for_98_percent_of_every_group(instance: Instance) -> None:
    instance.now = NOW.replace(year=2025)
    instance.evidence = replace(GOOD, measured_on=instance.now.date())
    assert "us-va-sb741-2022#accuracy" not in virginia(instance)
    instance.evidence = replace(instance.evidence, lowest_tmr=0.98)
    assert "us-va-sb741-2022#accuracy" not in virginia(instance)
    instance.evidence = replace(instance.evidence, lowest_tmr=0.9799)
    assert "us-va-sb741-2022#accuracy" in virginia(instance)


def test_virginia_does_not_hear_of_what_was_measured_too_long_ago(instance: Instance) -> None:
    instance.now = NOW.replace(year=2025)
    today = instance.now.date()
    instance.evidence = replace(GOOD, measured_on=today)

    def hears(measured_on: date, lowest_tmr: float) -> bool:
        found = put(instance, measured_on=measured_on, lowest_tmr=lowest_tmr)
        told = "us-va-sb741-2022#accuracy" in virginia(instance)
        end(instance, found.evidence_id)
        return told

    oldest = today.replace(year=today.year - MOST_YEARS)
    assert hears(oldest, 0.97)
    assert not hears(oldest - timedelta(days=1), 0.97)
    assert not hears(oldest, 0.981)


@pytest.mark.parametrize(
    ("measured_on", "told"),
    [
        (date(2023, 5, 4), {LOWEST_TRUE_MATCH: 981, WORST_OVER_BEST: 3}),
        (date(2026, 5, 4), {LOWEST_TRUE_MATCH: 981, WORST_OVER_BEST: 3}),
        (date(2023, 5, 3), {}),
        (date(2026, 5, 5), {}),
        (date(2011, 5, 4), {}),
    ],
)
def test_what_instruments_hear_is_no_older_than_any_row_allows(
    measured_on: date, told: dict[str, int]
) -> None:
    one = replace(
        GOOD, measured_on=measured_on, lowest_tmr=0.9819, differential=unequal(1.0, 1.5, 2.1)
    )
    assert max(row.oldest_years for row in REQUIREMENTS) == MOST_YEARS == 3
    assert measured_facts([one], {}, date(2026, 5, 4)) == told


def test_instruments_hear_that_there_is_no_upper_end() -> None:
    measured = [
        replace(GOOD, differential=told)
        for told in (unequal(1, 1.5, 2), unequal(90, 520, None), None)
    ]
    assert measured_facts(measured, {}, TODAY) == {WORST_OVER_BEST: NO_UPPER_END}


def test_instruments_do_not_hear_of_groups_that_are_none_of_people() -> None:
    batches = replace(GOOD, lowest_tmr=0.99, splits=(Split(columns=("batch",), groups=8),))
    assert measured_facts([batches], {}, TODAY) == {}
    assert measured_facts([batches, GOOD], {}, TODAY) == {
        LOWEST_TRUE_MATCH: 990,
        WORST_OVER_BEST: 2,
    }


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        (("sex",), {"sex"}),
        (("Gender", "Skin_Tone"), {"sex", "race"}),
        (("skin-type",), {"race"}),
        (("Fitzpatrick", "SEX"), {"sex", "race"}),
        (("age",), None),
        (("sex", "batch"), None),
    ],
)
def test_what_columns_tell_of(columns: tuple[str, ...], told: set[str] | None) -> None:
    assert attributes_of(columns) == told
    assert answers(Split(columns=columns, groups=2), ()) == (told is not None)
