"""People drawn so that one group crowds, for tests of score normalisations."""

from __future__ import annotations

import numpy as np

from rightface.assay.cohorts import Column, column
from rightface.assay.impostors import Sample
from rightface.faces.face import Templates

GROUPS = {"crowded": (120, 0.3), "middle": (200, 0.5), "spread": (280, 0.8)}
"""Name → people, and how far apart they are."""


def drawn(seed: int = 0, photographs: int = 1) -> Sample:
    """People around one mean for each group; photographs of one person differ little."""
    draw = np.random.default_rng(seed)
    axes = np.linalg.qr(np.random.default_rng(99).standard_normal((128, 128)))[0]
    rows: list[Templates] = []
    labels, subjects = [], []
    for place, (name, (people, apart)) in enumerate(GROUPS.items()):
        centre = 0.9 * axes[0] + 0.3 * axes[1 + place]
        who = centre + apart * draw.standard_normal((people, 1, 32)) @ axes[10:42] / np.sqrt(32)
        seen = who + 0.1 * draw.standard_normal((people, photographs, 128)) / np.sqrt(128)
        rows.append(seen.reshape(-1, 128).astype(np.float32))
        labels += [name] * people * photographs
        subjects += np.repeat(np.arange(people) + 1000 * place, photographs).tolist()
    made = np.vstack(rows)
    unit: Templates = made / np.linalg.norm(made, axis=1, keepdims=True)
    return Sample(
        name=f"drawn-{seed}",
        templates=unit,
        people=np.array(subjects, np.int32),
        cohorts=column("group", labels),
    )


def groups_of(sample: Sample) -> Column:
    """Its groups, which it has."""
    assert sample.cohorts is not None
    return sample.cohorts
