"""What a mirror holds already: its checkpoint, and the tree behind it, read from its own files."""

from collections.abc import Sequence
from typing import Final

from ledger.client.handovers import MAX_BYTES, parse_handovers
from ledger.errors import FormatError, LedgerError, SignatureError
from ledger.mirrors.log_part import path_of
from ledger.mirrors.shapes import (
    CHECKPOINT,
    HANDOVERS,
    MAX_NOTE,
    VKEY,
    MirrorFailed,
    MirrorRefused,
    Target,
)
from ledger.records.succession import Succession, heirs
from ledger.tlog.checkpoint import Checkpoint, open_checkpoint
from ledger.tlog.growth import CompactRange
from ledger.tlog.hashing import HASH_BYTES
from ledger.tlog.merkle import tree_root
from ledger.tlog.note import VerifierKey, parse_vkey
from ledger.tlog.tiles import TILE_BYTES, Tile, TileNodes, tile_at

MAX_VKEY: Final = 4_096


def first_line(vkey: bytes) -> bytes:
    """The log's own key; keys of other algorithms may follow."""
    return vkey.partition(b"\n")[0]


def require_mirror(
    target: Target, vkey: bytes, handovers: bytes | None = None
) -> tuple[VerifierKey, ...]:
    """Check that ``target`` is empty or a mirror of the log with this key: else MirrorRefused.

    One of the two keys may have followed the other, by ``handovers`` or by what the mirror kept of
    them. The keys from the older to the newer one are returned: with them the mirror's own
    checkpoint may be opened, and the last one is to be believed from now on.
    """
    key = parse_vkey(first_line(vkey).decode("ascii"))
    known = target.read(VKEY, limit=MAX_VKEY)
    if known is None and next(iter(target.sizes()), None) is not None:
        raise MirrorRefused(
            f"{target.name} holds files and no mirror: give a folder or prefix of its own"
        )
    if known is None or first_line(known) == first_line(vkey):
        return (key,)
    try:
        kept = parse_vkey(first_line(known).decode("ascii", "replace"))
        named = [each for _, each in (*handovers_of(target), *_listed(handovers))]
        for older, newer in ((kept, key), (key, kept)):
            chain = tuple(heirs(older, named))
            if newer in chain:
                return chain[: chain.index(newer) + 1]
    except (FormatError, SignatureError):
        pass
    raise MirrorRefused(f"{target.name} is a mirror of another log: its {VKEY} is another key")


def handovers_of(target: Target) -> list[tuple[int, Succession]]:
    """What the mirror itself has kept of how the log's keys followed one another."""
    return _listed(target.read(HANDOVERS, limit=MAX_BYTES))


def _listed(handovers: bytes | None) -> list[tuple[int, Succession]]:
    return parse_handovers(handovers) if handovers is not None else []


class Held:
    """The tree that a mirror is a copy of until now; its files are held against its checkpoint.

    Raises MirrorFailed where a file is missing or does not lead to the root that was signed.
    """

    def __init__(
        self, target: Target, key: VerifierKey, note: bytes, checkpoint: Checkpoint
    ) -> None:
        self._target = target
        self.key = key
        self.note = note
        self.checkpoint = checkpoint
        self.nodes = TileNodes(self._tile, size=checkpoint.size)
        """The complete nodes of this tree."""
        if self.root_at(checkpoint.size) != checkpoint.root:
            raise MirrorFailed(
                f"{target.name}: its tiles do not have the root of its own checkpoint: keep it if"
                " you need to know why, and make the mirror anew in another folder"
            )

    @classmethod
    def of(cls, target: Target, keys: Sequence[VerifierKey]) -> "Held | None":
        """What ``target`` holds; None where it has no checkpoint yet. The log's key is the last."""
        note = target.read(CHECKPOINT, limit=MAX_NOTE)
        if note is None:
            return None
        try:
            checkpoint = open_checkpoint(note, keys)
        except LedgerError as error:
            raise MirrorRefused(
                f"{target.name}/{CHECKPOINT} was not signed by this log: {error}"
            ) from None
        return cls(target, keys[-1], note, checkpoint)

    @property
    def signed(self) -> tuple[Checkpoint, bytes]:
        """The checkpoint and its note."""
        return self.checkpoint, self.note

    def root_at(self, size: int) -> bytes:
        """The root that the tree had at ``size`` entries."""
        return tree_root(size=size, node=TileNodes(self._tile, size=size))

    def edge(self, size: int) -> CompactRange:
        """The right edge of the tree of the first ``size`` entries."""
        hashes, done = [], 0
        for level in range(size.bit_length() - 1, -1, -1):
            if size >> level & 1:
                hashes.append(self.nodes(level, done >> level))
                done += 1 << level
        return CompactRange(size, hashes)

    def _tile(self, tile: Tile) -> bytes:
        """A tile of this tree or of an earlier one, which is the beginning of it."""
        widest = tile_at(tile.level, tile.n, size=self.checkpoint.size)
        data = self._target.read(path_of(widest), limit=TILE_BYTES)
        if data is None or len(data) != widest.width * HASH_BYTES:
            raise MirrorFailed(
                f"{self._target.name}/{path_of(widest)} is missing or has a wrong length: make"
                " the mirror anew in another folder"
            )
        return data[: tile.width * HASH_BYTES]
