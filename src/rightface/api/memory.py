"""How the C library keeps memory: in few arenas, large blocks given back at once.

glibc makes an arena per thread and learns to keep ever larger blocks in them; pictures of many
sizes in many threads then leave holes that grow for hours. Measured with benchmarks/soak.py, nine
minutes each, side by side: 434 MiB and growing as it comes, 330 MiB and level so, at the same rate
of answers. Elsewhere than on glibc nothing is done. Knows nothing of what is served.
"""

from __future__ import annotations

import ctypes

_ARENAS = (-8, 2)  # M_ARENA_MAX, see mallopt(3)
_MAPPED = (-3, 1 << 20)  # M_MMAP_THRESHOLD, bytes: fixed, and no longer learnt
_TRIMMED = (-1, 4 << 20)  # M_TRIM_THRESHOLD, bytes


def keep_little() -> bool:
    """Tell the C library, before any thread starts.

    Returns:
        Whether it took all of it.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    taken = [mallopt(name, value) == 1 for name, value in (_ARENAS, _MAPPED, _TRIMMED)]
    return all(taken)
