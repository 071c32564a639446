"""The state machine of a review, against a model that is a few dictionaries."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import text

import rightface.law.tables  # noqa: F401  # the tables register themselves
from rightface.db import Base, Database
from rightface.errors import ReviewError
from rightface.gallery import review_figures, review_rows, review_seals, review_seats, reviews
from rightface.keys import KeyRing
from rightface.ledger import log
from rightface.ledger.leaf import Leaf
from tests.conftest import Permitted

PEOPLE = ["ann", "ben", "cid"]
CREDENTIALS = {name: f"{number:016x}" for number, name in enumerate(PEOPLE)}
CREDENTIALS |= {f"{name}-2": f"{number:016x}" for number, name in enumerate(PEOPLE, start=16)}
SHOWN = "5" * 64
START = datetime(2026, 11, 22, tzinfo=UTC)


class Sitting(RuleBasedStateMachine):
    """Reviewers sit, decide, leave; faces are erased; time passes. One review at a time."""

    permitted: Permitted

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        folder = Path(self._folder.name)
        self.keyring = KeyRing.create(folder / "keys")
        self.database = Database(f"sqlite:///{folder / 'r.db'}")
        Base.metadata.create_all(self.database.engine)
        search = Leaf(time=START, kind="decision", operation="identify-1toN", outcome="permitted")
        self.database.write(lambda session: log.append(session, search))
        self.now = START
        self.ended: set[str] = set()
        self.seats: dict[str, dict[str, str]] = {}  # credential → face → word
        self.faces: set[str] = set()
        self.expected: str | None = None

    def teardown(self) -> None:
        self.database.close()
        self._folder.cleanup()

    @initialize(needed=st.integers(1, 3), number=st.integers(0, 4))
    def opened(self, needed: int, number: int) -> None:
        self.needed, self.faces = needed, {f"face-{each}" for each in range(number)}
        self.expires = self.now + timedelta(hours=72)
        terms = review_seals.Terms(
            client="acme",
            licence_id="lic-1",
            purpose="missing-child",
            collection_id="c",
            ledger_index=0,
            needed=needed,
            candidates=number,
            expires_at=self.expires.isoformat(),
            pack="0" * 64,
            gallery="1" * 64,
            subject=None,
            warrant=None,
            declared={},
        )
        found = [
            review_seals.SealedCandidate(
                face_id=each, fmr=1e-4, extrapolated=False, subject=None, crop=each.encode()
            )
            for each in sorted(self.faces)
        ]
        with self.permitted("identify-1toN") as permit:
            row = self.database.write(
                lambda session: reviews.open_review(
                    session,
                    self.keyring,
                    terms,
                    found,
                    probe=b"probe",
                    probe_face_id="probe",
                    probe_subject=SHOWN,
                    at=self.now,
                    permit=permit,
                )
            )
        self.review_id = row.review_id
        self.sealed = number
        self.erased = False  # with its terms: nothing tells any more that nobody was found

    def _with(self, work: Callable[[Any, review_seals.Review], Any]) -> Any:
        def inside(session: Any) -> Any:
            row = reviews.find(session, self.review_id)
            review = review_seals.opened(self.keyring, row)
            review_seals.require_open(review, self.now)
            return work(session, review)

        return self.database.write(inside)

    @rule(name=st.sampled_from(PEOPLE), second=st.booleans())
    def sit(self, name: str, second: bool) -> None:
        credential = f"{name}{'-2' if second else ''}"
        if credential in self.ended:
            return
        standing = CREDENTIALS.keys() - self.ended
        unfinished = {
            c for c, said in self.seats.items() if c in self.ended and self.faces - said.keys()
        }
        others = {c for c in self.seats if c not in unfinished}
        names = {c.removesuffix("-2") for c in others}
        may = credential in self.seats or (name not in names and len(others) < self.needed)
        try:
            self._with(
                lambda session, review: review_seats.sit(
                    session,
                    review,
                    credential_id=CREDENTIALS[credential],
                    name=name,
                    standing={CREDENTIALS[each] for each in standing},
                    at=self.now,
                )
            )
        except ReviewError:
            bare = not self.faces
            assert self.expected is not None or self.now >= self.expires or not may or bare
            return
        assert may and self.expected is None and self.now < self.expires
        if credential not in self.seats:
            for one in unfinished:
                del self.seats[one]
            self.seats[credential] = {}

    @rule(
        credential=st.sampled_from(sorted(CREDENTIALS)),
        words=st.lists(st.sampled_from(review_rows.WORDS), min_size=1, max_size=4),
    )
    def decide(self, credential: str, words: list[str]) -> None:
        if credential in self.ended:
            return

        def work(session: Any, review: review_seals.Review) -> dict[str, str]:
            seat = review_seats.require_seat(session, review, CREDENTIALS[credential])
            shown = review_seats.shown_as(session, review, seat)
            chosen = dict(zip(sorted(shown), words, strict=False))
            review_seats.decide(session, review, seat, chosen, at=self.now)
            reviews.settle(session, self.keyring, review.row, at=self.now)
            return {shown[place].face_id: word for place, word in chosen.items()}

        try:
            said = self._with(work)
        except ReviewError:
            closed = self.expected is not None or self.now >= self.expires
            assert closed or credential not in self.seats
            return
        assert credential in self.seats and not said.keys() & self.seats[credential].keys()
        assert said.keys() <= self.faces
        self.seats[credential] |= said
        self._expect()

    @rule(credential=st.sampled_from(PEOPLE))
    def end(self, credential: str) -> None:
        self.ended.add(credential)

    @rule(subject=st.sampled_from([SHOWN, "6" * 64]), client=st.sampled_from([None, "acme", "b"]))
    def forget_subject(self, subject: str, client: str | None) -> None:
        self.database.write(lambda session: reviews.forget_subject(session, subject, client=client))
        with self.database.read() as session:
            assert reviews.left_of_subject(session, subject, client=client) == 0
        if subject == SHOWN and client in (None, "acme"):
            self.faces, self.seats, self.erased = set(), {}, True

    @rule(face=st.integers(0, 3), probe=st.booleans())
    def forget(self, face: int, probe: bool) -> None:
        gone = {"probe"} if probe and face == 3 else {f"face-{face}"}
        self.database.write(lambda session: reviews.forget(session, gone))
        with self.database.read() as session:
            assert reviews.left(session, gone) == 0
        if self.faces & gone == self.faces:  # the seats go with the last of them
            self.seats = {}
        self.faces -= gone
        if "probe" in gone:
            self.faces, self.seats, self.erased = set(), {}, True

    @rule(hours=st.sampled_from([1, 30, 80]))
    def wait(self, hours: int) -> None:
        self.now += timedelta(hours=hours)

    @rule()
    def sweep(self) -> None:
        with self.database.read() as session:
            due = reviews.due(session, at=self.now, longest=timedelta(hours=72))
        for each in due:
            self.database.write(partial(self._finish, each))
        self._expect(swept=True)

    def _finish(self, review_id: str, session: Any) -> bool:
        return reviews.finish(session, self.keyring, review_id, at=self.now)

    def _expect(self, *, swept: bool = False) -> None:
        if self.expected is not None:
            return
        said = {face: [s[face] for s in self.seats.values() if face in s] for face in self.faces}
        if said and all(len(words) == self.needed for words in said.values()):
            each = {words[0] if len(set(words)) == 1 else "disagreement" for words in said.values()}
            each = {"confirmed" if word == "same" else word for word in each}
            ranked = ("confirmed", "disagreement", "cannot-tell", "not-this-person")
            self.expected = next(word for word in ranked if word in each)
            self.faces = {face for face, words in said.items() if set(words) == {"same"}}
        elif swept and self.now >= self.expires:
            # Without a face it waits for its end all the same, and says so to nobody before.
            emptied = "erased" if self.sealed or self.erased else "nobody"
            self.expected = "timeout" if said else emptied
            self.faces = set()

    @invariant()
    def as_expected(self) -> None:
        with self.database.read() as session:
            row = reviews.find(session, self.review_id)
            assert (row.state, row.outcome) == (
                ("open", None) if self.expected is None else ("closed", self.expected)
            )
            held = session.execute(text("SELECT face_id, sealed_crop FROM review_candidates")).all()
            if self.expected is None:
                assert {one.face_id for one in held} == self.faces
                return
            for table in ("review_seats", "review_decisions"):
                assert session.execute(text(f"SELECT count(*) FROM {table}")).scalar() == 0
            assert row.sealed_probe is None
            assert all(one.sealed_crop is None for one in held)
            if row.wrapped_key is None:
                assert held == []
                assert row.probe_face_id is row.probe_subject is None
            else:
                assert self.expected == "confirmed"
                told = reviews.confirmed(session, review_seals.opened(self.keyring, row))
                assert {one.face_id for one in told} == self.faces


def test_a_review_goes_the_way_of_its_model(permitted: Permitted) -> None:
    Sitting.permitted = staticmethod(permitted)
    run_state_machine_as_test(
        Sitting,
        settings=settings(
            max_examples=10,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.parametrize(
    ("fmr", "expected"),
    [
        (1e-4, "1e-4"),
        (1.1e-4, "1e-3"),
        (0.0, "1e-9"),
        (1.0, "1e-0"),
        (0.2, "1e-0"),
        (3e-10, "1e-9"),
    ],
)
def test_bands(fmr: float, expected: str) -> None:
    assert review_figures.band(fmr) == expected
