"""``/jobs.csv``: every job that the filters choose, in log order, or an error; never cut short.

The file is written to disk before its first byte is sent, so that it has a length, an error is an
answer of its own, and neither a large list nor a slow client takes memory.
"""

import asyncio
import csv
import io
import sys
import weakref
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from tempfile import SpooledTemporaryFile
from typing import IO, Any, Final

import msgspec

from ledger.errors import Overloaded
from schemas.answers import JobShown
from web import query
from web.answer import Answer, Header, Send
from web.doors import Asked
from web.files.csv_text import BOM, TYPE, Cell, guarded
from web.query import ParameterRefused
from web.search.filters import JOB_FILTERS, job_filter

PATH: Final = "/jobs.csv"
AT_ONCE: Final = 2
"""Lists that are written at the same time; further ones wait."""
MOST: Final = 32
"""Lists that are waited for, written or sent: a client that reads slowly keeps a file on the disk,
60 MB for 250,000 jobs."""
RETRY_AFTER_S: Final = 30
IN_MEMORY: Final = 2**20
CHUNK: Final = 2**16
ROWS_AT_ONCE: Final = 500
COLUMNS: Final = tuple(field.name for field in msgspec.structs.fields(JobShown))


class Turn:
    """One of the ``MOST`` lists. It ends when it is ended, or when nobody holds it any more."""

    def __init__(self, taken: "weakref.WeakSet[Turn]") -> None:
        self._taken = taken
        taken.add(self)

    def end(self) -> None:
        """Let the next one have it. Once or more often."""
        self._taken.discard(self)


@dataclass(frozen=True, slots=True)
class FileAnswer(Answer):
    """An answer whose body is a file, which is closed once it is sent."""

    file: IO[bytes]
    length: int
    turn: Turn

    @property
    def size(self) -> int:
        """More than any memory takes: a file can be sent once."""
        return sys.maxsize

    async def send(self, send: Send, more: Iterable[Header] = (), *, head: bool = False) -> None:
        """Send the file in pieces; without them where only the head was asked for."""
        headers = [*self.headers, *more, (b"content-length", b"%d" % self.length)]
        try:
            with self.file as file:
                start = {"type": "http.response.start", "status": self.status, "headers": headers}
                await send(start)
                while not head and (piece := file.read(CHUNK)):
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
        finally:
            self.turn.end()
        await send({"type": "http.response.body", "body": b""})


class JobsCsv:
    """Writes lists of jobs, a few at a time."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="csv")
        self._turns: weakref.WeakSet[Turn] = weakref.WeakSet()

    def close(self) -> None:
        """Let what is being written end."""
        self._threads.shutdown(cancel_futures=True)

    async def read(self, asked: Asked) -> Answer:
        """The list that an address asks for. Raises ParameterRefused and Overloaded."""
        if len(self._turns) >= MOST:
            raise Overloaded(
                f"{MOST} lists are being written or read; ask again in a while",
                retry_after_s=RETRY_AFTER_S,
            )
        turn = Turn(self._turns)
        writing = self._threads.submit(write, asked)
        try:
            file, length = await asyncio.wrap_future(writing)
        except BaseException:
            # A client that goes away leaves the thread writing: the turn ends with that.
            writing.add_done_callback(lambda _: turn.end())
            raise
        name = f"apsci-jobs-{asked.size}.csv"
        headers = (
            (b"content-type", f"{TYPE}; charset=utf-8".encode()),
            (b"content-disposition", f'attachment; filename="{name}"'.encode()),
        )
        if length <= IN_MEMORY:
            turn.end()
            with file:
                return Answer(200, headers, file.read())
        return FileAnswer(200, headers, b"", file=file, length=length, turn=turn)


def write(asked: Asked) -> tuple[IO[bytes], int]:
    """The whole list in a file that is open at its beginning, and its length in bytes."""
    query.check_known(asked.params, (*JOB_FILTERS, "bom"))
    file = SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115 - who sends it closes it
    try:
        if _wants_bom(asked):
            file.write(BOM)
        file.write(_lines([COLUMNS]))
        with asked.view() as view:
            jobs = view.every_job(job_filter(asked.params, view.titles()))
            while rows := [_cells(job) for job in islice(jobs, ROWS_AT_ONCE)]:
                file.write(_lines(rows))
        length = file.tell()
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return file, length


def _wants_bom(asked: Asked) -> bool:
    text = asked.params.get("bom", "0")
    if text not in {"0", "1"}:
        raise ParameterRefused(
            f"bom is {query.quoted(text)}; it is 1 or 0", field="bom", allowed=("1", "0")
        )
    return text == "1"


def _cells(job: JobShown) -> Iterator[Cell]:
    values: tuple[Any, ...] = msgspec.structs.astuple(job)
    return (" ".join(value) if isinstance(value, tuple) else value for value in values)


def _lines(rows: Sequence[Iterable[Cell]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(map(guarded, row) for row in rows)
    return text.getvalue().encode()
