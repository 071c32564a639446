"""The page of methods says what the code does."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from rightface.assay import bootstrap, differentials, discard, identification, intervals, prediction
from rightface.assay.mixtures import FAMILIES
from rightface.assay.result import Measure, Rate

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "assay-methods.md").read_text()
WORDS = " ".join(PAGE.split())


def test_every_measure_family_and_kind_of_interval_has_its_entry() -> None:
    for name in (*get_args(Measure), *FAMILIES):
        assert f"| `{name}` |" in PAGE
    for method in get_args(Rate.model_fields["method"].annotation):
        assert method == "none" or f"**`{method}`**" in PAGE


def test_the_numbers_on_the_page_are_those_of_the_code() -> None:
    assert f"| {intervals.RULE_OF_30} | the rule of 30" in WORDS
    assert f"people of a group | {intervals.FEWEST_SUBJECTS} |" in WORDS
    assert f"genuine comparisons of a group | {intervals.FEWEST_GENUINE} |" in WORDS
    assert intervals.FEWEST_SUSPECT == 3 and "above it, three matches or more" in WORDS
    assert intervals.CONFIDENCE == 0.95 and "at the level 0.95^(1/n)" in WORDS
    assert f"{bootstrap.REPLICATES:,} draws" in WORDS
    assert f"each of {identification.DRAWS} draws" in WORDS
    assert identification.KEPT_OUT == 0.3 and "three people in ten" in WORDS
    assert identification.CANDIDATES == 10 and "its ten best scores" in WORDS
    assert prediction.CLOSE == 2.0 and "up to twice as far off" in WORDS
    assert prediction.CLOSE * prediction.LEAST_ERROR == 0.1 and "(or 10 %)" in WORDS
    assert prediction.PREDICTED[-1] == 3 * 10**9 and "3·10⁹" in WORDS
    assert differentials.ALPHA == 0.5 and "½ gini(FMR) + ½ gini(FNMR)" in WORDS
    assert f"{intervals.wilson(0, 10**6)[1] * 1e6:.2f}/(n + 3.84)" in WORDS
    assert all(
        name in WORDS.lower() for name in ("sharpness", "yaw", "pitch", "roll", "brightness")
    )
    assert discard.DIRECTIONS["brightness"] is discard.middle_is_best
