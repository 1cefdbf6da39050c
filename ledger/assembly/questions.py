"""The signals of a ledger: computed into each set of bulk files, and found again by tree size.

``signals.json`` is a file of a set like the others: its digest stands in ``SHA256SUMS``, and the
digest of that list is an entry of the log. So what is shown at a tree size is the file of the
newest set whose manifest lies below that size: the same for ever, and no request ever computes it.
"""

import threading
from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Final

from ledger.errors import LogUnavailable
from ledger.exports import sets
from ledger.exports.export import Extra
from ledger.exports.partial import SUMS, digest_of
from ledger.records.entry import MANIFEST_KIND, parse_entry
from ledger.signals import compute, encode
from ledger.signals.sources import entries_of_store
from ledger.storage.snapshot import Snapshot
from ledger.storage.store import Store

SIGNALS: Final = "signals.json"
MOST_BYTES: Final = 16 * 2**20
"""More than 500 rows with 12 jobs each can take."""


def signals_bytes(snapshot: Snapshot, size: int, told: Callable[[int], None]) -> bytes:
    """``signals.json`` of the tree of ``size`` entries."""
    return encode(compute(entries_of_store(snapshot, size), progress=told))


EXTRAS: Final[Mapping[str, Extra]] = MappingProxyType({SIGNALS: signals_bytes})
"""What the sets of a ledger hold beside the entries, their tables and their proofs."""


@dataclass(frozen=True, slots=True)
class SignalsFound:
    """The signals that count at a tree size: where their file is, and its bytes."""

    path: str
    sha256: str
    manifest_index: int
    data: bytes


@dataclass(frozen=True, slots=True)
class _Listed:
    """A logged set of bulk files."""

    index: int
    name: str
    size: int
    digest: bytes


class Questions:
    """Finds the signals that count at a tree size. One for all threads.

    It remembers which manifests the log holds, and the file that was read last.
    """

    def __init__(self, store: Store, folder: Path) -> None:
        self._store = store
        self._folder = folder
        self._lock = threading.Lock()
        self._listed: list[_Listed] = []
        self._read_to = 0
        self._last: tuple[str, SignalsFound | None] | None = None

    def at(self, size: int) -> SignalsFound | None:
        """The signals of the newest set that is logged below ``size``; None where none has them.

        Raises LogUnavailable where that set is not on this machine's disk as it was logged: what
        an older set says would be another answer to the same question.
        """
        with self._lock:
            self._read(size)
            place = bisect_left(self._listed, size, key=lambda each: each.index)
            if not place:
                return None
            newest = self._listed[place - 1]
            if self._last is None or self._last[0] != newest.name:
                self._last = (newest.name, self._find(newest))
            return self._last[1]

    def _read(self, size: int) -> None:
        """Take in the manifests of the entries up to ``size``."""
        if size <= self._read_to:
            return
        with self._store.snapshot() as reads:
            stored = reads.entries_about_no_job(MANIFEST_KIND, start=self._read_to, stop=size)
        for each in stored:
            manifest = parse_entry(each.data).manifest
            assert manifest is not None
            name = manifest.name.removeprefix("bulk/").removesuffix(f"/{SUMS}")
            largest = self._listed[-1].size if self._listed else 0
            # What was logged later of an older tree, or a second time, changes nothing.
            if sets.size_of(name) == manifest.tree_size > largest:
                listed = _Listed(each.index, name, manifest.tree_size, manifest.digest)
                self._listed.append(listed)
        self._read_to = size

    def _find(self, listed: _Listed) -> SignalsFound | None:
        folder = self._folder / listed.name
        try:
            if digest_of(folder / SUMS) != listed.digest.hex():
                raise LogUnavailable(f"the files of {listed.name} are not those that were logged")
            wanted = sets.sums_of(folder).get(SIGNALS)
            if wanted is None:
                # Made by a version that asked nothing.
                return None
            with (folder / SIGNALS).open("rb") as file:
                data = file.read(MOST_BYTES + 1)
        except OSError:
            raise LogUnavailable(f"the files of {listed.name} are not on this server") from None
        if sha256(data).hexdigest() != wanted:
            raise LogUnavailable(f"{SIGNALS} of {listed.name} is not the one that was logged")
        return SignalsFound(f"/bulk/{listed.name}/{SIGNALS}", wanted, listed.index, data)
