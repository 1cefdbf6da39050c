"""Wakes the embargo: at the next deadline, and at least once a minute. Knows APScheduler.

The scheduler holds no truth. Its one job is in memory, remembers nothing over a restart and is
never dropped for being late; what is due is asked of the log at every pass.
"""

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.date import DateTrigger
from sqlalchemy.exc import SQLAlchemyError

from ledger.embargo import Embargo
from ledger.errors import LedgerError

log = logging.getLogger(__name__)

JOB_ID: Final = "embargo"


class Worker:
    """Sweeps in the background until it is stopped."""

    def __init__(
        self, embargo: Embargo[Any], *, clock: Callable[[], int], sweep_seconds: int = 60
    ) -> None:
        self._embargo = embargo
        self._clock = clock
        self._sweep_seconds = sweep_seconds
        self._scheduler = BackgroundScheduler(timezone=UTC)

    def start(self) -> None:
        """Sweep at once, then whenever something is due."""
        self._scheduler.start()
        self._schedule(self._clock())

    def stop(self) -> None:
        """Finish the pass that is running, then stop."""
        self._scheduler.shutdown(wait=True)

    def sweep(self) -> None:
        """One pass; a failure is logged and the next pass comes all the same."""
        try:
            swept = self._embargo.open_due()
            if swept.opened or swept.failed:
                log.info("opened %d entries, %d failed", swept.opened, len(swept.failed))
        except LedgerError as error:
            log.error("the embargo pass stopped: %s", error)  # noqa: TRY400 - the message says it all
        except SQLAlchemyError as error:
            log.error("the embargo pass stopped: %s", type(error).__name__)  # noqa: TRY400 - parameters may be secrets
        finally:
            if self._scheduler.running:
                self._schedule(self.next_wake())

    def next_wake(self) -> int:
        """When to sweep again, in Unix seconds: the next deadline, within a minute."""
        now = self._clock()
        latest = now + self._sweep_seconds
        try:
            deadline = self._embargo.next_deadline()
        except (LedgerError, SQLAlchemyError):
            return latest
        # What is due and could not be opened is tried again with the regular pass.
        return latest if deadline is None or deadline <= now else min(deadline, latest)

    def _schedule(self, wake_at: int) -> None:
        # misfire_grace_time=None: APScheduler would drop, and forget, a job that is a second late.
        self._scheduler.add_job(
            self.sweep,
            DateTrigger(run_date=datetime.fromtimestamp(wake_at, UTC)),
            id=JOB_ID,
            replace_existing=True,
            misfire_grace_time=None,
            max_instances=1,
        )
