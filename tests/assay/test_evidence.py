"""An assay's document becomes evidence only as far as it agrees with itself."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from made_up_evidence import GROUPS, IMAGES, IMPOSTOR, assay, document
from rightface.assay.evidence import EvidenceError, figures_of
from rightface.assay.result import Measured
from rightface.law.evidence_records import from_plain, to_plain

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


def test_what_goes_on_record() -> None:
    content = document(PACK, ratio=(2.0, 2.5, 3.5), lowest_tmr=0.97)
    told = figures_of(content, pack_digest=PACK)
    assert told.document_digest == hashlib.sha256(content).hexdigest()
    assert (told.impostor_pairs, told.images, told.people) == (IMPOSTOR, IMAGES, 4_000)
    assert told.smallest_fmr == pytest.approx(30 / IMPOSTOR)
    assert told.differential is not None
    assert (told.differential.low, told.differential.value, told.differential.high) == (2, 2.5, 3.5)
    assert (told.differential.groups, told.differential.fmr_target) == (GROUPS, 1e-3)
    assert told.lowest_tmr == 0.97
    assert len(told.groups) == GROUPS
    assert told.groups[0].fmr == pytest.approx(1e-3)
    assert told.groups[0].tmr == pytest.approx(0.99)
    assert from_plain(json.loads(json.dumps(to_plain(told)))) == told


def test_the_worst_of_all_partitions_counts() -> None:
    one = assay(PACK, ratio=(1.2, 1.5, 1.9)).partitions[0]
    other = assay(PACK, ratio=(5.0, 6.0, 7.0)).partitions[0]
    fewer = other.differentials[0].model_copy(update={"groups": ("group 0", "group 1")})
    two = other.model_copy(update={"differentials": (fewer,)})
    told = figures_of(document(PACK, partitions=(one, two)), pack_digest=PACK).differential
    assert told is not None
    assert (told.low, told.value, told.high, told.groups) == (5, 6, 7, GROUPS)


@pytest.mark.parametrize(
    "value",
    [
        {"value": None, "low": None, "high": None, "note": "too few"},
        {"value": 3.0, "low": None, "high": None},
    ],
)
def test_a_ratio_without_an_interval_is_not_measured(value: dict[str, Any]) -> None:
    content = changed("partitions", 0, "differentials", 0, "value", value=value)
    assert figures_of(content, pack_digest=PACK).differential is None


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("data", "rows"), 1, "are not 1 rows"),
        (("data", "images"), IMAGES - 1, "left out are not"),
        (("data", "columns", "group", "group 0"), 7, "Column 1"),
        (("verification", "impostor"), 0, "No different people"),
        (("verification", "impostor"), 10**9, "more comparisons than pairs"),
        (("verification", "at", 0, "fmr", "trials"), 39_999_999, "40000000 were made"),
        (("verification", "at", 0, "fnmr", "errors"), 5_001, "more errors than trials"),
        (("verification", "at", 0, "fmr", "rate"), 1e-6, "not its errors over its trials"),
        (("verification", "at", 0, "fmr", "low"), 0.5, "outside its interval"),
        (("partitions", 0, "unlabelled"), 3, "Partition 1: its groups"),
        (("partitions", 0, "groups", 3, "impostor"), 10**9, "than all together"),
        (("partitions", 0, "groups", 3, "at", 0, "fmr", "errors"), 7, "group 4, at 0.001: FMR"),
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
        (changed("measured", "pack_digest", value="00" * 32), "another model pack"),
        (changed("measured", "comparison_digest", value="00" * 32), "normalised otherwise"),
    ],
)
def test_another_document_is_no_evidence(content: bytes, said: str) -> None:
    with pytest.raises(EvidenceError, match=said):
        figures_of(content, pack_digest=PACK)


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


def test_a_rate_that_was_not_measured() -> None:
    with pytest.raises(EvidenceError, match="no figures at") as error:
        figures_of(document(PACK), pack_digest=PACK, fmr_target=1e-6)
    assert "0.001" in error.value.why
