"""The program of tomorrow: today's migrations, and two more as an author should write them.

Whoever runs today's program is a server of the version before.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ledger.storage import revisions

NEXT = '''
"""A column that may be empty, and a table of its own."""
from alembic import op
import sqlalchemy as sa

revision = "9998"
down_revision = "{newest}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("entries", sa.Column("tomorrow", sa.BigInteger(), nullable=True))
    op.create_table("tomorrows", sa.Column("id", sa.BigInteger(), primary_key=True))
'''
LAST = '''
"""An index that is built while others write."""
from alembic import op

revision = "9999"
down_revision = "9998"
branch_labels = None
depends_on = None
OUTSIDE_TRANSACTION = True


def upgrade() -> None:
    op.execute("DROP INDEX CONCURRENTLY IF EXISTS entries_tomorrow")
    op.execute("CREATE INDEX CONCURRENTLY entries_tomorrow ON entries (tomorrow)")
'''


@contextmanager
def program_of_tomorrow(folder: Path) -> Iterator[None]:
    """In this process, while the block runs; the migrations lie in ``folder`` then."""
    today = revisions.MIGRATIONS
    made = folder / "migrations"
    shutil.copytree(today, made, ignore=shutil.ignore_patterns("__pycache__"))
    versions = made / "versions"
    versions.joinpath("9998_next.py").write_text(
        NEXT.replace("{newest}", revisions.newest_revision())
    )
    versions.joinpath("9999_last.py").write_text(LAST)
    revisions.MIGRATIONS = made  # type: ignore[misc] # put back below
    revisions.newest_revision.cache_clear()
    try:
        yield
    finally:
        revisions.MIGRATIONS = today  # type: ignore[misc] # as above
        revisions.newest_revision.cache_clear()
