"""How far each webhook has been told of the log, and what is to be tried again or was given up."""

from alembic import op
from sqlalchemy import BigInteger, Column, Index, Integer, MetaData, Table, Text

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

BIG = BigInteger().with_variant(Integer, "sqlite")

# A revision is a snapshot: it spells the schema of its day and never imports the living tables.
metadata = MetaData()


def _big(name: str, *, null: bool = False) -> Column[int]:
    return Column(name, BIG, nullable=null, autoincrement=False)


def _text(name: str, *, key: bool = False, null: bool = False) -> Column[str]:
    return Column(name, Text, primary_key=key, nullable=null)


Table(
    "webhook_cursors",
    metadata,
    _text("webhook", key=True),
    _big("next_index"),
    _big("next_event"),
    _big("failures"),
    _big("rests_until"),
    _text("disabled", null=True),
    _big("succeeded_at", null=True),
    _big("failed_at", null=True),
    _text("failure", null=True),
    _text("lease_by", null=True),
    _big("lease_until"),
)
Table(
    "webhook_deliveries",
    metadata,
    _text("message_id", key=True),
    _text("webhook"),
    _big("leaf_index"),
    _big("event"),
    _big("attempts"),
    _big("next_at", null=True),
    _big("failed_at"),
    _text("failure"),
    Index("webhook_deliveries_due", "webhook", "next_at", "leaf_index"),
)


def upgrade() -> None:
    """Add the tables, empty: a webhook begins where the log is when it is first seen."""
    metadata.create_all(op.get_bind())


def downgrade() -> None:
    """Refuse: the ledger only grows."""
    raise RuntimeError("the ledger only grows: there is no way back from a migration")
