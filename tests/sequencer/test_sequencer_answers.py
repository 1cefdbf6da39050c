"""What an answer promises, what a refusal leaves behind, and who waits for whom."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import kit
import pytest

from ledger.assembly import Ledger
from ledger.assembly.desk import CHECKERS
from ledger.errors import (
    AuthorUnknown,
    CommitmentError,
    Conflict,
    LedgerError,
    LogUnavailable,
    OutOfOrder,
    Overloaded,
    SignatureError,
    ValueRefused,
)
from ledger.records import canonical
from ledger.records.entry import Reason
from ledger.records.proposal import Disclosure
from ledger.sequencer.queue import Queue, Ticket
from ledger.sequencer.sequencer import Sequencer
from ledger.sequencer.signing import Signing
from ledger.settings import Settings
from ledger.storage.store import Store
from ledger.tlog.note import COSIGNATURE, generate_key
from schemas.posting import Receipted

ONE, TWO, THREE = kit.ulid(1), kit.ulid(2), kit.ulid(3)
WITNESS = generate_key(f"{kit.ORIGIN}/qwen", bytes(32), key_type=COSIGNATURE)[0]


@pytest.fixture
def clock() -> kit.Clock:
    return kit.Clock()


@pytest.fixture
def settings(database_url: str, tmp_path: Path, clock: kit.Clock) -> Settings:
    return kit.make_ledger(database_url, tmp_path, clock=clock)


@pytest.fixture
def ledger(settings: Settings, clock: kit.Clock) -> Any:
    opened = Ledger(settings, clock=clock)
    yield opened
    opened.close()
    kit.check_whole_log(settings)


def test_a_submission_and_its_decision_are_answered_together(ledger: Ledger) -> None:
    admitted, rejected = kit.log(
        ledger, kit.submitted(ONE), kit.submitted(TWO, workload_type="sft", gpu_count=30_000)
    )
    assert (admitted.created, admitted.accepted.index, admitted.accepted.kind) == (
        True,
        1,
        "submitted",
    )
    assert admitted.accepted.logged_at == "2026-11-21T12:00:00Z"
    assert admitted.accepted.decision is not None
    assert (admitted.accepted.decision.index, admitted.accepted.decision.kind) == (2, "admitted")
    assert rejected.accepted.decision is not None
    assert (rejected.accepted.decision.index, rejected.accepted.decision.kind) == (4, "rejected")
    assert [finding.code for finding in rejected.accepted.decision.findings] == [
        "R1_forbidden_workload",
        "Q_quota",
    ]


def test_the_same_statement_has_the_same_answer_for_ever(
    settings: Settings, clock: kit.Clock
) -> None:
    bodies = [
        kit.submitted(ONE),
        kit.submitted(TWO, egress_ceiling_bytes=None),
        kit.started(ONE),
        kit.opened(ONE, 1),
        kit.registry("add", "qwen", kit.author_key("qwen")),
    ]
    ledger = Ledger(settings, clock=clock)
    first = kit.log(ledger, *bodies[:2]) + kit.log(ledger, *bodies[2:])
    clock.advance(days=1)
    kit.log(ledger, kit.ended(ONE))
    again = kit.log(ledger, *reversed(bodies))[::-1]
    ledger.close()
    clock.advance(days=100)
    ledger = Ledger(settings, clock=clock)
    later = [ledger.submit(body).result(120) for body in bodies]
    ledger.close()
    assert all(answer.created for answer in first)
    assert not any(answer.created for answer in again + later)
    for answers in (again, later):
        assert [each.accepted for each in answers] == [each.accepted for each in first]
    kit.check_whole_log(settings, acknowledged=first + again + later)


def test_the_same_statement_twice_in_one_batch_is_logged_once(ledger: Ledger) -> None:
    first, second, third = kit.log(ledger, kit.submitted(ONE), kit.submitted(ONE), kit.started(ONE))
    assert (first.created, second.created) == (True, False)
    assert first.accepted == second.accepted
    assert third.accepted.index == 3


def test_waiting_clients_share_a_transaction(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    clients = 64
    jobs = [kit.ulid(number) for number in range(clients + 1)]
    kit.log(ledger, *map(kit.submitted, jobs))
    transactions, taken = [], []
    append, sequence = Store.append, Sequencer._sequence

    def counted(store: Store) -> Any:
        transactions.append(1)
        return append(store)

    def noted(sequencer: Sequencer, tickets: Sequence[Ticket[Any]]) -> None:
        taken.append(sum(len(ticket.works) for ticket in tickets))
        sequence(sequencer, tickets)

    monkeypatch.setattr(Store, "append", counted)
    monkeypatch.setattr(Sequencer, "_sequence", noted)
    answers: list[Receipted] = []
    for make in (kit.started, kit.ended):
        taken.clear()
        transactions.clear()
        with held(ledger):
            waiting = [ledger.submit(make(jobs[0]))]
            _until(lambda: taken == [1])
            waiting += [ledger.submit(make(job)) for job in jobs[1:]]
            _until(lambda: ledger.sequencer.waiting == clients)
        answers += [answer.result(120) for answer in waiting]
        assert taken == [1, clients]
        assert len(transactions) == 2
    assert len({answer.accepted.index for answer in answers}) == 2 * len(jobs)
    kit.check_whole_log(ledger.settings, acknowledged=answers)


REFUSED: dict[str, tuple[Callable[[], bytes], type[LedgerError], str]] = {
    "another submission of the job": (
        lambda: kit.submitted(ONE, gpu_count=65),
        Conflict,
        "was submitted before, with other content",
    ),
    "a start of nothing": (lambda: kit.started(TWO), OutOfOrder, "a job that was not submitted"),
    "a second start": (
        lambda: kit.started(ONE, at="2026-11-21T12:00:01Z"),
        OutOfOrder,
        "a job that is started",
    ),
    "an unknown author": (
        lambda: kit.submitted(TWO, author=kit.author_key("qwen")),
        AuthorUnknown,
        "of qwen is in the registry",
    ),
    "an author's unknown key": (
        lambda: kit.submitted(TWO, author=kit.author_key("zhipu", number=1)),
        AuthorUnknown,
        "of zhipu is in the registry",
    ),
    "another's role": (
        lambda: kit.submitted(TWO, author="orchestrator"),
        AuthorUnknown,
        "registered as orchestrator",
    ),
    "a signature of other bytes": (
        lambda: _changed(kit.submitted(TWO), gpu_count=63),
        SignatureError,
        "signature",
    ),
    "an opening of another root": (
        lambda: _reopened(kit.submitted(TWO), title="Another"),
        CommitmentError,
        "the opening gives the root",
    ),
    "a correction of another's entry": (
        lambda: kit.corrected(ONE, 1, "7", author="orchestrator"),
        ValueRefused,
        "was not made by orchestrator",
    ),
    "a correction of another job's entry": (
        lambda: kit.corrected(TWO, 1, "7"),
        OutOfOrder,
        "not submitted",
    ),
    "withholding what seals nothing": (
        lambda: kit.withheld(ONE, 3, "title"),
        ValueRefused,
        "title is not a sealed field of entry 3",
    ),
    "withholding until too late a review": (
        lambda: kit.withheld(ONE, 1, "title", review_by="2028-01-01T00:00:00Z"),
        ValueRefused,
        "not within 180 days",
    ),
    "opening another's record": (
        lambda: kit.opened(ONE, 1, author="zhipu"),
        ValueRefused,
        "only its author may open it",
    ),
    "a key under another's name": (
        lambda: kit.registry("add", "qwen", kit.author_key("zhipu", number=7)),
        ValueRefused,
        "expected|names keys by origin and author",
    ),
    "a witness's key": (
        lambda: kit.registry("add", "qwen", WITNESS),
        ValueRefused,
        "statement.public.vkey: the key is of type 0x04 where authors sign with Ed25519",
    ),
    "a key that is there": (
        lambda: kit.registry("add", "zhipu", kit.SIGNERS["zhipu"]),
        Conflict,
        "make a new one",
    ),
    "a sum that no reader has": (
        lambda: kit.egress(ONE, 2**53 - 1),
        ValueRefused,
        "statement.public.egress_bytes: the job's sum would be",
    ),
}


def _changed(body: bytes, **public: Any) -> bytes:
    posted = canonical.decode(body, limit=1 << 20)
    posted["statement"]["public"] |= public
    return canonical.encode(posted)


def _reopened(body: bytes, **fields: Any) -> bytes:
    posted = canonical.decode(body, limit=1 << 20)
    posted["opening"]["fields"] |= fields
    return canonical.encode(posted)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def lasting(
    request: pytest.FixtureRequest, _grown: Callable[[str, int], tuple[Settings, str]]
) -> Any:
    """One ledger for all that is refused: nothing of it is ever written."""
    settings, _ = _grown(request.param, 4)
    opened = Ledger(settings, clock=kit.Clock())
    kit.log(opened, kit.egress(ONE, 1))
    yield opened
    opened.close()
    kit.check_whole_log(settings)


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_leaves_no_trace_and_harms_no_other(lasting: Ledger, case: str) -> None:
    make, kind, message = REFUSED[case]
    before = kit.counts(lasting.store)
    alone = kit.refusal(lasting.submit(make()))
    assert type(alone) is kind
    with pytest.raises(kind, match=message):
        raise alone
    assert kit.counts(lasting.store) == before
    job = kit.ulid(1_000 + before["head"])
    good = [kit.submitted(job), kit.started(job), kit.ended(job)]
    answers = lasting.submit_batch([good[0], make(), good[1], make(), good[2]]).result(120)
    assert [type(answer) for answer in answers] == [Receipted, kind, Receipted, kind, Receipted]
    assert kit.counts(lasting.store)["head"] == before["head"] + 4


def test_a_key_retired_in_a_batch_signs_nothing_after_it(ledger: Ledger) -> None:
    key = kit.author_key("qwen")
    kit.log(ledger, kit.registry("add", "qwen", key))
    answers = ledger.submit_batch(
        [
            kit.submitted(ONE, author=key),
            kit.registry("retire", "qwen", key),
            kit.submitted(TWO, author=key),
            kit.submitted(ONE, author=key),
        ]
    ).result(120)
    assert [type(answer) for answer in answers] == [
        Receipted,
        Receipted,
        AuthorUnknown,
        Receipted,  # logged while the key was good: the same answer again
    ]
    assert "is retired" in str(answers[2])
    assert type(kit.refusal(ledger.submit(kit.submitted(THREE, author=key)))) is AuthorUnknown
    retired_again = kit.registry("retire", "qwen", key, title="2")
    assert type(kit.refusal(ledger.submit(retired_again))) is Conflict
    assert type(kit.refusal(ledger.submit(kit.registry("add", "qwen", key, title="2")))) is Conflict


def test_a_key_of_a_batch_that_failed_is_not_known(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = kit.author_key("qwen")
    with monkeypatch.context() as patch:
        patch.setattr(Signing, "sign", lambda *_: 1 / 0)
        patch.setattr(Store, "append", _rolled_back(Store.append))
        answer = kit.refusal(ledger.submit(kit.registry("add", "qwen", key)))
    assert isinstance(answer, LogUnavailable)
    # As large as the failed batch would have made the log.
    kit.log(ledger, kit.registry("add", "moonshot", kit.author_key("moonshot")))
    proposal = _unchecked(ledger, kit.submitted(ONE, author=key))
    assert type(ledger.sequencer.submit([proposal]).result(120)[0]) is AuthorUnknown


def _rolled_back(real: Any) -> Any:
    from contextlib import contextmanager  # noqa: PLC0415 - beside its one use

    @contextmanager
    def append(store: Store) -> Any:
        with real(store) as appending:
            yield appending
            raise LogUnavailable("rolled back")

    return append


def _unchecked(ledger: Ledger, body: bytes) -> Any:
    from ledger.records.proposal import Proposal  # noqa: PLC0415 - beside its one use
    from ledger.records.statement import decode_signed  # noqa: PLC0415 - the same

    return Proposal(parsed=decode_signed(body), size=len(body), sealed_opening=b"x")


def test_a_clock_that_is_set_back_moves_no_entry_back(ledger: Ledger, clock: kit.Clock) -> None:
    times = []
    for n, seconds in enumerate((0, 3600, -86_400, 0, 86_500, -1)):
        clock.advance(seconds=seconds)
        times.append(kit.log(ledger, kit.submitted(kit.ulid(n)))[0].accepted.logged_at)
    assert times == [
        "2026-11-21T12:00:00Z",
        "2026-11-21T13:00:00Z",
        "2026-11-21T13:00:00Z",
        "2026-11-21T13:00:00Z",
        "2026-11-21T13:01:40Z",
        "2026-11-21T13:01:40Z",
    ]


def test_nothing_is_opened_before_its_deadline_by_the_logs_own_time(
    ledger: Ledger, clock: kit.Clock
) -> None:
    kit.log(ledger, kit.submitted(ONE))
    clock.advance(days=90)
    with ledger.store.snapshot() as reads:
        due = reads.due(now=clock(), after=-1, limit=10)
    disclosure = ledger.embargo._prepare(due[0])
    assert disclosure.reason is Reason.DEADLINE
    clock.advance(seconds=-1)  # set back between the sweep and the log
    (refused,) = ledger.sequencer.submit([disclosure]).result(120)
    assert type(refused) is OutOfOrder
    assert "is due at 2027-02-19T12:00:00Z" in str(refused)
    clock.advance(seconds=1)
    assert ledger.embargo.open_due().opened == 1


# --- waiting --------------------------------------------------------------------------------------


def held(ledger: Ledger) -> Any:
    """Hold the signer, so that everything waits, until the block is left."""
    return ledger.sequencer._signer.memory.locked()


def test_a_full_queue_promises_nothing(settings: Settings, clock: kit.Clock) -> None:
    small = settings.model_copy(update={"queue_records": 4})
    ledger = Ledger(small, clock=clock)
    proposals = [ledger.intake.check(kit.submitted(kit.ulid(n))) for n in range(8)]
    with held(ledger):
        tickets = [ledger.sequencer.submit(proposals[:1])]
        _until(lambda: ledger.sequencer.waiting == 0)  # taken, and stuck at the signer
        tickets.append(ledger.sequencer.submit(proposals[1:4]))
        with pytest.raises(Overloaded, match="3 statements are waiting") as caught:
            ledger.sequencer.submit(proposals[4:6])
        assert caught.value.retry_after_s == 1
        tickets.append(ledger.sequencer.submit(proposals[6:7]))
    answers = [each for ticket in tickets for each in ticket.result(120)]
    assert not [each for each in answers if isinstance(each, LedgerError)]
    assert len(answers) == 5
    ledger.close()
    assert kit.check_whole_log(settings).size == 1 + 2 * 5


def test_a_queue_is_bounded_in_bytes_too() -> None:
    queue: Queue[int] = Queue(max_records=100, max_bytes=1_000)

    def work(size: int) -> Any:
        return type("Work", (), {"size": size})()

    queue.put([work(2_000)])  # a first one always fits, or it never would
    with pytest.raises(Overloaded):
        queue.put([work(1)])
    assert [ticket.size for ticket in queue.take(10)] == [2_000]
    queue.put([work(600)])
    queue.put([work(400)])
    with pytest.raises(Overloaded):
        queue.put([work(1)])
    queue.put([Disclosure(index=1, job_id=ONE, reason=Reason.DEADLINE, fields={})])
    assert queue.records == 3
    queue.close(LogUnavailable("closed"))
    assert sum(len(ticket.works) for ticket in queue.take(10)) == 3
    assert queue.take(10) == []
    with pytest.raises(LogUnavailable, match="closed"):
        queue.put([work(1)])


def test_a_flood_before_the_checks_is_refused(
    settings: Settings, clock: kit.Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = settings.model_copy(update={"queue_records": 4})
    ledger = Ledger(small, clock=clock)
    gate = threading.Event()
    real = ledger.intake.check
    monkeypatch.setattr(ledger.intake, "check", lambda body: (gate.wait(120), real(body))[1])
    waiting = [ledger.submit(kit.submitted(kit.ulid(n))) for n in range(4)]
    assert type(kit.refusal(ledger.submit(kit.submitted(ONE)))) is Overloaded
    batch: Future[Any] = ledger.submit_batch([kit.submitted(ONE)])
    assert type(batch.exception(120)) is Overloaded
    gate.set()
    assert [future.result(120).accepted.kind for future in waiting] == ["submitted"] * 4
    _until(lambda: ledger._writer.desk._records == 0)
    assert kit.log(ledger, *(kit.submitted(kit.ulid(n)) for n in range(10, 14)))
    ledger.close()
    kit.check_whole_log(settings)


def test_closing_answers_what_waits_and_refuses_what_comes(
    settings: Settings, clock: kit.Clock
) -> None:
    ledger = Ledger(settings, clock=clock)
    with held(ledger):
        waiting = [ledger.submit(kit.submitted(kit.ulid(n))) for n in range(50)]
        closing = threading.Thread(target=ledger.close)
        closing.start()
        _until(lambda: ledger._writer.desk._closed)
        assert not any(future.done() for future in waiting)
        late = ledger.submit(kit.submitted(kit.ulid(99)))
    closing.join(120)
    assert not closing.is_alive()
    assert all(isinstance(future.result(0), Receipted) for future in waiting)
    assert type(kit.refusal(late)) is LogUnavailable
    assert type(kit.refusal(ledger.submit(kit.submitted(kit.ulid(98))))) is LogUnavailable
    with pytest.raises(LogUnavailable, match="shutting down"):
        ledger.sequencer.submit([])
    ledger.close()  # once more does no harm
    checked = kit.check_whole_log(settings, acknowledged=[future.result(0) for future in waiting])
    assert checked.size == 1 + 2 * 50


def test_a_client_that_gave_up_holds_up_no_one(
    settings: Settings, clock: kit.Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = Ledger(settings, clock=clock)
    gate = threading.Event()
    real = ledger.intake.check
    monkeypatch.setattr(ledger.intake, "check", lambda body: (gate.wait(120), real(body))[1])
    futures = [ledger.submit(kit.submitted(kit.ulid(n))) for n in range(20)]
    cancelled = [future for future in futures if future.cancel()]
    assert cancelled
    gate.set()
    stayed = [future.result(120) for future in futures if future not in cancelled]
    assert kit.log(ledger, kit.submitted(kit.ulid(99)))
    ledger.close()
    checked = kit.check_whole_log(settings, acknowledged=stayed)
    assert checked.size == 1 + 2 * (len(stayed) + 1)


def test_callers_that_fail_to_take_their_answers_cost_the_next_nothing(ledger: Ledger) -> None:
    class Waits:
        def is_wanted(self) -> bool:
            return True

    class Breaks:
        def is_wanted(self) -> bool:
            raise MemoryError

    heard: list[str] = []

    def fail(settled: Sequence[tuple[Any, object]]) -> None:
        heard.extend(type(answer).__name__ for _, answer in settled)
        raise MemoryError

    for n in range(4 * CHECKERS):
        ledger.enter(kit.submitted(kit.ulid(n)), Waits() if n % 2 else Breaks(), fail)
        assert kit.log(ledger, kit.submitted(kit.ulid(1_000 + n)))
        # One at a time, so that each failure is a checker's of its own.
        assert ledger.submit(kit.submitted(kit.ulid(2_000 + n))).result(120).created
    _until(lambda: len(heard) == 4 * CHECKERS)
    assert sorted(set(heard)) == ["MemoryError", "Receipted"]
    _until(lambda: ledger._writer.desk._records == 0)


def test_a_caller_that_fails_to_take_its_answer_costs_the_next_nothing(ledger: Ledger) -> None:
    with held(ledger):
        one = ledger.sequencer.submit([ledger.intake.check(kit.submitted(ONE))])
        two = ledger.sequencer.submit([ledger.intake.check(kit.submitted(TWO))])

        def fail(_: Ticket[Any]) -> None:
            raise RuntimeError

        heard: list[Any] = []
        one.add_done_callback(fail)
        one.add_done_callback(lambda ticket: heard.append(ticket.result()))
    assert not isinstance(two.result(120)[0], LedgerError)
    assert heard == [one.result(0)]
    one.add_done_callback(lambda ticket: heard.append(ticket.result()))
    assert len(heard) == 2
    assert kit.log(ledger, kit.submitted(THREE))


def test_a_ticket_can_be_waited_for_with_patience() -> None:
    ticket: Ticket[int] = Ticket([])
    with pytest.raises(TimeoutError):
        ticket.result(0.01)
    assert not ticket.done()
    ticket.finish([1, 2])
    assert (ticket.result(), ticket.result(0), ticket.done()) == ([1, 2], [1, 2], True)


def _until(condition: Any) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_the_council_keeps_a_key(ledger: Ledger) -> None:
    first, second = kit.SIGNERS["council"], kit.author_key("council", number=1)
    last = kit.registry("retire", "council", first, role="council")
    with pytest.raises(Conflict, match="last key"):
        ledger.submit(last).result(120)
    kit.log(ledger, kit.registry("add", "council", second, role="council"), last)
