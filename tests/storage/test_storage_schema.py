"""The schema: made once however often it is asked for, and append-only whoever asks."""

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import kit
import psycopg
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from processes import heard_until_end, running
from schema_children import migrate_and_say
from sqlalchemy import create_engine
from sqlmodel import SQLModel

from ledger.assembly import Ledger
from ledger.storage.revisions import MIGRATIONS, newest_revision
from ledger.storage.store import Store

APPEND_ONLY = {
    "entries": "leaf_index",
    "tiles": "level",
    "checkpoints": "size",
    "disclosures": "discloses",
    "openings": "leaf_index",
}

NEWEST = kit.NEWEST_SCHEMA
_WORD_INDEX = ("job_words", "job_texts_by_word")
"""What finds words is the engine's own: no table or index that SQLAlchemy has a word for."""


@pytest.fixture
def full_url(database_url: str, tmp_path: Path) -> str:
    """A database with at least one row in every append-only table."""
    clock = kit.Clock()
    settings = kit.make_ledger(database_url, tmp_path, clock=clock)
    ledger = Ledger(settings, clock=clock)
    kit.filled(ledger, size=260)
    clock.advance(days=90)
    assert ledger.embargo.open_due().opened == 1
    ledger.close()
    return database_url


@pytest.fixture
def attacker(full_url: str) -> Iterator["Attacker"]:
    found = Attacker(full_url)
    yield found
    found.close()


class Attacker:
    """Whoever has the database, a plain driver, and none of the ledger's care."""

    def __init__(self, url: str) -> None:
        self.is_sqlite = url.startswith("sqlite")
        self._lite = self._post = None
        if self.is_sqlite:
            self._lite = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
        else:
            self._post = psycopg.connect(url, autocommit=True)

    def close(self) -> None:
        for connection in (self._lite, self._post):
            if connection is not None:
                connection.close()

    def fetch(self, sql: str) -> list[tuple[object, ...]]:
        if self._lite is not None:
            return self._lite.execute(sql).fetchall()
        assert self._post is not None
        return self._post.execute(sql.encode()).fetchall()

    def refused(self, sql: str, reason: str) -> None:
        before = self.dump()
        with pytest.raises((sqlite3.Error, psycopg.Error), match=reason):
            self.fetch(sql)
        assert self.dump() == before

    def columns(self, table: str) -> list[str]:
        if self._lite is not None:
            return [row[1] for row in self._lite.execute(f"PRAGMA table_info({table})")]
        rows = self.fetch(
            "SELECT column_name FROM information_schema.columns "
            f"WHERE table_name = '{table}' ORDER BY ordinal_position"
        )
        return [str(row[0]) for row in rows]

    def dump(self) -> dict[str, list[tuple[object, ...]]]:
        return {
            name: self.fetch(f"SELECT * FROM {name} ORDER BY 1, 2")
            for name in (*APPEND_ONLY, "embargoes")
        }


def test_migrating_twice_changes_nothing(database_url: str) -> None:
    store = Store(database_url)
    assert store.is_empty()
    assert store.migrate() == (None, NEWEST)
    assert store.migrate() == (NEWEST, NEWEST)
    assert store.is_empty()
    store.close()


def test_threads_may_migrate_at_once(database_url: str) -> None:
    stores = [Store(database_url) for _ in range(4)]
    found: list[tuple[str | None, str]] = []
    threads = [
        threading.Thread(target=lambda store=store: found.append(store.migrate()))
        for store in stores
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for store in stores:
        store.close()
    assert sorted(found, key=str) == [(NEWEST, NEWEST)] * 3 + [(None, NEWEST)]


def test_processes_may_migrate_at_once(database_url: str) -> None:
    with (
        running(migrate_and_say, database_url) as (_, one),
        running(migrate_and_say, database_url) as (_, two),
        running(migrate_and_say, database_url) as (_, three),
    ):
        pipes = [one, two, three]
        assert [pipe.recv() for pipe in pipes] == ["ready"] * 3
        for pipe in pipes:
            pipe.send("go")
        found = [heard_until_end(pipe) for pipe in pipes]
    assert sorted(found, key=str) == [[(NEWEST, NEWEST)]] * 2 + [[(None, NEWEST)]]


def test_the_tables_are_what_the_migration_makes(database_url: str) -> None:
    store = Store(database_url)
    store.migrate()
    with store.engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "compare_type": True,
                "compare_server_default": True,
                "include_name": lambda name, *_: not str(name).startswith(_WORD_INDEX),
            },
        )
        assert compare_metadata(context, SQLModel.metadata) == []
    store.close()


@pytest.mark.parametrize("table", APPEND_ONLY)
def test_no_row_of_the_log_is_updated_or_deleted(attacker: Attacker, table: str) -> None:
    column = attacker.columns(table)[-1]
    attacker.refused(f"UPDATE {table} SET {column} = {column}", "append-only")
    attacker.refused(f"DELETE FROM {table}", "append-only")
    if not attacker.is_sqlite:
        attacker.refused(f"TRUNCATE {table}", "append-only|foreign key")


@pytest.mark.parametrize("table", APPEND_ONLY)
def test_no_row_of_the_log_is_replaced(attacker: Attacker, table: str) -> None:
    names = attacker.columns(table)
    key = "level, n" if table == "tiles" else APPEND_ONLY[table]
    copied = f"({', '.join(names)}) SELECT {', '.join(names)} FROM {table}"
    if attacker.is_sqlite:
        attacker.refused(f"INSERT OR REPLACE INTO {table} {copied}", "append-only")
        copied += " WHERE true"  # SQLite's grammar asks for it before ON CONFLICT
    attacker.refused(
        f"INSERT INTO {table} {copied} ON CONFLICT ({key}) DO UPDATE SET {names[-1]} = NULL",
        "append-only",
    )


@pytest.mark.parametrize(
    ("table", "key"), [("entries", "leaf_index"), ("disclosures", "discloses")]
)
def test_no_row_is_replaced_by_way_of_another_unique_column(
    attacker: Attacker, table: str, key: str
) -> None:
    names = attacker.columns(table)
    values = [f"{name} + 100000" if name == key else name for name in names]
    where = "statement_digest IS NOT NULL" if table == "entries" else "true"
    verb = "INSERT OR REPLACE" if attacker.is_sqlite else "INSERT"
    attacker.refused(
        f"{verb} INTO {table} ({', '.join(names)}) "
        f"SELECT {', '.join(values)} FROM {table} WHERE {where}",
        "append-only|duplicate key",
    )


def test_no_date_of_publication_is_moved(attacker: Attacker) -> None:
    reason = "never moves"
    attacker.refused("UPDATE embargoes SET publish_by = publish_by + 1", reason)
    attacker.refused("UPDATE embargoes SET publish_by = publish_by - 1", reason)
    names = ", ".join(attacker.columns("embargoes"))
    later = names.replace("publish_by", "publish_by + 1")
    copied = f"({names}) SELECT {later} FROM embargoes"
    if attacker.is_sqlite:
        attacker.refused(f"INSERT OR REPLACE INTO embargoes {copied}", reason)
        copied += " WHERE true"
    attacker.refused(
        f"INSERT INTO embargoes {copied} ON CONFLICT (leaf_index) DO UPDATE SET publish_by = 0",
        reason,
    )


def test_the_triggers_hold_without_what_our_own_connections_set(full_url: str) -> None:
    engine = create_engine(full_url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            assert connection.exec_driver_sql("PRAGMA recursive_triggers").scalar() == 0
            found = connection.exec_driver_sql(
                "SELECT count(*) FROM sqlite_master WHERE type = 'trigger'"
            ).scalar()
            assert found == 20
        else:
            found = connection.exec_driver_sql(
                "SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal AND tgenabled = 'O'"
            ).scalar()
            assert found == 6
    engine.dispose()


def test_the_newest_revision_by_the_files_is_the_one_that_alembic_goes_to() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_heads() == [newest_revision()]


def test_a_database_that_is_up_to_date_is_opened_without_a_look_at_the_revisions(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = kit.make_ledger(database_url, tmp_path)
    monkeypatch.setattr(command, "upgrade", None)
    monkeypatch.setattr(ScriptDirectory, "from_config", None)
    store = Store(settings.database_url)
    assert store.migrate() == (NEWEST, NEWEST)
    store.close()
