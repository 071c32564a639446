"""User ids at rest: sealed, and found by a keyed commitment.

A client chooses its users' ids, and they may name people. Must never know: HTTP, policy text. Never
logs or raises an id.
"""

from __future__ import annotations

from rightface.gallery.vault import padded, unpadded
from rightface.keys import KeyRing, seal


class UserIds:
    """Seals and opens user ids under the instance's sub-key for them. Thread-safe."""

    def __init__(self, keyring: KeyRing) -> None:
        self._keyring = keyring

    def commitment(self, collection_id: str, user_id: str) -> str:
        """What `users.commitment` holds of a user id in one collection (hex HMAC)."""
        return self._keyring.commitment("user", f"{collection_id}\x1f{user_id}")

    def seal(self, row_id: str, user_id: str) -> bytes:
        """The id sealed for one row of `users`."""
        return seal(self._keyring.subkey("user-id"), padded(user_id), user_place(row_id))

    def open(self, row_id: str, sealed: bytes) -> str:
        """The id in one row.

        Raises:
            KeysError: the row does not open.
        """
        return unpadded(self._keyring.unseal("user-id", sealed, user_place(row_id)))


def user_place(row_id: str) -> bytes:
    """What a sealed id is bound to."""
    return f"rightface/user-id/1\x1f{row_id}".encode()
