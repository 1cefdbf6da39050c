"""What was started on this cluster, a small file a Slurm job, so that its end can be reported.

Slurm gives a requeued job a new submit time; the file keeps the run's name from its first start,
which is what the register holds the receipt for. It is written whole, or not at all.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from ledger.admission.refusal import AdmissionRefused
from ledger.admission.slurm.job import SlurmJob
from ledger.errors import LedgerError
from ledger.records.charter import Code
from schemas.values import Count, Positive, Ulid, Wire

MAX_RUN_BYTES: Final = 64 * 2**10


class RunsDamaged(LedgerError):
    """What is kept of a run cannot be read or written."""


class EndNotTold(LedgerError):
    """A run is to start again, and the end of its last period is not told yet."""


class RunState(StrEnum):
    """How far a run is."""

    STARTING = "starting"
    """Its ``started`` is not answered yet; it has not begun."""
    RUNNING = "running"
    INTERRUPTED = "interrupted"
    ENDED = "ended"


class Span(Wire, frozen=True):
    """A period of running, in unix seconds, and what it ran on."""

    started_at: Count
    ended_at: Count
    exit_status: str
    gpu_count: Positive
    gpu_type: str

    @property
    def wall_seconds(self) -> int:
        """How long it was."""
        return self.ended_at - self.started_at


class Run(Wire, frozen=True):
    """One run. ``job_id`` is the ledger's number, ``run`` the cluster's."""

    run: Annotated[str, Meta(max_length=100)]
    job_id: Ulid
    workload: str
    gpu_count: Positive
    gpu_type: str
    wall_limit_seconds: Positive
    state: RunState
    started_at: Count
    """Of the period that runs or is to run."""
    before: Annotated[tuple[Span, ...], Meta(max_length=500)] = ()
    """The periods before it."""

    @property
    def used_seconds(self) -> int:
        """How long it ran in the periods before."""
        return sum(each.wall_seconds for each in self.before)


@dataclass(frozen=True, slots=True)
class Runs:
    """The files in ``folder``, made on first use."""

    folder: Path

    def find(self, number: int) -> Run | None:
        """The run of a Slurm job; None where it was not started here. Raises RunsDamaged."""
        for folder in (self.folder, self._ended):
            path = _path(folder, number)
            try:
                with path.open("rb") as file:
                    return msgspec.json.decode(file.read(MAX_RUN_BYTES), type=Run)
            except FileNotFoundError:
                continue
            except (OSError, msgspec.MsgspecError):
                raise RunsDamaged(f"{path} cannot be read") from None
        return None

    def running(self) -> list[tuple[int, Run]]:
        """The runs that have begun and not ended, by Slurm's numbers. Raises RunsDamaged."""
        try:
            names = [each.stem for each in self.folder.iterdir() if each.suffix == ".json"]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise RunsDamaged(f"{self.folder}: {error.strerror}") from None
        numbers = sorted(int(each) for each in names if each.isdecimal())
        found = [(each, self.find(each)) for each in numbers]
        return [(each, run) for each, run in found if run and run.state is RunState.RUNNING]

    def keep(self, number: int, run: Run) -> None:
        """Write a run down; it is on the disk when this returns. Raises RunsDamaged.

        One that has ended goes to a folder of its own, before it leaves this one.
        """
        over = run.state is RunState.ENDED
        path = _path(self._ended if over else self.folder, number)
        try:
            _write(path, msgspec.json.encode(run))
            if over:
                _path(self.folder, number).unlink(missing_ok=True)
        except OSError as error:
            raise RunsDamaged(f"{path}: {error.strerror}") from None

    @contextmanager
    def alone(self, number: int, *, wait: bool = True) -> Iterator[bool]:
        """Keep other processes from a Slurm job's run until the block is left. Raises RunsDamaged.

        Yields whether it is kept: False only where another process is at it and ``wait`` is false.
        One byte of one file is locked for each number, so two threads of a process both pass.
        """
        path = self.folder / "lock"
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise RunsDamaged(f"{path}: {error.strerror}") from None
        try:
            how = fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB
            try:
                fcntl.lockf(handle, how, 1, number)
            except OSError as error:
                if wait or not isinstance(error, BlockingIOError | PermissionError):
                    raise RunsDamaged(f"{path}: {error.strerror}") from None
                yield False
            else:
                yield True
        finally:
            os.close(handle)

    @property
    def _ended(self) -> Path:
        return self.folder / "ended"


def _path(folder: Path, number: int) -> Path:
    return folder / f"{number}.json"


def _write(path: Path, text: bytes) -> None:
    """Write a file whole, or not at all."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with partial.open("wb") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def name_of(cluster: str, job: SlurmJob) -> str:
    """A run's name: the cluster, Slurm's number, and when it was first submitted."""
    return f"{cluster}:{job.number}:{job.submitted_at}"


def follow(earlier: Run | None, job: SlurmJob) -> Run | None:
    """The run that ``job`` goes on with; None where it is a new one.

    Slurm counts its numbers anew some day, so a file may be of another job with the same number:
    a job that was never restarted goes on with nothing but a start that was not answered.
    Raises AdmissionRefused where the run has ended and was reported so, and EndNotTold where nobody
    has said that its last period ended: its next start would be taken for the one before.
    """
    if earlier is None:
        return None
    same = earlier.run.rsplit(":", 1)[1] == str(job.submitted_at)
    if earlier.state is RunState.ENDED:
        if job.restarts or same:
            raise AdmissionRefused(
                Code.R3_MISSING_RECORD,
                f"Run {earlier.run} of job {earlier.job_id} has ended, and its end is in the"
                " ledger; submit the job to the ledger again, under a new number.",
            )
        return None
    if not job.restarts and not same:
        return None
    if earlier.state is RunState.RUNNING:
        raise EndNotTold(
            f"run {earlier.run} is still down as running: its last end is not told yet"
        )
    return earlier
