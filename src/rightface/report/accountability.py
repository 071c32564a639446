"""The accountability report: what RCW 43.386.020 and 740 ILCS 14/15(a) ask for, from the records.

One document of plain JSON values; the page shows the same. Counts come from the ledger's leaves up
to a signed checkpoint (`tally.py`), the rest from what stands on record (`standing.py`). Must never
know a command line.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy.orm import Session

from rightface.errors import LedgerError, SettingsError
from rightface.instance import Instance
from rightface.law.policies import RuleSet
from rightface.ledger import log
from rightface.ledger.checkpoint import Checkpoint
from rightface.ledger.leaf import Leaf
from rightface.ledger.merkle import leaf_hash
from rightface.ledger.merkle import root as root_of
from rightface.report import standing
from rightface.report.tally import FEWEST, tally

REPORT = "rightface/accountability/1"
_ROWS = 4_096

CAPABILITIES = (
    "It finds faces in a photograph and measures the picture's quality.",
    "It compares two faces and tells how likely two different people would match as well (1:1).",
    "It searches a gallery of enrolled people for a face and gives leads, never identifications "
    "(1:N).",
    "It enrols a person's face in a gallery, and erases it with a signed receipt.",
)
LIMITS = (
    "A match is a lead: the rates below say how often different people match.",
    "It guesses no emotion, sex, age, origin, belief or other trait.",
    "The error rates are not the same for all groups of people; see the caveats.",
    "Small, dark, blurred or strongly turned faces are worse recognised; quality is measured, and "
    "can be asked for.",
    "It does not know where a camera stands: it takes the client to be where its licence says.",
)
INPUTS = (
    "Photographs that clients send (JPEG, PNG, WebP, BMP, GIF, TIFF). They are looked at and not "
    "kept.",
    "References under which clients enrol people; they are kept encrypted.",
    "Consents, licences, duties, warrants and facts that the operator puts on record.",
)
GENERATED = (
    "Templates (numbers derived from a face), each encrypted under a key of its person.",
    "A crop of the face, encrypted, only where the operator set that crops are kept.",
    "Boxes, landmarks and quality of faces, comparison rates, lists of leads.",
    "The ledger: each decision and act, without names; people stand in it as keyed commitments.",
)


def accountability(
    instance: Instance, first: date, last: date, *, operator: str = ""
) -> dict[str, Any]:
    """The report for the days from `first` to `last`, both included, in UTC.

    What is recorded is published first, so that the numbers lie under a signed checkpoint.

    Args:
        instance: whose report it is.
        first: the first day.
        last: the last day.
        operator: the name of who runs the instance, as it shall stand in the report.

    Raises:
        SettingsError: the days are out of order. LedgerError: the ledger is damaged.
    """
    start, end = span(first, last)
    now = datetime.now(UTC)
    at = min(now, end - timedelta(microseconds=1))
    if instance.publisher.behind():
        instance.publisher.publish()
    checkpoint = instance.publisher.last()
    if checkpoint is None:
        raise LedgerError("The ledger is not published yet.", mend="rightface ledger rebuild")
    counts = tally(_leaves(instance, checkpoint), start, end)
    with instance.database.read() as session:
        return {
            "report": REPORT,
            "from": first.isoformat(),
            "to": last.isoformat(),
            "made_at": now.isoformat(timespec="seconds"),
            "instance": {
                "operator": operator,
                "sector": instance.settings.sector,
                "jurisdiction": instance.settings.jurisdiction,
                "ledger": checkpoint.origin,
                "keeps_crops": instance.settings.keep_crops,
            },
            "system": standing.system(instance.pack),
            "capabilities": list(CAPABILITIES),
            "limits": list(LIMITS),
            "data_inputs": list(INPUTS),
            "data_generated": list(GENERATED),
            **_on_record(instance, session, counts, start, end, at),
            "counts": counts,
            "retention": _retention(instance, session, now),
            "accuracy": standing.accuracy(instance.pack),
            "checkpoint": {
                "origin": checkpoint.origin,
                "size": checkpoint.size,
                "root": checkpoint.root.hex(),
                "vkey": instance.ledger_vkey,
            },
            "small_numbers": {
                "fewer_than": FEWEST,
                "where": [
                    "people, faces, crops and keys: enrolled, held, due, overdue, erased",
                    "consents recorded and withdrawn, interactions, erasures",
                    "leads told, warrants by kind",
                    "requests to enrol and to erase, since each concerns one person",
                ],
            },
        }


def span(first: date, last: date) -> tuple[datetime, datetime]:
    """The days from `first` to `last`, both included, as [start, end) in UTC.

    Raises:
        SettingsError: the last comes before the first.
    """
    if last < first:
        raise SettingsError("The report would end before it starts.", mend="Swap --from and --to.")
    if last == date.max:
        raise SettingsError("The report's last day is beyond the calendar.")
    midnight = time(tzinfo=UTC)
    return (
        datetime.combine(first, midnight),
        datetime.combine(last + timedelta(days=1), midnight),
    )


def _leaves(instance: Instance, checkpoint: Checkpoint) -> Iterator[Leaf]:
    # The leaves under the checkpoint, and nothing else: their root is compared at the end.
    hashes = []
    for start in range(0, checkpoint.size, _ROWS):
        with instance.database.read() as session:
            entries = log.entries(session, start, min(start + _ROWS, checkpoint.size))
        for entry in entries:
            hashes.append(leaf_hash(entry))
            yield Leaf.parse(entry)
    if root_of(b"".join(hashes)) != checkpoint.root:
        raise LedgerError(
            "The database's entries are not those that were signed.", mend="rightface ledger audit"
        )


def _on_record(
    instance: Instance,
    session: Session,
    counts: dict[str, Any],
    start: datetime,
    end: datetime,
    at: datetime,
) -> dict[str, Any]:
    held = standing.licensed(instance, session, start, end)
    rules = standing.rules_at(instance, session, standing.places_of(instance, held), at)
    return {
        "licences": held,
        "instruments": standing.in_force(instance, rules),
        "duties": standing.duties_at(instance, session, rules, counts["refusals"], at),
        "commitments": standing.commitments(instance, session, at),
        "facts": standing.facts(instance, session, at),
        "warrants": standing.warrants(instance, session, start, end),
        "human_review": standing.human_review(instance, counts["refusals"]),
        "retention_rules": _retention_rules(rules),
    }


def _retention_rules(rules: RuleSet) -> list[Any]:
    return [
        {
            "rule": rule.key,
            "citation": rule.citation,
            "kind": rule.obligation.kind,
            "value": rule.obligation.value,
            "unverified": rule.unverified,
        }
        for rule in rules.rules
        if rule.obligation is not None and rule.obligation.kind.startswith("retention-")
    ]


def _retention(instance: Instance, session: Session, now: datetime) -> dict[str, Any]:
    schedule = [line for line in instance.policy.split("\n\n") if line.startswith("Retention sch")]
    return {
        "schedule": " ".join(" ".join(schedule).split()),
        **standing.held(session, now),
    }
