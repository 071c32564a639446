"""Facts and standing conditions: which hold, by both clocks, for whom; none can be bent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event, text

from rightface.errors import LawError
from rightface.law import facts
from rightface.law.facts import FactOnRecord, FactTerms
from rightface.law.on_record import OnRecord, on_record
from rightface.law.vocabulary import Fact, Vocabulary
from rightface.law.world import STATED_ELSEWHERE
from tests.law.conftest import NOTICE, NOW, Instance, keys, operation

VIRGINIA = "us-va-police-use-authorised"
TICK, DAY = timedelta(microseconds=1), timedelta(days=1)


def record(instance: Instance, name: str = VIRGINIA, **changed: Any) -> FactOnRecord:
    at = changed.pop("at", instance.now)
    told: dict[str, Any] = {
        "name": name,
        "valid_from": NOW,
        "attester": "Attorney General of Virginia",
        "document_digest": NOTICE,
    } | changed
    return instance.database.write(
        lambda session: facts.record_fact(session, instance.keyring, FactTerms(**told), at=at)
    )


def end(instance: Instance, fact_id: str, at: datetime) -> FactOnRecord:
    return instance.database.write(
        lambda session: facts.end_fact(session, instance.keyring, fact_id, at=at)
    )


def read(instance: Instance, as_of: datetime, **told: Any) -> OnRecord:
    with instance.database.read() as session:
        return on_record(session, instance.keyring, as_of=as_of, **told)


def states(instance: Instance, as_of: datetime, **told: Any) -> frozenset[str]:
    return read(instance, as_of, **told).facts


# ---------------------------------------------------------------- two clocks
def test_a_fact_holds_within_its_dates_once_it_is_known(instance: Instance) -> None:
    until = NOW + 2 * DAY
    record(instance, valid_until=until, at=NOW - DAY)
    for at, holds in ((NOW - TICK, False), (NOW, True), (until - TICK, True), (until, False)):
        assert (VIRGINIA in states(instance, at)) is holds, at


def test_what_was_recorded_later_was_not_known_before(instance: Instance) -> None:
    told_of = NOW + 5 * DAY
    record(instance, at=told_of)
    assert not states(instance, NOW + DAY)  # known at its own time: not yet
    assert not states(instance, NOW + DAY, known_at=told_of - TICK)
    assert states(instance, NOW + DAY, known_at=told_of) == {VIRGINIA}
    assert not states(instance, NOW - TICK, known_at=told_of)


def test_an_end_counts_from_when_it_was_known_and_for_a_permit_at_once(instance: Instance) -> None:
    fact = record(instance)
    ended = NOW + 2 * DAY
    assert end(instance, fact.fact_id, ended).ended_at == ended
    assert states(instance, NOW + DAY) == {VIRGINIA}
    assert states(instance, NOW + DAY, known_at=ended - TICK) == {VIRGINIA}
    assert not states(instance, NOW + DAY, known_at=ended)
    assert not states(instance, NOW + DAY, live=True)


def test_ending_twice_keeps_the_first_end(instance: Instance) -> None:
    fact = record(instance)
    end(instance, fact.fact_id, NOW + DAY)
    assert end(instance, fact.fact_id, NOW + 3 * DAY).ended_at == NOW + DAY
    with pytest.raises(LawError, match="no fact"):
        end(instance, "fct-0", NOW)


# ---------------------------------------------------------------- what may stand
@pytest.mark.parametrize(
    ("name", "changed", "why"),
    [
        ("us-va-authorised", {}, "no fact or condition"),
        (VIRGINIA, {"value": False}, "state of the world"),
        (VIRGINIA, {"client": "acme"}, "state of the world"),
        (VIRGINIA, {"gallery": "staff*"}, "state of the world"),
        (VIRGINIA, {"attester": " "}, "named person"),
        (VIRGINIA, {"document_digest": "x"}, "digest"),
        (VIRGINIA, {"valid_until": NOW}, "ends before"),
        (VIRGINIA, {"attestation": "{}"}, "no checklist"),
        ("capture", {}, "needs a value"),
        ("capture", {"value": "by-magic"}, "capture"),
        ("capture", {"value": True}, "capture"),
        ("notice", {"value": 1}, "notice"),
        ("notice", {"value": True, "client": "a b"}, "client"),
        ("notice", {"value": True, "gallery": ""}, "pattern"),
        ("consent", {"value": True}, "cannot stand"),
        ("duties", {"value": ["posted-sign"]}, "cannot stand"),
        ("facts", {"value": [VIRGINIA]}, "cannot stand"),
        ("warrant", {"value": "warrant"}, "cannot stand"),
        ("licensed", {"value": True}, "cannot stand"),
        ("offence_violent", {"value": True}, "cannot stand"),
        ("purpose", {"value": "access-control"}, "cannot stand"),
        ("other_evidence", {"value": "independent"}, "cannot stand"),
    ],
)
def test_what_may_not_stand_is_refused(
    instance: Instance, name: str, changed: dict[str, Any], why: str
) -> None:
    with pytest.raises(LawError, match=why):
        record(instance, name, **changed)


def test_nothing_that_the_gate_finds_or_reads_elsewhere_is_recordable() -> None:
    elsewhere = STATED_ELSEWHERE | {"consent", "written_release", "explicit_consent", "duties"}
    elsewhere |= {"electronic_signature", "facts", "other_evidence", "hours_since_start"}
    elsewhere |= {"authorisation_requested_after_hours", "worst_group_false_match_times"}
    for name, condition in Vocabulary.load().conditions.items():
        if name in elsewhere or condition.derived:
            assert not condition.recordable, name
    assert not set(Vocabulary.load().facts) & set(Vocabulary.load().conditions)


# ---------------------------------------------------------------- standing conditions
def test_the_narrower_scope_counts_then_the_newest(instance: Instance) -> None:
    def at(days: int) -> dict[str, Any]:
        return {"at": NOW + days * DAY, "valid_from": NOW}

    record(instance, "capture", value="video", client="acme", gallery="staff*", **at(0))
    record(instance, "capture", value="photograph", client="acme", **at(1))
    record(instance, "capture", value="live-3d-scan", gallery="staff*", **at(2))
    record(instance, "capture", value="video", **at(3))
    record(instance, "capture", value="photograph", **at(4))

    def value(client: str, gallery: str | None) -> Fact:
        return read(instance, NOW + 9 * DAY, client=client, gallery=gallery).standing["capture"]

    assert value("acme", "staff-1") == "video"
    assert value("acme", "guests") == "photograph"
    assert value("acme", None) == "photograph"
    assert value("other", "staff-1") == "live-3d-scan"
    assert value("other", "guests") == "photograph"  # the newer of the two for all
    record(instance, "capture", value="live-3d-scan", client="acme", gallery="*", **at(5))
    assert value("acme", "staff-1") == "live-3d-scan"  # of one scope again: the newest


def test_a_gallerys_condition_is_silent_where_no_gallery_is_touched(instance: Instance) -> None:
    record(instance, "notice", value=True, gallery="*")
    assert read(instance, NOW, client="acme", gallery="any").standing == {"notice": True}
    assert read(instance, NOW, client="acme", gallery=None).standing == {}


def test_a_standing_condition_reaches_the_gate(instance: Instance) -> None:
    """BIPA asks for a release; a licence of a contractor of the state is outside it."""
    licence = instance.licence(client="acme", jurisdiction="US-IL", jurisdictions=["US-IL"])
    instance.duty()
    instance.consent("a", how="verbal")
    asked = operation(licence, "enroll", subjects=("a",))
    assert any(key.startswith("us-il-bipa-2008") for key in keys(instance.refused(asked)))
    fact = record(instance, "government_contractor", value=True, client="acme")
    instance.allowed(asked)
    instance.now = NOW + DAY
    end(instance, fact.fact_id, instance.now)
    assert any(key.startswith("us-il-bipa-2008") for key in keys(instance.refused(asked)))


# ---------------------------------------------------------------- broken records never lift
@pytest.mark.parametrize(
    "change",
    [
        "UPDATE facts_on_record SET body = replace(body, '2027', '2037')",
        "UPDATE facts_on_record SET signature = zeroblob(64)",
        "UPDATE facts_on_record SET name = 'us-vt-police-use-authorised'",
        "UPDATE facts_on_record SET client = 'acme'",
        "UPDATE facts_on_record SET recorded_at = '2020-01-01T00:00:00.000000Z'",
        "UPDATE facts_on_record SET signature = (SELECT signature FROM duties_on_record), "
        "body = (SELECT body FROM duties_on_record)",
    ],
)
def test_a_changed_fact_does_not_hold(instance: Instance, change: str) -> None:
    instance.duty()
    fact = record(instance, valid_until=datetime(2027, 6, 1, tzinfo=UTC))
    assert states(instance, NOW, client="acme") == {VIRGINIA}
    instance.database.write(lambda session: session.execute(text(change)))
    assert not states(instance, NOW, client="acme")
    with instance.database.read() as session:
        assert facts.all_facts(session, instance.keyring) == ([], [fact.fact_id])
    assert read(instance, NOW, client="acme").damaged == (fact.fact_id,)
    ended = end(instance, fact.fact_id, NOW + DAY)
    assert ended.ended_at == ended.valid_from == ended.valid_until == NOW + DAY
    for at in (NOW, NOW + DAY, NOW + 2 * DAY):
        found = read(instance, at, client="acme")
        assert (found.facts, found.damaged) == (frozenset(), ())


# ---------------------------------------------------------------- a damaged record binds in doubt
@pytest.mark.parametrize(
    "change",
    [
        "signature = zeroblob(64)",
        "body = replace(body, 'acme', 'ecma')",
        "client = 'other'",
        "client = 'other', signature = zeroblob(64)",
        "name = 'notice'",
        "recorded_at = '2099-01-01T00:00:00.000000Z'",
        "ended_at = '2020-01-01T00:00:00.000000Z'",
        "fact_id = 'fct-000000000000000000000000'",
        "body = ''",
        "body = '[]'",
    ],
)
def test_a_damaged_record_stops_permits_until_it_is_ended(instance: Instance, change: str) -> None:
    asked = operation(instance.licence(client="acme"), "verify-1to1")
    instance.allowed(asked)
    record(instance, "assembly", value=True, client="acme", gallery="staff*")
    # It stands; what it does is for the instruments. Then it is bent.
    instance.database.write(lambda s: s.execute(text(f"UPDATE facts_on_record SET {change}")))
    refusal = instance.refused(asked)
    assert "gate#damaged-record" in keys(refusal)
    with instance.database.read() as session:
        [fact_id] = facts.all_facts(session, instance.keyring)[1]
    [reason] = [r for r in refusal.ruling.reasons if r.rule == "damaged-record"]
    assert fact_id in reason.text
    assert f"rightface law facts end {fact_id}" in reason.change
    # A question is answered as ever: nothing rests on the answer.
    assert "gate#damaged-record" not in keys(instance.gate.consider(asked))
    end(instance, fact_id, NOW)
    instance.allowed(asked)
    with instance.database.read() as session:
        [closed], damaged = facts.all_facts(session, instance.keyring)
    assert (closed.fact_id, closed.state({}, NOW), damaged) == (fact_id, "ended", [])


def test_a_damaged_record_of_somebody_else_stops_nobody(instance: Instance) -> None:
    asked = operation(instance.licence(client="a_c"), "verify-1to1")
    record(instance, "notice", value=True, client="a-c")  # '_' is no wildcard
    record(instance, "notice", value=True, client="a_c2")
    broken = "UPDATE facts_on_record SET signature = zeroblob(64)"
    instance.database.write(lambda s: s.execute(text(broken)))
    instance.allowed(asked)
    assert read(instance, NOW, client="a-c").damaged != ()
    assert read(instance, NOW).damaged == ()


def test_a_damaged_duty_only_counts_as_not_met(instance: Instance) -> None:
    instance.duty()
    broken = "UPDATE duties_on_record SET signature = zeroblob(64)"
    instance.database.write(lambda s: s.execute(text(broken)))
    instance.allowed(operation(instance.licence(client="acme"), "verify-1to1"))


# ---------------------------------------------------------------- facts of one case
CASE = sorted(name for name, one in Vocabulary.load().conditions.items() if one.case)


def test_what_is_of_one_case_is_known() -> None:
    assert {"offence", "suspicion", "imminent_threat", "develops_leads"} <= set(CASE)


@pytest.mark.parametrize("name", CASE)
def test_what_is_of_one_case_stands_for_one_client_and_ends_soon(
    instance: Instance, name: str
) -> None:
    condition = Vocabulary.load().conditions[name]
    words = {"offence": "homicide", "bool": True, "word": condition.words[-1:]}
    value = words[condition.kind]
    told = {"value": value[0] if isinstance(value, tuple) else value}
    longest = NOW + timedelta(days=90)
    for refused in (
        {},
        {"client": "acme"},
        {"valid_until": longest},
        {"client": "acme", "valid_until": longest + TICK},
    ):
        with pytest.raises(LawError, match="of one case") as caught:
            record(instance, name, **told, **refused)
        assert "90 days" in caught.value.why and "warrant" in caught.value.mend
    record(instance, name, **told, client="acme", valid_until=longest)
    assert name in read(instance, longest - TICK, client="acme").standing
    assert name not in read(instance, longest, client="acme").standing
    assert name not in read(instance, NOW, client="other").standing


def test_an_ended_fact_is_not_revived_by_a_column(instance: Instance) -> None:
    fact = record(instance)
    end(instance, fact.fact_id, NOW + DAY)
    instance.database.write(
        lambda session: session.execute(text("UPDATE facts_on_record SET ended_at = NULL"))
    )
    assert not states(instance, NOW + 2 * DAY)


def test_all_of_it_is_one_query(instance: Instance) -> None:
    instance.adopt()
    instance.duty()
    record(instance)
    asked: list[str] = []

    def count(*told: Any) -> None:
        asked.append(told[2])

    event.listen(instance.database.engine, "before_cursor_execute", count)
    found = read(instance, NOW)
    event.remove(instance.database.engine, "before_cursor_execute", count)
    assert (len(found.adopted), len(found.duties), len(found.facts)) == (1, 1, 1)
    assert [one for one in asked if one != "BEGIN"] == [asked[-1]]


def test_only_what_is_needed_is_fetched(instance: Instance, monkeypatch: Any) -> None:
    """No attestation where none is asked for; nothing that ended, for a permit."""
    fetched: list[tuple[str, str | None]] = []
    real = facts.read_fact

    def noted(*told: Any) -> FactOnRecord | None:
        fetched.append((told[1], told[6]))
        return real(*told)

    monkeypatch.setattr(facts, "read_fact", noted)
    open_, ended = record(instance), record(instance, "notice", value=True)
    end(instance, ended.fact_id, NOW + DAY)
    padded = "UPDATE facts_on_record SET attestation = 'long'"
    instance.database.write(lambda session: session.execute(text(padded)))
    fetched.clear()
    read(instance, NOW + 2 * DAY, live=True)
    assert fetched == [(open_.fact_id, None)]
    fetched.clear()
    read(instance, NOW)
    assert {key for key, _ in fetched} == {open_.fact_id, ended.fact_id}


# ---------------------------------------------------------------- against a slow, obvious filter
HOURS = st.integers(0, 6).map(lambda hours: NOW + timedelta(hours=hours))


@st.composite
def records(draw: st.DrawFn) -> FactOnRecord:
    state = draw(st.booleans())
    start = draw(HOURS)
    return FactOnRecord(
        fact_id=f"fct-{draw(st.integers(0, 10**9)):024}",
        name=draw(st.sampled_from([VIRGINIA, "us-vt-police-use-authorised"]))
        if state
        else draw(st.sampled_from(["capture", "premises"])),
        value=True if state else draw(st.sampled_from(["a", "b", "c"])),
        client=None if state else draw(st.sampled_from([None, "acme", "other"])),
        gallery=None if state else draw(st.sampled_from([None, "*", "staff*", "guests"])),
        valid_from=start,
        valid_until=draw(st.none() | st.integers(1, 4).map(lambda h: start + timedelta(hours=h))),
        recorded_at=draw(HOURS),
        attester="A",
        document_digest=NOTICE,
        attestation_digest=None,
        ended_at=draw(st.none() | HOURS),
    )


def slow(
    found: Sequence[FactOnRecord],
    client: str | None,
    gallery: str | None,
    as_of: datetime,
    known_at: datetime,
    live: bool,
) -> tuple[frozenset[str], Mapping[str, Fact]]:
    """One record at a time, one question at a time."""
    holding = []
    for one in found:
        if one.valid_from > as_of or one.recorded_at > known_at:
            continue
        if one.valid_until is not None and one.valid_until <= as_of:
            continue
        if one.ended_at is not None and live:
            continue
        if one.ended_at is not None and one.ended_at <= known_at:
            continue
        holding.append(one)
    standing: dict[str, Fact] = {}
    for name in ("capture", "premises"):
        for who, where in ((True, True), (True, False), (False, True), (False, False)):
            fitting = []
            for one in holding:
                if one.name != name or (one.client is not None) is not who:
                    continue
                if (one.gallery is not None) is not where:
                    continue
                if who and one.client != client:
                    continue
                if where and gallery is None:
                    continue
                if one.gallery == "staff*" and not str(gallery).startswith("staff"):
                    continue
                if one.gallery == "guests" and gallery != "guests":
                    continue
                fitting.append(one)
            if fitting:
                newest = max(one.recorded_at for one in fitting)
                ids = [one.fact_id for one in fitting if one.recorded_at == newest]
                [value] = {o.value for o in fitting if o.fact_id == max(ids)}
                standing[name] = value
                break
    return frozenset(one.name for one in holding if one.name.startswith("us-")), standing


@given(
    found=st.lists(records(), max_size=8, unique_by=lambda one: one.fact_id),
    client=st.sampled_from([None, "acme", "other", "third"]),
    gallery=st.sampled_from([None, "staff-1", "guests", "x"]),
    as_of=HOURS,
    known_at=HOURS,
    live=st.booleans(),
)
def test_what_holds_is_what_a_slow_filter_finds(
    found: list[FactOnRecord],
    client: str | None,
    gallery: str | None,
    as_of: datetime,
    known_at: datetime,
    live: bool,
) -> None:
    expected = slow(found, client, gallery, as_of, known_at, live)
    for order in (found, found[::-1]):
        told = facts.choose(
            order, {}, client=client, gallery=gallery, as_of=as_of, known_at=known_at, live=live
        )
        assert told == expected


def test_the_slow_filter_and_the_tables_agree(instance: Instance) -> None:
    """The same through signatures, SQL and its conditions, on one fixed crowd of records."""
    crowd = []
    for number, (client, gallery) in enumerate(
        (c, g) for c in (None, "acme", "other") for g in (None, "staff*", "guests")
    ):
        value = ("video", "photograph", "live-3d-scan")[number % 3]
        told = {"value": value, "client": client, "gallery": gallery}
        start = NOW + timedelta(hours=(number + 1) % 4)
        crowd.append(record(instance, "capture", **told, valid_from=start, at=NOW + number * TICK))
        if number % 4 == 1:
            late = NOW + timedelta(hours=3)
            crowd[-1] = replace(end(instance, crowd[-1].fact_id, late), ended_at=late)
    seen = set()
    for hours in range(6):
        as_of = NOW + timedelta(hours=hours)
        for client in (None, "acme", "third"):
            for gallery in (None, "staff-1", "guests"):
                for known_at in (NOW + 4 * TICK, NOW + timedelta(hours=5)):
                    for live in (False, True):
                        expected = slow(crowd, client, gallery, as_of, known_at, live)
                        scope: dict[str, Any] = {"client": client, "gallery": gallery}
                        found = read(instance, as_of, known_at=known_at, live=live, **scope)
                        assert (found.facts, found.standing) == expected
                        seen.add(found.standing.get("capture"))
    assert seen == {None, "video", "photograph", "live-3d-scan"}
