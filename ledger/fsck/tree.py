"""The tree, grown again leaf by leaf: tiles, roots, nodes, every published root, and the edge.

Where a leaf's bytes and its stored hash disagree, the tree goes on with the hash that the tile
attests, so that one damaged entry is one finding and not one for every checkpoint after it.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Final

from ledger.errors import FormatError, SignatureError
from ledger.fsck.findings import Findings
from ledger.storage.inspection import Inspection
from ledger.storage.nodes import nodes_of_tile
from ledger.storage.shapes import Head, StoredCheckpoint
from ledger.tlog.checkpoint import Checkpoint, open_checkpoint
from ledger.tlog.merkle import HASH_BYTES, CompactRange, leaf_hash
from ledger.tlog.note import VerifierKey
from ledger.tlog.tiles import TILE_BYTES, TILE_WIDTH, Tile, tile_path

MIRROR: Final = "restore it from a backup or a mirror of the log"
REBUILD: Final = "run `ledger rebuild`: it follows from the tiles"
CHECKPOINTS_AT_ONCE: Final = 1_024


class TreeCheck:
    """Takes every leaf in order, then ``finish``. ``remembered`` is what the signer signed last."""

    def __init__(
        self,
        reads: Inspection,
        findings: Findings,
        *,
        head: Head,
        keys: Iterable[VerifierKey],
        remembered: Checkpoint | None,
        every_signature: bool,
    ) -> None:
        self._reads = reads
        self._findings = findings
        self._head = head
        self._keys = list(keys)
        self._remembered = remembered
        self._every_signature = every_signature
        self._range = CompactRange()
        self._pending: list[list[bytes]] = [[]]
        self._counts: list[int] = [0]
        self._tile: bytes | None = None
        self._checkpoints = self._published()
        self._next = next(self._checkpoints, None)
        self.newest: StoredCheckpoint | None = None

    def leaf(self, index: int, data: bytes | None, stored: bytes | None, logged_at: int) -> None:
        """Take the entry at ``index``: its bytes and stored hash, None where the row is missing."""
        attested = self._attested(index)
        computed = None if data is None else leaf_hash(data)
        if computed is None:
            found = attested
            if found is None:
                self._findings.add("entry missing", "its row is gone", MIRROR, index=index)
                found = bytes(HASH_BYTES)
            else:
                remedy = f"{MIRROR}; its leaf hash is {found.hex()}"
                self._findings.add("entry missing", "its row is gone", remedy, index=index)
        elif computed == stored:
            found = computed
        else:
            found = self._disagreement(index, computed, stored, attested)
        self._range.append(found)
        self._fill(0, found)
        self._meet_checkpoints(logged_at)

    def finish(self) -> None:
        """Hold head, edge, surplus tiles, checkpoints and the signer's memory against the tree."""
        head, root = self._head, self._range.root()
        if head.root != root:
            self._findings.add(
                "head root", f"it is {head.root.hex()}, the entries give {root.hex()}", MIRROR
            )
        if head.edge != self._range.edge():
            self._findings.add(
                "tree edge", f"the stored edge is not that of {head.size} entries", MIRROR
            )
        for level in sorted({*self._reads.tile_levels(), *range(len(self._counts))}):
            count = self._counts[level] if 0 <= level < len(self._counts) else 0
            if surplus := self._reads.tiles_beyond(level, count):
                self._findings.add(
                    "tile surplus",
                    f"{surplus} tiles of level {level} beyond the {count} that the log fills",
                    "find out what wrote them before anything is appended",
                )
        for level, pending in enumerate(self._pending):
            if pending:
                tile = Tile(level, self._counts[level], len(pending))
                self._check_nodes(list(nodes_of_tile(tile, b"".join(pending))))
        if surplus := self._reads.nodes_beyond(head.size):
            self._findings.add(
                "node surplus", f"{surplus} nodes that no tree of {head.size} entries has", REBUILD
            )
        while self._next is not None:
            self._findings.add(
                "checkpoint ahead",
                f"one of size {self._next.size} is published, and the log has {head.size} entries",
                MIRROR,
            )
            self._next = next(self._checkpoints, None)
        if self._remembered is not None and self._remembered.size > head.size:
            self._findings.add(
                "signer ahead",
                f"the signer has signed size {self._remembered.size}, the log has {head.size}",
                "this database is older than the signer: restore the newer one, or refill it",
            )

    def check_newest_signature(self) -> None:
        """Verify the newest note alone, where the others were left out."""
        if not self._every_signature and self.newest is not None:
            self._open(self.newest)

    def _attested(self, index: int) -> bytes | None:
        """The hash that the stored tile has for a leaf; None where there is no such tile."""
        n, place = divmod(index, TILE_WIDTH)
        if place == 0:
            full = (n + 1) * TILE_WIDTH <= self._head.size
            stored = self._reads.tile(0, n) if full else None
            self._tile = stored[0] if stored and len(stored[0]) == TILE_BYTES else None
        if self._tile is None:
            return None
        return self._tile[place * HASH_BYTES : (place + 1) * HASH_BYTES]

    def _disagreement(
        self, index: int, computed: bytes, stored: bytes | None, attested: bytes | None
    ) -> bytes:
        said = "nothing" if stored is None else stored.hex()
        if attested is not None and attested == computed:
            self._findings.add(
                "leaf hash",
                f"the stored hash is {said}, its bytes and its tile say {computed.hex()}",
                "the bytes are sound: restore the row's leaf_hash",
                index=index,
            )
            return computed
        self._findings.add(
            "entry bytes",
            f"its bytes hash to {computed.hex()}, the log has {said}",
            MIRROR,
            index=index,
        )
        if attested is not None:
            return attested
        return stored if stored is not None and len(stored) == HASH_BYTES else computed

    def _fill(self, level: int, found: bytes) -> None:
        """Put a hash into its tile; hold the tile against the stored one when it is full."""
        pending = self._pending[level]
        pending.append(found)
        if len(pending) < TILE_WIDTH:
            return
        hashes = b"".join(pending)
        pending.clear()
        tile = Tile(level, self._counts[level])
        self._counts[level] += 1
        nodes = list(nodes_of_tile(tile, hashes))
        self._check_nodes(nodes)
        *_, root = nodes[-1]
        self._check_tile(tile, hashes, root)
        if level + 1 == len(self._pending):
            self._pending.append([])
            self._counts.append(0)
        self._fill(level + 1, root)

    def _check_tile(self, tile: Tile, hashes: bytes, root: bytes) -> None:
        name, first = tile_path(tile), tile.n * TILE_WIDTH
        stored = self._reads.tile(tile.level, tile.n)
        remedy = "compute it again from the entries, which are sound, or restore it from a mirror"
        if stored is None:
            self._findings.add("tile missing", f"{name} is gone", remedy)
            return
        if stored[0] != hashes:
            places = range(0, TILE_BYTES, HASH_BYTES)
            odd = [at for at in places if stored[0][at : at + 32] != hashes[at : at + 32]]
            where = f"hash {first + odd[0] // HASH_BYTES}" if odd else "its length"
            self._findings.add("tile bytes", f"{name} differs from the entries at {where}", remedy)
        if stored[1] != root:
            self._findings.add(
                "tile root", f"{name} has the root {stored[1].hex()}, not {root.hex()}", remedy
            )

    def _check_nodes(self, computed: Sequence[tuple[int, int, bytes]]) -> None:
        """Hold the stored nodes against those of one tile. One that is missing costs time alone."""
        for level, some in groupby(computed, key=itemgetter(0)):
            expected = {n: node for _, n, node in some}
            stored = self._reads.nodes(level, min(expected), max(expected) + 1)
            for n, found in stored.items():
                if found != expected[n]:
                    self._findings.add(
                        "node",
                        f"node {n} of level {level} is {found.hex()}, not {expected[n].hex()}",
                        REBUILD,
                    )

    def _published(self) -> Iterator[StoredCheckpoint]:
        above = -1
        while some := self._reads.checkpoints(above, CHECKPOINTS_AT_ONCE):
            yield from some
            above = some[-1].size

    def _meet_checkpoints(self, logged_at: int) -> None:
        size = self._range.size
        if self._remembered is not None and self._remembered.size == size:
            self._check_remembered(self._remembered)
        while self._next is not None and self._next.size <= size:
            checkpoint = self._next
            if checkpoint.size == size:
                self._check_checkpoint(checkpoint, logged_at)
                self.newest = checkpoint
            else:
                self._findings.add(
                    "checkpoint size", f"{checkpoint.size} is no size of a log", MIRROR
                )
            self._next = next(self._checkpoints, None)

    def _check_checkpoint(self, checkpoint: StoredCheckpoint, logged_at: int) -> None:
        root = self._range.root()
        at = f"the checkpoint of size {checkpoint.size}"
        if checkpoint.root != root:
            self._findings.add(
                "checkpoint root",
                f"{at} has the root {checkpoint.root.hex()}, the entries give {root.hex()}",
                MIRROR,
            )
        if checkpoint.logged_at != logged_at:
            self._findings.add(
                "checkpoint time",
                f"{at} says {checkpoint.logged_at} s, its last entry {logged_at} s",
                "the note is what counts: restore the row",
            )
        if self._every_signature:
            self._open(checkpoint)

    def _open(self, checkpoint: StoredCheckpoint) -> None:
        at = f"the checkpoint of size {checkpoint.size}"
        try:
            said = open_checkpoint(checkpoint.note, self._keys)
        except (FormatError, SignatureError) as error:
            self._findings.add("checkpoint note", f"{at}: {error}", MIRROR)
            return
        if (said.size, said.root) != (checkpoint.size, checkpoint.root):
            self._findings.add(
                "checkpoint note",
                f"{at}: its note is of size {said.size} and root {said.root.hex()}",
                MIRROR,
            )

    def _check_remembered(self, remembered: Checkpoint) -> None:
        root = self._range.root()
        if remembered.root != root:
            self._findings.add(
                "signer memory",
                f"the signer has signed size {remembered.size} with the root"
                f" {remembered.root.hex()}, the entries give {root.hex()}",
                f"the stored log was changed: {MIRROR}",
            )
