"""A whole assay on templates that are made up: every figure against a naive double loop."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest

from instance import TemporaryInstance, temporary_instance
from rightface.assay.acquire import Acquired
from rightface.assay.calibrating import uncalibrated
from rightface.assay.cells import cells_of, partitions_of, summed
from rightface.assay.cohorts import UNKNOWN, column
from rightface.assay.errors import AssayError, ManifestError
from rightface.assay.from_scores import assay_of_answers, assay_of_file
from rightface.assay.further import Sides
from rightface.assay.intervals import wilson
from rightface.assay.manifest import Manifest, read_manifest
from rightface.assay.result import Assay
from rightface.assay.run import Bench, Material, Wanted, assay, gather, sealed_parts
from rightface.assay.score_file import read_scores
from rightface.assay.service_pairs import plan_pairs
from rightface.assay.stressed import _Done, stressed, years_of
from rightface.assay.stripes import HEADER
from rightface.assay.through_api import Answers
from rightface.cli.assay.bench import manifest_of
from rightface.errors import Refused, SettingsError
from tests.portraits import eileen_collins, grace_hopper, nobody, small

PEOPLE, IMAGES = 60, 150
FMR = (0.1, 0.01)


@pytest.fixture(scope="module")
def room() -> Iterator[TemporaryInstance]:
    with temporary_instance() as opened:
        yield opened


@pytest.fixture(scope="module")
def bench(room: TemporaryInstance) -> Bench:
    instance = room.instance
    return Bench(
        engine=instance.engine,
        pack=uncalibrated("raw"),  # the double loop compares templates as they are
        keyring=instance.keyring,
        permitted=lambda: room.permitted("measure-accuracy"),
    )


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    """Drawn templates: images of a person are near each other, and women are nearer than men."""
    folder = tmp_path_factory.mktemp("set")
    rng = np.random.default_rng(5)
    people = rng.normal(size=(PEOPLE, 128))
    gender = rng.choice(["f", "m"], PEOPLE)
    people[gender == "f"] += 0.6
    region = rng.choice(["north", "south", ""], PEOPLE)
    subjects = rng.integers(0, PEOPLE, IMAGES)
    rows = ["image,subject,gender,region"]
    for number, who in enumerate(subjects):
        (folder / f"{number}.jpg").write_bytes(b"%d" % number)
        name = f"p{who}" if who else ""
        rows.append(f"{number}.jpg,{name},{gender[who]},{region[who]}")
    (folder / "manifest.csv").write_text("\n".join(rows) + "\n")
    manifest = read_manifest(folder / "manifest.csv")
    found = np.sort(rng.choice(IMAGES, IMAGES - 7, replace=False)).astype(np.int32)
    templates = (people[subjects] + rng.normal(0, 0.9, (IMAGES, 128)))[found].astype(np.float32)
    templates /= np.linalg.norm(templates, axis=1, keepdims=True)
    acquired = Acquired(
        rows=found,
        templates=templates,
        quality=rng.uniform(0, 100, (len(found), 7)).astype(np.float32),
        landmarks=np.zeros((len(found), 5, 2), np.float32),
        failures=dict.fromkeys(sorted(set(range(IMAGES)) - set(found.tolist())), "no-face"),
        digests=np.arange(IMAGES * 32, dtype=np.uint8).reshape(IMAGES, 32),
        made=IMAGES,
        seconds=1.0,
    )
    return Material(manifest=manifest, kept=np.arange(IMAGES), acquired=acquired, digest="d" * 64)


@pytest.fixture(scope="module")
def told(material: Material, bench: Bench, tmp_path_factory: pytest.TempPathFactory) -> Assay:
    return assay(
        material,
        bench,
        Wanted(fmr=(*FMR, 1e-6), identify=True),
        directory=tmp_path_factory.mktemp("out"),
    )


def naive(material: Material) -> list[tuple[float, bool, int, int]]:
    """Every comparison: score, genuine, and the two images."""
    manifest, acquired = material.manifest, material.acquired
    scores = acquired.templates @ acquired.templates.T
    made = []
    for one, other in combinations(range(len(acquired.rows)), 2):
        a, b = int(acquired.rows[one]), int(acquired.rows[other])
        who = manifest.subjects[a]
        made.append((float(scores[one, other]), bool(who == manifest.subjects[b] != UNKNOWN), a, b))
    return made


class NeverCompared(np.ndarray[Any, Any]):
    """Vectors that tell when they are compared."""

    def __matmul__(self, other: Any) -> Any:
        raise AssertionError("it was compared before the gate was asked")


def test_nothing_is_compared_before_the_gate_is_asked(
    material: Material, bench: Bench, tmp_path: Path
) -> None:
    vectors = material.acquired.templates.view(NeverCompared)

    def refuses() -> NoReturn:
        raise Refused("The gate says no.", refusal=None)

    with pytest.raises(Refused):
        assay(
            material,
            replace(bench, permitted=refuses),
            Wanted(fmr=FMR),
            directory=tmp_path,
            sides=Sides(vectors, vectors),
        )


def test_everybody_is_compared_with_everybody(told: Assay, material: Material) -> None:
    every = naive(material)
    genuine = [each for each in every if each[1]]
    impostor = [each for each in every if not each[1]]
    verified = told.verification
    assert verified.genuine == len(genuine)
    assert verified.impostor == len(impostor)
    assert told.failures is not None
    assert (told.failures.errors, told.failures.trials) == (7, IMAGES)
    for at in verified.at[:2]:
        assert at.threshold is not None
        assert at.fmr.errors == sum(score >= at.threshold for score, *_ in impostor)
        assert at.fmr.errors / len(impostor) <= at.fmr_target
        assert at.fnmr.errors == sum(score < at.threshold for score, *_ in genuine)
        assert at.fmr.low is not None
        assert at.fmr.high is not None
        assert at.fmr.rate is not None
        assert at.fmr.low < at.fmr.rate < at.fmr.high
    assert verified.at[2].threshold is None
    assert verified.at[2].fmr.too_few
    assert any("1e-06" in warning for warning in told.warnings)


def test_groups_and_pairs_of_groups(told: Assay, material: Material) -> None:
    every, manifest = naive(material), material.manifest
    assert [part.columns for part in told.partitions] == [
        *(("gender",), ("region",)),
        ("gender", "region"),
    ]
    columns = partitions_of(manifest.columns, None)
    for part, split in zip(told.partitions, columns, strict=True):
        label = [split.values[code] if code >= 0 else None for code in split.codes]
        assert part.unlabelled == label.count(None)
        for group in part.groups:
            inside = [each for each in every if label[each[2]] == label[each[3]] == group.name]
            assert group.images == label.count(group.name)
            assert group.genuine == sum(each[1] for each in inside)
            assert group.impostor == sum(not each[1] for each in inside)
            for at in group.at:
                assert at.threshold is not None
                assert at.fmr.errors == sum(
                    score >= at.threshold for score, genuine, *_ in inside if not genuine
                )
                assert at.fnmr.errors == sum(
                    score < at.threshold for score, genuine, *_ in inside if genuine
                )
        for matrix in part.cross:
            for row, one in enumerate(matrix.groups):
                for place, other in enumerate(matrix.groups):
                    between = [
                        score
                        for score, genuine, a, b in every
                        if not genuine and {label[a], label[b]} == {one, other}
                    ]
                    cell = matrix.rates[row][place]
                    assert cell.trials == len(between)
                    assert cell.errors == sum(score >= matrix.threshold for score in between)
        assert {each.measure for each in part.differentials} >= {"worst-over-best", "gini"}


def test_women_are_found_to_match_more_often(told: Assay) -> None:
    """They were drawn nearer to one another; they are too few people for a ratio."""
    by_gender = told.partitions[0]
    rates = {each.name: at.fmr for each in by_gender.groups for at in each.at[:1]}
    assert by_gender.groups[0].at[0].fmr_target == 0.1
    assert rates["f"].rate is not None and rates["m"].rate is not None
    assert rates["f"].rate > 1.5 * rates["m"].rate
    worst = next(
        each
        for each in by_gender.differentials
        if each.measure == "worst-over-best" and each.of == "fmr" and each.fmr_target == 0.1
    )
    small = {name for name, each in rates.items() if "pairs of people" in each.too_few}
    assert small and set(worst.left_out) == small


def test_failures_are_counted_in_their_groups(told: Assay, material: Material) -> None:
    for part in told.partitions[:1]:
        assert sum(group.failures.errors for group in part.groups if group.failures) == 7


def test_galleries_and_quality(told: Assay) -> None:
    sizes = [each.gallery_size for each in told.identification]
    assert sizes == sorted(sizes)
    assert sizes
    assert [each.quality for each in told.discards][:2] == ["sharpness", "brightness"]
    assert all(each.fmr_target == 0.01 for each in told.discards)
    (at,) = (each for each in told.verification.at if each.fmr_target == 0.01)
    assert all(each.points[0].fnmr == at.fnmr for each in told.discards)
    assert any("predicted" in warning for warning in told.warnings) or told.predictions


def test_the_document_survives_json(told: Assay) -> None:
    assert Assay.model_validate_json(told.model_dump_json()) == told


def test_scores_alone_give_the_same_rates(told: Assay, material: Material, tmp_path: Path) -> None:
    columns = material.manifest.columns
    label = {
        name: [one.values[code] if code >= 0 else "" for code in one.codes]
        for name, one in columns.items()
    }
    lines = ["score,same,gender_a,gender_b,region_a,region_b"]
    for score, genuine, a, b in naive(material):
        groups = [label[name][side] for name in ("gender", "region") for side in (a, b)]
        lines.append(f"{score!r},{int(genuine)},{','.join(groups)}")
    (tmp_path / "scores.csv").write_text("\n".join(lines) + "\n")
    with read_scores(tmp_path / "scores.csv") as read:
        again = assay_of_file(read, name="again", fmr=FMR)
    assert again.verification.genuine == told.verification.genuine
    assert again.verification.impostor == told.verification.impostor
    assert again.measured.kind == "scores"
    assert again.failures is None
    for part, before in zip(again.partitions, told.partitions, strict=True):
        assert part.columns == before.columns
        for group, same in zip(part.groups, before.groups, strict=True):
            assert (group.name, group.genuine, group.impostor) == (
                *(same.name, same.genuine),
                same.impostor,
            )
            assert group.subjects is None
            for at, there in zip(group.at, same.at, strict=False):
                assert at.fmr.errors == pytest.approx(there.fmr.errors, abs=2)  # other bins
                assert at.fmr.method == "wilson"
    assert any("too narrow" in warning for warning in again.warnings)


def test_more_columns_than_can_be_numbered_are_refused(tmp_path: Path) -> None:
    """Twelve groups, told again by each column: 13 to the power of the columns numbers."""

    def written(columns: int) -> Path:
        path = tmp_path / f"{columns}.csv"
        lines = [",".join(["score", "same", *(f"c{each}" for each in range(columns))])]
        for row in range(240):
            value = 0.9 - row / 1000 if row % 2 else row / 1000
            lines.append(",".join([f"{value}", str(row % 2), *[f"g{row % 12:02}"] * columns]))
        path.write_text("\n".join(lines) + "\n")
        return path

    with read_scores(written(16)) as read:
        told = assay_of_file(read, name="many", fmr=FMR)
    assert len(told.partitions) == 16
    for part in told.partitions:
        assert [(each.name, each.genuine + each.impostor) for each in part.groups] == [
            (f"g{group:02}", 20) for group in range(12)
        ]
    with (
        read_scores(written(18)) as read,
        pytest.raises(AssayError, match="18 columns have too many values"),
    ):
        assay_of_file(read, name="more", fmr=FMR)


def test_what_a_service_answered(material: Material) -> None:
    manifest = material.manifest
    plan = plan_pairs(manifest, genuine=0, impostor=400)
    rng = np.random.default_rng(2)
    scores = np.where(plan.same, 90.0, 20.0) + rng.uniform(0, 9, len(plan))
    failed = np.zeros(len(manifest), np.bool_)
    failed[plan.a[0]] = True
    scores[plan.a == plan.a[0]] = np.nan
    answers = Answers(scores=scores, failed=failed, sent=len(plan), seconds=1.0)
    made = assay_of_answers(manifest, plan, answers, service="a service", fmr=(0.1,))
    assert made.measured.kind == "service"
    assert made.verification.genuine + made.verification.impostor == np.isfinite(scores).sum()
    assert made.verification.at[0].fnmr.errors == 0
    assert made.failures is not None
    assert made.failures.errors == 1
    assert sum(group.images for group in made.partitions[0].groups) == len(manifest)
    assert not any("independent" in each for each in made.warnings)
    with pytest.raises(AssayError, match="alike"):
        alike = Answers(scores=np.full(len(plan), 5.0), failed=failed, sent=1, seconds=1.0)
        assay_of_answers(manifest, plan, alike, service="a service", fmr=(0.1,))


def test_what_is_no_file_of_figures_is_not_written_over(tmp_path: Path) -> None:
    mine = tmp_path / "stress.part"
    for content in (b"what I know of stress", b'{"plan": 1}', b"{}"):
        mine.write_bytes(content)
        with pytest.raises(SettingsError, match=r"stress\.part"):
            _Done(mine, "plan")
        assert mine.read_bytes() == content


def test_only_checkpoints_of_other_data_are_removed(
    material: Material, bench: Bench, tmp_path: Path
) -> None:
    notes = {
        "comparisons-notes.part": b"what I have compared so far",
        "comparisons-empty.part": b"",
        "comparisons-table.part": npz(digest=np.array("d"), stripes=np.array(3)),
    }
    for name, content in notes.items():
        (tmp_path / name).write_bytes(content)
    other = tmp_path / "comparisons-0123456789abcdef.part"
    other.write_bytes(npz(header=np.array(HEADER), stripes=np.array(3)))
    assay(material, bench, Wanted(fmr=FMR), directory=tmp_path)
    assert {each.name: each.read_bytes() for each in tmp_path.iterdir()} == notes


def npz(**arrays: object) -> bytes:
    out = io.BytesIO()
    np.savez(out, **arrays)  # type: ignore[arg-type]
    return out.getvalue()


def test_cells_are_the_finest_split() -> None:
    gender, region = column("g", ["f", "m", "", "f"]), column("r", ["n", "n", "s", ""])
    cells = cells_of((gender, region), 4)
    assert cells.count == 4
    for split, groups in zip(cells.partitions, cells.groups_of, strict=True):
        assert groups[cells.codes].tolist() == split.codes.tolist()
    assert cells_of((), 3).count == 1


def test_too_many_cells_are_refused() -> None:
    many = column("many", [str(number) for number in range(300)])
    with pytest.raises(AssayError, match="300 cells"):
        cells_of((many,), 300)


@pytest.mark.parametrize("crosses", [[("gender", "age")], [("gender",)], [("gender", "gender")]])
def test_a_cross_is_of_two_known_columns(crosses: list[tuple[str, ...]]) -> None:
    with pytest.raises(AssayError, match=r"column|two"):
        partitions_of({"gender": column("gender", ["f", "m"])}, crosses)


def test_sums_over_cells_are_counts_between_groups() -> None:
    between = np.triu(np.arange(1, 10).reshape(3, 3))
    total = summed(between, np.array([1, 0, 1], np.int16), 2)
    assert total.tolist() == [[5, 2 + 6], [0, 1 + 3 + 9]]
    assert summed(between, np.array([0, UNKNOWN, 0], np.int16), 1).tolist() == [[1 + 3 + 9]]


def written(folder: Path, *, extra: str = "") -> Manifest:
    """Three people (one without a face) in six photographs, one of them twice."""
    folder.mkdir()
    pictures = {
        "g1": small(grace_hopper(), 240),
        "g2": small(grace_hopper(), 200),
        "e1": small(eileen_collins(), 240),
        "e2": small(eileen_collins(), 200),
        "n1": nobody(),
        "g3": small(grace_hopper(), 240),
    }
    rows = [f"image,subject,year{extra}"]
    for number, (name, content) in enumerate(pictures.items()):
        (folder / f"{name}.jpg").write_bytes(content)
        rows.append(f"{name}.jpg,{name[0]},{1990 + 3 * number}")
    (folder / "manifest.csv").write_text("\n".join(rows) + "\n")
    return read_manifest(folder / "manifest.csv")


def test_people_asked_about_again_and_again_make_wide_intervals(tmp_path: Path) -> None:
    """Three people are like many others: their matches are three findings, not some hundred."""
    sides = ["east"] * 20 + ["west"] * 20
    rows = [f"{who}-{each}.jpg,p{who},{sides[who]}" for who in range(40) for each in range(10)]
    for row in rows:
        (tmp_path / row.split(",")[0]).write_bytes(row.encode())
    (tmp_path / "manifest.csv").write_text("\n".join(["image,subject,side", *rows]) + "\n")
    manifest = read_manifest(tmp_path / "manifest.csv")
    plan = plan_pairs(manifest, genuine=300, impostor=6000)
    wolves = (manifest.subjects[plan.a] < 3) | (manifest.subjects[plan.b] < 3)
    rng = np.random.default_rng(0)
    scores = np.where(plan.same, 90.0, np.where(wolves, 30.0, 20.0)) + rng.uniform(0, 9, len(plan))
    nobody = np.zeros(len(manifest), np.bool_)
    answers = Answers(scores=scores, failed=nobody, sent=len(plan), seconds=1.0)
    made = assay_of_answers(manifest, plan, answers, service="a service", fmr=(0.05,))
    groups = {group.name: group for group in made.partitions[0].groups}
    at = made.verification.at[0]
    assert at.threshold is not None
    assert at.fmr.errors == (scores[~plan.same] >= at.threshold).sum()
    for told in (at.fmr, groups["east"].at[0].fmr):
        assert told.method == "subject-bootstrap"
        assert told.low is not None
        assert told.high is not None
        low, high = wilson(told.errors, told.trials)
        assert told.high - told.low > 3 * (high - low)
    between = made.partitions[0].cross[0].rates[0][1]
    one, other = (np.array(sides)[manifest.subjects[each]] for each in (plan.a, plan.b))
    assert between.trials == (one != other).sum()
    assert between.errors == ((one != other) & (scores >= at.threshold) & ~plan.same).sum()
    assert between.method == "subject-bootstrap"
    assert groups["west"].subjects == 20


@pytest.mark.parametrize("pad", [-5, 100_000])
def test_a_padding_beyond_its_range_is_refused(tmp_path: Path, pad: int) -> None:
    table = written(tmp_path / "set").root / "manifest.csv"
    with pytest.raises(ManifestError, match=f"pad {pad}"):
        read_manifest(table, pad=pad)
    with pytest.raises(ManifestError, match="pad 100000"):
        manifest_of(table, (), ("set=100000",))


def test_photographs_to_figures(tmp_path: Path, bench: Bench) -> None:
    manifest = written(tmp_path / "set")
    stages: list[str] = []
    sealed = sealed_parts(manifest, bench, tmp_path / "templates")
    gathered = gather(
        manifest,
        bench,
        sealed=sealed,
        threads=1,
        stage=lambda name, done, total: stages.append(name),
    )
    assert len(gathered.manifest) == 5  # the copy is left out
    assert gathered.acquired.rows.tolist() == [0, 1, 2, 3]
    years = years_of(tmp_path / "set" / "manifest.csv", manifest)
    assert years is not None
    assert years.tolist() == [1990, 1993, 1996, 1999, 2002, 2005]
    told = assay(gathered, bench, Wanted(fmr=(0.5,), years=years), directory=tmp_path)
    assert not list(tmp_path.glob("comparisons-*"))
    assert told.data.rows == 6
    assert told.data.images + sum(each.count for each in told.data.exclusions) == 6
    assert told.verification.genuine == 2
    assert told.verification.impostor == 4
    assert any("no-face: 1" in warning for warning in told.warnings)
    assert stages
    sealed.forget()


def test_stress_goes_on_where_it_was(
    tmp_path: Path, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rightface.assay import stressed as module
    from rightface.assay.acquire import Look, acquire
    from rightface.assay.changes import KINDS
    from rightface.assay.operating import Threshold
    from rightface.assay.stress import Unchanged

    manifest = written(tmp_path / "set")
    images = [manifest.path(place) for place in range(4)]
    look = Look()
    found = acquire(images, engine=bench.engine, look=look, permitted=bench.permitted, threads=1)
    unchanged = Unchanged(
        references=found.templates,
        subjects=manifest.subjects[:4],
        genuine_a=np.array([0, 2], np.int32),
        genuine_b=np.array([1, 3], np.int32),
        partitions=(),
        thresholds=(Threshold(0.1, 0.9),),
        bootstrap=None,
    )
    looked: list[str] = []

    def counting(*told: object, **more: object) -> Acquired:
        looked.append("again")
        if len(looked) == 3:
            raise KeyboardInterrupt
        return acquire(*told, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "acquire", counting)
    kinds = [kind for kind in KINDS if kind.name in ("mask", "sunglasses")]

    def all_of_it() -> int:
        return len(
            stressed(
                unchanged,
                images,
                found.landmarks,
                engine=bench.engine,
                pack=bench.pack,
                look=look,
                permitted=bench.permitted,
                digest="d",
                directory=tmp_path,
                threads=1,
                kinds=kinds,
            )
        )

    with pytest.raises(KeyboardInterrupt):
        all_of_it()
    assert all_of_it() == 4
    assert len(looked) == 3 + 2  # two were done, one was cut off, two were left
    assert not (tmp_path / "stress.part").exists()
