"""The index of jobs that hold GPUs goes: every step of every run was written to it twice.

A server of the version before sums without it, more slowly, and only where a charter limits what a
member may hold.
"""

from alembic import context, op

revision = "0009b"
down_revision = "0009"
branch_labels = None
depends_on = None
OUTSIDE_TRANSACTION = True


def upgrade() -> None:
    """Drop it without stopping anybody."""
    beside = "" if context.get_context().dialect.name == "sqlite" else "CONCURRENTLY "
    op.execute(f"DROP INDEX {beside}IF EXISTS jobs_holding")


def downgrade() -> None:
    """Refuse: the ledger only grows."""
    raise RuntimeError("the ledger only grows: there is no way back from a migration")
