"""What witnesses said: their cosignatures, how each is getting on, which sizes met the policy."""

from alembic import op
from sqlalchemy import BigInteger, Column, Integer, MetaData, Table, Text

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

BIG = BigInteger().with_variant(Integer, "sqlite")

# A revision is a snapshot: it spells the schema of its day and never imports the living tables.
metadata = MetaData()


def _big(name: str, *, key: bool = False, null: bool = False) -> Column[int]:
    return Column(name, BIG, primary_key=key, nullable=null, autoincrement=False)


def _text(name: str, *, key: bool = False, null: bool = False) -> Column[str]:
    return Column(name, Text, primary_key=key, nullable=null)


Table(
    "cosignatures",
    metadata,
    _big("size", key=True),
    _text("witness", key=True),
    _big("first_at"),
    _text("first_line"),
    _big("newest_at"),
    _text("newest_line"),
)
Table(
    "policies",
    metadata,
    _text("policy", key=True),
    _big("size"),
)
Table(
    "quorums",
    metadata,
    _text("policy", key=True),
    _big("size", key=True),
    _big("met_at"),
)
Table(
    "witnesses",
    metadata,
    _text("witness", key=True),
    _big("size"),
    _big("cosigned_at", null=True),
    _big("pace_ms"),
    _big("failures"),
    _big("retry_at"),
    _text("error", null=True),
    _big("error_at", null=True),
)


def upgrade() -> None:
    """Add the tables, empty. Nothing in them is derived from entries, so nothing is folded."""
    metadata.create_all(op.get_bind())


def downgrade() -> None:
    """Refuse: the ledger only grows."""
    raise RuntimeError("the ledger only grows: there is no way back from a migration")
