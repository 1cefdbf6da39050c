"""What the logs that reading is measured on hold: arithmetic from a size and a time alone.

A log of n entries is 149 days of jobs. The first part, two fifths of the entries, has been opened
by the embargo; the deadlines of the rest lie at least 61 days ahead, so that a server on a kept log
finds nothing to do. Every statement follows from its job's number.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks import history

JOBS_AT_ONCE: Final = 250
GROUP, RUN_IN_GROUP, GROUP_ENTRIES = 11, 7, 36
"""Of so many jobs that are still sealed so many have run, and what all of them say."""
DAY_S: Final = 86_400
EMBARGO_S: Final = 90 * DAY_S
BEGIN_S, OPENED_UNTIL_S, SEALED_FROM_S = 149 * DAY_S, 120 * DAY_S, 29 * DAY_S
"""Before the end: the first job, the last that is open by now, the first that is still sealed."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a log of exactly ``entries`` entries is made that ends at ``end_s``.

    A job that has run makes four entries (submitted, admitted, started, ended), and two more when
    its submission and its end are opened; one that waits makes two. Together that is four a job.
    What is then missing are egress events.
    """

    entries: int
    end_s: int
    jobs_at_once: int = JOBS_AT_ONCE
    """Jobs in a batch: all of a batch are submitted, then started, then ended."""

    @property
    def series(self) -> str:
        """What tells this log's jobs from those of another one."""
        return f"log {self.entries}"

    @property
    def begin_s(self) -> int:
        """When the log begins, in Unix seconds."""
        return self.end_s - BEGIN_S

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
        batch = (number - first) // self.jobs_at_once
        batches = -(-(last - first) // self.jobs_at_once)
        return self.end_s - begin + (begin - end) * batch // batches

    def job_id(self, number: int) -> str:
        """The ID of a job of this log."""
        return history.job_id(self.series, number, made_at_s=self.time_of(number))

    def statements(self, numbers: Sequence[int]) -> list[bytes]:
        """What is said about the jobs of one batch, as it is posted."""
        return history.jobs_from_start_to_end(
            self.series,
            numbers,
            waiting=frozenset(filter(self.waits, numbers)),
            made_at_s=self.time_of(numbers[0]),
        )

    def last_statements(self) -> list[bytes]:
        """What is said once all jobs are logged, so that the log has all its entries."""
        clerk = history.Clerk(self.series, made_at_s=self.time_of(self.last_run))
        rest = range(self.entries - self.size_with_jobs)
        return [clerk.egress(self.last_run, 1 + each) for each in rest]
