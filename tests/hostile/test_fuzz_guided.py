"""Tapes that atheris wrote are played without it, and what they break is said by its name."""

import subprocess
import sys
from pathlib import Path
from random import Random
from typing import Any

import _guided
import pytest
from _guided import Tape, play, run

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "fuzz"


def test_dice_show_what_is_on_the_tape_and_zeros_behind_it() -> None:
    tape = Tape(b"\xff\x01\x02\x80\x00\x00\x00")
    assert tape.getrandbits(1) == 1
    assert tape.getrandbits(12) == 0x010 | 0x000
    assert tape.random() == 0.5
    assert [tape.getrandbits(9), tape.randrange(7), tape.choice("abc")] == [0, 0, "a"]
    assert tape.randbytes(3) == bytes(3)
    assert tape.sample(range(5), 2) == Tape(b"").sample(range(5), 2)


def test_a_tape_breaks_a_law_as_often_as_it_is_played(tmp_path: Path) -> None:
    def law(dice: Random) -> None:
        assert dice.getrandbits(16) != 0xBAD0

    good, bad = tmp_path / "good", tmp_path / "bad"
    good.write_bytes(b"\x0b\xad")
    bad.write_bytes(b"\xba\xd0")
    play(law, good)
    for _ in range(2):
        with pytest.raises(AssertionError):
            play(law, bad)


def test_a_law_that_is_broken_as_in_an_earlier_run_is_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tape is kept by its digest: the second time there is no new file."""

    def fuzz(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        tape = Path(command[4] + "crash-0123")
        tape.write_bytes(b"tape")
        said = f"artifact_prefix='x'; Test unit written to {tape}\n"
        return subprocess.CompletedProcess(command, 77, stdout=said)

    monkeypatch.setattr(_guided.subprocess, "run", fuzz)
    for _ in range(2):
        (tried,) = run({"law": 1}, seconds=1, jobs=1, kept=tmp_path, packages=tmp_path)
        assert [each.name for each in tried.broken] == ["broken-law-crash-0123"]
        assert not tried.trouble


def test_a_tape_that_is_not_there_is_one_line() -> None:
    done = subprocess.run(
        [sys.executable, SCRIPT, "ledger_reads_keys_in_one_spelling", "--tape", "nowhere"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("scripts/fuzz: nowhere cannot be read: ")
    assert "Traceback" not in done.stderr
