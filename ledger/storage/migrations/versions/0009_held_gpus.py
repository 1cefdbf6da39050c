"""How many GPUs each member's jobs hold, summed by the writer instead of by an index of jobs.

The sums count where ``held_at`` is the log's size. A server of the version before moves the size
and not that, so beside one they are made anew when they are asked for; so they are the first time.
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Add the table, empty, and the mark that says that nobody has summed yet."""
    op.create_table(
        "held_gpus",
        sa.Column("author", sa.Text, primary_key=True, nullable=False),
        sa.Column("gpus", BIG, nullable=False),
    )
    op.add_column("log_head", sa.Column("held_at", BIG, nullable=False, server_default="-1"))


def downgrade() -> None:
    """Refuse: the ledger only grows."""
    raise RuntimeError("the ledger only grows: there is no way back from a migration")
