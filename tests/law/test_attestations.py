"""The moratorium lifts by a trusted person's signed answers and by nothing else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import text

from rightface.errors import KeysError, LawError
from rightface.law import attesters, facts
from rightface.law.attestations import Attestation, read_attestation, sign_attestation
from rightface.law.checklists import checklist, checklist_names
from rightface.law.facts import FactOnRecord, FactTerms
from rightface.law.library import InstrumentLibrary
from rightface.law.operation import Operation
from rightface.law.reference import verdict
from rightface.law.ruling import Refusal
from rightface.law.signed import canonical, opened, sealed
from rightface.law.vocabulary import Vocabulary
from tests.law.conftest import NOTICE, NOW, Instance, keys, operation

FACT = "us-face-law-grounded-in-human-rights"
LIST = "grounded-in-human-rights"
PLEDGE = "microsoft-police-commitment-2020"
NAME = "Commission on Civil Rights"
DAY = timedelta(days=1)
STARTS = NOW + 10 * DAY


def answers(**changed: Any) -> dict[str, Any]:
    return {
        "law": {
            "name": "Face Recognition and Human Rights Act",
            "citation": "Public Law 119-999 (made up)",
            "jurisdiction": "US",
            "in_force_from": STARTS.date(),
        },
        "attester": {"name": NAME, "office": "Chair"},
        "date": NOW.date(),
        "answers": {
            item.item_id: {"met": True, "reason": "It says so.", "reference": "section 1"}
            for item in checklist(LIST).items
        },
    } | changed


def signed(key: Ed25519PrivateKey, **changed: Any) -> Attestation:
    return sign_attestation(checklist(LIST), answers(**changed), key)


def forged(key: Ed25519PrivateKey, change: Callable[[dict[str, Any]], None]) -> str:
    """A statement changed at will and signed anew, as a dishonest tool could."""
    statement = json.loads(signed(key).text)["statement"]
    change(statement)
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()
    signature = key.sign(canonical(statement).encode()).hex()
    return canonical({"statement": statement, "public_key": public, "signature": signature})


def record(instance: Instance, attestation: str | None, **changed: Any) -> FactOnRecord:
    told: dict[str, Any] = {
        "name": FACT,
        "valid_from": STARTS,
        "attester": NAME,
        "document_digest": NOTICE,
        "attestation": attestation,
    } | changed
    return instance.database.write(
        lambda s: facts.record_fact(s, instance.keyring, FactTerms(**told), at=instance.now)
    )


def trust(instance: Instance, key: Ed25519PrivateKey, name: str = NAME) -> None:
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()
    instance.database.write(
        lambda s: attesters.add_attester(s, instance.keyring, name, public, at=instance.now)
    )


@pytest.fixture
def key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


@pytest.fixture
def police(instance: Instance, library: InstrumentLibrary) -> Operation:
    """A police department's request that the pledge alone stands against."""
    instance.gate = instance.with_library(library.only([PLEDGE]))
    instance.adopt(PLEDGE)
    licence = instance.licence(
        client="pd",
        sector="law-enforcement-local",
        purposes=["identity-proofing"],
        operations=["verify-1to1"],
    )
    return operation(licence, "verify-1to1")


def denied(instance: Instance, asked: Operation) -> bool:
    answer = instance.decide(asked)
    return isinstance(answer, Refusal) and f"{PLEDGE}#police-use" in keys(answer)


# ---------------------------------------------------------------- the moratorium
def test_a_good_attestation_lifts_it_from_its_date_on_and_not_before(
    instance: Instance, police: Operation, key: Ed25519PrivateKey
) -> None:
    trust(instance, key)
    fact = record(instance, signed(key).text)
    assert denied(instance, police)
    instance.now = STARTS - timedelta(microseconds=1)
    assert denied(instance, police)
    instance.now = STARTS
    assert not denied(instance, police)
    instance.now = STARTS + DAY
    instance.database.write(
        lambda s: facts.end_fact(s, instance.keyring, fact.fact_id, at=instance.now)
    )
    assert denied(instance, police)


def test_who_is_trusted_no_longer_lifts_nothing(
    instance: Instance, police: Operation, key: Ed25519PrivateKey
) -> None:
    trust(instance, key)
    record(instance, signed(key).text)
    instance.now = STARTS
    assert not denied(instance, police)
    ended = instance.database.write(
        lambda s: attesters.end_attester(s, instance.keyring, NAME, at=instance.now)
    )
    assert [one.ended_at for one in ended] == [STARTS]
    assert denied(instance, police)


def _unmet(statement: dict[str, Any]) -> None:
    statement["answers"][3]["met"] = False


def _missing(statement: dict[str, Any]) -> None:
    del statement["answers"][3]


def _twice(statement: dict[str, Any]) -> None:
    statement["answers"][3] = statement["answers"][2]


def _older_list(statement: dict[str, Any]) -> None:
    statement["checklist_digest"] = hashlib.sha256(b"an older list").hexdigest()


def _other_list(statement: dict[str, Any]) -> None:
    statement["checklist"] = "another"


def _no_reason(statement: dict[str, Any]) -> None:
    statement["answers"][0]["reason"] = " "


def _words_for_truth(statement: dict[str, Any]) -> None:
    statement["answers"][0]["met"] = "true"


def _bill(statement: dict[str, Any]) -> None:
    statement["law"]["in_force_from"] = None


def _too_late(statement: dict[str, Any]) -> None:
    statement["law"]["in_force_from"] = str((STARTS + DAY).date())


def _elsewhere(statement: dict[str, Any]) -> None:
    statement["law"]["jurisdiction"] = "FR"


def _tomorrow(statement: dict[str, Any]) -> None:
    statement["date"] = str((NOW + DAY).date())


def _somebody_else(statement: dict[str, Any]) -> None:
    statement["attester"]["name"] = "Vendor's Counsel"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (_unmet, "does not meet: necessity"),
        (_missing, "every item once: necessity"),
        (_twice, "every item once: necessity"),
        (_older_list, "another checklist"),
        (_other_list, "another checklist"),
        (_no_reason, "text of the attestation"),
        (_words_for_truth, "neither true nor false"),
        (_bill, "date of the attestation"),
        (_too_late, "in force from"),
        (_elsewhere, "law of FR"),
        (_tomorrow, "yet to come"),
        (_somebody_else, "another attester's"),
    ],
)
def test_an_attestation_that_falls_short_is_refused(
    instance: Instance,
    police: Operation,
    key: Ed25519PrivateKey,
    change: Callable[[dict[str, Any]], None],
    why: str,
) -> None:
    trust(instance, key)
    with pytest.raises(LawError, match=why):
        record(instance, forged(key, change))
    instance.now = STARTS
    assert denied(instance, police)


def test_a_strangers_key_is_refused(
    instance: Instance, police: Operation, key: Ed25519PrivateKey
) -> None:
    with pytest.raises(LawError, match="does not trust"):
        record(instance, signed(key).text)
    trust(instance, Ed25519PrivateKey.generate())  # the name is known, the key is another
    with pytest.raises(LawError, match="does not trust"):
        record(instance, signed(key).text)
    trust(instance, key, "Somebody Else")  # the key is known, under another name
    with pytest.raises(LawError, match="does not trust"):
        record(instance, signed(key).text)
    instance.now = STARTS
    assert denied(instance, police)


def test_a_text_altered_after_signing_is_refused(
    instance: Instance, police: Operation, key: Ed25519PrivateKey
) -> None:
    trust(instance, key)
    no = answers()
    no["answers"]["sunset"]["met"] = False
    text_of_a_no = sign_attestation(checklist(LIST), no, key).text
    with pytest.raises(LawError, match="does not meet: sunset"):
        record(instance, text_of_a_no)
    with pytest.raises(LawError, match="signature is broken"):
        record(instance, text_of_a_no.replace('"met":false', '"met":true'))
    for nonsense in ("", "true", "{}", '{"statement": {}, "public_key": "", "signature": ""}'):
        with pytest.raises(LawError):
            record(instance, nonsense)
    instance.now = STARTS
    assert denied(instance, police)


def test_without_an_attestation_there_is_no_such_fact(
    instance: Instance, police: Operation
) -> None:
    with pytest.raises(LawError, match="only with an attestation"):
        record(instance, None)
    with pytest.raises(LawError, match="state of the world"):
        record(instance, None, value=False)
    instance.now = STARTS
    assert denied(instance, police)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE facts_on_record SET attestation = NULL",
        "UPDATE facts_on_record SET attestation = replace(attestation, 'section 1', 'section 2')",
        "DELETE FROM attesters",
        "UPDATE attesters SET name = 'x'",
        "UPDATE attesters SET signature = zeroblob(64)",
        "UPDATE attesters SET body = replace(body, 'public_key\":\"', 'public_key\":\"00')",
    ],
)
def test_a_lifted_moratorium_returns_if_its_record_is_touched(
    instance: Instance, police: Operation, key: Ed25519PrivateKey, change: str
) -> None:
    trust(instance, key)
    record(instance, signed(key).text)
    instance.now = STARTS
    assert not denied(instance, police)
    instance.database.write(lambda s: s.execute(text(change)))
    assert denied(instance, police)


def test_a_signed_row_without_its_attestation_lifts_nothing(
    instance: Instance, police: Operation
) -> None:
    """Even this instance's own signature does not stand in for the attester's."""
    virginia = record(instance, None, name="us-va-police-use-authorised")
    keyring = instance.keyring

    def work(session: Any) -> None:
        row = session.execute(text("SELECT body, signature FROM facts_on_record")).one()
        told = dict(opened(keyring, "fact", row.body, row.signature) or {})
        body, signature = sealed(keyring, "fact", {**told, "name": FACT})
        session.execute(
            text("UPDATE facts_on_record SET name = :n, body = :b, signature = :s"),
            {"n": FACT, "b": body, "s": signature},
        )

    instance.database.write(work)
    instance.now = STARTS
    with instance.database.read() as session:
        [fact], damaged = facts.all_facts(session, keyring)
    assert (fact.fact_id, fact.name, damaged) == (virginia.fact_id, FACT, [])
    assert fact.state({}, STARTS) == "not-attested"
    assert denied(instance, police)


def test_a_bills_enactment_elsewhere_never_lifts_it(instance: Instance, police: Operation) -> None:
    for name in Vocabulary.load().facts:
        if name != FACT:
            record(instance, None, name=name)
    instance.now = STARTS
    assert denied(instance, police)


def test_the_reference_reads_the_same_fact(
    instance: Instance, police: Operation, key: Ed25519PrivateKey, library: InstrumentLibrary
) -> None:
    trust(instance, key)
    record(instance, signed(key).text)
    pledge = library.instruments[PLEDGE]
    for at in (STARTS - DAY, STARTS):
        instance.now = at
        world = instance.gate.world(police)
        told = verdict(police, at, [pledge], world.adopted, world.records)
        assert (PLEDGE in told.instruments) == denied(instance, police) == (at < STARTS)


# ---------------------------------------------------------------- the checklist, the signing
def test_the_checklist_is_data_with_sources_and_a_plain_digest() -> None:
    assert LIST in checklist_names()
    found = checklist(LIST)
    content = (files("rightface.law") / "checklists" / f"{LIST}.toml").read_bytes()
    assert found.digest == hashlib.sha256(content).hexdigest()
    assert 10 <= len(found.items) <= 14
    assert all(item.question.endswith("?") and item.source for item in found.items)
    assert {item.confidence for item in found.items} <= {"seen", "recalled"}
    assert found.digest in (Path(__file__).parents[2] / "docs" / "law.md").read_text("utf-8")
    with pytest.raises(LawError, match="no checklist"):
        checklist("../vocabulary")


def test_every_checklist_that_a_fact_names_is_published() -> None:
    named = {fact.checklist for fact in Vocabulary.load().facts.values() if fact.checklist}
    assert named == set(checklist_names())
    for name in named:
        checklist(name)


def test_what_is_signed_is_read_again(key: Ed25519PrivateKey) -> None:
    told = signed(key)
    assert read_attestation(told.text) == told
    assert read_attestation(json.dumps(json.loads(told.text), indent=2)) == told
    assert (told.attester, told.office, told.on) == (NAME, "Chair", NOW.date())
    assert told.law.in_force_from == STARTS.date()
    assert told.checklist_digest == checklist(LIST).digest
    assert told.holds_for("US", STARTS.date())
    assert not told.holds_for("US", STARTS.date() - DAY)
    assert not told.holds_for("CA", STARTS.date())


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"answers": {}}, "'assembly' is missing"),
        ({"answers": True}, "answers"),
        ({"lifted": True}, "'lifted' is unknown"),
        ({"attester": {"name": NAME}}, "'office' is missing"),
        ({"attester": {"name": " ", "office": "x"}}, "text of the attestation"),
        ({"date": "soon"}, "date of the attestation"),
        ({"law": {"name": "A bill", "citation": "H.R. 1", "jurisdiction": "US"}}, "in_force_from"),
    ],
)
def test_answers_that_are_not_whole_are_not_signed(
    key: Ed25519PrivateKey, changed: dict[str, Any], why: str
) -> None:
    with pytest.raises(LawError, match=why):
        signed(key, **changed)


# ---------------------------------------------------------------- attesters
def test_keys_are_pem_and_of_one_kind() -> None:
    private, public = attesters.new_key()
    raw = attesters.private_key(private).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    assert attesters.public_key(public) == raw.hex()
    for wrong in (b"", b"no key", private):
        with pytest.raises(KeysError, match="public"):
            attesters.public_key(wrong)
    for wrong in (b"", public):
        with pytest.raises(KeysError, match="private"):
            attesters.private_key(wrong)


def test_attesters_are_named_once_and_end(instance: Instance, key: Ed25519PrivateKey) -> None:
    trust(instance, key)
    with pytest.raises(LawError, match="already"):
        trust(instance, key)
    with pytest.raises(LawError, match="named person"):
        trust(instance, Ed25519PrivateKey.generate(), "")
    with pytest.raises(LawError, match="no attester"):
        instance.database.write(
            lambda s: attesters.end_attester(s, instance.keyring, "nobody", at=NOW)
        )
    with instance.database.read() as session:
        [one] = attesters.all_attesters(session, instance.keyring)
    assert (one.name, one.added_at, one.ended_at, one.signed) == (NAME, NOW, None, True)
    ended = attesters.Attester(
        name=NAME, public_key="k", added_at=NOW, ended_at=datetime(2027, 1, 1, tzinfo=UTC)
    )
    assert attesters.trusted([ended], NOW, live=False) == {NAME: {"k"}}
    assert attesters.trusted([ended], NOW, live=True) == {}
    assert attesters.trusted([ended], NOW - DAY, live=False) == {}
