"""Which pods hold how many GPUs of an admitted job: a SQLite file beside the register.

A run is one or many pods; together they never hold more than was admitted. A pod holds its GPUs
from the moment it is let in until it is known to have ended. When in doubt it still holds them: who
force-deletes pods, or lets in what is then refused elsewhere, has fewer left until the list of
living pods is compared. Whoever can write the file can let a job have more GPUs.
"""

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import Final

from ledger.admission.refusal import AdmissionRefused
from ledger.records.charter import Code

BUSY_TIMEOUT_S: Final = 20.0
YOUNG_S: Final = 300
"""A pod that is missing from a list of the living is given this long to appear in it."""

_TABLES: Final = (
    """CREATE TABLE IF NOT EXISTS pods (
    pod TEXT PRIMARY KEY, run TEXT NOT NULL, job_id TEXT NOT NULL,
    gpus INTEGER NOT NULL CHECK (gpus > 0), held_at INTEGER NOT NULL, ended_at INTEGER
) STRICT""",
    "CREATE INDEX IF NOT EXISTS holding ON pods (job_id)",
)
# As in the register: a process that closes a handle on a file gives up its locks on it.
_alone: Final = Lock()


class PodsOfJobs:
    """The file at ``path``, made on first use. Any number of processes of one host may share it."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)

    def check(
        self, job_id: str, *, gpus: int, admitted: int, wall_limit_seconds: int, at: int
    ) -> None:
        """Raise AdmissionRefused where ``hold`` would, for a pod that is new. Notes nothing."""
        with self._open() as file:
            _check_room(
                file,
                job_id,
                pod="",
                gpus=gpus,
                admitted=admitted,
                wall_limit_seconds=wall_limit_seconds,
                at=at,
            )

    def hold(
        self,
        pod: str,
        *,
        run: str,
        job_id: str,
        gpus: int,
        admitted: int,
        wall_limit_seconds: int,
        at: int,
    ) -> None:
        """Let ``pod`` hold ``gpus`` of the ``admitted`` GPUs of a job, at unix seconds ``at``.

        The same pod again holds what it says now. Returns once it is on the disk. Raises
        AdmissionRefused where the job's other pods leave too few GPUs or have used up its time, and
        where the file cannot be used.
        """
        with self._open() as file:
            _check_room(
                file,
                job_id,
                pod=pod,
                gpus=gpus,
                admitted=admitted,
                wall_limit_seconds=wall_limit_seconds,
                at=at,
            )
            file.execute(
                "INSERT INTO pods VALUES (?, ?, ?, ?, ?, NULL)"
                " ON CONFLICT (pod) DO UPDATE SET gpus = excluded.gpus, job_id = excluded.job_id",
                (pod, run, job_id, gpus, at),
            )

    def run_of(self, pod: str) -> str | None:
        """The run that ``pod`` was let in for; None for a pod that is not known."""
        with self._open() as file:
            row = file.execute("SELECT run FROM pods WHERE pod = ?", (pod,)).fetchone()
        return None if row is None else str(row[0])

    def ended(self, pod: str, at: int) -> bool:
        """Note that nothing of ``pod`` runs any more; whether it held GPUs until now."""
        with self._open() as file:
            done = file.execute(
                "UPDATE pods SET ended_at = ? WHERE pod = ? AND ended_at IS NULL", (at, pod)
            )
            return done.rowcount == 1

    def compare(self, living: set[str], at: int) -> list[str]:
        """End every pod that is not among the ``living``; which those were.

        ``living`` are the uids of all pods that there are, as listed at ``at``. A pod that was let
        in less than five minutes before is left alone.
        """
        with self._open() as file:
            held = file.execute(
                "SELECT pod FROM pods WHERE ended_at IS NULL AND held_at <= ? ORDER BY held_at",
                (at - YOUNG_S,),
            ).fetchall()
            gone = [row[0] for row in held if row[0] not in living]
            file.executemany(
                "UPDATE pods SET ended_at = ? WHERE pod = ?", [(at, each) for each in gone]
            )
        return gone

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """The file in one transaction that keeps every other process out."""
        try:
            with _alone:
                self._make()
                connecting = sqlite3.connect(
                    self._path, timeout=BUSY_TIMEOUT_S, isolation_level=None
                )
                with closing(connecting) as file:
                    file.execute("PRAGMA synchronous = EXTRA")
                    file.execute("BEGIN IMMEDIATE")
                    for each in _TABLES:
                        file.execute(each)
                    yield file
                    file.execute("COMMIT")
        except (sqlite3.Error, OSError) as error:
            why = (error.strerror if isinstance(error, OSError) else None) or str(error)
            raise AdmissionRefused(
                Code.R3_MISSING_RECORD,
                f"The list of pods with GPUs on this cluster cannot be read or written ({why}), so"
                " no pod can be started with a receipt.",
            ) from None

    def _make(self) -> None:
        with suppress(FileExistsError):
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        mode = self._path.lstat().st_mode
        if not stat.S_ISREG(mode) or mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise OSError("it is no regular file, or others than its owner may write it")


def _check_room(
    file: sqlite3.Connection,
    job_id: str,
    *,
    pod: str,
    gpus: int,
    admitted: int,
    wall_limit_seconds: int,
    at: int,
) -> None:
    others = 0
    periods = []
    for held, since, until in file.execute(
        "SELECT gpus, held_at, ended_at FROM pods WHERE job_id = ? AND pod != ?",
        (job_id, pod),
    ):
        others += held if until is None else 0
        periods.append((since, at if until is None else until))
    used = _together(periods)
    if used >= wall_limit_seconds:
        raise AdmissionRefused(
            Code.Q_QUOTA,
            f"The pods of this run have had {used} seconds; job {job_id} was admitted with"
            f" {wall_limit_seconds}.",
        )
    if others + gpus > admitted:
        raise AdmissionRefused(
            Code.Q_QUOTA,
            f"The pod asks for {gpus} GPUs and other pods of its run hold {others}; job"
            f" {job_id} was admitted with {admitted}.",
        )


def _together(periods: list[tuple[int, int]]) -> int:
    """Seconds in which at least one of the periods was."""
    used, reached = 0, 0
    for since, until in sorted(periods):
        begin = max(since, reached)
        used += max(0, until - begin)
        reached = max(reached, until)
    return used
