"""Which touches of a face or template a permit for each operation covers. Data; no rule."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from rightface.permit import Touch

TOUCHES: Mapping[str, frozenset[Touch]] = MappingProxyType(
    {
        "detect": frozenset({Touch.DETECT}),
        "verify-1to1": frozenset({Touch.DETECT, Touch.TEMPLATE, Touch.COMPARE}),
        "identify-1toN": frozenset(
            {Touch.DETECT, Touch.TEMPLATE, Touch.SEARCH, Touch.OPEN, Touch.READ}
        ),
        "identify-live": frozenset(
            {Touch.DETECT, Touch.TEMPLATE, Touch.SEARCH, Touch.OPEN, Touch.READ}
        ),
        # Enrolment also puts references together: a face joins a user's other faces only after it
        # was compared with them, which opens their templates.
        "enroll": frozenset(
            {
                *{Touch.DETECT, Touch.TEMPLATE, Touch.STORE, Touch.INDEX, Touch.READ},
                *{Touch.OPEN, Touch.COMPARE},
            }
        ),
        "erase": frozenset({Touch.ERASE, Touch.READ}),
        "manage-gallery": frozenset({Touch.READ}),
        "rebuild-index": frozenset({Touch.OPEN, Touch.INDEX, Touch.READ}),
        "measure-accuracy": frozenset(
            {Touch.DETECT, Touch.TEMPLATE, Touch.COMPARE, Touch.SEARCH, Touch.INDEX}
        ),
    }
)
"""Operations that are not listed touch nothing: this service does not perform them."""


def touches_of(action: str) -> frozenset[Touch]:
    """The touches that a permit for `action` covers; none for operations not performed here."""
    return TOUCHES.get(action, frozenset())
