"""Inclusion proofs from stored nodes, and where some of these or all are missing."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import kit
import pytest
from sqlalchemy import text

from ledger.assembly import Ledger
from ledger.errors import Damaged, ProofError
from ledger.reader import Reader
from ledger.storage.nodes import fill_nodes
from ledger.storage.replica import Replica
from ledger.storage.shapes import Head
from ledger.storage.snapshot import Snapshot
from ledger.storage.store import Store
from ledger.storage.tables import NODES
from ledger.tlog.merkle import verify_inclusion
from ledger.tlog.tiles import bundles_for_size, tiles_for_size
from schemas.answers import InclusionProof

SIZES = (530, 512, 257, 256, 17, 16, 1)
MISSING = ("level = 4 AND n % 2 = 1", "level = 8", "level > 0")


def test_a_proof_is_the_same_whichever_nodes_are_stored(database_url: str, tmp_path: Path) -> None:
    settings = kit.make_ledger(database_url, tmp_path)
    ledger = Ledger(settings, clock=kit.Clock())
    kit.filled(ledger, size=SIZES[0])
    ledger.close()
    store = Store(settings.database_url)
    whole, nodes = _proofs(store), kit.rows_of(store, NODES)
    for missing in MISSING:
        with store.rebuilding() as connection:
            assert connection.execute(text(f"DELETE FROM nodes WHERE {missing}")).rowcount
        assert _proofs(store) == whole
    with store.rebuilding() as connection:
        fill_nodes(connection)
    assert kit.rows_of(store, NODES) == nodes
    store.close()


def test_a_proof_whose_node_was_changed_is_refused_by_whoever_verifies_it(
    database_url: str, tmp_path: Path
) -> None:
    settings = kit.make_ledger(database_url, tmp_path)
    ledger = Ledger(settings, clock=kit.Clock())
    kit.filled(ledger, size=40)
    ledger.close()
    store = Store(settings.database_url)
    with store.rebuilding() as connection:
        other = connection.execute(text("SELECT hash FROM nodes WHERE level = 4 AND n = 0"))
        changed = text("UPDATE nodes SET hash = :h WHERE level = 4 AND n = 1")
        connection.execute(changed, {"h": other.scalar_one()})
    with pytest.raises(ProofError, match="leads to the root"):
        _proved(store, 40)
    store.close()


def test_a_node_that_is_no_hash_is_no_fault_of_whoever_asks(
    database_url: str, tmp_path: Path
) -> None:
    settings = kit.make_ledger(database_url, tmp_path)
    ledger = Ledger(settings, clock=kit.Clock())
    kit.filled(ledger, size=40)
    ledger.close()
    store = Store(settings.database_url)
    with store.rebuilding() as connection:
        changed = text("UPDATE nodes SET hash = :h WHERE level = 4 AND n = 1")
        connection.execute(changed, {"h": bytes(31)})
    with pytest.raises(Damaged, match=r"nodes 0 to 1 of level 4 .* `ledger fsck`"):
        _proved(store, 40)
    store.close()


class _Rotten:
    """A replica in which a bit of everything has flipped."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @contextmanager
    def snapshot(self, _size: int) -> Iterator[Any]:
        with self._store.snapshot() as reads:
            yield _Flipped(reads)


class _Flipped:
    def __init__(self, reads: Snapshot) -> None:
        self._reads = reads

    def __getattr__(self, name: str) -> Any:
        return lambda *given: _flipped(getattr(self._reads, name)(*given))


def _flipped(found: Any) -> Any:
    if isinstance(found, list):
        return [_flipped(each) for each in found]
    if isinstance(found, Head):
        return replace(found, edge=_flipped(found.edge))
    return found and bytes([found[0] ^ 1]) + found[1:]


def test_a_file_that_is_damaged_in_a_replica_is_read_from_the_primary(
    database_url: str, tmp_path: Path
) -> None:
    settings = kit.make_ledger(database_url, tmp_path)
    ledger = Ledger(settings, clock=kit.Clock())
    kit.filled(ledger, size=300)
    ledger.close()
    store = Store(settings.database_url)
    sound, rotten = Reader(store), Reader(store, replica=cast("Replica", _Rotten(store)))
    for tile in (*tiles_for_size(300), *bundles_for_size(300)):
        assert rotten.file(tile, size=300) == sound.file(tile, size=300)
    assert "tile/entries/000" in store.damage.places
    store.close()


def _proofs(store: Store) -> list[list[InclusionProof]]:
    return [_proved(store, size) for size in SIZES]


def _proved(store: Store, size: int) -> list[InclusionProof]:
    """Every proof at a size, from a reader that remembers nothing; all of them verified."""
    with Reader(store).at(size) as view:
        found = [view.inclusion(index) for index in range(size)]
    for proof in found:
        verify_inclusion(
            [bytes.fromhex(each) for each in proof.hashes],
            index=proof.index,
            size=size,
            leaf=bytes.fromhex(proof.leaf_hash),
            root=bytes.fromhex(proof.root),
        )
    return found
