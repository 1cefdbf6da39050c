"""FTS5's index of the words in ``job_texts``, as a whole: emptied, or held against the texts.

PostgreSQL keeps its index by itself, under its own checks: there is nothing to do here.
"""

from sqlite3 import DatabaseError
from typing import Final

from sqlalchemy import Connection

from ledger.storage.driver import Driver

_DATA: Final = ("job_words_data", "job_words_idx", "job_words_config")


def empty_texts(connection: Connection) -> None:
    """Delete every text and make the index that of none, whatever it was."""
    driver = Driver(connection)
    if connection.dialect.name != "sqlite":
        driver.run("DELETE FROM job_texts")
        return
    # The trigger would take each text's words from the index, and FTS5 refuses where they are not
    # in there: what brings a damaged index back must not depend on it.
    trigger = driver.fetch("SELECT sql FROM sqlite_master WHERE name = 'job_texts_after_delete'")
    driver.run("DROP TRIGGER IF EXISTS job_texts_after_delete")
    driver.run("DELETE FROM job_texts")
    for (sql,) in trigger:
        driver.run(sql)
    driver.run("INSERT INTO job_words (job_words) VALUES ('delete-all')")


def word_index_agrees(stored: Connection, folded: Connection) -> bool:
    """Whether the stored index is that of the texts which ``folded``, a scratch on SQLite, holds.

    Asked once of a scratch.

    FTS5 checks an index only by a statement that takes the write lock. So the index's own tables
    are copied beside the folded texts, and checked there: the ledger goes on meanwhile.
    """
    if stored.dialect.name != "sqlite":
        return True
    made = Driver(stored).fetch("SELECT sql FROM sqlite_master WHERE name = 'job_words'")
    if not made:
        return False
    scratch = Driver(folded)
    scratch.run(made[0][0])
    for table in _DATA:
        scratch.run(f"DELETE FROM {table}")  # noqa: S608 - names are ours
        _copy(Driver(stored), scratch, table)
    try:
        scratch.run("INSERT INTO job_words (job_words, rank) VALUES ('integrity-check', 1)")
    except DatabaseError:
        return False
    return True


def _copy(source: Driver, target: Driver, table: str) -> None:
    for some in source.stream(f"SELECT * FROM {table}"):  # noqa: S608 - names are ours
        marks = ", ".join("?" * len(some[0]))
        target.run_many(f"INSERT INTO {table} VALUES ({marks})", some)  # noqa: S608 - the same
