"""Another way to compare faces changes what every threshold and measurement means: it is recorded.

What `rightface.toml` says counts, and a newer release may bring another score normalisation. So a
server that starts holds the comparison in use against the one that the ledger's acts stated last;
where they differ it appends the act `comparison-change`, with both, before it serves anybody. Must
never know: a wire format, a command line, faces.
"""

from __future__ import annotations

import logging

from rightface.faces.packs import RAW
from rightface.instance import Instance

_log = logging.getLogger(__name__)


def follow(instance: Instance, before: str) -> None:
    """Record that faces are compared in another way than `before`, if they are, and say so.

    Args:
        instance: open, and about to serve.
        before: what was stated last, as the ledger's field `comparison` has it.

    Raises:
        WeightsError: the pack in use cannot be loaded.
        StorageError: the act cannot be recorded.
    """
    now = instance.comparison
    if now != before:
        instance.database.write(
            lambda session: instance.record_act(
                session, "comparison-change", comparison=now, reasons=(f"was#{before}",)
            )
        )
        _log.warning(
            "faces are compared otherwise from now on: %s, before: %s. Thresholds and galleries' "
            "targets stay error rates; evidence on record of the other comparison no longer "
            "counts.",
            _short(now),
            _short(before),
        )
    if now == RAW:
        _log.warning(
            "faces are compared by raw scores, which take people of some groups for each other "
            'far more often than others. To change it: comparison = "equalised" in rightface.toml.'
        )


def _short(comparison: str) -> str:
    name, _, digest = comparison.partition(".")
    return f"{name} ({digest[:12]})" if digest else name
