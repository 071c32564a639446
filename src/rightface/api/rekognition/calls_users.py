"""Users, and tags of collections: a checked request to the service's method, its answer to a body.

Must never know: HTTP, what a user id means.
"""

from __future__ import annotations

from collections.abc import Callable

from rightface.api.rekognition.call import Call, Reply

USERS_CALLS: dict[str, Callable[[Call], Reply]] = {}
