"""Brings a database to the newest schema; at start-up and by ``ledger migrate``.

A revision that changes projections does not fill them: it sets ``refold`` among the attributes of
its configuration, and once the last revision has run, the entries are folded anew by the same code
that ``ledger rebuild`` runs. No revision need know how a fold of its day went, and what stands in
the projections afterwards is what the entries say.

On PostgreSQL a server of the version before goes on writing and reading meanwhile. So no revision
waits for a table's lock longer than ``LOCK_TIMEOUT_MS``: behind one that waits, everybody waits. It
gives up and is tried again. A revision that says ``OUTSIDE_TRANSACTION = True`` runs after those
before it are committed, in no transaction: CREATE INDEX CONCURRENTLY takes none. It must bear being
run again from its beginning. What else a revision may not do, ``tests/storage`` says and refuses.
"""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import sleep
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from psycopg.errors import InsufficientPrivilege, LockNotAvailable
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from ledger.errors import LogUnavailable
from ledger.storage import revisions
from ledger.storage.engine import is_sqlite
from ledger.storage.nodes import fill_nodes
from ledger.storage.refold import refold
from ledger.storage.revisions import newest_revision, revision
from ledger.storage.roles import grant_to_groups

log = logging.getLogger(__name__)

ADVISORY_LOCK: Final = 0x4150534349  # "APSCI"
LOCK_TIMEOUT_MS: Final = 1_000
ATTEMPTS: Final = 20
PAUSE_S: Final = 1.0
"""Between two attempts: as long again for whoever waited behind the first."""
WAIT_S: Final = 0.05
"""Between two looks at whether another process is done."""

_one_at_a_time = threading.Lock()  # Alembic keeps the migration that runs in a global


def migrate(engine: Engine) -> tuple[str | None, str]:
    """Run every revision that the database lacks; (revision before, revision after).

    Several processes may call it at once: one migrates from the first revision to the last, the
    others wait and find nothing to do.
    Raises LogUnavailable where the tables' locks are not to be had, or this user may not.
    """
    with _one_at_a_time:
        return _migrate(engine) if is_sqlite(engine) else _migrate_beside_others(engine)


def _migrate(engine: Engine) -> tuple[str | None, str]:
    config = _config()
    newest = newest_revision()
    with engine.connect().execution_options(ledger_writes=True) as connection, connection.begin():
        before = MigrationContext.configure(connection).get_current_revision()
        if before != newest:
            _upgrade(config, connection, newest)
    return before, newest


def _migrate_beside_others(engine: Engine) -> tuple[str | None, str]:
    newest = newest_revision()
    if revision(engine) == newest:
        return newest, newest
    with _alone(engine) as connection:
        found = before = _revision(connection)
        for attempt in range(ATTEMPTS):
            try:
                while found != newest:
                    found = _step(connection, found)
            except DBAPIError as error:
                if isinstance(error.orig, InsufficientPrivilege):
                    raise LogUnavailable(
                        f"the database is at revision {found} and this program at {newest}, and"
                        " this user may not change tables: run `ledger migrate` as the one who"
                        " owns them"
                    ) from None
                if not isinstance(error.orig, LockNotAvailable):
                    raise
                log.warning("a table is in use: the migration is tried again (%d)", attempt + 1)
                sleep(PAUSE_S)
            else:
                return before, newest
    raise LogUnavailable(
        f"some table was in use at each of {ATTEMPTS} attempts: the database stays at revision"
        f" {found}; end what holds it (`pg_stat_activity` shows it), then run `ledger migrate`"
    )


def _step(connection: Connection, found: str | None) -> str:
    """Run what may run together; the revision that the database is at then."""
    config = _config()
    alone, last = _next_step(config, found)
    connection.execution_options(isolation_level="AUTOCOMMIT" if alone else "READ COMMITTED")
    with connection.begin():  # which begins nothing where every statement commits itself
        if not alone:
            connection.execute(text(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}"))
        _upgrade(config, connection, last)
        # In the same transaction: a table that is there, and that a server may not read, is worse
        # than one that is not.
        missing = grant_to_groups(connection)
    if missing is not None and last == newest_revision():
        log.warning("%s", missing)
    return last


def _next_step(config: Config, found: str | None) -> tuple[bool, str]:
    """Whether the next revision runs outside a transaction, and the last one to run with it."""
    scripts = ScriptDirectory.from_config(config)
    newest = newest_revision()
    pending = [each for each in scripts.iterate_revisions(newest, found) if each is not None]
    pending.reverse()
    alone = [bool(getattr(each.module, "OUTSIDE_TRANSACTION", False)) for each in pending]
    if alone[0]:
        return True, pending[0].revision
    end = alone.index(True) if True in alone else len(pending)
    return False, pending[end - 1].revision


@contextmanager
def _alone(engine: Engine) -> Iterator[Connection]:
    """A connection that alone migrates this database, from its first step to its last.

    Whoever waits asks again and again: a statement that waits holds a snapshot, for which CREATE
    INDEX CONCURRENTLY in the one that migrates would wait in turn.
    """
    key = {"key": ADVISORY_LOCK}
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        is_said = False
        while not connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), key):
            if not is_said:
                log.warning("another process migrates this database: waiting for it")
                is_said = True
            sleep(WAIT_S)
        connection.commit()
        try:
            yield connection
        finally:
            # Closed, not put back: the lock lives as long as the session.
            connection.invalidate()


def _revision(connection: Connection) -> str | None:
    found = MigrationContext.configure(connection).get_current_revision()
    connection.commit()
    return found


def _upgrade(config: Config, connection: Connection, last: str) -> None:
    """Run every revision up to ``last`` on this connection, and fold anew if one asks for it."""
    config.attributes["connection"] = connection
    command.upgrade(config, last)
    if config.attributes.get("refold"):
        lock = "" if connection.dialect.name == "sqlite" else " FOR UPDATE"
        # Whoever appends meanwhile would fold its entries a second time.
        if connection.execute(text(f"SELECT 1 FROM log_head{lock}")).first():  # noqa: S608 - no input in it
            refold(connection)
    if config.attributes.get("fill_nodes"):
        fill_nodes(connection)


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(revisions.MIGRATIONS).replace("%", "%%"))
    return config
