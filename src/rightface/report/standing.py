"""What stands on record at the end of a report's span: licences, law, duties, evidence, retention.

Numbers and words of the vocabulary; no person, no face, no gallery's name or content. Must never
know a page, or the ledger.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from rightface import __version__
from rightface.faces.packs import ModelPack
from rightface.gallery import retention, review_figures
from rightface.gallery.rows import CollectionRow, FaceRow, SubjectRow
from rightface.instance import Instance
from rightface.law import adoptions, duties, licences, warrant_records
from rightface.law import facts as law_facts
from rightface.law.licences import Licence
from rightface.law.policies import RuleSet
from rightface.report.tally import few

DUE_DAYS = 30
REVIEW = "human-review"
REVIEW_STATE = (
    "Where a rule asks for human review, a search is sealed until named people have decided on each"
    " candidate; what cannot be sealed, or lacks reviewers, is refused."
)
RATES = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
"""False match rates for which the report gives the similarity that stands for them."""


def licensed(instance: Instance, session: Session, start: datetime, end: datetime) -> list[Any]:
    """The licences that held at some time of [start, end), by sector; the operator's own too."""
    told = [
        _licence(one)
        for one in licences.all_licences(session, instance.keyring)
        if one.valid_from < end and start < min(one.valid_until, one.revoked_at or one.valid_until)
    ]
    return sorted(told, key=lambda one: (one["sector"], one["client"], one["valid_from"]))


def _licence(one: Licence) -> dict[str, Any]:
    return {
        "client": one.client,
        "sector": one.sector,
        "jurisdiction": one.jurisdiction,
        # A person who acts for themself is not named.
        "behind": [
            {
                "name": "a person" if party.actor == "individual" else party.name,
                "sector": party.actor,
            }
            for party in one.parties
        ],
        "purposes": sorted(one.purposes),
        "operations": sorted(one.operations),
        "places": sorted(one.jurisdictions),
        "basis": one.basis,
        "valid_from": one.valid_from.date().isoformat(),
        "valid_until": one.valid_until.date().isoformat(),
        "revoked": _date(one.revoked_at),
    }


def places_of(instance: Instance, held: Iterable[dict[str, Any]]) -> frozenset[str]:
    """Where the instance is, where its clients are, and where they may use it."""
    places = {instance.settings.jurisdiction}
    for one in held:
        places |= {one["jurisdiction"], *one["places"]}
    return frozenset(places)


def rules_at(instance: Instance, session: Session, places: frozenset[str], at: datetime) -> RuleSet:
    """The rules in force at `at` in these places, with the commitments adopted then."""
    adopted = frozenset(
        one.instrument
        for one in adoptions.all_adoptions(session, instance.keyring)
        if _stood(one.adopted_at, one.withdrawn_at, at)
    )
    return instance.library.in_force(at.date(), places, adopted)


def in_force(instance: Instance, rules: RuleSet) -> list[Any]:
    """The instruments in force, each with how well it is known and who reviewed it."""
    told = []
    for name in rules.instruments:
        one = instance.library.instruments[name]
        told.append(
            {
                "instrument": name,
                "name": one.name,
                "kind": one.kind,
                "citation": one.citation,
                "jurisdiction": one.jurisdiction,
                "from": _day(one.effective_from),
                "until": _day(one.effective_until),
                "unverified": one.unverified,
                "reviewed_by": one.review,
            }
        )
    return told


def duties_at(
    instance: Instance,
    session: Session,
    rules: RuleSet,
    refusals: Iterable[dict[str, Any]],
    at: datetime,
) -> list[Any]:
    """Each duty that a rule in force asks for or that is on record: since when, or missing."""
    asked: dict[str, list[str]] = {}
    for rule in rules.rules:
        if rule.duty:
            asked.setdefault(rule.duty, []).append(rule.key)
    standing = [
        one
        for one in duties.all_duties(session, instance.keyring)
        if one.signed and _stood(max(one.met_from, one.recorded_at), one.ended_at, at)
    ]
    since = {one.duty: max(one.met_from, one.recorded_at) for one in standing}
    everywhere = {one.duty for one in standing if one.client is None and one.gallery is None}
    refused = {f"{one['instrument']}#{one['rule']}": one["number"] for one in refusals}
    words = instance.library.vocabulary.duties
    told = []
    for duty in sorted(asked.keys() | since.keys()):
        state = "on record" if duty in since else "missing"
        if duty in since and duty not in everywhere:
            state = "on record for some clients or galleries only"
        told.append(
            {
                "duty": duty,
                "state": state if words[duty].recordable else "met, or not, at each request",
                "since": _date(since.get(duty)),
                "asked_by": sorted(asked.get(duty, [])),
                "refusals_that_named_it": sum(refused.get(key, 0) for key in asked.get(duty, [])),
            }
        )
    return told


def commitments(instance: Instance, session: Session, at: datetime) -> list[Any]:
    """The commitments adopted up to `at`."""
    return [
        {
            "instrument": one.instrument,
            "adopted": one.adopted_at.date().isoformat(),
            "withdrawn": _date(one.withdrawn_at)
            if one.withdrawn_at and one.withdrawn_at <= at
            else None,
            "signed": one.signed,
        }
        for one in adoptions.all_adoptions(session, instance.keyring)
        if one.adopted_at <= at
    ]


def facts(instance: Instance, session: Session, at: datetime) -> list[Any]:
    """The facts and standing conditions recorded up to `at`: value, dates, document.

    No attester is named, and no gallery. A record that is damaged counts for nothing.
    """
    found, damaged = law_facts.all_facts(session, instance.keyring)
    told = [
        {
            "fact": one.name,
            "of": one.client or "whoever asks",
            "value": one.value,
            "from": one.valid_from.date().isoformat(),
            "until": _date(one.valid_until),
            "ended": _date(one.ended_at) if one.ended_at and one.ended_at <= at else None,
            "attested": one.attestation is not None,
            "document": one.document_digest,
        }
        for one in found
        if one.recorded_at <= at
    ]
    return [*told, *({"fact": "damaged record", **_NOTHING} for _ in damaged)]


_NOTHING: dict[str, None] = dict.fromkeys(
    ("of", "value", "from", "until", "ended", "attested", "document")
)


def warrants(instance: Instance, session: Session, start: datetime, end: datetime) -> list[Any]:
    """The records made in [start, end), counted by kind; nothing else of any of them is told."""
    kinds: Counter[str] = Counter()
    for one in warrant_records.all_warrants(session, instance.keyring):
        if one.warrant is None:
            kinds["damaged record"] += 1
        elif start <= one.warrant.recorded_at < end:
            kinds[one.warrant.kind] += 1
    return [{"kind": kind, "number": few(number)} for kind, number in sorted(kinds.items())]


def human_review(instance: Instance, refusals: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """How often an operation was refused because nobody would have reviewed its candidates."""
    rules = {
        rule.key
        for one in instance.library.instruments.values()
        for rule in one.rules
        if rule.duty == REVIEW
    }
    found = sum(r["number"] for r in refusals if f"{r['instrument']}#{r['rule']}" in rules)
    return {
        "state": REVIEW_STATE,
        "refused_for_want_of_review": found,
        "rules_that_ask_for_it": len(rules),
        "reviewed_candidates": reviewed_candidates(instance),
    }


def reviewed_candidates(instance: Instance) -> list[dict[str, Any]]:
    """How reviewed candidates came out since the beginning, by false match rate. Few: not told."""
    counted: Counter[tuple[str, str]] = Counter()
    with instance.database.read() as session:
        for row in review_figures.figures(session):
            if row.band != review_figures.NO_BAND:
                counted[row.band, row.outcome] += row.number
    return [
        {"rate_up_to": band, "outcome": outcome, "number": few(number)}
        for (band, outcome), number in sorted(counted.items())
    ]


def held(session: Session, now: datetime) -> dict[str, Any]:
    """What is held as the report is made, and what is due: counts over all galleries."""
    coming = retention.due(session, at=now, until=now + timedelta(days=DUE_DAYS))
    overdue = sum(one.overdue for one in coming)
    return {
        "as_of": now.isoformat(timespec="seconds"),
        "galleries": _count(session, CollectionRow),
        "faces": few(_count(session, FaceRow)),
        "people": few(_count(session, SubjectRow)),
        "due_within_days": DUE_DAYS,
        "due": few(sum(one.faces for one in coming) - overdue),
        "overdue": few(overdue),
        "without_a_date": few(
            session.execute(
                select(func.count()).where(
                    FaceRow.retain_until.is_(None), FaceRow.idle_until.is_(None)
                )
            ).scalar_one()
        ),
    }


def system(pack: ModelPack) -> dict[str, Any]:
    """The software and the model pack, with where its weights come from."""
    return {
        "product": "rightface",
        "version": __version__,
        "licence": "Apache-2.0",
        "pack": pack.id,
        "pack_digest": pack.digest,
        "template_numbers": pack.dimension,
        "weights": [
            {
                "name": file.name,
                "source": file.source,
                "licence": file.licence,
                "sha256": file.sha256,
            }
            for file in pack.weights
        ],
    }


def accuracy(pack: ModelPack) -> dict[str, Any]:
    """What the pack's error rates were measured on, and what they are, as the pack has them."""
    measured, table = pack.calibration.provenance, pack.calibration
    return {
        "measured_on": measured.measured_on.isoformat(),
        "data_sets": list(measured.data_sets),
        "impostor_pairs": measured.impostor_pairs,
        "genuine_pairs": measured.genuine_pairs,
        "smallest_rate_shown": measured.smallest_fmr,
        "thresholds": [
            {
                "false_match_rate": rate,
                "score": round(table.score_at(rate), 4),
                "extrapolated": rate < measured.smallest_fmr,
            }
            for rate in RATES
        ],
        "caveats": list(measured.caveats),
    }


def _count(session: Session, table: type[CollectionRow | FaceRow | SubjectRow]) -> int:
    return session.execute(select(func.count()).select_from(table)).scalar_one()


def _stood(start: datetime, end: datetime | None, at: datetime) -> bool:
    return start <= at and (end is None or end > at)


def _date(when: datetime | None) -> str | None:
    return None if when is None else when.date().isoformat()


def _day(day: date | None) -> str | None:
    return None if day is None else day.isoformat()
