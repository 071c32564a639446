"""Schemathesis drives /v1 from its own description, on a real server, with all of its checks.

`positive_data_acceptance` takes 422 as well: a licence of an unknown purpose is of the right shape,
and the law's vocabulary refuses it all the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.config import SchemathesisConfig

from instance import temporary_instance
from rightface.api.app import create_app
from rightface.api.native.app import described
from rightface.api.server import running
from rightface.registrar_credentials import CredentialDesk

EXAMPLES = 8
CONFIG = {
    "seed": 20260101,
    "checks": {
        "positive_data_acceptance": {"expected-statuses": ["2xx", "403", "404", "409", "422"]},
    },
}


@pytest.fixture(scope="session")
def token_and_url(models: Path) -> Iterator[tuple[str, str]]:
    with temporary_instance(models) as opened:
        token = CredentialDesk(opened.instance).issue(role="operator", name="schemathesis").token
        opened.service.prepare()
        with running(create_app(opened.service)) as url:
            yield token, url


@pytest.fixture(scope="session")
def schema(token_and_url: tuple[str, str]) -> Any:
    config = SchemathesisConfig.from_dict(CONFIG)
    return schemathesis.openapi.from_url(f"{token_and_url[1]}/v1/openapi.json", config=config)


def _cases() -> Iterator[Any]:
    for operations in described().get("paths", {}).values():
        for operation in operations.values():
            name = operation["operationId"]
            yield pytest.param(name, GenerationMode.POSITIVE, id=f"{name}-as-described")
            asked = [p for p in operation.get("parameters", ()) if p["in"] == "query"]
            if asked or "requestBody" in operation:  # else there is nothing that could be wrong
                yield pytest.param(name, GenerationMode.NEGATIVE, id=f"{name}-otherwise")


@pytest.mark.parametrize(("name", "mode"), list(_cases()))
def test_the_api_keeps_its_word(
    schema: Any, token_and_url: tuple[str, str], name: str, mode: GenerationMode
) -> None:
    headers = {"Authorization": f"Bearer {token_and_url[0]}"}
    operation = next(
        each.ok()
        for each in schema.get_all_operations()
        if each.ok().definition.raw["operationId"] == name
    )

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def drive(case: Any) -> None:
        case.call_and_validate(headers=headers)

    drive()
