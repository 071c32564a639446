"""The operator's acts on credentials: a person's token issued, or ended.

Each act is one transaction with its own leaf in the ledger, which names the credential by its id
and role; never a person's name. Must never know: a command line, a wire format.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from sqlalchemy.orm import Session

from rightface import credentials
from rightface.credentials import Credential, IssuedCredential
from rightface.instance import Instance


class CredentialDesk:
    """Where people's credentials are kept. Use it in a `with` block if it was opened here."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance

    @classmethod
    def open(cls, data: Path) -> Self:
        """Open the instance in `data`; see `Instance.open` for the errors."""
        return cls(Instance.open(data))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._instance.close()

    def issue(self, *, role: str, name: str) -> IssuedCredential:
        """Make a credential; its token is shown this once.

        Raises:
            CredentialError: an unknown role, or a malformed name.
        """
        instance = self._instance

        def work(session: Session) -> IssuedCredential:
            issued = credentials.issue(
                session, instance.keyring, role=role, name=name, at=datetime.now(UTC)
            )
            self._record(session, "credential-issue", issued.credential)
            return issued

        return instance.database.write(work)

    def end(self, credential_id: str) -> Credential:
        """End a credential for good: its token opens nothing any more.

        Raises:
            CredentialError: there is none of that id.
        """

        def work(session: Session) -> Credential:
            ended = credentials.end(session, credential_id, at=datetime.now(UTC))
            self._record(session, "credential-end", ended)
            return ended

        return self._instance.database.write(work)

    def listed(self, role: str | None = None) -> list[Credential]:
        """Every credential, oldest first, ended ones too; of one role, or of all."""
        with self._instance.database.read() as session:
            return credentials.all_credentials(session, role=role)

    def standing(self, token: str) -> Credential | None:
        """The credential of a token, if it has not ended; None for anything else."""
        with self._instance.database.read() as session:
            return credentials.standing(session, self._instance.keyring, token)

    def _record(self, session: Session, act: str, credential: Credential) -> None:
        self._instance.record_act(
            session, act, reasons=(credential.role,), records=(f"crd-{credential.credential_id}",)
        )
