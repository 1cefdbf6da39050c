"""What a scraper is told: what all processes counted, and what the database says right now.

Only who has the token of ``LEDGER_METRICS`` is told. The token and not the address decides: behind
a proxy every client comes from the same machine, and how many bytes wait in the queue is the length
of what one lab has just sealed.
"""

import hmac
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from ledger import keys
from ledger.errors import LedgerError, LogUnavailable, NotFound, SettingsError
from ledger.metering import Board, families
from ledger.metering.exposition import Sample, expose, expose_gauge
from ledger.metering.tasks import TASKS, last
from ledger.reader import Reader
from ledger.records.deadline import parse_time
from ledger.sequencer.stopped import StopMark
from ledger.storage.damage import ignored
from ledger.storage.replica import Replica, Source
from ledger.storage.snapshot import Snapshot
from ledger.storage.store import Store
from ledger.witnessing.trouble import ALARMING

SHORTEST_TOKEN: Final = 24
SCHEME: Final = b"Bearer "


class Metrics:
    """The numbers of one ledger. ``clock`` gives Unix seconds."""

    def __init__(
        self,
        store: Store,
        reader: Reader,
        *,
        folder: Path,
        token: Path,
        clock: Callable[[], int],
        mark: StopMark | None = None,
        disks: Mapping[str, Path] | None = None,
        tasks: Path | None = None,
    ) -> None:
        """Begin to count. Raises SettingsError for a token that is too short, KeyFileError.

        ``disks`` names the folders whose free space is told, ``tasks`` is where tasks are noted.
        """
        self._expected = SCHEME + keys.read_secret(token).encode("ascii")
        if len(self._expected) < len(SCHEME) + SHORTEST_TOKEN:
            raise SettingsError(
                f"LEDGER_METRICS: the token in {token} is shorter than {SHORTEST_TOKEN} characters"
            )
        self._store = store
        self._reader = reader
        self._clock = clock
        self._mark = mark
        self._disks = disks or {}
        self._tasks = tasks
        self.board = Board(folder)
        self.board.set(families.PROCESSES, 1)
        store.damage.told = self.damaged
        if reader.replica is not None:
            reader.replica.told = self.read

    def read(self, source: Source) -> None:
        """A view or file was read, where there is a replica."""
        self.board.add(families.READS, source.value)

    def damaged(self) -> None:
        """An answer has met damage in what is stored."""
        self.board.add(families.DAMAGE)

    def close(self) -> None:
        """Stop counting."""
        self._store.damage.told = ignored
        self.board.close()

    def allows(self, authorization: bytes) -> bool:
        """Whether an ``Authorization`` header bears the token."""
        return hmac.compare_digest(authorization, self._expected)

    def text(self) -> str:
        """Everything, as text. Without its database a process still says what it counted."""
        try:
            looked_up = "".join(self._looked_up())
        except LedgerError:
            looked_up = expose_gauge("ledger_database_up", _UP, [({}, 0)])
        beside = "".join((*self._space(), *self._done()))
        return expose(self.board.families, self.board.totals()) + beside + looked_up

    def passed(self) -> None:
        """A worker has looked for what is due."""
        self.board.set(families.PASS, self._clock())

    def _space(self) -> Iterator[str]:
        found: dict[str, tuple[int, int]] = {}
        for name, folder in self._disks.items():
            with suppress(OSError):
                usage = shutil.disk_usage(folder)
                found[name] = (usage.free, usage.total)
        for place, (name, meaning) in enumerate(_DISK):
            told: list[Sample] = [({"folder": each}, size[place]) for each, size in found.items()]
            yield expose_gauge(name, meaning, told)

    def _done(self) -> Iterator[str]:
        folder = self._tasks
        known = {each: last(folder, each) for each in TASKS} if folder is not None else {}
        ended = {task: done for task, done in known.items() if done is not None}
        yield expose_gauge(
            "ledger_task_success_timestamp_seconds",
            "When a task last ended well, Unix time; absent before it ever did.",
            [
                ({"task": task}, done.succeeded_at)
                for task, done in ended.items()
                if done.succeeded_at is not None
            ],
        )
        yield expose_gauge(
            "ledger_task_failed",
            "1 where a task's last run failed or found damage, 0 where it ended well.",
            [({"task": task}, int(done.failed)) for task, done in ended.items()],
        )

    def _looked_up(self) -> Iterator[str]:
        now = self._clock()
        with self._store.snapshot() as reads:
            head, newest = reads.head(), reads.newest_checkpoint()
            published = _published_size(self._reader, reads)
            deadline = reads.next_deadline()
            overdue = reads.count_sealed(size=head.size, due_until=now)
            out = reads.egress_since(now // 86_400 - 29)
            witnessing = self._reader.publication.witnessing(reads)
            replica = self._reader.replica
            followed = "" if replica is None else _followed(replica, reads, head.size, now)
        if newest is None:
            raise NotFound("this ledger has published no checkpoint yet")
        signed = newest
        yield expose_gauge("ledger_database_up", _UP, [({}, 1)])
        for name, meaning, value in (
            ("ledger_tree_size", "Entries in the log.", head.size),
            ("ledger_signed_size", "Size of the newest signed checkpoint.", signed.size),
            ("ledger_published_size", "Size of the tree that the site shows.", published),
            (
                "ledger_checkpoint_age_seconds",
                "Seconds since the last entry of the newest signed checkpoint.",
                max(0, now - signed.logged_at),
            ),
            ("ledger_overdue", "Sealed records whose deadline has passed.", overdue),
            ("ledger_egress_30d_bytes", "Bytes that left in the last 30 days.", out),
            (
                "ledger_worker_lag_seconds",
                "How long the oldest record that is due has waited to be opened.",
                max(0, now - deadline) if deadline is not None else 0,
            ),
        ):
            yield expose_gauge(name, meaning, [({}, value)])
        yield expose_gauge(
            "ledger_second_history",
            "1 where a proved second history has stopped every writer, until `ledger recover`.",
            [({}, int(self._mark is not None and self._mark.found() is not None))],
        )
        next_one: list[Sample] = [] if deadline is None else [({}, deadline)]
        yield expose_gauge(
            "ledger_next_deadline_seconds", "The next deadline, Unix time.", next_one
        )
        yield followed
        witnesses = witnessing.witnesses if witnessing is not None else ()
        yield expose_gauge(
            "ledger_witness_lag_entries",
            "Entries that a witness has not cosigned yet.",
            [({"witness": each.name}, max(0, signed.size - each.size)) for each in witnesses],
        )
        yield expose_gauge(
            "ledger_second_history_suspected",
            "Witnesses whose last word, without proof, was a newer tree or another one.",
            [({}, sum(each.failures > 0 and each.error in ALARMING for each in witnesses))],
        )
        yield expose_gauge(
            "ledger_witness_age_seconds",
            "Seconds since a witness last cosigned; absent before it ever did.",
            [
                ({"witness": each.name}, max(0, now - parse_time(each.cosigned_at)))
                for each in witnesses
                if each.cosigned_at is not None
            ],
        )


def _published_size(reader: Reader, reads: Snapshot) -> int:
    """The size that the site shows; 0 where nothing has met a new, strict policy yet."""
    try:
        return reader.publication.shown(reads).size
    except LogUnavailable:
        return 0


def _followed(replica: Replica, reads: Snapshot, size: int, now: int) -> str:
    """How far the replica has got: beside the primary's ``reads``, of ``size`` entries."""
    try:
        newest = replica.newest()
    except LedgerError:
        return expose_gauge("ledger_replica_up", _REPLICA_UP, [({}, 0)])
    reached = min(newest.size if newest is not None else 0, size)
    missing = reads.entry(reached)
    lag_s = max(0, now - missing.logged_at) if missing is not None else 0
    return "".join(
        (
            expose_gauge("ledger_replica_up", _REPLICA_UP, [({}, 1)]),
            expose_gauge(
                "ledger_replica_lag_entries",
                "Entries that the replica has not got yet.",
                [({}, size - reached)],
            ),
            expose_gauge(
                "ledger_replica_lag_seconds",
                "Age of the oldest entry that the replica has not got yet; 0 where it has all.",
                [({}, lag_s)],
            ),
        )
    )


class Counting:
    """What the sequencer tells of its queue and its batches, on a board."""

    def __init__(self, board: Board, *, most: int) -> None:
        self._board = board
        board.set(families.QUEUE_LIMIT, most)

    def queued(self, records: int, size: int) -> None:
        """So many works of so many bytes wait now."""
        self._board.set(families.QUEUE_RECORDS, records)
        self._board.set(families.QUEUE_BYTES, size)

    def failed(self) -> None:
        """Nothing of a batch was acknowledged."""
        self._board.add(families.BATCHES_FAILED)

    def stopped(self) -> None:
        """The writer takes nothing any more."""
        self._board.set(families.WRITERS_STOPPED, 1)

    def held(self) -> None:
        """A counter of egress was not what was read."""
        self._board.add(families.EGRESS_HELD)

    def logged(self, records: int, waited_s: list[float], *, refused: int) -> None:
        """A batch is done: how long each caller waited, and how many debits were refused."""
        self._board.observe(families.BATCH, records)
        for each in waited_s:
            self._board.observe(families.PROOF, each)
        for _ in range(refused):
            self._board.add(families.EGRESS_REFUSED)


_DISK: Final = (
    ("ledger_disk_free_bytes", "Bytes that can still be written where a folder lies."),
    ("ledger_disk_size_bytes", "Bytes that there are where a folder lies."),
)
_REPLICA_UP: Final = "1 where the replica answers, 0 where it does not."
_UP: Final = "1 where the database answers, 0 where it does not."
