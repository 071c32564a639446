"""The service is put together of parts; no part takes another's private name by accident."""

from __future__ import annotations

from collections import defaultdict

from rightface.service import Service


def test_no_two_parts_define_the_same_name() -> None:
    homes: defaultdict[str, list[str]] = defaultdict(list)
    for part in Service.__mro__:
        if part.__module__.startswith("rightface.service"):
            for name in vars(part):
                if not name.startswith("__"):
                    homes[name].append(part.__qualname__)
    twice = {name: places for name, places in homes.items() if len(places) > 1}
    assert twice == {}
