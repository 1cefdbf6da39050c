"""Runs that go on: from a state, from an interruption, beside a copy; and states that are none."""

import errno
import json
import random
import sqlite3
from pathlib import Path
from unittest.mock import Mock

import pytest
from log_builder import ORIGIN, History, vkey_of
from verify_runner import Verdict, run, run_text, script

KEY = vkey_of(ORIGIN)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths that are read of a static copy, one after the other."""
    paths: list[str] = []
    get = script.Mirror.get

    def noting(mirror: object, path: str, limit: int) -> bytes:
        paths.append(path)
        data: bytes = get(mirror, path, limit)
        return data

    monkeypatch.setattr(script.Mirror, "get", noting)
    return paths


def first(log: History, size: int) -> History:
    cut = log.copy()
    cut.entries = cut.entries[:size]
    return cut


def judge(mirror: Path, state: Path, *more: str | Path) -> Verdict:
    evidence = mirror.parent / "evidence"
    return run("--offline", mirror, "--state", state, "--evidence", evidence, *more)


def test_a_second_run_reads_only_what_is_new_and_says_the_same(
    log: History, tmp_path: Path, state: Path, asked: list[str]
) -> None:
    whole = run("--offline", log.write(tmp_path / "after"), "--vkey", KEY)
    assert judge(first(log, 600).write(tmp_path / "before"), state, "--vkey", KEY).status == 0
    asked.clear()
    again = judge(tmp_path / "after", state)
    bundles = [path for path in asked if path.startswith("tile/entries/")]
    assert bundles == ["tile/entries/002.p/205"]
    assert again.report["read_from"] == 600
    for name in ("verdict", "counts", "signatures_verified", "openings_verified", "still_sealed"):
        assert again.report[name] == whole.report[name]
    assert again.warnings - {"back-dated-by-own-clock"} == whole.warnings - {"trust-on-first-use"}


def test_a_run_in_a_copy_comes_to_the_same_state_as_one_in_place(
    log: History, tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, after = first(log, 300).write(tmp_path / "before"), log.write(tmp_path / "after")
    other = tmp_path / "other"
    for path, in_place in ((state, 65_536), (other, 0)):
        monkeypatch.setattr(script, "IN_PLACE", in_place)
        assert judge(before, path, "--vkey", KEY).status == 0
        assert judge(after, path).status == 0
        assert judge(after, path).report["read_from"] == len(log.entries)
    assert _content(state) == _content(other)
    assert sorted(path.name for path in tmp_path.glob("*.part*")) == []


def _content(state: Path) -> list[str]:
    """Every row, but for the moment of the visit."""
    with sqlite3.connect(state) as db:
        lines = sorted(db.iterdump())
    db.close()
    return [line for line in lines if "'visited'" not in line]


def test_what_is_open_is_carried_from_run_to_run(log: History, tmp_path: Path, state: Path) -> None:
    index = log.labels["disclosure"]
    target = log.entries[index]["discloses"]
    assert judge(first(log, index).write(tmp_path / "before"), state, "--vkey", KEY).status == 0
    log.entries[index] = log.entries[log.labels["egress 1"]] | {
        "logged_at": log.entries[index]["logged_at"]
    }
    verdict = judge(log.write(tmp_path / "after"), state)
    assert verdict.codes == {"overdue", "duplicate-statement"}
    assert verdict.entries("overdue") == [target]
    assert verdict.entries("duplicate-statement") == [index]


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Save after every bundle, and read with as many processes as --jobs says."""
    monkeypatch.setattr(script, "SAVE_EVERY", 1)
    monkeypatch.setattr(script, "BUNDLES_PER_JOB", 1)
    monkeypatch.setattr(script, "PARALLEL_FROM", 0)


@pytest.mark.usefixtures("often")
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_an_interrupted_audit_goes_on_where_it_was(
    log: History, tmp_path: Path, state: Path, asked: list[str], jobs: str
) -> None:
    mirror = log.write(tmp_path / "mirror")
    lost = (mirror / "tile/entries/002.p/205").rename(tmp_path / "lost")
    assert judge(mirror, state, "--vkey", KEY, "--jobs", jobs).status == 2
    assert not state.exists()
    lost.rename(mirror / "tile/entries/002.p/205")
    asked.clear()
    verdict = judge(mirror, state, "--vkey", KEY, "--jobs", "1")
    assert verdict.status == 0, verdict.report
    assert verdict.report["read_from"] == 512
    assert "tile/entries/000" not in asked
    whole = run("--offline", mirror, "--vkey", KEY)
    assert verdict.report["counts"] == whole.report["counts"]
    assert verdict.report["openings_verified"] == whole.report["openings_verified"]


@pytest.mark.usefixtures("often")
def test_an_interrupted_audit_of_another_history_is_not_gone_on_with(
    log: History, tmp_path: Path, state: Path
) -> None:
    mirror = log.write(tmp_path / "mirror")
    (mirror / "tile/entries/002.p/205").unlink()
    assert judge(mirror, state, "--vkey", KEY, "--jobs", "1").status == 2
    log.entries[log.labels["egress 1"]]["statement"]["public"]["egress_bytes"] = 7
    verdict = judge(log.write(tmp_path / "other"), state, "--vkey", KEY, "--jobs", "1")
    assert verdict.status == 1
    assert "log-forked" in verdict.codes


def test_a_part_that_is_damaged_is_thrown_away(mirror: Path, tmp_path: Path, state: Path) -> None:
    (tmp_path / "state.part").write_bytes(b"SQLite format 3\x00" + bytes(4096))
    assert judge(mirror, state, "--vkey", KEY).status == 0
    assert judge(mirror, state).report["read_from"] == 717


def test_the_state_of_an_earlier_version_is_taken_up(
    log: History, tmp_path: Path, state: Path
) -> None:
    early = {"vkey": KEY, "checkpoint": first(log, 300).checkpoint()}
    state.write_text(json.dumps(early))
    verdict = judge(log.write(tmp_path / "after"), state)
    assert (verdict.status, verdict.report["read_from"]) == (0, 0)
    assert "trust-on-first-use" not in verdict.warnings
    assert judge(tmp_path / "after", state).report["read_from"] == len(log.entries)


def test_a_shallow_state_is_no_ground_for_a_deeper_run(
    mirror: Path, tmp_path: Path, state: Path
) -> None:
    begun = [
        judge(mirror, state, "--vkey", KEY, *more).report["read_from"]
        for more in (["--only-hashes"], ["--skip-signatures"], [], ["--only-hashes"])
    ]
    assert begun == [0, 0, 0, 717]


def test_only_hashes_says_that_nothing_was_read(mirror: Path) -> None:
    verdict = run("--offline", mirror, "--vkey", KEY, "--only-hashes")
    assert (verdict.status, verdict.report["entries"]) == (0, "NOT CHECKED")
    out = run_text("--offline", mirror, "--vkey", KEY, "--only-hashes")[1]
    assert "NOT CHECKED what the entries say" in out
    assert out.rstrip().endswith("what they say was not read.")


def test_two_runs_do_not_share_a_state(mirror: Path, state: Path) -> None:
    assert judge(mirror, state, "--vkey", KEY).status == 0
    other = sqlite3.connect(state, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    verdict = judge(mirror, state)
    other.close()
    assert verdict.status == 2
    assert "another run is using it" in verdict.stderr


@pytest.mark.parametrize("seed", range(40))
def test_no_damage_to_a_state_ends_in_a_traceback(
    mirror: Path, state: Path, seed: int, kept: bytes
) -> None:
    dice = random.Random(seed)
    data = bytearray(kept)
    for _ in range(1 + seed % 5):
        data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
    if seed % 4 == 3:
        del data[dice.randrange(len(data)) :]
    state.write_bytes(bytes(data))
    verdict = judge(mirror, state)
    assert verdict.status in (0, 1, 2)
    assert "an error in this script" not in verdict.stderr


BREAKS = [
    sqlite3.DatabaseError("database disk image is malformed"),
    OSError(errno.ENOSPC, "No space left on device"),
]


@pytest.mark.parametrize("error", BREAKS, ids=["malformed", "full"])
def test_a_state_that_breaks_in_the_end_is_named_and_stays_as_it_was(
    log: History, tmp_path: Path, kept: bytes, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = tmp_path / "state"
    state.write_bytes(kept)
    monkeypatch.setattr(script.Memory, "save", Mock(side_effect=error))
    verdict = judge(log.write(tmp_path / "after"), state)
    assert (verdict.status, verdict.report["verdict"]) == (2, "could-not-check")
    assert verdict.report["incomplete"] == f"{state}: {error}"
    assert f"{state}: {error}" in verdict.stderr
    assert state.read_bytes() == kept
    monkeypatch.undo()
    assert judge(log.write(tmp_path / "after"), state).status == 0


@pytest.mark.parametrize("error", BREAKS, ids=["malformed", "full"])
def test_what_is_proven_is_said_though_the_state_breaks(
    log: History, tmp_path: Path, state: Path, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.entries[log.labels["ended 41"]]["statement"]["public"]["gpu_seconds"] = 1
    monkeypatch.setattr(script.Memory, "save", Mock(side_effect=error))
    verdict = judge(log.write(tmp_path / "mirror"), state, "--vkey", KEY)
    assert (verdict.status, verdict.report["verdict"]) == (1, "misbehaviour")
    assert (tmp_path / "evidence").is_dir()
    assert str(error) in verdict.stderr


@pytest.fixture(scope="module")
def kept(honest: History, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("kept")
    cut = first(honest, 600)
    assert judge(cut.write(folder / "mirror"), folder / "state", "--vkey", KEY).status == 0
    return (folder / "state").read_bytes()


# A copy that is kept.


def test_what_was_read_is_kept_and_passes_offline(
    log: History, tmp_path: Path, address: str, state: Path
) -> None:
    copy = tmp_path / "copy"
    for size in (300, 511, 600, len(log.entries)):
        first(log, size).write(tmp_path / "log")
        verdict = run(address, "--vkey", KEY, "--state", state, "--mirror", copy)
        assert verdict.status == 0, verdict.report
        assert run("--offline", copy, "--vkey", KEY).status == 0
        parts = [path for path in copy.glob("tile/**/*.p/*") if path.is_file()]
        assert {path.relative_to(copy).as_posix() for path in parts} == {
            path for path, _ in script.edge_paths(size)
        }


def test_a_copy_that_begins_later_than_the_state_reads_everything(
    log: History, tmp_path: Path, address: str, state: Path
) -> None:
    log.write(tmp_path / "log")
    assert run(address, "--vkey", KEY, "--state", state).status == 0
    copy = tmp_path / "copy"
    verdict = run(address, "--vkey", KEY, "--state", state, "--mirror", copy)
    assert (verdict.status, verdict.report["read_from"]) == (0, 0)
    assert run("--offline", copy, "--vkey", KEY).status == 0


def test_a_copy_keeps_its_checkpoint_until_a_later_one_is_verified(
    log: History, tmp_path: Path, address: str
) -> None:
    copy = tmp_path / "copy"
    first(log, 300).write(tmp_path / "log")
    assert run(address, "--vkey", KEY, "--mirror", copy).status == 0
    kept = (copy / "checkpoint").read_bytes()
    log.write(tmp_path / "log")
    path = tmp_path / "log/tile/entries/001"
    path.write_bytes(path.read_bytes()[:-1])
    evidence = tmp_path / "evidence"
    assert run(address, "--vkey", KEY, "--mirror", copy, "--evidence", evidence).status == 1
    assert (copy / "checkpoint").read_bytes() == kept


def older(state: Path, version: int) -> None:
    """Make a state what an earlier version of the script wrote: fewer tables, another number."""
    with sqlite3.connect(state) as db:
        db.execute("DROP TABLE charter")
        db.execute("DROP TABLE artifact")
        db.execute(f"PRAGMA user_version = {version}")
    db.close()


def test_the_state_of_an_earlier_version_is_read_and_the_log_is_read_again(
    log: History, tmp_path: Path, state: Path
) -> None:
    assert judge(first(log, 600).write(tmp_path / "before"), state, "--vkey", KEY).status == 0
    older(state, 1)
    kept = state.read_bytes()
    mirror = log.write(tmp_path / "after")
    verdict = judge(mirror, state)
    assert (verdict.status, verdict.report["read_from"]) == (0, 0)
    assert judge(mirror, state).report["read_from"] == len(log.entries)
    # What it had kept holds the log to its past all the same.
    state.write_bytes(kept)
    log.entries[9] = log.entries[10]
    verdict = judge(log.write(tmp_path / "other"), state)
    assert verdict.codes == {"log-forked"}


def test_the_state_of_a_later_version_is_refused(log: History, tmp_path: Path, state: Path) -> None:
    mirror = log.write(tmp_path / "mirror")
    assert judge(mirror, state, "--vkey", KEY).status == 0
    older(state, 3)
    verdict = judge(mirror, state)
    assert verdict.status == 2
    assert "another version" in verdict.stderr
