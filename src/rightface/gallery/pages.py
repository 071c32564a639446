"""Tokens for the next page of a list: sealed, bound to the list they continue.

A token shows nothing, cannot be made up, and serves only the list (client, collection) that it was
given for. Must never know: what is listed.
"""

from __future__ import annotations

import base64
import binascii

from rightface.errors import KeysError, PageTokenError
from rightface.keys import KeyRing, seal, unseal

_LONGEST = 1024  # characters; refuse to decode more


class PageTokens:
    """Seals and opens page tokens under the instance's sub-key for them."""

    def __init__(self, keyring: KeyRing) -> None:
        self._key = keyring.subkey("page-token")

    def seal(self, scope: str, position: str) -> str:
        """The token that continues the list `scope` after `position`."""
        sealed = seal(self._key, position.encode(), scope.encode())
        return base64.urlsafe_b64encode(sealed).decode()

    def open(self, scope: str, token: str) -> str:
        """The position in `token`.

        Raises:
            PageTokenError: it is not one of ours, or another list's.
        """
        try:
            if len(token) > _LONGEST:
                raise ValueError
            sealed = base64.b64decode(token, altchars=b"-_", validate=True)
            return unseal(self._key, sealed, scope.encode()).decode()
        except (KeysError, binascii.Error, ValueError):
            raise PageTokenError(
                "The token for the next page is not one that was given for this list.",
                mend="Ask for the list from its beginning.",
            ) from None
