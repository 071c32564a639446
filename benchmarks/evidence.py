"""Puts assays of the model pack beside it, as the evidence that ships: `faces/evidence.json`, ….

    python benchmarks/evidence.py ASSAY.json [ASSAY.json …]

Each document is checked as `rightface evidence add` checks it: it must be about this release's pack
and one of its comparisons, and add up. It is copied as it is; the lines that are printed go into
`faces/evidence_files.py`, in the place of those that are there.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from pathlib import Path

import rightface.faces
from rightface.assay.evidence import EvidenceError, figures_of, read_document
from rightface.errors import RightfaceError
from rightface.faces.packs import COMPARISONS, load_pack
from rightface.law.figures import Figures

HERE = Path(rightface.faces.__file__).parent


def checked(content: bytes) -> Figures:
    """The figures of a document that may ship."""
    measured = read_document(content).measured
    for pack in map(load_pack, COMPARISONS):
        if (measured.pack_digest, measured.comparison_digest) == (
            pack.digest,
            pack.comparison_digest,
        ):
            return figures_of(
                content, pack_digest=pack.digest, comparison_digest=pack.comparison_digest
            )
    raise EvidenceError("The assay is not about a pack and a comparison of this release.")


def main() -> int:
    """Check, copy, and print the lines of the list."""
    parser = argparse.ArgumentParser(description="The evidence that ships with the pack.")
    parser.add_argument("assays", type=Path, nargs="+", metavar="ASSAY.json")
    contents = [path.read_bytes() for path in parser.parse_args().assays]
    try:
        told = [checked(content) for content in contents]
    except RightfaceError as error:
        print(error.diagnostics(), file=sys.stderr)
        return error.exit_status
    for number, (content, figures) in enumerate(zip(contents, told, strict=True), 1):
        name = "evidence.json" if number == 1 else f"evidence-{number}.json"
        (HERE / name).write_bytes(content)
        print(f'    "{name}": "{hashlib.sha256(content).hexdigest()}",')
        pairs, unequal = f"{figures.impostor_pairs:,} impostor pairs", figures.differential
        print(f"{figures.data_set}, {figures.comparison}: {pairs}, {unequal}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
