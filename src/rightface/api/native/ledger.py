"""Routes: the ledger. Its public files need no credential, under /ledger; here are proofs."""

from __future__ import annotations

import json
from typing import Annotated

from fastapi import Path, Query

from rightface.api.native import shapes
from rightface.api.native.house import By, House, In, router
from rightface.errors import NotOnRecord, StorageError
from rightface.ledger import proofs
from rightface.ledger.checkpoint import Checkpoint

routes = router("ledger")
_MOST = 2**53 - 1
IndexInPath = Annotated[int, Path(ge=0, le=_MOST)]


@routes.get("/ledger/checkpoint")
def ledger_checkpoint(house: In, who: By) -> shapes.SignedState:
    """The ledger's signed state, brought up to date."""
    del who
    state = _published(house)
    return shapes.SignedState(
        origin=state.origin,
        size=state.size,
        root=state.root.hex(),
        vkey=house.instance.ledger_vkey,
        note=state.note.decode(),
    )


@routes.get("/ledger/entries/{index}")
def ledger_entry(house: In, who: By, index: IndexInPath) -> shapes.Entry:
    """One entry, as it is published. It holds no personal data."""
    del who
    proof = _prove(house, index)
    return shapes.Entry(index=index, entry=json.loads(proof.entry))


@routes.get("/ledger/entries/{index}/proof")
def prove_inclusion(house: In, who: By, index: IndexInPath) -> shapes.InclusionProof:
    """Proof that an entry is in the ledger, for any verifier."""
    del who
    proof = _prove(house, index)
    return shapes.InclusionProof(
        index=proof.index,
        size=proof.size,
        root=proof.checkpoint.root.hex(),
        entry=json.loads(proof.entry),
        hashes=[step.hex() for step in proof.path],
        proof=proof.text(),
    )


@routes.get("/ledger/consistency")
def prove_consistency(
    house: In,
    who: By,
    old: Annotated[int, Query(ge=0, le=_MOST)],
    new: Annotated[int | None, Query(ge=0, le=_MOST, description="Absent: all.")] = None,
) -> shapes.ConsistencyProof:
    """Proof that the ledger of `new` entries only appends to that of `old`."""
    del who
    size = _published(house).size
    if not old <= (size if new is None else new) <= size:
        raise NotOnRecord(
            "There is no proof between these sizes.",
            why=f"It goes from a smaller to a larger ledger, of at most {size} entries.",
        )
    proof = proofs.consistency(
        house.service.ledger_directory, old, new, vkey=house.instance.ledger_vkey
    )
    return shapes.ConsistencyProof(
        old=proof.old,
        old_root=proof.old_root.hex(),
        new=proof.new,
        new_root=proof.new_root.hex(),
        hashes=[step.hex() for step in proof.path],
    )


@routes.post("/ledger/audit")
def audit_ledger(house: In, who: By) -> shapes.Audited:
    """Compare the database with the public files, entry by entry. A difference is an error."""
    del who
    return shapes.Audited(entries=house.registrar.audit_ledger())


def _prove(house: House, index: int) -> proofs.InclusionProof:
    size = _published(house).size
    if index >= size:
        raise NotOnRecord("There is no such entry.", why=f"The ledger has {size} entries.")
    return proofs.prove(house.service.ledger_directory, index, vkey=house.instance.ledger_vkey)


def _published(house: House) -> Checkpoint:
    house.service.publish_ledger()
    state = house.instance.publisher.last()
    if state is None:
        raise StorageError("The ledger is not published yet.")
    return state
