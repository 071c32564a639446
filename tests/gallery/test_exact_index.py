"""The index: exact answers, bad input, ties, forgetting, threads."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator

import faiss
import numpy as np
import pytest
from numpy.typing import NDArray

from rightface.errors import GalleryError, PermitError
from rightface.gallery.coarse import CoarseCodes
from rightface.gallery.exact_index import ExactIndex
from rightface.gallery.index import Hit, Vectors
from rightface.permit import Permit
from tests.conftest import Permitted


@pytest.fixture
def permit(permitted: Permitted) -> Iterator[Permit]:
    with permitted("measure-accuracy") as opened:
        yield opened


def ids(count: int, seed: int = 1) -> list[str]:
    drawn = np.random.default_rng(seed).bytes(16 * count)
    return [str(uuid.UUID(bytes=drawn[16 * i : 16 * i + 16], version=4)) for i in range(count)]


def people(count: int, dimension: int, seed: int = 2, each: int = 4) -> Vectors:
    """Unit vectors in clusters, as templates of several pictures of each person are."""
    rng = np.random.default_rng(seed)
    spectrum = np.exp(-np.arange(dimension) / (dimension / 4)) + 0.05
    means = rng.standard_normal((max(count // each, 1), dimension)) * np.sqrt(spectrum)
    noise = rng.standard_normal((count, dimension)) * np.sqrt(spectrum) * 0.4
    drawn = means[rng.integers(0, len(means), count)] + noise
    unit: Vectors = (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)
    return unit


def oracle(names: list[str], vectors: Vectors, probe: NDArray[np.float32], k: int) -> list[Hit]:
    scores = vectors.astype(np.float64) @ probe.astype(np.float64)
    order = sorted(range(len(names)), key=lambda i: (-scores[i], names[i]))
    return [Hit(names[i], float(scores[i])) for i in order[:k]]


def same(found: list[Hit], expected: list[Hit], tolerance: float = 1e-6) -> bool:
    """Equal but for the order of those whose scores are as good as equal."""
    return len(found) == len(expected) and all(
        abs(one.score - other.score) <= tolerance
        for one, other in zip(found, expected, strict=True)
    )


@pytest.mark.parametrize("dimension", [1, 2, 7, 128, 257, 600])
@pytest.mark.parametrize("small", [64, 100_000], ids=["codes", "plain"])
def test_agrees_with_plain_numpy(permit: Permit, dimension: int, small: int) -> None:
    names, vectors = ids(3000), people(3000, dimension)
    probes = people(8, dimension, seed=9) * 3  # no unit length
    index = ExactIndex(dimension, small=small, depth=256)
    for start in range(0, 3000, 700):
        index.add(names[start : start + 700], vectors[start : start + 700], permit=permit)
    for k in (1, 10, 100):
        for probe, hits in zip(probes, index.search(probes, k, permit=permit), strict=True):
            assert same(hits, oracle(names, vectors, probe, k), 4e-6)
            assert hits == sorted(hits, key=lambda hit: (-hit.score, hit.id))


def test_recall_behind_codes_on_clustered_templates(permit: Permit) -> None:
    names, vectors = ids(30_000), people(30_000, 128)
    probes = people(100, 128, seed=2)  # of the same people
    index = ExactIndex(128)
    index.add(names, vectors, permit=permit)
    exact = probes.astype(np.float64) @ vectors.T.astype(np.float64)
    best = np.argsort(-exact, axis=1)[:, :10]
    slot = {name: number for number, name in enumerate(names)}
    for number, hits in enumerate(index.search(probes, 10, permit=permit)):
        found = [slot[hit.id] for hit in hits]
        assert set(found) == set(best[number])
        assert np.abs(exact[number, found] - [hit.score for hit in hits]).max() < 1e-6


def test_vectors_of_very_different_lengths(permit: Permit) -> None:
    names, vectors = ids(2000), people(2000, 32)
    vectors *= np.logspace(-6, 6, 2000, dtype=np.float32)[:, None]
    probe = people(1, 32, seed=5)
    index = ExactIndex(32, small=64, depth=128)
    index.add(names, vectors, permit=permit)
    (hits,) = index.search(probe, 20, permit=permit)
    expected = oracle(names, vectors, probe[0], 20)
    assert [hit.id for hit in hits] == [hit.id for hit in expected]
    for hit, other in zip(hits, expected, strict=True):
        assert hit.score == pytest.approx(other.score, rel=1e-6)


@pytest.mark.parametrize("small", [64, 100_000], ids=["codes", "plain"])
def test_equal_scores_come_in_the_order_of_their_ids(permit: Permit, small: int) -> None:
    names = ids(1500)
    one = people(1, 16)
    index = ExactIndex(16, small=small, depth=64)
    index.add(names, np.repeat(one, 1500, axis=0), permit=permit)
    (hits,) = index.search(one, 30, permit=permit)
    assert [hit.id for hit in hits] == sorted(names)[:30]
    index.remove(sorted(names)[:3])
    (hits,) = index.search(one, 30, permit=permit)
    assert [hit.id for hit in hits] == sorted(names)[3:33]


def test_as_many_as_4096_and_no_more(permit: Permit) -> None:
    names, vectors = ids(6000), people(6000, 16)
    index = ExactIndex(16, small=64)
    index.add(names, vectors, permit=permit)
    (hits,) = index.search(vectors[:1], 4096, permit=permit)
    assert same(hits, oracle(names, vectors, vectors[0], 4096))
    assert len({hit.id for hit in hits}) == 4096
    for k in (0, -1, 4097):
        with pytest.raises(GalleryError):
            index.search(vectors[:1], k, permit=permit)


def test_an_empty_index_finds_nobody(permit: Permit) -> None:
    index = ExactIndex(4)
    assert index.search(np.ones((2, 4), np.float32), 5, permit=permit) == [[], []]
    assert index.search(np.zeros((0, 4), np.float32), 5, permit=permit) == []
    assert index.remove(ids(3)) == 0
    index.rebuild(permit=permit)
    assert len(index) == 0


@pytest.mark.parametrize(
    "vectors",
    [
        np.full((1, 4), np.nan, np.float32),
        np.array([[0, 0, np.inf, 0]], np.float32),
        np.array([[0, 0, -np.inf, 0]], np.float32),
        np.array([[1e38, 0, 0, 0]], np.float32),
        np.zeros((1, 3), np.float32),
        np.zeros((1, 5), np.float32),
        np.zeros(4, np.float32),
        np.zeros((1, 1, 4), np.float32),
    ],
    ids=["nan", "inf", "minus-inf", "huge", "short", "long", "flat", "deep"],
)
def test_vectors_that_are_refused(permit: Permit, vectors: Vectors) -> None:
    index = ExactIndex(4)
    index.add(ids(1, seed=8), np.ones((1, 4), np.float32), permit=permit)
    with pytest.raises(GalleryError):
        index.add(ids(1), vectors, permit=permit)
    with pytest.raises(GalleryError):
        index.search(vectors, 1, permit=permit)
    assert len(index) == 1


@pytest.mark.parametrize(
    "names",
    [["x"], [""], [ids(1)[0].upper()], [ids(1)[0] + " "], [], ids(2), ids(1) * 2, [None]],
)
def test_ids_that_are_refused(permit: Permit, names: list[str]) -> None:
    index = ExactIndex(4)
    with pytest.raises(GalleryError):
        index.add(names, np.ones((1 if len(names) < 2 else 3, 4), np.float32), permit=permit)
    with pytest.raises(GalleryError):
        index.add(ids(1) * 2, np.ones((2, 4), np.float32), permit=permit)
    assert len(index) == 0


def test_no_dimension_no_index() -> None:
    with pytest.raises(GalleryError):
        ExactIndex(0)


def test_an_id_that_is_there_gets_the_new_vector(permit: Permit) -> None:
    index = ExactIndex(2)
    name = ids(1)
    index.add(name, np.array([[1, 0]], np.float32), permit=permit)
    index.add(name, np.array([[0, 2]], np.float32), permit=permit)
    assert len(index) == 1
    assert index.search(np.array([[0, 1]], np.float32), 5, permit=permit) == [[Hit(name[0], 2.0)]]


def test_permits_are_asked_for(permitted: Permitted) -> None:
    index = ExactIndex(2)
    one = np.ones((1, 2), np.float32)
    with permitted("identify-1toN") as permit, pytest.raises(PermitError):
        index.add(ids(1), one, permit=permit)
    with permitted("enroll") as permit, pytest.raises(PermitError):
        index.search(one, 1, permit=permit)
    with permitted("identify-1toN") as permit, pytest.raises(PermitError):
        index.rebuild(permit=permit)
    with pytest.raises(PermitError):
        index.search(one, 1, permit=None)  # type: ignore[arg-type]


@pytest.mark.parametrize("small", [64, 100_000], ids=["codes", "plain"])
def test_a_removed_vector_leaves_memory(permit: Permit, small: int) -> None:
    names, vectors = ids(700), people(700, 32)
    index = ExactIndex(32, small=small)
    index.add(names, vectors, permit=permit)
    victims = [names[i] for i in (0, 5, 350, 698, 699)]
    prints = {name: _fingerprint(index, name) for name in [*victims, names[7]]}
    assert all(_held(index, one) for one in prints.values())
    assert index.remove(victims) == 5
    assert _held(index, prints[names[7]])  # the scan can find what is there
    for name in victims:
        assert name not in index
        assert not _held(index, prints[name])
    for table in index._vectors.tables:
        assert not table.rows[len(index) :].any()
    if index._codes is not None:
        assert not _codes_beyond(index).any()
        assert len(index._codes) == len(index)
    index.clear()
    assert not _held(index, prints[names[7]])
    assert len(index) == 0


def _fingerprint(index: ExactIndex, name: str) -> list[bytes]:
    from rightface.gallery.face_ids import keys_of

    slot = index._ids.find(keys_of([name])[0])
    tables = [table for table in index._vectors.tables if table.rows.ndim == 2]
    return [table.rows[slot].tobytes() for table in tables]


def _held(index: ExactIndex, prints: list[bytes]) -> bool:
    tables = [table for table in index._vectors.tables if table.rows.ndim == 2]
    return any(one in table.rows.tobytes() for one, table in zip(prints, tables, strict=False))


def _codes_beyond(index: ExactIndex) -> NDArray[np.uint8]:
    codes = index._codes
    assert codes is not None
    (buffer,) = codes.buffers()
    slots = 32 * (len(buffer) // codes._block_bytes)
    return np.array([codes.code(slot) for slot in range(len(codes), slots)])


def test_codes_follow_their_vectors(permit: Permit) -> None:
    names, vectors = ids(900), people(900, 16)
    index = ExactIndex(16, small=64)
    index.add(names, vectors, permit=permit)
    index.remove(names[10:40] + names[880:])
    codes = index._codes
    assert codes is not None
    held = index._vectors.floats(np.arange(len(index)))
    fresh = codes.books.codes(codes.books.projected(held))
    kept = np.array([codes.code(slot) for slot in range(len(index))])
    changed = np.count_nonzero((kept != fresh).any(axis=1))
    assert changed <= 5  # 22 bits may round a component across a cell's border


@pytest.mark.parametrize("dimension", [5, 32, 257])
def test_codes_are_those_that_faiss_would_choose(dimension: int) -> None:
    vectors = people(700, dimension)
    codes = CoarseCodes(vectors)
    for start in range(0, 700, 90):  # not whole blocks
        codes.append(vectors[start : start + 90])
    ours = np.array([codes.code(slot) for slot in range(700)])
    theirs = codes._empty()
    theirs.add(codes.books.projected(vectors))
    (buffer,) = codes.buffers()
    packer = theirs.get_CodePacker()
    blocks = buffer.reshape(-1, packer.block_size)
    read = np.array([packer.unpack_1(blocks[i // 32][None], i % 32) for i in range(700)])
    both = np.stack([read & 15, read >> 4], axis=2).reshape(700, -1)[:, : ours.shape[1]]
    assert np.array_equal(both, ours)
    same = np.mean(faiss.vector_to_array(theirs.codes) == buffer)
    assert same > 0.999  # but for ties on a border


def test_grows_through_learning_again(permit: Permit) -> None:
    names, vectors = ids(5000), people(5000, 16)
    index = ExactIndex(16, small=100, depth=128)
    learnt = []
    for start in range(0, 5000, 50):
        index.add(names[start : start + 50], vectors[start : start + 50], permit=permit)
        learnt.append(index._learnt_from)
    assert sorted(set(learnt)) == [0, 150, 600, 2400]
    index.rebuild(permit=permit)
    assert index._learnt_from == 5000
    (hits,) = index.search(vectors[:1], 10, permit=permit)
    assert same(hits, oracle(names, vectors, vectors[0], 10))


def test_strays_are_found_however_badly_their_codes_fit(permit: Permit) -> None:
    names, vectors = ids(6000), people(6000, 32)
    index = ExactIndex(32, small=2000, depth=64)
    index.add(names[:5000], vectors[:5000], permit=permit)
    far = people(1000, 32, seed=8)
    far[:, 30:] += np.array([1.2, -1.2], np.float32)  # where the codes hardly reach
    index.add(names[5000:5200], far[:200], permit=permit)
    assert index._codes is not None
    assert 100 < len(index._codes.strays()) < 260
    everything = np.vstack([vectors[:5000], far[:200]])
    for probe in far[:50]:
        (hits,) = index.search(probe[None], 5, permit=permit)
        assert same(hits, oracle(names[:5200], everything, probe, 5), 4e-6)  # scores up to 4
    index.remove(names[:4900] + names[5050:5200])  # strays move into other slots
    left = names[4900:5050]
    for probe in far[:20]:
        (hits,) = index.search(probe[None], 5, permit=permit)
        assert same(hits, oracle(left, everything[4900:5050], probe, 5), 4e-6)
    assert max(index._codes.strays(), default=0) < len(index)


def test_learns_again_when_what_comes_is_of_another_kind(permit: Permit) -> None:
    names = ids(9000)
    index = ExactIndex(16, small=500, depth=64)
    index.add(names[:4000], people(4000, 16), permit=permit)
    learnt = index._learnt_from
    assert learnt == 4000
    index.add(names[4000:6000], people(2000, 16, seed=4) * 5, permit=permit)
    assert index._learnt_from == 6000
    assert index._codes is not None
    assert len(index._codes.strays()) < 100


def test_several_segments_of_codes(permit: Permit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rightface.gallery.coarse._SEGMENT", 256 * 8)  # 16 codes of 4 bits
    names, vectors = ids(1500), people(1500, 16)
    index = ExactIndex(16, small=100, depth=128)
    index.add(names, vectors, permit=permit)
    index.remove(names[:600])
    assert index._codes is not None
    assert len(list(index._codes.buffers())) == 4
    for probe in vectors[700:720]:
        (hits,) = index.search(probe[None], 10, permit=permit)
        assert same(hits, oracle(names[600:], vectors[600:], probe, 10))
    index.remove(names)
    assert len(index) == 0
    assert index.search(vectors[:1], 3, permit=permit) == [[]]


def test_threads_search_while_faces_come_and_go(permit: Permit) -> None:
    stay, stay_vectors = ids(1500), people(1500, 16)
    come, come_vectors = ids(1500, seed=3), people(1500, 16, seed=4)
    index = ExactIndex(16, small=500, depth=256)
    index.add(stay, stay_vectors, permit=permit)
    user = ids(2, seed=5)
    index.assign(dict.fromkeys(stay, user[0]))
    done, problems = threading.Event(), list[BaseException]()

    def change() -> None:
        try:
            for _ in range(3):
                for start in range(0, 1500, 100):
                    part = slice(start, start + 100)
                    index.add(come[part], come_vectors[part], permit=permit)
                    index.assign(dict.fromkeys(come[part], user[1]))
                index.rebuild(permit=permit)
                index.remove(come)
        except BaseException as error:  # noqa: BLE001  # told below
            problems.append(error)
        finally:
            done.set()

    def search(seed: int) -> None:
        rng = np.random.default_rng(seed)
        known = dict(zip(stay + come, np.vstack([stay_vectors, come_vectors]), strict=True))
        try:
            while not done.is_set():
                at = int(rng.integers(0, 1500))
                (hits,) = index.search(stay_vectors[at][None], 5, permit=permit)
                assert hits[0].id == stay[at]
                for hit in hits:
                    assert abs(hit.score - float(known[hit.id] @ stay_vectors[at])) < 1e-6
                (groups,) = index.search_grouped(stay_vectors[at][None], 2, permit=permit)
                assert (groups[0].group, groups[0].id) == (user[0], stay[at])
                assert len(groups) == len({hit.group for hit in groups})
                assert all((hit.id in stay) == (hit.group == user[0]) for hit in groups)
        except BaseException as error:  # noqa: BLE001
            problems.append(error)

    threads = [threading.Thread(target=search, args=(seed,)) for seed in range(3)]
    threads.append(threading.Thread(target=change))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert problems == []
    assert len(index) == 1500


@pytest.mark.parametrize("small", [64, 100_000], ids=["codes", "plain"])
@pytest.mark.parametrize("grouped", [0.02, 0.5, 1.0])
def test_groups_agree_with_plain_numpy(permit: Permit, small: int, grouped: float) -> None:
    names, vectors = ids(6000), people(6000, 32)
    users = ids(700, seed=6)
    rng = np.random.default_rng(7)
    of = np.where(rng.random(6000) < grouped, rng.integers(0, 700, 6000), -1)
    index = ExactIndex(32, small=small, depth=128)
    index.add(names, vectors, permit=permit)
    index.assign({name: users[at] for name, at in zip(names, of, strict=True) if at >= 0})
    face, user = ({one: at for at, one in enumerate(some)} for some in (names, users))
    for probe in people(4, 32, seed=8) * 2:
        scores = vectors.astype(np.float64) @ probe.astype(np.float64)
        own = np.flatnonzero(of == of[int(np.argmax(np.where(of >= 0, scores, -np.inf)))])
        for without in (set[int](), set(own.tolist())):  # the best user's faces: as if not there
            best = np.full(700, -np.inf)
            here = ~np.isin(np.arange(6000), list(without)) & (of >= 0)
            np.maximum.at(best, of[here], scores[here])
            for k in (1, 10, 900):
                (hits,) = index.search_grouped(
                    probe[None], k, without=[names[at] for at in without], permit=permit
                )
                expected = np.sort(best[np.isfinite(best)])[::-1][:k]
                assert len(hits) == len(expected)
                assert np.abs(np.array([hit.score for hit in hits]) - expected).max() < 2e-6
                for hit in hits:
                    assert abs(best[user[hit.group]] - hit.score) < 2e-6
                    assert of[face[hit.id]] == user[hit.group]


def test_groups_come_and_go(permit: Permit) -> None:
    names, users = ids(1200), ids(1200, seed=6)
    vectors = people(1200, 8)
    index = ExactIndex(8)
    index.add(names, vectors, permit=permit)
    index.assign(dict(zip(names, users, strict=True)) | {ids(1, seed=9)[0]: users[0]})
    index.remove(names[:600])  # so many empty groups are numbered anew
    (hits,) = index.search_grouped(vectors[:1], 4096, permit=permit)
    held = dict(zip(names[600:], users[600:], strict=True))
    assert {hit.id: hit.group for hit in hits} == held
    assert len(index._groups._ids) < 1200
    index.add(names[600:601], vectors[600:601], permit=permit)  # anew: of no group
    index.assign(dict.fromkeys(names[601:900]))
    (hits,) = index.search_grouped(vectors[:1], 4096, permit=permit)
    assert {hit.id for hit in hits} == set(names[900:])
    with pytest.raises(GalleryError):
        index.assign({names[1000]: None, names[1001]: "no UUID"})
    (hits,) = index.search_grouped(vectors[:1], 4096, permit=permit)
    assert len(hits) == 300
    index.clear()
    assert index.search_grouped(vectors[:1], 5, permit=permit) == [[]]


def test_a_batch_gets_the_answers_of_single_searches(permit: Permit) -> None:
    names, vectors = ids(3000), people(3000, 16)
    index = ExactIndex(16, small=100, depth=128)
    index.add(names, vectors, permit=permit)
    alone = [index.search(probe[None], 7, permit=permit)[0] for probe in vectors[:40]]
    assert index.search(vectors[:40], 7, permit=permit) == alone


def test_a_scan_shared_among_cores_finds_the_same(
    permit: Permit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rightface.gallery.coarse._SEGMENT", 256 * 8)
    names, vectors = ids(3000), people(3000, 16)
    index = ExactIndex(16, small=100, depth=128)
    index.add(names, vectors, permit=permit)
    alone = index.search(vectors[:20], 7, permit=permit)
    monkeypatch.setattr("rightface.gallery.coarse._PARTS", 0)
    assert [index.search(probe[None], 7, permit=permit)[0] for probe in vectors[:20]] == alone
