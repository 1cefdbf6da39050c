"""Appends a batch, publishes a checkpoint, opens snapshots: the one door to the database.

The order of a batch is the sequencer's affair; what is guaranteed here is that a batch is one
durable transaction under the head's lock, that nothing appended is ever changed, and that an
outcome which nobody knows is said to be unknown.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from sqlite3 import Error as SqliteError
from types import TracebackType
from typing import Final, Generic, TypeVar

from psycopg import Error as PostgresqlError
from sqlalchemy import Connection, insert, select
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from ledger.errors import Damaged, ForkRefused, LogUnavailable, NotFound
from ledger.records.egress import Book, Scope
from ledger.storage import revisions
from ledger.storage.artifact_rows import ArtifactRows
from ledger.storage.changes import Changes
from ledger.storage.damage import Damage
from ledger.storage.driver import Driver
from ledger.storage.egress import open_artifacts, read_book, write_book
from ledger.storage.engine import WriterLock, is_sqlite, open_engine, sqlite_path
from ledger.storage.held import NOT_KEPT, add_held, held_by, sum_held
from ledger.storage.inspection import Inspection
from ledger.storage.line import Lent, Line, Lines
from ledger.storage.projections import JobValues, Projector, current_jobs
from ledger.storage.reading import Reading, Readings
from ledger.storage.shapes import Head, NewBatch, StoredCheckpoint, StoredEmbargo, StoredTags
from ledger.storage.snapshot import Snapshot
from ledger.storage.tables import (
    CHECKPOINTS,
    DISCLOSURES,
    ENTRIES,
    HEAD,
    NODES,
    OPENINGS,
    TILES,
)
from ledger.storage.webhook_rows import WebhookRows
from ledger.storage.witnessed import WitnessWrites

T = TypeVar("T")
M = TypeVar("M")

HEAD_ID: Final = 1
_DRIVERS: Final = (SQLAlchemyError, SqliteError, PostgresqlError)
_EMBARGOES: Final = (
    "SELECT leaf_index, job_id, author, publish_by, disclosed_index, withheld_index "
    "FROM embargoes WHERE leaf_index IN"
)

_MOVE_HEAD: Final = "UPDATE log_head SET size = ?, root = ?, edge = ?, logged_at = ?, held_at = ?"
_STORED: Final = (
    "SELECT data FROM entries WHERE leaf_index >= ? AND leaf_index < ? ORDER BY leaf_index"
)


class StorageFailed(LogUnavailable):
    """The database refuses. What it says is not passed on: parameters may stand in it."""


class OutcomeUnknown(LogUnavailable):
    """The commit failed in a way that does not say whether the batch is stored."""


class Appending:
    """One transaction under the head's lock. Reads see what is committed; ``write`` is last."""

    def __init__(
        self,
        connection: Connection,
        driver: Driver,
        head: Head,
        *,
        version: str = "",
        held_at: int = NOT_KEPT,
    ) -> None:
        self._connection = connection
        self._driver = driver
        self.head = head
        self.version = version
        """The version of the head's row: what was read under another one may have been folded anew.

        Empty on SQLite, where nobody folds while another process appends.
        """
        self._held_at = held_at

    def known_statements(self, digests: Collection[bytes]) -> dict[bytes, int]:
        """The leaf index of each statement digest that the log already holds."""
        return dict(
            self._driver.fetch_in(
                "SELECT statement_digest, leaf_index FROM entries WHERE statement_digest IN",
                digests,
            )
        )

    def current_jobs(self, job_ids: Collection[str]) -> dict[str, JobValues]:
        """The newest version of each of ``job_ids`` there is; they go on into ``NewBatch.jobs``."""
        return current_jobs(self._driver, job_ids)

    def embargoes(self, indices: Collection[int]) -> dict[int, StoredEmbargo]:
        """The embargo of each of ``indices`` that is a sealed entry."""
        rows = self._driver.fetch_in(_EMBARGOES, indices)
        return {row[0]: StoredEmbargo(*row) for row in rows}

    def held_gpus(self, author: str) -> int:
        """GPUs of the jobs of ``author`` that are admitted and have not ended."""
        if self._held_at != self.head.size:
            sum_held(self._driver)
            self._held_at = self.head.size
        return held_by(self._driver, author)

    def tags(self, indices: Collection[int]) -> dict[int, StoredTags]:
        """The tags of the openings of ``indices``, which are leaf indices of sealed entries."""
        rows = self._driver.fetch_in(
            "SELECT leaf_index, weights_tag, model_tag FROM openings WHERE leaf_index IN", indices
        )
        return {row[0]: StoredTags(row[1], row[2]) for row in rows}

    def book(self, keys: Mapping[Scope, Collection[str]]) -> Book:
        """The counters of what has left that have these keys."""
        return read_book(self._driver, keys)

    def artifacts(self, artifact_ids: Collection[str]) -> dict[str, tuple[str, int]]:
        """(job, bytes debited) of each of ``artifact_ids`` that was debited."""
        rows = self._driver.fetch_in(
            "SELECT artifact_id, job_id, debited_bytes FROM stored_artifacts WHERE artifact_id IN",
            artifact_ids,
        )
        return {row[0]: (row[1], row[2]) for row in rows}

    def snapshot(self) -> Snapshot:
        """Reads in this transaction."""
        return Snapshot(self._connection)

    def write(self, batch: NewBatch) -> Mapping[str, JobValues]:
        """Write the batch and move the head; what it has made of its jobs, by ID.

        Nothing is durable until the transaction commits.
        """
        driver = self._driver
        driver.insert(
            ENTRIES,
            [
                (
                    entry.index,
                    entry.kind,
                    entry.job_id,
                    entry.logged_at,
                    entry.publish_by,
                    entry.leaf_hash,
                    entry.statement_digest,
                    entry.data,
                )
                for entry in batch.entries
            ],
        )
        driver.insert(TILES, batch.tiles)
        driver.insert(NODES, batch.nodes)
        driver.insert(OPENINGS, batch.openings)
        driver.insert(DISCLOSURES, batch.disclosures)
        projector = Projector(batch.jobs, first_index=self.head.size)
        for fact in batch.facts:
            projector.fold(fact)
        projector.write(driver)
        if batch.debits:
            write_book(driver, batch.book)
            open_artifacts(driver, batch.debits)
        head, held_at = batch.head, self._held_at
        if held_at == self.head.size and batch.held is not None:
            add_held(driver, batch.held)
            held_at = head.size
        values = (head.size, head.root, head.edge, head.logged_at, held_at)
        if driver.is_sqlite:
            driver.run(_MOVE_HEAD, values)
        else:
            [(self.version,)] = driver.fetch(f"{_MOVE_HEAD} RETURNING xmin::text", values)
        return projector.jobs


class Publishing:
    """One transaction in which what was committed is read back and its checkpoint stored."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    def entry_bytes(self, start: int, stop: int) -> list[bytes]:
        """The bytes of the entries ``start`` <= index < ``stop``, in order, as stored."""
        return [row[0] for row in self._driver.fetch(_STORED, (start, stop))]

    def publish(self, checkpoint: StoredCheckpoint) -> None:
        """Store a signed checkpoint; harmless where its size is published already."""
        size = checkpoint.size
        known = self._driver.fetch("SELECT root FROM checkpoints WHERE size = ?", (size,))
        if not known:
            self._driver.insert(
                CHECKPOINTS, [(size, checkpoint.root, checkpoint.logged_at, checkpoint.note)]
            )
        elif known[0][0] != checkpoint.root:
            raise ForkRefused(
                f"size {size} is published already with the root {known[0][0].hex()}, not "
                f"{checkpoint.root.hex()}: run `ledger fsck`"
            )


class Store:
    """A ledger's database. Thread-safe; one instance a process."""

    def __init__(self, url: str) -> None:
        self.engine = open_engine(url)
        path = sqlite_path(self.engine)
        self._writer_lock = WriterLock(path) if path else None
        self._lines = Lines(self.engine)
        self._readings = Readings(self.engine)
        self.changes = Changes(path)
        """Whether anything was committed, by whomever."""
        self.damage = Damage()
        """What reading has found."""

    def close(self) -> None:
        """Close every connection and give back the writer lock."""
        # Not the last one: what only reads cannot fold the write-ahead log into the database.
        self.changes.close()
        self.engine.dispose()
        self.release_writer()

    def acquire_writer(self) -> None:
        """Become the writer. Raises WriterLocked where another process is; only SQLite asks."""
        if self._writer_lock:
            self._writer_lock.acquire()

    def release_writer(self) -> None:
        """Stop being the writer."""
        if self._writer_lock:
            self._writer_lock.release()

    def migrate(self) -> tuple[str | None, str]:
        """Bring the schema up to date; (revision before, revision after)."""
        if revisions.is_newest(self.engine):
            return revisions.newest_revision(), revisions.newest_revision()
        from ledger.storage.migrate import migrate  # noqa: PLC0415 - brings Alembic along

        return migrate(self.engine)

    def is_current(self) -> bool:
        """Whether the schema is the one of this program: neither older nor newer."""
        with _translated():
            return revisions.revision(self.engine) == revisions.newest_revision()

    def is_empty(self) -> bool:
        """Whether this database holds no ledger yet, migrated or not."""
        if revisions.revision(self.engine) is None:
            return True
        with self.engine.connect() as connection:
            return connection.execute(select(HEAD.c.id)).first() is None

    def create_log(self, batch: NewBatch) -> None:
        """Write the first batch of a new log and its head, in one transaction, once."""
        with _translated(), self._writing() as connection:
            connection.execute(insert(HEAD), {"id": HEAD_ID, **_head_values(batch.head)})
            nothing = Head(size=0, root=b"", edge=b"", logged_at=0)
            Appending(connection, Driver(connection), nothing).write(batch)

    def append(self) -> AbstractContextManager[Appending]:
        """Lock the head; commit durably at the end, or roll back if the body raises.

        Raises OutcomeUnknown if the commit itself fails: the caller must read the head again
        before it says anything about the batch.
        """
        return _Committed(
            self._lines.lent(durable=True, first=_locked_head), _appending, failed=_unknown
        )

    def publishing(self) -> AbstractContextManager[Publishing]:
        """A transaction for the checkpoint of what was committed before.

        Its commit is not waited for on disk: the note is in the signer's memory, and signing the
        same tree again gives the same bytes.
        """
        return _Committed(
            self._lines.lent(durable=False, first=_nothing), _publishing, failed=_refused
        )

    @contextmanager
    def witnessing(self, *, durable: bool = False) -> Iterator[WitnessWrites]:
        """A transaction for what witnesses said; they can be asked anew.

        It is waited for on disk only where it is to be ``durable``.
        """
        with _translated(), self._writing() if durable else self._unhurried() as connection:
            yield WitnessWrites(connection)

    @contextmanager
    def _unhurried(self) -> Iterator[Connection]:
        with _translated(), self.engine.connect() as plain:
            connection = plain.execution_options(ledger_writes=True)
            driver = Driver(connection)
            if is_sqlite(self.engine):
                driver.run("PRAGMA synchronous=NORMAL")
            try:
                with connection.begin():
                    if not is_sqlite(self.engine):
                        driver.run("SET LOCAL synchronous_commit = off")
                    yield connection
            finally:
                if is_sqlite(self.engine) and not connection.invalidated:
                    try:
                        driver.run("PRAGMA synchronous=FULL")
                    except SqliteError:
                        # Used again, it would commit what is never synchronised.
                        connection.invalidate()
                        raise

    @contextmanager
    def webhooks(self, *, writes: bool = True) -> Iterator[WebhookRows]:
        """A transaction on what webhooks were told; without ``writes`` it waits for no writer."""
        with (
            _translated(),
            self.engine.connect().execution_options(ledger_writes=writes) as connection,
            connection.begin(),
        ):
            yield WebhookRows(connection)

    @contextmanager
    def artifacts(self, *, writes: bool = True) -> Iterator[ArtifactRows]:
        """A transaction on stored artifacts; without ``writes`` it waits for no writer."""
        with (
            _translated(),
            self.engine.connect().execution_options(ledger_writes=writes) as connection,
            connection.begin(),
        ):
            yield ArtifactRows(connection)

    def snapshot(self) -> "Snapshotting":
        """Reads that all see the same moment, for the time of a ``with`` block."""
        return Snapshotting(self._readings, self.damage)

    @contextmanager
    def inspecting(self) -> Iterator[Inspection]:
        """Reads for a check of everything, all of the same moment.

        Raises StorageFailed with the database's own words: no parameter of these reads is secret.
        """
        try:
            with self.engine.connect() as connection:
                if not is_sqlite(self.engine):
                    connection.execution_options(isolation_level="REPEATABLE READ")
                with connection.begin():
                    yield Inspection(connection)
        except _DRIVERS as error:
            said = error.orig if isinstance(error, DBAPIError) else error
            line = " ".join(str(said).split())[:300]
            raise StorageFailed(f"the database cannot be read: {line}") from None

    @contextmanager
    def rebuilding(self) -> Iterator[Connection]:
        """A transaction under the head's lock in which projections may be emptied and folded."""
        with self._writing() as connection:
            driver = Driver(connection)
            _locked_head(driver)
            driver.run("UPDATE log_head SET held_at = ?", (NOT_KEPT,))
            yield connection

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with (
            self.engine.connect().execution_options(ledger_writes=True) as connection,
            connection.begin(),
        ):
            yield connection


class Snapshotting:
    """The time in which a snapshot is read: a context manager, for one ``with`` block.

    A proof is made in 15 us; three nested generators would be a fifth of that.
    """

    __slots__ = ("_damage", "_generation", "_reading", "_readings")

    def __init__(self, readings: Readings, damage: Damage) -> None:
        self._readings = readings
        self._damage = damage

    def __enter__(self) -> Snapshot:
        self._reading: Reading
        try:
            self._reading, self._generation = self._readings.take()
        except _DRIVERS as error:
            raise _refused(error) from None
        return Snapshot(self._reading)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, *_: object
    ) -> None:
        self._readings.give(self._reading, self._generation)
        if error is None:
            return
        if isinstance(error, Damaged):
            self._damage.refused(error)
        if isinstance(error, _DRIVERS):
            raise _refused(error) from None


class _Committed(Generic[T, M]):
    """A transaction on a lent line, which is committed where its body ends without an error.

    Whatever a driver raises becomes StorageFailed, and at the commit what ``failed`` makes of it.
    A class: as generators, three of them inside one another cost more than a commit without sync.
    """

    __slots__ = ("_failed", "_lent", "_line", "_made")

    def __init__(
        self,
        lent: Lent[T],
        made: Callable[[Line, T], M],
        *,
        failed: Callable[[BaseException], LogUnavailable],
    ) -> None:
        self._lent = lent
        self._made = made
        self._failed = failed

    def __enter__(self) -> M:
        try:
            self._line, found = self._lent.__enter__()
        except _DRIVERS as error:
            raise _refused(error) from None
        return self._made(self._line, found)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self._commit()
            else:
                self._lent.__exit__(kind, error, trace)
        except _DRIVERS as failed:
            raise _refused(failed) from None
        if isinstance(error, _DRIVERS):
            raise _refused(error) from None

    def _commit(self) -> None:
        try:
            self._line.commit()
        except BaseException as error:
            # Whether it is committed is not known: the line is not used again.
            self._lent.__exit__(type(error), error, None)
            if isinstance(error, _DRIVERS):
                raise self._failed(error) from None
            raise
        self._lent.__exit__(None)


@contextmanager
def _translated() -> Iterator[None]:
    """Raise StorageFailed where SQLAlchemy or a driver raises what is its own."""
    try:
        yield
    except _DRIVERS as error:
        raise _refused(error) from None


def _unknown(error: BaseException) -> OutcomeUnknown:
    how = type(error).__name__
    return OutcomeUnknown(f"the commit failed ({how}): nothing is promised, send it again")


def _appending(line: Line, found: tuple[Head, str, int]) -> Appending:
    head, version, held_at = found
    return Appending(line.connection, line.driver, head, version=version, held_at=held_at)


def _publishing(line: Line, _found: None) -> Publishing:
    return Publishing(line.driver)


def _refused(error: BaseException) -> StorageFailed:
    return StorageFailed(
        f"the database refuses ({type(error).__name__}): nothing is promised, send it again"
    )


def _head_values(head: Head) -> dict[str, int | bytes]:
    return {
        "size": head.size,
        "root": head.root,
        "edge": head.edge,
        "logged_at": head.logged_at,
    }


def _nothing(_driver: Driver) -> None:
    """What a publication reads first: nothing."""


def _locked_head(driver: Driver) -> tuple[Head, str, int]:
    """The head, its row's version (on PostgreSQL who wrote it last), and its ``held_at``."""
    # SQLite has no row locks: BEGIN IMMEDIATE has taken its one write lock already.
    version, lock = ("''", "") if driver.is_sqlite else ("xmin::text", " FOR UPDATE")
    columns = f"size, root, edge, logged_at, {version}, held_at"
    rows = driver.fetch(f"SELECT {columns} FROM log_head{lock}")  # noqa: S608 - no input in it
    if not rows:
        raise NotFound("this database holds no ledger yet: run `ledger init`")
    *values, version, held_at = rows[0]
    return Head(*values), version, held_at
