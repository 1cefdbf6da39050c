"""How much is measured: enough for a steady figure, or with ``--quick`` for a look in a minute."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scale:
    """Amounts of one round; ``rounds`` of them alternate and their median counts."""

    rounds: int
    single: int
    """Statements of one client."""
    clients: int
    """Statements of all clients together."""
    batched: int
    """Statements in batches of 1,000."""
    posted: int
    """Statements posted over HTTP, one a request."""
    posted_batches: int
    """Batches posted over HTTP."""
    proofs: int
    files: int
    """Tiles, bundles and proofs that are read for the first time."""
    load_s: float
    """How long each cached address is asked for."""
    synced: int
    """Batches of which the syncs are counted."""


def chosen(*, quick: bool, rounds: int | None) -> Scale:
    """The amounts of a run."""
    if quick:
        return Scale(
            rounds=rounds or 3,
            single=100,
            clients=800,
            batched=1_000,
            posted=800,
            posted_batches=2,
            proofs=40,
            files=30,
            load_s=0.1,
            synced=5,
        )
    return Scale(
        rounds=rounds or 5,
        single=500,
        clients=5_000,
        batched=5_000,
        posted=5_000,
        posted_batches=8,
        proofs=200,
        files=100,
        load_s=1.0,
        synced=40,
    )
