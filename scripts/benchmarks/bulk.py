"""Builds large logs fast, row for row what the ledger's own pipeline writes.

A log is cut into parts of ten thousand jobs. Each is made by the pipeline itself, in a process of
its own, as a small ledger whose tree begins where the part begins: what lies before is a tree of
zeros, which has the right size and no entries. The parts' rows are then put together in order, and
only what depends on the whole tree is made here: tiles, edge, checkpoints and their signatures.
Indexes, and the triggers that guard rows, are made at the end, once.

    part 0 .. k    the jobs that the embargo has opened: their entries, and later their disclosures
    part k+1 ..    the jobs that are still sealed

An interrupted build goes on from the log's own size; parts that are whole are used again.
"""

import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, ParamSpec, TypeVar
from unittest.mock import patch

from sqlalchemy import Connection, Table

from benchmarks import history
from benchmarks.places import CannotMeasure
from benchmarks.recipe import EMBARGO_S, Recipe
from ledger import keys
from ledger.assembly import Ledger, create
from ledger.embargo import AT_ONCE
from ledger.errors import LedgerError
from ledger.records.entry import Reason
from ledger.records.proposal import Disclosure, Proposal
from ledger.sequencer.memory import SignerMemory
from ledger.settings import Settings
from ledger.storage.driver import Driver, Row, batched, columns_of
from ledger.storage.shapes import Head
from ledger.storage.snapshot import Snapshot
from ledger.storage.store import Store
from ledger.storage.tables import (
    ARTIFACTS,
    CHECKPOINTS,
    CORRECTIONS,
    DISCLOSURES,
    EMBARGOES,
    ENTRIES,
    JOB_TEXTS,
    JOBS,
    MODELS,
    NODES,
    OPENINGS,
    TILES,
)
from ledger.storage.tree import full_tiles, new_nodes
from ledger.tlog.checkpoint import Checkpoint, format_checkpoint
from ledger.tlog.hashing import HASH_BYTES, node_hash
from ledger.tlog.merkle import CompactRange, Extension
from ledger.tlog.note import Signer, sign_note
from ledger.tlog.tiles import TILE_HEIGHT, TILE_WIDTH

P = ParamSpec("P")
T = TypeVar("T")

AHEAD: Final = 6
"""Parts that are made while earlier ones are put together: about 60 MB each."""
ROWS_AT_ONCE: Final = 5_000
INDEXED: Final = (
    (ENTRIES, "leaf_index"),
    (OPENINGS, "leaf_index"),
    (EMBARGOES, "leaf_index"),
    (DISCLOSURES, "disclosed_index"),
    (JOBS, "since"),
    (MODELS, "disclosed_index"),
    (ARTIFACTS, "disclosed_index"),
    (CORRECTIONS, "leaf_index"),
    (JOB_TEXTS, "disclosed_index"),
)
"""Every table that a part's rows go into, and the column that says which entry a row came with."""

CHECKS: Final = (
    "ledger.records.authoring.decode_signed",
    "ledger.records.canonical.check",
    "ledger.records.commitment.check",
    "ledger.intake.check_disclosable",
    "ledger.intake.check_opening",
)
"""What returns nothing, and raises for statements such as are not made here."""


@dataclass(frozen=True, slots=True)
class Part:
    """The jobs ``first`` <= number < ``stop``, logged from entry ``begin`` on.

    ``opened_from`` is where their disclosures begin, None for jobs that are still sealed.
    """

    number: int
    first: int
    stop: int
    begin: int
    end: int
    opened_from: int | None = None

    @property
    def ranges(self) -> list[tuple[int, int]]:
        """The entries that it makes: from, and up to."""
        opened = self.opened_from
        if opened is None:
            return [(self.begin, self.end)]
        return [(self.begin, self.end), (opened, opened + 2 * (self.stop - self.first))]


def parts_of(recipe: Recipe, *, jobs: int) -> list[Part]:
    """The parts of a log, of so many jobs each; a multiple of the jobs of a batch."""
    found: list[Part] = []
    for first in range(0, recipe.opened_jobs, jobs):
        stop = min(first + jobs, recipe.opened_jobs)
        opened = recipe.size_before_opening + 2 * first
        found.append(Part(len(found), first, stop, 1 + 4 * first, 1 + 4 * stop, opened))
    begin = recipe.size_after_opening
    for first in range(recipe.opened_jobs, recipe.jobs, jobs):
        stop = min(first + jobs, recipe.jobs)
        waiting = sum(map(recipe.waits, range(first, stop)))
        end = begin + 4 * (stop - first) - 2 * waiting
        found.append(Part(len(found), first, stop, begin, end))
        begin = end
    return found


def found_log(settings: Settings, recipe: Recipe) -> None:
    """A new log with its genesis entry; the same keys and bytes for the same recipe."""
    create(
        settings,
        origin=history.ORIGIN,
        authors=history.authors(),
        clock=lambda: recipe.begin_s,
        random=history.random_bytes(recipe.series),
    )


class Here(Executor):
    """Does at once what it is given, in this process: for logs that are small."""

    def submit(self, work: Callable[P, T], /, *arguments: P.args, **named: P.kwargs) -> Future[T]:
        """What ``work`` returns, or raises when it is asked for."""
        done: Future[T] = Future()
        try:
            done.set_result(work(*arguments, **named))
        except Exception as error:  # noqa: BLE001 - raised where the result is asked for
            done.set_exception(error)
        return done


class Builder:
    """Builds the log of a recipe up to its last job, from wherever it is."""

    def __init__(
        self,
        settings: Settings,
        recipe: Recipe,
        *,
        folder: Path,
        part_jobs: int,
        told: Callable[[int], None],
    ) -> None:
        self._settings = settings
        self._recipe = recipe
        self._folder = folder
        self._template = folder / "template"
        self._parts = parts_of(recipe, jobs=part_jobs)
        self._told = told

    def run(self, executor: Executor) -> None:
        """Have ``executor`` make the parts, and put them together."""
        if not self._template.exists():
            unfinished = self._folder / "template.unfinished"
            shutil.rmtree(unfinished, ignore_errors=True)
            found_log(Settings(data_dir=unfinished), self._recipe)
            unfinished.rename(self._template)
        whole = _Whole(self._settings)
        try:
            for lo, hi, part in self._made(executor, whole.size):
                whole.take(part, lo, hi)
                self._told(hi)
            whole.finish(self._template / "ledger.db")
        finally:
            whole.close()
        shutil.rmtree(self._folder)

    def _made(self, executor: Executor, size: int) -> Iterator[tuple[int, int, Path]]:
        """What is missing, in order: the entries from, up to, and the part that has them."""
        opened = [part for part in self._parts if part.opened_from is not None]
        sealed = self._parts[len(opened) :]
        steps = [
            *((*part.ranges[0], part) for part in opened),
            *((*part.ranges[1], part) for part in opened),
            *((*part.ranges[0], part) for part in sealed),
        ]
        steps = [step for step in steps if step[1] > size]
        coming: dict[int, Future[Path]] = {}
        for number, (lo, hi, part) in enumerate(steps):
            for *_, soon in steps[number : number + AHEAD]:
                if soon.number not in coming:
                    coming[soon.number] = executor.submit(
                        make_part, self._recipe, soon, folder=self._folder
                    )
            path = coming[part.number].result()
            yield lo, hi, path
            if hi == part.ranges[-1][1]:
                shutil.rmtree(path.parent)


def make_part(recipe: Recipe, part: Part, *, folder: Path) -> Path:
    """Make a part beside the template in ``folder``; its database."""
    made = folder / f"part-{part.number}"
    if made.exists():
        return made / "ledger.db"
    unfinished = folder / f"part-{part.number}.unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    shutil.copytree(folder / "template", unfinished)
    settings = Settings(data_dir=unfinished)
    _begin_at(settings, part.begin)
    with _unchecked():
        opened = list(_log_jobs(settings, recipe, part))
        if part.opened_from is not None:
            _begin_at(settings, part.opened_from)
            _open(settings, opened)
    unfinished.rename(made)
    return made / "ledger.db"


@contextmanager
def _unchecked() -> Iterator[None]:
    """Leave out what only finds faults in statements that others have made: no row comes of it."""
    with ExitStack() as stack:
        for name in CHECKS:
            stack.enter_context(patch(name, lambda *_given, **_named: None))
        yield


def _log_jobs(
    settings: Settings, recipe: Recipe, part: Part
) -> Iterator[tuple[int, list[Disclosure]]]:
    """Log what is said about the jobs; for every batch its deadline, and what opens it then."""
    now_s = recipe.begin_s
    ledger = Ledger(settings, clock=lambda: now_s, verify_signatures=False)
    try:
        for first in range(part.first, part.stop, recipe.jobs_at_once):
            numbers = range(first, min(first + recipe.jobs_at_once, part.stop))
            now_s = recipe.time_of(first)
            proposals = list(map(ledger.intake.check, recipe.statements(numbers)))
            indices = _indices(ledger, proposals)
            if part.opened_from is not None:
                found = map(_disclosure, proposals, indices)
                yield now_s + EMBARGO_S, [each for each in found if each is not None]
    finally:
        ledger.close()


def _disclosure(proposal: Proposal, index: int) -> Disclosure | None:
    parsed = proposal.parsed
    if parsed.fields is None:
        return None
    assert parsed.job_id is not None
    return Disclosure(
        index=index,
        job_id=parsed.job_id,
        reason=Reason.DEADLINE,
        fields=dict(parsed.fields),
        seed=parsed.seed,
    )


def _open(settings: Settings, opened: Sequence[tuple[int, list[Disclosure]]]) -> None:
    """Open everything as the embargo does, each deadline in the second in which it comes."""
    now_s = 0
    ledger = Ledger(settings, clock=lambda: now_s, verify_signatures=False)
    try:
        for deadline_s, disclosures in opened:
            now_s = deadline_s
            for some in batched(sorted(disclosures, key=lambda each: each.index), AT_ONCE):
                _indices(ledger, some)
    finally:
        ledger.close()


def _indices(ledger: Ledger, works: Sequence[Proposal | Disclosure]) -> list[int]:
    """Log works; where each stands."""
    found = []
    for result in ledger.sequencer.submit(works).result():
        if isinstance(result, LedgerError):
            raise CannotMeasure(f"a statement was refused: {result}")
        found.append(result.index)
    return found


def _begin_at(settings: Settings, size: int) -> None:
    """Have a part's tree go on at ``size``, after as many leaves of zeros, signed."""
    with closing(sqlite3.connect(settings.data_dir / "ledger.db")) as rows:
        if rows.execute("SELECT size FROM log_head").fetchone() == (size,):
            return
    zeros = [bytes(HASH_BYTES)]
    while 1 << len(zeros) <= size:
        zeros.append(node_hash(zeros[-1], zeros[-1]))
    levels = [level for level in range(len(zeros) - 1, -1, -1) if size >> level & 1]
    edge = b"".join(zeros[level] for level in levels)
    tree = CompactRange.from_edge(size, edge)
    signer = keys.read_signer(settings.key_dir / keys.LOG_KEY)
    note = sign_note(
        format_checkpoint(Checkpoint(signer.name, size, tree.root())), [signer], time_s=0
    )
    with closing(sqlite3.connect(settings.data_dir / "ledger.db", isolation_level=None)) as rows:
        rows.execute("BEGIN")
        rows.executemany(
            f"INSERT INTO entries ({columns_of(ENTRIES)})"  # noqa: S608 - names are ours
            " SELECT ?1, 'manifest', NULL, 0, NULL, ?2, NULL, x''"
            " WHERE NOT EXISTS (SELECT 1 FROM entries WHERE leaf_index = ?1)",
            [(index, zeros[0]) for index in range(size - size % TILE_WIDTH, size)],
        )
        level, held = 0, size >> TILE_HEIGHT
        while held:
            height = level * TILE_HEIGHT
            rows.executemany(
                "INSERT INTO tiles (level, n, hashes, root) SELECT ?1, ?2, ?3, ?4"
                " WHERE NOT EXISTS (SELECT 1 FROM tiles WHERE level = ?1 AND n = ?2)",
                [
                    (level, n, zeros[height] * TILE_WIDTH, zeros[height + TILE_HEIGHT])
                    for n in range(held - held % TILE_WIDTH, held)
                ],
            )
            level, held = level + 1, held >> TILE_HEIGHT
        rows.execute("UPDATE log_head SET size = ?, root = ?, edge = ?", (size, tree.root(), edge))
        rows.execute("INSERT INTO checkpoints VALUES (?, ?, 0, ?)", (size, tree.root(), note))
        rows.execute("COMMIT")
    memory = settings.key_dir / keys.SIGNER_MEMORY
    memory.unlink()
    SignerMemory(memory).create()
    with SignerMemory(memory).locked() as opened:
        opened.remember(note, size=size)


class _Whole:
    """The log that parts are put together to, as the one writer."""

    def __init__(self, settings: Settings) -> None:
        self._store = Store(settings.database_url)
        self._store.acquire_writer()
        self._on_sqlite = self._store.engine.dialect.name == "sqlite"
        self._signer: Signer = keys.read_signer(settings.key_dir / keys.LOG_KEY)
        self._memory = SignerMemory(settings.key_dir / keys.SIGNER_MEMORY)
        with self._store.snapshot() as reads:
            self._head = reads.head()
        if self._on_sqlite:
            with self._store.engine.connect() as connection:
                # The log is kept for measuring: after a loss of power it is built anew.
                for pragma in ("synchronous=OFF", "cache_size=-262144"):
                    Driver(connection).run(f"PRAGMA {pragma}")
                for kind, name, _ in Driver(connection).fetch(_MADE_LAST):
                    Driver(connection).run(f"DROP {kind} {name}")

    @property
    def size(self) -> int:
        """How many entries it has."""
        return self._head.size

    def take(self, part: Path, lo: int, hi: int) -> None:
        """Take over the rows of the entries ``lo`` <= index < ``hi`` of a part."""
        if lo != self.size:
            raise CannotMeasure(f"the log has {self.size:,} entries where a part begins at {lo:,}")
        with closing(sqlite3.connect(f"file:{part}?mode=ro", uri=True)) as rows:
            with self._store.rebuilding() as connection:
                for table, column in INDEXED:
                    for some in _rows(rows, table, column, lo, hi):
                        Driver(connection).insert(table, some)
                note = self._grow(rows, connection, lo, hi)
            with self._memory.locked() as memory:
                memory.remember(note, size=hi)

    def _grow(self, rows: sqlite3.Connection, connection: Connection, lo: int, hi: int) -> bytes:
        """Grow the tree by the entries taken over, checkpoint by checkpoint; the last note."""
        found = rows.execute(
            "SELECT leaf_hash FROM entries WHERE leaf_index >= ? AND leaf_index < ?"
            " ORDER BY leaf_index",
            (lo, hi),
        )
        leaves = [leaf for (leaf,) in found]
        driver, reads, head, note = Driver(connection), Snapshot(connection), self._head, b""
        for size, logged_at in rows.execute(
            "SELECT size, logged_at FROM checkpoints WHERE size > ? AND size <= ? ORDER BY size",
            (lo, hi),
        ):
            tree = CompactRange.from_edge(head.size, head.edge)
            extension = Extension(tree, leaves[head.size - lo : size - lo])
            root = extension.root
            checkpoint = Checkpoint(self._signer.name, size, root)
            note = sign_note(format_checkpoint(checkpoint), [self._signer], time_s=logged_at)
            driver.insert(TILES, full_tiles(reads, extension))
            driver.insert(NODES, new_nodes(extension))
            driver.insert(CHECKPOINTS, [(size, root, logged_at, note)])
            head = Head(size, root, extension.range.edge(), logged_at)
        if head.size != hi:
            raise CannotMeasure(f"a part ends at {head.size:,} instead of {hi:,}")
        driver.run(
            "UPDATE log_head SET size = ?, root = ?, edge = ?, logged_at = ?",
            (head.size, head.root, head.edge, head.logged_at),
        )
        self._head = head
        return note

    def finish(self, template: Path) -> None:
        """Make what the template has and this has not: its indexes, and the triggers that guard."""
        if not self._on_sqlite:
            return
        with closing(sqlite3.connect(f"file:{template}?mode=ro", uri=True)) as rows:
            wanted = rows.execute(_MADE_LAST).fetchall()
        with self._store.engine.connect() as connection:
            driver = Driver(connection)
            there = {name for _, name, _ in driver.fetch(_MADE_LAST)}
            for _, name, sql in wanted:
                if name not in there:
                    driver.run(sql)

    def close(self) -> None:
        """Let go of it."""
        self._store.close()


_MADE_LAST: Final = (
    "SELECT type, name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
    " OR type = 'trigger' AND sql LIKE '%RAISE(%' ORDER BY type, rowid"
)
"""Indexes; and the triggers that look into them at every insert, to refuse it."""


def _rows(
    rows: sqlite3.Connection, table: Table, column: str, lo: int, hi: int
) -> Iterator[tuple[Row, ...]]:
    """The rows of a part that came with the entries ``lo`` <= index < ``hi``, some at a time."""
    found = rows.execute(
        f"SELECT {columns_of(table)} FROM {table.name}"  # noqa: S608 - names are ours
        f" WHERE {column} >= ? AND {column} < ? ORDER BY {column}",
        (lo, hi),
    )
    return batched(found, ROWS_AT_ONCE)
