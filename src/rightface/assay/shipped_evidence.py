"""What ships with the model pack as evidence: the figures of its documents, for whichever pack.

A document is checked as `rightface evidence add` checks it. Its id follows from its bytes, so that
the end of one is on record for good, whatever is installed anew. Never knows what is on record.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

from rightface.assay.evidence import EvidenceError, figures_of, read_document
from rightface.errors import WeightsError
from rightface.faces.evidence_files import documents
from rightface.law.figures import Figures


def shipped_figures() -> Mapping[str, Figures]:
    """Every document that ships, by the id that it has on every instance: `evd-…`.

    Raises:
        WeightsError: a document is missing, was changed, or is no evidence.
    """
    return _figures(documents())


@lru_cache(maxsize=4)
def _figures(contents: tuple[bytes, ...]) -> Mapping[str, Figures]:
    found = {}
    for content in contents:
        try:
            measured = read_document(content).measured
            figures = figures_of(
                content,
                pack_digest=measured.pack_digest,
                comparison_digest=measured.comparison_digest,
            )
        except EvidenceError as error:
            raise WeightsError(
                "A measurement that ships with the model pack is no evidence.",
                why=f"{error.what} {error.why}".strip(),
                mend="Install rightface again.",
            ) from error
        found[f"evd-{figures.document_digest[:24]}"] = figures
    return MappingProxyType(found)
