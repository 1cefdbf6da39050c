"""Which revision the schema is at, and which this program brings it to: asked at every start.

Alembic, which migrates, would take longer to be imported than all that a start reads.
"""

import re
from functools import cache
from pathlib import Path
from sqlite3 import Error as SqliteError
from typing import Final

from psycopg import Error as PostgresqlError
from sqlalchemy import Engine, inspect, text
from sqlalchemy.exc import SQLAlchemyError

from ledger.errors import LogUnavailable
from ledger.storage.reading import reading

MIGRATIONS: Final = Path(__file__).with_name("migrations")


@cache
def newest_revision() -> str:
    """The revision that this program brings databases to; by the revisions' own lines.

    Raises LogUnavailable where they cannot be read.
    """
    texts = [path.read_text("utf-8") for path in MIGRATIONS.joinpath("versions").glob("*.py")]
    found, replaced = (
        {match[1] for text in texts for match in re.finditer(pattern, text, re.MULTILINE)}
        for pattern in (r'^revision = "(\w+)"$', r'^down_revision = "(\w+)"$')
    )
    if len(found - replaced) != 1:
        raise LogUnavailable(f"no migrations can be read in {MIGRATIONS}: look at the disk")
    [newest] = found - replaced
    return newest


def is_newest(engine: Engine) -> bool:
    """Whether the database says at once that there is nothing to migrate."""
    try:
        with reading(engine) as source:
            rows = source.driver.fetch("SELECT version_num FROM alembic_version")
    except (SqliteError, PostgresqlError, SQLAlchemyError):
        return False
    return rows == [(newest_revision(),)]


def revision(engine: Engine) -> str | None:
    """The revision that the database is at; None where it has none."""
    with engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        rows = connection.execute(text("SELECT version_num FROM alembic_version")).all()
    return ", ".join(sorted(str(row[0]) for row in rows)) or None
