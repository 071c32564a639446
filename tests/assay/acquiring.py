"""A process that acquires and is killed: run by test_acquire with the folder as its argument."""

from __future__ import annotations

import sys
from pathlib import Path

from rightface.assay import acquire
from rightface.assay.acquire import Look, plan_of
from rightface.assay.sealed_parts import Sealed
from rightface.instance import Instance
from rightface.service.measuring import measuring


def images_of(folder: Path) -> list[Path]:
    return sorted((folder / "images").iterdir())


def sealed_of(folder: Path, instance: Instance) -> Sealed:
    plan = plan_of(images_of(folder), engine=instance.engine, look=Look())
    return Sealed(folder / "templates", instance.keyring, plan)


def main(folder: Path) -> None:
    acquire.PORTION = 2
    with measuring(
        folder / "instance", sector="private-entity", jurisdiction="US-OH", make=True
    ) as room:
        acquire.acquire(
            images_of(folder),
            engine=room.instance.engine,
            look=Look(),
            permitted=room.permitted,
            sealed=sealed_of(folder, room.instance),
            threads=1,
            progress=lambda done, total: print(done, flush=True),
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
