"""What a witness remembers: a SQLite file with one checkpoint a log, and who is followed.

Reading and replacing a checkpoint is one transaction that keeps every other writer out, among
threads and processes; it is on the disk when it ends. Triggers refuse a smaller tree, another root
for the same one, and forgetting; the time that was stated last is one for all logs. An attacker who
can write this file can make the witness cosign a fork; one who can only read it learns nothing that
is not served to everyone.
"""

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any, Final

from ledger.errors import FormatError, LedgerError
from ledger.tlog.note import LOG_TYPES, VerifierKey, format_vkey, parse_vkey
from ledger.witness.decision import Latest

BUSY_TIMEOUT_S: Final = 10.0
MAX_CONFLICTS: Final = 16
"""Conflicting checkpoints that are kept of one log; the first ones prove enough."""

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS witness (
    one INTEGER PRIMARY KEY CHECK (one = 1), vkey TEXT NOT NULL, time_s INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS log_key (
    origin TEXT NOT NULL, vkey TEXT NOT NULL, PRIMARY KEY (origin, vkey)
) STRICT;
CREATE TABLE IF NOT EXISTS dropped_key (
    origin TEXT NOT NULL, vkey TEXT NOT NULL, PRIMARY KEY (origin, vkey)
) STRICT;
CREATE TABLE IF NOT EXISTS latest (
    origin TEXT PRIMARY KEY, hash TEXT NOT NULL UNIQUE, size INTEGER NOT NULL,
    root BLOB NOT NULL, time_s INTEGER NOT NULL, note BLOB NOT NULL, lines BLOB NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS conflict (
    origin TEXT NOT NULL, size INTEGER NOT NULL, root BLOB NOT NULL,
    time_s INTEGER NOT NULL, held BLOB NOT NULL, note BLOB NOT NULL,
    PRIMARY KEY (origin, size, root)
) STRICT;
CREATE TRIGGER IF NOT EXISTS latest_continues BEFORE UPDATE ON latest
WHEN NEW.origin != OLD.origin OR NEW.size < OLD.size
    OR (NEW.size = OLD.size AND NEW.root != OLD.root)
BEGIN SELECT RAISE(ABORT, 'what was cosigned is not taken back'); END;
CREATE TRIGGER IF NOT EXISTS latest_stays BEFORE DELETE ON latest
BEGIN SELECT RAISE(ABORT, 'what was cosigned is not forgotten'); END;
"""


class WitnessError(LedgerError):
    """A witness that cannot start or go on; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Cosigned:
    """The newest checkpoint of a log: ``note`` has the log's lines and the witness's own.

    ``lines`` are the witness's alone, as they were answered at ``time_s``, unix seconds.
    """

    latest: Latest
    time_s: int
    note: bytes
    lines: bytes


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two notes that a log has signed, of one size and with two roots; ``held`` was cosigned."""

    time_s: int
    held: bytes
    note: bytes


@dataclass(frozen=True, slots=True)
class FollowedLog:
    """A log that is followed, and what was cosigned of it last, if anything was."""

    origin: str
    vkeys: tuple[str, ...]
    cosigned: Cosigned | None


def origin_hash(origin: str) -> str:
    """Return the lower-case hex SHA-256 of an origin, which names it in an address."""
    return hashlib.sha256(origin.encode("utf-8")).hexdigest()


class State:
    """The open file. Threads share it; other processes may have it open too."""

    def __init__(self, path: Path) -> None:
        """Open the file at ``path``, or make it. Raises WitnessError."""
        self._path = path
        self._writing, self._reading = Lock(), Lock()
        try:
            self._writer = self._connect()
            self._writer.executescript(f"BEGIN IMMEDIATE;{_TABLES}COMMIT;")
            self._reader = self._connect()
        except sqlite3.Error as error:
            raise WitnessError(f"the witness's memory {path} cannot be opened: {error}") from None

    def close(self) -> None:
        """Close the file."""
        self._writer.close()
        self._reader.close()

    def bind(self, vkey: str, *, time_s: int) -> None:
        """Make this the memory of the witness ``vkey``. Raises WitnessError if it is another's.

        ``time_s`` is the earliest time that a new witness may state.
        """
        with self.changing() as change:
            found = change.vkey()
            if found is None:
                change.bind(vkey, time_s=time_s)
            elif found != vkey:
                raise WitnessError(
                    f"{self._path} is the memory of {found}, and the key at hand is {vkey}:"
                    f" put the file and the key together that belong together"
                )

    def follow(self, origin: str, key: VerifierKey, *, again: bool = False) -> bool:
        """Trust ``key`` for the checkpoints of ``origin``; False if it was trusted already.

        One that was dropped is trusted ``again`` only where that is said: a start with the options
        of before must not bring a stolen key back.
        """
        if key.type not in LOG_TYPES:
            raise FormatError(f"a log's key has the type 0x01 or 0x06, not {key.type:#04x}")
        if key.name != origin:
            raise FormatError(f"the key is named {key.name}; a log's key is named like its origin")
        vkey = format_vkey(key)
        with self.changing() as change:
            if change.is_dropped(origin, vkey) and not again:
                return False
            return change.follow(origin, vkey)

    def drop(self, key: VerifierKey) -> None:
        """Trust ``key`` no longer for the log that it is named after; what was cosigned stays.

        Raises WitnessError where it is not trusted, or no other key of that log is.
        """
        vkey = format_vkey(key)
        with self.changing() as change:
            trusted = change.vkeys(key.name)
            if vkey not in trusted:
                raise WitnessError(f"that key of {key.name} is not one that is trusted")
            if len(trusted) == 1:
                raise WitnessError(
                    f"that is the only key of {key.name}: add the one that follows it first"
                )
            change.drop(key.name, vkey)

    def is_dropped(self, key: VerifierKey) -> bool:
        """Whether ``key`` was dropped, and not added again since."""
        rows = self._read(
            "SELECT 1 FROM dropped_key WHERE origin = ? AND vkey = ?", key.name, format_vkey(key)
        )
        return bool(rows)

    def keys(self) -> dict[str, list[VerifierKey]]:
        """Return the keys of every log that is followed."""
        found: dict[str, list[VerifierKey]] = {}
        for origin, vkey in self._read("SELECT origin, vkey FROM log_key ORDER BY origin, vkey"):
            found.setdefault(origin, []).append(parse_vkey(vkey))
        return found

    def keys_of(self, origin: str) -> list[VerifierKey]:
        """Return the keys of one log, none if it is not followed."""
        rows = self._read("SELECT vkey FROM log_key WHERE origin = ? ORDER BY vkey", origin)
        return [parse_vkey(vkey) for (vkey,) in rows]

    def logs(self) -> list[FollowedLog]:
        """Return every log that is followed."""
        return [
            FollowedLog(origin, tuple(format_vkey(key) for key in keys), self.cosigned(origin))
            for origin, keys in self.keys().items()
        ]

    def cosigned(self, origin: str) -> Cosigned | None:
        """Return the newest cosigned checkpoint of a log."""
        rows = self._read(_COSIGNED, origin)
        return _cosigned(rows[0]) if rows else None

    def origin_of(self, hashed: str) -> str | None:
        """Return the origin with this ``origin_hash``, if anything of that log was cosigned."""
        rows = self._read("SELECT origin FROM latest WHERE hash = ?", hashed)
        return str(rows[0][0]) if rows else None

    def conflicts(self, origin: str) -> list[Conflict]:
        """Return the proofs that a log has signed two trees of one size, first seen first."""
        rows = self._read(
            "SELECT time_s, held, note FROM conflict WHERE origin = ? ORDER BY rowid", origin
        )
        return [Conflict(int(time_s), held, note) for time_s, held, note in rows]

    def time_s(self) -> int:
        """Return the latest time that this witness has stated, unix seconds."""
        rows = self._read("SELECT time_s FROM witness")
        return int(rows[0][0]) if rows else 0

    @contextmanager
    def changing(self) -> Iterator["Change"]:
        """One transaction; nothing else is read for a change, or changed, until it is durable.

        Raises WitnessError where the file does not take it: then nothing has changed.
        """
        with self._writing:
            try:
                self._writer.execute("BEGIN IMMEDIATE")
                try:
                    yield Change(self._writer)
                    self._writer.execute("COMMIT")
                except BaseException:
                    # SQLite has rolled back by itself after some errors, such as a full disk.
                    with suppress(sqlite3.Error):
                        self._writer.execute("ROLLBACK")
                    raise
            except sqlite3.Error as error:
                raise WitnessError(f"the witness's memory takes no change: {error}") from None

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
        )
        connection.execute("PRAGMA journal_mode=WAL")
        # WAL alone may lose the last transactions in a power cut; a witness may lose none.
        connection.execute("PRAGMA synchronous=FULL")
        return connection

    def _read(self, statement: str, *parameters: str) -> list[tuple[Any, ...]]:
        with self._reading:
            try:
                return self._reader.execute(statement, parameters).fetchall()
            except sqlite3.Error as error:
                raise WitnessError(f"the witness's memory cannot be read: {error}") from None


_COSIGNED: Final = "SELECT size, root, time_s, note, lines FROM latest WHERE origin = ?"


def _cosigned(row: tuple[Any, ...]) -> Cosigned:
    size, root, time_s, note, lines = row
    return Cosigned(Latest(size, root), time_s, note, lines)


class Change:
    """The memory while this transaction alone may change it."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def cosigned(self, origin: str) -> Cosigned | None:
        """Return the newest cosigned checkpoint of a log."""
        row = self._connection.execute(_COSIGNED, (origin,)).fetchone()
        return _cosigned(row) if row else None

    def keep(self, origin: str, cosigned: Cosigned) -> None:
        """Make this the newest one of its log, and its time the latest that was stated."""
        self._connection.execute(
            "INSERT INTO latest VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (origin) DO UPDATE SET"
            " size = excluded.size, root = excluded.root, time_s = excluded.time_s,"
            " note = excluded.note, lines = excluded.lines",
            (
                origin,
                origin_hash(origin),
                cosigned.latest.size,
                cosigned.latest.root,
                cosigned.time_s,
                cosigned.note,
                cosigned.lines,
            ),
        )
        self.set_time(cosigned.time_s)

    def keep_conflict(self, origin: str, latest: Latest, root: bytes, conflict: Conflict) -> None:
        """Keep the proof of a lie, unless it or enough others are kept already."""
        self._connection.execute(
            "INSERT OR IGNORE INTO conflict SELECT ?, ?, ?, ?, ?, ?"
            " WHERE (SELECT count(*) FROM conflict WHERE origin = ?) < ?",
            (
                origin,
                latest.size,
                root,
                conflict.time_s,
                conflict.held,
                conflict.note,
                origin,
                MAX_CONFLICTS,
            ),
        )

    def vkey(self) -> str | None:
        """Return the verifier key of the witness whose memory this is, None if it is new."""
        row = self._connection.execute("SELECT vkey FROM witness").fetchone()
        return str(row[0]) if row else None

    def bind(self, vkey: str, *, time_s: int) -> None:
        """Name the witness of a new memory."""
        self._connection.execute("INSERT INTO witness VALUES (1, ?, ?)", (vkey, time_s))

    def follow(self, origin: str, vkey: str) -> bool:
        """Add a key of a log; False if it is there."""
        added = self._connection.execute(
            "INSERT OR IGNORE INTO log_key VALUES (?, ?)", (origin, vkey)
        )
        self._connection.execute(
            "DELETE FROM dropped_key WHERE origin = ? AND vkey = ?", (origin, vkey)
        )
        return added.rowcount == 1

    def vkeys(self, origin: str) -> list[str]:
        """Return the keys of a log."""
        rows = self._connection.execute("SELECT vkey FROM log_key WHERE origin = ?", (origin,))
        return [str(vkey) for (vkey,) in rows]

    def drop(self, origin: str, vkey: str) -> None:
        """Take a key of a log away, and remember that it was."""
        self._connection.execute(
            "DELETE FROM log_key WHERE origin = ? AND vkey = ?", (origin, vkey)
        )
        self._connection.execute("INSERT INTO dropped_key VALUES (?, ?)", (origin, vkey))

    def is_dropped(self, origin: str, vkey: str) -> bool:
        """Whether a key of a log was dropped, and not added again since."""
        row = self._connection.execute(
            "SELECT 1 FROM dropped_key WHERE origin = ? AND vkey = ?", (origin, vkey)
        ).fetchone()
        return row is not None

    def time_s(self) -> int:
        """Return the latest time that this witness has stated, unix seconds."""
        return int(self._connection.execute("SELECT time_s FROM witness").fetchone()[0])

    def set_time(self, time_s: int) -> None:
        """Let no time before this one be stated."""
        self._connection.execute("UPDATE witness SET time_s = ?", (time_s,))
