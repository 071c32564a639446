"""One digest for a data set: the same photographs with the same labels, the same digest.

SHA-256 over, in this order:

    1. `rightface data set 2` and, as canonical JSON (RFC 8785), the columns with their values as
       they are written, chosen as cohorts or not, and the numbers of images and pairs;
    2. of each image, in the manifest's order: the SHA-256 of its bytes (zeros if it could not be
       read), its subject as int32, its label of each column as int16, little-endian;
    3. the pairs: a, b, same, fold, each as int32.

Names of files and of people do not enter it: renamed, it is the same data set.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import rfc8785
from numpy.typing import NDArray

from rightface.assay.cohorts import Column
from rightface.assay.pairs import Pairs

_NOT_READ = bytes(32)


def digest_of_rows(
    image_digests: Iterable[bytes | None],
    subjects: NDArray[np.int32],
    columns: Mapping[str, Column],
    pairs: Pairs | None,
) -> str:
    """Hex SHA-256, as above; `image_digests` may be a stream."""
    names = sorted(columns)
    heading: dict[str, Any] = {
        "columns": [[name, list(columns[name].values)] for name in names],
        "images": len(subjects),
        "pairs": 0 if pairs is None else len(pairs),
    }
    running = hashlib.sha256(b"rightface data set 2\n" + rfc8785.dumps(heading))
    labels = [columns[name].codes.astype("<i2").view("<u1").reshape(-1, 2) for name in names]
    people = subjects.astype("<i4").view("<u1").reshape(-1, 4)
    rows = np.concatenate([people, *labels], axis=1)
    for digest, row in zip(image_digests, rows, strict=True):
        running.update(digest or _NOT_READ)
        running.update(row.tobytes())
    if pairs is not None:
        folds = np.zeros(len(pairs), np.int32) if pairs.folds is None else pairs.folds
        table = np.stack([pairs.a, pairs.b, pairs.same.astype(np.int32), folds], axis=1)
        running.update(table.astype("<i4").tobytes())
    return running.hexdigest()
