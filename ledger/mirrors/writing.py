"""Writes the files of one run: several at once, each counted, none that never changes twice."""

import hashlib
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from ledger.mirrors.shapes import File, MirrorDiffers, Target

WORKERS: Final = 8
AHEAD: Final = 64
"""Files that are made or written at one time, or wait for it: bounded memory."""
MAX_COMPARED: Final = 64 << 20


class Writer:
    """Writes to ``target`` in threads of its own. The first error ends the run, and is raised."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="mirror")
        self._room = threading.BoundedSemaphore(AHEAD)
        self._lock = threading.Lock()
        self._error: BaseException | None = None
        self._waiting: set[Future[None]] = set()
        self.files = 0
        """How many were written."""
        self.bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._pool.shutdown(cancel_futures=True)

    def submit(self, work: Callable[..., None], *arguments: Any) -> None:  # noqa: ANN401 - whatever ``work`` takes
        """Have ``work`` done some time, which writes with the other methods. Waits for room."""
        self._room.acquire()
        self._raise()
        future = self._pool.submit(work, *arguments)
        with self._lock:
            self._waiting.add(future)
        future.add_done_callback(self._done)

    def join(self) -> None:
        """Wait until everything that was submitted is done."""
        while True:
            with self._lock:
                waiting = next(iter(self._waiting), None)
            if waiting is None:
                break
            waiting.exception()
        self._raise()

    def has(self, path: str) -> bool:
        """Whether there is a file at ``path`` already."""
        return self._target.size(path) is not None

    def keep(self, file: File) -> None:
        """Write what can never change. Raises MirrorDiffers where something else is there."""
        if self._target.create(file):
            self._count(file)
        elif not self._is(file):
            raise MirrorDiffers(
                f"{self._target.name}/{file.path} can never change, and it is not what this ledger"
                " has there: nothing was overwritten; find out who changed which of the two"
            )

    def replace(self, file: File) -> None:
        """Write what may change, unless it is there already."""
        if not self._is(file):
            self._target.replace(file)
            self._count(file)

    def publish(self, file: File) -> None:
        """Write what makes all of it count, unless it is there already."""
        if not self._is(file):
            self._target.publish(file)
            self._count(file)

    def _is(self, file: File) -> bool:
        """Whether this is what is there. A file too large for memory is known by its size."""
        if isinstance(file.body, Path):
            return self._target.size(file.path) == file.size
        return self._target.read(file.path, limit=MAX_COMPARED) == file.body

    def _count(self, file: File) -> None:
        with self._lock:
            self.files += 1
            self.bytes += file.size

    def _done(self, future: "Future[None]") -> None:
        self._room.release()
        with self._lock:
            self._waiting.discard(future)
            if not future.cancelled() and self._error is None:
                self._error = future.exception()

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_of_bytes(data: bytes) -> str:
    """The SHA-256 of bytes, in hex."""
    return hashlib.sha256(data).hexdigest()
