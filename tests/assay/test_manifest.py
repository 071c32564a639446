"""Manifests and pairs: rows are images and stated exclusions, whatever the table holds."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rightface.assay import manifest, pairs
from rightface.assay.cohorts import JOINT
from rightface.assay.errors import AssayError, ManifestError, TableError
from rightface.assay.exclusions import HEADING_AGAIN, UNREADABLE
from rightface.assay.labels import bin_names, parse_bins
from rightface.assay.manifest import Manifest, read_manifest
from rightface.assay.statement import Statement

HEADING = "image,subject,sex,age\n"
GOOD = HEADING + "1.jpg,ann,f,30\n2.jpg,ann,f,31\n3.jpg,bob,m,59\n4.jpg,cid,m,71\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(1, 10):
        (tmp_path / f"{number}.jpg").write_bytes(b"%d" % number)
    return tmp_path


def written(folder: Path, text: str | bytes, name: str = "manifest.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def reasons(made: Manifest) -> dict[str, tuple[int, tuple[int, ...]]]:
    assert made.rows == len(made) + sum(one.count for one in made.exclusions)
    return {one.reason: (one.count, one.rows) for one in made.exclusions}


def digests(made: Manifest) -> list[bytes]:
    return [hashlib.sha256(made.path(place).read_bytes()).digest() for place in range(len(made))]


# ---------------------------------------------------------------- what a table says
def test_a_manifest_says_who_is_on_which_image(folder: Path) -> None:
    made = read_manifest(written(folder, GOOD))
    assert made.images == ("1.jpg", "2.jpg", "3.jpg", "4.jpg")
    assert made.path(2) == folder / "3.jpg"
    assert made.subjects.tolist() == [0, 0, 1, 2]
    assert made.subject_count == 3
    assert made.numbers.tolist() == [1, 2, 3, 4]
    assert made.columns["sex"].values == ("f", "m")
    assert made.columns["sex"].codes.tolist() == [0, 0, 1, 1]
    assert made.columns["age"].values == ("30-44", "45-59", "60+")
    assert reasons(made) == {}
    told = made.data_set("d" * 64)
    assert (told.rows, told.images, told.subjects) == (4, 4, 3)
    assert told.columns["age"] == {"30-44": 2, "45-59": 1, "60+": 1}


@pytest.mark.parametrize(
    "text",
    [
        b"\xef\xbb\xbf" + GOOD.encode(),
        GOOD.replace(",", ";"),
        GOOD.replace(",", "\t"),
        GOOD.replace(",", " | "),
        GOOD.replace("\n", "\r\n"),
        GOOD.replace("ann", '"ann"').replace("\n", "\n\n"),
        "," + GOOD.replace("\n", "\n7,").removesuffix("7,"),
    ],
    ids=["bom", "semicolon", "tab", "bar", "crlf", "quotes-and-empty-lines", "pandas-index"],
)
def test_any_sane_dialect_says_the_same(folder: Path, text: str | bytes) -> None:
    made = read_manifest(written(folder, text))
    plain = read_manifest(written(folder, GOOD, "plain.csv"))
    assert made.images == plain.images
    assert made.digest_with(digests(made)) == plain.digest_with(digests(plain))


def test_parquet_says_the_same_as_csv(folder: Path) -> None:
    path = folder / "manifest.parquet"
    table = {
        "image": [f"{number}.jpg" for number in range(1, 5)],
        "subject": ["ann", "ann", "bob", "cid"],
        "sex": pyarrow.array(["f", "f", "m", "m"]).dictionary_encode(),
        "age": [30.0, 31.0, 59.0, 71.0],
    }
    pyarrow.parquet.write_table(pyarrow.table(table), path)
    made, plain = read_manifest(path), read_manifest(written(folder, GOOD))
    assert made.columns["age"].values == plain.columns["age"].values
    assert made.digest_with(digests(made)) == plain.digest_with(digests(plain))


def test_parquet_without_pyarrow_says_how_to_install_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(TableError) as caught:
        read_manifest(written(folder, b"PAR1....", "manifest.parquet"))
    assert "pip install 'rightface[parquet]'" in caught.value.mend


@pytest.mark.parametrize("damage", [b"PAR1", b"PAR1 and then nothing of it PAR1"])
def test_damaged_parquet_is_said(folder: Path, damage: bytes) -> None:
    with pytest.raises(TableError, match="damaged"):
        read_manifest(written(folder, damage, "manifest.parquet"))


def test_a_column_of_lists_in_parquet_is_said(folder: Path) -> None:
    path = folder / "manifest.parquet"
    table = pyarrow.table({"image": ["1.jpg"], "tags": [["a"]]})
    pyarrow.parquet.write_table(table, path)
    with pytest.raises(TableError, match="'tags' holds neither"):
        read_manifest(path)


# ---------------------------------------------------------------- what cannot be used
def test_every_kind_of_bad_row_is_counted(folder: Path) -> None:
    rows = (
        b"gone.jpg,ann,f,30\n,bob,m,59\n1.jpg\n5.jpg,\xff,f,30\n1.jpg,ann,f,30\n"
        b"image,subject,sex,age\n./sub/,ann,f,3\n"
    )
    (folder / "sub").mkdir()
    made = read_manifest(written(folder, GOOD.encode() + rows))
    assert reasons(made) == {
        UNREADABLE: (2, (7, 8)),
        HEADING_AGAIN: (1, (10,)),
        manifest.NO_IMAGE: (1, (6,)),
        manifest.AGAIN: (1, (9,)),
        manifest.MISSING: (2, (5, 11)),
    }
    assert made.rows == 11


def test_one_image_is_written_in_several_ways(folder: Path) -> None:
    made = read_manifest(written(folder, "image\n1.jpg\n./1.jpg\nx/../1.jpg\n./././/1.jpg\n"))
    assert reasons(made) == {manifest.AGAIN: (3, (2, 3, 4))}


@pytest.mark.parametrize(("column", "row"), [("subject", "bob,f,30"), ("sex", "ann,m,30")])
def test_the_same_image_with_other_labels_is_refused(folder: Path, column: str, row: str) -> None:
    with pytest.raises(ManifestError, match=f"rows 1, 5 is the same, and '{column}' differs"):
        read_manifest(written(folder, GOOD + f"1.jpg,{row}\n"))


@pytest.mark.parametrize("path", ["../1.jpg", "a/../../1.jpg", "..", "a/b/../../../etc/passwd"])
def test_a_path_out_of_the_folder_is_refused(folder: Path, path: str) -> None:
    with pytest.raises(ManifestError, match="row 5 leads out") as caught:
        read_manifest(written(folder, GOOD + f"{path},ann,f,30\n"))
    assert path not in str(caught.value)


def test_whole_paths_links_and_another_root_are_followed(folder: Path) -> None:
    inside = folder / "inside"
    inside.mkdir()
    (inside / "link.jpg").symlink_to(folder / "3.jpg")
    (inside / "broken.jpg").symlink_to(folder / "nowhere.jpg")
    os.mkfifo(inside / "pipe.jpg")
    text = f"image\n{folder}/1.jpg\nlink.jpg\nbroken.jpg\npipe.jpg\n"
    made = read_manifest(written(folder, text), images_root=inside)
    assert [made.path(place).read_bytes() for place in range(2)] == [b"1", b"3"]
    assert reasons(made) == {manifest.MISSING: (2, (3, 4))}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty"),
        ("\n", "no heading"),
        (HEADING, "It has no rows"),
        (HEADING + "gone.jpg,ann,f,3\n", "No image of the manifest"),
        ("file,subject\n1.jpg,ann\n", "no column 'image'"),
        ("image,subject,subject\n1.jpg,ann,ann\n", "a column 'subject' twice"),
        (GOOD.encode("utf-16"), "UTF-16"),
        (b"im\xffage\n1.jpg\n", "not UTF-8"),
        (HEADING + '1.jpg,"ann,f,30\n2.jpg,ann,f,31\n', r"several lines \(row 1\)"),
        (GOOD + '5.jpg,"' + "x\n" * 100_000, "several lines"),
        (GOOD.replace("bob,m", f"bob,m{JOINT}f"), "joins the values"),
    ],
)
def test_a_table_that_is_none_is_refused(folder: Path, text: str | bytes, says: str) -> None:
    with pytest.raises(AssayError, match=says) as caught:
        read_manifest(written(folder, text))
    assert caught.value.exit_status == 2
    for name in ("ann", "bob", "gone", str(folder)):
        assert name not in caught.value.diagnostics()


def test_a_manifest_that_is_not_there(tmp_path: Path) -> None:
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(TableError, match="not there"):
            read_manifest(path)


# ---------------------------------------------------------------- cohorts
@pytest.mark.parametrize("word", ["", "NaN", "nan", "NA", "n/a", "null", " "])
def test_what_is_not_known_is_no_label(folder: Path, word: str) -> None:
    text = GOOD + f"5.jpg,{word},{word},{word}\n"
    made = read_manifest(written(folder, text))
    assert made.subjects.tolist() == [0, 0, 1, 2, -1]
    assert made.columns["sex"].codes.tolist() == [0, 0, 1, 1, -1]
    assert made.columns["age"].unlabelled == 1
    assert made.data_set("").columns["sex"] == {"f": 2, "m": 2, "": 1}
    assert any("1 images it is not said" in one for one in made.warnings)


def test_a_manifest_without_subjects(folder: Path) -> None:
    made = read_manifest(written(folder, "image,sex\n1.jpg,f\n2.jpg,m\n"))
    assert made.subject_count is None
    assert made.subjects.tolist() == [-1, -1]
    with pytest.raises(TableError, match="no column 'who'"):
        read_manifest(folder / "manifest.csv", subject_column="who")


def test_groups_of_one_and_people_in_two_are_warned_of(folder: Path) -> None:
    made = read_manifest(written(folder, GOOD + "5.jpg,bob,x,59\n"))
    assert "'f' of column 'sex' is one person: nobody in it can be taken for another." in (
        made.warnings
    )
    assert "1 people are in more than one group of column 'sex'." in made.warnings
    assert not any("'m'" in one for one in made.warnings)


def test_columns_nobody_asked_for_are_left_out_with_the_reason(folder: Path) -> None:
    heading, rows = "image,id,country,empty,size\n", []
    for number in range(1, 10):
        rows += [f"{number}.jpg,{number},nl,,0.{number}"]
    for number in range(10, 40):
        (folder / f"{number}.jpg").write_bytes(b"x")
        rows += [f"{number}.jpg,{number},nl,,0.{number}"]
    path = written(folder, heading + "\n".join(rows))
    made = read_manifest(path)
    assert made.columns == {}
    told = "\n".join(made.warnings)
    assert "'id' is left out: it has 39 different values" in told
    assert "'country' is left out: all its values are alike" in told
    assert "'empty' is left out: no image in use has a value in it" in told
    asked = read_manifest(path, cohort_columns=["country"], bins={"size": (0.2, 0.5)})
    assert asked.columns["country"].values == ("nl",)
    assert asked.columns["size"].values == ("under 0.2", "0.2 to under 0.5", "0.5+")
    with pytest.raises(ManifestError, match="'empty' cannot be a cohort"):
        read_manifest(path, cohort_columns=["empty"])
    with pytest.raises(TableError, match="no column 'race'"):
        read_manifest(path, cohort_columns=["race"])
    with pytest.raises(TableError, match="no column 'age'"):
        read_manifest(path, bins={"age": (18,)})


def test_a_column_with_very_many_values_is_given_up(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manifest, "GIVEN_UP", 5)
    text = "image,id\n" + "".join(f"{number}.jpg,{number}\n" for number in range(1, 10))
    told = read_manifest(written(folder, text)).warnings
    assert told[0].startswith("Column 'id' is left out: it has more than")


def test_numbers_in_bins(folder: Path) -> None:
    path = written(folder, GOOD)
    made = read_manifest(path, bins=dict([parse_bins("age=0,31,60")]))
    assert made.columns["age"].values == ("0-30", "31-59", "60+")
    assert made.columns["age"].codes.tolist() == [0, 1, 1, 2]
    assert bin_names((0.5, 1), whole=False) == ("under 0.5", "0.5 to under 1", "1+")
    with pytest.raises(ManifestError, match="holds no number in rows 1, 2, 3, 4"):
        read_manifest(path, bins={"sex": (1, 2)})
    with pytest.raises(ManifestError, match="do not ascend"):
        read_manifest(path, bins={"age": (30, 18)})


@pytest.mark.parametrize("stated", ["age", "age=", "=1,2", "age=1,x", "age=1,inf"])
def test_bins_that_are_none(stated: str) -> None:
    with pytest.raises(ManifestError, match="states no bins"):
        parse_bins(stated)


def test_ages_as_words_stay_words(folder: Path) -> None:
    text = "image,age\n1.jpg,20-29\n2.jpg,30-39\n3.jpg,more than 70\n"
    made = read_manifest(written(folder, text))
    assert made.columns["age"].values == ("20-29", "30-39", "more than 70")


# ---------------------------------------------------------------- dataset.toml
def test_the_data_set_states_its_terms(folder: Path) -> None:
    written(
        folder,
        'name = "Ours"\nlicence = "CC BY 4.0"\nmay_show = true\npad = 40\n'
        'which_face = "central"\ncaveats = ["Small."]\n',
        "dataset.toml",
    )
    path = written(folder, GOOD)
    stated = read_manifest(path).statement
    assert stated == Statement(
        name="Ours",
        licence="CC BY 4.0",
        may_show=True,
        pad=40,
        which_face="central",
        caveats=["Small."],
    )
    over = read_manifest(path, may_show=False, pad=0, name="Theirs").statement
    assert (over.may_show, over.pad, over.name, over.licence) == (False, 0, "Theirs", "CC BY 4.0")


def test_a_silent_data_set_may_not_be_shown(folder: Path) -> None:
    stated = read_manifest(written(folder, GOOD)).statement
    assert stated == Statement(name=folder.name)
    assert not stated.may_show


@pytest.mark.parametrize(
    "text",
    ["name =", "shown = true", 'may_show = "yes"', "pad = -1", 'which_face = "all"', b"\xff"],
)
def test_a_statement_that_is_none_is_refused(folder: Path, text: str | bytes) -> None:
    written(folder, text, "dataset.toml")
    with pytest.raises(ManifestError, match=r"dataset\.toml"):
        read_manifest(written(folder, GOOD))


# ---------------------------------------------------------------- pairs
def test_pairs_are_places_of_images(folder: Path) -> None:
    path = written(folder, GOOD + "gone.jpg,ann,f,30\n")
    text = (
        "image_a,image_b,same,fold\n1.jpg,2.jpg,1,1\n1.jpg,./3.jpg,0,1\n3.jpg,4.jpg,False,2\n"
        "2.jpg,1.jpg,yes,2\n1.jpg,1.jpg,1,2\n1.jpg,9.jpg,0,2\n1.jpg,gone.jpg,1,2\n"
        "2.jpg,4.jpg,perhaps,2\n2.jpg,4.jpg,0,x\n2.jpg,4.jpg\n"
    )
    made = read_manifest(path, pairs=written(folder, text, "pairs.csv")).pairs
    assert made is not None
    assert (made.a.tolist(), made.b.tolist()) == ([0, 0, 2], [1, 2, 3])
    assert made.same.tolist() == [True, False, False]
    assert made.folds is not None
    assert made.folds.tolist() == [1, 1, 2]
    assert {one.reason: (one.count, one.rows) for one in made.exclusions} == {
        pairs.AGAIN: (1, (4,)),
        pairs.ITSELF: (1, (5,)),
        pairs.NOT_LISTED: (1, (6,)),
        pairs.LEFT_OUT: (1, (7,)),
        pairs.NOT_SAID: (2, (8, 9)),
        UNREADABLE: (1, (10,)),
    }
    assert made.rows == len(made) + sum(one.count for one in made.exclusions)


def test_pairs_that_contradict_each_other_are_refused(folder: Path) -> None:
    text = "image_a,image_b,same\n1.jpg,2.jpg,1\n2.jpg,1.jpg,0\n"
    with pytest.raises(ManifestError, match="rows 1, 2 are the same, and `same` differs"):
        read_manifest(written(folder, GOOD), pairs=written(folder, text, "pairs.csv"))


def test_pairs_that_contradict_the_manifest_are_a_suspicion(folder: Path) -> None:
    text = "image_a,image_b,same\n1.jpg,2.jpg,0\n1.jpg,3.jpg,0\n3.jpg,4.jpg,1\n"
    made = read_manifest(written(folder, GOOD), pairs=written(folder, text, "pairs.csv"))
    assert [(one.what[:7], one.rows) for one in made.suspicions] == [("2 pairs", (1, 2, 3, 4))]


def test_no_pair_left_is_refused(folder: Path) -> None:
    text = "image_a,image_b,same\n1.jpg,x.jpg,0\n"
    with pytest.raises(ManifestError, match="No pair can be used"):
        read_manifest(written(folder, GOOD), pairs=written(folder, text, "pairs.csv"))


# ---------------------------------------------------------------- the same bytes
def test_copies_of_a_photograph_count_once(folder: Path) -> None:
    (folder / "2.jpg").write_bytes(b"1")
    (folder / "4.jpg").write_bytes(b"3")
    text = "image_a,image_b,same\n2.jpg,3.jpg,0\n1.jpg,2.jpg,1\n"
    whole = read_manifest(written(folder, GOOD), pairs=written(folder, text, "pairs.csv"))
    made, kept = whole.without_same_bytes(digests(whole))
    assert kept.tolist() == [0, 2, 3]
    assert made.images == ("1.jpg", "3.jpg", "4.jpg")
    assert made.subjects.tolist() == [0, 1, 2]
    assert made.columns["sex"].codes.tolist() == [0, 1, 1]
    assert reasons(made) == {manifest.SAME_BYTES: (1, (2,))}
    assert [(one.what, one.rows) for one in made.suspicions] == [
        ("The same photograph is said to be of two people.", (3, 4))
    ]
    assert made.pairs is not None
    assert (made.pairs.a.tolist(), made.pairs.b.tolist()) == ([0], [1])
    assert made.pairs.rows == len(made.pairs) + sum(one.count for one in made.pairs.exclusions)


def test_a_copy_without_a_name_is_left_out_and_other_labels_are_told(folder: Path) -> None:
    text = HEADING + "1.jpg,,m,30\n2.jpg,ann,f,31\n3.jpg,,f,31\n4.jpg,,f,31\n"
    for number in (2, 3):
        (folder / f"{number}.jpg").write_bytes(b"1")
    whole = read_manifest(written(folder, text))
    made, kept = whole.without_same_bytes(digests(whole))
    assert kept.tolist() == [1, 3]
    assert made.subjects.tolist() == [0, -1]
    assert [one.rows for one in made.suspicions] == [(2, 1)]
    assert "sex" in made.suspicions[0].what


def test_images_that_could_not_be_read_are_no_copies(folder: Path) -> None:
    whole = read_manifest(written(folder, GOOD))
    made, _ = whole.without_same_bytes([None] * 4)
    assert len(made) == 4


def test_ages_that_are_no_numbers_are_said_by_row(folder: Path) -> None:
    made = read_manifest(written(folder, GOOD.replace(",59", ",abc")))
    assert made.columns["age"].values == ("30-44", "60+")
    assert made.columns["age"].unlabelled == 1
    assert made.warnings[0] == (
        "Column 'age' is in bins; what is no age from 0 to 130 counts as not known: row 3."
    )
    for none in ("-5", "1e308", "131"):
        made = read_manifest(written(folder, GOOD.replace(",59", f",{none}")))
        assert made.columns["age"].unlabelled == 1
        assert made.warnings[0].endswith("not known: row 3.")
        with pytest.raises(ManifestError, match="holds no age from 0 to 130 in row 3"):
            read_manifest(written(folder, GOOD.replace(",59", f",{none}")), bins={"age": (18, 60)})
    words = GOOD.replace(",59", ",old").replace(",30", ",young").replace(",31", ",young")
    made = read_manifest(written(folder, words))
    assert made.columns["age"].values == ("71", "old", "young")


def test_pairs_that_are_left_out_are_in_the_document(folder: Path) -> None:
    text = "image_a,image_b,same\n1.jpg,2.jpg,1\n1.jpg,x.jpg,0\n2.jpg,2.jpg,1\n1.jpg,3.jpg,0\n"
    made = read_manifest(written(folder, GOOD), pairs=written(folder, text, "pairs.csv"))
    told = made.data_set("0" * 64).pairs
    assert told is not None
    assert (told.rows, told.used) == (4, 2)
    assert [(one.count, one.rows) for one in told.exclusions] == [(1, (2,)), (1, (3,))]
    same = [*digests(made)[:2], digests(made)[1], digests(made)[3]]
    smaller, _ = made.without_same_bytes(same)
    told = smaller.data_set("0" * 64).pairs
    assert told is not None
    assert told.rows == told.used + sum(one.count for one in told.exclusions)
    assert read_manifest(written(folder, GOOD)).data_set("0" * 64).pairs is None


# ---------------------------------------------------------------- the digest
def test_the_digest_is_of_photographs_and_labels_not_of_names(folder: Path) -> None:
    made = read_manifest(written(folder, GOOD))
    known = made.digest_with(digests(made))
    assert len(known) == 64
    (folder / "new.jpg").write_bytes(b"1")
    renamed = GOOD.replace("ann", "zoe").replace("1.jpg,", "new.jpg,")
    other = read_manifest(written(folder, renamed))
    assert other.digest_with(iter(digests(other))) == known
    for changed in (
        GOOD.replace("bob", "cid"),
        GOOD.replace("bob,m", "bob,f"),
        GOOD.replace("1.jpg", "9.jpg"),
        GOOD.replace("sex", "gender"),
        GOOD + "5.jpg,eve,f,20\n",
    ):
        one = read_manifest(written(folder, changed))
        assert one.digest_with(digests(one)) != known
    assert made.digest_with([None] * 4) != known
    text = "image_a,image_b,same\n1.jpg,2.jpg,1\n"
    with_pairs = read_manifest(written(folder, GOOD), pairs=written(folder, text, "pairs.csv"))
    assert with_pairs.digest_with(digests(with_pairs)) != known


def test_the_digest_is_of_the_data_whatever_was_asked_of_it(folder: Path) -> None:
    path = written(folder, GOOD)
    known = read_manifest(path).digest_with(digests(read_manifest(path)))
    for asked in (
        read_manifest(path, cohort_columns=["sex"]),
        read_manifest(path, cohort_columns=()),
        read_manifest(path, bins={"age": (40.0,)}),
    ):
        assert asked.digest_with(digests(asked)) == known
        smaller, _ = asked.without_same_bytes(digests(asked))
        assert smaller.digest_with(digests(smaller)) == known
    other = read_manifest(written(folder, GOOD.replace(",71", ",72")), cohort_columns=["sex"])
    assert other.digest_with(digests(other)) != known


# ---------------------------------------------------------------- always
IMAGES = st.sampled_from(["1.jpg", "2.jpg", "./3.jpg", "x/../3.jpg", "gone.jpg", "", " 4.jpg"])
PEOPLE = st.sampled_from(["ann", "bob", "", "nan"])
SEXES = st.sampled_from(["f", "m", "", "NA"])
ROW = st.one_of(
    st.tuples(IMAGES, PEOPLE, SEXES),
    st.tuples(IMAGES, PEOPLE),
    st.just(("image", "subject", "sex")),
    st.just(()),
)


@pytest.fixture(scope="module")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    for number, byte in enumerate(b"1123", 1):
        (folder / f"{number}.jpg").write_bytes(bytes([byte]))
    return folder


@given(rows=st.lists(ROW, max_size=12))
@settings(max_examples=200)
def test_rows_are_images_and_exclusions(shared_folder: Path, rows: list[tuple[str, ...]]) -> None:
    lines = [",".join(row) for row in rows]
    path = written(shared_folder, "\n".join(["image,subject,sex", *lines]))
    try:
        whole = read_manifest(path)
    except ManifestError as error:
        contradicting = any(
            len({row[1:] for row in rows if len(row) == 3 and row[0].endswith(name)}) > 1
            for name in ("1.jpg", "2.jpg", "3.jpg", "4.jpg", "gone.jpg")
        )
        assert contradicting or error.what == "No image of the manifest can be used."
        return
    for made in (whole, whole.without_same_bytes(digests(whole))[0]):
        reasons(made)
        assert made.rows == sum(1 for line in lines if line)
        assert len(made) == len(made.subjects) == len(made.numbers) == len(made.images)
        assert all(len(one.codes) == len(made) for one in made.columns.values())
        named = made.subjects[made.subjects >= 0]
        assert set(named.tolist()) == set(range(made.subject_count or 0))
        assert np.all(np.diff(made.numbers) > 0)


@pytest.mark.faces
@pytest.mark.parametrize(
    ("name", "images", "people"),
    [("lfw", 5373, 2086), ("london", 204, 102), ("congress", 2331, 2092), ("utkface", 2862, None)],
)
def test_the_development_sets_are_read_whole(
    faces_root: Path, name: str, images: int, people: int | None
) -> None:
    made = read_manifest(faces_root / name / "manifest.csv")
    assert (len(made), made.subject_count) == (images, people)
    assert reasons(made) == {}
