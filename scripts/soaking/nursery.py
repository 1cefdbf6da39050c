"""A process that has imported the ledger once and forks: real commands, started in milliseconds.

It reads one JSON object a line and answers each with one:

    {"do": "start", "command": ["ledger", "serve"], "env": {…}, "log": "/a/file"}   {"pid": 17}
    {"do": "wait", "pid": 17}                                                       {"status": 0}

What it starts leads a process group of its own, so that it can be killed with all its children.
"""

import importlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

SCRIPTS = Path(__file__).resolve().parent.parent
# Imported before anything is forked; each of them costs every server start otherwise.
IMPORTED = (
    "ledger.cli.running",
    "ledger.cli.repairing",
    "web.app",
    "psycopg",
    "sqlalchemy.dialects.postgresql.psycopg",
    "sqlalchemy.dialects.sqlite",
    "alembic.command",
)


class Nursery:
    """The process from ``with`` to its end; whatever it started is killed then."""

    def __enter__(self) -> Self:
        self._lock = threading.Lock()
        self._alive: set[int] = set()
        root = str(SCRIPTS.parent)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "soaking.nursery"],
            cwd=root,
            env=dict(os.environ, PYTHONPATH=os.pathsep.join([str(SCRIPTS), root])),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for pid in tuple(self._alive):
            kill_group(pid)
            self.wait(pid)
        self._process.communicate()

    def start(self, *command: str, env: Mapping[str, str], log: Path) -> int:
        """Start a command, its output appended to ``log``; its process ID."""
        pid: int = self._ask(do="start", command=command, env=dict(env), log=str(log))["pid"]
        self._alive.add(pid)
        return pid

    def wait(self, pid: int) -> int:
        """Wait for the end of what was started: its exit status, negative for a signal."""
        status: int = self._ask(do="wait", pid=pid)["status"]
        self._alive.discard(pid)
        return status

    def run(self, *command: str, env: Mapping[str, str], log: Path) -> int:
        """Run a command to its end; its exit status."""
        return self.wait(self.start(*command, env=env, log=log))

    def _ask(self, **question: object) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._lock:
            self._process.stdin.write(json.dumps(question) + "\n")
            self._process.stdin.flush()
            answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer


def kill_group(pid: int) -> None:
    """SIGKILL for a started process and all its children, dead ones included."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def main() -> None:
    """Answer what is asked until there is nobody left who asks."""
    for name in IMPORTED:
        importlib.import_module(name)
    runners = {"ledger": _ledger(), "verify": _verify(), "append": _append()}
    started: list[int] = []
    for line in sys.stdin:
        asked = json.loads(line)
        if asked["do"] == "start":
            pid = os.fork()
            started.append(pid)
            if pid == 0:
                _become(runners[asked["command"][0]], asked)
            said = {"pid": pid}
        else:
            _, status = os.waitpid(asked["pid"], 0)
            started.remove(asked["pid"])
            said = {"status": os.waitstatus_to_exitcode(status)}
        print(json.dumps(said), flush=True)
    # Whoever asked may have died: what it had started goes with it.
    for pid in started:
        kill_group(pid)


def _become(run: Callable[[Sequence[str]], int], asked: dict[str, Any]) -> None:
    status = 1
    try:
        os.setsid()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        log = os.open(asked["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.environ.update(asked["env"])
        status = run(asked["command"][1:])
    except BaseException:  # noqa: BLE001 - a forked child never returns into its parent's code
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _ledger() -> Callable[[Sequence[str]], int]:
    run: Callable[[Sequence[str]], int] = importlib.import_module("ledger.__main__").run
    return run


def _append() -> Callable[[Sequence[str]], int]:
    run: Callable[[Sequence[str]], int] = importlib.import_module("soaking.appending").main
    return run


def _verify() -> Callable[[Sequence[str]], int]:
    spec = importlib.util.spec_from_file_location("verify_script", SCRIPTS / "verify.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["verify_script"] = module
    spec.loader.exec_module(module)
    run: Callable[[Sequence[str]], int] = module.main
    return run


if __name__ == "__main__":
    main()
