"""Reads at one moment. Whatever takes ``size`` answers as of it: from entries below it only."""

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any, Final, cast

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, Select, and_, func, or_, select

from ledger.errors import Damaged, NotFound
from ledger.records.charter import parse_charter
from ledger.records.charters import Charters, Version
from ledger.storage.catalogue import CatalogueReads
from ledger.storage.driver import VALUES_AT_ONCE, Driver, batched, columns_of
from ledger.storage.driver import Row as DriverRow
from ledger.storage.objections import ObjectionReads
from ledger.storage.reading import Reading
from ledger.storage.shapes import (
    Head,
    StoredCheckpoint,
    StoredEmbargo,
    StoredEntry,
    StoredJob,
    StoredKey,
    StoredLeaf,
    StoredTags,
)
from ledger.storage.tables import (
    AUTHOR_KEYS,
    CHECKPOINTS,
    DISCLOSURES,
    EMBARGOES,
    ENTRIES,
    JOBS,
    LOG_ROLE,
    OPENINGS,
    UNVERSIONED,
)
from ledger.storage.versions import read_versions
from ledger.storage.witnessed import WitnessReads
from ledger.tlog.hashing import leaf_hash

ROWS_AT_ONCE: Final = 2_048
_ENTRIES: Final = f"SELECT {columns_of(ENTRIES)} FROM entries"  # noqa: S608 - names are ours
_JOBS: Final = f"SELECT {columns_of(JOBS)} FROM jobs"  # noqa: S608 - the same
_EMBARGOES_AT: Final = f"SELECT {columns_of(EMBARGOES)} FROM embargoes WHERE leaf_index IN"  # noqa: S608 - the same
_OF_JOB: Final = (
    f"{_ENTRIES} WHERE job_id = ?"  # noqa: S608 - names are ours
    " AND leaf_index IN (SELECT since FROM jobs WHERE job_id = ?"
    " UNION ALL SELECT since + 1 FROM jobs WHERE job_id = ? AND since = submitted_index"
    f" UNION ALL SELECT leaf_index FROM entries WHERE job_id = ? AND {UNVERSIONED})"
    " AND leaf_index < ? ORDER BY leaf_index"
)
"""By its versions, its decision, and what makes no version."""
_LAST_ABOUT_JOBS: Final = (
    "SELECT e.job_id, e.leaf_index FROM entries e"  # noqa: S608 - names are ours
    " WHERE e.leaf_index >= ? AND e.leaf_index < ? AND e.job_id IS NOT NULL"
    # A submission's decision is the next entry, and makes no version of its own.
    " AND NOT (e.kind = 'submitted' AND e.leaf_index + 1 < ?)"
    " AND NOT EXISTS (SELECT 1 FROM jobs"
    " WHERE jobs.job_id = e.job_id AND since > e.leaf_index AND since < ?)"
    f" AND NOT EXISTS (SELECT 1 FROM entries WHERE entries.job_id = e.job_id AND {UNVERSIONED}"
    " AND entries.leaf_index > e.leaf_index AND entries.leaf_index < ?)"
    " ORDER BY e.leaf_index"
)
_UNCHANGED: Final = tuple(JOBS.c.keys()).index("weights_unchanged")
_LEAF: Final = "SELECT kind, leaf_hash FROM entries WHERE leaf_index = ?"
_FROM_TO: Final = "WHERE leaf_index >= ? AND leaf_index < ? ORDER BY leaf_index"

_ENTRY = (
    ENTRIES.c.leaf_index,
    ENTRIES.c.kind,
    ENTRIES.c.job_id,
    ENTRIES.c.logged_at,
    ENTRIES.c.publish_by,
    ENTRIES.c.leaf_hash,
    ENTRIES.c.statement_digest,
    ENTRIES.c.data,
)
_CHECKPOINT = (
    CHECKPOINTS.c.size,
    CHECKPOINTS.c.root,
    CHECKPOINTS.c.logged_at,
    CHECKPOINTS.c.note,
)


class Snapshot(CatalogueReads, ObjectionReads, WitnessReads):
    """Everything that can be read; made by ``Store.snapshot`` and ``Appending.snapshot``.

    Those of a store raise Damaged for an entry whose bytes are not those of its leaf hash. Who
    appends, and who folds anew, asks that elsewhere: one damaged entry is not to stop a batch.
    """

    def __init__(self, connection: Connection | Reading) -> None:
        self._source = connection
        self._entry: Callable[[Any], StoredEntry] = _as_stored
        # What proofs and tiles need goes straight to the driver: it is read for every one.
        if isinstance(connection, Reading):
            self._driver = connection.driver
            self._is_sqlite = connection.is_sqlite
            self._entry = _sound
        else:
            self._driver = Driver(connection)
            self._is_sqlite = connection.dialect.name == "sqlite"

    @property
    def _connection(self) -> Connection:
        source = self._source
        return source.connection if isinstance(source, Reading) else source

    # --- the log ---

    def head(self) -> Head:
        """The stored head, which may be a moment ahead of the newest published checkpoint."""
        rows = self._driver.fetch("SELECT size, root, edge, logged_at FROM log_head")
        if not rows:
            raise NotFound("this database holds no ledger yet: run `ledger init`")
        return Head(*rows[0])

    def newest_checkpoint(self) -> StoredCheckpoint | None:
        """The published checkpoint of the greatest size."""
        return self._checkpoint("ORDER BY size DESC LIMIT 1")

    def checkpoint(self, size: int) -> StoredCheckpoint | None:
        """The checkpoint published at exactly this size."""
        return self._checkpoint("WHERE size = ?", size)

    def checkpoint_covering(self, index: int) -> StoredCheckpoint | None:
        """The first published checkpoint whose tree holds the entry at ``index``."""
        return self._checkpoint("WHERE size > ? ORDER BY size LIMIT 1", index)

    def checkpoints(self, *, below: int, limit: int) -> list[StoredCheckpoint]:
        """Published checkpoints of sizes below ``below``, newest first."""
        query = select(*_CHECKPOINT).where(CHECKPOINTS.c.size < below)
        rows = self._connection.execute(query.order_by(CHECKPOINTS.c.size.desc()).limit(limit))
        return [StoredCheckpoint(*row) for row in rows]

    def entry(self, index: int) -> StoredEntry | None:
        """The entry at ``index``."""
        rows = self._driver.fetch(f"{_ENTRIES} WHERE leaf_index = ?", (index,))
        return self._entry(rows[0]) if rows else None

    def leaf(self, index: int) -> StoredLeaf | None:
        """What a proof says of the entry at ``index``."""
        rows = self._driver.fetch(_LEAF, (index,))
        return StoredLeaf(*rows[0]) if rows else None

    def entries(self, start: int, stop: int) -> list[StoredEntry]:
        """The entries ``start`` <= index < ``stop``, in order."""
        rows = self._driver.fetch(f"{_ENTRIES} {_FROM_TO}", (start, stop))
        return [self._entry(row) for row in rows]

    def entries_at(self, indices: Collection[int]) -> dict[int, StoredEntry]:
        """The entries at ``indices``, by index; what does not exist is absent."""
        found: dict[int, StoredEntry] = {}
        for some in batched(indices, VALUES_AT_ONCE):
            query = select(*_ENTRY).where(ENTRIES.c.leaf_index.in_(some))
            found.update((row[0], self._entry(row)) for row in self._connection.execute(query))
        return found

    def iterate_entries(self, start: int, stop: int) -> Iterator[StoredEntry]:
        """The same, a few thousand at a time, for walks over the whole log."""
        for first in range(start, stop, ROWS_AT_ONCE):
            yield from self.entries(first, min(first + ROWS_AT_ONCE, stop))

    def entries_of_job(
        self, job_id: str, *, size: int, kinds: Collection[str] = ()
    ) -> list[StoredEntry]:
        """Every entry about a job, or those of some kinds, in log order."""
        rows = self._driver.fetch(_OF_JOB, (job_id, job_id, job_id, job_id, size))
        found = [self._entry(row) for row in rows]
        return [entry for entry in found if entry.kind in kinds] if kinds else found

    def last_about_jobs(self, start: int, stop: int, *, size: int) -> list[tuple[str, int]]:
        """(job, index) of the entries between that are the last about their job below ``size``."""
        return self._driver.fetch(
            _LAST_ABOUT_JOBS,
            (start, stop, size, size, size),
        )

    def entries_of_kind(self, kind: str, *, start: int) -> list[StoredEntry]:
        """Every entry of a kind from ``start`` on, in log order; reads all that lies there."""
        rows = self._driver.fetch(
            f"{_ENTRIES} WHERE leaf_index >= ? AND kind = ? ORDER BY leaf_index", (start, kind)
        )
        return [self._entry(row) for row in rows]

    def some_of_kind(self, kind: str, *, start: int, limit: int) -> list[StoredEntry]:
        """The first entries of a kind from ``start`` on, in log order, at most ``limit``."""
        rows = self._driver.fetch(
            f"{_ENTRIES} WHERE leaf_index >= ? AND kind = ? ORDER BY leaf_index LIMIT ?",
            (start, kind, limit),
        )
        return [self._entry(row) for row in rows]

    def entries_about_no_job(self, kind: str, *, start: int, stop: int) -> list[StoredEntry]:
        """The entries ``start`` <= index < ``stop`` of a kind that names no job, in order.

        Reads those about no job alone: there are few of them, however long the log is.
        """
        rows = self._driver.fetch(
            f"{_ENTRIES} WHERE job_id IS NULL AND {UNVERSIONED} AND leaf_index >= ?"
            " AND leaf_index < ? AND kind = ? ORDER BY leaf_index",
            (start, stop, kind),
        )
        return [self._entry(row) for row in rows]

    def entry_bytes(self, start: int, stop: int) -> list[bytes]:
        """The bytes of the entries ``start`` <= index < ``stop``, in order."""
        rows = self._driver.fetch(f"SELECT data FROM entries {_FROM_TO}", (start, stop))  # noqa: S608 - ours
        return [row[0] for row in rows]

    def leaf_hashes(self, start: int, stop: int) -> list[bytes]:
        """The leaf hashes ``start`` <= index < ``stop``, in order."""
        rows = self._driver.fetch(f"SELECT leaf_hash FROM entries {_FROM_TO}", (start, stop))  # noqa: S608 - ours
        return [row[0] for row in rows]

    def tile(self, level: int, n: int) -> bytes | None:
        """The 8,192 bytes of a full hash tile."""
        rows = self._driver.fetch("SELECT hashes FROM tiles WHERE level = ? AND n = ?", (level, n))
        return rows[0][0] if rows else None

    def tile_roots(self, level: int, start: int, stop: int) -> list[bytes]:
        """The subtree hashes of the full tiles ``start`` <= n < ``stop`` of a level, in order."""
        rows = self._driver.fetch(
            "SELECT root FROM tiles WHERE level = ? AND n >= ? AND n < ? ORDER BY n",
            (level, start, stop),
        )
        return [row[0] for row in rows]

    def nodes(self, level: int, start: int, stop: int) -> list[bytes]:
        """The nodes ``start`` <= n < ``stop`` of a level that are stored, in order."""
        rows = self._driver.fetch(
            "SELECT hash FROM nodes WHERE level = ? AND n >= ? AND n < ? ORDER BY n",
            (level, start, stop),
        )
        return [row[0] for row in rows]

    # --- the embargo ---

    def opening(self, index: int) -> bytes | None:
        """The encrypted opening of a sealed entry."""
        return self._blob(select(OPENINGS.c.ciphertext).where(OPENINGS.c.leaf_index == index))

    def tags(self, index: int) -> StoredTags:
        """What tells the sealed weights and model of the entry at ``index`` from others."""
        query = select(OPENINGS.c.weights_tag, OPENINGS.c.model_tag)
        row = self._connection.execute(query.where(OPENINGS.c.leaf_index == index)).first()
        return StoredTags(row[0], row[1]) if row else StoredTags(None, None)

    def embargo(self, index: int) -> StoredEmbargo | None:
        """The embargo of the sealed entry at ``index``."""
        row = self._connection.execute(
            select(EMBARGOES).where(EMBARGOES.c.leaf_index == index)
        ).first()
        return embargo_of(row) if row else None

    def due(self, *, now: int, after: int, limit: int) -> list[StoredEmbargo]:
        """Sealed entries past index ``after`` whose deadline has come, in log order."""
        # An expression, so that no engine walks all embargoes in the order of their key: what is
        # due is found in the index of deadlines that are still sealed, and there is little of it.
        index = EMBARGOES.c.leaf_index + 0
        query = select(EMBARGOES).where(
            EMBARGOES.c.disclosed_index.is_(None), EMBARGOES.c.publish_by <= now, index > after
        )
        rows = self._connection.execute(query.order_by(index).limit(limit))
        return [embargo_of(row) for row in rows]

    def withheld(self, *, below: int, limit: int) -> list[StoredEmbargo]:
        """Sealed entries of which the committee withheld a part before ``below``, newest first."""
        query = select(EMBARGOES).where(EMBARGOES.c.withheld_index < below)
        rows = self._connection.execute(
            query.order_by(EMBARGOES.c.withheld_index.desc()).limit(limit)
        )
        return [embargo_of(row) for row in rows]

    def count_withheld(self, *, size: int) -> int:
        """How many of the entries below ``size`` withhold something."""
        query = select(func.count()).select_from(EMBARGOES)
        return self._integer(query.where(EMBARGOES.c.withheld_index < size)) or 0

    def next_deadline(self) -> int | None:
        """The earliest ``publish_by`` of what is still sealed."""
        return self._integer(
            select(func.min(EMBARGOES.c.publish_by)).where(EMBARGOES.c.disclosed_index.is_(None))
        )

    def count_sealed(self, *, size: int, due_until: int | None = None) -> int:
        """How many entries are sealed as of ``size``, of those due by ``due_until`` if given."""
        query = select(func.count()).select_from(EMBARGOES).where(self._sealed_as_of(size))
        if due_until is not None:
            query = query.where(EMBARGOES.c.publish_by <= due_until)
        return self._integer(query) or 0

    def egress_since(self, day: int) -> int:
        """Bytes that all members let out on ``day`` (since 1970) and later, within 30 days."""
        query = "SELECT COALESCE(SUM(used_bytes), 0) FROM egress_days WHERE day >= ?"
        return int(self._driver.fetch(query, (day,))[0][0])

    def sealings(self, start: int, stop: int) -> list[tuple[int, int]]:
        """(index, ``publish_by``) of the sealed entries from ``start`` up to ``stop``, in order."""
        return self._driver.fetch(
            "SELECT leaf_index, publish_by FROM embargoes"
            " WHERE leaf_index >= ? AND leaf_index < ? ORDER BY leaf_index",
            (start, stop),
        )

    def openings_made(self, start: int, stop: int) -> list[tuple[int, int, int]]:
        """(index of what it opens, own index, ``logged_at``) of the disclosures between."""
        return self._driver.fetch(
            "SELECT d.discloses, d.disclosed_index, e.logged_at FROM disclosures d"
            " JOIN entries e ON e.leaf_index = d.disclosed_index"
            " WHERE d.disclosed_index >= ? AND d.disclosed_index < ? ORDER BY d.disclosed_index",
            (start, stop),
        )

    def disclosure_of(self, index: int, *, size: int) -> int | None:
        """The index of the entry that opened the entry at ``index``."""
        return self._integer(
            select(DISCLOSURES.c.disclosed_index).where(
                DISCLOSURES.c.discloses == index, DISCLOSURES.c.disclosed_index < size
            )
        )

    def disclosures(self, *, below: int, limit: int) -> list[tuple[int, int]]:
        """(discloses, disclosed_index) with disclosed_index < ``below``, newest first."""
        query = select(DISCLOSURES.c.discloses, DISCLOSURES.c.disclosed_index).where(
            DISCLOSURES.c.disclosed_index < below
        )
        rows = self._connection.execute(
            query.order_by(DISCLOSURES.c.disclosed_index.desc()).limit(limit)
        )
        return [(row[0], row[1]) for row in rows]

    def count_disclosures(self, *, size: int) -> int:
        """How many sealed entries had been opened at this tree size."""
        return (
            self._integer(
                select(func.count())
                .select_from(DISCLOSURES)
                .where(DISCLOSURES.c.disclosed_index < size)
            )
            or 0
        )

    # --- the charter ---

    def charters(self, *, size: int) -> Charters:
        """Every version of the charter that a tree of ``size`` entries holds."""
        rows = self._driver.fetch(
            "SELECT leaf_index, in_force_from, rules FROM charters WHERE leaf_index < ? "
            "ORDER BY leaf_index",
            (size,),
        )
        return Charters(
            Version(index, begins, parse_charter(msgspec.json.decode(rules)))
            for index, begins, rules in rows
        )

    # --- jobs and authors ---

    def job(self, job_id: str, *, size: int) -> StoredJob | None:
        """A job as of ``size``."""
        row = self._connection.execute(
            select(JOBS).where(JOBS.c.job_id == job_id, _version_as_of(size))
        ).first()
        return _job(row) if row else None

    def jobs_at(self, indices: Iterable[int], *, size: int) -> dict[int, StoredJob]:
        """The jobs submitted at ``indices``, by index, as of ``size``; others are absent."""
        found: dict[int, StoredJob] = {}
        for some in batched(indices, VALUES_AT_ONCE):
            rows = self._driver.fetch(
                f"{_JOBS} WHERE since < ? AND until >= ?"
                f" AND submitted_index IN ({', '.join('?' * len(some))})",
                (size, size, *some),
            )
            for row in rows:
                job = _job_of(row)
                found[job.submitted_index] = job
        return found

    def iterate_jobs(self, *, size: int) -> Iterator[StoredJob]:
        """Every job as of ``size`` in the order of submission, a few thousand at a time."""
        # The sign keeps the database from going by the index of versions, most of which fit.
        for first in range(0, size, ROWS_AT_ONCE):
            rows = self._driver.fetch(
                f"{_JOBS} WHERE +since < ? AND until >= ?"
                " AND submitted_index >= ? AND submitted_index < ? ORDER BY submitted_index",
                (size, size, first, min(first + ROWS_AT_ONCE, size)),
            )
            yield from map(_job_of, rows)

    def embargoes_at(self, indices: Iterable[int]) -> dict[int, StoredEmbargo]:
        """The embargoes of the sealed entries at ``indices``, by index; others are absent."""
        rows = self._driver.fetch_in(_EMBARGOES_AT, indices)
        return {row[0]: StoredEmbargo(*row) for row in rows}

    def job_versions(self, start: int, stop: int) -> Iterator[list[DriverRow]]:
        """The versions that the entries ``start`` <= index < ``stop`` made; ``read_versions``."""
        return read_versions(self._driver, start, stop)

    def jobs_by_id(self, job_ids: list[str], *, size: int) -> dict[str, StoredJob]:
        """Several jobs as of ``size``; what does not exist is absent."""
        found: dict[str, StoredJob] = {}
        for some in batched(job_ids, VALUES_AT_ONCE):
            query = select(JOBS).where(JOBS.c.job_id.in_(some), _version_as_of(size))
            found.update((row.job_id, _job(row)) for row in self._connection.execute(query))
        return found

    def jobs_when(self, places: Collection[tuple[str, int]]) -> dict[tuple[str, int], StoredJob]:
        """Jobs as they were at entries: by (job, index), as of the tree that ends there."""
        wanted: dict[str, list[int]] = {}
        for job_id, index in places:
            wanted.setdefault(job_id, []).append(index)
        found: dict[tuple[str, int], StoredJob] = {}
        for row in self._driver.fetch_in(f"{_JOBS} WHERE job_id IN", wanted):
            version = _job_of(row)
            for index in wanted[version.job_id]:
                if version.since <= index < version.until:
                    found[version.job_id, index] = version
        return found

    def author_keys(self, *, size: int) -> list[StoredKey]:
        """Every author's key registered before ``size``, in the order of registration."""
        query = select(AUTHOR_KEYS).where(
            AUTHOR_KEYS.c.since < size, AUTHOR_KEYS.c.role != LOG_ROLE
        )
        rows = self._connection.execute(
            query.order_by(AUTHOR_KEYS.c.since, AUTHOR_KEYS.c.name, AUTHOR_KEYS.c.key_id)
        )
        return [StoredKey(**row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's documented name

    def log_keys(self, *, size: int) -> list[tuple[int, str]]:
        """The keys that followed the log's first one before ``size``: entry and vkey, in order."""
        query = select(AUTHOR_KEYS.c.since, AUTHOR_KEYS.c.vkey).where(
            AUTHOR_KEYS.c.since < size, AUTHOR_KEYS.c.role == LOG_ROLE
        )
        return [
            (since, vkey)
            for since, vkey in self._connection.execute(query.order_by(AUTHOR_KEYS.c.since))
        ]

    def _checkpoint(self, which: str, *values: int) -> StoredCheckpoint | None:
        rows = self._driver.fetch(
            f"SELECT size, root, logged_at, note FROM checkpoints {which}",  # noqa: S608 - ours
            values,
        )
        return StoredCheckpoint(*rows[0]) if rows else None

    def _integer(self, query: Select[Any]) -> int | None:
        return cast("int | None", self._connection.execute(query).scalar())

    def _blob(self, query: Select[Any]) -> bytes | None:
        return cast("bytes | None", self._connection.execute(query).scalar())

    def _sealed_as_of(self, size: int) -> ColumnElement[bool]:
        below = EMBARGOES.c.leaf_index < size
        newest = self._integer(select(func.max(DISCLOSURES.c.disclosed_index)))
        if newest is None or newest < size:
            # The partial index holds exactly these; the OR below would scan every embargo.
            return and_(below, EMBARGOES.c.disclosed_index.is_(None))
        later = EMBARGOES.c.disclosed_index >= size
        return and_(below, or_(EMBARGOES.c.disclosed_index.is_(None), later))


def _as_stored(row: Any) -> StoredEntry:  # noqa: ANN401 - a row of either driver
    return StoredEntry(*row)


def _sound(row: Any) -> StoredEntry:  # noqa: ANN401 - a row of either driver
    """The value of a row of ``entries``. Raises Damaged."""
    entry = StoredEntry(*row)
    if leaf_hash(entry.data) != entry.leaf_hash:
        raise Damaged(f"the bytes of entry {entry.index} do not have its leaf hash")
    return entry


def embargo_of(row: Row[Any]) -> StoredEmbargo:
    """The value of a row of ``embargoes``."""
    return StoredEmbargo(
        index=row.leaf_index,
        job_id=row.job_id,
        author=row.author,
        publish_by=row.publish_by,
        disclosed_index=row.disclosed_index,
        withheld_index=row.withheld_index,
    )


def _job(row: Row[Any]) -> StoredJob:
    values = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's documented name
    if values["weights_unchanged"] is not None:
        values["weights_unchanged"] = bool(values["weights_unchanged"])
    return StoredJob(**values)


def _job_of(row: DriverRow) -> StoredJob:
    """The value of a row of ``jobs`` whose columns stand in the table's order."""
    values = list(row)
    if values[_UNCHANGED] is not None:
        values[_UNCHANGED] = bool(values[_UNCHANGED])
    return StoredJob(*values)


def _version_as_of(size: int) -> ColumnElement[bool]:
    return and_(JOBS.c.since < size, JOBS.c.until >= size)
