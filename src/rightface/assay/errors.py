"""What can go wrong with the material of an assay, as the tree of `rightface.errors` goes on.

Messages name rows and columns, never a subject or a file of the data set.
"""

from __future__ import annotations

from rightface.errors import RightfaceError


class AssayError(RightfaceError):
    """An assay cannot be made of this."""

    code = "assay"


class TableError(AssayError):
    """A CSV or Parquet file cannot be read as rows under a heading."""

    code = "assay-table"
    exit_status = 2


class ManifestError(AssayError):
    """A manifest, its pairs or its `dataset.toml` cannot be used as it stands."""

    code = "assay-manifest"
    exit_status = 2


class ScoreFileError(AssayError):
    """A file of scores cannot be used as it stands."""

    code = "assay-scores"
    exit_status = 2
