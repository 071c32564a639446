"""Backup and restore: what was erased after a backup does not come back with it."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import func, select

from instance import TemporaryInstance
from rightface import backup as backups
from rightface.backup import make_backup, unpack_backup
from rightface.errors import BackupError, LedgerError, LicenceError, Refused
from rightface.gallery.rows import CollectionRow, FaceRow, SubjectRow, UserRow
from rightface.gallery.store import NewFace
from rightface.instance import RESTORED, Instance
from rightface.law import consents, suppressions
from rightface.ledger import log
from rightface.ledger.leaf import Leaf
from rightface.ledger.verify import verify
from rightface.registrar import Registrar
from rightface.replay import LEDGER_LOST, replay
from rightface.service import Service
from rightface.service_types import Caller

pytestmark = pytest.mark.sqlite_only


def caller_of(fresh: TemporaryInstance, client: str = "acme") -> Caller:
    return Caller(
        licence=fresh.licence(client).licence,
        purpose=None,
        subject=None,
        request_id=str(uuid.uuid4()),
    )


def enrol(instance: Instance, caller: Caller, gallery: str, subject: str) -> str:
    """A face with a template drawn at random, under a permit of the gate for this very person."""
    service = Service(instance)
    drawn = np.random.default_rng().standard_normal(128).astype("f4")
    with service.permitted(caller, "enroll", gallery=gallery, subjects=(subject,)) as permit:
        face = NewFace(
            image_id=str(uuid.uuid4()),
            subject=subject,
            template=drawn / np.linalg.norm(drawn),
            left=0.1,
            top=0.1,
            width=0.2,
            height=0.2,
            confidence=99.0,
            quality={},
            basis=caller.licence.basis,
            purpose="access-control",
            ledger_index=permit.ledger_index,
            retain_until=datetime.now(UTC) + timedelta(days=30),
        )

        def work(session: Any) -> None:
            found = instance.store.find_collection(
                session, client=caller.licence.client, name=gallery
            )
            instance.store.insert_faces(session, found, [face], permit=permit)
            known = instance.vault.commitment(session, subject)
            instance.record_outcome(
                session, permit, "enrolled", subjects=(known,), counts={"faces": 1}
            )

        instance.database.write(work)
    return face.face_id


def held(instance: Instance) -> set[str]:
    with instance.database.read() as session:
        return set(session.scalars(select(FaceRow.id)))


def number(instance: Instance, row: Any) -> int:
    with instance.database.read() as session:
        return int(session.execute(select(func.count()).select_from(row)).scalar_one())


def staged(fresh: TemporaryInstance) -> tuple[Caller, dict[str, str]]:
    """Three collections, five people, six faces; ada has two in one gallery."""
    caller = caller_of(fresh)
    people = ("ada", "bob", "cy", "dot", "eve")
    fresh.consent(*people)
    for name in ("staff", "guests", "old"):
        fresh.service.create_collection(caller, name, {})

    def put(gallery: str, who: str) -> str:
        return enrol(fresh.instance, caller, gallery, who)

    ids = {
        "ada1": put("staff", "ada"),
        "ada2": put("staff", "ada"),
        "bob": put("staff", "bob"),
        "cy": put("guests", "cy"),
        "dot": put("old", "dot"),
        "eve": put("guests", "eve"),
    }
    return caller, ids


@pytest.fixture
def public(fresh: TemporaryInstance, tmp_path: Path) -> Callable[[], Path]:
    """The ledger's public files, as somebody else keeps them: a copy, made when asked."""

    def copied() -> Path:
        fresh.instance.database.write(lambda _: None)
        fresh.service.publish_ledger()
        target = tmp_path / f"public-{uuid.uuid4()}"
        shutil.copytree(fresh.instance.settings.ledger_directory, target)
        return target

    return copied


def restored(
    made: Path, fresh: TemporaryInstance, target: Path, ledger: Path | None, *accept: str
) -> Path:
    unpack_backup(made, target, keys=fresh.instance.settings.keys_directory)
    replay(target, ledger, accepted=accept)
    return target


@pytest.fixture
def opened() -> Iterator[Callable[[Path], Instance]]:
    instances: list[Instance] = []

    def open_(data: Path) -> Instance:
        instances.append(Instance.open(data))
        return instances[-1]

    yield open_
    for one in instances:
        one.close()


def test_what_was_erased_since_is_erased_again(
    fresh: TemporaryInstance,
    tmp_path: Path,
    public: Callable[[], Path],
    opened: Callable[[Path], Instance],
) -> None:
    caller, ids = staged(fresh)
    spare = fresh.licence("spare").licence
    made = make_backup(fresh.instance, tmp_path / "one.backup").file
    before = fresh.instance.ledger_size()

    fresh.service.delete_faces(caller, "staff", [ids["ada1"]])  # one of two of ada's
    fresh.service.delete_collection(caller, "old")
    fresh.registrar.withdraw_consent("cy")
    fresh.registrar.withdraw_consent("never-enrolled")
    fresh.registrar.subjects.erase("bob")
    fresh.registrar.revoke_licence(spare.licence_id)
    fresh.consent("fay")
    late = enrol(fresh.instance, caller, "staff", "fay")  # enrolled and erased after the backup
    fresh.service.delete_faces(caller, "staff", [late])
    living = public()
    last = fresh.instance.ledger_size()

    with pytest.raises(BackupError, match="restored from a backup"):
        unpack_backup(made, tmp_path / "two", keys=fresh.instance.settings.keys_directory)
        Instance.open(tmp_path / "two")
    told = replay(tmp_path / "two", living)
    assert (told.faces, told.collections, told.consents) == (3, 1, 1)
    assert told.entries == last - before
    assert told.lost["consent-record"] == 1
    again = opened(tmp_path / "two")
    assert held(again) == {ids["ada2"], ids["eve"]}
    assert number(again, SubjectRow) == 2
    assert number(again, CollectionRow) == 2
    with again.database.read() as session:
        assert consents.suppressed(session, again.keyring, "cy")
        assert (
            consents.covering(
                session,
                again.keyring,
                ["cy"],
                purpose="access-control",
                gallery="staff",
                client="acme",
                at=datetime.now(UTC),
            )
            == {}
        )
    (gone,) = [one for one in Registrar(again).licences() if one.licence_id == spare.licence_id]
    assert gone.revoked_at is not None
    # Nobody comes back by an import either: not even who was enrolled after the backup.
    for who, gallery in (("bob", "staff"), ("cy", "guests"), ("never-enrolled", "staff")):
        with pytest.raises(Refused):
            enrol(again, caller, gallery, who)
    Registrar(again).record_consents(
        ["fay"], _terms(datetime.now(UTC) - timedelta(days=1))
    )  # an older consent than the erasure
    with pytest.raises(Refused, match="erased here"):
        enrol(again, caller, "staff", "fay")
    Registrar(again).record_consents(["fay"], _terms(None))
    assert enrol(again, caller, "staff", "fay")
    # The ledger goes on from where the public files ended, and verifies.
    assert again.publisher.publish().size == again.ledger_size() > last
    assert again.publisher.audit() == again.ledger_size()
    assert verify(again.settings.ledger_directory, vkey=again.ledger_vkey).ok
    with again.database.read() as session:
        leaf = log.leaf_at(session, told.ledger_index)
    assert (leaf.operation, leaf.counts["faces"]) == ("restore", 3)


def _terms(obtained: datetime | None) -> Any:
    from rightface.registrar import ConsentTerms

    return ConsentTerms(
        purposes=("access-control",),
        galleries=("*",),
        notice=b"A test.",
        retention_days=30,
        how="written-release",
        obtained_at=obtained,
        expires_at=None,
        client=None,
    )


def test_a_deleted_user_is_deleted_again(
    fresh: TemporaryInstance,
    tmp_path: Path,
    public: Callable[[], Path],
    opened: Callable[[Path], Instance],
) -> None:
    caller, ids = staged(fresh)
    fresh.service.create_user(caller, "staff", "user-1")
    fresh.service.create_user(caller, "staff", "user-2")
    made = make_backup(fresh.instance, tmp_path / "one.backup").file
    fresh.service.delete_user(caller, "staff", "user-1")
    again = opened(restored(made, fresh, tmp_path / "two", public()))
    assert number(again, UserRow) == 1
    assert held(again) == set(ids.values())


def test_a_purpose_that_ended_stays_ended(
    fresh: TemporaryInstance,
    tmp_path: Path,
    public: Callable[[], Path],
    opened: Callable[[Path], Instance],
) -> None:
    from rightface.retention import RetentionDesk

    caller, ids = staged(fresh)
    made = make_backup(fresh.instance, tmp_path / "one.backup").file
    RetentionDesk(fresh.instance).end_purpose(client="acme", gallery="guests")
    with pytest.raises(Refused, match="purpose-ended"):
        enrol(fresh.instance, caller, "guests", "dot")  # who never was in there
    again = opened(restored(made, fresh, tmp_path / "two", public()))
    assert held(again) == {ids[name] for name in ("ada1", "ada2", "bob", "dot")}
    with pytest.raises(Refused, match="purpose-ended"):
        enrol(again, caller, "guests", "dot")
    assert enrol(again, caller, "staff", "dot")


def test_an_old_a_strange_and_a_rewritten_ledger_are_refused(
    fresh: TemporaryInstance, tmp_path: Path, public: Callable[[], Path], models: Path
) -> None:
    from instance import temporary_instance

    caller, ids = staged(fresh)
    older = public()
    fresh.service.delete_faces(caller, "staff", [ids["bob"]])
    made = make_backup(fresh.instance, tmp_path / "one.backup").file
    two = tmp_path / "two"
    unpack_backup(made, two, keys=fresh.instance.settings.keys_directory)
    with pytest.raises(LedgerError, match="the backup holds"):
        replay(two, older)
    with temporary_instance(models) as other:
        other.service.publish_ledger()
        with pytest.raises(LedgerError):
            replay(two, other.instance.settings.ledger_directory)
    damaged = public()
    bundle = max((damaged / "tile" / "entries").rglob("*.p/*"), key=lambda path: int(path.name))
    content = bytearray(bundle.read_bytes())
    content[40] ^= 1
    bundle.write_bytes(content)
    with pytest.raises(LedgerError):
        replay(two, damaged)
    with pytest.raises(BackupError, match="only known from the ledger"):
        replay(two, None)
    assert (two / RESTORED).exists()
    with pytest.raises(BackupError):
        Service.open(two)
    replay(two, public())
    with Instance.open(two) as again:
        assert ids["bob"] not in held(again)


def test_without_any_ledger_only_a_word_lets_it_serve(
    fresh: TemporaryInstance, tmp_path: Path, opened: Callable[[Path], Instance]
) -> None:
    _, ids = staged(fresh)
    made = make_backup(fresh.instance, tmp_path / "one.backup").file
    again = opened(restored(made, fresh, tmp_path / "two", None, LEDGER_LOST))
    assert held(again) == set(ids.values())
    with again.database.read() as session:
        last = log.leaf_at(session, log.size(session) - 1)
    assert last.reasons == (LEDGER_LOST,)


def test_what_cannot_be_replayed_is_named_and_confirmed(
    fresh: TemporaryInstance, tmp_path: Path, public: Callable[[], Path]
) -> None:
    staged(fresh)
    made = make_backup(fresh.instance, tmp_path / "one.backup").file
    new = Leaf(time=datetime.now(UTC), kind="act", operation="something-new", outcome="done")
    fresh.instance.database.write(lambda session: log.append(session, new))
    living, two = public(), tmp_path / "two"
    unpack_backup(made, two, keys=fresh.instance.settings.keys_directory)
    with pytest.raises(BackupError, match=r"something-new \(1\)") as refused:
        replay(two, living)
    assert "--accept something-new" in refused.value.mend
    assert replay(two, living, accepted=["something-new"]).accepted == ("something-new",)


@pytest.mark.parametrize("moment", ["_acts", "_erase_faces", "_verify"])
def test_killed_in_the_middle_it_serves_nothing_and_can_go_on(
    fresh: TemporaryInstance, tmp_path: Path, public: Callable[[], Path], moment: str
) -> None:
    caller, ids = staged(fresh)
    made = make_backup(fresh.instance, tmp_path / "one.backup").file
    fresh.service.delete_faces(caller, "staff", [ids["bob"]])
    fresh.registrar.withdraw_consent("cy")
    living, two = public(), tmp_path / "two"
    unpack_backup(made, two, keys=fresh.instance.settings.keys_directory)
    program = (
        "import os, signal, sys; from pathlib import Path; import rightface.replay as r\n"
        f"r._Replay.{moment} = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "r.replay(Path(sys.argv[1]), Path(sys.argv[2]))\n"
    )
    killed = subprocess.run(
        [sys.executable, "-c", program, str(two), str(living)], capture_output=True, check=False
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    with pytest.raises(BackupError):
        Instance.open(two)
    replay(two, living)
    with Instance.open(two) as again:
        assert held(again) == set(ids.values()) - {ids["bob"], ids["cy"]}
        again.publisher.publish()
        assert again.publisher.audit() == again.ledger_size()


def test_a_backup_under_load_is_whole(
    fresh: TemporaryInstance,
    tmp_path: Path,
    public: Callable[[], Path],
    opened: Callable[[Path], Instance],
) -> None:
    caller, _ = staged(fresh)
    stop = threading.Event()
    enrolled: list[str] = []

    def load() -> None:
        while not stop.is_set():
            enrolled.append(enrol(fresh.instance, caller, "staff", "ada"))

    threads = [threading.Thread(target=load) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        made = [make_backup(fresh.instance, tmp_path / f"{n}.backup").file for n in range(3)]
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    living = public()
    for n, one in enumerate(made):
        again = opened(restored(one, fresh, tmp_path / f"data-{n}", living))
        assert again.publisher.audit() == again.ledger_size()
        assert held(again) <= held(fresh.instance)
        # Every enrolment that the backup's ledger tells of is in it, and no other.
        with again.database.read() as session:
            rows = set(session.scalars(select(FaceRow.ledger_index)))
            told = [Leaf.parse(body) for body in log.entries(session, 0, log.size(session))]
        decided = {leaf.of for leaf in told if leaf.outcome == "enrolled"}
        assert rows <= decided


def test_a_full_disk_leaves_no_half_backup(
    fresh: TemporaryInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(backups._Sealing, "_seal", full)
    with pytest.raises(BackupError, match="nothing of it is left") as told:
        make_backup(fresh.instance, tmp_path / "one.backup")
    assert "No space left" in told.value.why
    assert not list(tmp_path.glob("*backup*")) and not list(tmp_path.glob(".*.part"))
    assert not list(fresh.instance.settings.data.glob(".backup-*"))


def test_a_backup_that_was_cut_changed_or_is_strange_is_refused(
    fresh: TemporaryInstance, tmp_path: Path, models: Path
) -> None:
    staged(fresh)
    keys = fresh.instance.settings.keys_directory
    made = make_backup(fresh.instance, tmp_path / "one.backup").file
    whole = made.read_bytes()
    assert b"SQLite format" not in whole
    assert b"jurisdiction" not in whole
    for n, bad in enumerate(
        (whole[:-1], whole[: len(whole) // 2], whole[:-40] + bytes([whole[-40] ^ 1]) + whole[-39:])
    ):
        (tmp_path / f"bad{n}").write_bytes(bad)
        with pytest.raises(BackupError):
            unpack_backup(tmp_path / f"bad{n}", tmp_path / "two", keys=keys)
        assert not (tmp_path / "two").exists()
    (tmp_path / "no").write_bytes(b"hello")
    with pytest.raises(BackupError, match="no backup"):
        unpack_backup(tmp_path / "no", tmp_path / "two", keys=keys)
    from instance import temporary_instance

    with temporary_instance(models) as other, pytest.raises(BackupError, match="master key"):
        unpack_backup(made, tmp_path / "two", keys=other.instance.settings.keys_directory)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("x")
    with pytest.raises(BackupError, match="not empty"):
        unpack_backup(made, tmp_path / "full", keys=keys)
    with pytest.raises(BackupError, match="exists"):
        make_backup(fresh.instance, made)


def test_the_master_key_alone_opens_a_backup_with_keys(
    fresh: TemporaryInstance, tmp_path: Path, public: Callable[[], Path]
) -> None:
    staged(fresh)
    made = make_backup(fresh.instance, tmp_path / "one.backup", with_keys=True).file
    only = tmp_path / "only"
    only.mkdir()
    shutil.copy(fresh.instance.settings.keys_directory / "master.key", only)
    unpack_backup(made, tmp_path / "two", keys=only)
    replay(tmp_path / "two", public())
    with Instance.open(tmp_path / "two") as again:
        assert again.ledger_vkey == fresh.instance.ledger_vkey
    bare = make_backup(fresh.instance, tmp_path / "two.backup").file
    with pytest.raises(BackupError, match=r"'ledger.key' is missing"):
        unpack_backup(bare, tmp_path / "three", keys=only)


def test_a_licence_that_stands_is_no_reason_to_erase(fresh: TemporaryInstance) -> None:
    caller, ids = staged(fresh)
    with pytest.raises(LicenceError, match="still stands"):
        fresh.registrar.erase_ended_galleries("acme")
    assert len(held(fresh.instance)) == len(ids)
    fresh.registrar.revoke_licence(caller.licence.licence_id)
    assert fresh.registrar.erase_overdue() == 0  # the days of grace
    receipts = fresh.registrar.erase_ended_galleries("acme")
    assert sum(one.erased["faces"] for one in receipts) == len(ids)
    assert held(fresh.instance) == set()
    with fresh.instance.database.read() as session:
        assert suppressions.counts(session) == {"licence-ended": 5}
