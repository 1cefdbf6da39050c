"""Any order of submitting, crashing, waiting, opening, withholding: the log verifies all the same.

Hypothesis chooses the steps; after each of them every stored byte is recomputed.
"""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import kit
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    rule,
)
from soaking.seams import STEPS, fault

from ledger.assembly import Ledger
from ledger.errors import Conflict, LedgerError, LogUnavailable, ValueRefused
from ledger.records.deadline import DAY_S, format_time
from ledger.settings import Settings
from schemas.posting import Receipted

EVENTS: dict[str, Callable[[str], bytes]] = {
    "started": kit.started,
    "interrupted": kit.interrupted,
    "completed": kit.ended,
    "cancelled": lambda job: kit.ended(job, "cancelled"),
    "egress": lambda job: kit.egress(job, 1),
}


class LedgerMachine(RuleBasedStateMachine):
    """A ledger on SQLite, its authors, and everything that may happen to them."""

    jobs = Bundle("jobs")
    waiting = Bundle("waiting")

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="ledger-machine-"))
        self.clock = kit.Clock()
        self.number = 0
        self.acknowledged: dict[bytes, Receipted] = {}
        self.settings: Settings = kit.make_ledger(
            f"sqlite:///{self.folder / 'ledger.db'}", self.folder, clock=self.clock
        )
        self.ledger = Ledger(self.settings, clock=self.clock)

    def teardown(self) -> None:
        self.ledger.close()
        shutil.rmtree(self.folder)

    def take(self, *bodies: bytes) -> list[Receipted | LedgerError]:
        """Have bodies logged, and hold every answer against what was answered before."""
        answers = self.ledger.submit_batch(bodies).result(120)
        for body, answer in zip(bodies, answers, strict=True):
            if isinstance(answer, Receipted):
                known = self.acknowledged.setdefault(body, answer)
                assert known.accepted == answer.accepted
            else:
                assert body not in self.acknowledged or isinstance(answer, LogUnavailable)
        return answers

    @initialize(target=jobs)
    def first(self) -> str:
        return self.submit(rejected=False, author="deepseek")  # type: ignore[return-value]  # called, a rule gives what it returns

    @rule(target=jobs, rejected=st.booleans(), author=st.sampled_from(["deepseek", "zhipu"]))
    def submit(self, rejected: bool, author: str) -> str:
        self.number += 1
        job = kit.ulid(self.number)
        changed: dict[str, Any] = {"gpu_count": 30_000} if rejected else {}
        (answer,) = self.take(kit.submitted(job, author=author, **changed))
        assert isinstance(answer, Receipted)
        assert answer.accepted.decision is not None
        assert answer.accepted.decision.kind == ("rejected" if rejected else "admitted")
        return job

    @rule(job=jobs, kinds=st.lists(st.sampled_from(sorted(EVENTS)), min_size=1, max_size=4))
    def happen(self, job: str, kinds: list[str]) -> None:
        for answer in self.take(*(EVENTS[kind](job) for kind in kinds)):
            assert isinstance(answer, Receipted | Conflict)

    @rule(job=jobs)
    def contradict(self, job: str) -> None:
        (answer,) = self.take(kit.submitted(job, wall_limit_seconds=1))
        assert isinstance(answer, Conflict)

    @rule(
        job=jobs, author=st.sampled_from(["deepseek", "zhipu", "orchestrator"]), n=st.integers(0, 9)
    )
    def correct(self, job: str, author: str, n: int) -> None:
        checked = kit.check_whole_log(self.settings)
        index = (n * 7) % checked.size
        (answer,) = self.take(kit.corrected(job, index, str(n), author=author))
        entry = checked.entries[index]
        is_own = entry.signed is not None and entry.signed.statement.author == author
        if entry.job_id == job and is_own:
            assert isinstance(answer, Receipted)
        else:
            assert isinstance(answer, ValueRefused)

    @rule(job=jobs, paths=st.sets(st.sampled_from(["title", "purpose", "model.name"]), min_size=1))
    def withhold(self, job: str, paths: set[str]) -> None:
        checked = kit.check_whole_log(self.settings)
        index = next(i for i, entry in enumerate(checked.entries) if entry.job_id == job)
        logged_at = max(self.clock(), checked.entries[-1].logged_at)
        review_by = format_time(logged_at + 100 * DAY_S)
        body = kit.withheld(job, index, *sorted(paths), review_by=review_by)
        known = body in self.acknowledged
        (answer,) = self.take(body)
        closed = (
            index in checked.disclosed
            or index in checked.withheld
            or logged_at >= checked.deadlines[index]
        )
        assert isinstance(answer, Conflict if closed and not known else Receipted)

    @rule(job=jobs)
    def open_early(self, job: str) -> None:
        checked = kit.check_whole_log(self.settings)
        index = next(i for i, entry in enumerate(checked.entries) if entry.job_id == job)
        signed = checked.entries[index].signed
        assert signed is not None
        body = kit.opened(job, index, author=signed.statement.author)
        known = body in self.acknowledged
        (answer,) = self.take(body)
        refused = index in checked.disclosed and not known
        assert isinstance(answer, Conflict if refused else Receipted)

    @rule(days=st.integers(-40, 60), seconds=st.integers(-1, 1))
    def wait(self, days: int, seconds: int) -> None:
        self.clock.advance(days=days, seconds=seconds)

    @rule()
    def open_due(self) -> None:
        before = kit.check_whole_log(self.settings)
        swept = self.ledger.embargo.open_due()
        after = kit.check_whole_log(self.settings)
        assert swept.failed == ()
        assert after.overdue(self.clock()) == []
        new = [index for index in after.disclosed if index not in before.disclosed]
        assert new == sorted(before.overdue(self.clock()))
        assert swept.opened == len(new)

    @rule(
        target=waiting,
        step=st.sampled_from(STEPS),
        took_effect=st.booleans(),
    )
    def fail(self, step: str, took_effect: bool) -> bytes:
        self.number += 1
        body = kit.submitted(kit.ulid(self.number))
        with fault(step, took_effect=took_effect, postgresql=False):
            (answer,) = self.take(body)
        assert isinstance(answer, Receipted | LogUnavailable)
        return body

    @rule(body=consumes(waiting))
    def send_again(self, body: bytes) -> None:
        (answer,) = self.take(body)
        assert isinstance(answer, Receipted)

    @rule()
    def send_everything_again(self) -> None:
        for answer in self.take(*self.acknowledged):
            assert isinstance(answer, Receipted)
            assert not answer.created

    @rule()
    def reopen(self) -> None:
        self.ledger.close()
        self.ledger = Ledger(self.settings, clock=self.clock)
        checked = kit.check_whole_log(self.settings)
        assert checked.checkpoints[-1].size == checked.size

    @invariant()
    def everything_verifies(self) -> None:
        kit.check_whole_log(self.settings, acknowledged=list(self.acknowledged.values()))


LedgerMachine.TestCase.settings = settings(
    max_examples=12,
    stateful_step_count=25,
    deadline=None,
    derandomize=True,  # the same steps in every run: a search is for the one who runs it by hand
    database=None,
    suppress_health_check=list(HealthCheck),
)
TestLedgerMachine = LedgerMachine.TestCase
