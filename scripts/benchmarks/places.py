"""Where measured ledgers lie: folders with SQLite files, or databases of a PostgreSQL server.

Everything is below one folder that is safe to delete. On PostgreSQL every ledger has a database of
its own, named ``apsci_bench_…``; the one that the URL names is only connected to.
"""

import contextlib
import fcntl
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import psycopg

from benchmarks import history
from ledger.assembly import create, system_clock
from ledger.settings import Settings

FOLDER: Final = "apsci-ledger-bench"
SCRIPTS: Final = Path(__file__).resolve().parent.parent


class CannotMeasure(Exception):
    """A measurement that could not be made; the message is the line that says why."""


def default_folder() -> Path:
    """The user's cache folder, or where there is none the temporary one."""
    with contextlib.suppress(RuntimeError):
        cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        return Path(cache) / FOLDER
    return Path(tempfile.gettempdir()) / FOLDER


class Places:
    """Names ledgers and finds room for them. ``scratch`` ones are gone when it is closed."""

    def __init__(self, folder: Path, database_url: str | None) -> None:
        self._folder = folder
        self._url = database_url
        self._scratch = folder / "scratch"
        self._lock = -1

    @contextlib.contextmanager
    def opened(self) -> Iterator["Places"]:
        """The folder, held by this process alone. Raises CannotMeasure where another has it."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise CannotMeasure(f"{self._folder}: {error.strerror}") from None
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise CannotMeasure(f"another run is measuring in {self._folder}") from None
            self._clear()
            try:
                yield self
            finally:
                self._clear()
        finally:
            os.close(lock)

    @property
    def on_postgresql(self) -> bool:
        """Whether the measured ledgers lie on PostgreSQL."""
        return self._url is not None

    def kept(self, name: str) -> Settings:
        """The settings of a ledger that stays for the next run; it may not exist yet."""
        return self._settings(self._folder / name, name)

    def fresh(self, name: str) -> Settings:
        """A ledger that holds its genesis entry and is gone after this run."""
        settings = self._settings(self._scratch / name, f"scratch_{name}")
        create(settings, origin=history.ORIGIN, authors=history.authors(), clock=system_clock)
        return settings

    def copied(self, settings: Settings, name: str) -> Settings:
        """A copy of a kept ledger, which nobody has open, gone after this run."""
        folder = self._scratch / name
        shutil.copytree(settings.data_dir, folder)
        if self._url is None:
            return Settings(data_dir=folder)
        source = _database_name(settings.data_dir.name)
        database = _database_name(f"scratch_{name}")
        self._execute(f"CREATE DATABASE {database} TEMPLATE {source}")
        return Settings(data_dir=folder, database_url=self._database(f"scratch_{name}"))

    def room(self, name: str) -> Path:
        """An empty folder on the same disk, gone after this run."""
        folder = self._scratch / name
        folder.mkdir(parents=True)
        return folder

    def beside(self, name: str) -> Path:
        """A folder that stays for the next run; it may not exist yet."""
        return self._folder / name

    def empty_database(self, name: str) -> str | None:
        """A new PostgreSQL database for a yardstick; None on SQLite."""
        return self._database(f"scratch_{name}") if self._url else None

    def discard(self, settings: Settings, *others: Path) -> None:
        """Remove a kept ledger, and what lies beside it."""
        for folder in (settings.data_dir, *others):
            shutil.rmtree(folder, ignore_errors=True)
        if self._url:
            self._execute(f"DROP DATABASE IF EXISTS {_database_name(settings.data_dir.name)}")

    def _settings(self, folder: Path, name: str) -> Settings:
        if self._url is None:
            return Settings(data_dir=folder)
        return Settings(data_dir=folder, database_url=self._database(name))

    def _database(self, name: str) -> str:
        assert self._url is not None
        database = _database_name(name)
        if not self._fetch("SELECT 1 FROM pg_database WHERE datname = %s", database):
            self._execute(f"CREATE DATABASE {database}")
        return urlunsplit(urlsplit(self._url)._replace(path=f"/{database}"))

    def _clear(self) -> None:
        shutil.rmtree(self._scratch, ignore_errors=True)
        if self._url:
            pattern = _database_name("scratch_").replace("_", r"\_") + "%"
            for (name,) in self._fetch(
                "SELECT datname FROM pg_database WHERE datname LIKE %s", pattern
            ):
                self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    def _execute(self, sql: str) -> None:
        with self._connected() as connection:
            connection.execute(sql.encode())

    def _fetch(self, sql: str, value: str) -> list[tuple[object, ...]]:
        with self._connected() as connection:
            return connection.execute(sql.encode(), (value,)).fetchall()

    @contextlib.contextmanager
    def _connected(self) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
        assert self._url is not None
        try:
            with psycopg.connect(self._url, autocommit=True) as connection:
                yield connection
        except psycopg.OperationalError:
            # The driver's message quotes the address, and the address may hold a password.
            raise CannotMeasure("the PostgreSQL server of --database-url does not answer") from None


def _database_name(name: str) -> str:
    return f"apsci_bench_{name.replace('-', '_')}"


def environment(settings: Settings | None = None, **more: str) -> dict[str, str]:
    """The environment of a child process, which works on the ledger of ``settings`` if on any."""
    found = {name: value for name, value in os.environ.items() if not name.startswith("LEDGER_")}
    found["PYTHONPATH"] = str(SCRIPTS)
    if settings is not None:
        found["LEDGER_DATA_DIR"] = str(settings.data_dir)
        found["LEDGER_DATABASE_URL"] = settings.database_url
    return found | more


def module(name: str, *arguments: str) -> list[str]:
    """The command line that runs a module of this package in a process of its own."""
    return [sys.executable, "-m", f"benchmarks.{name}", *arguments]
