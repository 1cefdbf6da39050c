"""What scripts/demo does once it runs inside ``.venv``: a folder, a history, a server, a pulse.

Everything lies in one folder outside the checkout. Its keys are made there and worth nothing: they
sign what never happened, under an origin that ends in ``.invalid`` and can belong to nobody.
"""

import argparse
import contextlib
import fcntl
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import NoReturn

from _demo_history import History, HistoryLost, make_history, read_signers
from _demo_live import Pulse
from _demo_server import DemoRefused, free_port, reached_host, served, shown_host

from ledger.errors import LedgerError
from ledger.importers.mapping import ImportRefused, load_mapping
from ledger.importers.replay import trace_end_s
from ledger.importers.synthetic import JOBS
from ledger.importers.trace import read_trace

PORT = 8000
MOST_JOBS = 100_000
VERSION = 2
"""Of the invented history: a folder with an older one is emptied and filled anew."""
NOTE = "demo.json"
FRESH_S = 3_600
"""A history that was interrupted is gone on with for an hour; an older one would end too early."""
TICK_S = 1.0


@dataclass
class Note:
    """What the folder remembers of its history (``demo.json``)."""

    version: int
    source: str
    """``synthetic``, or the trace's SHA-256."""
    start: int
    end: int
    jobs: int
    complete: bool = False


def main(arguments: list[str]) -> int:
    """Run until it is told to stop; the exit status."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _as_interrupt)
    try:
        return _run(options)
    except (DemoRefused, LedgerError, OSError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\ndemo: stopped; the next start goes on from here", file=sys.stderr)
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/demo", description="A demonstration ledger; nothing in it ever happened."
    )
    parser.add_argument("--host", default="127.0.0.1", help="listen here (default: %(default)s)")
    parser.add_argument(
        "--port", type=_port, default=PORT, help="0 for any free one (default: %(default)s)"
    )
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="where it lies (default: the user's data folder)"
    )
    parser.add_argument(
        "--trace", type=Path, metavar="FILE", help="replay this cluster trace (CSV) instead"
    )
    parser.add_argument(
        "--jobs", type=_jobs, default=JOBS, metavar="N", help="invent N (default: %(default)s)"
    )
    parser.add_argument("--no-live", action="store_true", help="add nothing once it is served")
    return parser


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: 0 to 65535")
    return int(text)


def _jobs(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or not 1 <= int(text) <= MOST_JOBS:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of jobs: 1 to {MOST_JOBS}")
    return int(text)


def _as_interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _run(options: argparse.Namespace) -> int:
    port = free_port(options.host, options.port)
    name = "apsci-ledger-demo" if options.trace is None else "apsci-ledger-demo-trace"
    folder: Path = (options.data or _user_folder() / name).expanduser().absolute()
    with _held(folder):
        source, length_s = _source(options.trace)
        note = _note(folder, source, length_s, options.jobs)
        history = History(
            folder, start=note.start, end=note.end, trace=options.trace, jobs=note.jobs
        )
        if not note.complete:
            _make(folder, note, history)
        signers = read_signers(folder)
        with served(folder, options.host, port) as server:
            address = f"http://{shown_host(options.host)}:{port}"
            what = "an invented history" if options.trace is None else "a trace, replayed"
            print(f"{address} - a demonstration: {what}, in {folder}; Ctrl-C stops", flush=True)
            pulse = None
            if not options.no_live:
                pulse = Pulse(reached_host(options.host), port, history, signers)
            while server.poll() is None:
                if pulse is not None:
                    pulse.tick(int(time.time()))
                time.sleep(TICK_S)
    raise DemoRefused(f"the server ended by itself with status {server.returncode}; see above")


# --- the folder ---------------------------------------------------------------------------------


def _user_folder() -> Path:
    """Where programs keep a user's data; a temporary folder where there is no such place."""
    given = os.environ.get("XDG_DATA_HOME")
    candidates = [Path(given)] if given else []
    with contextlib.suppress(RuntimeError):
        candidates.append(Path.home() / ".local" / "share")
    for folder in candidates:
        if folder.is_absolute() and _is_writable(folder):
            return folder
    return Path(tempfile.gettempdir()) / f"apsci-ledger-{os.getuid()}"


def _is_writable(folder: Path) -> bool:
    """Whether ``folder`` can be written to; it is made where it is not there.

    Asking is not enough: root is told that it may write even where nothing can be made.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK | os.X_OK)


@contextlib.contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Make the folder and hold it, so that no second demonstration writes to it."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if folder.stat().st_uid != os.getuid():
            raise DemoRefused(f"{folder} belongs to somebody else: give another with --data DIR")
        descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise DemoRefused(
            f"cannot use {folder}: {error.strerror}; give another with --data DIR"
        ) from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise DemoRefused(f"another demonstration is running in {folder}") from None
    finally:
        os.close(descriptor)


def _source(trace: Path | None) -> tuple[str, int]:
    """What the history is made from, by name, and its length in seconds."""
    if trace is None:
        return "synthetic", History.SYNTHETIC_S
    mapping = load_mapping()
    read = read_trace(trace, mapping)
    if not read.tasks:
        raise ImportRefused(f"{trace} has no task that ran on GPUs: nothing to show")
    return read.digest.hex(), trace_end_s(read, mapping)


def _note(folder: Path, source: str, length_s: int, jobs: int) -> Note:
    """What the folder holds, or is to hold: a history that ends now."""
    now = int(time.time())
    fresh = Note(VERSION, source, start=now - length_s, end=now, jobs=jobs)
    path = folder / NOTE
    if not path.exists():
        if any(folder.iterdir()):
            raise DemoRefused(
                f"{folder} holds something else than a demonstration: give another with --data DIR"
            )
        return fresh
    try:
        note = Note(**json.loads(path.read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        raise DemoRefused(f"{path} is damaged: remove {folder} to begin anew") from None
    if note.source != source:
        raise DemoRefused(
            f"{folder} holds another demonstration: give another with --data DIR, or remove it"
        )
    if note.version != VERSION:
        print("demo: the history in the folder is of an older kind: made anew", file=sys.stderr)
        _clear(folder)
        return fresh
    if not note.complete and now - note.end > FRESH_S:
        _clear(folder)
        return fresh
    return note


def _write_note(folder: Path, note: Note) -> None:
    path = folder / (NOTE + ".new")
    path.write_text(json.dumps(asdict(note)), "utf-8")
    path.replace(folder / NOTE)


def _make(folder: Path, note: Note, history: History) -> None:
    """Make the history, or what an interrupted start has left of it to make."""
    _write_note(folder, note)
    try:
        make_history(history)
    except HistoryLost:
        # Interrupted before there was a whole ledger: there is nothing in it yet.
        _clear(folder)
        _write_note(folder, note)
        make_history(history)
    note.complete = True
    _write_note(folder, note)


def _clear(folder: Path) -> None:
    """Remove what a demonstration makes, and nothing else."""
    for made in ("keys", "exports"):
        shutil.rmtree(folder / made, ignore_errors=True)
    for path in [folder / NOTE, *folder.glob("ledger.db*")]:
        path.unlink(missing_ok=True)
