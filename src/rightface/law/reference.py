"""The law a second time: slow, obvious, in plain Python, from the facts in instrument.toml.

No Cedar, no cache, nothing shared with the steps but the values they are given. It is the oracle of
the property tests and the second witness of `law test`. It decides nothing in the service.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any

from rightface.law.instrument import Instrument
from rightface.law.operation import Operation
from rightface.law.vocabulary import Vocabulary
from rightface.law.world import Records


@dataclass(frozen=True)
class Verdict:
    """What the reference says."""

    outcome: str
    instruments: frozenset[str]
    """Those that forbade or asked for a duty; obligations count where nothing did."""
    missing: frozenset[str]
    reviewers: int = 0
    """How many people have to decide before anything is told; it counts where it is allowed."""


def verdict(
    operation: Operation,
    as_of: datetime,
    instruments: Iterable[Instrument],
    adopted: frozenset[str],
    records: Records | None = None,
    *,
    live: bool = False,
    strict: bool = False,
) -> Verdict:
    """The decision on one operation.

    Args:
        operation: what is asked.
        as_of: the time whose law applies.
        instruments: all that exist; which of them bind is found here.
        adopted: the commitments that are adopted.
        records: licence, consents and the rest; None: left out.
        live: whether a permit is asked for.
        strict: whether rules that were not read at their source are refused.
    """
    first = _first_verdict(operation, as_of, instruments, adopted, records, live, strict)
    if not live or records is None:
        return first
    # What people have to see first: the service can hold it back for them, of one operation only.
    speaking = frozenset[str]() if first.outcome == "allow" else first.instruments
    if operation.action != "identify-1toN":
        if first.reviewers == 0:
            return first
        return _lacking_review(first, speaking, first.reviewers)
    second = first
    if first.outcome == "require-duty" and first.missing <= _HELD_BACK:
        held = replace(records, duties=records.duties | first.missing)
        second = _first_verdict(operation, as_of, instruments, adopted, held, live, strict)
    asked = [2 if name == "two-person-review" else 1 for name in first.missing & _HELD_BACK]
    needed = max([first.reviewers, second.reviewers, *asked])
    if needed > records.reviewers:
        return _lacking_review(first, speaking, needed)
    if second.outcome != "allow":
        return first
    return Verdict("allow", speaking | second.instruments, frozenset(), needed)


def _lacking_review(first: Verdict, speaking: frozenset[str], needed: int) -> Verdict:
    lacking = "two-person-review" if needed > 1 else "human-review"
    outcome = "deny" if first.outcome == "deny" else "require-duty"
    return Verdict(outcome, speaking, first.missing | {lacking})


_HELD_BACK = frozenset({"human-review", "two-person-review"})


def _first_verdict(
    operation: Operation,
    as_of: datetime,
    instruments: Iterable[Instrument],
    adopted: frozenset[str],
    records: Records | None,
    live: bool,
    strict: bool,
) -> Verdict:
    words = Vocabulary.load()
    refused = live and (
        operation.as_of not in (None, as_of)
        or operation.client is None
        or operation.licence_id is None
        or len(operation.conditions) > 0
        or operation.known_at not in (None, as_of)
    )
    missing: set[str] = set()
    speaking: set[str] = set()
    obliging: set[str] = set()
    reviewers = 0

    if records is not None:
        refused = refused or (live and operation.action != "erase" and len(records.damaged) > 0)
        relied_on = operation.warrant != "none" or operation.warrant_id is not None
        if operation.action == "erase":
            relied_on = False
        if relied_on and (live or operation.warrant_id is not None):
            refused = refused or not _warrant_covers(operation, as_of, records, live, words)
        refused = refused or not _licence_covers(operation, as_of, records, live, words)
        refused = refused or not _consent_covers(operation, records, words)
        if operation.action != "erase":
            refused = refused or any(
                _origin(f, operation, records) == "" for f in operation.findings
            )
        if not _evidence_suffices(operation, as_of, records, words):
            missing.add("accuracy-evidence")

    applying = list(_applying(operation, as_of, instruments, adopted, records, live))
    forbidden = {actor for _, rule, actor in applying if rule["effect"] != "oblige"}
    for instrument, rule, actor in applying:
        if rule["effect"] == "oblige":
            obliging.add(instrument)
            # Who may not do it at all is not told how to do it.
            reviewers = max(reviewers, 0 if actor in forbidden else rule["reviewers"])
        else:
            speaking.add(instrument)
            refused = refused or rule["effect"] == "forbid"
            missing.update({rule["duty"]} if rule["effect"] == "duty" else ())

    if strict:
        for instrument in _resting_on_hearsay(operation, as_of, instruments, adopted, records):
            refused = True
            speaking.add(instrument)

    if refused:
        return Verdict("deny", frozenset(speaking), frozenset(missing), reviewers)
    if missing:
        return Verdict("require-duty", frozenset(speaking), frozenset(missing), reviewers)
    return Verdict("allow", frozenset(obliging), frozenset(), reviewers)


# ---------------------------------------------------------------- instruments
def _applying(
    operation: Operation,
    as_of: datetime,
    instruments: Iterable[Instrument],
    adopted: frozenset[str],
    records: Records | None,
    live: bool,
) -> Iterator[tuple[str, Mapping[str, Any], str]]:
    words = Vocabulary.load()
    if operation.action == "erase":
        return
    facts = _facts(operation, as_of, records, live, words)
    for instrument in instruments:
        if _binds(instrument, operation, as_of, adopted):
            for rule in instrument.facts["rules"]:
                place = rule.get("jurisdiction", instrument.facts["jurisdiction"])
                if not _happens_in(place, operation, records, words):
                    continue
                for actor in _chain(operation, records):
                    if _applies(rule, actor, operation, as_of, facts, words):
                        yield (
                            instrument.instrument_id,
                            {**rule, "reviewers": _reviewers(instrument, rule["id"])},
                            actor,
                        )


def _reviewers(instrument: Instrument, rule_id: str) -> int:
    for rule in instrument.rules:
        told = rule.obligation if rule.rule_id == rule_id else None
        if told is not None and told.kind == "human-review":
            return int(told.value)
    return 0


def _resting_on_hearsay(
    operation: Operation,
    as_of: datetime,
    instruments: Iterable[Instrument],
    adopted: frozenset[str],
    records: Records | None,
) -> Iterator[str]:
    words = Vocabulary.load()
    if operation.action == "erase":
        return
    for instrument in instruments:
        if not _binds(instrument, operation, as_of, adopted):
            continue
        for rule in instrument.facts["rules"]:
            place = rule.get("jurisdiction", instrument.facts["jurisdiction"])
            if _is_hearsay(instrument.facts, rule, _known_day(operation, as_of)) and _happens_in(
                place, operation, records, words
            ):
                bare = {name: rule[name] for name in rule if name not in ("when", "unless")}
                for actor in _chain(operation, records):
                    if _applies(bare, actor, operation, as_of, {}, words):
                        yield instrument.instrument_id


def _is_hearsay(told: Mapping[str, Any], rule: Mapping[str, Any], known: date) -> bool:
    marks = [rule["c"]]
    if rule.get("unless"):
        for exception in told.get("exceptions", []):
            marks.append(exception["c"])
    if "known_as" in told:
        newest = None
        for entry in told["known_as"]:
            if entry["known_from"] <= known:
                newest = entry
        if newest is not None:
            marks.append(newest["c"])
    elif "c" in told.get("date_evidence", {}):
        marks.append(told["date_evidence"]["c"])
    else:
        for name in ("effective_from", "effective_until"):
            marks.append(told.get("date_evidence", {}).get(name, {}).get("c"))
    return "recalled" in marks or "derived" in marks


def _binds(
    instrument: Instrument,
    operation: Operation,
    as_of: datetime,
    adopted: frozenset[str],
) -> bool:
    told = instrument.facts
    today = as_of.astimezone(UTC).date()
    if told["kind"] == "corporate-commitment" and told["id"] not in adopted:
        return False
    if told["kind"] == "baseline":
        return True
    if "effective_from" not in told:
        return False
    # Without a history it was known from its adoption, or else from its first day.
    history = told.get("known_as") or [
        {**told, "known_from": told.get("adopted", told["effective_from"])}
    ]
    heard_of = [one for one in history if one["known_from"] <= _known_day(operation, as_of)]
    if not heard_of:
        return False
    newest = max(heard_of, key=lambda one: one["known_from"])
    if today < newest["effective_from"]:
        return False
    return "effective_until" not in newest or today < newest["effective_until"]


def _known_day(operation: Operation, as_of: datetime) -> date:
    known = as_of if operation.known_at is None else operation.known_at
    return known.astimezone(UTC).date()


def _happens_in(
    wide: str, operation: Operation, records: Records | None, words: Vocabulary
) -> bool:
    places = [
        operation.client_jurisdiction,
        operation.place_jurisdiction,
        operation.gallery_jurisdiction,
    ]
    if records is not None and records.licence is not None:
        places.append(records.licence.jurisdiction)
    return any(_lies_in(place, wide, words) for place in places)


def _lies_in(place: str, wide: str, words: Vocabulary) -> bool:
    if wide == "*":
        return True
    if wide in words.unions and place.split("-", maxsplit=1)[0] in words.unions[wide]:
        return True
    parts, wide_parts = place.split("-"), wide.split("-")
    if parts[:2] in (["GB", "ENG"], ["GB", "WLS"]) and wide == "GB-EAW":
        return True
    return parts[: len(wide_parts)] == wide_parts


def _chain(operation: Operation, records: Records | None) -> set[str]:
    chain = {operation.actor}
    for party in operation.parties:
        chain.add(party.actor)
    if records is not None and records.licence is not None:
        chain.add(records.licence.sector)
        for party in records.licence.parties:
            chain.add(party.actor)
    return chain


def _applies(
    rule: Mapping[str, Any],
    actor: str,
    operation: Operation,
    as_of: datetime,
    facts: Mapping[str, Any],
    words: Vocabulary,
) -> bool:
    today = as_of.astimezone(UTC).date()
    if "from" in rule and today < rule["from"]:
        return False
    if "until" in rule and today >= rule["until"]:
        return False
    known = _known_day(operation, as_of)
    if "known_from" in rule and known < rule["known_from"]:
        return False
    if "known_until" in rule and known >= rule["known_until"]:
        return False
    action = operation.action
    if not any(
        name in ("everyone", actor) or name in words.groups_of(actor) for name in rule["actors"]
    ):
        return False
    if rule["operations"] and action not in rule["operations"]:
        return False
    if any(_holds(one, action, facts) for one in rule.get("unless", [])):
        return False
    return not rule.get("when") or any(_holds(one, action, facts) for one in rule["when"])


def _holds(alternative: Mapping[str, Any], action: str, facts: Mapping[str, Any]) -> bool:
    for name, wanted in alternative.items():
        value = action if name == "operation" else facts[name]
        if isinstance(wanted, dict):
            if "over" in wanted and not value > wanted["over"]:
                return False
            if "under" in wanted and not value < wanted["under"]:
                return False
            if "has" in wanted and wanted["has"] not in value:
                return False
            if "lacks" in wanted and wanted["lacks"] in value:
                return False
        elif isinstance(wanted, list):
            if value not in wanted:
                return False
        elif value != wanted:
            return False
    return True


def _facts(
    operation: Operation,
    as_of: datetime,
    records: Records | None,
    live: bool,
    words: Vocabulary,
) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    for name, condition in words.conditions.items():
        facts[name] = condition.default
    if operation.purpose in words.purposes:
        facts["purpose"] = operation.purpose
        facts["consequential"] = words.purposes[operation.purpose or ""].consequential
    facts["warrant"] = operation.warrant
    facts["legal_basis"] = _basis(operation, records)
    facts["realtime"] = operation.realtime or operation.action == "identify-live"
    facts["device"] = operation.device
    if records is not None:
        if live:
            facts["channel"] = "own-system"
            facts["hours_since_start"] = 1_000_000
        for name, value in records.standing.items():
            facts[name] = value
        _add_measured(facts, as_of, records)
        if live or operation.warrant_id is not None:
            facts["warrant"] = "none"
            if records.warrant is not None and _warrant_covers(
                operation, as_of, records, live, words
            ):
                facts["warrant"] = records.warrant.kind
                facts.update(_case_facts(records, as_of))
        if operation.findings:
            facts["other_evidence"] = _other_evidence(operation, records)
        facts["facts"] = tuple(records.facts)
        facts["duties"] = tuple(records.duties)
        consented = written = explicit = True
        clicked = False
        for subject in operation.subjects:
            consent = records.consents.get(subject)
            consented = consented and consent is not None
            written = written and consent is not None and words.how[consent.how]
            explicit = explicit and consent is not None and consent.how != "implied"
            clicked = clicked or (consent is not None and consent.how == "electronic-signature")
        facts["explicit_consent"] = explicit and len(operation.subjects) > 0
        facts["electronic_signature"] = consented and written and clicked
        if operation.subjects:
            facts["consent"], facts["written_release"] = consented, written
        else:
            facts["consent"] = _basis(operation, records) == "consent-warranted"
            facts["written_release"] = False
    if not live:
        on_record = {"duties": facts["duties"], "facts": facts["facts"]}
        for name, value in operation.conditions.items():
            if isinstance(value, tuple) and name in on_record:
                facts[name] = on_record[name] + value
            else:
                facts[name] = value
    for name, value in operation.declared.items():
        facts[name] = value
    facts["offence_violent"] = words.offences[facts["offence"]].violent
    facts["offence_felony"] = words.offences[facts["offence"]].felony
    return facts


def _add_measured(facts: dict[str, Any], as_of: datetime, records: Records) -> None:
    lowest, worst = "lowest_group_true_positive_permille", "worst_group_false_match_times"
    today = as_of.astimezone(UTC).date()
    recent = [one for one in records.evidence if _is_recent(one.measured_on, today, 3)]
    splits = [split.columns for one in recent for split in one.splits]
    if not any(columns and set(columns) <= set(_KINDS_OF_GROUPS) for columns in splits):
        return
    for one in recent:
        if one.lowest_tmr is not None:
            permille = int(1000 * one.lowest_tmr + 1e-9)
            facts[lowest] = permille if facts[lowest] < 0 else min(facts[lowest], permille)
        if one.differential is not None:
            high = one.differential.high
            facts[worst] = max(facts[worst], 1_000_000 if high is None else -int(-high // 1))


# ---------------------------------------------------------------- warrant
def _warrant_covers(
    operation: Operation, as_of: datetime, records: Records, live: bool, words: Vocabulary
) -> bool:
    warrant = records.warrant
    if warrant is None or operation.warrant_id is None or warrant.client != operation.client:
        return False
    if operation.warrant not in ("none", warrant.kind):
        return False
    if not warrant.valid_from <= as_of < warrant.valid_until:
        return False
    if warrant.ended_at is not None and (live or warrant.ended_at <= as_of):
        return False
    if warrant.limit_hours is not None:
        due = warrant.valid_from + timedelta(hours=warrant.limit_hours)
        for done in (warrant.requested_at, warrant.reported_at):
            if as_of >= due and (done is None or done > as_of):
                return False
    covered = set(warrant.operations)
    for name in warrant.operations:
        covered.update(words.operations[name].implies)
    gallery = operation.gallery
    return (
        operation.action in covered
        and operation.purpose in warrant.purposes
        and (gallery is None or any(fnmatchcase(gallery, one) for one in warrant.galleries))
        and all(
            any(_lies_in(place, one, words) for one in warrant.jurisdictions)
            for place in (
                operation.client_jurisdiction,
                operation.place_jurisdiction,
                operation.gallery_jurisdiction,
            )
        )
    )


def _case_facts(records: Records, as_of: datetime) -> dict[str, Any]:
    warrant = records.warrant
    assert warrant is not None
    requested = -1
    if warrant.requested_at is not None and warrant.requested_at <= as_of:
        requested = max(0, (warrant.requested_at - warrant.valid_from) // timedelta(hours=1))
    return {
        **warrant.conditions,
        "hours_since_start": max(0, (as_of - warrant.valid_from) // timedelta(hours=1)),
        "authorisation_requested_after_hours": requested,
    }


# ---------------------------------------------------------------- findings
def _other_evidence(operation: Operation, records: Records) -> str:
    origins = [_origin(cited, operation, records) for cited in operation.findings]
    if "independent" in origins:
        return "independent"
    return "derived-from-match" if "derived" in origins else "none"


def _origin(cited: str, operation: Operation, records: Records) -> str:
    """search, derived or independent; empty: it is not on record, or something behind it is not."""
    if cited in records.provenance.searches:
        return "search"
    behind: set[str] = set()
    open_ = {cited}
    while open_:
        one = open_.pop()
        behind.add(one)
        if one in records.provenance.searches:
            continue
        finding = records.provenance.findings.get(one)
        if finding is None or finding.client != operation.client:
            return ""
        open_.update(parent for parent in finding.parents if parent not in behind)
    return "derived" if behind & records.provenance.searches else "independent"


# ---------------------------------------------------------------- licence, consent, evidence
def _basis(operation: Operation, records: Records | None) -> str:
    if operation.legal_basis is not None:
        return operation.legal_basis
    if records is not None and records.licence is not None:
        return records.licence.basis
    return "consent-warranted"


def _licence_covers(
    operation: Operation, as_of: datetime, records: Records, live: bool, words: Vocabulary
) -> bool:
    licence = records.licence
    if licence is None or licence.client != operation.client:
        return False
    if licence.revoked_at is not None and (live or licence.revoked_at <= as_of):
        return False
    if operation.action == "erase":
        return True
    if not licence.valid_from <= as_of < licence.valid_until:
        return False
    granted = set(licence.operations)
    for name in licence.operations:
        granted.update(words.operations[name].implies)
    gallery = operation.gallery
    gallery_granted = (
        operation.action not in ("enroll", "identify-1toN", "identify-live")
        if gallery is None
        else any(fnmatchcase(gallery, pattern) for pattern in licence.galleries)
    )
    return (
        operation.actor == licence.sector
        and operation.action in granted
        and operation.purpose in words.purposes
        and operation.purpose in licence.purposes
        and gallery_granted
        and operation.legal_basis in (None, licence.basis)
        and all(
            any(_lies_in(place, wide, words) for wide in licence.jurisdictions)
            for place in (operation.place_jurisdiction, operation.gallery_jurisdiction)
        )
    )


def _consent_covers(operation: Operation, records: Records, words: Vocabulary) -> bool:
    action, basis = operation.action, _basis(operation, records)
    enrolling, nobody_named = action == "enroll", not operation.subjects
    if action == "erase":
        return True
    if words.bases[basis] and action not in words.bases[basis]:
        return False
    if enrolling and any(subject in records.suppressed for subject in operation.subjects):
        return False
    if action in ("manage-gallery", "rebuild-index", "measure-accuracy"):
        return True
    if enrolling and nobody_named:
        return False
    if basis != "consent-warranted":
        return True
    for subject in operation.subjects:
        if subject not in records.consents:
            return False
        agreed = records.consents[subject].obtained_at
        for _, erased_at in records.suppressions.get(subject, ()):
            if enrolling and not erased_at < agreed:
                return False
    return True


def _evidence_suffices(
    operation: Operation, as_of: datetime, records: Records, words: Vocabulary
) -> bool:
    today = as_of.astimezone(UTC).date()
    asked = _asked_of_evidence(operation, records, words)
    pairs, per_face, people, genuine, years, groups, attributes, limit = asked
    if pairs == 0:
        return True
    if records.evidence_damaged:
        return False
    recent = [one for one in records.evidence if _is_recent(one.measured_on, today, years)]
    if not any(
        one.impostor_pairs >= pairs
        and one.impostor_pairs >= per_face * records.faces
        and one.people >= people
        for one in recent
    ):
        return False
    if max((one.genuine_pairs for one in recent), default=0) < genuine:
        return False
    if records.licence is not None and records.licence.differential_limit is not None:
        limit = min(limit, records.licence.differential_limit)
        groups = max(groups, 2)
    if limit == _NO_LIMIT:
        return True
    shown = False
    for one in recent:
        told = one.differential
        if told is None or told.fmr_target > 1e-3:
            continue
        if told.low > limit:
            return False
        if told.high is None or told.high > limit:
            continue
        if records.faces > round(100 / told.fmr_target):
            continue
        by_people = hidden = False
        for split in one.splits:
            kinds = [_KINDS_OF_GROUPS.get(column, "none") for column in split.columns]
            if kinds and "none" not in kinds and attributes <= set(kinds):
                by_people = by_people or split.groups >= groups
            hidden = hidden or split.small_times > limit
        if by_people and not hidden:
            shown = True
    return shown


_NO_LIMIT = 10.0**300
# As the worlds that are drawn spell them; tests/law/test_splits.py has the other ways.
_KINDS_OF_GROUPS = {"sex": "sex", "gender": "sex", "race": "race", "ethnicity": "race"}


def _asked_of_evidence(
    operation: Operation, records: Records, words: Vocabulary
) -> tuple[int, int, int, int, int, int, set[str], float]:
    """Impostor pairs, pairs per face, people, genuine pairs, years, groups, their kinds, limit.

    No pairs: nothing is asked.
    """
    crossed = {"sex", "race"}
    police = any("law-enforcement" in words.groups_of(one) for one in _chain(operation, records))
    if operation.action == "verify-1to1":
        return 3_000, 0, 80, 300, 3, 0, set(), _NO_LIMIT
    if operation.action == "identify-live":
        return 10_000_000, 100, 2_000, 3_000, 1, 8, crossed, 2.0
    if operation.action != "identify-1toN":
        return 0, 0, 0, 0, 0, 0, set(), _NO_LIMIT
    if police:
        return 10_000_000, 100, 2_000, 3_000, 1, 8, crossed, 2.0
    if _basis(operation, records) != "consent-warranted":
        return 10_000_000, 100, 2_000, 3_000, 2, 8, crossed, 3.0
    if records.faces > 1_000:
        return 1_000_000, 100, 1_000, 3_000, 2, 4, {"race"}, 10.0
    return 100_000, 0, 450, 300, 2, 0, set(), _NO_LIMIT


def _is_recent(measured: date, today: date, years: int) -> bool:
    if (measured.month, measured.day) == (2, 29):  # so many years on there may be no such day
        last = date(measured.year + years, 3, 1) - timedelta(days=1)
    else:
        last = date(measured.year + years, measured.month, measured.day)
    return measured <= today <= last
