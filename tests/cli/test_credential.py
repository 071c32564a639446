"""`rightface credential`: the first operator's token, from an empty directory to its end."""

from __future__ import annotations

from pathlib import Path

from rightface.instance import Instance
from rightface.ledger import log
from rightface.registrar_credentials import CredentialDesk
from tests.cli.test_commands import data, run

__all__ = ["data"]  # a fixture


def test_a_credential_from_its_issue_to_its_end(data: Path) -> None:
    made = run(
        *("credential", "issue", "--data", str(data), "--role", "operator"),
        *("--name", "ada", "--json"),
    )
    token, who = made["token"], made["credential"]
    assert token.startswith(f"rf_operator_{who['credential_id']}_")
    with CredentialDesk.open(data) as desk:
        found = desk.standing(token)
        assert found is not None
        assert (found.role, found.name) == ("operator", "ada")
        assert desk.standing(token[:-1]) is None
    listed = run("credential", "list", "--data", str(data), "--json")
    assert listed == [who]
    assert token not in str(run("credential", "list", "--data", str(data)))
    ended = run("credential", "end", "--data", str(data), who["credential_id"], "--json")
    assert ended["ended_at"]
    assert run("credential", "list", "--data", str(data), "--role", "auditor", "--json") == []
    with Instance.open(data) as instance, instance.database.read() as session:
        assert CredentialDesk(instance).standing(token) is None
        leaves = [log.leaf_at(session, index) for index in range(log.size(session))]
        acts = [leaf for leaf in leaves if leaf.operation.startswith("credential-")]
        assert [leaf.operation for leaf in acts] == ["credential-issue", "credential-end"]
        for leaf in acts:
            assert leaf.records == (f"crd-{who['credential_id']}",)
            assert leaf.reasons == ("operator",)
            assert b"ada" not in leaf.canonical()


def test_what_makes_no_credential(data: Path) -> None:
    for role, name in (("king", "ada"), ("operator", "a b"), ("operator", "")):
        run(
            *("credential", "issue", "--data", str(data), "--role", role, "--name", name),
            "--json",
            status=2,
        )
    run("credential", "end", "--data", str(data), "0" * 16, "--json", status=2)
