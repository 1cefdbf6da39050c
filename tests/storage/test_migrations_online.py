"""Migrations beside servers: what a revision may do, how long it waits, and who may run it."""

import threading
from collections.abc import Iterator
from pathlib import Path

import kit
import psycopg
import pytest
from alembic import command
from alembic.script import ScriptDirectory
from migration_rules import refusals
from migrations_ahead import program_of_tomorrow
from sqlalchemy import Connection, event

from ledger.__main__ import run
from ledger.errors import LogUnavailable
from ledger.storage import migrate
from ledger.storage.engine import open_engine
from ledger.storage.store import Store

LOCK = migrate.ADVISORY_LOCK
BEFORE_THE_RULES = "0006"
"""These were run before servers were expected to go on meanwhile."""


def ask(url: str, sql: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(sql.encode())
        return cursor.fetchall() if cursor.description else []


def said_by_each_revision(url: str) -> dict[str, list[str]]:
    """Every statement that each revision runs on PostgreSQL, and nothing that Alembic asks."""
    engine = open_engine(url)
    config = migrate._config()
    heard: list[str] = []
    found: dict[str, list[str]] = {}

    def hear(_connection: Connection, _cursor: object, statement: str, *_: object) -> None:
        if not statement.lstrip().lower().startswith(("select", "set", "show")):
            heard.append(statement)

    event.listen(engine, "before_cursor_execute", hear)
    scripts = list(ScriptDirectory.from_config(config).walk_revisions())[::-1]
    for script in scripts:
        heard.clear()
        with engine.connect() as connection:
            if getattr(script.module, "OUTSIDE_TRANSACTION", False):
                connection.execution_options(isolation_level="AUTOCOMMIT")
            with connection.begin():
                config.attributes["connection"] = connection
                command.upgrade(config, script.revision)
        found[script.revision] = list(heard)
    engine.dispose()
    return found


def test_no_revision_stops_a_server_that_runs(postgresql_url: str) -> None:
    said = said_by_each_revision(postgresql_url)
    scripts = ScriptDirectory.from_config(migrate._config())
    assert all(said.values())
    checked = list(said)[list(said).index(BEFORE_THE_RULES) + 1 :]
    assert checked
    for revision in checked:
        script = scripts.get_revision(revision)
        assert script is not None
        if not getattr(script.module, "PAUSES", None):
            assert refusals(said[revision]) == [], revision
    # The rules would have told those before them.
    assert any(refusals(said[each]) for each in said if each not in checked)


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE entries ALTER COLUMN kind TYPE int",
        "ALTER TABLE entries ALTER COLUMN kind SET NOT NULL",
        "ALTER TABLE entries DROP COLUMN kind",
        "ALTER TABLE entries RENAME COLUMN kind TO sort",
        "ALTER TABLE entries RENAME TO leaves",
        "ALTER TABLE entries ADD COLUMN x BIGINT NOT NULL",
        "ALTER TABLE entries ADD COLUMN x TEXT DEFAULT gen_random_uuid()",
        "ALTER TABLE entries ADD CONSTRAINT c CHECK (leaf_index >= 0)",
        "ALTER TABLE entries ADD CONSTRAINT c FOREIGN KEY (job_id) REFERENCES jobs (job_id)",
        "ALTER TABLE entries ADD CONSTRAINT c UNIQUE (leaf_hash)",
        "ALTER TABLE entries DISABLE TRIGGER ALL",
        "CREATE INDEX i ON entries (kind)",
        "CREATE UNIQUE INDEX i ON entries (leaf_hash)",
        "DROP INDEX entries_by_job",
        "REINDEX TABLE entries",
        "DROP TABLE jobs",
        "LOCK TABLE entries",
        "TRUNCATE jobs",
        "UPDATE jobs SET state = 'x'",
    ],
)
def test_what_a_server_would_wait_for_is_refused(statement: str) -> None:
    (line,) = refusals([statement])
    assert line.endswith(statement)


def test_what_no_server_notices_is_let_through() -> None:
    statements = [
        "CREATE TABLE fresh (id BIGINT NOT NULL, PRIMARY KEY (id))",
        "CREATE UNIQUE INDEX fresh_by ON fresh (id)",
        "ALTER TABLE fresh ADD CONSTRAINT c CHECK (id >= 0)",
        "ALTER TABLE entries ADD COLUMN x BIGINT",
        "ALTER TABLE entries ADD COLUMN x BIGINT DEFAULT 0 NOT NULL",
        "ALTER TABLE entries ADD CONSTRAINT c CHECK (leaf_index >= 0) NOT VALID",
        "ALTER TABLE entries VALIDATE CONSTRAINT c",
        "CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON entries (kind)",
        "DROP INDEX CONCURRENTLY IF EXISTS i",
        "UPDATE alembic_version SET version_num='0008'",
    ]
    assert refusals(statements) == []


@pytest.fixture
def behind(
    postgresql_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[str, Store]]:
    """A ledger of today under the program of tomorrow, which is not patient."""
    kit.make_ledger(postgresql_url, tmp_path)
    monkeypatch.setattr(migrate, "LOCK_TIMEOUT_MS", 20)
    monkeypatch.setattr(migrate, "PAUSE_S", 0)
    with program_of_tomorrow(tmp_path):
        yield postgresql_url, Store(postgresql_url)


def test_a_migration_gives_way_to_whoever_holds_a_table_and_tries_again(
    behind: tuple[str, Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, store = behind
    tried, release = threading.Semaphore(0), threading.Event()

    def paused(_seconds: float) -> None:
        tried.release()

    monkeypatch.setattr(migrate, "sleep", paused)
    monkeypatch.setattr(migrate, "ATTEMPTS", 100_000)
    found: list[tuple[str | None, str]] = []
    migrating = threading.Thread(target=lambda: found.append(store.migrate()))
    with psycopg.connect(url) as reader:
        reader.execute("SELECT count(*) FROM entries")
        migrating.start()
        for _ in range(3):
            assert tried.acquire(timeout=120)
        # It holds nothing while it pauses, and has changed nothing: others read and write.
        assert ask(url, "SELECT version_num FROM alembic_version") == [(kit.NEWEST_SCHEMA,)]
        reader.rollback()
    release.set()
    migrating.join(120)
    store.close()
    assert found == [(kit.NEWEST_SCHEMA, "9999")]
    index = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'entries_tomorrow'::regclass"
    assert ask(url, index) == [(True,)]


def test_a_migration_that_never_gets_the_table_says_so_and_changes_nothing(
    behind: tuple[str, Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, store = behind
    monkeypatch.setattr(migrate, "ATTEMPTS", 2)
    with psycopg.connect(url) as reader:
        reader.execute("SELECT count(*) FROM entries")
        with pytest.raises(LogUnavailable, match="in use at each of 2 attempts") as refused:
            store.migrate()
    assert "\n" not in str(refused.value)
    assert ask(url, "SELECT version_num FROM alembic_version") == [(kit.NEWEST_SCHEMA,)]
    assert ask(url, "SELECT to_regclass('tomorrows')::text") == [(None,)]
    assert store.migrate() == (kit.NEWEST_SCHEMA, "9999")
    store.close()


def test_one_process_migrates_from_the_first_step_to_the_last(
    postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    step, found = migrate._step, []

    def watched(connection: Connection, before: str | None) -> str:
        after = step(connection, before)
        found.append((after, ask(postgresql_url, f"SELECT pg_try_advisory_lock({LOCK})")))
        return after

    monkeypatch.setattr(migrate, "_step", watched)
    store = Store(postgresql_url)
    assert store.migrate() == (None, kit.NEWEST_SCHEMA)
    store.close()
    assert len(found) > 2, "revisions outside a transaction are steps of their own"
    assert {tuple(free) for _, free in found} == {((False,),)}
    assert ask(postgresql_url, f"SELECT pg_try_advisory_lock({LOCK})") == [(True,)]


def test_a_process_that_waits_for_another_holds_no_snapshot_meanwhile(
    behind: tuple[str, Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, store = behind
    waits = threading.Semaphore(0)
    monkeypatch.setattr(migrate, "sleep", lambda _seconds: waits.release())
    found: list[tuple[str | None, str]] = []
    waiting = threading.Thread(target=lambda: found.append(store.migrate()))
    with psycopg.connect(url, autocommit=True) as other:
        other.execute(f"SELECT pg_advisory_lock({LOCK})".encode())
        waiting.start()
        assert waits.acquire(timeout=120)
        # It would be waited for, and wait itself, for ever.
        other.execute("CREATE INDEX CONCURRENTLY entries_beside ON entries (kind)")
        assert ask(url, "SELECT version_num FROM alembic_version") == [(kit.NEWEST_SCHEMA,)]
    waiting.join(120)
    store.close()
    assert found == [(kit.NEWEST_SCHEMA, "9999")]


def test_whoever_may_not_change_tables_is_told_who_has_to(
    behind: tuple[str, Store], tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    url, store = behind
    store.close()
    ask(
        url,
        "DO $$ BEGIN CREATE USER plain_writer IN ROLE ledger_writer;"
        " EXCEPTION WHEN duplicate_object THEN NULL; END $$",
    )
    monkeypatch.setenv("LEDGER_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("LEDGER_DATABASE_URL", url.replace("//postgres@", "//plain_writer@"))
    assert run(["migrate"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("ledger: ")
    assert said.count("\n") == 1
    assert "run `ledger migrate` as the one who owns them" in said


def test_where_roles_cannot_be_made_the_ledger_says_who_has_to_and_goes_on(
    postgresql_server: str, tmp_path: Path, caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("ledger.storage.roles.WRITER", "nobody_made_this_writer")
    with psycopg.connect(postgresql_server, autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS plain")
        connection.execute(
            "DO $$ BEGIN CREATE USER plain_owner; EXCEPTION WHEN duplicate_object THEN NULL; END $$"
        )
        connection.execute("CREATE DATABASE plain OWNER plain_owner")
        url = postgresql_server.replace("//postgres@/postgres?", "//plain_owner@/plain?")
        settings = kit.make_ledger(url, tmp_path)
        assert "nobody_made_this_writer and ledger_reader are not there" in caplog.text
        assert "`ledger roles | psql DATABASE-URL`" in caplog.text
        kit.check_whole_log(settings)
        connection.execute("DROP DATABASE plain WITH (FORCE)")
