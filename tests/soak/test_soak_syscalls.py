"""What ``scripts/soak syscalls`` needs that is not ours, and how it counts."""

import argparse
import json
from collections import Counter
from pathlib import Path

import pytest
from soaking import killing, run, syscalls


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
