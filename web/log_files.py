"""``/log/``: checkpoint, key, tiles and bundles, as bytes from memory (formats.md section 4)."""

import asyncio
from typing import Final

from ledger.errors import FormatError, NotFound
from ledger.tlog.tiles import Tile, parse_tile_path
from web.answer import FOREVER, Answer, answer
from web.cache import ByteCache
from web.doors import House
from web.newest import Newest

PREFIX: Final = "/log/"
CHECKPOINT: Final = f"{PREFIX}checkpoint"
CACHE_BYTES: Final = 32 * 2**20
CHECKPOINT_CACHE: Final = "public, max-age=2"
KEYS_CACHE: Final = "public, max-age=3600"
TEXT: Final = "text/plain; charset=utf-8"
BYTES: Final = "application/octet-stream"


class LogFiles:
    """Answers what lies under ``/log/``."""

    def __init__(self, house: House, newest: Newest) -> None:
        self._house = house
        self._newest = newest
        self._cache: ByteCache[str] = ByteCache(CACHE_BYTES)
        self._checkpoint: Answer | None = None
        self._vkeys = {
            name: answer(200, vkey.encode() + b"\n", TEXT, cache_control=KEYS_CACHE)
            for name, vkey in (
                ("vkey", house.vkey),
                ("vkey-mldsa44", house.mldsa_vkey),
            )
            if vkey is not None
        }

    def ready(self, path: str) -> Answer | None:
        """What is in memory already, from any thread: nothing here has a coding.

        Full and partial tiles never change; the checkpoint is there while nothing is committed.
        """
        if path == CHECKPOINT:
            shown = self._newest.at_once()
            return None if shown is None else self._noted(shown.note)
        if not path.startswith(PREFIX):
            return None
        found = self._cache.get(path)
        return found if isinstance(found, Answer) else None

    async def read(self, path: str) -> Answer:
        """The file at ``path``. Raises NotFound."""
        name = path.removeprefix(PREFIX)
        if name == "checkpoint":
            return self._noted((await self._newest.get()).note)
        if name in self._vkeys:
            return self._vkeys[name]
        newest = await self._newest.get()
        size = newest.checkpoint.size
        if name == "keys" and (said := self._house.handovers(size)) is not None:
            return answer(200, said.encode() + b"\n", TEXT, cache_control=KEYS_CACHE)
        tile = _tile(name)
        data = await asyncio.to_thread(self._house.reader.file, tile, size=size)
        found = answer(200, data, BYTES, cache_control=FOREVER)
        self._cache.put(path, found, size=found.size)
        return found

    def _noted(self, note: bytes) -> Answer:
        kept = self._checkpoint
        if kept is None or kept.body != note:
            kept = self._checkpoint = answer(200, note, TEXT, cache_control=CHECKPOINT_CACHE)
        return kept


def _tile(name: str) -> Tile:
    try:
        return parse_tile_path(name)
    except FormatError as error:
        raise NotFound(f"the log has no such file: {error}") from None
