"""Versions of the charter, what was found about runs, and tags of what is sealed."""

from alembic import context, op
from sqlalchemy import BigInteger, Column, Integer, LargeBinary, MetaData, Table, Text, text

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

BIG = BigInteger().with_variant(Integer, "sqlite")
OBJECTIONS = "kind IN ('finding', 'refused')"
HOLDING = "until = 4611686018427387904 AND state IN ('admitted', 'started', 'interrupted')"

# A revision is a snapshot: it spells the schema of its day and never imports the living tables.
metadata = MetaData()

Table(
    "charters",
    metadata,
    Column("leaf_index", BIG, primary_key=True, autoincrement=False),
    Column("in_force_from", BIG, nullable=False),
    Column("rules", Text, nullable=False),
)


def upgrade() -> None:
    """Add everything empty; ``migrate`` folds the entries anew once the last revision has run.

    Openings that are there already stay without tags: their key is not here.
    """
    op.add_column("jobs", Column("charter_index", BIG, nullable=False, server_default="0"))
    op.add_column("jobs", Column("finding_code", Text, nullable=True))
    op.add_column("openings", Column("weights_tag", LargeBinary, nullable=True))
    op.add_column("openings", Column("model_tag", LargeBinary, nullable=True))
    op.create_index(
        "jobs_holding",
        "jobs",
        ["author"],
        sqlite_where=text(HOLDING),
        postgresql_where=text(HOLDING),
    )
    op.create_index(
        "entries_objecting",
        "entries",
        ["kind", "leaf_index"],
        sqlite_where=text(OBJECTIONS),
        postgresql_where=text(OBJECTIONS),
    )
    metadata.create_all(op.get_bind())
    context.config.attributes["refold"] = True


def downgrade() -> None:
    """Refuse: the ledger only grows."""
    raise RuntimeError("the ledger only grows: there is no way back from a migration")
