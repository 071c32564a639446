"""The table of operations: none is forgotten, and the page is what the code says."""

from __future__ import annotations

from pathlib import Path

from botocore.model import StringShape

from rightface.api.rekognition import calls, documentation, model
from rightface.api.rekognition.operations_table import ATTRIBUTES, ENTRIES, TABLE

PAGE = Path(__file__).resolve().parents[2] / "docs" / "rekognition.md"


def test_every_published_operation_has_one_entry() -> None:
    assert set(TABLE) == model.operation_names()
    assert len(ENTRIES) == len(TABLE)
    assert all(entry.reason.endswith(".") for entry in ENTRIES)


def test_what_works_is_callable_and_nothing_else() -> None:
    works = {entry.name for entry in ENTRIES if entry.state == "works"}
    assert works == set(calls._CALLS)


def test_every_attribute_has_an_entry() -> None:
    shape = model.service_model().shape_for("Attribute")
    assert isinstance(shape, StringShape)
    assert set(ATTRIBUTES) == set(shape.enum)
    assert {name for name, entry in ATTRIBUTES.items() if entry.state == "works"} == {"DEFAULT"}


def test_the_page_is_what_the_code_says() -> None:
    told = "python -m rightface.api.rekognition.documentation > docs/rekognition.md"
    assert PAGE.read_text("utf-8") == documentation.page(), f"run: {told}"
