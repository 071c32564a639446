"""The permit: proof that the gate allowed one operation, and which touches it covers.

Every function that touches a face or a template takes a `Permit` and calls `permit.check(...)`
before anything else. Only `rightface.law.gate` mints permits (it takes the one mint of this process
when it is imported; a test holds that nobody else does). A permit serves one operation, once, for a
short time: `with permit.exercise(operation)` opens it, leaving the block spends it.

Python cannot stop hostile code inside its own process. It can make every honest mistake, and every
forgery short of patching this module, fail loudly; that is what is done here.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Any, NoReturn, Protocol
from weakref import WeakKeyDictionary, WeakValueDictionary

from rightface.errors import PermitError


class Touch(StrEnum):
    """What a function may do to a face or a template; a permit lists the touches it covers."""

    DETECT = "detect"  # find faces in an image, measure their quality
    TEMPLATE = "template"  # derive a template from a face
    COMPARE = "compare"  # compare two templates, 1:1
    SEARCH = "search"  # compare a probe with a gallery, 1:N
    STORE = "store"  # keep a template in a gallery
    INDEX = "index"  # put a template into a search index, which is memory only
    OPEN = "open"  # decrypt a stored template
    ERASE = "erase"  # destroy stored templates and what belongs to them
    READ = "read"  # read what is recorded about faces (never the template)


class Performed(Protocol):
    """What a permit is bound to: anything with a digest over all that was asked."""

    @property
    def digest(self) -> str:
        """Hex SHA-256 of the whole operation."""


_ISSUED, _ACTIVE, _SPENT = "issued", "active", "spent"


class Permit:
    """One operation, allowed once. Made by the gate alone; see the module's text."""

    __slots__ = (
        "__weakref__",
        "_expires",
        "_lock",
        "_seal",
        "action",
        "client",
        "ledger_index",
        "obligations",
        "operation_digest",
        "permit_id",
        "touches",
    )

    permit_id: str
    operation_digest: str
    action: str
    client: str
    ledger_index: int
    obligations: tuple[Any, ...]
    touches: frozenset[Touch]
    _expires: float
    _lock: threading.Lock
    _seal: bytes

    def __init__(self, *_: object, **__: object) -> None:
        raise PermitError(
            "A permit cannot be constructed.", mend="Ask the gate: Gate.decide(operation)."
        )

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise PermitError("A permit cannot be changed.")

    def __delattr__(self, name: str) -> NoReturn:
        raise PermitError("A permit cannot be changed.")

    def __copy__(self) -> NoReturn:
        raise PermitError("A permit cannot be copied.", mend="Ask the gate for each operation.")

    def __deepcopy__(self, memo: object) -> NoReturn:
        self.__copy__()

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise PermitError("A permit cannot leave its process.")

    def __repr__(self) -> str:
        return f"<Permit {getattr(self, 'permit_id', 'forged')}>"

    def check(self, touch: Touch) -> None:
        """Let the caller go on only if this permit is genuine, open, in time and covers `touch`.

        Raises:
            PermitError: otherwise.
        """
        _require_genuine(self)
        if _state_of[self] != _ACTIVE:
            raise PermitError(
                f"The permit is {_state_of[self]}.",
                why="A permit serves one operation, inside `with permit.exercise(operation)`.",
            )
        _require_in_time(self)
        if touch not in self.touches:
            raise PermitError(
                f"The permit for {self.action} does not cover '{touch}'.",
                why=f"It covers: {', '.join(sorted(self.touches))}.",
            )

    @contextmanager
    def exercise(self, operation: Performed) -> Iterator[Permit]:
        """Open the permit for `operation`, the very one it was given for; spend it at the end.

        Raises:
            PermitError: the permit is forged, for another operation, already used, or too old.
        """
        _require_genuine(self)
        _require_in_time(self)
        if not hmac.compare_digest(operation.digest, self.operation_digest):
            raise PermitError("The permit was given for another operation.")
        with self._lock:
            if _state_of[self] != _ISSUED:
                raise PermitError("The permit was used before.", mend="Ask the gate again.")
            _state_of[self] = _ACTIVE
        try:
            yield self
        finally:
            _state_of[self] = _SPENT


def require(permit: object, touch: Touch) -> None:
    """Check anything that claims to be a permit (None included) for `touch`.

    Raises:
        PermitError: it is not a genuine, open permit that covers `touch`.
    """
    if type(permit) is not Permit:
        raise PermitError(
            f"'{touch}' needs a permit.", mend="Ask the gate first: Gate.decide(operation)."
        )
    permit.check(touch)


class Mint:
    """Makes permits. One per process; held by the gate. `issue` needs the ledger's index."""

    def __init__(self, key: bytes) -> None:
        # A mint with another key makes nothing that passes for a permit.
        self._key = key
        self._clock = time.monotonic

    def issue(
        self,
        *,
        operation: Performed,
        action: str,
        client: str,
        ledger_index: int,
        touches: frozenset[Touch],
        obligations: tuple[Any, ...] = (),
        seconds: float = 120.0,
    ) -> Permit:
        """A fresh permit for `operation`, good for `seconds`. The decision is recorded already."""
        permit = object.__new__(Permit)
        values = {
            "permit_id": secrets.token_hex(16),
            "operation_digest": operation.digest,
            "action": action,
            "client": client,
            "ledger_index": ledger_index,
            "obligations": obligations,
            "touches": touches,
            "_expires": self._clock() + seconds,
            "_lock": threading.Lock(),
        }
        for name, value in values.items():
            object.__setattr__(permit, name, value)
        object.__setattr__(permit, "_seal", _seal(permit, self._key))
        _state_of[permit] = _ISSUED
        _genuine[permit.permit_id] = permit
        return permit


_secret = secrets.token_bytes(32)
_state_of: WeakKeyDictionary[Permit, str] = WeakKeyDictionary()  # not on the permit itself
_genuine: WeakValueDictionary[str, Permit] = WeakValueDictionary()
_mint: list[Mint] = [Mint(_secret)]


def take_mint() -> Mint:
    """The one mint of this process. The gate takes it on import; a second taker is an intruder.

    Raises:
        PermitError: it was taken before.
    """
    try:
        return _mint.pop()
    except IndexError:
        raise PermitError(
            "The mint has been taken.", why="Only rightface.law.gate makes permits."
        ) from None


def _seal(permit: Permit, key: bytes) -> bytes:
    told = "\x1f".join(
        (
            permit.permit_id,
            permit.operation_digest,
            permit.action,
            permit.client,
            str(permit.ledger_index),
            ",".join(sorted(permit.touches)),
            repr(permit.obligations),
            repr(permit._expires),
        )
    )
    return hmac.digest(key, told.encode(), hashlib.sha256)


def _require_genuine(permit: Permit) -> None:
    try:
        genuine = _genuine.get(permit.permit_id) is permit and hmac.compare_digest(
            permit._seal,
            _seal(permit, _secret),
        )
    except AttributeError:
        genuine = False
    if not genuine:
        raise PermitError("The permit is forged.", why="Only the gate makes permits.")


def _require_in_time(permit: Permit) -> None:
    if time.monotonic() >= permit._expires:
        raise PermitError("The permit has expired.", mend="Ask the gate again.")
