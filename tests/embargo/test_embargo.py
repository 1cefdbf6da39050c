"""The deadline: nothing a second before it, everything from it on, each record once."""

from collections.abc import Iterator
from pathlib import Path

import embargo_children
import kit
import pytest
from processes import heard_until_end, running
from sqlalchemy import text

from ledger import embargo
from ledger.assembly import Ledger
from ledger.errors import Conflict, LogUnavailable, OutOfOrder, ValueRefused
from ledger.records import canonical
from ledger.records.deadline import DAY_S, parse_time
from ledger.records.entry import Reason
from ledger.records.statement import sealed_paths
from ledger.settings import Settings
from ledger.storage.tables import FOREVER
from schemas.statements import SCHEMAS

ONE, TWO, THREE = kit.ulid(1), kit.ulid(2), kit.ulid(3)
DAY_90 = kit.NOON + 90 * DAY_S


@pytest.fixture
def clock() -> kit.Clock:
    return kit.Clock()


@pytest.fixture
def settings(database_url: str, tmp_path: Path, clock: kit.Clock) -> Settings:
    return kit.make_ledger(database_url, tmp_path, clock=clock)


@pytest.fixture
def ledger(settings: Settings, clock: kit.Clock) -> Iterator[Ledger]:
    opened = Ledger(settings, clock=clock)
    yield opened
    opened.close()
    kit.check_whole_log(settings)


def sweep(ledger: Ledger) -> list[int]:
    """The entries that one pass opens, in the order in which it does."""
    with ledger.store.snapshot() as reads:
        size = reads.head().size
    swept = ledger.embargo.open_due()
    with ledger.store.snapshot() as reads:
        found = reads.disclosures(below=FOREVER, limit=10**6)
    opened = [discloses for discloses, index in reversed(found) if index >= size]
    assert swept.opened == len(opened)
    return opened


@pytest.mark.parametrize(
    ("logged_at", "before", "due"),
    [
        ("2026-11-21T12:00:00Z", "2027-02-19T11:59:59Z", "2027-02-19T12:00:00Z"),
        ("2026-11-22T00:00:00Z", "2027-02-19T23:59:59Z", "2027-02-20T00:00:00Z"),
        ("2026-11-21T23:59:59Z", "2027-02-19T23:59:58Z", "2027-02-19T23:59:59Z"),
        ("2027-12-01T00:00:00Z", "2028-02-28T23:59:59Z", "2028-02-29T00:00:00Z"),
        ("2026-12-31T23:59:59Z", "2027-03-31T23:59:58Z", "2027-03-31T23:59:59Z"),
    ],
)
def test_a_record_opens_in_the_second_of_its_deadline(
    ledger: Ledger, clock: kit.Clock, logged_at: str, before: str, due: str
) -> None:
    clock.now = parse_time(logged_at)
    kit.log(ledger, kit.submitted(ONE))
    assert ledger.embargo.next_deadline() == parse_time(due)
    clock.now = parse_time(before)
    assert sweep(ledger) == []
    clock.now = parse_time(due)
    assert sweep(ledger) == [1]
    assert sweep(ledger) == []
    assert ledger.embargo.next_deadline() is None


@pytest.mark.parametrize(("day", "opened"), [(89, []), (90, [1]), (91, [1])])
def test_day_89_90_and_91(ledger: Ledger, clock: kit.Clock, day: int, opened: list[int]) -> None:
    kit.log(ledger, kit.submitted(ONE))
    clock.advance(days=day)
    assert sweep(ledger) == opened


def test_a_clock_set_forward_and_back_opens_nothing_twice_and_nothing_late(
    ledger: Ledger, clock: kit.Clock, settings: Settings
) -> None:
    kit.log(ledger, kit.submitted(ONE))
    clock.advance(days=1)
    kit.log(ledger, kit.submitted(TWO))
    clock.advance(days=-30)  # back
    kit.log(ledger, kit.submitted(THREE))  # the log's time does not follow
    assert sweep(ledger) == []
    clock.now = DAY_90 + 10
    assert sweep(ledger) == [1]
    clock.now = kit.NOON
    assert sweep(ledger) == []
    clock.now = DAY_90 + DAY_S
    assert sweep(ledger) == [3, 5]
    clock.now = kit.NOON + 10 * DAY_S
    assert sweep(ledger) == []
    kit.log(ledger, kit.submitted(kit.ulid(4)))
    checked = kit.check_whole_log(settings)
    # Logged at the log's own time, which is that of day 91: due 90 days after it.
    assert max(checked.deadlines.values()) == DAY_90 + DAY_S + 90 * DAY_S


def test_after_a_long_downtime_one_pass_opens_everything_in_log_order(
    settings: Settings, clock: kit.Clock
) -> None:
    ledger = Ledger(settings, clock=clock)
    for start in range(0, 1_200, 400):
        kit.log(ledger, *(kit.submitted(kit.ulid(n)) for n in range(start, start + 400)))
        clock.advance(seconds=1)
    not_due = kit.log(ledger, kit.submitted(kit.ulid(5_000)))[0].accepted.index
    ledger.close()
    clock.now = DAY_90 + 2
    ledger = Ledger(settings, clock=clock)
    opened = sweep(ledger)
    assert opened == list(range(1, 2_401, 2))
    assert ledger.embargo.next_deadline() == DAY_90 + 3
    ledger.close()
    checked = kit.check_whole_log(settings)
    assert checked.overdue(clock()) == []
    assert not_due not in checked.disclosed


@pytest.mark.parametrize("at_once", [1, 2, 3, 5])
def test_records_that_stand_side_by_side_are_all_opened(
    ledger: Ledger, clock: kit.Clock, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(embargo, "AT_ONCE", at_once)
    jobs = [kit.ulid(n) for n in range(4)]
    kit.log(ledger, *map(kit.submitted, jobs))
    kit.log(ledger, *map(kit.started, jobs), *map(kit.ended, jobs))
    clock.advance(days=90)
    assert sweep(ledger) == [1, 3, 5, 7, 13, 14, 15, 16]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("batches", [1, 2])
def test_a_worker_killed_in_its_pass_leaves_the_rest_to_the_next(
    settings: Settings, clock: kit.Clock, batches: int, after: bool
) -> None:
    ledger = Ledger(settings, clock=clock)
    kit.log(ledger, *(kit.submitted(kit.ulid(n)) for n in range(8)))
    ledger.close()
    with running(
        embargo_children.die_in_a_pass,
        settings.database_url,
        settings.data_dir,
        batches,
        after,
    ) as (process, pipe):
        assert heard_until_end(pipe) == ["open"]
        process.join()
        assert process.exitcode == -9
    stored = min(8, embargo_children.AT_ONCE * (batches if after else batches - 1))
    assert len(kit.check_whole_log(settings).disclosed) == stored
    clock.now = DAY_90
    ledger = Ledger(settings, clock=clock)
    assert len(sweep(ledger)) == 8 - stored
    ledger.close()
    checked = kit.check_whole_log(settings)
    assert list(checked.disclosed) == list(range(1, 17, 2))


def test_workers_on_postgresql_open_each_record_once(postgresql_url: str, tmp_path: Path) -> None:
    settings = kit.make_ledger(postgresql_url, tmp_path)
    ledger = Ledger(settings, clock=kit.Clock())
    kit.log(ledger, *(kit.submitted(kit.ulid(n)) for n in range(120)))
    ledger.close()
    given = (embargo_children.open_due_and_say, postgresql_url, tmp_path)
    with running(*given) as (_, one), running(*given) as (_, two), running(*given) as (_, three):
        pipes = [one, two, three]
        assert [pipe.recv() for pipe in pipes] == ["open"] * 3
        for pipe in pipes:
            pipe.send("go")
        heard = [pipe.recv() for pipe in pipes]
    assert sum(opened for opened, _ in heard) == 120
    assert [failed for _, failed in heard] == [()] * 3
    assert list(kit.check_whole_log(settings).disclosed) == list(range(1, 241, 2))


# --- early, withheld, lost ------------------------------------------------------------------------


def test_an_author_opens_its_own_record_early_and_once(
    ledger: Ledger, clock: kit.Clock, settings: Settings
) -> None:
    kit.log(ledger, kit.submitted(ONE), kit.started(ONE), kit.ended(ONE))
    for author in ("zhipu", "orchestrator", "committee"):
        refused = kit.refusal(ledger.submit(kit.opened(ONE, 1, author=author)))
        assert isinstance(refused, ValueRefused)
        assert refused.field == "statement.public.discloses"
    given = kit.log(ledger, kit.opened(ONE, 1), kit.opened(ONE, 4, author="orchestrator"))
    checked = kit.check_whole_log(settings, acknowledged=given)
    assert checked.disclosed == {1: 6, 4: 8}
    first = checked.entries[6].disclosed
    assert first is not None
    assert (first.reason, first.opened_by) == (Reason.EARLY, 5)
    clock.advance(seconds=1)
    again = kit.say("deepseek", "open", "job-open/1", {"discloses": 1}, ONE)
    assert not kit.log(ledger, again)[0].created  # the same statement, the same answer
    other = kit.author_key("deepseek", number=2)
    kit.log(ledger, kit.registry("add", "deepseek", other))
    later = kit.say(other, "open", "job-open/1", {"discloses": 4}, ONE)
    assert isinstance(kit.refusal(ledger.submit(later)), ValueRefused)
    clock.advance(days=90)
    assert sweep(ledger) == []


def test_a_record_that_is_open_is_not_opened_again(ledger: Ledger, clock: kit.Clock) -> None:
    kit.log(ledger, kit.submitted(ONE))
    clock.advance(days=90)
    assert sweep(ledger) == [1]
    refused = kit.refusal(ledger.submit(kit.opened(ONE, 1)))
    assert isinstance(refused, OutOfOrder)
    assert "open already, by entry 3" in str(refused)


def test_opening_what_is_no_sealed_entry_of_the_job_names_the_field(ledger: Ledger) -> None:
    kit.log(ledger, kit.submitted(ONE), kit.submitted(TWO))
    for index in (0, 2, 3, 99):
        refused = kit.refusal(ledger.submit(kit.opened(ONE, index)))
        assert isinstance(refused, ValueRefused)
        assert refused.field == "statement.public.discloses"


@pytest.mark.parametrize("early", [False, True])
def test_what_the_committee_withholds_stays_closed_and_the_seed_unseen(
    ledger: Ledger, clock: kit.Clock, settings: Settings, early: bool
) -> None:
    sealed = {"title": "CANARY-TITLE", "purpose": "CANARY-PURPOSE", "protocol": "shown"}
    kit.log(ledger, kit.submitted(ONE, sealed=sealed))
    kit.log(ledger, kit.withheld(ONE, 1, "title", "purpose"))
    assert isinstance(kit.refusal(ledger.submit(kit.withheld(ONE, 1, "protocol"))), Conflict)
    if early:
        kit.log(ledger, kit.opened(ONE, 1))
    else:
        clock.advance(days=90)
        assert sweep(ledger) == [1]
    checked = kit.check_whole_log(settings)
    disclosed = checked.entries[-1].disclosed
    assert disclosed is not None
    assert disclosed.fields["protocol"] == "shown"
    assert disclosed.withheld_by == 3
    with ledger.store.snapshot() as reads:
        everything = b"".join(reads.entry_bytes(0, checked.size))
        job = reads.job(ONE, size=checked.size)
    seed = kit.seed_of(ONE, "submitted")
    for secret in (b"CANARY", canonical.encode_base64(seed).encode(), seed.hex().encode()):
        assert secret not in everything
    assert job is not None
    assert (job.title, job.model_name) == (None, None)


def test_everything_may_be_withheld(ledger: Ledger, clock: kit.Clock, settings: Settings) -> None:
    kit.log(ledger, kit.submitted(ONE))
    kit.log(ledger, kit.withheld(ONE, 1, *sorted(sealed_paths(SCHEMAS["job-submitted/1"]))))
    clock.advance(days=90)
    assert sweep(ledger) == [1]
    disclosed = kit.check_whole_log(settings).entries[-1].disclosed
    assert disclosed is not None
    assert disclosed.fields == {}


def test_from_its_deadline_on_nothing_is_withheld(ledger: Ledger, clock: kit.Clock) -> None:
    kit.log(ledger, kit.submitted(ONE), kit.submitted(TWO))
    clock.now = DAY_90 - 1
    kit.log(ledger, kit.withheld(ONE, 1, "title", review_by="2027-03-01T00:00:00Z"))
    clock.now = DAY_90
    late = kit.withheld(TWO, 3, "title", review_by="2027-03-01T00:00:00Z")
    refused = kit.refusal(ledger.submit(late))
    assert isinstance(refused, OutOfOrder)
    assert "from its deadline on" in str(refused)
    assert sweep(ledger) == [1, 3]


def test_a_title_that_a_database_cannot_hold_keeps_nothing_closed(
    ledger: Ledger, clock: kit.Clock
) -> None:
    """PostgreSQL has no NUL in text: one such title would hold up every disclosure."""
    sealed = {"title": "a\0b", "model.name": "\0", "purpose": "\0"}
    kit.log(ledger, kit.submitted(ONE, sealed=sealed), kit.submitted(TWO))
    kit.log(ledger, kit.registry("add", "qwen", kit.author_key("qwen"), title="Q\0"))
    clock.advance(days=90)
    assert sweep(ledger) == [1, 3]
    with ledger.store.snapshot() as reads:
        job = reads.job(ONE, size=FOREVER)
        entry = reads.entry(6)
    assert job is not None
    assert (job.title, job.model_name) == ("a\ufffdb", "\ufffd")
    assert entry is not None
    assert b'"title":"a\\u0000b"' in entry.data


def test_a_lost_opening_is_reported_and_holds_up_no_other(
    settings: Settings, clock: kit.Clock, caplog: pytest.LogCaptureFixture
) -> None:
    ledger = Ledger(settings, clock=clock)
    kit.log(ledger, *(kit.submitted(kit.ulid(n)) for n in range(4)))
    _edit(ledger, "DELETE FROM openings WHERE leaf_index = 3")
    _edit(ledger, "UPDATE openings SET ciphertext = {bytes} WHERE leaf_index = 5")
    clock.advance(days=90)
    for opened in (2, 0):
        swept = ledger.embargo.open_due()
        assert (swept.opened, swept.failed) == (opened, (3, 5))
    assert "entry 3 cannot be opened: the opening of entry 3 is not in the database" in caplog.text
    assert "entry 5 cannot be opened: a stored opening does not decrypt" in caplog.text
    with ledger.store.snapshot() as reads:
        assert reads.count_sealed(size=FOREVER, due_until=clock()) == 2  # and publicly so
        assert reads.next_deadline() == DAY_90
    refused = kit.refusal(ledger.submit(kit.opened(kit.ulid(1), 3)))
    assert isinstance(refused, LogUnavailable)  # not the author's doing
    assert "is not in the database" in str(refused)
    ledger.close()


def test_an_entry_that_is_damaged_holds_up_no_other(settings: Settings, clock: kit.Clock) -> None:
    ledger = Ledger(settings, clock=clock)
    kit.log(ledger, *(kit.submitted(kit.ulid(n)) for n in range(3)))
    _edit(ledger, "UPDATE entries SET data = {bytes} WHERE leaf_index = 1")
    clock.advance(days=90)
    swept = ledger.embargo.open_due()
    assert (swept.opened, swept.failed) == (2, (1,))
    ledger.close()


def test_a_log_that_takes_nothing_is_said_and_opened_later(
    ledger: Ledger, clock: kit.Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    kit.log(ledger, kit.submitted(ONE))
    clock.advance(days=90)
    with monkeypatch.context() as patch:
        patch.setattr(type(ledger.sequencer), "_store_batch", lambda *_: 1 / 0)
        with pytest.raises(LogUnavailable):
            ledger.embargo.open_due()
    assert sweep(ledger) == [1]


def _edit(ledger: Ledger, statement: str) -> None:
    """What whoever owns the database can do, triggers or not."""
    with (
        ledger.store.engine.connect().execution_options(ledger_writes=True) as connection,
        connection.begin(),
    ):
        lite = connection.dialect.name == "sqlite"
        for table in ("openings", "entries"):
            for verb in ("update", "delete") if lite else ():
                connection.execute(text(f"DROP TRIGGER IF EXISTS {table}_no_{verb}"))
            if not lite:
                connection.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
        raw = f"x'{'7b' * 90}'" if lite else f"decode('{'7b' * 90}', 'hex')"
        connection.exec_driver_sql(statement.format(bytes=raw))
