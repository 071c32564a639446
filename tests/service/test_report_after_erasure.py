"""What a subject's report still lists after an erasure, and that its sentence about it is true."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from instance import TemporaryInstance
from rightface.cli.subject import app
from tests.service.test_restore import caller_of, enrol

pytestmark = pytest.mark.sqlite_only


def test_only_what_was_recorded_while_no_face_was_held_is_listed(fresh: TemporaryInstance) -> None:
    caller = caller_of(fresh)
    fresh.consent("ada")
    fresh.service.create_collection(caller, "staff", {})
    for _ in range(2):
        enrol(fresh.instance, caller, "staff", "ada")
    desk = fresh.registrar.subjects

    def listed() -> list[tuple[str, str]]:
        return [(one.operation, one.outcome) for one in desk.report("ada").uses]

    before = listed()
    assert before.count(("enroll", "permitted")) == 2
    assert before.count(("enroll", "enrolled")) == 2
    desk.erase("ada")
    after = listed()
    assert after.count(("enroll", "permitted")) == 1  # the first: there was no key of their own
    assert ("enroll", "enrolled") not in after
    assert ("consent-record", "done") in after
    told = CliRunner().invoke(app, ["report", "ada", "--data", str(fresh.instance.settings.data)])
    assert told.exit_code == 0
    said = " ".join(told.output.split())
    assert "while no face of yours was held: a consent, a refusal, the permission" in said
