"""What a writer remembers between batches: of its own tree alone, and never more than it may."""

from pathlib import Path
from time import monotonic, sleep

import kit
import psycopg
import pytest
from soaking.seams import fault

from ledger.assembly import Ledger
from ledger.errors import OutOfOrder
from ledger.rebuild import rebuild
from ledger.sequencer import drafting
from ledger.storage.refold import refold
from ledger.storage.shapes import NewBatch
from ledger.storage.store import Appending, Store


def test_two_processes_that_take_turns_see_what_the_other_has_written(
    postgresql_url: str, tmp_path: Path
) -> None:
    settings = kit.make_ledger(postgresql_url, tmp_path)
    one, other = (Ledger(settings, clock=kit.Clock()) for _ in range(2))
    job = kit.ulid(1)
    given = kit.log(one, kit.submitted(job), kit.submitted(kit.ulid(2)))
    given += kit.log(other, kit.started(job))
    given += kit.log(one, kit.interrupted(job))
    given += kit.log(other, kit.started(job, at="2026-11-21T12:10:00Z"))
    given += kit.log(one, kit.egress(job, 1_000), kit.ended(job))
    late = kit.started(job, at="2026-11-21T12:20:00Z")
    assert isinstance(kit.refusal(other.submit(late)), OutOfOrder)
    one.close()
    other.close()
    kit.check_whole_log(settings, acknowledged=given)


def test_jobs_that_are_remembered_are_not_read_again(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, asked = kit.make_ledger(database_url, tmp_path), _asked_jobs(monkeypatch)
    ledger = Ledger(settings, clock=kit.Clock())
    job = kit.ulid(1)
    given = kit.log(ledger, kit.submitted(job))
    given += kit.log(ledger, kit.started(job))
    given += kit.log(ledger, kit.interrupted(job), kit.started(job, at="2026-11-21T12:10:00Z"))
    assert asked == [job]
    ledger.close()
    # What opens the log anew has nothing in mind.
    ledger = Ledger(settings, clock=kit.Clock())
    given += kit.log(ledger, kit.ended(job))
    assert asked == [job, job]
    ledger.close()
    kit.check_whole_log(settings, acknowledged=given)


@pytest.mark.parametrize("step", ["insert entries", "commit"])
def test_a_batch_that_was_not_stored_leaves_nothing_in_mind(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    settings, asked = kit.make_ledger(database_url, tmp_path), _asked_jobs(monkeypatch)
    ledger = Ledger(settings, clock=kit.Clock())
    job = kit.ulid(1)
    given = kit.log(ledger, kit.submitted(job))
    with fault(step, took_effect=False, postgresql=database_url.startswith("postgresql")):
        kit.refusal(ledger.submit(kit.started(job)))
    asked.clear()
    given += kit.log(ledger, kit.started(job))
    assert asked == [job]
    ledger.close()
    kit.check_whole_log(settings, acknowledged=given)


@pytest.mark.parametrize("meanwhile", ["idle", "waiting for the head"])
def test_what_another_process_has_folded_anew_is_read_again(
    postgresql_url: str, tmp_path: Path, meanwhile: str
) -> None:
    settings = kit.make_ledger(postgresql_url, tmp_path)
    job = kit.ulid(1)
    ledger = Ledger(settings, clock=kit.Clock())
    given = kit.log(ledger, kit.submitted(job), kit.started(job))
    ledger.close()
    with psycopg.connect(postgresql_url, autocommit=True) as hands:
        hands.execute("UPDATE jobs SET egress_ceiling_bytes = 1000000000, gpu_count = 1")
    ledger, other = Ledger(settings, clock=kit.Clock()), Store(postgresql_url)
    given += kit.log(ledger, kit.egress(job, 10))
    if meanwhile == "idle":
        rebuild(other)
        answer = ledger.submit(kit.interrupted(job))
    else:
        with other.rebuilding() as connection:
            answer = ledger.submit(kit.interrupted(job))
            _until_somebody_waits(postgresql_url)
            refold(connection)
    given.append(answer.result(120))
    ledger.close()
    other.close()
    kit.check_whole_log(settings, acknowledged=given)


def test_a_batch_that_moves_the_head_knows_its_new_version(
    postgresql_url: str, tmp_path: Path
) -> None:
    settings = kit.make_ledger(postgresql_url, tmp_path)
    store, seen = Store(settings.database_url), []
    for _ in range(3):
        with store.append() as appending:
            seen.append(appending.version)
            appending.write(NewBatch(head=appending.head))
            seen.append(appending.version)
    with store.rebuilding() as connection:
        refold(connection)
    with store.append() as appending:
        seen.append(appending.version)
    store.close()
    assert seen[1:-2:2] == seen[2:-1:2]
    assert len(set(seen)) == 5


def test_as_many_jobs_are_remembered_as_there_is_room_for(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drafting, "JOBS_REMEMBERED", 2)
    settings, asked = kit.make_ledger(sqlite_url, tmp_path), _asked_jobs(monkeypatch)
    ledger = Ledger(settings, clock=kit.Clock())
    jobs = [kit.ulid(number) for number in range(1, 5)]
    given = [answer for job in jobs for answer in kit.log(ledger, kit.submitted(job))]
    asked.clear()
    for job in jobs[2:]:
        given += kit.log(ledger, kit.started(job))
    assert asked == []
    given += kit.log(ledger, kit.started(jobs[0]))
    assert asked == [jobs[0]]
    given += kit.log(ledger, kit.ended(jobs[3]), kit.ended(jobs[0]))
    assert asked == [jobs[0]]
    given += kit.log(ledger, kit.ended(jobs[2]))
    assert asked == [jobs[0], jobs[2]]
    ledger.close()
    kit.check_whole_log(settings, acknowledged=given)


def _asked_jobs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The jobs that are read from the database from now on, in order."""
    asked: list[str] = []
    real = Appending.current_jobs

    def current_jobs(self: Appending, job_ids: list[str]) -> object:
        asked.extend(job_ids)
        return real(self, job_ids)

    monkeypatch.setattr(Appending, "current_jobs", current_jobs)
    return asked


def _until_somebody_waits(url: str) -> None:
    """Until a transaction of this database waits for a lock of another one."""
    until = monotonic() + 120
    waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = %s"
    with psycopg.connect(url, autocommit=True) as connection:
        while connection.execute(waiting, [connection.info.dbname]).fetchone() is None:
            assert monotonic() < until, "nobody waits"
            sleep(0.01)
