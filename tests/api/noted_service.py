"""The real service, watched: its calls are noted, and one can be made to fail or to wait.

Nothing is replaced: a call that is not made to fail goes on to the service itself.
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable
from typing import Any

from rightface.api.needs import FaceService
from rightface.instance import Instance
from rightface.service import Service
from rightface.service_types import Caller

OPERATIONS = tuple(
    name
    for name, method in vars(FaceService).items()
    if inspect.isfunction(method) and "caller" in inspect.signature(method).parameters
)


class NotedService(Service):
    """`calls` holds what was asked; `raises` is raised by the next call, `wait` holds calls up."""

    def __init__(self, instance: Instance) -> None:
        super().__init__(instance)
        self.calls: list[tuple[str, Caller, tuple[Any, ...], dict[str, Any]]] = []
        self.raises: Exception | None = None
        self.wait: threading.Event | None = None
        self.entered = threading.Semaphore(0)
        for name in OPERATIONS:
            setattr(self, name, self._noted(name, getattr(self, name)))

    def _noted(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def noted(caller: Caller, *args: Any, **members: Any) -> Any:
            self.calls.append((name, caller, args, members))
            self.entered.release()
            if self.wait is not None:
                assert self.wait.wait(20)
            raised, self.raises = self.raises, None
            if raised is not None:
                raise raised
            return method(caller, *args, **members)

        return noted
