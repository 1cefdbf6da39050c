"""One ledger with a history for each engine, shared by all tests that only read it."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from ledger_world import World, with_history


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def world(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("ledger")
    url = None
    if request.param == "postgresql":
        server: str = request.getfixturevalue("postgresql_server")
        name = f"read_{folder.name}"
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}"'.encode())
            connection.execute(f'CREATE DATABASE "{name}"'.encode())
        url = server.replace("@/postgres?", f"@/{name}?")
    with World(folder, url) as made:
        yield with_history(made)


@pytest.fixture
def fresh(tmp_path: Path, database_url: str) -> Iterator[World]:
    """An empty ledger of the test's own, on each engine."""
    with World(tmp_path / "fresh", database_url) as made:
        yield made
