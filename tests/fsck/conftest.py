"""One log for all, built once an engine, and a fresh copy of it for each test."""

import itertools
import shutil
from collections.abc import Iterator
from pathlib import Path

import kit
import pytest
from databases import execute
from fsck_world import World, copy_of, fill

from ledger.settings import Settings

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def sqlite_original(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, int]:
    folder = tmp_path_factory.mktemp("original")
    settings = kit.make_ledger(f"sqlite:///{folder / 'ledger.db'}", folder)
    return settings, fill(settings)


@pytest.fixture(scope="session")
def postgresql_original(
    postgresql_server: str, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Settings, int]:
    execute(postgresql_server, "CREATE DATABASE fsck_original")
    url = postgresql_server.replace("@/postgres?", "@/fsck_original?")
    settings = kit.make_ledger(url, tmp_path_factory.mktemp("original"))
    return settings, fill(settings)


@pytest.fixture
def sqlite_world(sqlite_original: tuple[Settings, int], tmp_path: Path) -> World:
    original, now = sqlite_original
    assert original.sqlite_file is not None
    shutil.copy(original.sqlite_file, tmp_path / "ledger.db")
    return World(copy_of(original, tmp_path, f"sqlite:///{tmp_path / 'ledger.db'}"), now)


@pytest.fixture
def postgresql_world(
    postgresql_original: tuple[Settings, int], postgresql_server: str, tmp_path: Path
) -> Iterator[World]:
    original, now = postgresql_original
    name = f"fsck_{next(_numbers)}"
    execute(postgresql_server, f"CREATE DATABASE {name} TEMPLATE fsck_original")
    try:
        url = postgresql_server.replace("@/postgres?", f"@/{name}?")
        yield World(copy_of(original, tmp_path, url), now)
    finally:
        execute(postgresql_server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgresql"])
def world(request: pytest.FixtureRequest) -> World:
    found: World = request.getfixturevalue(f"{request.param}_world")
    return found
