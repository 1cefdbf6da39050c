"""A disk that is full or read-only, PostgreSQL out of reach: a round of each on real servers.

``scripts/soak`` full-disk, read-only-disk, slow-disk and postgres-loss do as many as they are told.
"""

from pathlib import Path

import pytest
from soaking import lost_connections, small_disk
from soaking.outages import Report, run_rounds
from soaking.postgres import own_postgres

from ledger.settings import Settings


@pytest.mark.small_disk
def test_a_full_disk_is_said_refuses_and_is_forgotten_when_there_is_room(tmp_path: Path) -> None:
    report = small_disk.run_disk("full", tmp_path, rounds=1, seed=7)
    _survived(report, rounds=1)
    assert report.answers_later >= 3


@pytest.mark.loop_disk
def test_a_disk_that_turns_read_only_and_forgets_what_was_not_synced_has_every_receipt(
    tmp_path: Path,
) -> None:
    report = small_disk.run_disk("read-only", tmp_path, rounds=1, seed=7)
    _survived(report, rounds=1)
    assert report.answers_later >= 3


def test_connections_that_are_cut_or_not_to_be_had_cost_nothing_that_was_promised(
    tmp_path: Path,
) -> None:
    with own_postgres() as postgres:
        settings = Settings(data_dir=tmp_path / "ledger", database_url=postgres.url)
        outages = lost_connections.outages(postgres)
        report = run_rounds(
            settings, outages, engine="postgresql", folder=tmp_path, rounds=2, seed=7
        )
    _survived(report, rounds=2)
    assert set(report.outages) == set(outages)
    assert report.answers_later >= 3


def _survived(report: Report, *, rounds: int) -> None:
    assert report.broken == []
    assert (report.rounds, report.lost) == (rounds, 0)
    assert report.entries > report.receipts >= rounds
