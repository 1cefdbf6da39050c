"""Ledgers that are about to cross a tile's border, made once and copied for every test."""

import itertools
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import kit
import pytest
from databases import execute

from ledger.assembly import Ledger
from ledger.settings import Settings

# The seams at which steps fail are those of scripts/soak.
SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
if str(SCRIPTS) not in sys.path:
    sys.path.insert(0, str(SCRIPTS))

Copies = Callable[[str, int], Settings]


@pytest.fixture(scope="session")
def _grown(
    tmp_path_factory: pytest.TempPathFactory, postgresql_server: str
) -> Callable[[str, int], tuple[Settings, str]]:
    made: dict[tuple[str, int], tuple[Settings, str]] = {}

    def grown(engine: str, size: int) -> tuple[Settings, str]:
        if (engine, size) not in made:
            folder = tmp_path_factory.mktemp(f"{engine}-{size}")
            name = f"grown_{size}"
            url = f"sqlite:///{folder / 'ledger.db'}"
            if engine == "postgresql":
                execute(postgresql_server, f"CREATE DATABASE {name}")
                url = postgresql_server.replace("@/postgres?", f"@/{name}?")
            settings = kit.make_ledger(url, folder)
            ledger = Ledger(settings, clock=kit.Clock())
            kit.filled(ledger, size=size)
            ledger.close()
            made[engine, size] = (settings, name)
        return made[engine, size]

    return grown


@pytest.fixture
def grown(
    _grown: Callable[[str, int], tuple[Settings, str]], postgresql_server: str, tmp_path: Path
) -> Iterator[Copies]:
    """A function that gives a ledger of its own, filled to a size: ``grown("sqlite", 255)``."""
    copies: list[str] = []
    folders = itertools.count()

    def copy(engine: str, size: int) -> Settings:
        source, name = _grown(engine, size)
        folder = tmp_path / f"copy-{next(folders)}"
        shutil.copytree(source.data_dir, folder)
        url = f"sqlite:///{folder / 'ledger.db'}"
        if engine == "postgresql":
            mine = f"{name}_{folder.name.replace('-', '_')}"
            execute(postgresql_server, f"CREATE DATABASE {mine} TEMPLATE {name}")
            copies.append(mine)
            url = postgresql_server.replace("@/postgres?", f"@/{mine}?")
        return Settings(data_dir=folder, database_url=url)

    yield copy
    for name in copies:
        execute(postgresql_server, f"DROP DATABASE {name} WITH (FORCE)")
