"""What has left and what may: counters that a CHECK holds, days, and artifacts that are stored."""

from alembic import context, op
from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
)

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

BIG = BigInteger().with_variant(Integer, "sqlite")

# A revision is a snapshot: it spells the schema of its day and never imports the living tables.
metadata = MetaData()


def _big(name: str, *, key: bool = False) -> Column[int]:
    return Column(name, BIG, primary_key=key, nullable=False, autoincrement=False)


def _text(name: str, *, key: bool = False, null: bool = False) -> Column[str]:
    return Column(name, Text, primary_key=key, nullable=null)


def _bytes(name: str) -> Column[bytes]:
    return Column(name, LargeBinary, nullable=True)


Table(
    "egress_counters",
    metadata,
    _text("scope", key=True),
    _text("key", key=True),
    _big("used_bytes"),
    _big("ceiling_bytes"),
    CheckConstraint(
        "used_bytes >= 0 AND used_bytes <= ceiling_bytes", name="egress_counters_ceiling"
    ),
)
Table(
    "egress_days",
    metadata,
    _text("member", key=True),
    _big("day", key=True),
    _big("used_bytes"),
)
Table(
    "stored_artifacts",
    metadata,
    _text("artifact_id", key=True),
    _text("job_id"),
    _big("leaf_index"),
    _text("artifact_class"),
    _big("debited_bytes"),
    _big("open_until"),
    _text("state"),
    _bytes("name_tag"),
    _text("address", null=True),
    _bytes("details"),
    Index("stored_artifacts_by_job", "job_id", "leaf_index"),
    Index("stored_artifacts_by_entry", "leaf_index", unique=True),
    Index("stored_artifacts_by_name", "name_tag", unique=True),
    Index("stored_artifacts_by_address", "address"),
)


def upgrade() -> None:
    """Add the tables, empty; the counters are folded from the entries once all revisions ran."""
    metadata.create_all(op.get_bind())
    context.config.attributes["refold"] = True


def downgrade() -> None:
    """Refuse: the ledger only grows."""
    raise RuntimeError("the ledger only grows: there is no way back from a migration")
