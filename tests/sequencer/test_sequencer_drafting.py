"""What a writer remembers between batches: of its own tree alone, and never more than it may."""

from pathlib import Path

import kit
import pytest
from soaking.seams import fault

from ledger.assembly import Ledger
from ledger.errors import OutOfOrder
from ledger.sequencer import drafting
from ledger.storage.store import Appending


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
