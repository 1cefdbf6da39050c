"""Brings a database to the newest schema; at start-up and by ``ledger migrate``.

A revision that changes projections does not fill them: it sets ``refold`` among the attributes of
its configuration, and once the last revision has run, the entries are folded anew by the same code
that ``ledger rebuild`` runs. No revision need know how a fold of its day went, and what stands in
the projections afterwards is what the entries say.
"""

import re
import threading
from functools import cache
from pathlib import Path
from sqlite3 import Error as SqliteError
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from psycopg import Error as PostgresqlError
from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError

from ledger.errors import LogUnavailable
from ledger.storage.engine import is_sqlite
from ledger.storage.reading import reading
from ledger.storage.refold import refold

MIGRATIONS: Final = Path(__file__).with_name("migrations")
ADVISORY_LOCK: Final = 0x4150534349  # "APSCI"

_one_at_a_time = threading.Lock()  # Alembic keeps the migration that runs in a global


def migrate(engine: Engine) -> tuple[str | None, str]:
    """Run every revision that the database lacks; (revision before, revision after).

    Several processes may call it at once: one migrates, the others wait and find nothing to do.
    """
    if _stored(engine) == (newest := newest_revision()):
        return newest, newest
    with _one_at_a_time:
        return _migrate(engine)


def _migrate(engine: Engine) -> tuple[str | None, str]:
    config = _config()
    newest = _newest(config)
    with engine.connect().execution_options(ledger_writes=True) as connection, connection.begin():
        if not is_sqlite(engine):
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ADVISORY_LOCK})
        before = MigrationContext.configure(connection).get_current_revision()
        if before != newest:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            holds_a_log = connection.execute(text("SELECT 1 FROM log_head")).first()
            if config.attributes.get("refold") and holds_a_log:
                refold(connection)
    return before, newest


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config


def _newest(config: Config) -> str:
    found = ScriptDirectory.from_config(config).get_current_head()
    if found is None:
        raise LogUnavailable(f"no migrations can be read in {MIGRATIONS}: look at the disk")
    return found


@cache
def newest_revision() -> str:
    """The revision that this program brings databases to."""
    # By the revisions' own lines: Alembic runs every one of them to know, and a start that has
    # nothing to migrate would spend most of its time on that.
    texts = [path.read_text("utf-8") for path in MIGRATIONS.joinpath("versions").glob("*.py")]
    found, replaced = (
        {match[1] for text in texts for match in re.finditer(pattern, text, re.MULTILINE)}
        for pattern in (r'^revision = "(\w+)"$', r'^down_revision = "(\w+)"$')
    )
    if len(found - replaced) != 1:
        return _newest(_config())
    [newest] = found - replaced
    return newest


def _stored(engine: Engine) -> str | None:
    """The revision that the database is at, if it says so at once."""
    try:
        with reading(engine) as source:
            rows = source.driver.fetch("SELECT version_num FROM alembic_version")
    except (SqliteError, PostgresqlError, SQLAlchemyError):
        return None
    return str(rows[0][0]) if len(rows) == 1 else None


def revision(engine: Engine) -> str | None:
    """The revision that the database is at; None where it has none."""
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()
