import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import kit
import pytest
from cli_world import ORIGIN, Shell

from ledger.assembly import Ledger
from ledger.keys import SIGNER_MEMORY
from ledger.settings import Settings

PODS = """\
name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,qos,pod_phase,creation_time,deletion_time,scheduled_time
pod-0,12000,16384,1,1000,,LS,Running,0,12537496,0
pod-1,6000,12288,1,460,,LS,Succeeded,5,900,20
pod-2,4000,8192,0,0,,BE,Running,9,800,12
pod-3,4000,8192,1,1000,,BE,Failed,9,800,12
"""


@pytest.fixture
def filled(shell: Shell) -> Shell:
    folder = shell.folder / "data"
    settings = kit.make_ledger(f"sqlite:///{folder / 'ledger.db'}", folder)
    ledger = Ledger(settings, clock=kit.Clock())
    kit.filled(ledger, size=300)
    ledger.close()
    return shell


@contextmanager
def unguarded(shell: Shell) -> Iterator[sqlite3.Connection]:
    database = sqlite3.connect(shell.folder / "data" / "ledger.db")
    triggers = database.execute(
        "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
    ).fetchall()
    for name, _ in triggers:
        database.execute(f"DROP TRIGGER {name}")
    yield database
    for _, sql in triggers:
        database.execute(sql)
    database.commit()
    database.close()


def test_damage_is_exit_status_1_and_a_line_each_with_what_to_do(filled: Shell) -> None:
    noon = ["--now", "2026-11-21T12:00:00Z"]
    assert filled.ok("fsck", *noon, "--second-opinion").splitlines()[-1].startswith("sound: 300")
    with unguarded(filled) as database:
        database.execute("UPDATE entries SET kind = 'started' WHERE leaf_index >= 200")
        database.execute("UPDATE jobs SET egress_bytes = 5 WHERE since = 250")
    said = filled("fsck", *noon)
    assert said.status == 1
    lines = said.out.splitlines()
    assert lines[0].startswith("entry row: entry 200: its column kind is not what its bytes say; ")
    assert "entry row: 80 more" in lines
    assert lines[-1] == "101 findings in 300 entries"
    assert "run `ledger rebuild`" in said.out
    assert filled.ok("rebuild") == "rebuilt the projections from 300 entries\n"
    assert "projection" not in filled("fsck", *noon).out


def test_without_merkletools_there_is_no_second_opinion(
    filled: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "merkletools", None)
    filled("fsck", "--now", "2026-11-21T12:00:00Z", "--second-opinion").refused("not installed")


def test_without_keys_what_can_be_checked_is_checked(filled: Shell) -> None:
    filled.keys.rename(filled.folder / "elsewhere")
    text = filled.ok("fsck", "--now", "2026-11-21T12:00:00Z")
    assert text.count("note: ") >= 3
    assert "sound: 300 entries" in text
    assert "not known" in filled.ok("status")


@pytest.mark.parametrize(
    ("left", "said"),
    [
        (b"\1" * 8_224, "both slots of the signer's memory are damaged"),
        (b"", "it is empty, but size 300 is published"),
        (bytes(8_192), "it is empty, but size 300 is published"),
        (None, "the signer's memory signer.memory cannot be opened"),
    ],
    ids=["garbage", "nothing", "zeros", "a folder"],
)
def test_a_destroyed_memory_of_the_signer_is_damage_and_not_a_note(
    filled: Shell, left: bytes | None, said: str
) -> None:
    path = filled.keys / SIGNER_MEMORY
    path.unlink()
    if left is None:
        path.mkdir()
    else:
        path.write_bytes(left)
    answer = filled("fsck", "--now", "2026-11-21T12:00:00Z")
    assert answer.status == 1
    [finding] = [line for line in answer.out.splitlines() if line.startswith("signer memory: ")]
    assert said in finding
    assert answer.out.endswith("1 findings in 300 entries\n")


def test_an_absent_memory_of_the_signer_is_a_note(filled: Shell) -> None:
    (filled.keys / SIGNER_MEMORY).unlink()
    said = filled.ok("fsck", "--now", "2026-11-21T12:00:00Z")
    assert "note: the signer's memory: there is no " in said
    assert "sound: 300 entries" in said


def test_what_is_no_database_is_one_line(filled: Shell) -> None:
    path = filled.folder / "data" / "ledger.db"
    for end in ("-wal", "-shm"):
        path.with_name(path.name + end).unlink(missing_ok=True)
    path.write_bytes(b"hello" * 1000)
    for command in ("fsck", "status", "serve", "rebuild", "migrate"):
        filled(command).refused("not a database")


def test_a_trace_makes_its_own_ledger_and_is_taken_up_again(shell: Shell) -> None:
    pods = shell.write("pods.csv", PODS)
    text = shell.ok("import-trace", pods)
    assert "made the ledger demo.invalid/trace" in text
    assert "4 rows: 3 tasks replayed, 1 rows skipped" in text
    size = next(line for line in shell.ok("status").splitlines() if line.startswith("size"))
    again = shell.ok("import-trace", pods)
    assert "resumed" in again
    assert size in shell.ok("status")
    assert "sound" in shell.ok("fsck", "--now", "2026-05-30T00:00:00Z", "--quick")


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["none.csv"], "none.csv"),
        (["."], "."),
        (["pods.csv", "--mapping", "none"], "none"),
        (["pods.csv", "--start", "yesterday"], "--start"),
        (["pods.csv", "--start", "2090-01-01T00:00:00Z"], "in the future"),
        (["empty.csv"], "empty.csv"),
        (["other.csv"], "other.csv"),
    ],
)
def test_a_trace_that_cannot_be_replayed_makes_nothing(
    shell: Shell, arguments: list[str], word: str
) -> None:
    shell.write("pods.csv", PODS)
    shell.write("empty.csv", "")
    shell.write("other.csv", "a,b\n1,2\n")
    shell("import-trace", *arguments).refused(word)
    assert not Path("data").exists()


def test_a_ledger_that_is_past_the_traces_start_is_left_alone(made: Shell) -> None:
    before = made.ok("status")
    made.write("pods.csv", PODS)
    made("import-trace", "pods.csv").refused("the log's last entry")
    assert made.ok("status") == before


def test_the_settings_of_the_kit_are_those_of_the_command_line(filled: Shell) -> None:
    assert Settings(data_dir=filled.folder / "data").sqlite_file is not None
    assert ORIGIN != kit.ORIGIN
    assert kit.ORIGIN in filled.ok("status")
