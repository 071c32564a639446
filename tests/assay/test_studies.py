"""Published studies: computed again from facts, and verdicts that follow the facts."""

from __future__ import annotations

import copy
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from instance import temporary_instance
from rightface.assay.cohorts import column
from rightface.assay.errors import AssayError, ManifestError, TableError
from rightface.assay.intervals import rate
from rightface.assay.result import (
    Assay,
    CurvePoint,
    DataSet,
    Differential,
    Group,
    Measured,
    OperatingPoint,
    Partition,
    Value,
    Verification,
)
from rightface.assay.studies import claims, klare, parliaments, searching
from rightface.assay.studies.catalogue import REPRODUCE, reproduce
from rightface.assay.studies.claims import Claim, ClaimError, require_metric
from rightface.assay.studies.facts import IDS, NAMES, checked, facts_of, told
from rightface.assay.studies.page import page
from rightface.assay.studies.patterns import patterns
from rightface.assay.studies.predictions import newcombe, read_predictions
from rightface.assay.studies.reproduction import Reproduction, verdict
from rightface.errors import PermitError, SettingsError
from rightface.faces.calibration import Calibration
from rightface.permit import Permit

DOCS = Path(__file__).resolve().parents[2] / "docs"


def cells(study: Reproduction) -> dict[tuple[str, str, str], Any]:
    return {(cell.table[:5], cell.row, cell.column): cell for cell in study.cells}


def altered(name: str, *path: str | int, to: object) -> Reproduction:
    """The study with one fact altered."""
    facts = copy.deepcopy(told(name))
    inside: Any = facts
    for step in path[:-1]:
        inside = inside[step]
    inside[path[-1]] = to
    return reproduce(name, checked(facts))


# ------------------------------------------------------------ facts
def test_every_study_is_there_and_every_number_is_marked() -> None:
    assert set(NAMES) == set(REPRODUCE)
    for name in NAMES:
        facts = facts_of(name)
        assert facts.name == name
        assert facts.id == IDS[name]
        assert facts_of(facts.id) == facts
        for source in facts.sources:
            assert not re.match(r"\d{3}_", source.at)  # a public address, or said in words
            assert source.what


@pytest.mark.parametrize(
    ("path", "to"),
    [
        (("quantities", "images", "confidence"), "certain"),
        (("quantities", "images", "sources"), []),
        (("quantities", "images", "sources"), [77]),
        (("tables", "error", "rows", "IBM"), [1.0]),
        (("tables", "error", "marks"), []),
        (("tables", "error", "tolerance"), -1),
    ],
)
def test_damaged_facts_are_refused(path: tuple[str, ...], to: object) -> None:
    with pytest.raises(AssayError, match="damaged"):
        altered("gender-shades", *path, to=to)


def test_an_unknown_study_is_named() -> None:
    with pytest.raises(AssayError, match="no study"):
        reproduce("gender")


def test_words_are_no_number() -> None:
    with pytest.raises(AssayError, match="no number"):
        facts_of("gender-shades").number("origin")


def test_the_verdict_is_the_tolerance() -> None:
    assert verdict(1.0, 1.1, 0.1) == "reproduced"
    assert verdict(1.0, 1.101, 0.1) == "differs"


def test_the_page_is_what_the_studies_say() -> None:
    remake = "run: rightface assay study --markdown > docs/studies.md"
    assert (DOCS / "studies.md").read_text("utf-8") == page(), remake


# ------------------------------------------------------------ gender shades
def test_gender_shades_differs_only_where_its_table_is_odd() -> None:
    study = reproduce("gender-shades")
    off = {(cell.row, cell.column) for cell in study.cells if cell.verdict == "differs"}
    of_others = {place for place in off if "Face++" not in place[0]}
    assert not of_others
    both = cells(study)
    printed, implied = (
        "Face++, lighter women 6.0 % (as printed)",
        ("Face++, lighter women 9.8 % (as implied)"),
    )
    assert both[("Face+", printed, "All")].verdict == "differs"
    assert both[("Face+", implied, "All")].verdict == "reproduced"
    assert both[("Face+", implied, "lighter")].verdict == "reproduced"
    assert both[("Face+", implied, "LM, precision")].verdict == "reproduced"
    assert both[("Error", "IBM", "DF")].computed == pytest.approx(100 * 94 / 271)


@pytest.mark.parametrize(
    ("path", "to", "place"),
    [
        (("tables", "error", "rows", "IBM", 5), 33.7, ("Error", "IBM", "DF")),
        (("tables", "error", "rows", "IBM", 5), 33.7, ("Error", "IBM", "All")),
        (("tables", "error", "rows", "Microsoft", 0), 6.6, ("Error", "Microsoft", "All")),
        (("tables", "misclassified", "rows", "IBM", 0), 93, ("Error", "IBM", "DF")),
        (("tables", "tpr", "rows", "IBM", 0), 65.3, ("True ", "IBM", "DF")),
        (("tables", "shares", "rows", "PPB", 4), 21.5, ("Share", "PPB", "DF")),
        (("quantities", "DF", "value"), 290, ("Share", "PPB", "DF")),
        (("ranges", "women less men", "high"), 21.6, ("Gaps,", "women less men", "most")),
    ],
)
def test_an_altered_fact_changes_the_verdict(
    path: tuple[str, ...], to: object, place: tuple[str, str, str]
) -> None:
    assert cells(reproduce("gender-shades"))[place].verdict == "reproduced"
    assert cells(altered("gender-shades", *path, to=to))[place].verdict == "differs"


def test_if_98_had_been_printed_nothing_would_be_odd_about_all_and_lighter() -> None:
    study = altered("gender-shades", "tables", "error", "rows", "Face++", 7, to=9.8)
    assert cells(study)[("Error", "Face++", "All")].verdict == "reproduced"
    misprint = next(one for one in study.findings if "misprint" in one.text)
    assert misprint.holds is True


def test_precision_by_hand() -> None:
    sizes = {"DF": 10, "DM": 10, "LF": 10, "LM": 10}
    rates = {"DF": 20.0, "DM": 10.0, "LF": 0.0, "LM": 0.0}
    told_precisions = parliaments.precisions(rates, sizes)
    assert told_precisions["DF"] == pytest.approx(100 * 8 / 9)
    assert told_precisions["DM"] == pytest.approx(100 * 9 / 11)


def test_whole_numbers() -> None:
    assert parliaments.whole(34.7, 271) == 94
    assert parliaments.whole(20.8, 271) is None


# ------------------------------------------------------------ the others
def test_actionable_auditing_shows_both_inconsistencies() -> None:
    study = reproduce("actionable-auditing")
    off = {(cell.row, cell.column) for cell in study.cells if cell.verdict == "differs"}
    assert off == {("smallest", "All"), ("largest", "All")}
    finding = next(one for one in study.findings if "2017; Gender Shades" in one.text)
    assert finding.holds
    assert "6.20 %" in finding.note
    assert "9.90 %" in finding.note
    mended = altered("actionable-auditing", "quantities", "largest_drop_of_all", "value", to=8.4)
    assert {cell.row for cell in mended.cells if cell.verdict == "differs"} == {"smallest"}


def test_the_aclus_counts() -> None:
    study = reproduce("aclu")
    assert study.reproduced == len(study.cells) == 11
    changed = altered("aclu", "quantities", "false_matches", "value", to=30)
    assert cells(changed)[("What ", "FPIR", "rate")].verdict == "differs"
    assert cells(changed)[("False", "by counting", "FMR")].verdict == "differs"
    larger = altered("aclu", "quantities", "gallery", "value", to=50_000)
    assert cells(larger)[("False", "by counting", "FMR")].verdict == "differs"
    thresholds = [one.text for one in study.findings if "needs an FMR of" in one.text]
    assert "4e-08" in thresholds[1]
    assert any(one.of_pack for one in study.findings)


def test_nists_measures_are_the_assays_functions() -> None:
    assert reproduce("nist").reproduced == 6
    changed = altered("nist", "tables", "example", "rows", "FMR", to=[1e-4, 1e-4, 1e-4, 1e-4])
    assert {cell.verdict for cell in changed.cells if "FMR" in cell.column} == {"differs"}
    lesson = next(one for one in changed.findings if one.holds is not None)
    assert lesson.holds is False


def test_klare_is_unverified_and_says_so() -> None:
    study = reproduce("klare")
    assert "memory" in study.unverified
    assert study.cells == ()
    assert [one.holds for one in study.findings][:3] == [True, True, True]
    rows = "tables", "accuracy", "rows", "COTS-A"
    women_best = altered("klare", *rows, to=[99.0, 94.4, 88.7, 94.4, 95.7, 91.7, 94.6, 94.4])
    assert [one.holds for one in women_best.findings][:3] == [False, True, True]


def test_tvs_end_to_end() -> None:
    assert reproduce("tvs").cells[0].verdict == "reproduced"
    changed = altered("tvs", "quantities", "capture_2019", "value", to=97)
    assert changed.cells[0].verdict == "differs"
    assert changed.findings[0].holds is False


# ------------------------------------------------------------ claims
WHOLE = {
    "value": 0.01,
    "of": "FPIR",
    "threshold": "FMR 1e-9",
    "gallery_size": 1000,
    "mated_share": 0.5,
}


def test_a_claim_with_everything_stated_is_a_metric() -> None:
    metric = require_metric(Claim(**WHOLE))  # type: ignore[arg-type]
    assert (metric.value, metric.of, metric.gallery_size) == (0.01, "FPIR", 1000)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"of": ""}, "which rate"),
        ({"of": "accuracy"}, "which rate"),
        ({"threshold": " "}, "threshold"),
        ({"gallery_size": None}, "gallery"),
        ({"mated_share": None}, "enrolled"),
        ({"gallery_size": 0}, "one face"),
        ({"mated_share": 1.0}, "no FPIR"),
        ({"mated_share": 1.5}, "between 0 and 1"),
        ({"mated_share": float("nan")}, "between 0 and 1"),
        ({"value": 98.6}, "between 0 and 1"),
        ({"value": float("nan")}, "between 0 and 1"),
        ({"of": "FNIR", "mated_share": 0.0}, "no FNIR"),
    ],
)
def test_a_claim_that_lacks_something_is_refused(change: dict[str, object], what: str) -> None:
    with pytest.raises(ClaimError, match=what):
        try:
            require_metric(Claim(**{**WHOLE, **change}))  # type: ignore[arg-type]
        except ClaimError as error:
            raise ClaimError(f"{error.what} {error.why}") from error


def test_clearviews_claim_would_be_one_if_its_source_had_said_more() -> None:
    assert [one.holds for one in reproduce("clearview").findings][:3] == [True, True, True]
    facts = copy.deepcopy(told("clearview"))
    quantities: Any = facts["quantities"]
    for name, said in (
        ("rate", "FNIR"),
        ("threshold", "0.9"),
        ("measured_gallery", 3_000_000_000),
        ("mated_share", 0.5),
    ):
        quantities[name] = {"value": said, "confidence": "recalled"}
    study = reproduce("clearview", checked(facts))
    assert [study.findings[0].holds, study.findings[2].holds] == [False, False]


def test_what_a_claim_could_mean() -> None:
    one = claims.meaning(0.9, 0.5, 0.5, 100)
    assert one is not None
    assert one.fpir == pytest.approx(0.1)
    assert one.fnir == pytest.approx(0.1)
    assert 1 - (1 - one.fmr) ** 100 == pytest.approx(0.1)
    assert claims.meaning(0.9, 0.6, 0.5, 100) is None  # more right hits than people enrolled


# ------------------------------------------------------------ one's own predictions
def predictions_file(folder: Path, rows: Sequence[str], heading: str = "") -> Path:
    path = folder / "predictions.csv"
    path.write_text("\n".join([heading or "label,predicted,skin", *rows]) + "\n", "utf-8")
    return path


def test_gender_shades_own_counts_come_out_again(tmp_path: Path) -> None:
    wrong = facts_of("gender-shades").tables["misclassified"].row("IBM")
    rows = []
    for name, size in (("DF", 271), ("DM", 318), ("LF", 296), ("LM", 385)):
        true, other = ("female", "male") if name[1] == "F" else ("male", "female")
        skin = "darker" if name[0] == "D" else "lighter"
        rows += [f"{true},{other if n < wrong[name] else true},{skin}" for n in range(size)]
    found = read_predictions(predictions_file(tmp_path, rows), facts_of("gender-shades"))
    assert (found.rows, found.used, found.exclusions) == (1270, 1270, ())
    groups = {one.name: one for split in found.splits for one in split.groups}
    assert groups["female · darker"].error.errors == 94
    assert groups["female · darker"].error.low is not None
    both = next(split for split in found.splits if len(split.columns) == 2)
    assert both.difference is not None
    assert (both.difference.worst, both.difference.best) == ("female · darker", "male · lighter")
    assert 100 * both.difference.value == pytest.approx(34.686 - 0.260, abs=0.01)
    assert both.difference.low < both.difference.value < both.difference.high
    # 1 − precision of darker women: men told to be women, of all told to be women
    precise = groups["female · darker"].wrong_among_told
    assert precise is not None
    assert (precise.errors, precise.trials) == (38, 271 - 94 + 38)
    assert found.published["IBM"]["DF"] == 34.7


def test_silence_is_an_error_and_missing_labels_are_counted(tmp_path: Path) -> None:
    rows = ["female,Female,a", "female,,a", ",male,a", "male,man,b", "male,male,b,c", "male,male,b"]
    found = read_predictions(predictions_file(tmp_path, rows), facts_of("gender-shades"))
    assert found.rows == 6
    assert found.used + sum(each.count for each in found.exclusions) == 6
    assert (found.everybody.error.errors, found.everybody.unanswered) == (2, 1)
    assert any("'man'" in said for said in found.warnings)
    assert all(split.difference is None for split in found.splits)  # too few to say
    assert found.everybody.error.too_few


@pytest.mark.parametrize(
    ("rows", "heading", "error"),
    [
        ([], "", TableError),
        ([",male,a"], "", TableError),
        (["female,female"], "truth,told", TableError),
        (["female,female"], "label,label", TableError),
    ],
)
def test_bad_predictions_are_refused(
    rows: list[str], heading: str, error: type[Exception], tmp_path: Path
) -> None:
    with pytest.raises(error):
        read_predictions(predictions_file(tmp_path, rows, heading), facts_of("gender-shades"))


def test_a_cohort_of_too_many_values_is_refused_if_asked_for(tmp_path: Path) -> None:
    rows = [f"female,female,{number}" for number in range(200)]
    path = predictions_file(tmp_path, rows)
    with pytest.raises(ManifestError, match="skin"):
        read_predictions(path, facts_of("gender-shades"), cohort_columns=["skin"])
    found = read_predictions(path, facts_of("gender-shades"))
    assert any("left out" in said for said in found.warnings)
    assert any("alike" in said for said in found.warnings)


def test_newcombes_own_example() -> None:
    """Newcombe 1998, table II: 56/70 less 48/80 by method 10 is 0.0524 to 0.3339."""
    low, high = newcombe(rate(56, 70), rate(48, 80))
    assert low == pytest.approx(0.0524, abs=5e-5)
    assert high == pytest.approx(0.3339, abs=5e-5)


# ------------------------------------------------------------ patterns in an assay
def group(name: str, errors: int, missed: int) -> Group:
    trials = 1_000_000
    return Group(
        name=name,
        labels={"c": name},
        subjects=500,
        images=1000,
        failures=None,
        genuine=10_000,
        impostor=trials,
        curve=(
            CurvePoint(score=0.5, fmr=0.1, fnmr=0.0),
            CurvePoint(score=0.7, fmr=0.0009, fnmr=0.25),
        ),
        at=(
            OperatingPoint(
                fmr_target=1e-3,
                threshold=0.7,
                fmr=rate(errors, trials),
                fnmr=rate(missed, 10_000),
            ),
        ),
    )


def assay_of(*partitions: Partition) -> Assay:
    return Assay(
        software="test",
        made_at=datetime(2026, 1, 1, tzinfo=UTC),
        measured=Measured(kind="scores", name="made up"),
        data=DataSet(
            name="made up", digest="0" * 64, rows=1, images=1, subjects=None, columns={},
            exclusions=(),
        ),
        failures=None,
        verification=Verification(
            genuine=0, impostor=0, curve=(), at=(), eer=Value(value=None, low=None, high=None)
        ),
        partitions=partitions,
    )  # fmt: skip


def partition(name: str, *groups: Group, fmr: float = 5.0, fnmr: float = 2.0) -> Partition:
    names = tuple(each.name for each in groups)
    ratios: tuple[tuple[Literal["fmr", "fnmr"], float], ...] = (("fmr", fmr), ("fnmr", fnmr))
    return Partition(
        columns=(name,),
        groups=groups,
        unlabelled=0,
        cross=(),
        differentials=tuple(
            Differential(
                measure="worst-over-best", of=of, fmr_target=1e-3, threshold=0.7,
                value=Value(value=ratio, low=0.9 * ratio, high=1.1 * ratio), groups=names,
            )
            for of, ratio in ratios
        ),
    )  # fmt: skip


def verdicts(told_assay: Assay) -> dict[str, str]:
    return {each.name: each.verdict for each in patterns(facts_of("nist"), told_assay)}


def test_patterns_hold_where_the_rates_say_so() -> None:
    race = partition(
        "race", group("White", 300, 100), group("black", 9_000, 200), group("asian", 12_000, 150)
    )
    sex = partition("gender", group("female", 3_000, 100), group("male", 1_000, 100))
    assert verdicts(assay_of(race, sex)) == {
        "some-differential": "holds",
        "race-false-positives": "holds",
        "women-false-positives": "holds",
        "american-indians-highest": "not measured",
        "asian-developed": "does not hold",
        "one-to-many-women": "not measured",
        "false-negatives-smaller": "holds",
        "best-undetectable": "not measured",
        "by-country": "not measured",
    }


def test_patterns_do_not_hold_where_the_groups_are_alike() -> None:
    race = partition(
        "race",
        group("white", 1_000, 100),
        group("asian", 1_000, 100),
        group("american_indian", 500, 100),
        fmr=1.0,
        fnmr=4.0,
    )
    sex = partition("gender", group("F", 1_000, 100), group("M", 1_000, 100), fmr=1.0, fnmr=1.1)
    told_verdicts = verdicts(assay_of(race, sex))
    assert told_verdicts["race-false-positives"] == "does not hold"
    assert told_verdicts["women-false-positives"] == "does not hold"
    assert told_verdicts["asian-developed"] == "holds"
    assert told_verdicts["american-indians-highest"] == "does not hold"
    assert told_verdicts["false-negatives-smaller"] == "does not hold"


def test_patterns_cannot_tell_from_few_errors_and_are_not_measured_without_labels() -> None:
    few = partition("gender", group("female", 4, 100), group("male", 1, 100))
    assert verdicts(assay_of(few))["women-false-positives"] == "cannot tell"
    none = partition("gender", group("female", 4, 100), group("male", 0, 100))
    assert verdicts(assay_of(none))["women-false-positives"] == "cannot tell"
    assert set(verdicts(assay_of()).values()) == {"not measured"}


def test_ratios_whose_intervals_overlap_tell_nothing() -> None:
    close = partition("gender", group("f", 9, 9), group("m", 9, 9), fmr=1.1, fnmr=1.0)
    assert verdicts(assay_of(close))["false-negatives-smaller"] == "cannot tell"


def test_klares_layout_of_an_assay() -> None:
    found = klare.on_assay(assay_of(partition("gender", group("female", 3_000, 700))))
    assert [(one.column, one.group) for one in found] == [("gender", "female")]
    assert found[0].fnmr.rate == pytest.approx(0.07)
    assert found[0].own_tar == pytest.approx(0.75)


# ------------------------------------------------------------ one's own searches
@pytest.fixture
def permit() -> Any:
    with temporary_instance() as room, room.permitted("measure-accuracy") as given:
        yield given


def unit(seed: int, count: int) -> Any:
    drawn = np.random.default_rng(seed).standard_normal((count, 128)).astype(np.float32)
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


def test_searches_are_what_all_products_say(
    permit: Permit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "_PROBES_AT_ONCE", 7)
    monkeypatch.setattr(searching, "_REFERENCES_AT_ONCE", 11)
    probes, gallery = unit(1, 20), unit(2, 50)
    found = searching.search(probes, gallery, [0.1, 0.2], permit=permit)
    scores = probes @ gallery.T
    assert found.best == pytest.approx(scores.max(axis=1), abs=1e-6)
    for place, cut in enumerate((0.1, 0.2)):
        assert found.above[:, place].tolist() == (scores >= np.float32(cut)).sum(axis=1).tolist()


def test_no_search_without_a_permit() -> None:
    with pytest.raises(PermitError):
        searching.search(unit(1, 2), unit(2, 2), [0.1], permit=None)  # type: ignore[arg-type]


def test_nothing_to_search_is_said(permit: Permit) -> None:
    with pytest.raises(AssayError, match="somebody"):
        searching.search(unit(1, 0), unit(2, 2), [0.1], permit=permit)
    broken = unit(1, 2)
    broken[0, 0] = np.nan
    with pytest.raises(AssayError, match="no numbers"):
        searching.search(broken, unit(2, 2), [0.1], permit=permit)


def test_settings_follow_the_gallerys_size() -> None:
    calibration = Calibration.shipped()
    small, large = (searching.settings(calibration, size, 1e-3) for size in (100, 25_000))
    assert small[0] == large[0]  # the default of 1:1 does not
    assert small[-1].score < large[-1].score
    assert large[-1].score >= large[-2].score
    assert large[-2].fmr == pytest.approx(4e-8, rel=1e-3)
    assert [each.name for each in searching.settings(calibration, 9, 0.1, [1e-3])][1] == "FMR 0.001"
    for wrong in (0.0, 1.0, float("nan")):
        with pytest.raises(SettingsError):
            searching.settings(calibration, 100, wrong)
        with pytest.raises(SettingsError):
            searching.settings(calibration, 100, 0.1, [wrong])


def test_the_threshold_that_the_searches_show() -> None:
    best = (np.arange(1000) / 1000).astype(np.float32)
    score = searching.threshold_for(best, 0.01)
    assert score is not None
    assert int((best >= np.float32(score)).sum()) == 10
    assert searching.threshold_for(best, 1e-4) is None


def test_fpir_by_cohort_and_over_all() -> None:
    count = 120
    best = np.full(count, 0.2, np.float32)
    calibration = Calibration.shipped()
    best[:12] = calibration.score_at(searching.ONE_PERSON_FMR) + 0.01
    set_at = searching.settings(calibration, 1000, 1e-2)
    scores = np.array([each.score for each in set_at], np.float32)
    above = (best[:, None] >= scores).astype(np.int64) * 2
    test = searching.own_test(
        searching.Found(best, above),
        set_at,
        calibration,
        subjects=np.arange(count, dtype=np.int32),
        columns=[column("race", ["x"] * 40 + ["y"] * 70 + [""] * 10)],
        gallery_size=1000,
        target_fpir=0.2,
    )
    first = test.at[0]
    assert (first.fpir.errors, first.fpir.trials) == (12, count)
    assert first.matches == 24
    assert first.fmr == pytest.approx(24 / (count * 1000))
    assert [(one.group, one.fpir.errors, one.fpir.trials) for one in first.groups] == [
        ("x", 12, 40),
        ("y", 0, 70),
    ]
    assert first.fpir.low is not None
    assert first.fpir.low < 0.1 < (first.fpir.high or 0)
    assert test.threshold_found is not None
    assert test.perhaps_one_person == 12
    assert any("12 searches" in said for said in test.warnings)


@pytest.mark.parametrize(
    ("hits", "said"),
    [(83, "More searches"), (20, ""), (2, "Fewer searches"), (0, "Fewer searches")],
)
def test_what_was_not_expected_is_said(hits: int, said: str) -> None:
    calibration = Calibration.shipped()
    best = np.full(200, 0.2, np.float32)
    set_at = searching.settings(calibration, 10_000, 1e-2, [1e-5])
    above = np.repeat((np.arange(200) < hits).astype(np.int64)[:, None], len(set_at), axis=1)
    test = searching.own_test(
        searching.Found(best, above),
        set_at,
        calibration,
        subjects=np.arange(200, dtype=np.int32),
        columns=[],
        gallery_size=10_000,
        target_fpir=0.2,
    )
    (found,) = (each for each in test.at if each.setting.name == "FMR 1e-05")
    assert found.expected_fpir == pytest.approx(0.0952, abs=1e-4)
    assert found.not_as_expected.startswith(said) and bool(found.not_as_expected) == bool(said)
    (worst,) = (each for each in test.at if each.setting.cohort)
    assert worst.not_as_expected.startswith("More" if hits > 10 else "")
    assert not worst.not_as_expected.startswith("Fewer")
