"""Starts the inner part of scripts/demo as a process, as it goes on inside ``.venv``."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
START = "import sys; sys.path[:0] = sys.argv[1:3]; import _demo; sys.exit(_demo.main(sys.argv[3:]))"
PATIENCE_S = 120


@dataclass
class Demo:
    """A running demonstration and what it has said so far."""

    process: "subprocess.Popen[str]"
    said: list[str] = field(default_factory=list)

    def address(self) -> str:
        """Where it is served, once it is."""
        return self.wait_for(r"(http://\S+) - a demonstration")

    def wait_for(self, pattern: str) -> str:
        """The first group of the first line that matches."""
        patience = time.monotonic() + PATIENCE_S
        while time.monotonic() < patience:
            found = re.search(pattern, "".join(self.said))
            if found is not None:
                return found[found.lastindex or 0]
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        raise AssertionError(f"it never said {pattern}: {self.said}")

    def stop(self) -> int:
        """Tell it to stop; its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_S)


def command(*arguments: object) -> list[str]:
    """The command line of a demonstration."""
    return [sys.executable, "-c", START, str(ROOT / "scripts"), str(ROOT), *map(str, arguments)]


def environment() -> dict[str, str]:
    """This environment, with the checkout's own code in reach of the server that is started."""
    return os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}


@contextmanager
def demonstration(*arguments: object) -> Iterator[Demo]:
    """A started demonstration; it is gone when the block is left."""
    with subprocess.Popen(
        command(*arguments),
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        demo = Demo(process)
        listener = threading.Thread(target=lambda: demo.said.extend(process.stdout or ()))
        listener.start()
        try:
            yield demo
        finally:
            if process.poll() is None:
                demo.stop()
            listener.join(PATIENCE_S)


def refused(*arguments: object) -> str:
    """What a demonstration says that exits with 2 at once."""
    done = subprocess.run(
        command(*arguments),
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 2, done
    assert "Traceback" not in done.stderr
    return done.stderr
