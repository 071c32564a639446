"""Thresholds that follow a gallery: as it grows, for the worst measured cohort, by every search."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import update

from instance import TemporaryInstance
from rightface import acts
from rightface.assay.thresholds import fmr_needed
from rightface.backup import make_backup, unpack_backup
from rightface.errors import CollectionNotFound, LedgerError, SettingsError
from rightface.faces.calibration import Calibration, Cohort
from rightface.faces.rate_table import RateTable, Tail
from rightface.gallery.rows import CollectionRow
from rightface.gallery.store import NewFace
from rightface.instance import Instance
from rightface.ledger import log
from rightface.replay import replay
from rightface.service.floors import Aim, floor_of
from rightface.service_types import Answer, Caller
from rightface.settings import Settings
from tests.conftest import Server
from tests.portraits import degraded, grace_hopper, small

GALLERY = "staff"


def caller_of(fresh: TemporaryInstance) -> Caller:
    licence = fresh.licence("acme").licence
    return Caller(licence=licence, purpose=None, subject=None, request_id=str(uuid.uuid4()))


def fill(fresh: TemporaryInstance, caller: Caller, count: int) -> None:
    """So many faces more, of templates drawn at random: nobody's."""
    instance = fresh.instance
    drawn = np.random.default_rng(count).standard_normal((count, 128)).astype("f4")
    with fresh.permitted("enroll") as permit:
        faces = [
            NewFace(
                image_id=str(uuid.uuid4()),
                subject="tester",
                template=each / np.linalg.norm(each),
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
            for each in drawn
        ]

        def work(session: Any) -> None:
            found = instance.store.find_collection(session, client="acme", name=GALLERY)
            instance.store.insert_faces(session, found, faces, permit=permit)
            instance.record_outcome(session, permit, "enrolled", counts={"faces": count})

        instance.database.write(work)


@pytest.fixture
def enrolled(fresh: TemporaryInstance) -> Iterator[tuple[TemporaryInstance, Caller]]:
    """A gallery with one face in it."""
    caller = caller_of(fresh)
    fresh.service.create_collection(caller, GALLERY, {})
    fresh.consent("ada")
    fresh.service.index_faces(
        caller,
        GALLERY,
        image=small(grace_hopper(), 200),
        subject="ada",
        max_faces=1,
        quality_filter="NONE",
    )
    yield fresh, caller


def search(fresh: TemporaryInstance, caller: Caller, similarity: float = 0.0) -> Answer[Any]:
    return fresh.service.search_faces_by_image(
        caller,
        GALLERY,
        image=degraded(grace_hopper()),
        limit=10,
        similarity=similarity,
        quality_filter="NONE",
    )


def needed(fresh: TemporaryInstance, fpir: float, comparisons: int) -> float:
    calibration = fresh.instance.pack.calibration
    threshold = calibration.worst_threshold(fmr_needed(fpir, comparisons))
    return calibration.rate(threshold.score).fmr


def test_without_a_target_nothing_changes(enrolled: tuple[TemporaryInstance, Caller]) -> None:
    fresh, caller = enrolled
    answer = search(fresh, caller, 50.0)
    assert answer.fmr == pytest.approx(0.0625)
    assert answer.floor is not None
    assert answer.floor.fpir_target is None
    (told,) = fresh.registrar.galleries.listed()
    assert (told.client, told.gallery, told.faces) == ("acme", GALLERY, 1)
    assert told.fpir_target is told.similarity is None


def test_the_threshold_follows_the_gallery(enrolled: tuple[TemporaryInstance, Caller]) -> None:
    fresh, caller = enrolled
    fresh.registrar.galleries.aim(client="acme", gallery=GALLERY, fpir=0.01)
    alone = search(fresh, caller)
    assert alone.floor is not None
    assert alone.floor.fpir_target == 0.01
    assert alone.fmr == pytest.approx(needed(fresh, 0.01, 1))
    fill(fresh, caller, 300)
    many = search(fresh, caller)
    assert many.fmr == pytest.approx(needed(fresh, 0.01, 301))
    assert many.fmr is not None
    assert alone.fmr is not None
    assert many.fmr < alone.fmr / 50
    (told,) = fresh.registrar.galleries.listed("acme")
    assert told.faces == 301
    assert told.fmr == pytest.approx(many.fmr)


def test_who_was_found_in_a_small_gallery_is_not_in_a_large_one(
    enrolled: tuple[TemporaryInstance, Caller],
) -> None:
    fresh, caller = enrolled
    (lead,) = search(fresh, caller).value.candidates
    fpir = lead.fmr  # grown until it is enough for one face; for three hundred it is not
    while needed(fresh, fpir, 1) <= lead.fmr:
        fpir *= 1.5
    assert needed(fresh, fpir, 1) > lead.fmr > needed(fresh, fpir, 301)
    fresh.registrar.galleries.aim(client="acme", gallery=GALLERY, fpir=fpir)
    assert len(search(fresh, caller).value.candidates) == 1
    fill(fresh, caller, 300)
    assert search(fresh, caller).value.candidates == []


def test_a_callers_stricter_threshold_stays(enrolled: tuple[TemporaryInstance, Caller]) -> None:
    fresh, caller = enrolled
    fresh.registrar.galleries.aim(client="acme", gallery=GALLERY, fpir=0.5)
    answer = search(fresh, caller, 99.9)
    assert answer.fmr == pytest.approx(1e-12)
    assert answer.floor is not None
    assert answer.floor.fpir_target == 0.5


def test_every_probe_of_a_user_is_a_comparison_more(
    enrolled: tuple[TemporaryInstance, Caller],
) -> None:
    fresh, caller = enrolled
    service = fresh.service
    again = service.index_faces(
        caller,
        GALLERY,
        image=degraded(grace_hopper()),
        subject="ada",
        max_faces=1,
        quality_filter="NONE",
    )
    page = service.list_faces(caller, GALLERY, limit=10, after=None, face_ids=None)
    ids = [each.face_id for each in page.value.faces]
    assert again.value.enrolled[0].record.face_id in ids
    service.create_user(caller, GALLERY, "user-1")
    service.associate_faces(caller, GALLERY, "user-1", ids, similarity=0.0)
    fresh.registrar.galleries.aim(client="acme", gallery=GALLERY, fpir=0.01)
    by_face = service.search_users(caller, GALLERY, face_id=ids[0], limit=5, similarity=0.0)
    by_user = service.search_users(caller, GALLERY, user_id="user-1", limit=5, similarity=0.0)
    by_enrolled = service.search_faces(caller, GALLERY, face_id=ids[0], limit=5, similarity=0.0)
    assert by_face.fmr == by_enrolled.fmr == pytest.approx(needed(fresh, 0.01, 2))
    assert by_user.fmr == pytest.approx(needed(fresh, 0.01, 4))


def test_the_stricter_of_the_gallerys_and_the_instances_holds(
    enrolled: tuple[TemporaryInstance, Caller],
) -> None:
    fresh, caller = enrolled
    instance = fresh.instance
    instance.settings = replace(instance.settings, fpir_target=0.01)
    assert search(fresh, caller).fmr == pytest.approx(needed(fresh, 0.01, 1))
    for fpir, holds in ((0.5, 0.01), (0.001, 0.001), (None, 0.01)):
        told = fresh.registrar.galleries.aim(client="acme", gallery=GALLERY, fpir=fpir)
        assert (told.own_target, told.fpir_target) == (fpir, holds)
        assert search(fresh, caller).fmr == pytest.approx(needed(fresh, holds, 1))


def test_who_was_not_measured_is_named_where_a_target_is_set(
    enrolled: tuple[TemporaryInstance, Caller],
) -> None:
    fresh, _ = enrolled
    shipped = fresh.instance.pack.calibration
    assert shipped.provenance.too_small
    aim = fresh.registrar.galleries.aim
    assert aim(client="acme", gallery=GALLERY, fpir=0.01).too_small == shipped.provenance.too_small
    assert aim(client="acme", gallery=GALLERY, fpir=None).too_small == ()


def test_the_worst_cohort_sets_the_floor(fresh: TemporaryInstance) -> None:
    shipped = fresh.instance.pack.calibration
    table = RateTable([(0.0, 1.0), (0.5, 1e-3)], Tail(0.0, 0.05))
    worse = RateTable([(0.2, 1.0), (0.8, 1e-3)], Tail(0.0, 0.05))
    cohort = Cohort(name="one", images=9, impostor_pairs=9, table=worse)
    made = Calibration(table, shipped.provenance, cohorts=(cohort,))
    with fresh.permitted("identify-1toN") as permit:
        floor = floor_of(permit, made, 0.0, Aim(1e-3, 1))
        assert floor.fmr == pytest.approx(made.rate(0.8).fmr)
        assert floor.fmr < 1e-3
        assert not floor.extrapolated
        assert floor_of(permit, made, 0.0, Aim(1e-3, 10)).extrapolated
        assert floor_of(permit, made, 0.0, Aim(1e-3, 0)).fmr == 1  # an empty gallery


def test_the_headers_say_so(server: Server) -> None:
    client = server.client()
    client.create_collection(CollectionId="aimed")
    try:
        server.instance.consent("aimed")
        photo = {"Bytes": grace_hopper()}
        client.index_faces(CollectionId="aimed", Image=photo, ExternalImageId="aimed")
        ask = {"CollectionId": "aimed", "Image": photo, "FaceMatchThreshold": 10}
        headers = client.search_faces_by_image(**ask)["ResponseMetadata"]["HTTPHeaders"]
        assert "x-rightface-fpir-target" not in headers
        told = server.instance.registrar.galleries.aim(
            client="wire-tests", gallery="aimed", fpir=0.0001
        )
        answer = client.search_faces_by_image(**ask)
        headers = answer["ResponseMetadata"]["HTTPHeaders"]
        mark = "*" if told.extrapolated else ""
        assert headers["x-rightface-fpir-target"] == f"1.00e-04{mark}"
        assert headers["x-rightface-fmr"] == f"{told.fmr:.2e}"
        assert len(answer["FaceMatches"]) == 1
    finally:
        client.delete_collection(CollectionId="aimed")


@pytest.mark.parametrize("fpir", [0.0, 1.0, -0.5, 1e-12, float("nan")])
def test_what_is_no_share_is_no_target(fresh: TemporaryInstance, fpir: float) -> None:
    with pytest.raises(SettingsError, match="between"):
        fresh.registrar.galleries.aim(client="acme", gallery=GALLERY, fpir=fpir)


@pytest.mark.parametrize(
    ("line", "target"),
    [("", 0.0), ("fpir_target = 0", 0.0), ("fpir_target = 1e-3", 0.001), ("fpir_target = 1", None)]
    + [(f"fpir_target = {word}", None) for word in ("-0.5", "nan", "true", '"0.1"')],
)
def test_the_setting(tmp_path: Path, line: str, target: float | None) -> None:
    (tmp_path / "rightface.toml").write_text(line + "\n")
    if target is None:
        with pytest.raises(SettingsError, match="fpir_target"):
            Settings.load(tmp_path)
    else:
        loaded = Settings.load(tmp_path)
        assert loaded.fpir_target == target
        loaded.write()
        assert Settings.load(tmp_path) == loaded


def test_no_gallery_no_target(fresh: TemporaryInstance) -> None:
    with pytest.raises(CollectionNotFound):
        fresh.registrar.galleries.aim(client="acme", gallery="nowhere", fpir=0.5)
    assert fresh.registrar.galleries.listed() == []


# ------------------------------------------------------------ the ledger has the last word
def test_a_target_is_an_act_that_binds(enrolled: tuple[TemporaryInstance, Caller]) -> None:
    fresh, caller = enrolled
    instance = fresh.instance
    desk = fresh.registrar.galleries
    desk.aim(client="acme", gallery=GALLERY, fpir=0.5)
    desk.aim(client="acme", gallery=GALLERY, fpir=0.001)
    with instance.database.read() as session:
        leaf = log.leaf_at(session, log.size(session) - 1)
    assert (leaf.operation, leaf.client) == ("gallery-target", "acme")
    assert leaf.counts == {"wrong-in-a-billion": 1_000_000}
    acts.require_agreement(instance)

    def loosen(session: Any) -> None:
        session.execute(update(CollectionRow).values(fpir_target=0.5))

    instance.database.write(loosen)
    with pytest.raises(LedgerError, match="does not agree") as caught:
        acts.require_agreement(instance)
    assert "gallery-target: it was undone" in caught.value.why

    desk.aim(client="acme", gallery=GALLERY, fpir=None)
    acts.require_agreement(instance)
    desk.aim(client="acme", gallery=GALLERY, fpir=0.001)
    fresh.service.delete_collection(caller, GALLERY)
    acts.require_agreement(instance)
    fresh.service.create_collection(caller, GALLERY, {})  # of that name, and without a target
    acts.require_agreement(instance)


@pytest.mark.sqlite_only
def test_a_target_stated_after_a_backup_is_stated_again(
    enrolled: tuple[TemporaryInstance, Caller], tmp_path: Path
) -> None:
    fresh, _ = enrolled
    instance, desk = fresh.instance, fresh.registrar.galleries
    desk.aim(client="acme", gallery=GALLERY, fpir=0.5)
    made = make_backup(instance, tmp_path / "one.backup").file
    desk.aim(client="acme", gallery=GALLERY, fpir=0.25)
    desk.aim(client="acme", gallery=GALLERY, fpir=0.001)
    fresh.service.publish_ledger()
    public = tmp_path / "public"
    shutil.copytree(instance.settings.ledger_directory, public)
    unpack_backup(made, tmp_path / "two", keys=instance.settings.keys_directory)
    replay(tmp_path / "two", public)
    with Instance.open(tmp_path / "two") as again, again.database.read() as session:
        found = again.store.find_collection(session, client="acme", name=GALLERY)
    assert found.fpir_target == 0.001
