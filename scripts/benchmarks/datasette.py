"""The same jobs in a SQLite file, served by Datasette: what the site is held against.

The file has the columns that the site filters by, with an index on each and a full-text index over
what was opened: all that Datasette's own documentation asks for. Its limits of time are lifted, for
an answer that was cut short would be a fast one.
"""

import contextlib
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, Self

from benchmarks.load import Outcome
from benchmarks.logs import Kept
from benchmarks.places import CannotMeasure, environment
from benchmarks.progress import Counter
from benchmarks.serving import START_LIMIT_S, free_port, load, stop, time_each
from ledger.assembly import Ledger
from ledger.reader import View
from ledger.storage.shapes import JobFilter

LIMIT_MS: Final = "60000"
SETTINGS: Final = {
    "sql_time_limit_ms": LIMIT_MS,
    "facet_time_limit_ms": LIMIT_MS,
    "suggest_facets": "off",
}
ROWS_AT_ONCE: Final = 1_000
FACETS: Final = ("member", "workload_type", "state", "accelerator", "month", "decision")
COLUMNS: Final = (
    "job_id",
    "submitted_index",
    "member",
    "workload_type",
    "state",
    "accelerator",
    "month",
    "decision",
    "rejection_code",
    "gpu_count",
    "submitted_at",
    "publish_by",
    "disclosed_index",
    "started_at",
    "ended_at",
    "wall_seconds",
    "gpu_seconds",
    "h200e_seconds",
    "egress_bytes",
    "egress_ceiling_bytes",
    "artifact_count",
    "weights_unchanged",
    "weights_check",
    "model_name",
    "title",
    "purpose",
    "protocol",
)
TEXTS: Final = ("title", "purpose", "protocol", "model_name")
_SCHEMA: Final = f"CREATE TABLE jobs (job_id TEXT PRIMARY KEY, {', '.join(COLUMNS[1:])})"
_INDEXED: Final = ("submitted_index", *FACETS)
_INDEXES: Final = (
    *(f"CREATE INDEX jobs_{name} ON jobs ({name})" for name in _INDEXED),
    f"CREATE VIRTUAL TABLE jobs_fts USING fts5({', '.join(TEXTS)}, content=jobs)",
    "INSERT INTO jobs_fts (jobs_fts) VALUES ('rebuild')",
    "ANALYZE",
)


def exported(log: Kept, folder: Path) -> Path:
    """The SQLite file with the jobs of a log, made where it is not there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"jobs-{log.entries}-{log.recipe.end_s}.db"
    if not path.exists():
        fresh = path.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        ledger = Ledger(log.settings, writer=False)
        try:
            with ledger.reader.at() as view, contextlib.closing(sqlite3.connect(fresh)) as file:
                _export(view, file)
        finally:
            ledger.close()
        fresh.replace(path)
    return path


def _export(view: View, file: sqlite3.Connection) -> None:
    for statement in ("PRAGMA journal_mode=OFF", "PRAGMA synchronous=OFF", _SCHEMA):
        file.execute(statement)
    places = ", ".join("?" * len(COLUMNS))
    everything = JobFilter()
    counter = Counter("exporting jobs", begin=0, end=view.count_jobs(everything))
    below, done = None, 0
    while jobs := view.search(everything, below=below, limit=ROWS_AT_ONCE):
        below = jobs[-1].submitted_index
        rows = []
        for job in jobs:
            shown = {name: getattr(job, name, None) for name in COLUMNS}
            shown["month"] = job.submitted_at[:7]
            shown["decision"] = "rejected" if job.state == "rejected" else "admitted"
            rows.append(tuple(shown.values()))
        file.executemany(f"INSERT INTO jobs VALUES ({places})", rows)  # noqa: S608 - question marks
        done += len(rows)
        counter.at(done)
    for job_id, purpose, protocol in _texts(view):
        file.execute(
            "UPDATE jobs SET purpose = ?, protocol = ? WHERE job_id = ?",
            (purpose, protocol, job_id),
        )
    file.commit()
    for statement in _INDEXES:
        file.execute(statement)
    file.commit()


def _texts(view: View) -> Iterator[tuple[str, object, object]]:
    """What was opened of each plan, besides what a list of jobs shows."""
    below = None
    while found := view.published(below=below, limit=ROWS_AT_ONCE):
        below = found[-1].disclosure.index
        for each in found:
            if each.kind == "submitted":
                fields = each.disclosure.fields
                yield each.job.job_id, fields.get("purpose"), fields.get("protocol")


def command(file: Path, port: int) -> list[str]:
    """The command line that serves a file."""
    settings = [part for pair in SETTINGS.items() for part in ("--setting", *pair)]
    return [sys.executable, "-m", "datasette", "serve", str(file), "-p", str(port), *settings]


class Datasette:
    """Datasette on a file, on a free port of this machine alone, from ``with`` to its end."""

    name = "Datasette"

    def __init__(self, file: Path, *, folder: Path) -> None:
        self._file = file
        self._log = folder / "datasette.log"
        self._jobs = folder / "datasette.job"
        self.port = 0

    def __enter__(self) -> Self:
        self.port = free_port()
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self.command(),
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            self._wait()
        except BaseException:
            stop(self._process)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        stop(self._process)

    def command(self) -> list[str]:
        """What is started."""
        return command(self._file, self.port)

    @property
    def base(self) -> str:
        """The address of the table."""
        return f"/{self._file.stem}/jobs"

    def time_each(self, paths: Sequence[str]) -> list[float]:
        """The seconds that a GET of each path takes, one after the other on one connection."""
        return time_each(self.port, paths)

    def load(self, requests: Sequence[bytes], *, seconds: float) -> Outcome:
        """Have the load generator send the requests over and over for a time."""
        return load(self.port, requests, file=self._jobs, seconds=seconds)

    def _wait(self) -> None:
        begun = time.perf_counter()
        while True:
            if self._process.poll() is not None:
                said = self._log.read_text("utf-8", "replace").strip().splitlines()
                raise CannotMeasure(f"Datasette ended at once: {said[-1][:300] if said else '-'}")
            with contextlib.suppress(OSError):
                self.time_each(["/-/versions.json"])
                return
            if time.perf_counter() - begun > START_LIMIT_S:
                raise CannotMeasure("Datasette did not answer in time")
            time.sleep(0.05)
