"""One instance, its parts opened together: settings, keys, database, rules, ledger, gallery, faces.

`create` makes one (all of it or nothing), `open` opens one. Also here: how a decision becomes a
leaf of the ledger, because only this module knows both the law's words and the ledger's. Must never
know: a wire format, a command line.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path
from typing import Self

from sqlalchemy.orm import Session

from rightface import credentials
from rightface.act_words import ACTS
from rightface.assay.shipped_evidence import shipped_figures
from rightface.db import Database
from rightface.errors import (
    BackupError,
    LedgerError,
    Refused,
    RightfaceError,
    SettingsError,
    StorageError,
    WeightsError,
)
from rightface.faces.engine import Engine
from rightface.faces.packs import ModelPack, load_pack
from rightface.gallery import review_seats
from rightface.gallery.erasure import Erasure
from rightface.gallery.request_tokens import RequestTokens
from rightface.gallery.room import IndexRoom
from rightface.gallery.sizes import Sizes
from rightface.gallery.store import Store
from rightface.gallery.users import Users
from rightface.gallery.vault import Vault
from rightface.keys import KeyRing
from rightface.law import consents, duties, licences
from rightface.law.evidence import Evidence
from rightface.law.figures import Figures, evidence_of
from rightface.law.findings import SEARCHES
from rightface.law.gate import Gate, Judged
from rightface.law.operation import Operation
from rightface.law.ruling import Refusal
from rightface.law.testing import load_tested
from rightface.law.touches import touches_of
from rightface.ledger import log
from rightface.ledger.leaf import Leaf
from rightface.ledger.publish import Publisher
from rightface.leftovers import sweep_leftovers
from rightface.migrations import HEAD, migrate, revision
from rightface.migrations.backup import before_migration
from rightface.objects import ObjectStore
from rightface.permit import Permit, Touch
from rightface.serving import SoleServer
from rightface.settings import Settings

_log = logging.getLogger(__name__)
_acting: ContextVar[str | None] = ContextVar("rightface-acting", default=None)
OPERATOR = "operator"
MEASURES = "measure-accuracy"
"""Compares in whatever way is measured; its result says in which."""
RESTORED = "restored.json"
"""The file that marks a data directory as restored from a backup and not yet replayed."""
SUPPRESS = "suppress"
"""The act of the ledger that says who is suppressed where."""
POLICY_FILE = "policy.md"
RETENTION_POLICY = "public-retention-policy"
"""The duty of 740 ILCS 14/15(a) that the instance meets by publishing its policy."""

POLICY = """# Biometric data: what is kept, why, and until when

This server makes templates of faces (scans of face geometry) for the purposes that each person was
told of and agreed to, or that a law sets.

- A template is destroyed when consent is withdrawn, when the client deletes it, when the purpose
  that it was taken for is met, or when one of its two clocks runs out, whichever comes first.
- The first clock is fixed at enrolment: the term that the person agreed to, or that a law sets (in
  days or in minutes), the shorter of them.
- The second clock starts anew with each interaction of the person with whoever enrolled them, and
  runs for the time that a law sets: 1,095 days (three years) where 740 ILCS 14/15(a) binds. To be
  enrolled again is an interaction; to be searched for, or found, is none.
- Destroying means: the encrypted template, the crop if one was kept, the key that opened them, and
  the entry in the search index. A signed receipt says so.
- Templates are not sold, leased or traded.
- Every use is recorded in a log that anyone can verify. The log holds no personal data.

Retention schedule: as agreed or as a law sets; and, where 740 ILCS 14/15(a) binds, at most 1,095
days from the last interaction.
"""


@contextmanager
def acting_as(credential_id: str) -> Iterator[None]:
    """Inside the block a person acts with this credential: what is recorded names its id."""
    before = _acting.set(f"crd-{credential_id}")
    try:
        yield
    finally:
        _acting.reset(before)


def acting() -> tuple[str, ...]:
    """The credential that acts here, as a leaf's records name it; none on the command line."""
    known = _acting.get()
    return () if known is None else (known,)


class Instance:
    """The open parts of one instance. Close it, or use it in a `with` block."""

    def __init__(self, settings: Settings, keyring: KeyRing, database: Database) -> None:
        self.settings = settings
        self.keyring = keyring
        self.database = database
        database.copied_to = settings.data
        self.library = load_tested(settings.instruments_directory)
        self.vault = Vault(keyring)
        self.store = Store(keyring, self.vault)
        self.users = Users(keyring)
        self.sizes = Sizes()
        self.request_tokens = RequestTokens(keyring)
        self.objects = ObjectStore.of(settings)
        self.publisher = Publisher(
            database,
            settings.ledger_directory,
            keyring.signer("ledger"),
            settings.origin,
            memory=settings.data,
        )
        self.gate = Gate(
            database,
            keyring,
            self.library,
            recorder=self._record_decision,
            evidence=self.shipped_evidence,
            searched=self.searched,
            reviewers=self.reviewers,
            faces=self.sizes.of,
            strict=settings.strict_law,
        )
        database.on_forget(partial(sweep_leftovers, settings))
        self._loading = threading.RLock()
        self._closed = False
        self.sole: SoleServer | None = None  # held while it serves
        self.trouble: RightfaceError | None = None  # what it must not go on with
        self._pack: ModelPack | None = None
        self._shipped: tuple[Evidence, ...] | None = None
        self._engine: Engine | None = None
        self._indexes: IndexRoom | None = None

    # ------------------------------------------------------------ opening and closing
    @classmethod
    def create(cls, settings: Settings) -> Self:
        """Make an instance in `settings.data`, which must be empty or absent. All or nothing.

        Raises:
            SettingsError: the directory is in use or cannot be made.
            LawError: the sector or jurisdiction is not a word of the vocabulary.
        """
        data = settings.data.absolute()
        try:
            if data.exists() and any(data.iterdir()):
                raise SettingsError(
                    f"'{data}' is not empty.", mend="Name another --data directory."
                )
            data.parent.mkdir(parents=True, exist_ok=True)
            partial = Path(tempfile.mkdtemp(prefix=f".{data.name}.", dir=data.parent))
        except OSError as error:
            raise SettingsError(f"'{data}' cannot be made.", why=str(error.strerror)) from error
        try:
            cls._furnish(replace(settings, data=partial))
            partial.rename(data)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
        return cls.open(data)

    @classmethod
    def _furnish(cls, settings: Settings) -> None:
        keyring = KeyRing.create(settings.keys_directory)
        if settings.origin == Settings.origin:
            public = keyring.signer("ledger").public_bytes
            name = hashlib.sha256(public).hexdigest()[:12]
            settings = replace(settings, origin=f"rightface.invalid/{name}")
        settings.write()
        (settings.data / POLICY_FILE).write_text(POLICY, "utf-8")
        if not settings.database:
            settings.sqlite_file.touch(mode=0o600)  # SQLite gives its mode to what lies beside it
        database = Database(settings.database_url)
        try:
            _require_unused(database)
            migrate(database)
            instance = cls(settings, keyring, database)
            database.write(instance._found)
            instance.publisher.publish()
        finally:
            database.close()

    def _found(self, session: Session) -> None:
        now = datetime.now(UTC)
        settings = self.settings
        self.record_act(session, "instance-create", comparison=self._known_comparison())
        duties.record_duty(
            session,
            self.keyring,
            RETENTION_POLICY,
            document_digest=hashlib.sha256(POLICY.encode()).hexdigest(),
            by=OPERATOR,
            at=now,
        )
        self.record_act(session, "duty-record", reasons=(RETENTION_POLICY,))
        issued = licences.issue(
            session,
            self.keyring,
            client=OPERATOR,
            sector=settings.sector,
            jurisdiction=settings.jurisdiction,
            purposes=("upkeep",),
            operations=("rebuild-index", "erase", "manage-gallery"),
            galleries=("*",),
            basis="upkeep",
            issued_at=now,
            valid_until=now.replace(year=now.year + 100, day=1),
        )
        self.record_act(session, "licence-issue", licence=issued.licence.licence_id)

    @classmethod
    def open(cls, data: Path, *, serving: bool = False, replaying: bool = False) -> Self:
        """Open the instance in `data`, its database brought up to date (a backup first).

        `serving`: as the one server, until it is closed. A schema changes beneath no server.
        `replaying`: although it was restored, and what was erased since is not erased yet.

        Raises:
            SettingsError, KeysError, StorageError, LawError: it cannot be opened; it says why.
            BackupError: it was restored, and not replayed.
        """
        settings = Settings.load(data)
        if (data / RESTORED).exists() and not replaying:
            raise BackupError(
                "This data directory was restored from a backup, and is not up to date.",
                why="What was erased after the backup is in it again.",
                mend="Run: rightface replay --data DIR --ledger DIR|URL.",
            )
        keyring = KeyRing.open(settings.keys_directory)
        if not settings.database and not settings.sqlite_file.exists():
            raise StorageError(
                f"The database '{settings.sqlite_file.name}' is missing.",
                mend="Restore it from a backup, with its keys.",
            )
        database = Database(settings.database_url)
        sole: SoleServer | None = None
        try:
            current = revision(database)
            if serving or current != HEAD:
                sole = SoleServer(data)
                sole.hold(database)
            migrate(
                database,
                before=lambda known: _copy_first(settings, database, known),
                consent_mac=partial(consents.row_mac, keyring),
            )
            instance = cls(settings, keyring, database)
            database.forget_deleted()  # what a crash left in the files, or of copies
        except BaseException:
            if sole is not None:
                sole.close()
            database.close()
            raise
        if sole is not None and not serving:
            sole.close()
            sole = None
        instance.sole = sole
        return instance

    def close(self) -> None:
        """Finish what waits, publish it, close. Idempotent.

        What cannot be published now is published later: the database is the truth.
        """
        if self._closed:
            return
        self._closed = True
        try:
            self.database.write(lambda session: None)  # behind everything that waits
            if self.publisher.behind():
                self.publisher.publish()
        except RightfaceError as error:
            _log.error("the ledger's files are behind its database: %s", error.what)
        finally:
            with suppress(StorageError):
                self.database.forget_deleted()  # also, everything is in the one file then
            if self.sole is not None:
                self.sole.close()
            self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ------------------------------------------------------------ parts that take a moment
    @property
    def pack(self) -> ModelPack:
        """The model pack in use; loaded once."""
        with self._loading:
            if self._pack is None:
                self.shipped_figures()  # no pack without the measurements that ship with it
                self._pack = load_pack(self.settings.comparison)
            return self._pack

    @property
    def engine(self) -> Engine:
        """The face engine; loaded once."""
        with self._loading:
            if self._engine is None:
                self._engine = Engine(
                    self.pack,
                    cache=self.settings.data / "models",
                    threads=self.settings.inference_threads,
                    detector_side=self.settings.detector_side,
                )
            return self._engine

    @property
    def indexes(self) -> IndexRoom:
        """The search indexes, one per collection, kept in step with the database."""
        with self._loading:
            if self._indexes is None:
                self._indexes = IndexRoom(
                    self.database, self.vault, self.pack, self._rebuild_permit
                )
            return self._indexes

    # ------------------------------------------------------------ the gate, and its record
    @contextmanager
    def permitted(self, operation: Operation) -> Iterator[Permit]:
        """Ask the gate; inside the block the permit is open, for this operation and no other.

        Raises:
            Refused: the gate said no; the refusal has every reason.
            RightfaceError: the instance found itself unsound (`trouble`), and does nothing.
        """
        if self.trouble is not None:
            raise self.trouble
        answer = self.gate.decide(operation)
        if isinstance(answer, Refusal):
            raise Refused(answer.message, refusal=answer)
        with answer.exercise(operation) as permit:
            yield permit

    def own_operation(self, action: str, *, gallery: str | None = None) -> Operation:
        """An operation that the operator asks for, under its own licence like anybody else."""
        with self.database.read() as session:
            own = licences.of_client(session, self.keyring, OPERATOR)
        standing = [each for each in own if each.revoked_at is None]
        place = self.settings.jurisdiction
        return Operation(
            action=action,
            client=OPERATOR,
            actor=self.settings.sector,
            client_jurisdiction=place,
            place_jurisdiction=place,
            gallery_jurisdiction=place,
            licence_id=standing[-1].licence_id if standing else None,
            purpose="upkeep",
            gallery=gallery,
            request_id=action,
        )

    @contextmanager
    def _rebuild_permit(self) -> Iterator[Permit]:
        with self.permitted(self.own_operation("rebuild-index")) as permit:
            yield permit
            self.database.submit(lambda session: self.record_outcome(session, permit, "rebuilt"))

    @property
    def comparison_digest(self) -> str:
        """Of the pack's score normalisation, hex; empty: raw scores."""
        return self.pack.calibration.provenance.comparison_digest

    @cached_property
    def comparison(self) -> str:
        """How this instance compares templates, as the ledger says it: `raw`, or name and digest.

        Raises:
            WeightsError: the pack in use cannot be loaded.
        """
        digest = self.pack.comparison_digest
        return f"{self.pack.comparison}.{digest}" if digest else self.pack.comparison

    def _known_comparison(self) -> str | None:
        try:
            return self.comparison
        except WeightsError as error:
            _log.error("the model pack cannot be loaded: %s", error.what)
            return None

    def shipped_figures(self) -> Mapping[str, Figures]:
        """The measurements that ship with this release, of whatever pack and comparison, by id.

        Raises:
            WeightsError: one is missing, was changed, or is no evidence.
        """
        return shipped_figures()

    def shipped_evidence(self) -> tuple[Evidence, ...]:
        """What was measured of the pack in use and came with it; the first is its calibration.

        Empty where the calibration or a document that ships cannot be read: then nobody is
        identified. Figures of another pack or another normalisation are left aside.
        """
        if self._shipped is not None:
            return self._shipped
        try:
            measured = self.pack.calibration.provenance
            in_use = self.pack.digest, measured.comparison_digest
            documents = self.shipped_figures()
        except WeightsError as error:
            _log.error("there is no evidence: %s", error.what)
            return ()
        calibration = Evidence(
            pack_digest=in_use[0],
            measured_on=measured.measured_on,
            impostor_pairs=measured.impostor_pairs,
            genuine_pairs=measured.genuine_pairs,
            people=measured.people,
            comparison_digest=in_use[1],
        )
        more = tuple(
            evidence_of(figures, name, shipped=True)
            for name, figures in documents.items()
            if (figures.pack_digest, figures.comparison_digest) == in_use
        )
        self._shipped = (calibration, *more)
        return self._shipped

    def _record_decision(self, operation: Operation, judged: Judged) -> int:
        evidence = self.shipped_evidence()
        words = self.library.vocabulary  # a caller's own words never enter the ledger
        compares = operation.action != MEASURES and not _COMPARING.isdisjoint(
            touches_of(operation.action)
        )

        def work(session: Session) -> int:
            ruling = judged(session)
            return log.append(
                session,
                Leaf(
                    time=datetime.now(UTC),
                    kind="decision",
                    operation=operation.action,
                    client=operation.client,
                    licence=operation.licence_id,
                    purpose=operation.purpose if operation.purpose in words.purposes else None,
                    basis=operation.legal_basis,
                    gallery=self._gallery_commitment(operation),
                    jurisdictions=ruling.jurisdictions,
                    records=(*ruling.relied_on[: _RECORDS_PER_LEAF - 1], *acting()),
                    outcome="permitted" if ruling.allowed else "refused",
                    reasons=_fitting(dict.fromkeys(reason.key for reason in ruling.reasons)),
                    policy=ruling.policy_digest,
                    pack=evidence[0].pack_digest if evidence else None,
                    comparison=self.comparison if evidence and compares else None,
                    subjects=tuple(
                        self.vault.commitment(session, each) for each in operation.subjects
                    ),
                    request=operation.request_id or None,
                ),
            )

        return self.database.write(work)

    def _gallery_commitment(self, operation: Operation) -> str | None:
        # A client chooses its galleries' names; the ledger keeps a keyed hash of them.
        if operation.gallery is None:
            return None
        return self.gallery_commitment(operation.client or "", operation.gallery)

    def gallery_commitment(self, client: str, name: str) -> str:
        """How the ledger names a client's gallery: a keyed hash, hex."""
        return self.keyring.commitment("gallery", f"{client}\x1f{name}")

    def searched(self, session: Session, client: str, index: int) -> bool:
        """Whether the ledger's entry `index` is a permitted identification of `client`."""
        try:
            leaf = log.leaf_at(session, index)
        except LedgerError:
            return False
        return (
            leaf.kind == "decision"
            and leaf.client == client
            and leaf.operation in SEARCHES
            and leaf.outcome == "permitted"
        )

    def reviewers(self, session: Session, client: str, review_id: str | None = None) -> int:
        """How many people may review what `client` searches for: each name once, never its own.

        Of a review that is named those count too who decided in it and left (review_seats).
        """
        standing = credentials.standing_names(session, "reviewer")
        return review_seats.reviewers_of(
            session, self.keyring, review_id, client=client, standing=standing
        )

    def record_outcome(
        self,
        session: Session,
        permit: Permit,
        outcome: str,
        *,
        reasons: tuple[str, ...] = (),
        subjects: tuple[str, ...] = (),
        counts: Mapping[str, int] | None = None,
        gallery: str | None = None,
        forgotten: tuple[str, ...] = (),
    ) -> int:
        """Append what became of an allowed operation, in the transaction of what it changed.

        `subjects` and `forgotten` are ledger commitments; more than one leaf holds are told in
        several.
        """
        index = -1
        most = max(len(subjects), len(forgotten), 1)
        for start in range(0, most, _SUBJECTS_PER_LEAF):
            index = log.append(
                session,
                Leaf(
                    time=datetime.now(UTC),
                    kind="outcome",
                    operation=permit.action,
                    client=permit.client,
                    outcome=outcome,
                    of=permit.ledger_index,
                    reasons=reasons,
                    subjects=subjects[start : start + _SUBJECTS_PER_LEAF],
                    forgotten=forgotten[start : start + _SUBJECTS_PER_LEAF],
                    gallery=gallery,
                    counts=counts or {},
                ),
            )
        return index

    def record_erasure(self, session: Session, permit: Permit, erasure: Erasure) -> int:
        """Append what was erased, and who is suppressed where by it; the outcome's index.

        A restored backup is brought up to date by these leaves (replay.py).
        """
        for (client, gallery), persons in sorted(
            erasure.suppressed.items(), key=lambda item: (item[0][0] or "", item[0][1] or "")
        ):
            self.record_suppressions(
                session,
                persons,
                client=client,
                gallery=gallery,
                reason=erasure.reason,
                at=erasure.suppressed_at,
            )
        whole = {} if erasure.collection_id is None else {"collections": 1}
        return self.record_outcome(
            session,
            permit,
            "erased",
            reasons=(erasure.reason,),
            subjects=erasure.subjects,
            counts=erasure.counts | whole,
            gallery=erasure.gallery,
            forgotten=erasure.forgotten,
        )

    def record_suppressions(
        self,
        session: Session,
        persons: tuple[str, ...],
        *,
        client: str | None,
        gallery: str | None,
        reason: str,
        at: datetime | None,
    ) -> None:
        """Append who is suppressed where; nobody named: everybody. `at`: as the entries say."""
        for start in range(0, max(len(persons), 1), _SUBJECTS_PER_LEAF):
            self.record_act(
                session,
                SUPPRESS,
                client=client,
                gallery=gallery,
                reasons=(reason,),
                subjects=persons[start : start + _SUBJECTS_PER_LEAF],
                at=at,
            )

    def record_act(
        self,
        session: Session,
        act: str,
        *,
        client: str | None = None,
        licence: str | None = None,
        reasons: tuple[str, ...] = (),
        subjects: tuple[str, ...] = (),
        counts: Mapping[str, int] | None = None,
        records: tuple[str, ...] = (),
        gallery: str | None = None,
        at: datetime | None = None,
        comparison: str | None = None,
    ) -> int:
        """Append an act of the operator (a licence issued, a consent recorded), with its change.

        `act` is a word of `act_words.ACTS`: each says what a restore does about it.
        """
        if act not in ACTS:
            raise LedgerError(f"'{act}' is no act of the ledger.")
        return log.append(
            session,
            Leaf(
                time=at or datetime.now(UTC),
                kind="act",
                operation=act,
                client=client or OPERATOR,
                records=(*records, *acting()),
                licence=licence,
                gallery=gallery,
                comparison=comparison,
                outcome="done",
                reasons=reasons,
                subjects=subjects,
                counts=counts or {},
            ),
        )

    # ------------------------------------------------------------ the ledger, from inside
    @property
    def ledger_vkey(self) -> str:
        """The ledger's public key in C2SP's signed-note form, to be pinned by verifiers."""
        return self.publisher.vkey

    def ledger_size(self) -> int:
        """How many records the ledger has."""
        with self.database.read() as session:
            return log.size(session)

    @property
    def policy(self) -> str:
        """The public retention policy."""
        return (self.settings.data / POLICY_FILE).read_text("utf-8")


def _copy_first(settings: Settings, database: Database, known: str) -> None:
    try:
        copy = before_migration(database, known, settings.data)
    except StorageError as error:
        if not settings.migrate_without_backup:
            raise StorageError(
                "The database is of an older rightface, and was not changed: no backup was made.",
                why=f"{error.what} {error.why}".strip(),
                mend=error.mend,
            ) from error
        _log.warning("the database is migrated without a backup: %s", error.what)
    else:
        _log.warning("the database was copied to '%s' before it is migrated", copy.name)


def _require_unused(database: Database) -> None:
    # A database of another instance: its ledger is not this one's.
    if revision(database) is None:
        return
    with database.read() as session:
        if log.size(session):
            raise SettingsError(
                "The database belongs to another instance.",
                why="Its ledger has entries.",
                mend="Give each instance a database of its own.",
            )


_COMPARING = frozenset({Touch.COMPARE, Touch.SEARCH})
_SUBJECTS_PER_LEAF = 500
_RECORDS_PER_LEAF = 256
_REASONS_PER_LEAF = 128


def _fitting(reasons: Iterable[str]) -> tuple[str, ...]:
    """The reasons that a leaf has room for; the last says how many more there are."""
    told = tuple(reasons)
    if len(told) <= _REASONS_PER_LEAF:
        return told
    kept = told[: _REASONS_PER_LEAF - 1]
    return (*kept, f"gate#and-{len(told) - len(kept)}-more")
