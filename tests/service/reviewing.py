"""A house for the tests of human review: a client who looks for missing children, and reviewers."""

from __future__ import annotations

import io
import json
import shutil
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sqlalchemy import update

from instance import OPERATIONS, TemporaryInstance, temporary_instance
from rightface.cli.main import complete
from rightface.credentials import IssuedCredential
from rightface.gallery.review_rows import ReviewRow
from rightface.instance import Instance
from rightface.law.licences import IssuedLicence
from rightface.ledger.leaf import Leaf
from rightface.ledger.log import entries, size
from rightface.registrar_credentials import CredentialDesk
from rightface.registrar_reviews import ReviewDesk
from rightface.service import Service
from rightface.service_types import (
    Answer,
    Caller,
    OpenedReview,
    ReviewOutcome,
    SearchResult,
)
from tests.portraits import eileen_collins, grace_hopper

PURPOSE = "missing-child"
GALLERY = "found"
TABLES = ("review_candidates", "review_seats", "review_decisions")


@dataclass
class House:
    """One instance, one client, as many reviewers as are named."""

    opened: TemporaryInstance
    licence: IssuedLicence
    tokens: dict[str, str] = field(default_factory=dict)
    credentials: dict[str, IssuedCredential] = field(default_factory=dict)

    @property
    def service(self) -> Service:
        return self.opened.service

    def caller(self, **changed: Any) -> Caller:
        told: dict[str, Any] = {
            "licence": self.licence.licence,
            "purpose": PURPOSE,
            "subject": None,
            "request_id": str(uuid.uuid4()),
        }
        return Caller(**(told | changed))

    def reviewer(self, name: str, *, known_as: str | None = None) -> str:
        issued = CredentialDesk(self.opened.instance).issue(role="reviewer", name=name)
        self.credentials[known_as or name] = issued
        self.tokens[known_as or name] = issued.token
        return issued.token

    def end(self, name: str) -> None:
        desk = CredentialDesk(self.opened.instance)
        desk.end(self.credentials[name].credential.credential_id)

    def enrol(self, subject: str, photo: bytes) -> str:
        self.opened.consent(subject, purposes=(PURPOSE,))
        found = self.service.index_faces(
            self.caller(),
            GALLERY,
            image=photo,
            subject=subject,
            max_faces=1,
            quality_filter="NONE",
        )
        return found.value.enrolled[0].record.face_id

    def search(self, photo: bytes, *, similarity: float = 0.0, **changed: Any) -> str:
        answer = self.searched(photo, similarity=similarity, **changed)
        assert answer.value.candidates == ()
        assert answer.review is not None
        return answer.review

    def searched(
        self, photo: bytes, *, similarity: float = 0.0, **changed: Any
    ) -> Answer[SearchResult]:
        return self.service.search_faces_by_image(
            self.caller(**changed),
            GALLERY,
            image=photo,
            limit=10,
            similarity=similarity,
            quality_filter="NONE",
        )

    def open(self, name: str, review: str) -> OpenedReview:
        return self.service.open_review(self.tokens[name], review)

    def decide(self, name: str, review: str, decisions: dict[int, str]) -> int:
        return self.service.decide_review(self.tokens[name], review, decisions)

    def judge(self, name: str, review: str, other: str = "not-this-person") -> int:
        """Open it and decide as an honest person: the very picture is the same person's."""
        shown = self.open(name, review)
        words = {
            one.number: "same" if alike(one.picture, shown.probe) else other
            for one in shown.candidates
        }
        return self.decide(name, review, words)

    def outcome(self, review: str, **changed: Any) -> ReviewOutcome:
        return self.service.review_outcome(self.caller(**changed), review).value

    def sweep(self) -> int:
        return ReviewDesk(self.opened.instance).sweep()

    def rows(self, table: str) -> list[Any]:
        from sqlalchemy import text

        with self.opened.instance.database.read() as session:
            return list(session.execute(text(f"SELECT * FROM {table}")))

    def row(self, review: str) -> ReviewRow:
        with self.opened.instance.database.read() as session:
            row = session.get(ReviewRow, review)
            assert row is not None
            session.expunge(row)
            return row

    def change(self, review: str, **values: Any) -> None:
        """Edit the row, as somebody with the database and without the keys could."""
        where = update(ReviewRow).where(ReviewRow.review_id == review).values(**values)
        self.opened.instance.database.write(lambda session: session.execute(where) and None)

    def leaves(self, operation: str | None = None) -> list[Leaf]:
        self.opened.instance.database.write(lambda _: None)  # behind the outcomes that wait
        with self.opened.instance.database.read() as session:
            found = [Leaf.parse(body) for body in entries(session, 0, size(session))]
        return [leaf for leaf in found if operation in (None, leaf.operation)]

    def nothing_left(self, review: str) -> None:
        """Of a closed review nothing is kept but that it was, and how it ended."""
        assert self.row(review).state == "closed"
        self.emptied(review)

    def emptied(self, review: str) -> None:
        """Nothing is kept but that it was."""
        row = self.row(review)
        assert row.wrapped_key is row.sealed_terms is row.sealed_probe is None
        assert row.probe_face_id is row.probe_subject is None
        for table in TABLES:
            assert not [one for one in self.rows(table) if one.review_id == review]


@contextmanager
def house(
    models: Path, patch: pytest.MonkeyPatch, *, instruments: Path | None = None, **told: str
) -> Iterator[House]:
    """An instance that keeps crops, a client with a gallery; nobody enrolled, no reviewer yet."""
    patch.setenv("RIGHTFACE_KEEP_CROPS", "true")
    if instruments is not None:
        patch.setenv("RIGHTFACE_INSTRUMENTS", str(instruments))
    for name, value in told.items():
        patch.setenv(f"RIGHTFACE_{name.upper()}", value)
    with temporary_instance(models) as opened:
        licence = opened.licence("finders", (PURPOSE,), OPERATIONS)
        made = House(opened, licence)
        made.service.create_collection(made.caller(), GALLERY, {})
        yield made


@dataclass(frozen=True)
class Furnished:
    """A closed instance with two people enrolled, to be copied: each test has one of its own."""

    data: Path
    licence: IssuedLicence


@contextmanager
def furnished(models: Path) -> Iterator[Furnished]:
    """One, as long as the block lasts: its pictures are analysed once."""
    with pytest.MonkeyPatch.context() as patch, TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        with house(models, patch) as made:
            made.enrol("grace", grace_hopper())
            made.enrol("eileen", eileen_collins())
            made.opened.instance.close()
            shutil.copytree(made.opened.instance.settings.data, data, symlinks=True)
            licence = made.licence
        yield Furnished(data, licence)


@contextmanager
def copied(
    origin: Furnished,
    folder: Path,
    patch: pytest.MonkeyPatch,
    *,
    instruments: Path | None = None,
    reviewers: Sequence[str] = (),
) -> Iterator[House]:
    """A furnished instance of this test's own, in `folder`."""
    patch.setenv("RIGHTFACE_KEEP_CROPS", "true")
    if instruments is not None:
        patch.setenv("RIGHTFACE_INSTRUMENTS", str(instruments))
    shutil.copytree(origin.data, folder / "data", symlinks=True)
    with Instance.open(folder / "data") as instance:
        made = House(TemporaryInstance(instance), origin.licence)
        for name in reviewers:
            made.reviewer(name)
        try:
            yield made
        finally:
            made.service.close()


def two_asked(folder: Path, effect: str) -> Path:
    """An operator's own rule: two people review what a private entity searches for."""
    own = folder / "two-reviewers"
    own.mkdir(parents=True)
    duty = effect == "duty"
    (own / "instrument.toml").write_text(
        'id = "two-reviewers"\nname = "House rule"\nkind = "operator-rule"\njurisdiction = "*"\n'
        'citation = "House rules, 1"\nconfidence = "own"\nsummary = "Two people look."\n'
        'effective_from = 2020-01-01\n[[rules]]\nid = "1"\n'
        + ('effect = "duty"\nduty = "two-person-review"\n' if duty else 'effect = "oblige"\n')
        + 'actors = ["everyone"]\noperations = ["identify-1toN"]\nc = "own"\n'
        + ('when = [{ duties = { lacks = "two-person-review" } }]\n' if duty else "")
    )
    notes = (
        '@id("1")\n@section("1")\n@citation("House rules, 1")\n@text("Two people look.")\n'
        '@change("Let two people look.")\n'
    )
    head = '(principal, action == Action::"identify-1toN", resource)'
    (own / "policy.cedar").write_text(
        notes
        + (
            f'@duty("two-person-review")\nforbid {head}\n'
            'when { !context.duties.contains("two-person-review") };\n'
            if duty
            else f'@obligation("human-review")\n@value("2")\npermit {head};\n'
        )
    )
    (own / "cases.yaml").write_text("[]\n")
    return folder


def commanded(*words: str, status: int = 0) -> Any:
    """What `rightface WORDS --json` answers, in this process."""
    out = io.StringIO()
    with redirect_stdout(out):
        ended = complete()([*words, "--json"], standalone_mode=False) or 0
    assert ended == status, out.getvalue()
    return json.loads(out.getvalue())


def alike(one: bytes, other: bytes) -> bool:
    """Whether two crops are of the same photograph, as a person would see at a glance."""
    left, right = (
        np.asarray(Image.open(io.BytesIO(each)).convert("RGB"), np.float32) for each in (one, other)
    )
    return float(np.abs(left - right).mean()) < 35  # another person: more than 50


__all__ = [
    "GALLERY",
    "PURPOSE",
    "Furnished",
    "House",
    "commanded",
    "copied",
    "eileen_collins",
    "furnished",
    "grace_hopper",
    "house",
    "two_asked",
]
