"""The real server and PostgreSQL, killed at moments that dice choose: ten rounds in every run.

``scripts/soak kill`` does as many as it is told.
"""

from collections import Counter
from pathlib import Path
from typing import Any

import kit
import pytest
from soaking import killing
from soaking.clients import Kept
from soaking.judging import Broken, Judge
from soaking.killing import DATABASE_DEATHS, DEATHS, Report, go_on, run_rounds
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


def test_runs_add_up_until_all_rounds_are_done_each_with_other_dice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def run(engine: str, *, folder: Path, rounds: int, seed: int, **_: Any) -> Report:
        assert folder.is_dir()
        asked.append((engine, rounds, seed))
        died = Counter({"child": rounds})
        return Report(engine, seed, 1, rounds, died, receipts=5, broken=["x"], seconds=1.5)

    monkeypatch.setattr(killing, "run_rounds", run)
    keep = tmp_path / "keep"
    for number, rounds in enumerate((2, 5, 5)):
        folder = tmp_path / str(number)
        folder.mkdir()
        found = go_on("sqlite", folder=folder, rounds=rounds, seed=7, keep=keep)
    assert asked == [("sqlite", 2, 7), ("sqlite", 3, 8)]
    assert found == Report(
        "sqlite", 7, 2, 5, Counter(child=5), receipts=10, broken=["x", "x"], seconds=3.0
    )
