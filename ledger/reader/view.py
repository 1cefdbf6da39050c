"""The reader, and the view that it gives of the ledger at one tree size.

A view is true for ever: it shows the entries below its size and nothing else, so the same question
at the same size has the same answer however far the log has grown since.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final, TypeVar, cast

from ledger.errors import NotFound
from ledger.reader import embargo, jobs, proofs, shapes
from ledger.reader.log_files import LogFiles
from ledger.reader.memory import Memory
from ledger.records.deadline import format_time
from ledger.records.entry import Genesis, parse_entry
from ledger.storage.shapes import JobFilter, StoredCheckpoint
from ledger.storage.snapshot import Snapshot
from ledger.storage.store import Store
from ledger.tlog.merkle import tree_root
from ledger.tlog.tiles import Tile
from schemas.answers import (
    CheckpointShown,
    ConsistencyProof,
    Embargo,
    EntryShown,
    Event,
    InclusionProof,
    JobDetail,
    JobShown,
    LedgerState,
    Member,
    Overview,
    Published,
)

T = TypeVar("T")

COUNTS_KEPT: Final = 512
COUNTED_ANEW: Final = 10_000
"""A log that has grown by more entries than this is counted from the beginning."""


class Reader:
    """Opens views on a store. Thread-safe; one instance a process."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._files = LogFiles(store)
        self._newest: StoredCheckpoint | None = None
        self._genesis: Genesis | None = None
        self._overview: tuple[int, Overview] | None = None
        self._lock = threading.Lock()
        self._counts: Memory[tuple[object, ...], object] = Memory(COUNTS_KEPT)

    def newest(self) -> StoredCheckpoint:
        """The newest published checkpoint. Raises NotFound before the first one."""
        with self._store.snapshot() as snapshot:
            return self._newest_in(snapshot)

    def tree_size(self) -> int:
        """The size of the newest published tree."""
        return self.newest().size

    def file(self, tile: Tile, *, size: int) -> bytes:
        """The bytes of a tile or bundle of the log of ``size`` entries; see ``LogFiles.file``."""
        return self._files.file(tile, size=size)

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

    @contextmanager
    def at(self, size: int | None = None) -> Iterator["View"]:
        """The ledger at ``size`` entries, or at the newest published size.

        Raises NotFound for a size of 0 or above the newest published one.
        """
        with self._files.reading() as snapshot:
            newest = self._newest
            if size is None or newest is None or size > newest.size:
                newest = self._newest_in(snapshot)
            if size is None:
                size = newest.size
            if not 1 <= size <= newest.size:
                raise NotFound(
                    f"the published log has {newest.size} entries; it has no size {size}"
                )
            checkpoint = newest if size == newest.size else snapshot.checkpoint(size)
            yield View(self, snapshot, size=size, checkpoint=checkpoint)

    def overview(self, snapshot: Snapshot, size: int) -> Overview:
        """The counts at ``size``, from the last ones that were made where those are near."""
        with self._lock:
            last = self._overview
        if last is not None and 0 <= size - last[0] <= COUNTED_ANEW:
            found = jobs.overview_after(snapshot, last[1], old_size=last[0], size=size)
        else:
            found = jobs.overview(snapshot, size=size)
        with self._lock:
            if self._overview is None or size > self._overview[0]:
                self._overview = (size, found)
        return found

    @property
    def files(self) -> LogFiles:
        """The log as files."""
        return self._files

    @property
    def counts(self) -> Memory[tuple[object, ...], object]:
        """Counts that were made once for a tree size, and so for ever."""
        return self._counts

    def _newest_in(self, snapshot: Snapshot) -> StoredCheckpoint:
        found = snapshot.newest_checkpoint()
        if found is None:
            raise NotFound("this ledger has published no checkpoint yet")
        with self._lock:
            if self._newest is None or found.size > self._newest.size:
                self._newest = found
        return found


class View:
    """The ledger at one tree size. Belongs to the thread that opened it, while it is open."""

    def __init__(
        self,
        reader: Reader,
        snapshot: Snapshot,
        *,
        size: int,
        checkpoint: StoredCheckpoint | None,
    ) -> None:
        self._reader = reader
        self._snapshot = snapshot
        self.size = size
        self.checkpoint = checkpoint
        """The checkpoint of exactly this size; None where none was published."""
        self._root: bytes | None = checkpoint.root if checkpoint else None
        self._logged_at: int | None = checkpoint.logged_at if checkpoint else None

    # --- the tree ---

    @property
    def root(self) -> bytes:
        """The root hash of the tree of this size."""
        if self._root is None:
            self._root = tree_root(size=self.size, node=self._reader.files.nodes(self.size))
        return self._root

    @property
    def logged_at(self) -> int:
        """The time of the last entry, in Unix seconds: the log's own clock at this size."""
        if self._logged_at is None:
            last = self._snapshot.entry(self.size - 1)
            assert last is not None
            self._logged_at = last.logged_at
        return self._logged_at

    def state(self) -> LedgerState:
        """The tree that this view shows."""
        return LedgerState(
            tree_size=self.size,
            root=self.root.hex(),
            logged_at=format_time(self.logged_at),
            checkpoint=self.checkpoint.note.decode() if self.checkpoint else None,
        )

    def checkpoints(self, *, below: int | None = None, limit: int) -> tuple[CheckpointShown, ...]:
        """Published checkpoints of sizes below ``below``, or up to this size, newest first."""
        stop = self.size + 1 if below is None else min(below, self.size + 1)
        found = self._snapshot.checkpoints(below=stop, limit=limit)
        return tuple(map(shapes.checkpoint_shown, found))

    def entry(self, index: int) -> EntryShown:
        """One entry. Raises NotFound."""
        return shapes.entry_shown(proofs.stored_entry(self._snapshot, index, size=self.size))

    def entries(self, *, start: int, limit: int) -> tuple[EntryShown, ...]:
        """Up to ``limit`` entries from ``start`` on, in log order."""
        found = self._snapshot.entries(start, min(start + limit, self.size))
        return tuple(map(shapes.entry_shown, found))

    def inclusion(self, index: int) -> InclusionProof:
        """The proof that the entry at ``index`` is in this tree. Raises NotFound."""
        stored = proofs.stored_entry(self._snapshot, index, size=self.size)
        return proofs.inclusion(
            stored,
            size=self.size,
            root=self.root,
            node=self._reader.files.nodes(self.size),
            signed=self.checkpoint is not None,
        )

    def receipt(self, index: int) -> bytes:
        """The ``.tlog-proof`` of the entry at ``index``, with its opening once that is public.

        Raises NotFound for an entry that this tree does not have, and for a size at which no
        checkpoint was published.
        """
        stored = proofs.stored_entry(self._snapshot, index, size=self.size)
        if self.checkpoint is None:
            raise NotFound(f"no checkpoint was published at the size {self.size}")
        return proofs.receipt(
            self._snapshot,
            stored,
            note=self.checkpoint.note,
            size=self.size,
            node=self._reader.files.nodes(self.size),
        )

    def consistency(self, old_size: int, new_size: int) -> ConsistencyProof:
        """The proof that the tree of ``new_size`` begins with that of ``old_size``.

        Raises NotFound unless 1 <= old_size <= new_size <= this size.
        """
        return proofs.consistency(
            self._snapshot,
            self._reader.files,
            old_size=old_size,
            new_size=new_size,
            size=self.size,
        )

    # --- jobs ---

    def search(
        self, chosen: JobFilter, *, below: int | None = None, limit: int
    ) -> tuple[JobShown, ...]:
        """Jobs submitted at an index below ``below``, newest first."""
        return self.jobs(chosen, below=below, limit=limit)

    def jobs(
        self, chosen: JobFilter, *, below: int | None = None, limit: int
    ) -> tuple[JobShown, ...]:
        """Jobs submitted at an index below ``below``, newest first."""
        found = self._snapshot.jobs(chosen, size=self.size, below=below, limit=limit)
        return tuple(map(shapes.job_shown, found))

    def count_jobs(self, chosen: JobFilter) -> int:
        """How many jobs there are in all of that list."""
        return self._once(
            ("jobs", chosen.author, chosen.workload_type, chosen.state),
            lambda: self._snapshot.count_jobs(chosen, size=self.size),
        )

    def job(self, job_id: str) -> JobDetail:
        """Everything public about one job. Raises NotFound."""
        return jobs.detail(self._snapshot, job_id, size=self.size)

    def events(self, job_id: str) -> tuple[Event, ...]:
        """The history of one job, in log order. Raises NotFound."""
        return jobs.events(self._snapshot, job_id, size=self.size)

    def job_proofs(self, job_id: str) -> tuple[InclusionProof, ...]:
        """The inclusion proof of every entry about one job, in log order. Raises NotFound."""
        return tuple(
            proofs.inclusion(
                stored,
                size=self.size,
                root=self.root,
                node=self._reader.files.nodes(self.size),
                signed=self.checkpoint is not None,
            )
            for stored in jobs.entries_of(self._snapshot, job_id, size=self.size)
        )

    def submission_of(self, job_id: str) -> int:
        """The index of the entry that submitted a job. Raises NotFound."""
        return jobs.stored_job(self._snapshot, job_id, size=self.size).submitted_index

    # --- the embargo, disclosures, members ---

    def embargo(self, *, now: int, limit: int = 100) -> Embargo:
        """What is sealed, what opens when, and up to ``limit`` entries overdue at ``now``."""
        return embargo.calendar(self._snapshot, size=self.size, now=now, limit=limit)

    def published(self, *, below: int | None = None, limit: int) -> tuple[Published, ...]:
        """Disclosures at an index below ``below``, newest first."""
        stop = self.size if below is None else min(below, self.size)
        return embargo.published(self._snapshot, size=self.size, below=stop, limit=limit)

    def members(self) -> tuple[Member, ...]:
        """Every registered author, in the order of registration."""
        return jobs.members(self._snapshot, self.overview(), size=self.size)

    def titles(self) -> Mapping[str, str]:
        """What each registered author is called, by name; a later registration wins."""
        return self._once(
            ("titles",),
            lambda: {key.name: key.title for key in self._snapshot.author_keys(size=self.size)},
        )

    def overview(self) -> Overview:
        """The ledger in a few numbers."""
        return self._once(("overview",), lambda: self._reader.overview(self._snapshot, self.size))

    def _once(self, what: tuple[object, ...], count: Callable[[], T]) -> T:
        return cast("T", self._reader.counts.get((self.size, *what), count))
