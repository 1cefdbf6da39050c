"""Wakes the embargo at the next deadline, and at least once a minute. Knows APScheduler.

Once a day it has bulk files made, where it is given what makes them, and with every pass it has
those logged that lie there, made by whomever.

The scheduler holds no truth. Its one job is in memory, remembers nothing over a restart and is
never dropped for being late; what is due is asked of the log at every pass.
"""

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Final

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.date import DateTrigger

from ledger.embargo import Embargo
from ledger.errors import LedgerError

log = logging.getLogger(__name__)

Work = Callable[[Callable[..., None]], object]
"""Work that calls what it is given every now and then, and lets through what that raises."""

JOB_ID: Final = "embargo"
NIGHTLY_ID: Final = "nightly"
BESIDE_ID: Final = "beside"


class _Stopping(Exception):
    """The worker is to end."""


class Worker:
    """Sweeps in the background until it is stopped.

    ``nightly`` is run at ``nightly_at``, a time of day in UTC as ``03:00``, and ``beside`` with
    every sweep: both in threads of their own, so that no deadline waits for them. What they raise
    is logged, and they are run again when their time comes. ``passed`` is told of every sweep that
    looked at all that is due.
    """

    def __init__(
        self,
        embargo: Embargo,
        *,
        clock: Callable[[], int],
        sweep_seconds: int = 60,
        nightly: Work | None = None,
        nightly_at: str | None = None,
        beside: Work | None = None,
        passed: Callable[[], None] | None = None,
    ) -> None:
        self._passed = passed
        self._beside = beside
        self._is_beside = threading.Lock()
        self._nightly = nightly
        self._nightly_at = nightly_at
        self._embargo = embargo
        self._clock = clock
        self._sweep_seconds = sweep_seconds
        self._scheduler = BackgroundScheduler(timezone=UTC)
        self._stopping = threading.Event()
        self._turn = threading.Lock()
        self._last_pass = monotonic()
        self._watch = threading.Thread(target=self._keep_watch, name="embargo-watch", daemon=True)

    def start(self) -> None:
        """Sweep at once, then whenever something is due."""
        self._scheduler.start()
        self._schedule(in_seconds=0)
        if self._nightly is not None and self._nightly_at is not None:
            hour, minute = map(int, self._nightly_at.split(":"))
            self._scheduler.add_job(
                self.run_nightly,
                CronTrigger(hour=hour, minute=minute, timezone=UTC),
                id=NIGHTLY_ID,
                misfire_grace_time=None,
                coalesce=True,
            )
        self._watch.start()

    def stop(self) -> None:
        """Finish the pass that is running, then stop; harmless where nothing runs."""
        self._stopping.set()
        # The scheduler holds its locks while it waits for its threads: a pass that was about to
        # add the next job would wait for it, and it for the pass. So the pass is over first.
        with self._turn:
            running = self._scheduler.running
        if running:
            self._watch.join()
            # APScheduler says that it is stopped before it has locked its jobs, and then looks
            # for the one that it is dispatching in the wrong place. So none is left to dispatch.
            self._scheduler.remove_all_jobs()
            self._scheduler.shutdown(wait=True)

    def sweep(self) -> None:
        """One pass; a failure is logged and the next pass comes all the same."""
        with self._turn:
            if self._stopping.is_set():
                return
            self._last_pass = monotonic()
            try:
                swept = self._embargo.open_due()
                if self._passed is not None:
                    self._passed()
                if swept.opened or swept.failed:
                    log.info("opened %d entries, %d failed", swept.opened, len(swept.failed))
            except LedgerError as error:
                log.error("the embargo pass stopped: %s", error)  # noqa: TRY400 - the message says it all
            except Exception as error:  # noqa: BLE001 - a traceback may show what is still sealed
                log.error("the embargo pass stopped: %s", type(error).__name__)  # noqa: TRY400 - as above
            finally:
                if self._scheduler.running and not self._stopping.is_set():
                    self._schedule(in_seconds=self.next_wake() - self._clock())
                    self._schedule_beside()

    def run_nightly(self) -> None:
        """What is to be done once a day; a failure is logged, and tried again a day later."""
        assert self._nightly is not None
        self._run(self._nightly, "made")

    def run_beside(self) -> None:
        """What is to be done with every sweep; harmless where it is being done."""
        assert self._beside is not None
        if self._is_beside.acquire(blocking=False):
            try:
                self._run(self._beside, "logged")
            finally:
                self._is_beside.release()

    def _run(self, work: Work, what: str) -> None:
        try:
            work(self._go_on)
        except _Stopping:
            log.info("the bulk files wait for the next start")
        except (LedgerError, OSError) as error:
            log.error("the bulk files were not %s: %s", what, error)  # noqa: TRY400 - the message says it all
        except Exception as error:  # noqa: BLE001 - as in a sweep
            log.error("the bulk files were not %s: %s", what, type(error).__name__)  # noqa: TRY400 - as above

    def _go_on(self, *_progress: object) -> None:
        if self._stopping.is_set():
            raise _Stopping

    def next_wake(self) -> int:
        """When to sweep again, in Unix seconds: the next deadline, within a minute."""
        now = self._clock()
        latest = now + self._sweep_seconds
        try:
            deadline = self._embargo.next_deadline()
        except LedgerError:
            return latest
        # What is due and could not be opened is tried again with the regular pass.
        return latest if deadline is None or deadline <= now else min(deadline, latest)

    def _schedule(self, *, in_seconds: int) -> None:
        # misfire_grace_time=None: APScheduler would drop, and forget, a job that is a second late.
        # max_instances=2: it would drop one that comes while the last is just ending; the turn
        # keeps two from sweeping at once.
        self._scheduler.add_job(
            self.sweep,
            DateTrigger(run_date=datetime.now(UTC) + timedelta(seconds=max(in_seconds, 0))),
            id=JOB_ID,
            replace_existing=True,
            misfire_grace_time=None,
            max_instances=2,
        )

    def _schedule_beside(self) -> None:
        # One that still runs does the work of this pass too: another would only wait for a thread.
        if self._beside is not None and not self._is_beside.locked():
            self._scheduler.add_job(
                self.run_beside,
                DateTrigger(run_date=datetime.now(UTC)),
                id=BESIDE_ID,
                replace_existing=True,
                misfire_grace_time=None,
                max_instances=2,
            )

    def _keep_watch(self) -> None:
        """Sweep even where the machine's clock was set back.

        APScheduler sleeps until a time of day: set back by a day, it would sleep through one.
        """
        while not self._stopping.wait(
            max(1.0, self._last_pass + self._sweep_seconds + 1 - monotonic())
        ):
            if monotonic() - self._last_pass > self._sweep_seconds:
                self._schedule(in_seconds=0)
