"""An assay's document becomes evidence only as far as it agrees with itself."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from made_up_evidence import (
    FEWEST_FALSE,
    GROUPS,
    IMAGES,
    IMPOSTOR,
    WITHIN_GENUINE,
    WITHIN_IMPOSTOR,
    assay,
    document,
    impostors_only,
)
from rightface.assay.differentials import GroupRates, differentials
from rightface.assay.evidence import EvidenceError, figures_of
from rightface.assay.intervals import rate
from rightface.assay.result import Group, Measured, OperatingPoint, Partition
from rightface.law.evidence import Differential
from rightface.law.figures import from_plain, tells_against, to_plain

PACK = "cd" * 32


def changed(*path: Any, value: Any) -> bytes:
    """The document with one field otherwise."""
    told = json.loads(document(PACK))
    place = told
    for part in path[:-1]:
        place = place[part]
    assert place[path[-1]] != value, "nothing would be changed"
    place[path[-1]] = value
    return json.dumps(told).encode()


def of_groups(
    errors: list[int],
    *,
    too_few: Sequence[str] = (),
    ratio: tuple[float, float, float] | None = None,
) -> Partition:
    """A partition as an assay makes it: so many false matches in each group, then small groups.

    `ratio`: low, value and high of worst over best, in place of what was worked out.
    """
    false = [*errors, *(3 for _ in too_few)]
    why = (*("" for _ in errors), *too_few)
    names = tuple(f"group {number}" for number in range(len(false)))
    images = [IMAGES // len(false)] * len(false)
    images[0] += IMAGES - sum(images)
    groups = tuple(
        Group(
            name=name,
            labels={"group": name},
            subjects=500,
            images=images[number],
            failures=None,
            genuine=WITHIN_GENUINE,
            impostor=WITHIN_IMPOSTOR,
            curve=(),
            at=(
                OperatingPoint(
                    fmr_target=1e-3,
                    threshold=0.9,
                    fmr=rate(false[number], WITHIN_IMPOSTOR, too_few=why[number]),
                    fnmr=rate(6 + number, WITHIN_GENUINE, too_few=why[number]),
                ),
            ),
        )
        for number, name in enumerate(names)
    )
    count = len(false)
    made = differentials(
        GroupRates(names, np.array(false), np.full(count, WITHIN_IMPOSTOR), too_few=why),
        GroupRates(names, 6 + np.arange(count), np.full(count, WITHIN_GENUINE), too_few=why),
        fmr_target=1e-3,
        threshold=0.9,
    )
    if ratio is not None:
        low, value, high = ratio
        first = made[0].value.model_copy(update={"low": low, "value": value, "high": high})
        made = (made[0].model_copy(update={"value": first}), *made[1:])
    return Partition(columns=("group",), groups=groups, unlabelled=0, cross=(), differentials=made)


def test_what_goes_on_record() -> None:
    content = document(PACK, ratio=(2.0, 2.5, 3.5), lowest_tmr=0.97)
    told = figures_of(content, pack_digest=PACK)
    assert told.document_digest == hashlib.sha256(content).hexdigest()
    assert (told.impostor_pairs, told.images, told.people) == (IMPOSTOR, IMAGES, 4_000)
    assert told.smallest_fmr == pytest.approx(30 / IMPOSTOR)
    assert told.differential is not None
    assert (told.differential.low, told.differential.value, told.differential.high) == (2, 2.5, 3.5)
    assert (told.differential.groups, told.differential.fmr_target) == (GROUPS, 1e-3)
    assert told.lowest_tmr == 0.95, "the lower end of its interval"
    assert len(told.groups) == GROUPS
    assert told.groups[0].fmr == pytest.approx(2.5 * FEWEST_FALSE / WITHIN_IMPOSTOR)
    assert told.groups[0].tmr == pytest.approx(0.97)
    assert from_plain(json.loads(json.dumps(to_plain(told)))) == told


def test_the_worst_of_all_partitions_counts() -> None:
    one = assay(PACK, ratio=(1.2, 1.5, 1.9)).partitions[0]
    two = of_groups([1_200, 200], too_few=["few"] * 6, ratio=(5.0, 6.0, 7.0))
    told = figures_of(document(PACK, partitions=(one, two)), pack_digest=PACK).differential
    assert told is not None
    assert (told.low, told.value, told.high, told.groups) == (5, 6, 7, GROUPS)


def test_a_ratio_without_an_interval_has_no_upper_end() -> None:
    content = changed(
        "partitions",
        0,
        "differentials",
        0,
        "value",
        value={"value": 1.5, "low": None, "high": None},
    )
    told = figures_of(content, pack_digest=PACK).differential
    assert told == Differential(value=1.5, low=1, high=None, fmr_target=1e-3, groups=GROUPS)


def test_a_ratio_of_groups_without_any_error_is_not_measured() -> None:
    made = of_groups([0, 0, 0])
    assert figures_of(document(PACK, partitions=(made,)), pack_digest=PACK).differential is None


@pytest.mark.parametrize(
    ("errors", "too_few", "said"),
    [
        ([700], ["few"] * 4, "group: 1 of 5 groups are large enough at 0.001"),
        ([], ["few"] * 3, "group: 0 of 3 groups are large enough at 0.001"),
        ([0, 0, 0], ["few"], "group: nobody of its 3 large groups was matched at 0.001"),
    ],
)
def test_a_split_that_says_nothing_is_named(
    errors: list[int], too_few: list[str], said: str
) -> None:
    said_nothing = of_groups(errors, too_few=too_few)
    one = assay(PACK, ratio=(1.2, 1.5, 1.9)).partitions[0]
    told = figures_of(document(PACK, partitions=(one, said_nothing)), pack_digest=PACK)
    assert told.left_out == (said,)
    assert told.differential is not None, "the other split says something"
    assert from_plain(json.loads(json.dumps(to_plain(told)))) == told
    older = to_plain(told)
    del older["left_out"]  # records of older releases do not say it
    assert from_plain(json.loads(json.dumps(older))).left_out == ()


def test_a_differential_that_was_taken_out_is_missed() -> None:
    told = json.loads(document(PACK, partitions=(of_groups([200, 700]),)))
    del told["partitions"][0]["differentials"][0]
    with pytest.raises(EvidenceError, match="does not add up") as error:
        figures_of(json.dumps(told).encode(), pack_digest=PACK)
    assert error.value.why == "Partition 1, at 0.001: it has no worst over best of its groups."


def test_different_people_alone_say_nothing_of_who_is_recognised() -> None:
    content = impostors_only(PACK)
    told = figures_of(content, pack_digest=PACK)
    assert (told.genuine_pairs, told.lowest_tmr) == (0, None)
    assert told.differential is not None
    assert (told.differential.low, told.differential.high) == (1.2, 1.9)
    assert {each.tmr for each in told.groups} == {None}


def test_at_least_so_much_is_not_hidden_by_another_split() -> None:
    race = of_groups([700, 700, 0])
    found = figures_of(document(PACK, partitions=(race,)), pack_digest=PACK)
    alone = found.differential
    assert alone is not None
    assert alone.low > 100, "a group without an error counts by its upper bound"
    assert alone.high is None
    assert tells_against(found)
    sex = assay(PACK, ratio=(1.0, 1.1, 1.2)).partitions[0]
    for partitions in ((race, sex), (sex, race)):
        found = figures_of(document(PACK, partitions=partitions), pack_digest=PACK)
        told = found.differential
        assert told is not None
        assert (told.value, told.low, told.high) == (alone.value, alone.low, None)
        assert from_plain(json.loads(json.dumps(to_plain(found)))) == found


def test_a_lowest_true_match_rate_without_an_interval_counts_as_found() -> None:
    content = changed(
        "partitions", 0, "differentials", 2, "value",
        value={"value": 0.99, "low": None, "high": None},
    )  # fmt: skip
    assert figures_of(content, pack_digest=PACK).lowest_tmr == 0.99


@pytest.mark.parametrize(
    "errors", [[200, 300, 700], [0, 0, 0], [1, 0, 40_000], [0, 700], [5], [7, 7, 7, 7]]
)
@pytest.mark.parametrize("too_few", [[], ["few"], ["few"] * 3])
def test_what_an_assay_works_out_adds_up(errors: list[int], too_few: list[str]) -> None:
    made = of_groups(errors, too_few=too_few)
    assert figures_of(document(PACK, partitions=(made,)), pack_digest=PACK).groups


@pytest.mark.parametrize(
    ("place", "field", "value", "said"),
    [
        (0, "value", {"value": 1.2, "low": 1.1, "high": 1.4}, "does not follow"),
        (0, "value", {"value": None, "low": None, "high": None}, "does not follow"),
        (2, "value", {"value": 0.995, "low": 0.99, "high": 1.0}, "does not follow"),
        (0, "groups", [f"group {n}" for n in range(1, GROUPS)], "not that of all its groups"),
        (2, "groups", [f"group {n}" for n in range(1, GROUPS)], "not that of all its groups"),
        (0, "groups", [f"group {n}" for n in (0, *range(GROUPS))], "not that of all its groups"),
        (0, "groups", [*(f"group {n}" for n in range(GROUPS)), "x"], "not that of all its groups"),
        (0, "fmr_target", 1e-4, "not that of all its groups"),
    ],
)
def test_a_differential_follows_from_its_groups(
    place: int, field: str, value: Any, said: str
) -> None:
    with pytest.raises(EvidenceError, match="does not add up") as error:
        figures_of(
            changed("partitions", 0, "differentials", place, field, value=value), pack_digest=PACK
        )
    assert said in error.value.why


def test_a_group_that_is_too_small_counts_in_no_differential() -> None:
    content = changed(
        "partitions", 0, "groups", 3, "at", 0, "fmr", "too_few", value="Only 3 people."
    )
    with pytest.raises(EvidenceError, match="does not add up") as error:
        figures_of(content, pack_digest=PACK)
    assert "not that of all its groups" in error.value.why


def test_a_ratio_over_a_group_without_an_error_has_no_upper_end() -> None:
    told = json.loads(document(PACK, partitions=(of_groups([700, 700, 0]),)))
    told["partitions"][0]["differentials"][0]["value"]["high"] = 1_000.0
    with pytest.raises(EvidenceError, match="does not add up") as error:
        figures_of(json.dumps(told).encode(), pack_digest=PACK)
    assert "has an upper end" in error.value.why


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("data", "rows"), 1, "are not 1 rows"),
        (("data", "images"), IMAGES - 1, "left out are not"),
        (("data", "columns", "sex", "sex 0"), 7, "Column 1"),
        (("verification", "impostor"), 0, "No different people"),
        (("verification", "impostor"), 10**9, "more comparisons than pairs"),
        (("verification", "at", 0, "fmr", "trials"), 39_999_999, "40000000 were made"),
        (("verification", "at", 0, "fnmr", "errors"), 5_001, "more errors than trials"),
        (("verification", "at", 0, "fmr", "rate"), 1e-6, "not its errors over its trials"),
        (("verification", "at", 0, "fmr", "low"), 0.5, "outside its interval"),
        (("partitions", 0, "unlabelled"), 3, "Partition 1: its groups"),
        (("partitions", 0, "groups", 3, "impostor"), 10**9, "than all together"),
        (("partitions", 0, "groups", 3, "at", 0, "fmr", "errors"), 7, "group 4, at 0.001: FMR"),
        (("partitions",), [], "nothing is told of their groups"),
        (("measured", "comparison"), "equalised-9", "do not belong together"),
    ],
)
def test_what_does_not_add_up_is_no_evidence(path: tuple[Any, ...], value: Any, said: str) -> None:
    with pytest.raises(EvidenceError, match="does not add up") as error:
        figures_of(changed(*path, value=value), pack_digest=PACK)
    assert said in error.value.why


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"no JSON", "no assay's document"),
        (b"{}", "no assay's document"),
        (changed("format", value=2), "no assay's document"),
        (changed("partitions", 0, "groups", 0, "subjects", value=-3), "no assay's document"),
        (changed("partitions", 0, "groups", 0, "impostor", value=-3), "no assay's document"),
        (changed("measured", "pack_digest", value="00" * 32), "another model pack"),
        (changed("measured", "comparison_digest", value="00" * 32), "normalised otherwise"),
    ],
)
def test_another_document_is_no_evidence(content: bytes, said: str) -> None:
    with pytest.raises(EvidenceError, match=said):
        figures_of(content, pack_digest=PACK)


def test_a_group_is_told_alike_wherever_it_is_told() -> None:
    told = json.loads(document(PACK))
    partition = told["partitions"][0]
    groups = partition["groups"]
    at = groups[0]["at"][0]
    rates = [[dict(groups[0]["at"][0]["fmr"]) for _ in groups] for _ in groups]
    for place, group in enumerate(groups):
        rates[place][place] = dict(group["at"][0]["fmr"])
    matrix = {
        "fmr_target": at["fmr_target"],
        "threshold": at["threshold"],
        "groups": [group["name"] for group in groups],
        "rates": rates,
    }
    partition["cross"] = [matrix]
    figures_of(json.dumps(told).encode(), pack_digest=PACK)
    rates[1][1]["trials"] += 1
    with pytest.raises(EvidenceError, match="does not add up") as error:
        figures_of(json.dumps(told).encode(), pack_digest=PACK)
    assert "group 2 is told twice" in error.value.why


def test_scores_of_others_are_no_evidence_for_our_pack() -> None:
    content = document(PACK, measured=Measured(kind="scores", name="theirs", pack_digest=PACK))
    with pytest.raises(EvidenceError, match="not about a model pack"):
        figures_of(content, pack_digest=PACK)


def test_too_few_comparisons_for_a_threshold_tell_nothing_of_groups() -> None:
    told = json.loads(document(PACK))
    told["verification"]["at"][0]["threshold"] = None
    told["partitions"][0]["groups"] = [
        {**group, "at": [{**group["at"][0], "threshold": None}]}
        for group in told["partitions"][0]["groups"]
    ]
    told["partitions"][0]["differentials"] = []
    found = figures_of(json.dumps(told).encode(), pack_digest=PACK)
    assert (found.impostor_pairs, found.groups, found.differential) == (IMPOSTOR, (), None)
    assert found.left_out == (
        "sex × race: there are too few comparisons to set a threshold at 0.001",
    )


def test_a_rate_that_was_not_measured() -> None:
    with pytest.raises(EvidenceError, match="no figures at") as error:
        figures_of(document(PACK), pack_digest=PACK, fmr_target=1e-6)
    assert "0.001" in error.value.why
