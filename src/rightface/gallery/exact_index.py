"""The embedded index: the faces with the greatest inner product, on the CPU, from memory.

Few vectors are held as float32 and all compared. Many are held in 22-bit fixed point
(fixed_point.py) and first scanned as coarse codes (coarse.py), and the best of that scan compared:

    1. Scan the codes for the `depth` best; add those that codes describe badly.
    2. Compare those from their upper 16 bits; keep whoever may be among the `k` best by the bounds.
    3. Compare the kept ones exactly; order by score, equal scores by id.
    4. Could one that the scan passed over belong to the answer? The scan's own error on those that
       were compared tells how many such are to be expected. If too many, go four times as deep.

A removed vector leaves memory at once: its slot is overwritten by the last one, which is zeroed.
Adding, removing and learning take turns among themselves; a search waits for none of them longer
than a short batch takes to be written. A lone search uses every core (cores.py); many at once share
them. Must never know: SQL, subjects, HTTP.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from rightface.errors import GalleryError
from rightface.gallery.coarse import TRAINED_ON, CoarseCodes
from rightface.gallery.cores import shared, working
from rightface.gallery.face_ids import FaceIds, Keys, id_of, keys_of
from rightface.gallery.fixed_point import FixedVectors, Floats, Slots
from rightface.gallery.float_vectors import FloatVectors
from rightface.gallery.groups import Groups, Numbers
from rightface.gallery.index import MOST, GroupHit, Hit, Vectors
from rightface.gallery.turns import Turns
from rightface.permit import Permit, Touch, require

SMALL = 32_768  # vectors up to which all are compared
GROWN = 4  # times as many vectors as the codes were learnt from: learn again, if they were few
ASTRAY = 0.05  # share of vectors that the codes do not reach: learn again, they have changed
DEPTH = 1_024  # vectors compared after a scan, at least …
DEEPER = 333  # … or one in so many, because neighbours crowd as a gallery grows …
DEEPEST = 4_096  # … but no more than this, unless the scan proves too coarse for the probe
MISSED = 1e-5  # expected share of the answer that the scan passed over, at most
WIDER = 1.15  # times the deviation seen: the scan's errors lean and have fat tails (kurtosis 3.25)
_FEWEST = 64  # vectors to learn from; a codebook has 16 entries per subspace
_BATCH = 1_024  # vectors written while searches wait
_LARGEST = 2.0**100  # beyond, sums of products leave float32


class ExactIndex:
    """An `Index` in memory: exact scores, ids that are UUIDs, any dimension; thread-safe.

    Args:
        dimension: the length of the vectors.
        small: as many vectors are all compared; codes are learnt beyond that.
        depth: how many a scan of the codes hands on to be compared, at least.
    """

    def __init__(self, dimension: int, *, small: int = SMALL, depth: int = DEPTH) -> None:
        if dimension < 1:
            raise GalleryError("An index needs at least one dimension.")
        self._dimension = dimension
        self._small = max(small, _FEWEST)
        self._depth = depth
        self._ids = FaceIds()
        self._vectors: FloatVectors | FixedVectors = FloatVectors(dimension)
        self._groups = Groups()
        self._codes: CoarseCodes | None = None
        self._learnt_from = 0
        self._turns = Turns()  # searches against changes
        self._changing = threading.Lock()  # changes among themselves

    @property
    def dimension(self) -> int:
        """The length of the vectors."""
        return self._dimension

    @property
    def nbytes(self) -> int:
        """Bytes reserved for vectors, codes, ids and groups."""
        codes = self._codes.nbytes if self._codes else 0
        return self._ids.nbytes + self._vectors.nbytes + self._groups.nbytes + codes

    def __len__(self) -> int:
        return len(self._ids)

    def __contains__(self, face_id: object) -> bool:
        if not isinstance(face_id, str):
            return False
        try:
            key = keys_of([face_id])[0]
        except GalleryError:
            return False
        with self._turns.reading():
            return self._ids.find(key) >= 0

    # ------------------------------------------------------------ changes
    def add(self, ids: Sequence[str], vectors: Vectors, *, permit: Permit) -> None:
        """See `Index.add`. Searches see a long addition come in batches."""
        require(permit, Touch.INDEX)
        vectors, keys = self._checked(vectors), keys_of(ids)
        if len(keys) != len(vectors) or len(set(ids)) != len(keys):
            raise GalleryError("Each vector needs one id of its own.")
        with self._changing:
            self._remove(self._ids.present(keys))
            for start in range(0, len(keys), _BATCH):
                part = slice(start, start + _BATCH)
                self._append(keys[part], vectors[part])
            if self._should_learn():
                self._learn()

    def remove(self, ids: Iterable[str]) -> int:
        """See `Index.remove`."""
        keys = keys_of(list(ids))
        with self._changing:
            return self._remove(keys)

    def keep(self, ids: Iterable[str]) -> int:
        """See `Index.keep`."""
        keys = keys_of(list(ids))
        with self._changing:
            slots, stays = self._ids.slots(keys), np.zeros(len(self._ids), bool)
            stays[slots[slots >= 0]] = True
            return self._remove(self._ids.keys[~stays])

    def assign(self, groups: Mapping[str, str | None]) -> None:
        """See `Index.assign`."""
        names, keys = list(groups.values()), keys_of(list(groups))
        keys_of([name for name in names if name is not None])  # raises before anything is changed
        with self._changing:
            for start in range(0, len(keys), _BATCH):
                part = slice(start, start + _BATCH)
                slots = self._ids.slots(keys[part])
                held = slots >= 0
                kept = [name for name, there in zip(names[part], held, strict=True) if there]
                with self._turns.writing():
                    self._groups.put(slots[held], kept)

    def clear(self) -> None:
        """Forget everything at once."""
        with self._changing, self._turns.writing():
            self._ids.clear()
            self._groups.clear()
            self._vectors.clear()
            self._vectors = FloatVectors(self._dimension)
            if self._codes is not None:
                self._codes.clear()
            self._codes, self._learnt_from = None, 0

    def rebuild(self, *, permit: Permit) -> None:
        """See `Index.rebuild`. Searches go on meanwhile; changes wait."""
        require(permit, Touch.INDEX)
        with self._changing:
            if len(self) > self._small:
                self._learn()

    def _append(self, keys: Keys, vectors: Floats) -> None:
        with self._turns.writing():
            if self._codes is not None:
                self._codes.append(vectors)
            self._vectors.append(vectors)
            self._groups.append(len(keys))
            self._ids.append(keys)

    def _remove(self, keys: Keys) -> int:
        removed = 0
        for start in range(0, len(keys), _BATCH):
            with self._turns.writing():
                for key in keys[start : start + _BATCH]:
                    if self._ids.find(key) < 0:
                        continue
                    slot = self._ids.remove(key)
                    self._vectors.move_last(slot)
                    self._groups.move_last(slot)
                    if self._codes is not None:
                        self._codes.move_last(slot)
                    removed += 1
        return removed

    def _should_learn(self) -> bool:
        count, codes = len(self), self._codes
        if count <= self._small:
            return False
        if codes is None or (count >= GROWN * self._learnt_from < GROWN * TRAINED_ON):
            return True
        return len(codes.strays()) > ASTRAY * count and count >= 1.25 * self._learnt_from

    def _learn(self) -> None:
        # Reads only, until the new codes take the place of the old ones.
        count = len(self)
        chosen = np.random.default_rng(count).choice(count, min(count, TRAINED_ON), replace=False)
        codes = CoarseCodes(self._vectors.floats(np.sort(chosen)))
        before = self._vectors
        vectors = FixedVectors(self._dimension) if isinstance(before, FloatVectors) else before
        for start in range(0, count, _BATCH):
            some = before.floats(slice(start, min(start + _BATCH, count)))
            codes.append(some)
            if vectors is not before:
                vectors.append(some)
        with self._turns.writing():
            old, self._codes, self._learnt_from = self._codes, codes, count
            self._vectors = vectors
        if vectors is not before:
            before.clear()
        if old is not None:
            old.clear()

    # ------------------------------------------------------------ searching
    def search(self, probes: Vectors, k: int, *, permit: Permit) -> list[list[Hit]]:
        """See `Index.search`."""
        require(permit, Touch.SEARCH)
        if not 1 <= k <= MOST:
            raise GalleryError(f"A search returns 1 to {MOST} faces.")
        each = [partial(self._search, probe, k) for probe in self._checked(probes)]
        with working():
            return shared(each)

    def search_grouped(
        self, probes: Vectors, k: int, *, without: Collection[str] = (), permit: Permit
    ) -> list[list[GroupHit]]:
        """See `Index.search_grouped`."""
        require(permit, Touch.SEARCH)
        if not 1 <= k <= MOST:
            raise GalleryError(f"A search returns 1 to {MOST} groups.")
        absent = keys_of(list(without))
        each = [partial(self._search_grouped, probe, k, absent) for probe in self._checked(probes)]
        with working():
            return shared(each)

    def _search(self, probe: Floats, k: int) -> list[Hit]:
        with self._turns.reading():
            count = len(self)
            if not count:
                return []
            depth = max(self._depth, min(count // DEEPER, DEEPEST), 4 * k)
            while self._codes is not None and depth < count:
                # 1. Scan.
                guesses, slots, passed = self._codes.scan(probe, depth)
                slots = _with(slots, self._codes.strays())
                # 2. Compare roughly.
                scores, slack = self._vectors.bounds(probe, slots)
                # 4. Was the scan deep enough?
                kth = _greatest(scores, k) if len(scores) >= k else -math.inf
                if _expected_missing(guesses, scores, passed, kth) <= MISSED * k:
                    return self._best(probe, slots, scores, slack, k)
                depth *= 4
            if isinstance(self._vectors, FloatVectors):
                return self._exactly(probe, self._vectors.likely(probe, k), k)
            return self._best(probe, np.arange(count), *self._vectors.bounds(probe, None), k)

    def _best(
        self, probe: Floats, slots: Slots, scores: Floats, slack: Floats, k: int
    ) -> list[Hit]:
        if len(slots) > k:
            slots = slots[scores + slack >= _greatest(scores - slack, k)]
        return self._exactly(probe, slots, k)

    def _exactly(self, probe: Floats, slots: Slots, k: int) -> list[Hit]:
        # 3. Compare exactly.
        exact, keys = self._vectors.scores(probe, slots), self._ids.keys[slots]
        order = np.lexsort((keys[:, 1], keys[:, 0], -exact))[:k]
        return [Hit(id_of(keys[place]), float(exact[place])) for place in order]

    def _search_grouped(self, probe: Floats, k: int, absent: Keys) -> list[GroupHit]:
        # As `_search`, but the k-th best is that of the groups' best faces.
        with self._turns.reading():
            left_out = self._absent(absent)
            wanted = min(k, self._groups_without(left_out))
            if not wanted:
                return []
            count, grouped = len(self), self._groups.grouped
            depth = max(self._depth, min(count // DEEPER, DEEPEST), 4 * k)
            depth = -(-depth * count // grouped)  # so many of a scan are of no group
            while self._codes is not None and depth < count:
                guesses, slots, passed = self._codes.scan(probe, depth)
                slots = _with(slots, self._codes.strays())
                scores, slack = self._vectors.bounds(probe, slots)
                numbers = self._numbers(slots, left_out)
                kth = _kth_group(numbers, scores, wanted)
                if _expected_missing(guesses, scores, passed, kth) <= MISSED * k:
                    return self._best_groups(probe, slots, numbers, scores, slack, wanted)
                depth *= 4
            most = 2 * grouped >= count  # then it is quicker to compare the others as well
            slots = np.arange(count) if most else np.flatnonzero(self._groups.of)
            scores, slack = self._vectors.bounds(probe, None if most else slots)
            numbers = self._numbers(slots, left_out)
            return self._best_groups(probe, slots, numbers, scores, slack, wanted)

    def _numbers(self, slots: Slots, left_out: Slots) -> Numbers:
        numbers = self._groups.of[slots]
        if len(left_out):
            numbers[np.isin(slots, left_out)] = 0
        return numbers

    def _absent(self, keys: Keys) -> Slots:
        slots = self._ids.slots(keys)
        return np.unique(slots[slots >= 0])

    def _groups_without(self, left_out: Slots) -> int:
        # How many groups have a face that is not left out.
        numbers, lost = np.unique(self._groups.of[left_out], return_counts=True)
        emptied = (self._groups.members[numbers] == lost) & (numbers > 0)
        return len(self._groups) - int(np.count_nonzero(emptied))

    def _best_groups(
        self,
        probe: Floats,
        slots: Slots,
        numbers: Numbers,
        scores: Floats,
        slack: Floats,
        wanted: int,
    ) -> list[GroupHit]:
        least = _kth_group(numbers, scores - slack, wanted)
        slots = slots[(scores + slack >= least) & (numbers > 0)]
        exact, keys = self._vectors.scores(probe, slots), self._ids.keys[slots]
        order = np.lexsort((keys[:, 1], keys[:, 0], -exact))
        # The first of each group is its best; a stable sort leaves them so.
        firsts = order[np.unique(self._groups.of[slots[order]], return_index=True)[1]]
        hits = [
            GroupHit(
                self._groups.id(int(self._groups.of[slots[place]])),
                id_of(keys[place]),
                float(exact[place]),
            )
            for place in firsts
        ]
        return sorted(hits, key=lambda hit: (-hit.score, hit.group))[:wanted]

    def _checked(self, vectors: Vectors) -> Floats:
        checked: NDArray[np.float32] = np.ascontiguousarray(vectors, np.float32)
        if checked.ndim != 2 or checked.shape[1] != self._dimension:
            raise GalleryError(f"The index holds vectors of {self._dimension} dimensions.")
        if not (np.abs(checked) < _LARGEST).all():  # NaN compares false
            raise GalleryError("A vector holds NaN, infinity or a number beyond 2^100.")
        return checked


def _with(slots: Slots, others: Slots) -> Slots:
    # The slots, which are in order, and after them those of the others that are not among them.
    if not len(slots):
        return others
    place = np.minimum(np.searchsorted(slots, others), len(slots) - 1)
    return np.concatenate([slots, others[slots[place] != others]])


def _greatest(scores: Floats, k: int) -> float:
    return float(np.partition(scores, -k)[-k])


def _kth_group(numbers: Numbers, scores: Floats, wanted: int) -> float:
    """The best score of the `wanted`-th best group, −∞ if there are fewer. 0 is no group."""
    some = 4 * wanted + 64  # the few greatest scores mostly tell
    while some < len(scores):
        chosen = np.argpartition(scores, -some)[-some:]
        best = _best_of_each(numbers[chosen], scores[chosen])
        if len(best) >= wanted:
            return _greatest(best, wanted)
        some *= 8
    best = _best_of_each(numbers, scores)
    return _greatest(best, wanted) if len(best) >= wanted else -math.inf


def _best_of_each(numbers: Numbers, scores: Floats) -> Floats:
    """The best score of each group among `numbers`; 0 is none."""
    order = np.argsort(numbers)
    order = order[np.searchsorted(numbers, 1, sorter=order) :]
    numbers, scores = numbers[order], scores[order]
    starts = np.flatnonzero(np.diff(numbers, prepend=0))
    best: Floats = np.maximum.reduceat(scores, starts) if len(starts) else scores
    return best


def _expected_missing(guesses: Floats, scores: Floats, worst: float, least: float) -> float:
    """How many the scan is expected to have passed over that score `least`; an upper estimate.

    Model: below `worst`, which no guess passed over exceeds, guesses go on getting denser at the
    rate seen above it (exponentially), and the scan errs there as it erred on those that were
    compared (normally). Then the number of those passed over whose score reaches `least`, the k-th
    best, is
    ∫ n·λ·e^(λt) · P(error > gap + t) dt, t from 0; with P(z) ≤ ½·e^(−z²/2) it has a closed form.
    """
    if not math.isfinite(worst):  # nothing was passed over, or nothing was found
        return 0.0 if worst < 0 else math.inf
    error = scores[: len(guesses)] - guesses  # the rest are strays, which have no guess
    deviation = WIDER * float(error.std())
    above = guesses[guesses >= worst]  # some segments gave more
    excess = float(above.mean()) - worst
    gap = least - worst - float(error.mean())
    if gap <= 0 or excess <= 0:
        return math.inf  # no separation at all: the answer may lie anywhere
    if deviation == 0:
        return 0.0
    rate = deviation / excess
    far = gap / deviation
    power = rate * rate / 2 - rate * far
    tail = math.erfc((far - rate) / math.sqrt(2)) / 2
    return math.sqrt(math.pi / 2) * len(above) * rate * math.exp(min(power, 50.0)) * tail
