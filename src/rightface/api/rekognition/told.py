"""The x-rightface-* headers: the proof and the reasons that Amazon's shapes have no place for.

On answers and refusals alike: `x-rightface-permit`, `-ledger-index`, `-reasons`, `-fmr`; `none`
where one does not apply. A search of a gallery that has a target tells that too:
`-fpir-target`. A search that people must review first is answered without matches, and
with `x-rightface-review` (of a video, one for each person, comma separated) and `-review-expires`.
Never a subject reference.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from rightface.law.ruling import Refusal
from rightface.service_types import Answer, Candidate, Match

PURPOSE = "x-rightface-purpose"
SUBJECT = "x-rightface-subject"
WARRANT = "x-rightface-warrant"
DECLARE = "x-rightface-declare"
NONCE = "x-rightface-nonce"
NONE = "none"
_LONGEST = 1024  # characters of one header; clients and proxies refuse headers of several kilobytes
_TOLD_MATCHES = 20


def of_answer(answer: Answer[Any]) -> dict[str, str]:
    """The headers of an allowed operation."""
    headers = {
        "x-rightface-permit": answer.permit_id,
        "x-rightface-ledger-index": str(answer.ledger_index),
        "x-rightface-reasons": NONE,
        "x-rightface-fmr": NONE if answer.fmr is None else rate(answer.fmr),
    }
    if answer.floor is not None and answer.floor.fpir_target is not None:
        mark = "*" if answer.floor.extrapolated else ""
        headers["x-rightface-fpir-target"] = rate(answer.floor.fpir_target) + mark
    reviews = answer.reviews or ([] if answer.review is None else [answer.review])
    if reviews:
        headers["x-rightface-review"] = ",".join(reviews)
    if answer.review_expires is not None:
        headers["x-rightface-review-expires"] = answer.review_expires.isoformat(timespec="seconds")
    if answer.receipt is not None:
        headers["x-rightface-receipt"] = answer.receipt
    if answer.obligations:
        kinds = sorted({f"{duty.kind}={duty.value}" for duty in answer.obligations})
        headers["x-rightface-obligations"] = _one_line(",".join(kinds))
    return headers


def of_refusal(refusal: Refusal) -> dict[str, str]:
    """The headers of a refusal; its reasons as `instrument#rule`, comma separated."""
    reasons = dict.fromkeys(reason.key for reason in refusal.ruling.reasons)
    return {
        "x-rightface-permit": NONE,
        "x-rightface-ledger-index": str(refusal.ledger_index),
        "x-rightface-reasons": _one_line(",".join(reasons)) or NONE,
        "x-rightface-fmr": NONE,
    }


def of_failure(proof: tuple[str, int] | None) -> dict[str, str]:
    """The headers of an operation that was allowed and then failed: permit and ledger entry."""
    if proof is None:
        return {}
    return {"x-rightface-permit": proof[0], "x-rightface-ledger-index": str(proof[1])}


def of_matches(matches: Sequence[Candidate] | Sequence[Match]) -> dict[str, str]:
    """The false match rate of each match in the answer's order (the first 20).

    `*` marks a rate that is extrapolated beyond what the calibration's pairs can show.
    """
    told = [rate(one.fmr) + ("*" if one.extrapolated else "") for one in matches[:_TOLD_MATCHES]]
    return {"x-rightface-match-fmr": ",".join(told) or NONE}


def rate(fmr: float) -> str:
    """A false match rate with three digits: `1.6e-03`."""
    return f"{fmr:.2e}"


def _one_line(text: str) -> str:
    printable = re.sub(r"[^\x21-\x7e]+", "-", text)
    if len(printable) <= _LONGEST:
        return printable
    return printable[: _LONGEST - 4].rpartition(",")[0] + ",..."
