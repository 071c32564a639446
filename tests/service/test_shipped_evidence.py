"""Evidence that ships with the model pack counts like any other, and ends like any other."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from instance import PLACE, PURPOSE, TemporaryInstance
from made_up_evidence import document, impostors_only, of_pack
from rightface.acts import require_agreement
from rightface.assay.evidence import EvidenceError
from rightface.errors import LedgerError, Refused, WeightsError
from rightface.faces import evidence_files
from rightface.faces.packs import COMPARISONS, load_pack
from rightface.instance import Instance
from rightface.law.operation import Operation
from rightface.law.ruling import Refusal
from rightface.registrar import Registrar


def ship(monkeypatch: pytest.MonkeyPatch, folder: Path, content: bytes) -> str:
    """A release with this document; the id that it has everywhere."""
    folder.mkdir(exist_ok=True)
    (folder / "evidence.json").write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    monkeypatch.setattr(evidence_files, "FILES", {"evidence.json": digest})
    monkeypatch.setattr(evidence_files, "_FOLDER", folder)
    return f"evd-{digest[:24]}"


def opened_again(fresh: TemporaryInstance) -> Instance:
    """The same instance, as a process that starts now has it."""
    return Instance.open(fresh.instance.settings.data)


def asked(fresh: TemporaryInstance) -> Operation:
    """A search of people who were not asked: the row `not-by-consent`, at most three times."""
    licence = fresh.licence("registry", basis="legal-obligation").licence
    return Operation(
        action="identify-1toN",
        client=licence.client,
        actor=licence.sector,
        client_jurisdiction=PLACE,
        place_jurisdiction=PLACE,
        gallery_jurisdiction=PLACE,
        licence_id=licence.licence_id,
        purpose=PURPOSE,
        gallery="people",
        legal_basis=licence.basis,
        request_id=str(uuid.uuid4()),
    )


def said(instance: Instance, operation: Operation) -> list[str]:
    """What step 5 misses."""
    answer = instance.gate.decide(operation)
    ruling = answer.ruling if isinstance(answer, Refusal) else None
    return [] if ruling is None else [each.key for each in ruling.reasons if each.step == 5]


def test_it_counts_out_of_the_box_and_until_it_is_ended(
    fresh: TemporaryInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    operation = asked(fresh)
    assert said(fresh.instance, operation) == ["evidence#differential"]
    content = of_pack(fresh.instance.pack)
    shipped = ship(monkeypatch, tmp_path / "release", content)
    with opened_again(fresh) as instance:
        desk = Registrar(instance).evidence
        assert said(instance, operation) == []
        told = desk.find(shipped)
        assert told in desk.listed()
        assert (told.state, told.shipped, told.by) == ("stands", True, "")
        with pytest.raises(EvidenceError, match=shipped):
            desk.add(content)

        before = datetime.now(UTC)
        ended = desk.end(shipped, why="It is not about our cameras.")
        assert ended is not None
        assert said(instance, operation) == ["evidence#differential"], "at once"
        past = instance.gate.consider(replace(operation, as_of=before))
        assert "evidence#differential" not in [each.key for each in past.reasons], "it stood then"
        assert desk.end(shipped, why="Again.") == ended
        told = desk.find(shipped)
        assert (told.state, told.shipped) == ("ended", True)
        assert told.ended_why == "It is not about our cameras."
        require_agreement(instance)
        own = desk.add(content)
        assert own.evidence_id != shipped
        assert said(instance, operation) == []
    with opened_again(fresh) as instance:
        assert Registrar(instance).evidence.find(shipped).state == "ended", "for good"


@pytest.mark.sqlite_only
@pytest.mark.parametrize("change", ["body = '{}'", "signature = zeroblob(64)"])
def test_an_end_that_was_changed_refuses_and_ends_again(
    fresh: TemporaryInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    operation = asked(fresh)
    shipped = ship(monkeypatch, tmp_path / "release", of_pack(fresh.instance.pack))
    with opened_again(fresh) as instance:
        desk = Registrar(instance).evidence
        desk.end(shipped, why="It is not about our cameras.")
        with instance.database.writing_engine.begin() as connection:
            connection.execute(text(f"UPDATE evidence_on_record SET ended_at = NULL, {change}"))
        assert "evidence#damaged" in said(instance, operation)
        desk.end(shipped, why="It is not about our cameras.")
        assert said(instance, operation) == ["evidence#differential"]
        with instance.database.writing_engine.begin() as connection:
            connection.execute(text("DELETE FROM evidence_on_record"))
        with pytest.raises(LedgerError) as error:
            require_agreement(instance)
        assert "the record is gone" in error.value.why


@pytest.mark.parametrize("harm", ["changed", "gone", "no evidence"])
def test_no_pack_without_the_measurements_that_ship_with_it(
    fresh: TemporaryInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, harm: str
) -> None:
    content = of_pack(fresh.instance.pack, ratio=(150.0, 182.0, 200.0))
    ship(monkeypatch, tmp_path / "release", b"{}" if harm == "no evidence" else content)
    path = tmp_path / "release" / "evidence.json"
    if harm == "changed":
        path.write_bytes(content.replace(b"182.0", b"1.820"))
    elif harm == "gone":
        path.unlink()
    with opened_again(fresh) as instance:
        with pytest.raises(WeightsError) as error:
            _ = instance.pack
        assert "Install rightface again" in error.value.mend
        assert said(instance, asked(fresh)) == ["evidence#accuracy", "evidence#differential"]


@pytest.mark.parametrize("how", ["old", "unequal", "of another comparison", "of another pack"])
def test_it_is_held_to_the_same_rules(
    fresh: TemporaryInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    operation, pack = asked(fresh), fresh.instance.pack
    other = next(each for each in COMPARISONS if each != fresh.instance.settings.comparison)
    content = {
        "old": of_pack(pack, made_at=datetime.now(UTC) - timedelta(days=3 * 366)),
        "unequal": of_pack(pack, ratio=(1.2, 1.5, 3.1)),
        "of another comparison": of_pack(load_pack(other)),
        "of another pack": document("00" * 32),
    }[how]
    shipped = ship(monkeypatch, tmp_path / "release", content)
    with opened_again(fresh) as instance:
        assert said(instance, operation) == ["evidence#differential"]
        state = Registrar(instance).evidence.find(shipped).state
        assert state == ("of-another-pack" if "another" in how else "stands")


def test_what_tells_against_the_model_is_not_hidden_by_ones_own(
    fresh: TemporaryInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    operation, pack = asked(fresh), fresh.instance.pack
    bad = ship(monkeypatch, tmp_path / "release", of_pack(pack, ratio=(150.0, 182.0, 200.0)))
    with opened_again(fresh) as instance:
        desk = Registrar(instance).evidence
        desk.add(of_pack(pack))
        with pytest.raises(Refused, match=f"{bad}, shipped"), instance.permitted(operation):
            pass
        verdicts = {use.rule: use.verdict for use in desk.find(bad).uses}
    assert verdicts["not-by-consent"] == verdicts["large-consented"] == "against"
    assert verdicts["verification"] == "enough"


def test_without_pairs_of_one_person_it_says_what_it_says(
    fresh: TemporaryInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pack = fresh.instance.pack
    content = impostors_only(pack.digest, comparison_digest=pack.comparison_digest)
    shipped = ship(monkeypatch, tmp_path / "release", content)
    with opened_again(fresh) as instance:
        assert said(instance, asked(fresh)) == []
        told = Registrar(instance).evidence.find(shipped).evidence
        assert told is not None
        assert told.lowest_tmr is None


def test_this_release_ships_what_its_list_says() -> None:
    folder = Path(evidence_files.__file__).parent
    there = {path.name for path in folder.glob("evidence*.json")}
    assert there == set(evidence_files.FILES)
    assert len(evidence_files.documents()) == len(there)
