"""One receipt starts one run, whoever asks at the same moment and whatever becomes of the file."""

import os
import sqlite3
import threading
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from processes import heard_until_end, running
from register_children import take

from ledger.admission.refusal import AdmissionRefused
from ledger.admission.register import Register
from ledger.records.charter import Code

AT = 1_795_000_000
JOB = "01JD9Z0000000000000000000A"
PROCESSES = 64


def refused(register: Register, run: str, *, job: str = JOB, at: int = AT) -> AdmissionRefused:
    with pytest.raises(AdmissionRefused) as caught:
        register.take(job, run, at)
    return caught.value


def rows(path: Path) -> list[tuple[str, str, int]]:
    with closing(sqlite3.connect(path)) as file:
        return file.execute("SELECT job_id, run, taken_at FROM taken ORDER BY job_id").fetchall()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "receipts.db"


def test_the_same_run_may_take_its_receipt_again_and_another_run_may_not(path: Path) -> None:
    register = Register(path)
    register.take(JOB, "slurm 4711", AT)
    register.take(JOB, "slurm 4711", AT + 9_000)
    found = refused(Register(path), "slurm 4712", at=AT + 9_000)
    assert found.code is Code.R3_MISSING_RECORD
    assert found.finding == (
        f"The receipt of job {JOB} has started the run slurm 4711 already, at"
        " 2026-11-18T11:06:40Z; one receipt starts one run."
    )
    assert rows(path) == [(JOB, "slurm 4711", AT)]


def test_runs_of_several_jobs_do_not_meet(path: Path) -> None:
    for number in range(3):
        Register(path).take(JOB[:-1] + str(number), f"run {number}", AT)
    assert len(rows(path)) == 3


def test_of_many_processes_with_one_receipt_exactly_one_wins(path: Path) -> None:
    with ExitStack() as stack:
        pipes = [
            stack.enter_context(running(take, path, JOB, f"run-{number}"))[1]
            for number in range(PROCESSES)
        ]
        assert [pipe.recv() for pipe in pipes] == ["ready"] * PROCESSES
        for pipe in pipes:
            pipe.send("now")
        heard = [heard_until_end(pipe) for pipe in pipes]
    answers = sorted(answer for (answer,) in heard)
    (winner,) = [answer for answer in answers if answer.startswith("run-")]
    assert answers == sorted([winner, *["R3_missing_record"] * (PROCESSES - 1)])
    assert rows(path) == [(JOB, winner, AT)]


def test_of_many_threads_with_one_receipt_exactly_one_wins(path: Path) -> None:
    register, won = Register(path), []

    def ask(run: str) -> None:
        try:
            register.take(JOB, run, AT)
        except AdmissionRefused:
            return
        won.append(run)

    threads = [threading.Thread(target=ask, args=(f"run-{number}",)) for number in range(16)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert [(JOB, run, AT) for run in won] == rows(path)


def test_the_file_is_its_owners_alone_whatever_the_umask(path: Path) -> None:
    before = os.umask(0)
    try:
        Register(path).take(JOB, "run", AT)
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_register_that_others_can_write_lets_nothing_start(path: Path, mode: int) -> None:
    Register(path).take(JOB, "run", AT)
    path.chmod(mode)
    assert "others than its owner" in refused(Register(path), "run").finding


def test_a_register_behind_a_link_lets_nothing_start(path: Path, tmp_path: Path) -> None:
    Register(path).take(JOB, "run", AT)
    link = tmp_path / "link.db"
    link.symlink_to(path)
    assert refused(Register(link), "run").code is Code.R3_MISSING_RECORD


def test_a_register_that_is_no_database_lets_nothing_start(path: Path) -> None:
    path.write_bytes(b"not a database" * 100)
    path.chmod(0o600)
    assert "register of used receipts" in refused(Register(path), "run").finding


def test_a_folder_in_its_place_or_none_to_stand_in_lets_nothing_start(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "missing" / "receipts.db"):
        assert refused(Register(place), "run").code is Code.R3_MISSING_RECORD


def test_a_full_disk_lets_nothing_start(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = sqlite3.connect

    def connect(*given: Any, **named: Any) -> sqlite3.Connection:
        file: sqlite3.Connection = real(*given, **named)
        file.execute("PRAGMA max_page_count = 1")
        return file

    with monkeypatch.context() as patch:
        patch.setattr(sqlite3, "connect", connect)
        found = refused(Register(path), "run")
    assert "disk is full" in found.finding
    Register(path).take(JOB, "run", AT)
    assert rows(path) == [(JOB, "run", AT)]


def test_what_was_taken_is_neither_changed_nor_forgotten(path: Path) -> None:
    Register(path).take(JOB, "run", AT)
    for change in ("DELETE FROM taken", "UPDATE taken SET run = 'another'"):
        with closing(sqlite3.connect(path)) as file, pytest.raises(sqlite3.IntegrityError):
            file.execute(change)
    assert rows(path) == [(JOB, "run", AT)]


@pytest.mark.parametrize("run", ["", " ", "a" * 201, "a\nb", "a\x00b", "läuft", "run ", "\u0663"])
def test_a_run_without_a_plain_name_takes_nothing(path: Path, run: str) -> None:
    assert refused(Register(path), run).code is Code.Q_MALFORMED
    assert not path.exists()


def test_a_time_outside_of_the_calendar_takes_nothing(path: Path) -> None:
    refused(Register(path), "run", at=-1)
    assert not path.exists()
