"""Every study by its name. The list that commands and the page show."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rightface.assay.studies import (
    aclu,
    actionable_auditing,
    clearview,
    gender_shades,
    klare,
    nist,
    tvs,
)
from rightface.assay.studies.facts import NAMES, StudyFacts, facts_of, short_name
from rightface.assay.studies.reproduction import Reproduction
from rightface.faces.packs import load_pack
from rightface.settings import Settings


def _aclu(facts: StudyFacts) -> Reproduction:
    return aclu.reproduce(facts, load_pack(Settings.comparison).calibration)


REPRODUCE: Mapping[str, Callable[[StudyFacts], Reproduction]] = {
    "gender-shades": gender_shades.reproduce,
    "actionable-auditing": actionable_auditing.reproduce,
    "aclu": _aclu,
    "nist": nist.reproduce,
    "klare": klare.reproduce,
    "clearview": clearview.reproduce,
    "tvs": tvs.reproduce,
}


def reproduce(name: str, facts: StudyFacts | None = None) -> Reproduction:
    """The study of that name or id, computed again.

    Args:
        name: `gender-shades`, or `gender-shades-2018`.
        facts: instead of those that ship.

    Raises:
        AssayError: there is no such study.
    """
    known = short_name(name)
    return REPRODUCE[known](facts or facts_of(known))


def all_studies() -> tuple[Reproduction, ...]:
    """All of them, in their order."""
    return tuple(reproduce(name) for name in NAMES)
