"""Lays out what a batch adds to the log, under the head's lock, and stores nothing.

Between batches it remembers what it would have to read again: the tree's edge, who may speak, the
charters, and the newest versions of the jobs that were spoken of last. All of it is of one tree,
whose size and root are compared with the head that was locked, and so is the version of its row:
where anybody else has appended or folded the projections anew, or a batch did not come to be
stored, it is forgotten and read anew.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from ledger.errors import Damaged, LedgerError, LogUnavailable
from ledger.records.charters import Charters
from ledger.records.succession import Succession
from ledger.sequencer.known import Known, Work, touched, weighed
from ledger.sequencer.meter import METERED, Meter, lets_out, read_meter
from ledger.sequencer.plan import Placed, Plan
from ledger.storage.keyring import KeyRing
from ledger.storage.projections import JobValues
from ledger.storage.shapes import Head, NewBatch, StoredEntry
from ledger.storage.snapshot import Snapshot
from ledger.storage.store import Appending
from ledger.storage.tree import full_tiles, new_nodes
from ledger.tlog.merkle import CompactRange, Extension
from ledger.tlog.note import VerifierKey, parse_vkey
from ledger.tlog.tiles import TILE_WIDTH
from schemas.statements import JobEnded, Registry

JOBS_REMEMBERED: Final = 16_384
"""Some 2 kB each."""

_HELD: Final = LogUnavailable("the counters of what has left do not add up: nothing leaves now")


@dataclass(frozen=True, slots=True)
class Draft:
    """A batch before it is stored; ``batch`` is None where the works add nothing."""

    placed: Sequence[Placed | LedgerError]
    batch: NewBatch | None
    extension: Extension
    known: Known


@dataclass(slots=True)
class _Memory:
    """What is known as of one tree."""

    range: CompactRange
    root: bytes
    version: str
    """Of the head's row: ``Appending.version``."""
    keys: KeyRing
    charters: Charters
    jobs: dict[str, JobValues]
    """Those spoken of last come last."""


class Drafting:
    """Drafts the batches of one log, one after the other. Belongs to whoever writes just now."""

    def __init__(
        self,
        origin: str,
        *,
        clock: Callable[[], int],
        sealed_weights: Callable[[Snapshot, int], bytes | None],
        log_key: VerifierKey | None = None,
        log_keys_here: frozenset[str] = frozenset(),
    ) -> None:
        self._origin = origin
        self._clock = clock
        self._sealed_weights = sealed_weights
        self._log_key = log_key
        self._log_keys_here = log_keys_here
        self._memory: _Memory | None = None
        self._drafted_upon: _Memory | None = None

    def draft(self, appending: Appending, works: Sequence[Work], *, held: bool = False) -> Draft:
        """Everything that the works add to the log, and what becomes of each.

        ``held``: what is taken from counters is refused. Call ``keep`` once the batch is stored;
        until then nothing is remembered.
        """
        head = appending.head
        memory = self._recall(appending)
        self._memory = self._drafted_upon = None
        asked = touched(works)
        indices, kinds = asked.entries, asked.kinds
        jobs = self._jobs(appending, memory, asked.jobs)
        known = Known(
            statements=appending.known_statements(asked.digests),
            jobs=jobs,
            embargoes=appending.embargoes(indices) if indices else {},
            entries=_entries(appending, indices),
            # A registry entry changes the ring, and the batch may yet not be stored.
            keys=memory.keys.copy() if Registry in kinds else memory.keys,
            charters=memory.charters,
            log_key=self._speaking(appending) if Succession in kinds else self._log_key,
            log_keys_here=self._log_keys_here,
            tags=appending.tags(weighed(works, jobs)) if JobEnded in kinds else {},
            refers=bool(indices),
            sealed_weights=lambda index: self._sealed_weights(appending.snapshot(), index),
            held_gpus=appending.held_gpus,
        )
        plan = Plan(
            size=head.size,
            logged_at=max(self._clock(), head.logged_at),
            origin=self._origin,
            known=known,
            meter=read_meter(appending, works, jobs) if kinds & METERED else Meter(is_asked=False),
        )
        placed = [_HELD if held and lets_out(work) else _place(plan, work) for work in works]
        extension = Extension(memory.range, [entry.leaf_hash for entry in plan.entries])
        if not plan.entries:
            memory.jobs.update(jobs)
            self._memory = memory
            return Draft(placed, None, extension, known)
        self._drafted_upon = memory
        batch = NewBatch(
            head=Head(
                size=extension.new_size,
                root=extension.root,
                edge=extension.range.edge(),
                logged_at=plan.entries[-1].logged_at,
            ),
            entries=plan.entries,
            tiles=_tiles(appending, extension),
            nodes=new_nodes(extension),
            openings=plan.openings,
            disclosures=plan.disclosures,
            facts=plan.facts,
            jobs=jobs,
            held=plan.held.changed,
            book=plan.meter.book,
            debits=plan.meter.debits,
        )
        return Draft(placed, batch, extension, known)

    def keep(self, draft: Draft, versions: Mapping[str, JobValues], *, version: str) -> None:
        """Remember the newest draft, which is stored, and what it has made of its jobs.

        ``version`` is that of the head's row since.
        """
        assert self._drafted_upon is not None
        self._log_key = draft.known.log_key
        jobs = self._drafted_upon.jobs
        jobs.update(versions)
        for job_id in list(islice(jobs, max(len(jobs) - JOBS_REMEMBERED, 0))):
            del jobs[job_id]
        self._memory = _Memory(
            draft.extension.range,
            draft.extension.root,
            version,
            draft.known.keys,
            draft.known.charters,
            jobs,
        )

    def _speaking(self, appending: Appending) -> VerifierKey | None:
        # Another process may have let another key follow: that is in the log, not here.
        rows = appending.snapshot().log_keys(size=appending.head.size)
        return parse_vkey(rows[-1][1]) if rows else self._log_key

    def _recall(self, appending: Appending) -> _Memory:
        head, memory = appending.head, self._memory
        if memory is not None and (memory.range.size, memory.root, memory.version) == (
            head.size,
            head.root,
            appending.version,
        ):
            return memory
        grown = CompactRange.from_edge(head.size, head.edge)
        # A batch would be stored upon it, and only then refused by the signer: for good.
        if grown.root() != head.root:
            raise Damaged(f"the edge of the head of {head.size} entries does not have its root")
        reads = appending.snapshot()
        return _Memory(
            grown,
            head.root,
            appending.version,
            KeyRing.of_stored(reads.author_keys(size=head.size)),
            reads.charters(size=head.size),
            {},
        )

    def _jobs(
        self, appending: Appending, memory: _Memory, job_ids: Collection[str]
    ) -> dict[str, JobValues]:
        """The newest versions of jobs, which become those spoken of last."""
        found: dict[str, JobValues] = {}
        unknown: list[str] = []
        remembered = memory.jobs
        for job_id in job_ids:
            job = remembered.pop(job_id, None)
            if job is None:
                unknown.append(job_id)
            else:
                found[job_id] = job
        if unknown:
            found.update(appending.current_jobs(unknown))
        return found


def _entries(appending: Appending, indices: Collection[int]) -> dict[int, StoredEntry]:
    if not indices:
        return {}
    reads = appending.snapshot()
    return {i: entry for i in indices if (entry := reads.entry(i)) is not None}


def _tiles(appending: Appending, extension: Extension) -> list[tuple[int, int, bytes, bytes]]:
    """The tiles that the batch fills; of most single statements, none."""
    if extension.old_size // TILE_WIDTH == extension.new_size // TILE_WIDTH:
        return []
    return full_tiles(appending.snapshot(), extension)


def _place(plan: Plan, work: Work) -> Placed | LedgerError:
    try:
        return plan.place(work)
    except LedgerError as error:
        return error
