"""Any service with Rekognition's API, assayed: which pairs are asked about, and what comes back."""

from __future__ import annotations

import io
import socketserver
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
from botocore.exceptions import BotoCoreError, ClientError, ConnectTimeoutError
from PIL import Image

from instance import TemporaryInstance, temporary_instance
from rightface.api.app import create_app
from rightface.api.server import running
from rightface.assay.errors import AssayError, ManifestError
from rightface.assay.manifest import Manifest, read_manifest
from rightface.assay.service_pairs import Plan, cost_of, plan_pairs
from rightface.assay.through_api import Answers, ask, client_of, is_loopback, require_leave
from rightface.errors import PermitError, SettingsError
from rightface.faces.image import decode
from rightface.permit import Permit
from tests.portraits import eileen_collins, grace_hopper, nobody, small


@pytest.fixture(scope="module")
def room() -> Iterator[TemporaryInstance]:
    with temporary_instance() as opened:
        yield opened


Permitted = Callable[[], AbstractContextManager[Permit]]


@pytest.fixture
def permitted(room: TemporaryInstance) -> Permitted:
    return lambda: room.permitted("measure-accuracy")


def shade(number: int) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (2, 2), (number, number, number)).save(out, "PNG")
    return out.getvalue()


def number_of(content: bytes) -> int:
    return int(decode(content)[0, 0, 0])


def stated(folder: Path, *subjects: str, pairs: str = "") -> Manifest:
    """A manifest of so many images; the brightness of each is its number."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [f"{number}.jpg,{who}" for number, who in enumerate(subjects)]
    for number, _ in enumerate(subjects):
        (folder / f"{number}.jpg").write_bytes(shade(number))
    (folder / "manifest.csv").write_text("\n".join(["image,subject", *rows]) + "\n")
    if pairs:
        (folder / "pairs.csv").write_text("image_a,image_b,same\n" + pairs)
    return read_manifest(folder / "manifest.csv", pairs=folder / "pairs.csv" if pairs else None)


class Alphabetical:
    """A service to which two images are the more alike the nearer their numbers are."""

    def __init__(self, *, faceless: tuple[int, ...] = (), fails_after: int = 10**9) -> None:
        self.asked: list[tuple[int, int]] = []
        self._faceless, self._left = faceless, fails_after

    def compare_faces(self, **told: Any) -> dict[str, Any]:
        assert told["SimilarityThreshold"] == 0.0
        one, other = (number_of(told[side]["Bytes"]) for side in ("SourceImage", "TargetImage"))
        if not self._left:
            raise ConnectTimeoutError(endpoint_url="…")
        self._left -= 1
        self.asked.append((one, other))
        if one in self._faceless:
            raise ClientError({"Error": {"Code": "InvalidParameterException"}}, "CompareFaces")
        if other in self._faceless:
            return {"FaceMatches": [], "UnmatchedFaces": []}
        return {"FaceMatches": [{"Similarity": 100.0 - abs(one - other)}, {"Similarity": 1.0}]}


def asked(
    service: Alphabetical,
    manifest: Manifest,
    plan: Plan,
    directory: Path,
    permitted: Permitted,
    **told: Any,
) -> Answers:
    given = {"per_second": 1e9} | told
    return ask(service, manifest, plan, directory=directory, permitted=permitted, **given)


def test_all_genuine_pairs_and_as_many_impostor_pairs_as_stated(tmp_path: Path) -> None:
    manifest = stated(tmp_path, *"aaabbc")
    plan = plan_pairs(manifest, genuine=0, impostor=5)
    assert list(zip(plan.a[plan.same], plan.b[plan.same], strict=True)) == [
        *((0, 1), (0, 2), (1, 2)),
        (3, 4),
    ]
    others = set(zip(plan.a[~plan.same].tolist(), plan.b[~plan.same].tolist(), strict=True))
    assert len(others) == 5
    assert all("aaabbc"[a] != "aaabbc"[b] for a, b in others)
    assert plan_pairs(manifest, genuine=0, impostor=5).digest == plan.digest
    assert plan_pairs(manifest, genuine=0, impostor=5, seed=1).digest != plan.digest
    assert len(plan_pairs(manifest, genuine=2, impostor=10**6)) == 2 + 11  # 15 pairs, 4 genuine
    assert cost_of(plan, price=0.5) == 4.5


def test_many_impostor_pairs_are_drawn_each_once(tmp_path: Path) -> None:
    manifest = stated(tmp_path, "a", "a", *map(str, range(60)))
    plan = plan_pairs(manifest, genuine=0, impostor=200)
    pairs = list(zip(plan.a.tolist(), plan.b.tolist(), strict=True))
    assert len(pairs) == len(set(pairs)) == 201
    assert all(a < b for a, b in pairs)


def test_the_manifests_own_pairs_come_first(tmp_path: Path) -> None:
    manifest = stated(tmp_path, *"aab", pairs="0.jpg,1.jpg,1\n2.jpg,0.jpg,0\n")
    plan = plan_pairs(manifest, genuine=0, impostor=100)
    assert plan.a.tolist() == [0, 2]
    assert plan.same.tolist() == [True, False]


@pytest.mark.parametrize(("people", "missing"), [("abc", "genuine"), ("aaa", "impostor")])
def test_both_kinds_of_pairs_are_needed(tmp_path: Path, people: str, missing: str) -> None:
    with pytest.raises(AssayError, match=missing):
        plan_pairs(stated(tmp_path, *people), genuine=0, impostor=5)


def test_the_best_match_is_the_score_and_failures_are_counted(
    tmp_path: Path, permitted: Permitted
) -> None:
    manifest = stated(tmp_path / "set", *"aabbcc")
    plan = plan_pairs(manifest, genuine=0, impostor=100)
    service = Alphabetical(faceless=(5,))
    found = asked(service, manifest, plan, tmp_path, permitted)
    assert len(service.asked) == len(plan) == found.sent
    for a, b, score in zip(plan.a, plan.b, found.scores, strict=True):
        if 5 in (a, b):
            assert np.isnan(score)
        else:
            assert score == 100 - abs(int(a) - int(b))
    assert found.failed.tolist() == [False] * 5 + [True]


def test_what_was_answered_is_not_asked_again(tmp_path: Path, permitted: Permitted) -> None:
    manifest = stated(tmp_path / "set", *"aabbccdd")
    plan = plan_pairs(manifest, genuine=0, impostor=20)
    with pytest.raises(AssayError, match="does not answer"):
        asked(Alphabetical(fails_after=7), manifest, plan, tmp_path, permitted)
    records = tmp_path / "requests.jsonl"
    assert len(records.read_bytes().splitlines()) == 1 + 7
    assert records.stat().st_mode & 0o077 == 0
    with records.open("ab") as file:
        file.write(b'{"pair": 7, "sa')  # cut by a kill
    rest = Alphabetical()
    found = asked(rest, manifest, plan, tmp_path, permitted)
    assert len(rest.asked) == found.sent == len(plan) - 7
    whole = asked(Alphabetical(), manifest, plan, tmp_path / "set", permitted)
    assert np.array_equal(found.scores, whole.scores)
    # Answers of other pairs are no answers to these.
    other = plan_pairs(manifest, genuine=0, impostor=20, seed=9)
    with pytest.raises(AssayError, match="other pairs"):
        asked(Alphabetical(), manifest, other, tmp_path, permitted)


def test_requests_are_spaced(tmp_path: Path, permitted: Permitted) -> None:
    manifest = stated(tmp_path / "set", *"aabbcc")
    plan = plan_pairs(manifest, genuine=0, impostor=7)
    waited: list[float] = []
    asked(
        *(Alphabetical(), manifest, plan, tmp_path, permitted),
        per_second=0.5,
        pause=waited.append,
    )
    assert len(waited) == len(plan) - 1
    assert waited[-1] == pytest.approx(2.0 * (len(plan) - 1), abs=1.0)  # no pause was kept


def test_a_service_that_compares_nothing_is_an_error(tmp_path: Path, permitted: Permitted) -> None:
    manifest = stated(tmp_path / "set", *"aabb")
    plan = plan_pairs(manifest, genuine=0, impostor=2)
    with pytest.raises(AssayError, match="no pair at all"):
        asked(Alphabetical(faceless=(0, 1, 2, 3)), manifest, plan, tmp_path, permitted)


def test_refusals_are_told(tmp_path: Path, permitted: Permitted) -> None:
    class Refusing(Alphabetical):
        def compare_faces(self, **told: Any) -> dict[str, Any]:
            raise ClientError({"Error": {"Code": "AccessDeniedException"}}, "CompareFaces")

    manifest = stated(tmp_path / "set", *"aabb")
    plan = plan_pairs(manifest, genuine=0, impostor=2)
    with pytest.raises(AssayError, match="refused") as told:
        asked(Refusing(), manifest, plan, tmp_path, permitted)
    assert "AccessDenied" in told.value.why


def test_nothing_is_sent_without_a_permit(tmp_path: Path, room: TemporaryInstance) -> None:
    manifest = stated(tmp_path / "set", *"aabb")
    plan = plan_pairs(manifest, genuine=0, impostor=2)
    service = Alphabetical()
    with pytest.raises(PermitError):
        asked(service, manifest, plan, tmp_path, lambda: room.permitted("manage-gallery"))
    assert not service.asked


def test_a_file_that_is_no_photograph_is_never_sent(tmp_path: Path, permitted: Permitted) -> None:
    folder = tmp_path / "set"
    stated(folder, *"aabb")
    (folder / "3.jpg").write_bytes(b"aws_secret_access_key = made-up")
    manifest = read_manifest(folder / "manifest.csv")
    plan = plan_pairs(manifest, genuine=0, impostor=100)
    service = Alphabetical()
    found = asked(service, manifest, plan, tmp_path, permitted)
    assert {place for pair in service.asked for place in pair} == {0, 1, 2}
    assert found.failed.tolist() == [False, False, False, True]


def test_no_photograph_from_outside_the_folder_is_sent(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    stated(folder, *"aab")
    private = tmp_path / "private.jpg"
    private.write_bytes(shade(9))
    table = folder / "manifest.csv"
    for named in (str(private), "link.jpg"):
        table.write_text(f"image,subject\n0.jpg,a\n1.jpg,a\n{named},b\n")
        if named == "link.jpg":
            (folder / named).symlink_to(private)
        with pytest.raises(ManifestError, match="row 3 leads out") as told:
            plan_pairs(read_manifest(table), genuine=0, impostor=5)
        assert "private" not in str(told.value)
        # Somebody who names the folder above has said that all of it may be sent.
    table.write_text(f"image,subject\nset/0.jpg,a\nset/1.jpg,a\n{private},b\n")
    assert len(plan_pairs(read_manifest(table, images_root=tmp_path), genuine=0, impostor=5)) == 3


def test_to_this_machine_no_proxy_is_used(
    tmp_path: Path, permitted: Permitted, monkeypatch: pytest.MonkeyPatch
) -> None:
    got: list[bytes] = []

    class Proxy(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            got.append(self.request.recv(1 << 16))

    keys = {"AWS_ACCESS_KEY_ID": "made-up", "AWS_SECRET_ACCESS_KEY": "made-up"}
    with socketserver.TCPServer(("127.0.0.1", 0), Proxy) as proxy:
        Thread(target=proxy.serve_forever, daemon=True).start()
        through = f"http://127.0.0.1:{proxy.server_address[1]}"
        for name, value in (keys | {"HTTP_PROXY": through, "http_proxy": through}).items():
            monkeypatch.setenv(name, value)
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        told = {"SourceImage": {"Bytes": b"1"}, "TargetImage": {"Bytes": b"2"}}
        for endpoint, reached in (("http://127.0.0.1:9", False), ("http://faces.invalid", True)):
            with pytest.raises(BotoCoreError):
                client_of(endpoint, region="us-east-1").compare_faces(**told)
            assert bool(got) is reached
        proxy.shutdown()


def test_pairs_that_are_not_drawn_take_no_memory(tmp_path: Path) -> None:
    manifest = stated(tmp_path, *"aab")
    people = np.zeros(8000, np.int32)
    people[-1] = 1
    large = replace(
        manifest,
        subjects=people,
        images=["0.jpg"] * len(people),
        numbers=np.arange(len(people)),
    )
    tracemalloc.start()
    try:
        plan = plan_pairs(large, genuine=1000, impostor=3000)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 20e6  # all 32 million pairs take a quarter of a gigabyte
    assert plan.same.sum() == 1000
    pairs = {*zip(plan.a.tolist(), plan.b.tolist(), strict=True)}
    assert len(pairs) == len(plan) == 4000
    assert np.array_equal(people[plan.a] == people[plan.b], plan.same)


def test_every_pair_is_drawn_as_often(tmp_path: Path) -> None:
    manifest = stated(tmp_path, *"abacab")  # 4 genuine pairs, 11 others
    times: Counter[tuple[int, int]] = Counter()
    for seed in range(2000):
        plan = plan_pairs(manifest, genuine=2, impostor=5, seed=seed)
        times.update(zip(plan.a.tolist(), plan.b.tolist(), strict=True))
    same = {(0, 2), (0, 4), (2, 4), (1, 5)}
    assert set(times) == set(combinations(range(6), 2))
    for pair, count in times.items():
        share = 2 / 4 if pair in same else 5 / 11
        assert abs(count / 2000 - share) < 0.05  # 4.5 standard deviations


@pytest.mark.parametrize(
    ("endpoint", "near"),
    [
        ("http://127.0.0.1:8000", True),
        ("http://localhost", True),
        ("http://[::1]:80", True),
        ("https://rekognition.us-east-1.amazonaws.com", False),
        ("http://127.0.0.1.example.org", False),
        ("http://localhost.example.org", False),
        ("http://192.168.0.2", False),
        ("127.0.0.1", False),
    ],
)
def test_photographs_leave_only_when_somebody_said_so(endpoint: str, near: bool) -> None:
    assert is_loopback(endpoint) is near
    require_leave(endpoint, given=True)
    if near:
        require_leave(endpoint, given=False)
    else:
        with pytest.raises(SettingsError, match="another machine"):
            require_leave(endpoint, given=False)


def test_our_own_server_through_botocore(
    tmp_path: Path, room: TemporaryInstance, permitted: Permitted, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    pictures = (
        *(small(grace_hopper(), 240), small(grace_hopper(), 200)),
        *(small(eileen_collins(), 240), small(eileen_collins(), 200), nobody(), b"no image"),
    )
    for number, content in enumerate(pictures):
        (folder / f"{number}.jpg").write_bytes(content)
    people = "gg" + "ee" + "nn"
    rows = [f"{number}.jpg,{who}" for number, who in enumerate(people)]
    (folder / "manifest.csv").write_text("\n".join(["image,subject", *rows]) + "\n")
    manifest = read_manifest(folder / "manifest.csv")
    issued = room.licence("assayed")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", issued.licence.access_key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", issued.secret_access_key)
    with running(create_app(room.service)) as url:
        service = client_of(url, region="us-east-1")
        plan = plan_pairs(manifest, genuine=0, impostor=100)
        found = ask(
            service, manifest, plan, directory=tmp_path, permitted=permitted, per_second=1e9
        )
    good = np.isfinite(found.scores)
    assert found.failed.tolist() == [False] * 4 + [True] * 2
    assert good.sum() == 2 + 4
    genuine = found.scores[good & plan.same]
    assert genuine.min() > found.scores[good & ~plan.same].max()


def test_without_credentials_that_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(SettingsError, match="credentials"):
        client_of("http://127.0.0.1:9", region="us-east-1")
