"""tlog-tiles: where hashes and entries lie, what their files are called, and reading through them.

A tree is served as static files: tiles of 256 hashes and bundles of 256 entries. This module
knows coordinates, names and bytes. It fetches nothing: ``TileNodes`` is given a reader.
"""

import re
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from threading import Lock

from ledger.errors import FormatError, ProofError, TooLarge
from ledger.tlog.hashing import HASH_BYTES, MAX_TREE_SIZE, parents, parents_in_row
from ledger.tlog.spelling import excerpt

TILE_HEIGHT = 8
"""Levels of the tree in one tile."""
TILE_WIDTH = 256
"""Hashes in a full tile, entries in a full bundle."""
TILE_BYTES = TILE_WIDTH * HASH_BYTES
MAX_ENTRY_BYTES = 65_535
"""What the uint16 length in a bundle can say."""
ENTRIES = -1
"""The ``level`` of an entry bundle, which has a tile's coordinates and stands below level 0."""

_MAX_LEVEL = 63
_MAX_PATH_CHARS = 64
_PATH = re.compile(
    r"tile/(entries|[0-9]{1,2})/((?:x[0-9]{3}/){0,6}[0-9]{3})(?:\.p/([0-9]{1,3}))?", re.ASCII
)


@dataclass(frozen=True, slots=True, order=True)
class Tile:
    """The ``n``-th tile of a level, or the ``n``-th entry bundle where ``level`` is ENTRIES.

    ``width`` is the number of hashes or entries in it, 1 to 256; below 256 it is partial.
    Raises FormatError for coordinates that no tile has.
    """

    level: int
    n: int
    width: int = TILE_WIDTH

    def __post_init__(self) -> None:
        if not ENTRIES <= self.level <= _MAX_LEVEL:
            raise FormatError(f"no tile has level {self.level}")
        if not 0 <= self.n <= MAX_TREE_SIZE // TILE_WIDTH:
            raise FormatError(f"no tile has number {self.n}")
        if not 1 <= self.width <= TILE_WIDTH:
            raise FormatError(f"no tile has width {self.width}")

    @property
    def is_full(self) -> bool:
        """Whether it can never change: partial tiles are prefixes of the full one."""
        return self.width == TILE_WIDTH

    @property
    def is_entries(self) -> bool:
        """Whether it is an entry bundle."""
        return self.level == ENTRIES


def tile_path(tile: Tile) -> str:
    """Return the path below the log's prefix: ``tile/0/x001/067``, ``tile/entries/003.p/232``."""
    digits = str(tile.n)
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    # All groups of three but the last begin with "x": no name is both a file and a directory.
    parts = [f"x{digits[at : at + 3]}" for at in range(0, len(digits), 3)]
    number = "/".join([*parts[:-1], digits[-3:]])
    level = "entries" if tile.is_entries else str(tile.level)
    return f"tile/{level}/{number}" + ("" if tile.is_full else f".p/{tile.width}")


def parse_tile_path(text: str) -> Tile:
    """Read what ``tile_path`` writes. Raises FormatError for every other spelling."""
    if len(text) > _MAX_PATH_CHARS or not (match := _PATH.fullmatch(text)):
        raise FormatError(f"not the path of a tile: {excerpt(text)}")
    level, number, width = match.groups()
    tile = Tile(
        ENTRIES if level == "entries" else int(level),
        int(number.replace("x", "").replace("/", "")),
        TILE_WIDTH if width is None else int(width),
    )
    if tile_path(tile) != text:
        raise FormatError(f"the path {excerpt(text)} is spelt {tile_path(tile)}")
    return tile


def new_tiles(old_size: int, new_size: int) -> list[Tile]:
    """Full hash tiles, of all levels, that growing from ``old_size`` to ``new_size`` completes.

    Lowest level first. The bundle of each level-0 tile is completed with it.
    """
    tiles: list[Tile] = []
    level, shift = 0, TILE_HEIGHT
    while new_size >> shift:
        tiles += [Tile(level, n) for n in range(old_size >> shift, new_size >> shift)]
        level, shift = level + 1, shift + TILE_HEIGHT
    return tiles


def partial_tiles(size: int) -> list[Tile]:
    """Partial hash tiles of a tree of ``size`` leaves, at most one a level, lowest first."""
    tiles: list[Tile] = []
    level, rest = 0, size
    while rest:
        if width := rest % TILE_WIDTH:
            tiles.append(Tile(level, rest // TILE_WIDTH, width))
        level, rest = level + 1, rest // TILE_WIDTH
    return tiles


def tiles_for_size(size: int) -> Iterator[Tile]:
    """Every hash tile of a static tree of ``size`` leaves: level by level, left to right."""
    level, rest = 0, size
    while rest:
        for n in range(rest // TILE_WIDTH):
            yield Tile(level, n)
        if width := rest % TILE_WIDTH:
            yield Tile(level, rest // TILE_WIDTH, width)
        level, rest = level + 1, rest // TILE_WIDTH


def bundles_for_size(size: int) -> Iterator[Tile]:
    """Every entry bundle of a log of ``size`` entries, in order."""
    for n in range(size // TILE_WIDTH):
        yield Tile(ENTRIES, n)
    if width := size % TILE_WIDTH:
        yield Tile(ENTRIES, size // TILE_WIDTH, width)


def tile_at(level: int, n: int, *, size: int) -> Tile:
    """Return the tile ``n`` of ``level`` in a tree of ``size`` leaves, as wide as it is there.

    ``level`` may be ENTRIES. Raises FormatError if that tree has no such tile.
    """
    held = (size >> (TILE_HEIGHT * max(level, 0))) - n * TILE_WIDTH
    if level < ENTRIES or n < 0 or held <= 0:
        raise FormatError(f"a tree of {size} leaves has no tile {n} of level {level}")
    return Tile(level, n, min(held, TILE_WIDTH))


def split_hashes(data: bytes) -> list[bytes]:
    """Hashes in a tile of 1 to 256; raises FormatError if ``data`` is not whole hashes."""
    if not 0 < len(data) <= TILE_BYTES or len(data) % HASH_BYTES:
        raise FormatError(
            f"a tile is 1 to {TILE_WIDTH} hashes of {HASH_BYTES} bytes, not {len(data)} bytes"
        )
    return [data[at : at + HASH_BYTES] for at in range(0, len(data), HASH_BYTES)]


def tile_root(hashes: bytes) -> bytes:
    """Merkle Tree Hash of a full tile's 8,192 bytes: its hash in the tile above."""
    if len(hashes) != TILE_BYTES:
        raise FormatError(f"only a full tile has a root: {TILE_BYTES} bytes, not {len(hashes)}")
    return expand_tile(hashes)[TILE_HEIGHT][0]


def expand_tile(hashes: bytes) -> list[list[bytes]]:
    """Return the complete nodes of a tile's nine levels, its own hashes first."""
    levels = [split_hashes(hashes)]
    for _ in range(TILE_HEIGHT):
        levels.append(parents(levels[-1]))
    return levels


def encode_bundle(entries: Sequence[bytes]) -> bytes:
    """Entry bundle of 1 to 256 entries: each a uint16 length, big-endian, and its bytes.

    Raises TooLarge for an entry above 65,535 bytes, FormatError for another number of entries.
    """
    if not 1 <= len(entries) <= TILE_WIDTH:
        raise FormatError(f"a bundle has 1 to {TILE_WIDTH} entries, not {len(entries)}")
    parts: list[bytes] = []
    for entry in entries:
        if len(entry) > MAX_ENTRY_BYTES:
            raise TooLarge(
                f"an entry of {len(entry)} bytes; a bundle holds at most {MAX_ENTRY_BYTES}",
                limit=MAX_ENTRY_BYTES,
                size=len(entry),
            )
        parts.append(len(entry).to_bytes(2, "big"))
        parts.append(entry)
    return b"".join(parts)


def decode_bundle(data: bytes) -> list[bytes]:
    """Entries of a bundle. Raises FormatError if it is empty, truncated or too long."""
    entries: list[bytes] = []
    at = 0
    while at < len(data):
        if len(entries) == TILE_WIDTH:
            raise FormatError(f"a bundle with bytes after its {TILE_WIDTH} entries")
        start = at + 2
        end = start + int.from_bytes(data[at:start], "big")
        if start > len(data) or end > len(data):
            raise FormatError(
                f"entry {len(entries)} of the bundle ends at {end} of {len(data)} bytes"
            )
        entries.append(data[start:end])
        at = end
    if not entries:
        raise FormatError("a bundle without entries")
    return entries


class TileCache:
    """The most recently used tiles with their inner nodes, at most ``capacity`` of them.

    One expanded tile takes 16 kB and 255 hashes to make. Tiles never change, so one cache
    serves every tree size of one log. It may be shared between threads.
    """

    def __init__(self, read_tile: Callable[[Tile], bytes], *, capacity: int = 256) -> None:
        self._read_tile = read_tile
        self._capacity = capacity
        self._tiles: OrderedDict[tuple[int, int, int], list[bytes]] = OrderedDict()
        self._lock = Lock()

    def levels(self, level: int, n: int, width: int) -> list[bytes]:
        """Return the nodes of the tile with these coordinates: each level's hashes, in a row.

        Raises FormatError if there is none, or if what was read is not whole.
        """
        key = level, n, width
        with self._lock:
            if (levels := self._tiles.get(key)) is not None:
                self._tiles.move_to_end(key)
                return levels
        tile = Tile(level, n, width)
        data = self._read_tile(tile)
        if len(data) != tile.width * HASH_BYTES:
            raise FormatError(
                f"{tile_path(tile)} has {len(data)} bytes, not {tile.width * HASH_BYTES}"
            )
        levels = [data]
        for _ in range(TILE_HEIGHT):
            levels.append(parents_in_row(levels[-1]))
        with self._lock:
            self._tiles[key] = levels
            while len(self._tiles) > self._capacity:
                self._tiles.popitem(last=False)
        return levels


class TileNodes:
    """Reads the nodes of a tree of ``size`` leaves from its tiles: a NodeReader.

    The node at tree level k lies in a tile of level k // 8. Only tiles that a tree of ``size``
    leaves has are asked for, each as wide as it is there. What ``tiles`` gives is not checked
    against a root: prove, then verify.
    """

    def __init__(self, tiles: TileCache | Callable[[Tile], bytes], *, size: int) -> None:
        self._cache = tiles if isinstance(tiles, TileCache) else TileCache(tiles)
        self.size = size

    def __call__(self, level: int, index: int) -> bytes:
        """Root of the complete subtree over leaves [index << level, (index + 1) << level).

        Raises ProofError if the tree does not have all of them.
        """
        if level < 0 or not 0 <= index < self.size >> level:
            raise ProofError(
                f"a tree of {self.size} leaves has no complete node {index} at {level}"
            )
        tile_level, inner = divmod(level, TILE_HEIGHT)
        n, within = divmod(index, TILE_WIDTH >> inner)
        return _node(self._levels(tile_level, n)[inner], within)

    def _levels(self, level: int, n: int) -> list[bytes]:
        held = (self.size >> TILE_HEIGHT * level) - n * TILE_WIDTH
        return self._cache.levels(level, n, min(held, TILE_WIDTH))


def _node(nodes: bytes, place: int) -> bytes:
    return nodes[place * HASH_BYTES : (place + 1) * HASH_BYTES]
