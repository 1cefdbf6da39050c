"""The order of feeds: for each, the log indices of the entries that are its items.

An item is an entry, so its place never changes and whoever reads on from an index misses nothing.
A search has an item for every entry by which a job came to match it: its submission, or later the
entry that moved it to the state, or opened the words, that are asked for. Whether an entry is an
item follows from the entries up to it alone.

Only what has become overdue has no entry of its own: see ``overdue``.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from ledger.errors import LogUnavailable
from ledger.reader import shapes
from ledger.reader.seals import NONE, SealColumns, Seals
from ledger.reader.searching import Search
from ledger.reader.slices import LATER, Slice
from ledger.records.deadline import days_late, format_time
from ledger.storage.shapes import JobFilter
from ledger.storage.snapshot import Snapshot
from schemas.answers import CheckpointShown, Published
from schemas.notices import Notice, OverdueNotice

if TYPE_CHECKING:
    from ledger.reader.reader import Reader

Indices = NDArray[Any]

NEVER: Final = 2**63 - 1


class Stream(Protocol):
    """The places of one feed's items: log indices, each once."""

    def newest(self, *, below: int, limit: int) -> list[int]:
        """Up to ``limit`` places below ``below``, the greatest first."""
        ...

    def from_(self, start: int, *, below: int, limit: int) -> list[int]:
        """Up to ``limit`` places ``start`` <= place < ``below``, the smallest first."""
        ...


@dataclass(frozen=True, slots=True)
class Listed:
    """A stream whose places are known: sorted, each once."""

    places: Indices

    def newest(self, *, below: int, limit: int) -> list[int]:
        """See ``Stream``."""
        end = int(np.searchsorted(self.places, below))
        return [int(each) for each in self.places[max(0, end - limit) : end][::-1]]

    def from_(self, start: int, *, below: int, limit: int) -> list[int]:
        """See ``Stream``."""
        first, end = np.searchsorted(self.places, [start, below])
        return [int(each) for each in self.places[first : min(int(end), int(first) + limit)]]


@dataclass(frozen=True, slots=True)
class Stored:
    """A stream whose places the store is asked for: (start, below, limit, newest first)."""

    read: Callable[[int, int, int, bool], list[int]]
    size: int

    def newest(self, *, below: int, limit: int) -> list[int]:
        """See ``Stream``."""
        return self.read(0, min(below, self.size), limit, True)

    def from_(self, start: int, *, below: int, limit: int) -> list[int]:
        """See ``Stream``."""
        return self.read(start, min(below, self.size), limit, False)


class Streams(ABC):
    """The part of a view that feeds are made from."""

    _snapshot: Snapshot
    _reader: "Reader"
    size: int

    @property
    @abstractmethod
    def slice(self) -> Slice:
        """The jobs as of this size, as columns."""

    @property
    @abstractmethod
    def _seal_columns(self) -> SealColumns:
        """Every sealed part, as columns."""

    @abstractmethod
    def _sealed_parts(self) -> Seals:
        """The sealed parts as of this size."""

    # --- where the items stand ---

    def stream_published(self) -> Stream:
        """Every disclosure."""
        return Listed(self._disclosures()[1])

    def stream_submitted(self) -> Stream:
        """Every submission."""
        return self.stream_jobs(JobFilter())

    def stream_rejected(self) -> Stream:
        """Every decision against a job: it stands right behind the submission."""
        return Listed(self._below(_submitted(self.slice)[self._is_rejected()] + 1))

    def stream_corrections(self) -> Stream:
        """Every correction."""
        return Stored(self._snapshot.correction_places, self.size)

    def stream_checkpoints(self) -> Stream:
        """The last entry of every tree of which a checkpoint was published."""
        return Stored(self._snapshot.checkpoint_places, self.size)

    def stream_author(self, author: str) -> Stream:
        """What a member submitted, what was rejected or opened of it, and what it corrected."""
        found = self.slice
        code = found.code_of("author", author)
        mine = np.asarray(found.codes("author") == (code or LATER))
        submitted = _submitted(found)
        discloses, disclosed = self._disclosures()
        job = np.searchsorted(submitted, found.submitted_by(discloses))
        corrected = self._snapshot.correction_places_of(author, below=self.size)
        parts = (
            submitted[mine],
            submitted[mine & self._is_rejected()] + 1,
            disclosed[mine[job]],
            np.array(corrected, np.int64),
        )
        return Listed(self._below(np.unique(np.concatenate(parts))))

    def stream_jobs(self, chosen: JobFilter) -> Stream:
        """Every entry by which a job came to match a search."""
        if chosen == JobFilter():
            return Listed(_submitted(self.slice))
        return Listed(self._below(self._entries_matching(chosen)))

    def _entries_matching(self, chosen: JobFilter) -> Indices:
        found = self.slice
        since = self._matching_from(chosen)
        if chosen.state is None:
            return np.sort(since[since != NEVER])
        code = found.code_of("state", chosen.state)
        if not code:
            return np.zeros(0, np.int64)
        begins, ends, job = _spells(found, code)
        place = np.maximum(begins, since[job])
        return np.sort(place[place < ends])

    def _matching_from(self, chosen: JobFilter) -> Indices:
        """For each job the index from which on it matches, its state aside; or NEVER."""
        found = self.slice
        fixed = JobFilter(
            author=chosen.author,
            workload_type=chosen.workload_type,
            accelerator=chosen.accelerator,
            month=chosen.month,
            decision=chosen.decision,
            rejection_code=chosen.rejection_code,
            first_day=chosen.first_day,
            last_day=chosen.last_day,
        )
        submitted = _submitted(found)
        since = np.full(found.jobs, NEVER, np.int64)
        rows = np.searchsorted(submitted, Search(found, fixed, _no_words).indices())
        since[rows] = submitted[rows]
        if chosen.model is not None:
            named = Search(found, JobFilter(model=chosen.model), _no_words).indices()
            opened = np.full(found.jobs, NEVER, np.int64)
            at = np.searchsorted(submitted, named)
            opened[at] = found.by_job["disclosed_index"][at]
            since = np.maximum(since, opened)
        if chosen.finding is not None:
            since = np.maximum(
                since, _found_from(found, found.code_of("finding_code", chosen.finding))
            )
        for term in chosen.terms:
            said = np.full(found.jobs, NEVER, np.int64)
            opens = np.sort(self._texts_with(term.word))
            sealed = self._opened_by(opens)
            np.minimum.at(said, np.searchsorted(submitted, found.submitted_by(sealed)), opens)
            for column, values in (("workload_type", term.workloads), ("author", term.authors)):
                wanted = np.array([name in values for name in found.names[column]], bool)
                named = wanted[found.codes(column)]
                said[named] = submitted[named]
            since = np.maximum(since, said)
        return since

    @abstractmethod
    def _texts_with(self, word: str) -> Indices:
        """The entries below this size that opened a text with a word beginning so."""

    @abstractmethod
    def _opened_by(self, disclosures: Indices) -> Indices:
        """The sealed entries that ``disclosures`` opened."""

    def _disclosures(self) -> tuple[Indices, Indices]:
        return self._seal_columns.disclosures(self.size, self._snapshot)

    def _is_rejected(self) -> Indices:
        return np.asarray(self.slice.codes("rejection_code") != 0)

    def _below(self, places: Indices) -> Indices:
        return places[: np.searchsorted(places, self.size)]

    # --- what they say ---

    def notices(self, places: Sequence[int]) -> tuple[Notice, ...]:
        """The entries at ``places``, each with its job as it was at that entry, in that order.

        Raises LogUnavailable where the store has lost one.
        """
        entries = self._snapshot.entries_at(places)
        decoded = {index: shapes.decode_entry(stored) for index, stored in entries.items()}
        opens = {
            index: entry.disclosed.discloses for index, entry in decoded.items() if entry.disclosed
        }
        sealed = self._snapshot.entries_at(set(opens.values()))
        jobs = self._snapshot.jobs_when(
            [(each.job_id, each.index) for each in entries.values() if each.job_id]
        )
        found = []
        for index in places:
            stored = entries.get(index)
            job = jobs.get((stored.job_id or "", index)) if stored else None
            if stored is None or job is None:
                raise LogUnavailable(f"entry {index} or its job is missing: run `ledger fsck`")
            entry, shown = decoded[index], shapes.job_shown(job)
            published = None
            if index in opens:
                opened = sealed[opens[index]]
                statement = shapes.decode_entry(opened).signed
                assert statement is not None
                published = Published(
                    disclosure=shapes.disclosure_of(index, entry),
                    discloses=opened.index,
                    kind=opened.kind,
                    author=statement.statement.author,
                    job=shown,
                )
            event = shapes.event_of(index, entry)
            found.append(Notice(event=event, job=shown, published=published))
        return tuple(found)

    def checkpoints_at(self, places: Sequence[int]) -> tuple[CheckpointShown, ...]:
        """The published checkpoints of the trees that end with the entries at ``places``.

        Raises Damaged.
        """
        publication = self._reader.publication
        found = (publication.at(self._snapshot, place + 1) for place in places)
        return tuple(shapes.checkpoint_shown(each) for each in found if each)

    # --- what has no entry ---

    def overdue(
        self, *, now: int, grace_s: int, below: int | None, limit: int
    ) -> tuple[OverdueNotice, ...]:
        """Sealed entries that were not opened ``grace_s`` seconds after their deadline.

        The latest deadline first, and of the same deadline the greatest index; ``below`` is the
        index of the sealed entry after which the list goes on. One that was opened since stays in
        the list and says so: of the same tree, a later ``now`` only ever adds to its front.
        """
        seals = self._sealed_parts()
        limits = seals.publish_by + grace_s
        late = (limits <= now) & ((seals.opened_at == NONE) | (seals.opened_at > limits))
        rows = np.flatnonzero(late)
        rows = rows[np.lexsort((seals.index[rows], seals.publish_by[rows]))][::-1]
        if below is not None:
            at = int(np.searchsorted(seals.index, below))
            if at == len(seals.index) or seals.index[at] != below:
                rows = rows[:0]
            else:
                own, deadlines = int(seals.publish_by[at]), seals.publish_by[rows]
                before = (deadlines == own) & (seals.index[rows] < below)
                rows = rows[(deadlines < own) | before]
        rows = rows[:limit]
        places = [int(each) for each in seals.index[rows]]
        discloses, disclosed = self._disclosures()
        by = dict(zip(discloses.tolist(), disclosed.tolist(), strict=True)) if places else {}
        entries = self._snapshot.entries_at(places)
        jobs = self._snapshot.jobs_at(
            [int(each) for each in self.slice.submitted_by(seals.index[rows])], size=self.size
        )
        by_id = {job.job_id: job for job in jobs.values()}
        found = []
        for row, place in zip(rows.tolist(), places, strict=True):
            deadline, opened = int(seals.publish_by[row]), int(seals.opened_at[row])
            until = now if opened == NONE else opened
            stored = entries[place]
            found.append(
                OverdueNotice(
                    index=place,
                    kind=stored.kind,
                    job=shapes.job_shown(by_id[stored.job_id or ""]),
                    publish_by=format_time(deadline),
                    days_late=days_late(deadline, now=until),
                    opened_at=None if opened == NONE else format_time(opened),
                    opened_index=None if opened == NONE else by[place],
                )
            )
        return tuple(found)


def _submitted(found: Slice) -> Indices:
    return found.by_job["submitted_index"][: found.jobs].astype(np.int64)


def _spells(found: Slice, code: int) -> tuple[Indices, Indices, Indices]:
    """Where jobs came into a state and left it (or NEVER), and which jobs, as of the slice.

    Versions of a job that keep its state, as after a disclosure, are one spell.
    """
    job = found.by_version["job"][: found.versions]
    order = np.argsort(job, kind="stable")
    job = job[order].astype(np.int64)
    state = np.asarray(found.by_version["state"][: found.versions][order] == code)
    since = found.by_version["since"][: found.versions][order].astype(np.int64)
    first = np.ones(len(job), bool)
    first[1:] = job[1:] != job[:-1]
    before = np.zeros(len(job), bool)
    before[1:] = state[:-1] & ~first[1:]
    begins = np.flatnonzero(state & ~before)
    # What ends a spell is the next version of the job in another state.
    leaves = np.flatnonzero(~state | first)
    after = np.searchsorted(leaves, begins, side="right")
    has_end = after < len(leaves)
    end = np.full(len(begins), NEVER, np.int64)
    at = leaves[after[has_end]]
    same = job[at] == job[begins[has_end]]
    end[np.flatnonzero(has_end)[same]] = since[at[same]]
    return since[begins], end, job[begins]


def _found_from(found: Slice, code: int | None) -> Indices:
    """For each job the entry from which on it has a finding of that code; or NEVER."""
    first = np.full(found.jobs, NEVER, np.int64)
    if code:
        rows = found.by_version["finding_code"][: found.versions] == code
        jobs = found.by_version["job"][: found.versions][rows]
        np.minimum.at(first, jobs, found.by_version["since"][: found.versions][rows])
    return first


def _no_words(_word: str) -> Indices:
    return np.zeros(0, np.uint32)
