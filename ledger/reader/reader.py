"""The reader: what one process keeps to answer from, and the views that it opens on the store."""

import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from types import TracebackType
from typing import Final

from ledger.errors import NotFound
from ledger.reader.columns import Columns, Rows
from ledger.reader.leaves import Leaves
from ledger.reader.loader import GoOn, Loader
from ledger.reader.log_files import FilesRead, LogFiles
from ledger.reader.memory import Memory
from ledger.reader.notes import Notes
from ledger.reader.objected import Objected
from ledger.reader.publication import Publication, Shown
from ledger.reader.seals import SealColumns
from ledger.reader.statistics import Jobs
from ledger.reader.verified import Verified, require_reach
from ledger.reader.view import View
from ledger.reader.words import Words
from ledger.records.entry import Genesis, parse_entry
from ledger.storage.replica import Replica
from ledger.storage.shapes import JobFilter, StoredCheckpoint
from ledger.storage.snapshot import Snapshot
from ledger.storage.store import Store
from ledger.tlog.standard import Standard
from ledger.tlog.tiles import Tile
from schemas.answers import Facets
from schemas.series import Series

COUNTS_KEPT: Final = 512
LISTS_KEPT: Final = 128
"""Lists of jobs of which it is kept what they can be narrowed to."""
SERIES_KEPT: Final = 32
"""Three sizes of every series. One by the week takes 300 kB a year with thirty members."""
ARRAYS_KEPT: Final = 2
"""Sizes of which the arrays behind all statistics are kept: 80 bytes a job."""


class Reader:
    """Opens views on a store. Thread-safe; one instance a process."""

    def __init__(
        self, store: Store, *, standard: Standard | None = None, replica: Replica | None = None
    ) -> None:
        self._store = store
        self._replica = replica
        witnesses = [each.key for each in standard.policy.witnesses] if standard else []
        self.notes = Notes(store.damage, witnesses)
        """What has verified the checkpoints that are shown."""
        self._publication = Publication(standard, self.notes)
        self._files = LogFiles(store, replica)
        self._verified = Verified(self._files, store.damage)
        self._newest: StoredCheckpoint | None = None
        self._shown: tuple[tuple[int, int], Shown] | None = None
        self._genesis: Genesis | None = None
        self._lock = threading.Lock()
        self._counts: Memory[tuple[object, ...], object] = Memory(COUNTS_KEPT)
        self._facets: Memory[tuple[int, JobFilter], Facets] = Memory(LISTS_KEPT)
        self._series: Memory[tuple[int, str, str], Series] = Memory(SERIES_KEPT)
        self._columns = Columns()
        self._words = Words()
        self._loader: Loader | None = None
        self._seals = SealColumns()
        self._leaves = Leaves()
        self._objected = Objected()
        self._arrays: Memory[int, Jobs] = Memory(ARRAYS_KEPT)

    def newest(self) -> StoredCheckpoint:
        """The newest published checkpoint; see ``Publication.shown``."""
        with self._store.snapshot() as snapshot:
            return self._newest_in(snapshot)

    def shown(self) -> Shown:
        """The newest tree that is shown, and the note for ``/log/checkpoint``."""
        version = self._store.changes.version()
        with self._store.snapshot() as snapshot:
            found = self._publication.published(snapshot)
        self._saw(found.checkpoint)
        if version is not None:
            self._shown = version, found
        return found

    def still_shown(self) -> Shown | None:
        """What ``shown`` would answer now, where nothing was committed since it was asked last.

        None where something was, and on PostgreSQL. Microseconds, and never a wait.
        """
        kept = self._shown
        if kept is None or kept[0] != self._store.changes.version():
            return None
        return kept[1]

    def tree_size(self) -> int:
        """The size of the newest published tree."""
        return self.newest().size

    def file(self, tile: Tile, *, size: int) -> bytes:
        """The bytes of a tile or bundle of the log of ``size`` entries; see ``Verified.file``."""
        newest = self._newest
        if newest is None or newest.size < size:
            newest = self.newest()
        # A tree that continues the one of ``size``: up to there their tiles are the same.
        require_reach(tile, size)
        return self._verified.file(tile, size=newest.size, root=newest.root)

    def genesis(self) -> Genesis:
        """What the log begins with."""
        if self._genesis is None:
            with self._store.snapshot() as snapshot:
                stored = snapshot.entry(0)
            if stored is None:
                raise NotFound("this ledger has no genesis entry yet")
            self._genesis = parse_entry(stored.data).genesis
            assert self._genesis is not None
        return self._genesis

    @property
    def replica(self) -> Replica | None:
        """Where views may be read from beside the primary."""
        return self._replica

    def at(self, size: int | None = None, *, current: bool = False) -> "Viewing":
        """The ledger at ``size`` entries, or at the newest published size, in a ``with`` block.

        A size that is known to be published may be read from a replica, unless the question has
        another answer tomorrow (``current``): what witnesses said is no part of the tree.

        Entering raises NotFound for a size of 0 or above the newest published one.
        """
        newest = self._newest
        known = size is not None and newest is not None and 1 <= size <= newest.size
        reads = self._files.reading(size if known and not current else None)
        return Viewing(self, reads, size, newest if known else None)

    def view_in(
        self, snapshot: Snapshot, *, size: int | None, newest: StoredCheckpoint | None
    ) -> View:
        """What ``at`` gives; ``newest`` is a published checkpoint of ``size`` entries or more."""
        if newest is None:
            newest = self._newest_in(snapshot)
        if size is None:
            size = newest.size
        if not 1 <= size <= newest.size:
            raise NotFound(f"the published log has {newest.size} entries; it has no size {size}")
        checkpoint = newest if size == newest.size else self._publication.at(snapshot, size)
        return View(self, snapshot, size=size, checkpoint=checkpoint, newest=newest)

    @contextmanager
    def loading(self) -> Iterator[None]:
        """Load what all counts are made from in the background, while the context is open.

        ``loaded`` says when that is done. Who asks earlier waits; who asks where it failed loads.
        """
        loader = Loader(self._load)
        self._loader = loader
        loader.start()
        try:
            yield
        finally:
            loader.stop()

    @property
    def loaded(self) -> Future[None] | None:
        """Done when the background has loaded or given up; None where nothing is loading."""
        return self._loader.done if self._loader else None

    def _load(self, go_on: GoOn) -> None:
        size = self.newest().size
        with self._files.reading(size) as snapshot:

            def read(start: int, stop: int) -> Iterator[Rows]:
                for rows in snapshot.job_versions(start, stop):
                    go_on()
                    yield rows

            self._columns.at(size, read)
            go_on()
            self._seals.at(size, snapshot)

    @property
    def publication(self) -> Publication:
        """Which checkpoint the public gets."""
        return self._publication

    @property
    def files(self) -> LogFiles:
        """The log as files."""
        return self._files

    @property
    def verified(self) -> Verified:
        """Proofs for who is outside."""
        return self._verified

    @property
    def columns(self) -> Columns:
        """Every version of every job, as columns."""
        return self._columns

    @property
    def words(self) -> Words:
        """The texts that hold the words last looked for."""
        return self._words

    @property
    def seals(self) -> SealColumns:
        """Every sealed part, as columns."""
        return self._seals

    @property
    def leaves(self) -> Leaves:
        """Where each leaf hash stands."""
        return self._leaves

    @property
    def objected(self) -> Objected:
        """Where refused starts and findings about runs stand."""
        return self._objected

    @property
    def arrays(self) -> Memory[int, Jobs]:
        """The arrays behind the statistics, by tree size."""
        return self._arrays

    @property
    def facets(self) -> Memory[tuple[int, JobFilter], Facets]:
        """What the lists of jobs last asked for can be narrowed to."""
        return self._facets

    @property
    def series(self) -> Memory[tuple[int, str, str], Series]:
        """The series last asked for, by tree size, name and period."""
        return self._series

    @property
    def counts(self) -> Memory[tuple[object, ...], object]:
        """Counts that were made once for a tree size, and so for ever."""
        return self._counts

    def _newest_in(self, snapshot: Snapshot) -> StoredCheckpoint:
        found = self._publication.shown(snapshot)
        self._saw(found)
        return found

    def _saw(self, found: StoredCheckpoint) -> None:
        with self._lock:
            if self._newest is None or found.size > self._newest.size:
                self._newest = found


class Viewing:
    """The time in which a view is open: a context manager, for one ``with`` block."""

    __slots__ = ("_newest", "_reader", "_reads", "_size")

    def __init__(
        self,
        reader: Reader,
        reads: FilesRead,
        size: int | None,
        newest: StoredCheckpoint | None,
    ) -> None:
        self._reader = reader
        self._reads = reads
        self._size = size
        self._newest = newest

    def __enter__(self) -> View:
        snapshot = self._reads.__enter__()
        try:
            return self._reader.view_in(snapshot, size=self._size, newest=self._newest)
        except BaseException:
            # May raise instead, where what failed is the database.
            self._reads.__exit__(*sys.exc_info())
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._reads.__exit__(kind, error, traceback)
