"""What the orchestrator has to say, kept on disk until the log has it: signed once, sent often.

A folder with a SQLite file and a receipt for each answered statement. A statement stays in it, with
the opening of what it seals, from before it is first sent until it is answered or refused for good;
then its bytes are gone and its key stays, so that nothing is said twice. The folder is its owner's
alone: who reads it could open what still waits, who writes it can keep statements from the log.

Nothing is sent from here: who has a connection brings ``send``.
"""

import os
import re
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import Final

from ledger.errors import LedgerError

Send = Callable[[bytes], bytes]
"""Posts a body and returns the verified receipt. Raises NotTaken where the ledger says no for good,
and any other LedgerError where nothing is known: then the same bytes are sent again later."""

BUSY_TIMEOUT_S: Final = 60.0
MAX_WAITING: Final = 100_000
"""Statements that wait at once; a further one is not taken, whoever floods the disk."""
MAX_FAILURES: Final = 3
"""After so many statements that could not be sent, the rest waits for the next time."""
RECEIPT: Final = ".tlog-proof"
FILE: Final = "outbox.db"

_KEY: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,149}", re.ASCII)
_TABLES: Final = (
    """CREATE TABLE IF NOT EXISTS said (
    number INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE, about TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'answered', 'refused')),
    body BLOB, digest TEXT NOT NULL UNIQUE, trouble TEXT NOT NULL DEFAULT '',
    CHECK ((state = 'waiting') = (body IS NOT NULL))
) STRICT""",
    "CREATE INDEX IF NOT EXISTS waiting ON said (number) WHERE state = 'waiting'",
)
# A process that closes any handle on a file gives up its POSIX locks on it, those of its other
# threads too: one thread at a time has the file open.
_alone: Final = Lock()


class OutboxError(LedgerError):
    """The folder cannot be used: nothing can be kept for the log until it can."""


class SameStatement(OutboxError):
    """Another key has said these very bytes: the log would take both as one."""


class NotTaken(LedgerError):
    """The ledger refused a statement for good: sending it again would change nothing."""


class State(StrEnum):
    """What became of a statement."""

    WAITING = "waiting"
    ANSWERED = "answered"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Kept:
    """One statement of the outbox. ``trouble``: what the ledger, or the network, said last."""

    key: str
    state: State
    trouble: str


@dataclass(frozen=True, slots=True)
class Sent:
    """What one round of sending came to, by keys."""

    answered: tuple[str, ...]
    refused: tuple[Kept, ...]
    waiting: int
    """Statements that still wait, tried in this round or not."""
    trouble: str
    """The last thing that kept one of them waiting; empty where none does."""


class Outbox:
    """The outbox in ``folder``, made on first use. Any number of processes may share it."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)

    def put(self, key: str, body: bytes, *, about: str) -> bool:
        """Keep ``body`` until it is answered; False where ``key`` was used before.

        ``key`` names what is said, so that it is said once: lower case, digits, ``._-``, at most
        150. Statements with the same ``about``, a job or a run, are sent in the order in which they
        came. Returns once the statement is on the disk. Raises SameStatement, OutboxError.
        """
        if not _KEY.fullmatch(key):
            raise OutboxError("a key of an outbox is 1 to 150 of a-z, 0-9, '.', '_' and '-'")
        with self._open() as file:
            (waiting,) = file.execute(
                "SELECT count(*) FROM said WHERE state = 'waiting'"
            ).fetchone()
            if waiting >= MAX_WAITING:
                raise OutboxError(
                    f"{self.folder}: {waiting} statements wait for the ledger already"
                )
            digest = sha256(body).hexdigest()
            same = file.execute("SELECT key FROM said WHERE digest = ?", (digest,)).fetchone()
            if same is not None and same[0] != key:
                raise SameStatement(f"{self.folder}: {same[0]} says the same already")
            done = file.execute(
                "INSERT INTO said (key, about, state, body, digest)"
                " VALUES (?, ?, 'waiting', ?, ?) ON CONFLICT (key) DO NOTHING",
                (key, about, body, digest),
            )
            return done.rowcount == 1

    def find(self, key: str) -> Kept | None:
        """The statement of this key; None where nothing was said under it."""
        with self._open() as file:
            row = file.execute(
                "SELECT key, state, trouble FROM said WHERE key = ?", (key,)
            ).fetchone()
        return None if row is None else Kept(row[0], State(row[1]), row[2])

    def keys(self, prefix: str) -> list[str]:
        """The keys that begin with ``prefix``, in the order in which they came."""
        with self._open() as file:
            rows = file.execute(
                "SELECT key FROM said WHERE substr(key, 1, ?) = ? ORDER BY number",
                (len(prefix), prefix),
            )
            return [row[0] for row in rows]

    def receipt(self, key: str) -> Path:
        """Where the receipt of a statement lies once it is answered."""
        return self.folder / f"{key}{RECEIPT}"

    def work(self, send: Send) -> Sent:
        """Send what waits, oldest first; nothing is forgotten that was not answered.

        A crash at any point sends a statement again, and the ledger answers as it did before.
        Raises OutboxError.
        """
        answered: list[str] = []
        refused: list[Kept] = []
        behind: set[str] = set()
        trouble, failures = "", 0
        for number, key, about in self._waiting():
            if about in behind:
                continue
            body = self._body(number)
            if body is None:
                continue  # another process was faster
            try:
                proof = send(body)
            except NotTaken as error:
                refused.append(Kept(key, State.REFUSED, str(error)))
                self._settle(number, State.REFUSED, str(error))
            except LedgerError as error:
                trouble = str(error)
                self._note(number, trouble)
                behind.add(about)
                failures += 1
                if failures >= MAX_FAILURES:
                    break
            else:
                self._keep(key, proof)
                self._settle(number, State.ANSWERED, "")
                answered.append(key)
        waiting = len(self._waiting())
        return Sent(tuple(answered), tuple(refused), waiting, trouble if waiting else "")

    def _waiting(self) -> list[tuple[int, str, str]]:
        with self._open() as file:
            return file.execute(
                "SELECT number, key, about FROM said WHERE state = 'waiting' ORDER BY number"
            ).fetchall()

    def _body(self, number: int) -> bytes | None:
        with self._open() as file:
            row = file.execute("SELECT body FROM said WHERE number = ?", (number,)).fetchone()
        return None if row is None else row[0]

    def _note(self, number: int, trouble: str) -> None:
        with self._open() as file:
            file.execute("UPDATE said SET trouble = ? WHERE number = ?", (trouble[:1000], number))

    def _settle(self, number: int, state: State, trouble: str) -> None:
        with self._open() as file:
            file.execute(
                "UPDATE said SET state = ?, trouble = ?, body = NULL"
                " WHERE number = ? AND state = 'waiting'",
                (state.value, trouble[:1000], number),
            )

    def _keep(self, key: str, proof: bytes) -> None:
        """Write the receipt, whole and on disk before it has its name; the same one again is it."""
        path = self.receipt(key)
        partial = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            with partial.open("wb") as file:
                file.write(proof)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise OutboxError(f"{path}: {error.strerror}") from None

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """The file in one transaction that keeps every other process out."""
        with _alone:
            try:
                path = self._make()
                connecting = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
                with closing(connecting) as file:
                    file.execute("PRAGMA synchronous = EXTRA")
                    # What was answered leaves no opening behind in the file's free pages.
                    file.execute("PRAGMA secure_delete = ON")
                    file.execute("BEGIN IMMEDIATE")
                    for each in _TABLES:
                        file.execute(each)
                    yield file
                    file.execute("COMMIT")
            except sqlite3.Error as error:
                raise OutboxError(f"{self.folder / FILE}: {error}") from None
            except OSError as error:
                raise OutboxError(f"{self.folder}: {error.strerror or error}") from None

    def _make(self) -> Path:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self.folder / FILE
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        mode = path.lstat().st_mode
        if not stat.S_ISREG(mode) or mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise OutboxError(f"{path} has to be a regular file that its owner alone can read")
        return path
