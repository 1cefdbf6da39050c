"""Builds the logs that reading is measured on, through the ledger's own pipeline, and keeps them.

A log of n entries is 149 days of jobs. The first part, two fifths of the entries, has been opened
by the embargo; the deadlines of the rest lie at least 61 days ahead, so that a server on a kept log
finds nothing to do. Every statement follows from its job's number: an interrupted build goes on
from the log's own size.
"""

import json
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Final

from benchmarks import history
from benchmarks.places import CannotMeasure, Places
from benchmarks.progress import Counter, say
from ledger.assembly import Ledger, create
from ledger.errors import LedgerError
from ledger.settings import Settings
from schemas.posting import Receipted

RECIPE: Final = 2
"""To be counted up when the kept logs must be other ones."""
SMALLEST: Final = 100
JOBS_AT_ONCE: Final = 250
GROUP, RUN_IN_GROUP, GROUP_ENTRIES = 11, 7, 36
"""Of so many jobs that are still sealed so many have run, and what all of them say."""
IN_FLIGHT: Final = 3
DAY_S: Final = 86_400
FRESH_S: Final = 55 * DAY_S
EMBARGO_S: Final = 90 * DAY_S
BEGIN_S, OPENED_UNTIL_S, SEALED_FROM_S = 149 * DAY_S, 120 * DAY_S, 29 * DAY_S
"""Before the end: the first job, the last that is open by now, the first that is still sealed."""

Answers = Future[list[Receipted | LedgerError]]


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a log of exactly ``entries`` entries is made that ends at ``end_s``.

    A job that has run makes four entries (submitted, admitted, started, ended), and two more when
    its submission and its end are opened; one that waits makes two. Together that is four a job.
    What is then missing are egress events.
    """

    entries: int
    end_s: int

    @property
    def opened_jobs(self) -> int:
        """The jobs that the embargo has opened."""
        return self.entries // 15

    @property
    def jobs(self) -> int:
        """All jobs."""
        groups, left = divmod(self.entries - self.size_after_opening, GROUP_ENTRIES)
        return self.opened_jobs + GROUP * groups + min(left // 4, RUN_IN_GROUP)

    def waits(self, number: int) -> bool:
        """Whether a job was admitted and never started."""
        return number >= self.opened_jobs and self._place(number) >= RUN_IN_GROUP

    @property
    def last_run(self) -> int:
        """The last job that has run."""
        last = self.jobs - 1
        return last - max(self._place(last) - RUN_IN_GROUP + 1, 0)

    @property
    def size_before_opening(self) -> int:
        """The size once the first part's jobs are logged."""
        return 1 + 4 * self.opened_jobs

    @property
    def size_after_opening(self) -> int:
        """The size once they are opened."""
        return 1 + 6 * self.opened_jobs

    @property
    def size_with_jobs(self) -> int:
        """The size once all jobs are logged."""
        groups, rest = divmod(self.jobs - self.opened_jobs, GROUP)
        return self.size_after_opening + GROUP_ENTRIES * groups + 4 * rest

    def _place(self, number: int) -> int:
        return (number - self.opened_jobs) % GROUP

    def time_of(self, number: int) -> int:
        """When a job was submitted, in Unix seconds; the same for all jobs of a batch."""
        if number < self.opened_jobs:
            begin, end, first, last = BEGIN_S, OPENED_UNTIL_S, 0, self.opened_jobs
        else:
            begin, end, first, last = SEALED_FROM_S, 0, self.opened_jobs, self.jobs
        batch = (number - first) // JOBS_AT_ONCE
        batches = -(-(last - first) // JOBS_AT_ONCE)
        return self.end_s - begin + (begin - end) * batch // batches

    def job_id(self, number: int) -> str:
        """The ID of a job of this log."""
        return history.job_id(_series(self), number, made_at_s=self.time_of(number))


class Kept:
    """A log that is there: its settings and its recipe."""

    def __init__(self, settings: Settings, recipe: Recipe) -> None:
        self.settings = settings
        self.recipe = recipe
        self.entries = recipe.entries


def kept_log(places: Places, entries: int) -> Kept:
    """The log of ``entries`` entries, built or finished where it is not there already."""
    settings = places.kept(f"log-{entries}")
    plan = settings.data_dir / "recipe.json"
    recipe = None
    if plan.exists():
        found = json.loads(plan.read_text("utf-8"))
        recipe = Recipe(entries, found["end_s"])
        if found["recipe"] != RECIPE or time.time() - recipe.end_s > FRESH_S:
            say(f"the kept log of {entries:,} entries is outdated: it is built anew")
            recipe = None
    if recipe is None:
        places.discard(settings)
        settings = places.kept(f"log-{entries}")
        recipe = Recipe(entries, int(time.time()))
        create(
            settings,
            origin=history.ORIGIN,
            authors=history.authors(),
            clock=lambda: int(time.time()) - BEGIN_S,
        )
        plan.write_text(json.dumps({"recipe": RECIPE, "end_s": recipe.end_s}), "utf-8")
    kept = Kept(settings, recipe)
    ledger = Ledger(settings, writer=False)
    try:
        size = ledger.reader.tree_size()
    finally:
        ledger.close()
    if size > entries:
        raise CannotMeasure(f"the kept log has {size} entries instead of {entries}: delete it")
    if size < entries:
        _Builder(kept).run()
    return kept


class _Builder:
    """Goes on building a log from whatever is there."""

    def __init__(self, kept: Kept) -> None:
        self._recipe = kept.recipe
        self._settings = kept.settings
        self._now_s = kept.recipe.end_s - BEGIN_S

    def run(self) -> None:
        """Build up to the end. Statements are written by other processes, logged by this one."""
        with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as writers:
            self._ledger = Ledger(self._settings, clock=lambda: self._now_s)
            try:
                self._build(writers)
            finally:
                self._ledger.close()

    def _build(self, writers: ProcessPoolExecutor) -> None:
        recipe, size = self._recipe, self._ledger.reader.tree_size()
        self._counter = Counter(
            f"building a log of {recipe.entries:,}", begin=size, end=recipe.entries
        )
        if size < recipe.size_before_opening:
            self._log_jobs(writers, _resume((size - 1) // 4), recipe.opened_jobs)
        if size < recipe.size_after_opening:
            self._open()
        if size < recipe.size_with_jobs:
            groups = max(size - recipe.size_after_opening, 0) // GROUP_ENTRIES
            first = recipe.opened_jobs + _resume(GROUP * groups)
            self._log_jobs(writers, first, recipe.jobs)
        self._now_s = recipe.end_s
        last = history.Clerk(_series(recipe), made_at_s=recipe.time_of(recipe.last_run))
        rest = range(recipe.entries - recipe.size_with_jobs)
        self._settle(
            self._ledger.submit_batch([last.egress(recipe.last_run, 1 + each) for each in rest])
        )

    def _log_jobs(self, writers: ProcessPoolExecutor, first: int, stop: int) -> None:
        running: deque[Answers] = deque()
        for made_at_s, bodies in self._written(writers, first, stop):
            self._now_s = max(self._now_s, made_at_s)
            running.append(self._ledger.submit_batch(bodies))
            if len(running) == IN_FLIGHT:
                self._settle(running.popleft())
        while running:
            self._settle(running.popleft())

    def _written(
        self, writers: ProcessPoolExecutor, first: int, stop: int
    ) -> Iterator[tuple[int, list[bytes]]]:
        coming: deque[tuple[int, Future[list[bytes]]]] = deque()
        for start in range(first, stop, JOBS_AT_ONCE):
            numbers = range(start, min(start + JOBS_AT_ONCE, stop))
            made_at_s = self._recipe.time_of(start)
            work = writers.submit(
                history.jobs_from_start_to_end,
                _series(self._recipe),
                numbers,
                waiting=frozenset(filter(self._recipe.waits, numbers)),
                made_at_s=made_at_s,
            )
            coming.append((made_at_s, work))
            if len(coming) > 2 * IN_FLIGHT:
                when, ready = coming.popleft()
                yield when, ready.result()
        for when, ready in coming:
            yield when, ready.result()

    def _open(self) -> None:
        """Let the embargo open the first part, each deadline in the second in which it comes."""
        embargo = self._ledger.embargo
        while (deadline := embargo.next_deadline()) is not None:
            self._now_s = max(self._now_s, deadline)
            swept = embargo.open_due()
            if swept.failed:
                raise CannotMeasure(f"entry {swept.failed[0]} could not be opened")
            self._counter.at(self._ledger.reader.tree_size())

    def _settle(self, answers: Answers) -> None:
        for answer in answers.result():
            if isinstance(answer, LedgerError):
                raise CannotMeasure(f"a statement was refused: {answer}")
        self._counter.at(self._ledger.reader.tree_size())


def _resume(jobs: int) -> int:
    """The job to go on with; what was logged already is answered again and changes nothing."""
    return max(jobs // JOBS_AT_ONCE * JOBS_AT_ONCE - IN_FLIGHT * JOBS_AT_ONCE, 0)


def _series(recipe: Recipe) -> str:
    return f"log {recipe.entries}"
