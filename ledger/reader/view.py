"""The view that the reader gives of the ledger at one tree size.

A view is true for ever: it shows the entries below its size and nothing else, so the same question
at the same size has the same answer however far the log has grown since.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from numpy.typing import NDArray

from ledger.errors import NotFound
from ledger.reader import (
    embargo,
    jobs,
    profiles,
    proofs,
    series,
    shapes,
    withholdings,
)
from ledger.reader.admissions import Admissions
from ledger.reader.catalogue import Catalogue
from ledger.reader.leaves import Leaves
from ledger.reader.objected import Objected
from ledger.reader.overview import overview
from ledger.reader.rulings import Rulings
from ledger.reader.seals import SealColumns, Seals
from ledger.reader.searching import Search
from ledger.reader.slices import Slice
from ledger.reader.statistics import Jobs, jobs_of
from ledger.reader.streams import Streams
from ledger.records.deadline import format_time
from ledger.storage.driver import batched
from ledger.storage.shapes import JobFilter, StoredCheckpoint, StoredLeaf
from ledger.storage.snapshot import Snapshot
from schemas.answers import (
    CheckpointShown,
    ConsistencyProof,
    Embargo,
    EntryShown,
    Event,
    Facets,
    InclusionProof,
    JobDetail,
    JobShown,
    LedgerState,
    Member,
    Overview,
    Published,
)
from schemas.reference import WithheldShown, WitnessingShown
from schemas.series import Series

if TYPE_CHECKING:
    from ledger.reader.reader import Reader

T = TypeVar("T")

JOBS_AT_ONCE: Final = 500


class View(Admissions, Catalogue, Rulings, Streams):
    """The ledger at one tree size. Belongs to the thread that opened it, while it is open."""

    def __init__(
        self,
        reader: "Reader",
        snapshot: Snapshot,
        *,
        size: int,
        checkpoint: StoredCheckpoint | None,
        newest: StoredCheckpoint,
    ) -> None:
        self._reader = reader
        self._snapshot = snapshot
        self.size = size
        self.checkpoint = checkpoint
        """The checkpoint of exactly this size; None where none was published."""
        self._newest = newest
        self._root: bytes | None = checkpoint.root if checkpoint else None
        self._logged_at: int | None = checkpoint.logged_at if checkpoint else None
        self._searches: dict[JobFilter, Search] = {}

    # --- the tree ---

    @property
    def root(self) -> bytes:
        """The root hash of the tree of this size."""
        if self._root is None:
            self._root = self._root_below(self.size)
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
        found = self._reader.publication.several(self._snapshot, below=stop, limit=limit)
        return tuple(map(shapes.checkpoint_shown, found))

    def entry(self, index: int) -> EntryShown:
        """One entry. Raises NotFound."""
        return shapes.entry_shown(proofs.stored_entry(self._snapshot, index, size=self.size))

    def entries(self, *, start: int, limit: int) -> tuple[EntryShown, ...]:
        """Up to ``limit`` entries from ``start`` on, in log order."""
        found = self._snapshot.entries(start, min(start + limit, self.size))
        return tuple(map(shapes.entry_shown, found))

    def inclusion(self, index: int) -> InclusionProof:
        """The proof that the entry at ``index`` is in this tree, as made. Raises NotFound.

        Whoever gives it to somebody else takes ``proof``.
        """
        leaf = proofs.stored_leaf(self._snapshot, index, size=self.size)
        return self._proof(leaf, index, self._reader.files.inclusion_path(index, size=self.size))

    def proof(self, index: int) -> InclusionProof:
        """The same, verified. Raises NotFound; Damaged."""
        leaf = proofs.stored_leaf(self._snapshot, index, size=self.size)
        found, path = self._reader.verified.leaf_and_path(
            leaf.leaf_hash, index, size=self.size, root=self.root
        )
        return self._proof(StoredLeaf(leaf.kind, found), index, path)

    def _proof(self, leaf: StoredLeaf, index: int, path: list[bytes]) -> InclusionProof:
        return proofs.inclusion(
            leaf,
            index,
            size=self.size,
            root=self.root,
            path=path,
            signed=self.checkpoint is not None,
        )

    def receipt(self, index: int, *, witnessed: bool = False, smallest: bool = False) -> bytes:
        """The ``.tlog-proof`` of the entry at ``index``, with its opening once that is public.

        Its checkpoint is this size's as the log signed it; where ``witnessed``, with cosignatures
        if it met the witness policy; where ``smallest``, it is rather the smallest of those that
        did and hold the entry, if there is one. Raises NotFound for an entry that this tree does
        not have, and for a size at which no checkpoint was published.
        """
        stored = proofs.stored_entry(self._snapshot, index, size=self.size)
        publication = self._reader.publication
        found = publication.covering(self._snapshot, index) if smallest else None
        if found is None:
            own = self.checkpoint
            if own is None:
                raise NotFound(f"no checkpoint was published at the size {self.size}")
            found = own, publication.witnessed(self._snapshot, own) if witnessed else own.note
        checkpoint, note = found
        return proofs.receipt(
            self._snapshot,
            stored,
            note=note,
            path=self._reader.verified.inclusion_path(
                stored.leaf_hash, index, size=checkpoint.size, root=checkpoint.root
            ),
            opened_below=self.size,
        )

    @property
    def is_witnessed(self) -> bool:
        """Whether this ledger has a policy that names witnesses."""
        return self._reader.publication.has_witnesses

    def witnessing(self) -> WitnessingShown | None:
        """How the witnesses are getting on now, whatever this size; None without a policy."""
        return self._reader.publication.witnessing(self._snapshot)

    def consistency(self, old_size: int, new_size: int) -> ConsistencyProof:
        """The proof that the tree of ``new_size`` begins with that of ``old_size``.

        Raises NotFound unless 1 <= old_size <= new_size <= this size.
        """
        return proofs.consistency(
            self._reader.verified,
            self._known,
            old_size=old_size,
            new_size=new_size,
            size=self.size,
        )

    def _known(self, size: int) -> tuple[bytes, StoredCheckpoint | None]:
        """The root at a size below this one, and its checkpoint if one was published."""
        found = self._reader.publication.at(self._snapshot, size)
        return found.root if found is not None else self._root_below(size), found

    def _root_below(self, size: int) -> bytes:
        newest = self._newest
        return self._reader.verified.root_below(size, newer=(newest.size, newest.root))

    # --- jobs ---

    def search(
        self, chosen: JobFilter, *, below: int | None = None, limit: int
    ) -> tuple[JobShown, ...]:
        """Jobs submitted at an index below ``below``, newest first."""
        indices = self._search(chosen).newest(below=below, limit=limit)
        found = self._snapshot.jobs_at(indices, size=self.size)
        return tuple(shapes.job_shown(found[index]) for index in indices)

    def every_job(self, chosen: JobFilter) -> Iterator[JobShown]:
        """All jobs of that list in log order, read a portion at a time."""
        for some in batched(map(int, self._search(chosen).indices()), JOBS_AT_ONCE):
            found = self._snapshot.jobs_at(some, size=self.size)
            yield from (shapes.job_shown(found[index]) for index in some)

    def count_jobs(self, chosen: JobFilter) -> int:
        """How many jobs there are in all of that list."""
        return self._search(chosen).count

    def facets(self, chosen: JobFilter) -> Facets:
        """What that list can be narrowed to."""
        # Once for all pages of one list: every job is looked at for it.
        return self._reader.facets.get((self.size, chosen), lambda: self._search(chosen).facets())

    @property
    def slice(self) -> Slice:
        """The jobs as of this size, as columns."""
        return self._reader.columns.at(self.size, self._snapshot.job_versions)

    @property
    def _leaves(self) -> Leaves:
        """The beginnings of all leaf hashes."""
        return self._reader.leaves

    @property
    def _objected(self) -> Objected:
        """Where objections stand."""
        return self._reader.objected

    @property
    def _seal_columns(self) -> SealColumns:
        """Every sealed part, as columns."""
        return self._reader.seals

    def _search(self, chosen: JobFilter) -> Search:
        found = self._searches.get(chosen)
        if found is None:
            found = Search(self.slice, chosen, self._jobs_with_word)
            self._searches[chosen] = found
        return found

    def _jobs_with_word(self, word: str) -> NDArray[Any]:
        return self.slice.submitted_by(self._opened_by(self._texts_with(word)))

    def _texts_with(self, word: str) -> NDArray[Any]:
        return self._reader.words.texts_with(word, self.size, self._snapshot.texts_with_word)

    def _opened_by(self, disclosures: NDArray[Any]) -> NDArray[Any]:
        return self._reader.seals.opened_by(disclosures, size=self.size, snapshot=self._snapshot)

    def job(self, job_id: str) -> JobDetail:
        """Everything public about one job. Raises NotFound."""
        return jobs.detail(self._snapshot, job_id, size=self.size)

    def jobs_by_id(self, job_ids: Iterable[str]) -> Mapping[str, JobShown]:
        """Several jobs; what does not exist is absent."""
        found = self._snapshot.jobs_by_id(sorted(set(job_ids)), size=self.size)
        return {job_id: shapes.job_shown(stored) for job_id, stored in found.items()}

    def events(self, job_id: str) -> tuple[Event, ...]:
        """The history of one job, in log order. Raises NotFound."""
        return jobs.events(self._snapshot, job_id, size=self.size)

    def job_proofs(self, job_id: str) -> tuple[InclusionProof, ...]:
        """The inclusion proof of every entry about one job, in log order. Raises NotFound."""
        return tuple(
            self._proof(
                StoredLeaf(stored.kind, stored.leaf_hash),
                stored.index,
                self._reader.verified.inclusion_path(
                    stored.leaf_hash, stored.index, size=self.size, root=self.root
                ),
            )
            for stored in jobs.entries_of(self._snapshot, job_id, size=self.size)
        )

    def submission_of(self, job_id: str) -> int:
        """The index of the entry that submitted a job. Raises NotFound."""
        return jobs.stored_job(self._snapshot, job_id, size=self.size).submitted_index

    # --- the embargo, disclosures, members ---

    def embargo(self, *, now: int, limit: int = 100) -> Embargo:
        """What is sealed, what opens when, and up to ``limit`` entries overdue at ``now``."""
        return embargo.calendar(self._snapshot, self._sealed_parts(), now=now, limit=limit)

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
        return self._once(("overview",), lambda: overview(self.slice, self._sealed_parts()))

    def statistics(self, name: str, *, by: str = "month") -> Series:
        """One of ``series.NAMES``; ``by`` is month or week. Raises NotFound."""
        return self._reader.series.get(
            (self.size, name, by),
            lambda: series.series(name, self._job_arrays, self._sealed_parts, by=by),
        )

    def withheld(self, *, below: int | None = None, limit: int) -> tuple[WithheldShown, ...]:
        """What the committee keeps closed, by its entries below ``below``, newest first."""
        stop = self.size if below is None else below
        return withholdings.withheld(self._snapshot, size=self.size, below=stop, limit=limit)

    def count_withheld(self) -> int:
        """How many entries of the committee there are in all of that list."""
        return self._once(("withheld",), lambda: self._snapshot.count_withheld(size=self.size))

    def profile(self, author: str, *, now: int) -> profiles.Profile:
        """What one author ran; a plan is overdue if its deadline is not after ``now``."""
        return profiles.profile(self._job_arrays(), author, now=now)

    def _job_arrays(self) -> Jobs:
        return self._reader.arrays.get(
            self.size,
            lambda: jobs_of(self.slice, self._sealed_parts()),
        )

    def _sealed_parts(self) -> Seals:
        return self._reader.seals.at(self.size, self._snapshot)

    def _once(self, what: tuple[object, ...], count: Callable[[], T]) -> T:
        return cast("T", self._reader.counts.get((self.size, *what), count))
