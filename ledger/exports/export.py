"""Makes a set of bulk files from one snapshot, at one published tree size.

A set is a function of the tree: made again at the same size, by the same version, it has the same
bytes. So one that was interrupted is taken up where it was left, and one that is there is kept. It
appears under its name in one move, when everything in it is on the disk, and ``latest`` follows.
"""

import fcntl
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from sqlite3 import Error as SqliteError
from types import MappingProxyType
from typing import Final

from ledger.client.handovers import signing_key
from ledger.errors import LedgerError, NotFound
from ledger.exports import describing, sets
from ledger.exports.columns import Table
from ledger.exports.database import write_database
from ledger.exports.datasette import metadata
from ledger.exports.describing import About
from ledger.exports.flat import write_entries, write_table
from ledger.exports.partial import Partial, sync
from ledger.exports.proofs import write_proofs
from ledger.exports.tables import TABLES, Rows
from ledger.records.deadline import format_time
from ledger.records.entry import Genesis, parse_entry
from ledger.storage.shapes import StoredCheckpoint
from ledger.storage.snapshot import Snapshot
from ledger.storage.store import Store
from ledger.tlog.note import format_vkey, parse_vkey

Progress = Callable[[str, int, int], None]
"""Is told what is being made, how much of it is behind, and of how much."""
Extra = Callable[[Snapshot, int, Callable[[int], None]], bytes]
"""The bytes of a further file, from a snapshot, a tree size, and whom to tell how far it is.

They have to be a function of the entries below that size, as everything in a set is.
"""

VERSION: Final = 2
"""Of the files' form: what an older version has begun is made from the beginning."""
LOCK: Final = ".lock"
ENTRIES: Final = "entries.ndjson.zst"
DATABASE: Final = "ledger.sqlite"


class ExportFailed(LedgerError):
    """The files could not be made; what was there before stands as it stood."""


class ExportRunning(LedgerError):
    """Another process is making files in the same folder."""


def export(
    store: Store,
    folder: Path,
    *,
    public_url: str,
    size: int | None = None,
    progress: Progress = lambda _what, _done, _total: None,
    extras: Mapping[str, Extra] = MappingProxyType({}),
) -> str:
    """Make the set of ``size`` entries, or of the newest published tree; its name in ``folder``.

    ``extras`` are further files of the set by their names, which ``describing`` knows too.

    Raises NotFound for a size at which no checkpoint was published, ExportRunning, ExportFailed;
    Damaged, and leaves no set, where entries or tiles are not those of the tree.
    """
    import duckdb  # noqa: PLC0415 - as in ``flat``

    folder.mkdir(parents=True, exist_ok=True)
    try:
        with _alone(folder), store.snapshot() as snapshot:
            checkpoint = _checkpoint(snapshot, size)
            day = datetime.fromtimestamp(checkpoint.logged_at, UTC)
            name = f"{day:%Y-%m-%d}-{checkpoint.size}"
            if not (folder / name).is_dir():
                _Making(
                    snapshot,
                    folder=folder,
                    name=name,
                    checkpoint=checkpoint,
                    public_url=public_url,
                    progress=progress,
                    extras=extras,
                ).make()
            _point_to(folder, name)
    except (duckdb.Error, SqliteError) as error:
        raise ExportFailed(f"the files cannot be written: {str(error).splitlines()[0]}") from None
    return name


class _Making:
    """One set while it is made."""

    def __init__(
        self,
        snapshot: Snapshot,
        *,
        folder: Path,
        name: str,
        checkpoint: StoredCheckpoint,
        public_url: str,
        progress: Progress,
        extras: Mapping[str, Extra],
    ) -> None:
        self._extras = extras
        self._snapshot = snapshot
        self._folder = folder
        self._checkpoint = checkpoint
        self._size = checkpoint.size
        self._progress = progress
        self._genesis = _genesis(snapshot)
        self._about = About(
            name=name,
            origin=self._genesis.origin,
            size=checkpoint.size,
            root=checkpoint.root.hex(),
            made_at=format_time(checkpoint.logged_at),
            address=f"{public_url}/bulk/{name}/",
        )
        self._partial = Partial(
            folder / f".partial-{checkpoint.size}",
            about=" ".join(
                (str(VERSION), checkpoint.root.hex(), self._genesis.vkey, *sorted(extras))
            ),
        )

    def make(self) -> None:
        """Make what is missing, then give the whole its name."""
        made = self._partial
        made.do([ENTRIES], self._entries)
        for table, rows in TABLES:
            names = [f"{table.name}.csv", f"{table.name}.parquet"]
            made.do(names, partial(self._table, table, rows))
        made.do([DATABASE], self._database)
        made.do(["proofs.tar"], self._proofs)
        for name, extra in self._extras.items():
            made.do([name], partial(self._extra, name, extra))
        made.write("checkpoint", self._checkpoint.note)
        made.write("metadata.json", metadata(self._about))
        data = dict(made.files)
        made.write(sets.PACKAGE, describing.data_package(self._about, data))
        made.write("croissant.json", describing.croissant(self._about, data))
        made.write("dataset.jsonld", describing.json_ld(self._about, data))
        made.close()
        made.folder.rename(self._folder / self._about.name)
        sync(self._folder)

    def _entries(self) -> Mapping[str, int]:
        path = self._partial.folder / ENTRIES
        return {ENTRIES: write_entries(path, self._snapshot, self._size, self._told(ENTRIES))}

    def _table(self, table: Table, rows: Rows) -> Mapping[str, int]:
        csv = self._partial.folder / f"{table.name}.csv"
        parquet = self._partial.folder / f"{table.name}.parquet"
        count = write_table(
            table,
            rows(self._snapshot, self._size),
            csv=csv,
            parquet=parquet,
            scratch=self._partial.scratch,
            progress=self._told(table.name),
        )
        return {csv.name: count, parquet.name: count}

    def _database(self) -> Mapping[str, int]:
        path = self._partial.folder / DATABASE
        count = write_database(
            path, self._snapshot, self._size, self._about.texts(), self._told(DATABASE)
        )
        return {DATABASE: count}

    def _vkey(self) -> str:
        """The oldest of the log's keys that has signed the checkpoint of this set."""
        later = [vkey for _, vkey in self._snapshot.log_keys(size=self._size)]
        chain = [parse_vkey(vkey) for vkey in (self._genesis.vkey, *later)]
        signing = signing_key(self._checkpoint.note, chain)
        return format_vkey(signing) if signing else self._genesis.vkey

    def _proofs(self) -> Mapping[str, None]:
        path = self._partial.folder / "proofs.tar"
        write_proofs(
            path,
            self._snapshot,
            self._size,
            root=self._checkpoint.root,
            note=self._checkpoint.note,
            vkey=self._vkey(),
            made_at=self._checkpoint.logged_at,
        )
        return {path.name: None}

    def _extra(self, name: str, extra: Extra) -> Mapping[str, None]:
        data = extra(self._snapshot, self._size, self._told(name))
        (self._partial.folder / name).write_bytes(data)
        return {name: None}

    def _told(self, what: str) -> Callable[[int], None]:
        return lambda done: self._progress(what, done, self._size)


def _checkpoint(snapshot: Snapshot, size: int | None) -> StoredCheckpoint:
    newest = snapshot.newest_checkpoint()
    if newest is None:
        raise NotFound("this ledger has published no checkpoint yet")
    if size is None:
        return newest
    found = snapshot.checkpoint(size)
    if found is None:
        below = [each.size for each in snapshot.checkpoints(below=size, limit=1)]
        near = f"; the next smaller one is {below[0]}" if below else ""
        raise NotFound(f"no checkpoint was published at {size} entries{near}")
    return found


def _genesis(snapshot: Snapshot) -> Genesis:
    stored = snapshot.entry(0)
    genesis = parse_entry(stored.data).genesis if stored else None
    if genesis is None:
        raise NotFound("this ledger has no genesis entry yet")
    return genesis


def _point_to(folder: Path, name: str) -> None:
    """Let ``latest`` be the set ``name``, unless it is one of a larger tree."""
    known = sets.latest(folder)
    if known is not None and (sets.size_of(known) or 0) >= (sets.size_of(name) or 0):
        return
    fresh = folder / f".{sets.LATEST}.new"
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(name, target_is_directory=True)
    fresh.replace(folder / sets.LATEST)
    sync(folder)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the folder's lock, which the system gives back however this process ends."""
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ExportRunning(f"another process is making files in {folder}") from None
        yield
    finally:
        os.close(descriptor)
