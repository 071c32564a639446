"""A licence to measure is issued with the instance made for it, and never again silently."""

from __future__ import annotations

from pathlib import Path

import pytest

from rightface.errors import LicenceError
from rightface.registrar import Registrar
from rightface.service.measuring import measuring


def test_a_revoked_licence_to_measure_is_not_issued_anew(tmp_path: Path) -> None:
    where = tmp_path / "instance"
    with measuring(where, sector="private-entity", jurisdiction="US-OH", make=True) as room:
        first = room.licence.licence_id
    with measuring(where, sector="private-entity", jurisdiction="US-OH", make=True) as room:
        assert room.licence.licence_id == first, "it stands: it is used again"
        Registrar(room.instance).revoke_licence(first)
    with (
        pytest.raises(LicenceError, match="No standing licence") as error,
        measuring(where, sector="private-entity", jurisdiction="US-OH", make=True),
    ):
        pass
    assert "revoked" in error.value.why
    assert "rightface licence issue --client measurer" in error.value.mend
