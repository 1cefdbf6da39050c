"""The command line as a stranger runs it, and as a real process where that is the matter."""

import fcntl
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from ledger.__main__ import run

ORIGIN = "ledger.example/cli"
CANARY = "canary-sealed-value"
PIPE_BYTES = 1 << 20
"""What a process may say before somebody listens again: more than all that any of them does."""
SUBMISSION = f"""
kind = "submitted"
schema = "job-submitted/1"

[public]
workload_type = "eval_suite"
gradient_scope = "none"
optimizer_targets = []
accelerator = "nvidia_h200"
gpu_count = 8
wall_limit_seconds = 3600
egress_ceiling_bytes = 1000000

[sealed]
title = "{CANARY}"
"model.name" = "whale-4"
"""


@dataclass(frozen=True)
class Said:
    """What a command answered."""

    status: int
    out: str
    err: str

    def refused(self, *patterns: str) -> None:
        """Exit status 2, nothing but lines that begin with ``ledger:``, each pattern in them."""
        assert self.status == 2, self
        lines = self.err.splitlines()
        assert lines, self
        assert all(line.startswith("ledger: ") for line in lines), self
        assert "Traceback" not in self.out + self.err
        for pattern in patterns:
            assert re.search(pattern, self.err), self


@dataclass
class Shell:
    """A working folder with a ledger's settings in the environment."""

    folder: Path
    capture: pytest.CaptureFixture[str]

    def __call__(self, *arguments: object) -> Said:
        """Run a command in this process."""
        self.capture.readouterr()
        status = run([str(each) for each in arguments])
        captured = self.capture.readouterr()
        return Said(status, captured.out, captured.err)

    def ok(self, *arguments: object) -> str:
        """Run a command that has to succeed; what it printed."""
        said = self(*arguments)
        assert said.status == 0, said
        return said.out

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text, "utf-8")
        return path

    @property
    def keys(self) -> Path:
        return self.folder / "data" / "keys"

    def author(self, name: str) -> Path:
        return self.keys / "authors" / f"{name}.key"


@contextmanager
def process(
    arguments: Sequence[object], *, wait_for: str
) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """A command as a process of its own, once it has said ``wait_for``; its first words."""
    with subprocess.Popen(
        [sys.executable, "-m", "ledger", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    ) as running:
        assert running.stdout is not None
        with suppress(OSError):  # where it has to stay as small as it is by itself
            fcntl.fcntl(running.stdout, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        heard = ""
        try:
            while wait_for not in heard:
                line = running.stdout.readline()
                assert line, f"it ended: {heard}"
                heard += line
            yield running, heard
        finally:
            if running.poll() is None:
                running.send_signal(signal.SIGTERM)
                try:
                    running.wait(120)
                except subprocess.TimeoutExpired:
                    running.kill()


def eventually_gone(path_holder: int, *, within_s: float = 120) -> bool:
    """Whether a process ends by itself in time."""
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        try:
            stat = Path(f"/proc/{path_holder}/stat").read_text("utf-8")
        except (FileNotFoundError, ProcessLookupError):
            return True
        if stat.rpartition(")")[2].split()[0] == "Z":
            return True  # it has ended, whenever somebody takes note of that
        time.sleep(0.05)
    return False
