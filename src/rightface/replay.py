"""The replay: what was erased, ended or suppressed after a backup, done again after its restore.

    1. Read the ledger's checkpoint, signed by this instance's own key; it is not older than the
       backup.
    2. Prove that the restored ledger is the beginning of it, and fetch the entries that it lacks.
    3. Sort them: what is replayed, what is lost without harm, and what nothing can bring back. Of
       the last, the operator confirms each kind by its name.
    4. Take the entries over into the database; from here on the ledger goes on from its true end.
    5. Replay the acts: suppressions, withdrawals, licences, credentials, warrants, evidence,
       duties, facts.
    6. Erase the collections, faces and users that were erased; drop the working records (jobs, open
       reviews, kept answers): nobody knows what became of them; then erase whatever is due by now.
    7. Look again. Record the restore. Publish. Only then take the mark away.

Every step can be done twice: a crash in between is mended by doing all of it again. Where an entry
does not say enough, more is erased, never less. Must never know: a command line, a wire format.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from rightface import credentials
from rightface.act_words import ACTS
from rightface.db import Base
from rightface.erased import Erased
from rightface.errors import BackupError, CredentialError, KeysError, LawError, LedgerError
from rightface.gallery import targets
from rightface.gallery.erasure import Erasure, Record, erase_collection, erase_faces
from rightface.gallery.review_rows import ReviewRow
from rightface.gallery.rows import CollectionRow, FaceRow, SubjectRow, UserRow
from rightface.gallery.store import Collection
from rightface.instance import OPERATOR, RESTORED, SUPPRESS, Instance
from rightface.law import adoptions, attesters, consents, duties, facts, licences, suppressions
from rightface.law import evidence_records as evidence
from rightface.law import warrant_records as warrants
from rightface.law.suppressions import Entry
from rightface.law.tables import ConsentRow, SuppressionRow, stamp
from rightface.ledger import log
from rightface.ledger.files import LedgerFiles
from rightface.ledger.leaf import Leaf
from rightface.ledger.merkle import leaf_hash
from rightface.ledger.merkle import root as root_of
from rightface.ledger.proofs import consistency
from rightface.ledger.publish import SIGNED
from rightface.ledger.reading import signed_entries
from rightface.ledger.source import open_source
from rightface.ledger.trust import find_key, read_checkpoint
from rightface.permit import Permit
from rightface.retention import RetentionDesk, erase_as_operator

RESTORE = "restore"
LEDGER_LOST = "ledger-lost"
"""What the operator confirms where no copy of the ledger is left: nothing can be replayed."""
UNOPENED = "unopened-keys"
"""What the operator confirms where people's keys do not open: nobody can tell whether they were
erased. If anybody was, they are erased too."""
_OF_REVIEWS = ("review_decisions", "review_seats", "review_candidates", "reviews")
_AT_ONCE = 400
_LEAVES = 4_096


@dataclass(frozen=True, kw_only=True)
class Replayed:
    """What a replay did. `rightface serve` works from then on."""

    entries: int
    """How many entries of the ledger the backup lacked."""
    faces: int
    collections: int
    users: int
    suppressions: int
    consents: int
    """Consents withdrawn again."""
    ended: int
    """Licences, credentials, warrants, evidence, duties, facts and attesters ended again; and
    commitments adopted again."""
    dropped: int
    """Jobs, sealed reviews and kept answers of the backup, which do not come back."""
    due: int
    """Faces that had become due since, and were erased too."""
    lost: Mapping[str, int]
    """What was recorded after the backup and is gone: acts by their word, and `enrolled`."""
    accepted: tuple[str, ...]
    """What could not be replayed, as the operator confirmed."""
    ledger_index: int
    """The entry that records the restore."""


@dataclass
class _Plan:
    """The missing entries, sorted."""

    leaves: list[Leaf] = field(default_factory=list)
    erased: Erased = field(default_factory=Erased)
    acts: list[Leaf] = field(default_factory=list)
    lost: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(cls, start: int, bodies: Sequence[bytes]) -> _Plan:
        plan = cls()
        for index, body in enumerate(bodies, start):
            plan._sort(index, Leaf.parse(body))
        return plan

    def _sort(self, index: int, leaf: Leaf) -> None:
        self.leaves.append(leaf)
        if leaf.kind == "act":
            known = ACTS.get(leaf.operation)
            if known is None:
                self.unknown[leaf.operation] += 1
            elif known.replayed == "lost":
                self.lost[leaf.operation] += 1
            elif known.replayed == "again":
                self.acts.append(leaf)
        elif leaf.kind == "outcome":
            self.erased.note(
                index,
                leaf.outcome,
                gallery=leaf.gallery,
                subjects=leaf.subjects,
                forgotten=leaf.forgotten,
                counts=leaf.counts,
            )
            if leaf.outcome == "enrolled":
                self.lost["enrolled"] += 1


def replay(data: Path, ledger: Path | str | None, *, accepted: Iterable[str] = ()) -> Replayed:
    """Bring a restored data directory up to date with the ledger's public files.

    Args:
        data: the restored directory.
        ledger: where the files are: a directory or an address. It is only read. None: there is no
            copy of it any more, which `accepted` must say.
        accepted: words of what cannot be replayed, each confirmed by the operator.

    Raises:
        BackupError: there is nothing to replay, or something was not confirmed; it says what.
        LedgerError: the ledger is another one's, older than the backup, rewritten or damaged.
    """
    if not (data / RESTORED).exists():
        raise BackupError("There is nothing to replay in this data directory.")
    _marked(data)
    with Instance.open(data, serving=True, replaying=True) as instance:
        done = _Replay(instance, frozenset(accepted)).run(ledger)
    (data / RESTORED).unlink()
    return done


class _Replay:
    def __init__(self, instance: Instance, accepted: frozenset[str]) -> None:
        self._instance = instance
        self._accepted = accepted
        self._ended = self._consents = self._suppressions = self._users = 0

    def run(self, ledger: Path | str | None) -> Replayed:
        instance = self._instance
        start, bodies = self._missing(ledger)
        plan = _Plan.of(start, bodies)
        self._require_accepted(plan)
        self._require_keys()
        self._take_over(start, bodies)
        instance.database.write(lambda session: self._acts(session, plan))
        collections = self._erase_collections(plan)
        faces = self._erase_faces(plan)
        dropped = instance.database.write(_drop_working)
        due = sum(one.erased["faces"] for one in RetentionDesk(instance).sweep())
        self._verify(plan)
        counts = {
            "entries": len(bodies),
            "faces": faces,
            "collections": collections,
            "users": self._users,
            "suppressions": self._suppressions,
            "consents": self._consents,
            "ended": self._ended,
            "dropped": dropped,
            "due": due,
        }
        index = instance.database.write(
            lambda session: instance.record_act(
                session, RESTORE, reasons=tuple(sorted(self._accepted)), counts=counts
            )
        )
        instance.publisher.publish()
        return Replayed(
            **counts,
            lost=dict(sorted(plan.lost.items())),
            accepted=tuple(sorted(self._accepted)),
            ledger_index=index,
        )

    # ------------------------------------------------------------ the ledger
    def _missing(self, ledger: Path | str | None) -> tuple[int, list[bytes]]:
        # Where the backup's ledger ends, and the entries behind it, verified.
        instance = self._instance
        start = _marked(instance.settings.data)
        if ledger is None:
            if LEDGER_LOST not in self._accepted:
                raise BackupError(
                    "What was erased after the backup is only known from the ledger.",
                    mend="Give --ledger DIR|URL: any copy of its public files. If none is left: "
                    f"--accept {LEDGER_LOST}",
                )
            return start, []
        files = open_source(ledger)
        checkpoint = read_checkpoint(files, find_key(files, instance.ledger_vkey))
        if checkpoint.size < start:
            raise LedgerError(
                f"This ledger signs {checkpoint.size} entries; the backup holds {start}.",
                why="It is an older copy than the backup.",
                mend="Give the newest copy of the ledger.",
            )
        hashes = bytearray()
        with instance.database.read() as session:
            for first in range(0, start, _LEAVES):
                rows = log.entries(session, first, min(first + _LEAVES, start))
                hashes += b"".join(map(leaf_hash, rows))
        if consistency(files, start, None, instance.ledger_vkey).old_root != root_of(bytes(hashes)):
            raise LedgerError(
                "The backup's ledger is not the beginning of this ledger.",
                why="One of the two was rewritten, or the backup is another instance's.",
            )
        entries = signed_entries(files, checkpoint.size, checkpoint.root, instance.ledger_vkey)
        missing = [body for index, body in enumerate(entries) if index >= start]
        LedgerFiles(instance.settings.data).write([(SIGNED, checkpoint.note)])  # it binds us too
        return start, missing

    def _require_accepted(self, plan: _Plan) -> None:
        unknown = {word: n for word, n in plan.unknown.items() if word not in self._accepted}
        if unknown:
            told = ", ".join(f"{word} ({n})" for word, n in sorted(unknown.items()))
            flags = " ".join(f"--accept {word}" for word in sorted(unknown))
            raise BackupError(
                f"Acts after the backup cannot be replayed: {told}.",
                why="The ledger names them, and does not hold what they said.",
                mend=f"Record them anew after the replay; to confirm that you will: {flags}",
            )

    def _require_keys(self) -> None:
        # A key that does not open is more often the wrong master key than a damaged row.
        if UNOPENED in self._accepted:
            return
        vault = self._instance.vault
        query = select(SubjectRow.id, SubjectRow.wrapped_key)
        unopened = 0
        with self._instance.database.read() as session:
            for row in session.execute(query.execution_options(yield_per=_LEAVES)):
                try:
                    vault.commitment_of(row.id, row.wrapped_key)
                except KeysError:
                    unopened += 1
        if unopened:
            raise BackupError(
                f"The keys of {unopened} people do not open; nothing was changed.",
                why="The master key is another one than these rows were sealed under, or they were "
                "changed. Whether these people were erased since cannot be told.",
                mend="Restore with the keys/ of the day of the backup (with master.next, if it was "
                "there). To erase those people, if anybody was erased since: "
                f"--accept {UNOPENED}",
            )

    def _take_over(self, start: int, bodies: list[bytes]) -> None:
        def work(session: Session) -> None:
            held = log.size(session)
            if held == start:
                log.adopt(session, start, bodies)
            elif log.entries(session, start, start + len(bodies)) != bodies:
                raise LedgerError("The ledger went on elsewhere while this one was replayed.")

        self._instance.database.write(work)

    # ------------------------------------------------------------ acts
    def _acts(self, session: Session, plan: _Plan) -> None:
        last_word = {leaf.reasons: leaf.operation for leaf in plan.leaves if leaf.kind == "act"}
        withdrew: dict[str, datetime] = {}
        for leaf in plan.acts:
            if leaf.operation == SUPPRESS:
                self._suppress(session, leaf)
                if leaf.reasons == (suppressions.WITHDRAWAL,):
                    withdrew |= dict.fromkeys(leaf.subjects, leaf.time)
            elif leaf.operation == "commitment-adopt":
                if last_word[leaf.reasons] == leaf.operation:  # not withdrawn again since
                    adoptions.adopt(
                        session,
                        self._instance.keyring,
                        leaf.reasons[0],
                        at=leaf.time,
                        by=OPERATOR,
                    )
                    self._ended += 1
            elif leaf.operation == targets.GALLERY_TARGET:
                self._aim(session, leaf)
            else:
                self._end(session, leaf)
        if withdrew:
            self._withdraw(session, withdrew)

    def _suppress(self, session: Session, leaf: Leaf) -> None:
        keyring = self._instance.keyring
        entries = _entries(self._instance, leaf)
        reason = leaf.reasons[0]
        self._suppressions += suppressions.write(
            session, keyring, entries, reason=reason, at=leaf.time
        )
        if not leaf.subjects:  # everybody in a gallery whose purpose is met
            for row in session.scalars(select(CollectionRow)):
                if suppressions.gallery_of(keyring, row.client, row.name) == leaf.gallery:
                    session.execute(
                        update(FaceRow)
                        .where(FaceRow.collection_id == row.id)
                        .values(retain_until=leaf.time)
                        .execution_options(synchronize_session=False)
                    )

    def _aim(self, session: Session, leaf: Leaf) -> None:
        # A gallery made after the backup is gone; one of its name may be another's.
        for row in session.scalars(select(CollectionRow)):
            if self._instance.gallery_commitment(row.client, row.name) == leaf.gallery:
                row.fpir_target = targets.stated_in(leaf.counts)
        session.flush()

    def _withdraw(self, session: Session, withdrew: Mapping[str, datetime]) -> None:
        keyring = self._instance.keyring
        for row in session.scalars(select(ConsentRow).where(ConsentRow.withdrawn_at.is_(None))):
            at = withdrew.get(suppressions.person(keyring, row.subject))
            if at is not None and row.obtained_at <= stamp(at):
                consents.mark_withdrawn(keyring, row, at)
                self._consents += 1
        session.flush()

    def _end(self, session: Session, leaf: Leaf) -> None:
        # What is not in the backup (made and ended after it) needs no end.
        keyring, at = self._instance.keyring, leaf.time
        named = leaf.records[0] if leaf.records else ""
        with suppress(LawError, CredentialError):
            if leaf.operation == "licence-revoke":
                licences.revoke(session, keyring, leaf.licence or "", at)
            elif leaf.operation == "credential-end":
                credentials.end(session, named.removeprefix("crd-"), at=at)
            elif leaf.operation in ("warrant-end", "warrant-refused"):
                refused = leaf.operation == "warrant-refused"
                warrants.end(session, keyring, named, at=at, refused=refused)
            elif leaf.operation == "duty-end":
                duties.end_duty(session, keyring, leaf.reasons[0], at=at)
            elif leaf.operation == "fact-end":
                facts.end_fact(session, keyring, named, at=at)
            elif leaf.operation == "evidence-end":
                evidence.end(
                    session,
                    keyring,
                    named,
                    at=at,
                    why=f"{RESTORE}: it was ended before",
                    shipped=self._instance.shipped_figures(),
                )
            elif leaf.operation == "evidence-against":
                evidence.put_back(session, named, at=at)
                return
            elif leaf.operation == "attester-end":
                for one in attesters.all_attesters(session, keyring):
                    if keyring.commitment("attester", one.name) in leaf.subjects:
                        attesters.end_attester(session, keyring, one.name, at=at)
                        break
                else:
                    return
            else:
                return
            self._ended += 1

    # ------------------------------------------------------------ erasures
    def _erase_collections(self, plan: _Plan) -> int:
        instance, done = self._instance, 0
        with instance.database.read() as session:
            found = list(plan.erased.collections_in(session, instance.keyring))
        for _, client, name, _ in found:

            def work(
                session: Session,
                record: Record,
                permit: Permit,
                client: str = client,
                name: str = name,
            ) -> Erasure:
                found: Collection = instance.store.find_collection(
                    session, client=client, name=name
                )
                return erase_collection(
                    session,
                    instance.vault,
                    found,
                    reason=RESTORE,
                    record=record,
                    permit=permit,
                    suppressing=False,
                )

            erase_as_operator(instance, work)
            done += 1
        return done

    def _erase_faces(self, plan: _Plan) -> int:
        instance, done = self._instance, 0
        with instance.database.read() as session:
            gone = list(self._found(session, plan))
        for some in suppressions.in_parts(gone, _AT_ONCE):

            def work(
                session: Session, record: Record, permit: Permit, some: list[str] = some
            ) -> Erasure:
                return erase_faces(
                    session,
                    instance.vault,
                    None,
                    some,
                    reason=RESTORE,
                    record=record,
                    permit=permit,
                    suppressing=False,
                )

            done += erase_as_operator(instance, work).erased["faces"]
        if plan.erased.users:
            instance.database.write(lambda session: self._delete_users(session, plan))
        return done

    def _found(self, session: Session, plan: _Plan) -> Iterator[str]:
        # The restored faces that were erased since. One whose key does not open is none of them,
        # unless the operator said so.
        unopened = UNOPENED in self._accepted
        vault = self._instance.vault
        return plan.erased.faces_in(session, vault, unopened=unopened, whole_subjects=True)

    def _delete_users(self, session: Session, plan: _Plan) -> None:
        for row_id in plan.erased.users_in(session, self._instance.keyring):
            session.execute(
                update(FaceRow)
                .where(FaceRow.user_id == row_id)
                .values(user_id=None)
                .execution_options(synchronize_session=False)
            )
            session.execute(delete(UserRow).where(UserRow.id == row_id))
            self._users += 1

    # ------------------------------------------------------------ the last look
    def _verify(self, plan: _Plan) -> None:
        instance = self._instance
        with instance.database.read() as session:
            left = sum(1 for _ in self._found(session, plan))
            left += len(plan.erased.users_in(session, instance.keyring))
            left += sum(1 for _ in plan.erased.collections_in(session, instance.keyring))
            for leaf in plan.acts:
                if leaf.operation == SUPPRESS:
                    left += self._lacking(session, leaf)
        if left:
            raise BackupError(
                "The replay left something that was erased.",
                why=f"{left} things.",
                mend="Run it again. Until it is complete nothing is served.",
            )

    def _lacking(self, session: Session, leaf: Leaf) -> int:
        lacking = 0
        entries = _entries(self._instance, leaf)
        for some in suppressions.in_parts(entries, _AT_ONCE):
            held = session.execute(
                select(func.count())
                .select_from(SuppressionRow)
                .where(
                    SuppressionRow.subject.in_([each.subject for each in some]),
                    SuppressionRow.client == some[0].client,
                    SuppressionRow.gallery == some[0].gallery,
                    SuppressionRow.reason == leaf.reasons[0],
                )
            ).scalar_one()
            lacking += len({each.subject for each in some}) - held
        return lacking


def _drop_working(session: Session) -> int:
    # A job may have been cancelled since, a review decided: their results are not shown again.
    sealed = select(ReviewRow.review_id).where(ReviewRow.wrapped_key.is_not(None))
    dropped = 0
    for table in reversed(Base.metadata.sorted_tables):
        if table.name == "kept_answers" or table.name.startswith("job"):
            gone = session.execute(delete(table))
        elif table.name in _OF_REVIEWS:
            gone = session.execute(delete(table).where(table.c.review_id.in_(sealed)))
        else:
            continue
        if table.name in ("jobs", "reviews", "kept_answers"):
            dropped += getattr(gone, "rowcount", 0)
    return dropped


def _entries(instance: Instance, leaf: Leaf) -> list[Entry]:
    client = None if leaf.client == OPERATOR else leaf.client
    place = suppressions.place_of(instance.keyring, client, leaf.gallery)
    return [Entry(each, *place) for each in leaf.subjects or (suppressions.ANY,)]


def _marked(data: Path) -> int:
    try:
        state = json.loads((data / RESTORED).read_text("utf-8"))
        if state.get("cut-off"):
            raise BackupError("The restore was cut off.", mend="Restore the backup anew.")
        start = state["from"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BackupError(
            "The mark of the restore is damaged.", mend="Restore the backup anew."
        ) from error
    if not isinstance(start, int):
        raise BackupError("The mark of the restore is damaged.", mend="Restore the backup anew.")
    return start
