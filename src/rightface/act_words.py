"""The acts that the ledger knows, by their word: what each did, and what a restore does about it.

The one table of them. acts.py holds the acts against the rows by it; replay.py sorts by it what
came after a backup; `Instance.record_act` records no other word. Knows nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

After = Literal["again", "beside", "lost"]
"""What a replay does: it does the act again; another act or outcome beside it does; or the act is
lost without harm, for it allowed something, or only told of it: without it less is allowed."""


@dataclass(frozen=True)
class Act:
    """What one word of the ledger stands for."""

    replayed: After
    record: str | None = None
    """The kind of record that it names by an id, which must be there."""
    ends: bool = False
    """Whether it ended that record, or set a mark on it that must stay."""


ACTS = {
    "attester-add": Act("lost"),
    "attester-end": Act("again"),
    "backup": Act("lost"),
    "comparison-change": Act("lost"),  # each decision says how it compared
    "commitment-adopt": Act("again"),
    "commitment-withdraw": Act("lost"),
    "consent-record": Act("lost"),
    "consent-withdraw": Act("beside"),  # the suppression
    "credential-end": Act("again", "credential", ends=True),
    "credential-issue": Act("lost", "credential"),
    "duty-end": Act("again"),
    "duty-record": Act("lost"),
    "evidence-against": Act("again", "evidence"),
    "evidence-end": Act("again", "evidence", ends=True),
    "evidence-record": Act("lost", "evidence"),
    "fact-end": Act("again", "fact", ends=True),
    "fact-record": Act("lost", "fact"),
    "finding-record": Act("lost", "finding"),
    "gallery-target": Act("again"),
    "instance-create": Act("lost"),
    "job-cancel": Act("lost"),  # no job comes back
    "key-rotate": Act("lost"),
    "licence-issue": Act("lost", "licence"),
    "licence-revoke": Act("again", "licence", ends=True),
    "restore": Act("lost"),
    "retention-interaction": Act("lost"),
    "retention-purpose-ended": Act("beside"),  # the suppression of everybody there
    "review-close": Act("lost"),  # no open review comes back
    "review-decide": Act("lost"),
    "review-open": Act("lost"),
    "subject-report": Act("lost"),
    "suppress": Act("again"),
    "warrant-end": Act("again", "warrant", ends=True),
    "warrant-record": Act("lost", "warrant"),
    "warrant-refused": Act("again", "warrant", ends=True),
    "warrant-report": Act("lost", "warrant-report", ends=True),
    "warrant-request": Act("lost", "warrant-request", ends=True),
}
