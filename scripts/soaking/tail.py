"""The judge of a long log of which only the end is new: what was there is compared, the rest made.

The long part was judged in full when it was made. After each fault every row of it is held against
the prepared file, and what comes after is computed again from the entries: leaf hashes, root, edge,
full tiles, checkpoints and the signer's memory. SQLite alone; it writes nothing.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from ledger import keys
from ledger.errors import LedgerError
from ledger.records.entry import parse_entry
from ledger.sequencer.memory import SignerMemory
from ledger.settings import Settings
from ledger.storage.tables import APPEND_ONLY
from ledger.tlog.checkpoint import open_checkpoint
from ledger.tlog.merkle import CompactRange, leaf_hash
from ledger.tlog.note import parse_vkey
from ledger.tlog.proof import parse_proof, verify_proof
from ledger.tlog.tiles import TILE_WIDTH, new_tiles, tile_root
from soaking.clients import Kept
from soaking.judging import Broken, Lost

_ENTRIES: Final = "SELECT leaf_index, leaf_hash, data FROM entries WHERE leaf_index >= ?"


class Tail:
    """Knows a prepared log; ``check`` judges a copy of it that went on."""

    def __init__(self, prepared: Settings, *, vkey: str) -> None:
        self._prepared = _file(prepared)
        self._key = parse_vkey(vkey)
        with closing(sqlite3.connect(self._prepared)) as base:
            [(self._size, edge)] = base.execute("SELECT size, edge FROM log_head").fetchall()
        self._edge: bytes = edge

    def check(self, settings: Settings, kept: Sequence[Kept]) -> bool:
        """Raise Broken unless all is sound and kept; whether the newest checkpoint is published."""
        with self._opened(settings) as log:
            self._compare(log)
            leaves, roots = self._grow(log)
            published = self._checkpoints(log, roots)
        self._signer(settings, roots)
        for each in kept:
            self._receipt(each, leaves)
        return published

    @contextmanager
    def _opened(self, settings: Settings) -> Iterator[sqlite3.Connection]:
        try:
            with closing(sqlite3.connect(_file(settings))) as log:
                log.execute("ATTACH ? AS base", (str(self._prepared),))
                yield log
        except sqlite3.Error as error:
            raise Broken(f"the database cannot be read: {error}") from None

    def _compare(self, log: sqlite3.Connection) -> None:
        """Every row that was there is there, and is what it was."""
        for table in APPEND_ONLY:
            key = [column.name for column in table.primary_key]
            same = " AND ".join(f"m.{name} = b.{name}" for name in key)
            odd = " OR ".join(f"m.{column.name} IS NOT b.{column.name}" for column in table.columns)
            [(count,)] = log.execute(
                f"SELECT count(*) FROM base.{table.name} b LEFT JOIN main.{table.name} m"  # noqa: S608 - names are ours
                f" ON {same} WHERE {odd}"
            )
            if count:
                raise Lost(f"{count} rows of {table.name} are gone, or others now")

    def _grow(self, log: sqlite3.Connection) -> tuple[dict[int, bytes], dict[int, bytes]]:
        """The entries after the prepared ones, by index, and the root of every size from there."""
        [(size, root, edge)] = log.execute("SELECT size, root, edge FROM log_head").fetchall()
        rows = log.execute(f"{_ENTRIES} ORDER BY leaf_index", (self._size,)).fetchall()
        if [row[0] for row in rows] != list(range(self._size, size)):
            raise Broken(f"the head says {size}, and the entries are not those up to it")
        tree = CompactRange.from_edge(self._size, self._edge)
        roots = {self._size: tree.root()}
        for index, stored, data in rows:
            if leaf_hash(data) != stored:
                raise Broken(f"entry {index} is not what its hash says")
            tree.append(stored)
            roots[index + 1] = tree.root()
        if (root, edge) != (tree.root(), tree.edge()):
            raise Broken(f"the head of size {size} is not that of its entries")
        self._tiles(log, size)
        return {row[0]: row[2] for row in rows}, roots

    def _tiles(self, log: sqlite3.Connection, size: int) -> None:
        wanted: dict[tuple[int, int], tuple[bytes, bytes]] = {}
        for tile in new_tiles(self._size, size):
            first = tile.n * TILE_WIDTH
            # The level below was compared with the prepared one, or checked just before.
            below = (
                "SELECT leaf_hash FROM entries WHERE leaf_index >= ? AND leaf_index < ?"
                " ORDER BY leaf_index"
                if tile.level == 0
                else f"SELECT root FROM tiles WHERE level = {tile.level - 1} AND n >= ? AND n < ?"  # noqa: S608 - a number
                " ORDER BY n"
            )
            rows = log.execute(below, (first, first + TILE_WIDTH))
            hashes = b"".join(row[0] for row in rows)
            wanted[tile.level, tile.n] = (hashes, tile_root(hashes))
        found = log.execute(
            "SELECT level, n, hashes, root FROM main.tiles t WHERE NOT EXISTS"
            " (SELECT 1 FROM base.tiles b WHERE b.level = t.level AND b.n = t.n)"
        )
        if {(level, n): (hashes, root) for level, n, hashes, root in found} != wanted:
            raise Broken(f"the tiles of {size} entries are not those of its leaves")

    def _checkpoints(self, log: sqlite3.Connection, roots: dict[int, bytes]) -> bool:
        newest = 0
        query = "SELECT size, root, note FROM checkpoints WHERE size >= ? ORDER BY size"
        for size, root, note in log.execute(query, (self._size,)):
            self._note(note, roots)
            if roots.get(size) != root:
                raise Broken(f"the checkpoint of size {size} is not of this tree")
            newest = size
        return newest == max(roots)

    def _note(self, note: bytes, roots: dict[int, bytes]) -> None:
        try:
            said = open_checkpoint(note, [self._key])
        except LedgerError as error:
            raise Broken(f"a note does not open: {error}") from None
        if roots.get(said.size) != said.root:
            raise Broken(f"size {said.size} is signed with a root that its entries do not have")

    def _signer(self, settings: Settings, roots: dict[int, bytes]) -> None:
        with SignerMemory(settings.key_dir / keys.SIGNER_MEMORY).locked() as memory:
            note = memory.recall()
        if note is None:
            raise Broken("the signer remembers nothing")
        self._note(note, roots)

    def _receipt(self, kept: Kept, entries: dict[int, bytes]) -> None:
        data = entries.get(kept.index)
        if data is None:
            raise Lost(f"entry {kept.index} was acknowledged and is not stored")
        entry = parse_entry(data)
        if (entry.kind, entry.job_id) != (kept.kind, kept.job_id):
            raise Lost(f"entry {kept.index} is not what was acknowledged there")
        try:
            proof = parse_proof(kept.receipt.encode())
            verify_proof(proof, leaf=leaf_hash(data), verifiers=[self._key])
        except LedgerError as error:
            raise Lost(f"the receipt of entry {kept.index}: {error}") from None


def _file(settings: Settings) -> Path:
    file = settings.sqlite_file
    assert file is not None
    return file
