"""Measures what comparison scores mean, and writes src/rightface/faces/calibration.json.

    python benchmarks/calibrate.py [--json FILE] [--date YYYY-MM-DD]

Every pair of different people in LFW (folds 1–5), of Congress portraits and of the London set, and
of London with both others, is an impostor comparison. LFW is not compared with Congress: the same
politicians are in both, under labels that do not match.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

import rightface.faces
from instance import temporary_instance
from labelled import Photograph, named_face, photographs, portions, require_photographs
from rightface.assay.calibrate import RateTable, ScoreCounts, rate_table
from rightface.faces.calibration import FILE, Calibration, Provenance, similarity
from rightface.faces.engine import Engine
from rightface.faces.face import Templates
from rightface.faces.image import decode
from rightface.faces.packs import ModelPack, shipped_pack

DATA_SETS = ("lfw", "congress", "london")
NOT_COMPARED = {frozenset({"lfw", "congress"})}
TARGET = Path(rightface.faces.__file__).parent / FILE
CAVEATS = (
    "Pairs are not independent: the same photographs are in many of them, and a few people of LFW "
    "in very many.",
    "LFW and Congress are known for some wrong labels, and some people may recur under two names; "
    "the smallest rates are therefore upper bounds.",
    "LFW is mostly men and mostly light-skinned; Congress portraits are posed, some old and grey; "
    "London's groups are small.",
    "The error is not equal across groups: on UTKFace, at the threshold where two white men match "
    "once in a thousand, two Asian women match 182 times as often, Indian women 81, Asian men 79, "
    "black women 20, white women 5. One rate for everyone understates the risk for these groups.",
    "Photographs are of 1970–2010's press and portraits; cameras at doors and gates give others.",
)


@dataclass(frozen=True)
class Measured:
    photographs: list[Photograph]
    templates: Templates
    without_face: int


def unmeasured() -> Calibration:
    """Stands in until there is a table; nothing here reads it."""
    told = Provenance(
        pack_digest="",
        data_sets=(),
        impostor_pairs=0,
        genuine_pairs=0,
        measured_on=date(1970, 1, 1),
        smallest_fmr=1.0,
        caveats=(),
    )
    return Calibration([-1.0, 1.0], [1.0, 0.1], -1.0, told)


def measure(pack: ModelPack, console: Console) -> Measured:
    everyone = [photograph for name in DATA_SETS for photograph in photographs(name)]
    seen, made, missing = [], [], 0
    with temporary_instance() as instance, console.status("Making templates") as status:
        engine = Engine(
            pack, cache=instance.instance.settings.data / "models", threads=2, detector_side=640
        )
        for portion in portions(everyone, 200):
            with instance.permitted("measure-accuracy") as permit:
                images = [decode(photograph.path.read_bytes()) for photograph in portion]
                found = engine.analyze(images, permit=permit)
            for photograph, image, faces in zip(portion, images, found, strict=True):
                height, width = image.shape[:2]
                face = named_face(faces, width=width, height=height, data_set=photograph.data_set)
                if face is None or face.template is None:
                    missing += 1
                    continue
                seen.append(photograph)
                made.append(face.template)
            status.update(f"Making templates: {len(seen)} of {len(everyone)}")
    return Measured(seen, np.stack(made), missing)


def compare_all(measured: Measured) -> tuple[ScoreCounts, NDArray[np.float32]]:
    """The scores of all impostor pairs, counted, and of all genuine pairs."""
    people = np.unique([seen.subject for seen in measured.photographs], return_inverse=True)[1]
    sets = np.array([DATA_SETS.index(seen.data_set) for seen in measured.photographs])
    comparable = np.array(
        [[frozenset({one, other}) not in NOT_COMPARED for other in DATA_SETS] for one in DATA_SETS]
    )
    impostors, genuine = ScoreCounts(), []
    count = len(people)
    for start in range(0, count, 512):
        rows = np.arange(start, min(start + 512, count))
        scores = measured.templates[rows] @ measured.templates.T
        once = rows[:, None] < np.arange(count)[None, :]
        same = people[rows][:, None] == people[None, :]
        impostors.add(scores[once & ~same & comparable[sets[rows]][:, sets]])
        genuine.append(scores[once & same])
    return impostors, np.concatenate(genuine)


def written(
    pack: ModelPack, measured: Measured, table: RateTable, genuine: int, on: date
) -> dict[str, Any]:
    sets = []
    for name in DATA_SETS:
        own = [seen for seen in measured.photographs if seen.data_set == name]
        people = len({seen.subject for seen in own})
        sets.append(f"{name}: {len(own)} photographs of {people} people")
    return {
        "pack": pack.id,
        "pack_digest": pack.digest,
        "data_sets": sets,
        "impostor_pairs": table.impostor_pairs,
        "genuine_pairs": genuine,
        "measured_on": on.isoformat(),
        "smallest_fmr": float(f"{table.smallest_fmr:.4g}"),
        "caveats": list(CAVEATS),
        "tail_slope": round(table.tail_slope, 4),
        "table": [[round(score, 6), float(f"{rate:.6g}")] for score, rate in table.rows],
    }


def show(console: Console, calibration: Calibration, genuine: NDArray[np.float32]) -> None:
    shown = Table(title="What scores mean")
    for heading in ("FMR", "similarity", "score", "extrapolated", "TAR of genuine pairs"):
        shown.add_column(heading, justify="right")
    for rate in (1e-1, 1e-2, 1e-3, 1.6e-3, 1e-4, 1e-5, 1e-6, 1e-8):
        score = calibration.score_at(rate)
        beyond = calibration.rate(score + 1e-9).extrapolated
        shown.add_row(
            f"{rate:.1e}",
            f"{similarity(rate):.1f}",
            f"{score:.4f}",
            "yes" if beyond else "no",
            f"{(genuine >= score).mean():.4f}",
        )
    console.print(shown)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--json", type=Path, help="write the figures to this file as well")
    parser.add_argument("--date", type=date.fromisoformat, default=date.today())
    arguments = parser.parse_args()
    require_photographs()
    console, began = Console(), time.perf_counter()
    pack = shipped_pack(unmeasured())
    measured = measure(pack, console)
    impostors, genuine = compare_all(measured)
    told = written(pack, measured, rate_table(impostors), len(genuine), arguments.date)
    show(console, Calibration.from_json(told), genuine)
    rows = ",\n  ".join(json.dumps(row) for row in told.pop("table"))  # one line for each row
    text = (
        json.dumps(told, indent=1, ensure_ascii=False)[:-2] + f',\n "table": [\n  {rows}\n ]\n}}\n'
    )
    TARGET.write_text(text, "utf-8")
    if arguments.json:
        arguments.json.write_text(text, "utf-8")
    console.print(
        f"{told['impostor_pairs']:,} impostor and {told['genuine_pairs']:,} genuine pairs; "
        f"{measured.without_face} photographs without a face; "
        f"{time.perf_counter() - began:.0f} s. Written: {TARGET.name}"
    )


if __name__ == "__main__":
    main()
