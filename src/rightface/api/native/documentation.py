"""docs/native.md, made from the code: `python -m rightface.api.native.documentation`.

A test compares the file with what is made here. The prose is documentation.md, beside this file.
"""

from __future__ import annotations

import sys
from importlib.resources import files
from typing import Any

from rightface.api.native.app import PREFIX, described
from rightface.api.native.house import BODY_BYTES
from rightface.api.native.table import ROLES


def page() -> str:
    """The whole page, Markdown."""
    prose = files(__package__ or "").joinpath("documentation.md").read_text("utf-8")
    prose = prose.replace("{body_mib}", str(BODY_BYTES // 1024**2))
    return f"{prose}\n## Routes\n\n{_table(described())}\n"


def _table(description: dict[str, Any]) -> str:
    rows = []
    for path, operations in description["paths"].items():
        for method, operation in operations.items():
            name = operation["operationId"]
            what = operation["description"].split("\n")[0]
            who = ", ".join(sorted(ROLES[name]))
            rows.append(f"| `{method.upper()} {PREFIX}{path}` | `{name}` | {who} | {what} |")
    head = ["| route | method of the client | who | what |", "| --- | --- | --- | --- |"]
    return "\n".join(head + rows)


if __name__ == "__main__":
    sys.stdout.write(page())
