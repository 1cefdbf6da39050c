"""Mirrors for tests: made of a world, served by the plainest of servers, judged by verify.py."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from ledger_world import World

from ledger.assembly import Ledger
from ledger.cli.asking import InProcessSite
from ledger.mirrors import Folder, Mirrored, Target, mirror
from web.app import create_app
from web.front import Front

PUBLIC_URL = "https://ledger.example"
START = 1_700_000_000
"""Long ago by any clock, so that verify.py finds nothing of the history in the future."""
VERIFY = Path(__file__).resolve().parents[2] / "scripts" / "verify.py"


def app_of(ledger: Ledger) -> Front:
    return create_app(ledger, public_url=PUBLIC_URL)


def site_of(world: World) -> InProcessSite:
    return InProcessSite(app_of(world.ledger))


def run(world: World, target: Target | Path, **more: Any) -> Mirrored:
    """One run to a folder or another target."""
    return run_of(world.ledger, target, **more)


def run_of(ledger: Ledger, target: Target | Path, **more: Any) -> Mirrored:
    """The same of a ledger that was opened in another way."""
    place = Folder(target) if isinstance(target, Path) else target
    with InProcessSite(app_of(ledger)) as site:
        return mirror(ledger.store, site, place, source=PUBLIC_URL, **more)


def files(folder: Path) -> dict[str, bytes]:
    """Every file of a mirror but those that begin with a dot."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }


def marks(folder: Path) -> dict[str, tuple[int, int]]:
    """What shows whether a file was written again: its inode and when it was changed."""
    return {
        str(path.relative_to(folder)): (path.stat().st_ino, path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of a folder that Python's own `http.server` serves."""

    class Quiet(SimpleHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, *_: Any) -> None:
            pass

    quiet = partial(Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), quiet) as server, serving(server):
        yield f"http://127.0.0.1:{server.server_port}"


@contextmanager
def serving(server: ThreadingHTTPServer) -> Iterator[None]:
    """A server that answers while the block runs."""
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()


def verified(vkey: str, *arguments: object, evidence: Path | None = None) -> str:
    """What verify.py says, once it has said that all is as it should be.

    It is a mirror that is verified where ``evidence`` names a folder for the contrary.
    """
    more = () if evidence is None else ("--jobs", "1", "--evidence", evidence)
    done = subprocess.run(
        [sys.executable, str(VERIFY), *map(str, (*arguments, "--vkey", vkey, *more))],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done
    return done.stdout


def both_ways(vkey: str, folder: Path, *, evidence: Path) -> None:
    """verify.py passes on the folder and on what a file server makes of it."""
    verified(vkey, "--offline", folder, evidence=evidence)
    with served(folder) as address:
        verified(vkey, address, evidence=evidence)
