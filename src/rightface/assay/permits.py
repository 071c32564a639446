"""Permits for work that may outlast one: asked for anew between its steps.

A permit lasts two minutes (`rightface.permit`). Work of many steps takes a `Renewed` where short
work takes a permit, and requires it before each step: so every step begins under a permit that is
open, and where the gate says no in the middle, no further step begins. Never knows where permits
come from, or what is done under them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from typing import Any, Self, TypeAlias

from rightface.permit import Permit, Touch, require

Permitted: TypeAlias = Callable[[], AbstractContextManager[Permit]]
"""Asks the gate; the permit is open inside the block."""
RENEWED = 45.0
"""Seconds after which a permit is asked for anew: a step may last as long again, and more."""


class Renewed:
    """A permit that is open and never old, for as long as its block lasts.

    One thread's: the permit before is spent when the next is asked for, so whoever gives steps to
    other threads begins them with `step_beside`.
    """

    def __init__(self, permitted: Permitted) -> None:
        """`permitted`: asks the gate; not before the first step needs it."""
        self._permitted = permitted
        self._open = ExitStack()
        self._permit: Permit | None = None
        self._since = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: Any) -> None:
        self._permit = None
        self._open.__exit__(*error)

    def held(self) -> Permit | None:
        """The permit as it is; None where it is time to ask for another."""
        return None if time.monotonic() - self._since > RENEWED else self._permit

    def renewed(self) -> Permit:
        """For the next step: the permit as it is, or where it is time to, another one.

        Raises:
            Refused: the gate says no; the permit before is spent.
        """
        held = self.held()
        if held is None:
            self._permit = None
            self._open.close()
            held = self._permit = self._open.enter_context(self._permitted())
            self._since = time.monotonic()
        return held


Standing: TypeAlias = Permit | Renewed
"""What work of many steps is done under: one permit, for as long as it lasts, or as many as it
takes."""


def require_step(standing: Standing, touch: Touch) -> None:
    """Check before a step that it is permitted, and ask the gate anew where it is time to.

    Raises:
        PermitError: the permit is not open, too old, or does not cover `touch`.
        Refused: the gate says no.
    """
    require(standing.renewed() if isinstance(standing, Renewed) else standing, touch)


def step_beside(standing: Standing, touch: Touch) -> bool:
    """Check likewise before a step while others are under way; the gate is not asked then.

    Returns:
        Whether the step may begin; if not, the gate must be asked anew, after all others.

    Raises:
        PermitError: the permit is not open, too old, or does not cover `touch`.
    """
    held = standing.held() if isinstance(standing, Renewed) else standing
    if held is not None:
        require(held, touch)
    return held is not None
