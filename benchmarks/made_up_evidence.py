"""An assay's document with made-up figures, measured on nobody: for tests and benchmarks alone.

The gate asks for evidence before it permits a search of a large gallery. An instance that measures
how fast such searches are has this in its place; what it finds is about speed, never about faces.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from rightface.assay.result import (
    Assay,
    DataSet,
    Differential,
    Group,
    Measured,
    OperatingPoint,
    Partition,
    Rate,
    Value,
    Verification,
)
from rightface.faces.packs import ModelPack

GROUPS = 8
IMAGES = 10_000
IMPOSTOR, GENUINE = 40_000_000, 5_000
WITHIN_IMPOSTOR, WITHIN_GENUINE = 700_000, 600
FEWEST_FALSE = 200
"""False matches of a group that is matched least."""
TARGET = 1e-3


def rate(errors: int, trials: int) -> Rate:
    """A rate with an interval of a fifth around it."""
    share = errors / trials
    return Rate(
        errors=errors, trials=trials, rate=share, low=0.8 * share, high=min(1.0, 1.2 * share),
        method="wilson",
    )  # fmt: skip


def point(
    impostor: int, genuine: int, *, false: int, missed: int, target: float = TARGET
) -> OperatingPoint:
    """What happens at the threshold of the target."""
    return OperatingPoint(
        fmr_target=target, threshold=0.9, fmr=rate(false, impostor), fnmr=rate(missed, genuine)
    )


def group(number: int, *, false: int, missed: int, target: float = TARGET) -> Group:
    """One of the groups."""
    return Group(
        name=f"group {number}",
        labels={"sex": f"sex {number % 2}", "race": f"race {number // 2}"},
        subjects=500,
        images=IMAGES // GROUPS,
        failures=None,
        genuine=WITHIN_GENUINE,
        impostor=WITHIN_IMPOSTOR,
        curve=(),
        at=(point(WITHIN_IMPOSTOR, WITHIN_GENUINE, false=false, missed=missed, target=target),),
    )


def differential(
    measure: str, of: str, value: float, low: float, high: float, *, target: float = TARGET
) -> Differential:
    """One measure over all groups."""
    return Differential.model_validate(
        {
            "measure": measure,
            "of": of,
            "fmr_target": target,
            "threshold": 0.9,
            "value": Value(value=value, low=low, high=high),
            "groups": tuple(f"group {number}" for number in range(GROUPS)),
        }
    )


def assay(
    pack_digest: str,
    *,
    comparison_digest: str = "",
    ratio: tuple[float, float, float] = (1.2, 1.5, 1.9),
    lowest_tmr: float = 0.99,
    target: float = TARGET,
    **changed: Any,
) -> Assay:
    """A whole document; `ratio`: low, value and high of worst over best, at the rate `target`.

    The first group has the most errors of both kinds, and the others are alike.
    """
    low, value, high = ratio
    missed = round(WITHIN_GENUINE * (1 - lowest_tmr))
    told: dict[str, Any] = {
        "software": "rightface test",
        "made_at": datetime.now(UTC),
        "measured": Measured(
            kind="model-pack",
            name="a pack",
            pack_digest=pack_digest,
            comparison="normalised" if comparison_digest else "raw",
            comparison_digest=comparison_digest,
        ),
        "data": DataSet(
            name="nobody",
            digest="ab" * 32,
            rows=IMAGES + 2,
            images=IMAGES,
            subjects=4_000,
            columns={
                "sex": {f"sex {n}": IMAGES // 2 for n in range(2)},
                "race": {f"race {n}": IMAGES // 4 for n in range(4)},
            },
            exclusions=({"reason": "missing", "count": 2},),  # type: ignore[arg-type]
        ),
        "failures": None,
        "verification": Verification(
            genuine=GENUINE,
            impostor=IMPOSTOR,
            curve=(),
            at=(point(IMPOSTOR, GENUINE, false=40_000, missed=50, target=target),),
            eer=Value(value=0.01, low=None, high=None),
        ),
        "partitions": (
            Partition(
                columns=("sex", "race"),
                groups=tuple(
                    group(
                        number,
                        false=FEWEST_FALSE if number else round(FEWEST_FALSE * value),
                        missed=0 if number else missed,
                        target=target,
                    )
                    for number in range(GROUPS)
                ),
                unlabelled=0,
                cross=(),
                differentials=(
                    differential("worst-over-best", "fmr", value, low, high, target=target),
                    differential("worst-over-best", "fnmr", 99.0, 98.0, 100.0, target=target),
                    differential(
                        "lowest-true-match-rate",
                        "fnmr",
                        lowest_tmr,
                        lowest_tmr - 0.02,
                        1.0,
                        target=target,
                    ),
                ),
            ),
        ),
    }
    return Assay.model_validate(told | changed)


def document(pack_digest: str, **changed: Any) -> bytes:
    """The same, as the bytes of a file."""
    return assay(pack_digest, **changed).model_dump_json().encode()


def of_pack(pack: ModelPack, **changed: Any) -> bytes:
    """A document about this pack, and the way in which it compares."""
    digest = pack.calibration.provenance.comparison_digest
    return document(pack.digest, comparison_digest=digest, **changed)


def impostors_only(pack_digest: str, *, comparison_digest: str = "") -> bytes:
    """A document of a data set in which nobody is known to be seen twice."""
    told = json.loads(document(pack_digest, comparison_digest=comparison_digest))
    none = {"errors": 0, "trials": 0, "rate": None, "low": None, "high": None, "method": "wilson"}
    told["verification"]["genuine"] = 0
    told["verification"]["at"][0]["fnmr"] = none
    partition = told["partitions"][0]
    for each in partition["groups"]:
        each["genuine"] = 0
        each["at"][0]["fnmr"] = none
    for each in partition["differentials"][1:]:
        each["groups"] = []
        each["value"] = {"value": None, "low": None, "high": None}
    return json.dumps(told).encode()
