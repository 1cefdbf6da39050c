"""Who may do what in a PostgreSQL database: the SQL that says so.

An owner, who alone can change tables and triggers; a writer, whom the triggers bind, since it owns
none of them and has INSERT and SELECT alone on what is append-only; a reader, who can SELECT. They
have no password and no login: users of one's own are put into them.

Roles belong to the whole database server and not to one database. A migration makes the writer and
the reader, called ``ledger_writer`` and ``ledger_reader``, where whoever migrates may make roles,
and every migration grants them what they need; it never hands tables to another owner.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import Final

from sqlalchemy import Connection, text
from sqlmodel import SQLModel

from ledger.storage.tables import APPEND_ONLY, HEAD

WRITER: Final = "ledger_writer"
READER: Final = "ledger_reader"
VERSIONS: Final = "alembic_version"
FUNCTIONS: Final = ("refuse_change()", "refuse_delay()", "words_in(text)")
"""What the migrations define beside the tables."""
FORGETFUL: Final = frozenset({"egress_days", "webhook_deliveries"})
"""Tables in which a running ledger deletes rows; `ledger rebuild` is for the owner."""


def role_statements(name: str) -> Iterator[str]:
    """SQL for ``name``_owner, ``name``_writer and ``name``_reader; may be run again at any time.

    ``name`` stands in it unquoted: the caller has checked that it is a plain identifier. To be run
    by who owns the database, once it is migrated, and again after each later migration.
    """
    owner, writer, reader = (f"{name}_{part}" for part in ("owner", "writer", "reader"))
    yield "BEGIN"
    for role in (owner, writer, reader):
        yield (
            f"DO $$ BEGIN CREATE ROLE {role} NOLOGIN; "
            "EXCEPTION WHEN duplicate_object THEN NULL; END $$"
        )
    yield "REVOKE ALL ON SCHEMA public FROM PUBLIC"
    yield f"GRANT USAGE, CREATE ON SCHEMA public TO {owner}"
    yield f"GRANT USAGE ON SCHEMA public TO {writer}, {reader}"
    for table in (*sorted(SQLModel.metadata.tables), VERSIONS):
        yield f"ALTER TABLE {table} OWNER TO {owner}"
        yield f"REVOKE ALL ON {table} FROM PUBLIC, {writer}, {reader}"
        yield f"GRANT SELECT ON {table} TO {reader}"
        yield f"GRANT {', '.join(writer_may(table))} ON {table} TO {writer}"
    for function in FUNCTIONS:
        yield f"ALTER FUNCTION {function} OWNER TO {owner}"
    yield "COMMIT"


def grant_to_groups(connection: Connection) -> str | None:
    """Grant the writer and the reader what they need, as far as these roles are there.

    Returns the line that says what somebody else has to run, or None. For PostgreSQL, in the
    caller's transaction, by the one who owns the tables; may be done again at any time.
    """
    found = connection.execute(
        text("SELECT rolname FROM pg_roles WHERE rolname IN (:writer, :reader)"),
        {"writer": WRITER, "reader": READER},
    )
    there = {row[0] for row in found}
    named = connection.execute(
        text("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")
    )
    known = {*SQLModel.metadata.tables, VERSIONS}
    for statement in _grants(there, sorted(row[0] for row in named if row[0] in known)):
        connection.execute(text(statement))
    if there == {WRITER, READER}:
        return None
    return (
        f"the roles {WRITER} and {READER} are not there, and this user may not make them: whoever"
        " may runs `ledger roles | psql DATABASE-URL`"
    )


def _grants(there: Collection[str], tables: Sequence[str]) -> Iterator[str]:
    if READER in there:
        yield f"GRANT SELECT ON {', '.join(tables)} TO {READER}"
    if WRITER in there:
        by_rights: dict[tuple[str, ...], list[str]] = {}
        for table in tables:
            by_rights.setdefault(writer_may(table), []).append(table)
        yield f"REVOKE ALL ON {', '.join(tables)} FROM {WRITER}"
        for rights, some in by_rights.items():
            yield f"GRANT {', '.join(rights)} ON {', '.join(some)} TO {WRITER}"


def writer_may(table: str) -> tuple[str, ...]:
    """What the writer may do with a table."""
    if table == VERSIONS:
        return ("SELECT",)
    if table == HEAD.name:
        return ("SELECT", "UPDATE")
    if table in {each.name for each in APPEND_ONLY}:
        return ("SELECT", "INSERT")
    more = ("DELETE",) if table in FORGETFUL else ()
    return ("SELECT", "INSERT", "UPDATE", *more)
