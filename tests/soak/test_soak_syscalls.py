"""What ``scripts/soak syscalls`` needs that is not ours, and how it counts."""

import argparse
import datetime as dt
import json
import shutil
import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import pytest
from benchmarks import history
from soaking import killing, recording, run, syscalls
from soaking.appending import batches, prepare
from soaking.clients import Kept
from soaking.judging import Broken, Lost
from soaking.tail import Tail

from ledger.assembly import Ledger, create, system_clock
from ledger.settings import Settings
from schemas.posting import Receipted


def test_without_strace_it_says_in_one_line_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert run.run(argparse.Namespace(what="syscalls")) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert "apt-get install strace" in said.err


def test_calls_are_counted_by_the_thread_that_makes_most_of_them(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    trace.write_text(
        '7 openat(AT_FDCWD, "a", O_RDONLY) = 3\n'
        "8 fdatasync(3) = 0\n"
        "8 fdatasync(3 <unfinished ...>\n"
        "7 fdatasync(4) = 0\n"
        "8 <... fdatasync resumed>) = 0\n"
        "8 +++ exited with 0 +++\n",
        "utf-8",
    )
    assert syscalls._counted(trace) == {"openat": 1, "fdatasync": 2}


def test_a_report_is_the_same_as_json() -> None:
    report = killing.Report("sqlite", 7, rounds=3, deaths=Counter(child=2, parent=1))
    told = json.loads(json.dumps(run.told(report)))
    assert told["deaths"] == {"child": 2, "parent": 1}
    assert told["rounds"] == 3
    assert run._shown(told["deaths"]) == "child 2, parent 1"


def test_what_was_tried_is_known_to_the_next_run_but_for_a_line_cut_short(tmp_path: Path) -> None:
    diary = tmp_path / "tried.ndjson"
    assert syscalls._read(diary) == []
    tried = syscalls.Tried("pwrite64", "EIO", 7, ending="went on", receipts=8)
    line = json.dumps(asdict(tried)) + "\n"
    diary.write_text(line + line[:20], "ascii")
    assert syscalls._read(diary) == [tried]
    assert diary.read_text("ascii") == line


def test_a_report_gives_the_figures_of_the_page(tmp_path: Path) -> None:
    report = syscalls.Report(256, calls={"openat": 2}, planned=4, seconds=1.6)
    report.add(syscalls.Tried("openat", "KILL", 1, ending="killed", receipts=3))
    report.add(syscalls.Tried("openat", "EIO", 1, ending="went on", receipts=8, broken="x"))
    figures = recording.figures_of(run.told(report))
    at = dt.datetime(2026, 11, 22, 9, 0, tzinfo=dt.UTC)
    said = json.loads(recording.record(tmp_path, "syscalls", "sqlite", figures, at=at).read_text())
    assert said["made_at"] == "2026-11-22T09:00:00Z"
    assert said["figures"] == {
        "size": 256,
        "planned": 4,
        "tried": 2,
        "killed": 1,
        "went_on": 1,
        "receipts": 11,
        "lost": 0,
        "unpublished": 0,
        "seconds": 2,
        "broken": 1,
    }


def test_the_judge_of_a_long_log_sees_what_is_not_as_it_was(tmp_path: Path) -> None:
    prepared = Settings(data_dir=tmp_path / "prepared")
    create(prepared, origin=history.ORIGIN, authors=history.authors(), clock=system_clock)
    ledger = Ledger(prepared)
    prepare(ledger, size=253)
    tail = Tail(prepared, vkey=ledger.vkey)
    ledger.close()
    went_on = tmp_path / "copy"
    shutil.copytree(prepared.data_dir, went_on)
    kept = _go_on(Settings(data_dir=went_on))
    assert tail.check(Settings(data_dir=went_on), kept)
    for number, (damage, how) in enumerate(
        {
            "UPDATE entries SET data = x'00' WHERE leaf_index = 7": Lost,
            "DELETE FROM entries WHERE leaf_index = 9": Lost,
            "UPDATE checkpoints SET note = x'00' WHERE size = 1": Lost,
            "DELETE FROM entries WHERE leaf_index = 255": Broken,
            "UPDATE entries SET data = x'00' WHERE leaf_index = 255": Broken,
            "UPDATE log_head SET root = x'00'": Broken,
            "DELETE FROM tiles": Broken,
            "UPDATE tiles SET root = x'00'": Broken,
            "UPDATE checkpoints SET root = x'00' WHERE size = 255": Broken,
        }.items()
    ):
        with pytest.raises(how):
            tail.check(_damaged(went_on, tmp_path / f"damaged-{number}", damage), kept)
    unpublished = "DELETE FROM checkpoints WHERE size = (SELECT max(size) FROM checkpoints)"
    assert not tail.check(_damaged(went_on, tmp_path / "unpublished", unpublished), kept)
    first = kept[0]
    elsewhere = Kept(first.index + 1, first.kind, first.job_id, first.receipt)
    with pytest.raises(Lost, match="is not what was acknowledged"):
        tail.check(Settings(data_dir=went_on), [elsewhere])


def _go_on(settings: Settings) -> list[Kept]:
    ledger = Ledger(settings)
    kept = []
    for batch in batches():
        answers = ledger.submit_batch([said.body for said in batch]).result(120)
        for said, answer in zip(batch, answers, strict=True):
            assert isinstance(answer, Receipted)
            accepted = answer.accepted
            kept.append(Kept(accepted.index, accepted.kind, said.job_id, accepted.receipt))
    ledger.close()
    return kept


def _damaged(source: Path, target: Path, damage: str) -> Settings:
    shutil.copytree(source, target)
    settings = Settings(data_dir=target)
    assert settings.sqlite_file is not None
    with closing(sqlite3.connect(settings.sqlite_file)) as log, log:
        for (name,) in log.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        ).fetchall():
            log.execute(f"DROP TRIGGER {name}")
        assert log.execute(damage).rowcount
    return settings
