"""A data set as it is stated: a table of images, whose they are, and which groups they belong to.

    0. Every row of the table is read; those that cannot be are counted.
    1. A path that leads out of the images' folder is refused, whatever else is right.
    2. The same image twice: with the same labels it counts once, with others nothing is measured.
    3. An image that is not there, or is no file, is left out and counted.
    4. Columns become cohorts, or are left out with the reason.
    5. What the labels cannot carry is said: `warnings`.

Rows are images and exclusions, always. Subjects are numbers here; their names are forgotten. Opens
no image: whoever reads them hands their digests to `without_same_bytes` and `digest_with`.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rightface.assay import manifest_columns
from rightface.assay.cohorts import UNKNOWN, Column
from rightface.assay.data_digest import digest_of_rows
from rightface.assay.errors import ManifestError, TableError
from rightface.assay.exclusions import HEADING_AGAIN, UNREADABLE, Excluded, in_words, named
from rightface.assay.labels import GIVEN_UP, Edges, Labels
from rightface.assay.pairs import GONE, Pairs, contradictions, image_name, read_pairs
from rightface.assay.result import DataSet, Exclusion, Suspicion
from rightface.assay.same_bytes import same_bytes
from rightface.assay.statement import Statement, WhichFace, read_statement, with_said
from rightface.assay.table_file import TableFile, open_table

SUBJECT = "subject"
NO_IMAGE = "No image is named."
AGAIN = "The same image again, with the same labels."
MISSING = "The image is missing, or is no file."
SAME_BYTES = "The same photograph again under another name, of the same or an unnamed person."


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """The images that can be measured on, and what is known of them; all arrays are parallel."""

    rows: int
    """Of the table, the heading not counted: the images and all exclusions."""
    numbers: NDArray[np.int64]
    """(n,): the images' row numbers; the first after the heading is 1."""
    images: Sequence[str]
    """As stated in the table; see `path`."""
    root: Path
    subjects: NDArray[np.int32]
    """(n,): who it is, 0 … S−1 in the order of appearance; UNKNOWN where it is not said."""
    columns: dict[str, Column]
    """The cohorts: those asked for, or that are fit to be one."""
    stated: dict[str, Column]
    """Every column but image and subject, as it is written; without those of too many values."""
    pairs: Pairs | None
    exclusions: tuple[Exclusion, ...]
    suspicions: tuple[Suspicion, ...]
    statement: Statement
    """Name, licence, caveats, padding and which face: what was said, over `dataset.toml`."""
    warnings: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.images)

    def path(self, place: int) -> Path:
        """Where that image lies."""
        return self.root / self.images[place]

    @property
    def subject_count(self) -> int | None:
        """How many people; None where the data set does not say who is who."""
        known = self.subjects[self.subjects != UNKNOWN]
        return int(known.max()) + 1 if len(known) else None

    def digest_with(self, image_digests: Iterable[bytes | None]) -> str:
        """Hex SHA-256 of the data set: see `data_digest`.

        Args:
            image_digests: of each image the SHA-256 of its bytes, or None if it cannot be read.
        """
        return digest_of_rows(image_digests, self.subjects, self.stated, self.pairs)

    def without_same_bytes(
        self, image_digests: Sequence[bytes | None]
    ) -> tuple[Manifest, NDArray[np.int64]]:
        """The manifest in which no photograph comes twice under two names, and the places kept.

        A copy of the same subject, or where one subject is not known, is left out. Under two
        subjects, or with other labels, it is a suspicion; two subjects keep both.
        """
        found = same_bytes(image_digests, self.subjects, list(self.columns.values()), self.numbers)
        kept = np.flatnonzero(found.same_as == np.arange(len(self)))
        excluded = Excluded()
        excluded.add(SAME_BYTES, np.delete(self.numbers, kept))
        place = np.full(len(self), GONE, np.int32)
        place[kept] = np.arange(len(kept))
        smaller = replace(
            self,
            numbers=self.numbers[kept],
            images=tuple(self.images[old] for old in kept.tolist()),
            subjects=in_order_of_appearance(self.subjects[kept]),
            columns=_kept_of(self.columns, kept),
            stated=_kept_of(self.stated, kept),
            pairs=None if self.pairs is None else self.pairs.moved(place[found.same_as]),
            exclusions=self.exclusions + excluded.told(),
            suspicions=self.suspicions + found.suspicions,
        )
        return smaller, kept

    def data_set(self, digest: str) -> DataSet:
        """What the assay's document says of it."""
        return DataSet(
            name=self.statement.name,
            digest=digest,
            rows=self.rows,
            images=len(self),
            subjects=self.subject_count,
            columns={name: _counts(one) for name, one in self.columns.items()},
            exclusions=self.exclusions,
            pairs=None if self.pairs is None else self.pairs.told(),
            suspicions=self.suspicions,
            licence=self.statement.licence,
            may_show=self.statement.may_show,
            caveats=tuple(self.statement.caveats),
        )


def read_manifest(
    path: Path,
    *,
    pairs: Path | None = None,
    images_root: Path | None = None,
    image_column: str = "image",
    subject_column: str = SUBJECT,
    cohort_columns: Sequence[str] | None = None,
    bins: Mapping[str, Edges] | None = None,
    name: str | None = None,
    licence: str | None = None,
    may_show: bool | None = None,
    pad: int | None = None,
    which_face: WhichFace | None = None,
) -> Manifest:
    """The data set that the table at `path` states.

    Args:
        path: CSV or Parquet; see docs/assay-data.md.
        pairs: a table of pairs of its images.
        images_root: where relative paths start; the table's folder if it is not given.
        image_column: names the image of each row.
        subject_column: says who it is; may be missing if it is not asked for by another name.
        cohort_columns: to split people by; None: every column of few values.
        bins: of columns of numbers: the edges, ascending.
        name, licence, may_show, pad, which_face: instead of what `dataset.toml` says.

    Raises:
        TableError: the table cannot be read, or a column that was asked for is not in it.
        ManifestError: it can be read, and states what cannot be measured on.
    """
    stated = {
        "name": name, "licence": licence, "may_show": may_show, "pad": pad, "which_face": which_face
    }  # fmt: skip
    statement = with_said(read_statement(path.parent), stated)
    if not statement.name:
        statement = statement.model_copy(update={"name": path.resolve().parent.name})
    table = open_table(path)
    root = path.parent if images_root is None else images_root
    wanted = _wanted(table, image_column, subject_column, cohort_columns, bins or {})
    raw = _read(table, image_column, wanted)
    kept = _kept(raw, root, wanted.comparable())
    if not len(kept):
        raise ManifestError(
            "No image of the manifest can be used.",
            why=in_words(raw.excluded.told()) or "It has no rows.",
            mend="Paths start at the manifest's folder; name another with images_root.",
        )
    subjects = (
        np.full(len(kept), UNKNOWN, np.int32)
        if wanted.subject is None
        else in_order_of_appearance(wanted.subject.codes()[kept])
    )
    numbers = raw.numbers[kept]
    columns, left_out = manifest_columns.columns_of(
        wanted.cohorts, kept, numbers, asked=cohort_columns is not None, bins=bins or {}
    )
    images = tuple(raw.images[place] for place in kept)
    read = None
    if pairs is not None:
        places = dict.fromkeys(raw.images, GONE) | {image: at for at, image in enumerate(images)}
        read = read_pairs(pairs, places)
    return Manifest(
        rows=raw.rows,
        numbers=numbers,
        images=images,
        root=root,
        subjects=subjects,
        columns=columns,
        stated=manifest_columns.stated((*wanted.cohorts, *wanted.others), kept),
        pairs=read,
        exclusions=raw.excluded.told(),
        suspicions=contradictions(read, subjects, numbers),
        statement=statement,
        warnings=(*left_out, *manifest_columns.warnings(subjects, columns)),
    )


@dataclass(frozen=True)
class _Wanted:
    subject: Labels | None
    cohorts: tuple[Labels, ...]
    others: tuple[Labels, ...]
    """Not asked for: read for the digest alone."""

    def all(self) -> tuple[Labels, ...]:
        subject = () if self.subject is None else (self.subject,)
        return (*subject, *self.cohorts, *self.others)

    def comparable(self) -> list[Labels]:
        """What two rows of one image may differ in; what was given up is not known."""
        return [one for one in self.all() if not one.given_up and one not in self.others]


@dataclass(frozen=True)
class _Raw:
    rows: int
    images: list[str]
    numbers: NDArray[np.int64]
    excluded: Excluded


def _wanted(
    table: TableFile,
    image_column: str,
    subject_column: str,
    cohort_columns: Sequence[str] | None,
    bins: Mapping[str, Edges],
) -> _Wanted:
    known = [column for column in table.heading if column]
    missing = [column for column in bins if column not in known]
    if image_column not in known:
        raise TableError(
            f"The manifest has no column '{image_column}'.",
            mend="Name the column that holds the images' paths; "
            f"there are {', '.join(repr(column) for column in known)}.",
        )
    subject = Labels(subject_column) if subject_column in known else None
    if subject is None and subject_column != SUBJECT:
        missing.append(subject_column)
    every = [column for column in known if column not in (image_column, subject_column)]
    asked = every if cohort_columns is None else cohort_columns
    missing += [column for column in asked if column not in known]
    if missing:
        raise TableError(
            f"The manifest has no column '{missing[0]}'.",
            mend=f"Its columns are {', '.join(repr(column) for column in known)}.",
        )
    most = GIVEN_UP if cohort_columns is None else None
    cohorts = [
        Labels(column, most=None if column in bins else most)
        for column in dict.fromkeys([*asked, *bins])
    ]
    read = {one.name for one in cohorts}
    others = [Labels(column, most=GIVEN_UP) for column in every if column not in read]
    return _Wanted(subject, tuple(cohorts), tuple(others))


def _read(table: TableFile, image_column: str, wanted: _Wanted) -> _Raw:
    images: list[str] = []
    numbers: list[NDArray[np.int64]] = []
    excluded = Excluded()
    rows = 0
    labels = wanted.all()
    for block in table.blocks([image_column, *(one.name for one in labels)]):
        rows += len(block.numbers) + len(block.unreadable) + len(block.heading_again)
        excluded.add(UNREADABLE, block.unreadable)
        excluded.add(HEADING_AGAIN, block.heading_again)
        images.extend(map(image_name, block.columns[0]))
        numbers.append(block.numbers)
        for one, cells in zip(labels, block.columns[1:], strict=True):
            one.add(cells)
    return _Raw(
        rows, images, np.concatenate(numbers) if numbers else np.empty(0, np.int64), excluded
    )


def _kept(raw: _Raw, root: Path, labels: Sequence[Labels]) -> NDArray[np.int64]:
    """The places of the rows that are used; the others are counted in `raw.excluded`."""
    first: dict[str, int] = {}
    nameless, again, missing = [], [], []
    kept: list[int] = []
    for place, image in enumerate(raw.images):
        if not image:
            nameless.append(place)
        elif image == ".." or image.startswith("../"):
            raise ManifestError(
                f"The path in {named([int(raw.numbers[place])])} leads out of the images' folder.",
                why="A manifest that came from elsewhere could name any file of this machine.",
                mend="Give the folder above as images_root, or write whole paths.",
            )
        elif first.setdefault(image, place) != place:
            again.append(place)
        elif not _is_file(f"{root}/{image}" if image[0] != "/" else image):
            missing.append(place)
        else:
            kept.append(place)
    _refuse_other_labels(raw, first, again, labels)
    raw.excluded.add(NO_IMAGE, raw.numbers[nameless])
    raw.excluded.add(AGAIN, raw.numbers[again])
    raw.excluded.add(MISSING, raw.numbers[missing])
    return np.array(kept, np.int64)


def _is_file(path: str) -> bool:
    try:
        return stat.S_ISREG(os.stat(path).st_mode)  # noqa: PTH116  # a million times: no objects
    except (OSError, ValueError):
        return False


def _refuse_other_labels(
    raw: _Raw, first: Mapping[str, int], again: list[int], labels: Sequence[Labels]
) -> None:
    if not again:
        return
    second = np.array(again)
    firsts = np.array([first[raw.images[place]] for place in again])
    for one in labels:
        codes = one.codes()
        differing = np.flatnonzero(codes[second] != codes[firsts])
        if len(differing):
            at = differing[0]
            rows = raw.numbers[[firsts[at], second[at]]].tolist()
            raise ManifestError(
                f"The image in {named(rows)} is the same, and '{one.name}' differs.",
                why=f"{len(differing)} rows contradict an earlier one in that column.",
                mend="Strike the wrong ones.",
            )


def in_order_of_appearance(codes: NDArray[np.int32]) -> NDArray[np.int32]:
    """The codes as 0, 1, 2 … in the order in which they first appear; UNKNOWN stays."""
    values, firsts, inverse = np.unique(codes, return_index=True, return_inverse=True)
    firsts[values == UNKNOWN] = -1
    rank = np.empty(len(values), np.int32)
    rank[np.argsort(firsts)] = np.arange(len(values))
    if UNKNOWN in values:
        rank -= 1
    return rank[inverse]


def _kept_of(columns: Mapping[str, Column], kept: NDArray[np.int64]) -> dict[str, Column]:
    return {name: replace(one, codes=one.codes[kept]) for name, one in columns.items()}


def _counts(one: Column) -> dict[str, int]:
    counts = np.bincount(one.codes[one.codes != UNKNOWN], minlength=len(one.values))
    said = dict(zip(one.values, counts.tolist(), strict=True))
    return said | ({"": one.unlabelled} if one.unlabelled else {})
