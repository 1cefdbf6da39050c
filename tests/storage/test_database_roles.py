"""The least-privileged roles: a ledger lives as the writer, and neither role can touch the past."""

from pathlib import Path

import kit
import psycopg
import pytest
from psycopg import errors

from ledger.__main__ import run
from ledger.assembly import Ledger
from ledger.settings import Settings
from ledger.storage import tables

PAST = [table.name for table in tables.APPEND_ONLY]


def as_user(url: str, user: str) -> str:
    return url.replace("//postgres@", f"//{user}@")


@pytest.fixture
def settings(postgresql_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Settings:
    """A ledger with the roles, made twice, and a user in each."""
    made = kit.make_ledger(postgresql_url, tmp_path)
    assert run(["roles", "--name", "lp"]) == 0
    sql = capsys.readouterr().out
    with psycopg.connect(postgresql_url, autocommit=True) as connection:
        for _ in range(2):
            connection.execute(sql.encode())
        for part in ("owner", "writer", "reader"):
            name = f"lp_user_{part}"
            found = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (name,))
            if found.fetchone() is None:
                connection.execute(f"CREATE USER {name} IN ROLE lp_{part}".encode())
    return made


def test_a_ledger_lives_as_the_writer_and_is_read_as_the_reader(settings: Settings) -> None:
    url = settings.database_url
    writer = settings.model_copy(update={"database_url": as_user(url, "lp_user_writer")})
    clock = kit.Clock()
    ledger = Ledger(writer, clock=clock)
    given = kit.log(ledger, *(kit.submitted(kit.ulid(n)) for n in range(1, 30)))
    given += kit.log(ledger, kit.started(kit.ulid(1)), kit.egress(kit.ulid(1), 10))
    clock.advance(days=91)
    given += kit.log(ledger, kit.egress(kit.ulid(1), 11))
    swept = ledger.embargo.open_due()
    assert (swept.opened, swept.failed) == (29, ())
    ledger.close()
    reader = writer.model_copy(update={"database_url": as_user(url, "lp_user_reader")})
    kit.check_whole_log(reader, acknowledged=given)
    reading = Ledger(reader, writer=False)
    assert reading.reader.tree_size() == 1 + 29 * 2 + 3 + 29
    reading.close()


@pytest.mark.parametrize("user", ["writer", "reader"])
def test_neither_can_touch_the_past_whatever_the_triggers_say(
    settings: Settings, user: str
) -> None:
    forbidden = [f"DELETE FROM {name}" for name in PAST]
    forbidden += [f"TRUNCATE {name}" for name in PAST]
    forbidden += [f"ALTER TABLE {name} DISABLE TRIGGER ALL" for name in PAST]
    forbidden += [f"DROP TABLE {name}" for name in PAST]
    forbidden += [
        "UPDATE entries SET data = ''",
        "UPDATE checkpoints SET note = ''",
        "DELETE FROM embargoes",
        "DELETE FROM log_head",
        "UPDATE alembic_version SET version_num = 'x'",
        "CREATE TABLE mine (x int)",
        "ALTER FUNCTION refuse_change() RENAME TO other",
    ]
    if user == "reader":
        forbidden += [f"INSERT INTO {name} SELECT * FROM {name}" for name in PAST]
        forbidden += ["UPDATE log_head SET size = 0", "SELECT * FROM log_head FOR UPDATE"]
    url = as_user(settings.database_url, f"lp_user_{user}")
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in forbidden:
            with pytest.raises(errors.InsufficientPrivilege):
                connection.execute(statement.encode())


def test_all_that_there_is_has_an_owner_of_its_own_and_the_owner_can_migrate_and_rebuild(
    settings: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with psycopg.connect(settings.database_url, autocommit=True) as connection:
        owners = connection.execute(
            "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public' UNION"
            " SELECT proowner::regrole::text FROM pg_proc"
            " WHERE pronamespace = 'public'::regnamespace"
        ).fetchall()
    assert owners == [("lp_owner",)]
    owner = as_user(settings.database_url, "lp_user_owner")
    monkeypatch.setenv("LEDGER_DATABASE_URL", owner)
    monkeypatch.setenv("LEDGER_DATA_DIR", str(settings.data_dir))
    assert run(["migrate"]) == 0
    assert run(["rebuild"]) == 0
    capsys.readouterr()
    assert run(["roles", "--name", "x; DROP TABLE entries"]) == 2
    assert "small letters" in capsys.readouterr().err
