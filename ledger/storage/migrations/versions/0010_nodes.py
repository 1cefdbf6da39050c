"""Nodes of the tree that proofs are made from: every fourth level's, above the leaves.

They follow from the tiles and are filled once all revisions ran. A server of the version before
that goes on writing adds none; proofs compute what is missing.
"""

from alembic import context, op
from sqlalchemy import BigInteger, Column, Integer, LargeBinary, MetaData, Table

revision = "0010"
down_revision = "0009b"
branch_labels = None
depends_on = None

BIG = BigInteger().with_variant(Integer, "sqlite")

# A revision is a snapshot: it spells the schema of its day and never imports the living tables.
metadata = MetaData()

Table(
    "nodes",
    metadata,
    Column("level", BIG, primary_key=True, nullable=False, autoincrement=False),
    Column("n", BIG, primary_key=True, nullable=False, autoincrement=False),
    Column("hash", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)


def upgrade() -> None:
    """Add the table, empty."""
    metadata.create_all(op.get_bind())
    context.config.attributes["fill_nodes"] = True


def downgrade() -> None:
    """Refuse: the ledger only grows."""
    raise RuntimeError("the ledger only grows: there is no way back from a migration")
