"""Clearview's claim: what would have to be stated, and how far apart its meanings lie without."""

from __future__ import annotations

from rightface.assay.intervals import RULE_OF_30
from rightface.assay.studies.claims import Claim, Meaning, lacking, meaning
from rightface.assay.studies.facts import StudyFacts
from rightface.assay.studies.reproduction import Reproduction, ours, reproduction, stated

SHARES = (0.35, 0.5, 0.65, 0.8, 0.95)
"""Shares of searches of people who are enrolled: nobody says which it was."""


def claim_of(facts: StudyFacts) -> Claim:
    """The claim, with what its source says and no more."""
    said = facts.quantities
    return Claim(
        value=facts.number("accuracy") / 100,
        of=str(said["rate"].value) if "rate" in said else "",
        threshold=str(said["threshold"].value) if "threshold" in said else "",
        gallery_size=facts.count("measured_gallery") if "measured_gallery" in said else None,
        mated_share=facts.number("mated_share") if "mated_share" in said else None,
    )


def meanings(facts: StudyFacts) -> tuple[Meaning, ...]:
    """FPIR and FNIR for each share of people who are enrolled, and both ends of the hit rate."""
    hits = (facts.number("lowest_hit_rate") / 100, facts.number("highest_hit_rate") / 100)
    told = (
        meaning(facts.number("accuracy") / 100, hit, share, facts.count("gallery"))
        for hit in hits
        for share in SHARES
    )
    return tuple(one for one in told if one is not None)


def reproduce(facts: StudyFacts) -> Reproduction:
    """Nothing can be computed again: what is missing, and what it could have meant."""
    missing = lacking(claim_of(facts))
    possible = meanings(facts)
    fnir = [one.fnir for one in possible]
    fpir = [one.fpir for one in possible]
    fmr = [one.fmr for one in possible]
    return reproduction(
        facts,
        (),
        (
            stated(facts, "meaning", bool(missing), f"not stated: {'; '.join(missing)}"),
            stated(facts, "hit-rate", max(fnir) > 0.5),
            stated(facts, "refuse", bool(missing)),
            ours(
                f"Taken at its word ({facts.number('accuracy'):g} % of the hits are right, hits in "
                f"{facts.number('lowest_hit_rate'):g} to {facts.number('highest_hit_rate'):g} % of "
                f"searches), and if {100 * SHARES[0]:g} to {100 * SHARES[-1]:g} % of those "
                f"searched for are enrolled, it fits an FNIR of {100 * min(fnir):.1f} to "
                f"{100 * max(fnir):.0f} % and an FPIR of {100 * min(fpir):.2f} to "
                f"{100 * max(fpir):.1f} %."
            ),
            ours(
                f"Among {facts.count('gallery'):,} photographs that needs a false match rate of "
                f"{min(fmr):.1g} to {max(fmr):.1g} of each comparison. To show the higher of "
                f"them by {RULE_OF_30} errors takes {RULE_OF_30 / max(fmr):.1g} comparisons of "
                "different people."
            ),
        ),
    )
