"""The real server and PostgreSQL, killed at moments that dice choose: ten rounds in every run.

``scripts/soak kill`` does as many as it is told.
"""

from pathlib import Path

import kit
import pytest
from soaking.clients import Kept
from soaking.judging import Broken, Judge
from soaking.killing import DATABASE_DEATHS, DEATHS, run_rounds
from soaking.nursery import Nursery

from ledger.assembly import Ledger


@pytest.mark.parametrize(
    ("engine", "rounds", "deaths"),
    [("sqlite", 5, DEATHS), ("postgresql", 5, DEATHS + DATABASE_DEATHS)],
    ids=["sqlite", "postgresql"],
)
def test_no_receipt_outlives_what_it_promises_whatever_is_killed(
    tmp_path: Path, engine: str, rounds: int, deaths: tuple[str, ...]
) -> None:
    report = run_rounds(engine, folder=tmp_path, rounds=rounds, seed=7)
    assert report.broken == []
    assert report.rounds == rounds
    assert set(report.deaths) == set(deaths)
    assert report.entries > report.receipts >= rounds


def test_a_receipt_that_was_not_kept_is_noticed(tmp_path: Path, sqlite_url: str) -> None:
    settings = kit.make_ledger(sqlite_url, tmp_path)
    ledger = Ledger(settings, clock=kit.Clock())
    job = kit.ulid(1)
    accepted = kit.log(ledger, kit.submitted(job))[0].accepted
    ledger.close()
    kept = Kept(accepted.index, accepted.kind, job, accepted.receipt)
    elsewhere = Kept(accepted.index + 1, accepted.kind, job, accepted.receipt)
    missing = Kept(accepted.index + 9, accepted.kind, job, accepted.receipt)
    log = tmp_path / "log"
    judge = Judge(settings, Nursery(), vkey=ledger.vkey, log=log)
    assert judge.keeps([kept]) == 3
    with pytest.raises(Broken, match="is not what was acknowledged"):
        judge.keeps([kept, elsewhere])
    with pytest.raises(Broken, match="is not stored"):
        judge.keeps([kept, missing])
