"""Request tokens: the same token and parameters within a day, the same answer, no second effect.

What an answer needs to be given again is kept sealed, found by keyed commitments, and swept after a
day. It is written in the transaction of the change that it tells of, so it survives whatever the
change survives. It must name no face and no person: callers keep positions in the request, words
and rows' ids. Must never know: HTTP, what an answer means.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from rightface.errors import TokenReused
from rightface.gallery.rows import KeptAnswerRow
from rightface.keys import KeyRing, seal

KEPT = timedelta(days=1)
Kept = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One request with a token, by keyed commitments alone."""

    token: str
    parameters: str


class RequestTokens:
    """The answers kept. Holds no state but keys; thread-safe."""

    def __init__(self, keyring: KeyRing) -> None:
        self._keyring = keyring

    def asked(
        self, client: str, operation: str, token: str, parameters: Mapping[str, Any]
    ) -> Asked:
        """A request's commitments. `parameters`: all that was asked but the token, as JSON has it.

        One client's token for one operation has nothing to do with any other.
        """
        told = json.dumps(parameters, sort_keys=True, separators=(",", ":"))
        place = f"{client}\x1f{operation}\x1f{token}"
        return Asked(
            token=self._keyring.commitment("request-token", place),
            parameters=self._keyring.commitment("request-parameters", told),
        )

    def answered(self, session: Session, asked: Asked, *, at: datetime) -> Kept | None:
        """What the token was answered with within a day before `at`; None: it is new.

        Raises:
            TokenReused: it came with other parameters.
            KeysError: the row does not open.
        """
        row = session.execute(
            select(KeptAnswerRow.parameters, KeptAnswerRow.sealed).where(
                KeptAnswerRow.token == asked.token, KeptAnswerRow.at > at - KEPT
            )
        ).one_or_none()
        if row is None:
            return None
        if row.parameters != asked.parameters:
            raise TokenReused(
                "This request token was used with other parameters.",
                mend="Give each request a token of its own; repeat a request as it was.",
            )
        kept = self._keyring.unseal(
            "kept-answer", row.sealed, answer_place(asked.token, asked.parameters)
        )
        return cast(Kept, json.loads(kept))

    def keep(self, session: Session, asked: Asked, answer: Kept, *, at: datetime) -> None:
        """Keep an answer with the change that it tells of (inside `Database.write`).

        Sweeps what is older than a day.
        """
        sweep(session, at=at)
        session.execute(
            insert(KeptAnswerRow).values(
                token=asked.token,
                parameters=asked.parameters,
                sealed=seal(
                    self._keyring.subkey("kept-answer"),
                    json.dumps(answer).encode(),
                    answer_place(asked.token, asked.parameters),
                ),
                at=at,
            )
        )


def sweep(session: Session, *, at: datetime) -> int:
    """Destroy the answers that are older than a day at `at` (inside `Database.write`).

    Returns:
        How many there were.
    """
    old = delete(KeptAnswerRow).where(KeptAnswerRow.at <= at - KEPT)
    return len(session.execute(old.returning(KeptAnswerRow.token)).scalars().all())


def overdue(session: Session, *, at: datetime) -> bool:
    """Whether there is anything to sweep."""
    query = select(KeptAnswerRow.token).where(KeptAnswerRow.at <= at - KEPT).limit(1)
    return session.execute(query).first() is not None


def answer_place(token: str, parameters: str) -> bytes:
    """What binds a sealed answer to its token and parameters (the sub-key is `kept-answer`)."""
    return f"rightface/kept-answer/1\x1f{token}\x1f{parameters}".encode()
