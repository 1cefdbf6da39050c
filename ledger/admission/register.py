"""Which receipts have started a run: a SQLite file beside the scheduler, one row a job.

Taking a receipt is one transaction that keeps every other process out, and it is on the disk when
it ends. Triggers refuse changing and forgetting. The file is its owner's alone: who can write it
can start a second run with one receipt; who can read it learns job and run numbers.
"""

import os
import re
import sqlite3
import stat
from contextlib import closing, suppress
from pathlib import Path
from threading import Lock
from typing import Final

from ledger.admission.refusal import AdmissionRefused
from ledger.errors import FormatError
from ledger.records.charter import Code
from ledger.records.deadline import format_time

BUSY_TIMEOUT_S: Final = 60.0
"""How long a process waits for the others before the run is refused."""
MAX_RUN: Final = 200

_TABLES: Final = (
    """CREATE TABLE IF NOT EXISTS taken (
        job_id TEXT PRIMARY KEY, run TEXT NOT NULL, taken_at INTEGER NOT NULL
    ) STRICT""",
    """CREATE TRIGGER IF NOT EXISTS taken_stays BEFORE UPDATE ON taken
    BEGIN SELECT RAISE(ABORT, 'a receipt that was used stays used by its run'); END""",
    """CREATE TRIGGER IF NOT EXISTS taken_is_kept BEFORE DELETE ON taken
    BEGIN SELECT RAISE(ABORT, 'a receipt that was used is not forgotten'); END""",
)
_RUN: Final = re.compile(r"[!-~]([ -~]{0,198}[!-~])?", re.ASCII)
# A process that closes any handle on a file gives up its POSIX locks on it, those of its other
# threads too: one thread at a time has the register open.
_alone: Final = Lock()


class Register:
    """The file at ``path``, made on first use. Any number of processes may share it."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)

    def take(self, job_id: str, run: str, at: int) -> None:
        """Let ``run`` use the receipt of ``job_id``, at unix seconds ``at``, for good.

        ``run`` is the scheduler's own number of the run: 1 to 200 printable ASCII characters. The
        same run may ask again, as after a requeue. Returns once the row is on the disk.

        Raises AdmissionRefused: where another run has the receipt, and where the file cannot be
        read, written or trusted.
        """
        if not _RUN.fullmatch(run):
            raise AdmissionRefused(
                Code.Q_MALFORMED, f"A run is named by 1 to {MAX_RUN} printable ASCII characters."
            )
        try:
            format_time(at)
            with _alone:
                self._make()
                held, since = self._insert(job_id, run, at)
            when = format_time(since)
        except (sqlite3.Error, OSError, FormatError) as error:
            raise AdmissionRefused(
                Code.R3_MISSING_RECORD,
                "The register of used receipts on this cluster cannot be read or written"
                f" ({_reason(error)}), so no run can be started with a receipt.",
            ) from None
        if held != run:
            raise AdmissionRefused(
                Code.R3_MISSING_RECORD,
                f"The receipt of job {job_id} has started the run {held} already, at {when};"
                " one receipt starts one run.",
            )

    def run_of(self, job_id: str) -> str | None:
        """The run that has the receipt of ``job_id``; None where none has. Raises as ``runs``."""
        rows = self._read("SELECT job_id, run, taken_at FROM taken WHERE job_id = ?", job_id)
        return rows[0][1] if rows else None

    def runs(self) -> list[tuple[str, str, int]]:
        """Every job whose receipt was used, its run, and since when in unix seconds, oldest first.

        Raises AdmissionRefused where the file cannot be read or trusted.
        """
        return self._read("SELECT job_id, run, taken_at FROM taken ORDER BY taken_at, job_id")

    def _read(self, query: str, *given: str) -> list[tuple[str, str, int]]:
        try:
            with _alone:
                self._make()
                with closing(
                    sqlite3.connect(self._path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
                ) as file:
                    for each in _TABLES:
                        file.execute(each)
                    return file.execute(query, given).fetchall()
        except (sqlite3.Error, OSError) as error:
            raise AdmissionRefused(
                Code.R3_MISSING_RECORD,
                "The register of used receipts on this cluster cannot be read"
                f" ({_reason(error)}), so no run can be started with a receipt.",
            ) from None

    def _make(self) -> None:
        with suppress(FileExistsError):
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        # Not through a link: it could lead to a file that somebody else can empty.
        mode = self._path.lstat().st_mode
        if not stat.S_ISREG(mode):
            raise OSError("it is no regular file")
        if mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise OSError("others than its owner may write it")

    def _insert(self, job_id: str, run: str, at: int) -> tuple[str, int]:
        """The run that has the receipt now, and since when."""
        with closing(
            sqlite3.connect(self._path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
        ) as file:
            # EXTRA: that the journal is gone, which is the commit, is on the disk as well.
            file.execute("PRAGMA synchronous = EXTRA")
            file.execute("BEGIN IMMEDIATE")
            for each in _TABLES:
                file.execute(each)
            file.execute(
                "INSERT INTO taken VALUES (?, ?, ?) ON CONFLICT DO NOTHING", (job_id, run, at)
            )
            held, since = file.execute(
                "SELECT run, taken_at FROM taken WHERE job_id = ?", (job_id,)
            ).fetchone()
            file.execute("COMMIT")
        return str(held), int(since)


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
