"""Puts assays of the model pack beside it, as the evidence that ships: `faces/evidence.json`.

    python benchmarks/evidence.py ASSAY.json [ASSAY.json …] [--fmr 1e-3]

Replaces what is there. Each document is checked as `rightface evidence add` checks it: it must be
about the pack and the score normalisation in use, and add up. A release whose pack or normalisation
is another leaves these figures aside, and the gate refuses what rests on them.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import rightface.faces
from rightface.assay.evidence import figures_of
from rightface.errors import RightfaceError
from rightface.faces.packs import load_pack
from rightface.instance import SHIPPED_EVIDENCE
from rightface.law.evidence_records import to_plain

HERE = Path(rightface.faces.__file__).parent


def main() -> int:
    parser = argparse.ArgumentParser(description="The evidence that ships with the pack.")
    parser.add_argument("assays", type=Path, nargs="+", metavar="ASSAY.json")
    parser.add_argument("--fmr", type=float, default=1e-3)
    asked = parser.parse_args()
    pack = load_pack()
    try:
        told = [
            to_plain(
                figures_of(
                    path.read_bytes(),
                    pack_digest=pack.digest,
                    comparison_digest=pack.calibration.provenance.comparison_digest,
                    fmr_target=asked.fmr,
                )
            )
            for path in asked.assays
        ]
    except RightfaceError as error:
        print(error.diagnostics(), file=sys.stderr)
        return error.exit_status
    (HERE / SHIPPED_EVIDENCE).write_text(json.dumps(told, indent=1) + "\n", "utf-8")
    for one in told:
        print(f"{one['data_set']}: {one['impostor_pairs']:,} pairs, {one['differential']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
