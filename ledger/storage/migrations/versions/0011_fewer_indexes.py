"""Indexes that cost every append a page: one that nobody asks, and on SQLite most of another.

No query goes by ``embargoes_by_job``. Every step of a run is a version in ``jobs`` too, under the
same job, so on SQLite ``entries_by_job`` keeps the entries that no version leads to; on PostgreSQL
servers of the version before still ask it for all.
"""

from alembic import context, op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None
OUTSIDE_TRANSACTION = True

UNVERSIONED = (
    "kind <> 'admitted' AND kind <> 'submitted' AND kind <> 'started' AND kind <> 'completed'"
    " AND kind <> 'interrupted' AND kind <> 'egress'"
)


def upgrade() -> None:
    """Drop the one; make the other anew on SQLite, where nobody writes or reads meanwhile."""
    if context.get_context().dialect.name != "sqlite":
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS embargoes_by_job")
        return
    op.execute("DROP INDEX IF EXISTS embargoes_by_job")
    op.execute("DROP INDEX IF EXISTS entries_by_job")
    op.execute(f"CREATE INDEX entries_by_job ON entries (job_id, leaf_index) WHERE {UNVERSIONED}")


def downgrade() -> None:
    """Refuse: the ledger only grows."""
    raise RuntimeError("the ledger only grows: there is no way back from a migration")
