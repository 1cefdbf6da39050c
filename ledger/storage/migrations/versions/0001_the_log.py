"""The log, its projections, and the triggers that keep the log append-only."""

from alembic import op
from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, MetaData, Table, Text, text

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

APPEND_ONLY = {
    "entries": ("leaf_index",),
    "tiles": ("level", "n"),
    "checkpoints": ("size",),
    "disclosures": ("discloses",),
    "openings": ("leaf_index",),
}
UNIQUE = {"entries": ("statement_digest",), "disclosures": ("disclosed_index",)}
BIG = BigInteger().with_variant(Integer, "sqlite")

# A revision is a snapshot: it spells the schema of its day and never imports the living tables.
metadata = MetaData()


def _big(name: str, *, key: bool = False, null: bool = False) -> Column[int]:
    return Column(name, BIG, primary_key=key, nullable=null, autoincrement=False)


def _text(name: str, *, key: bool = False, null: bool = False) -> Column[str]:
    return Column(name, Text, primary_key=key, nullable=null)


def _bytes(name: str, *, null: bool = False) -> Column[bytes]:
    return Column(name, LargeBinary, nullable=null)


Table(
    "entries",
    metadata,
    _big("leaf_index", key=True),
    _text("kind"),
    _text("job_id", null=True),
    _big("logged_at"),
    _big("publish_by", null=True),
    _bytes("leaf_hash"),
    _bytes("statement_digest", null=True),
    _bytes("data"),
    Index("entries_by_job", "job_id", "leaf_index"),
    Index("entries_by_digest", "statement_digest", unique=True),
)
Table(
    "tiles",
    metadata,
    _big("level", key=True),
    _big("n", key=True),
    _bytes("hashes"),
    _bytes("root"),
)
Table(
    "checkpoints",
    metadata,
    _big("size", key=True),
    _bytes("root"),
    _big("logged_at"),
    _bytes("note"),
)
Table(
    "disclosures",
    metadata,
    _big("discloses", key=True),
    _big("disclosed_index"),
    Index("disclosures_in_order", "disclosed_index", unique=True),
)
Table("openings", metadata, _big("leaf_index", key=True), _bytes("ciphertext"))
Table(
    "log_head",
    metadata,
    _big("id", key=True),
    _big("size"),
    _bytes("root"),
    _bytes("edge"),
    _big("logged_at"),
)
Table(
    "jobs",
    metadata,
    _text("job_id", key=True),
    _big("since", key=True),
    _big("until"),
    _big("submitted_index"),
    _text("author"),
    _text("state"),
    _text("workload_type"),
    _text("gradient_scope"),
    _text("optimizer_targets"),
    _text("accelerator"),
    _big("gpu_count"),
    _big("wall_limit_seconds"),
    _big("egress_ceiling_bytes", null=True),
    _big("submitted_at"),
    _big("publish_by"),
    _big("disclosed_index", null=True),
    _text("rejection_code", null=True),
    _big("started_at", null=True),
    _big("ended_at", null=True),
    _big("wall_seconds", null=True),
    _big("gpu_seconds", null=True),
    _big("h200e_seconds", null=True),
    _text("exit_status", null=True),
    _big("weights_unchanged", null=True),
    _text("weights_check", null=True),
    _big("egress_bytes"),
    _big("artifact_count"),
    _text("title", null=True),
    _text("model_name", null=True),
    Index("jobs_in_order", "submitted_index"),
    Index("jobs_by_author", "author", "submitted_index"),
    Index("jobs_by_state", "state", "until"),
)
Table(
    "embargoes",
    metadata,
    _big("leaf_index", key=True),
    _text("job_id"),
    _text("author"),
    _big("publish_by"),
    _big("disclosed_index", null=True),
    _big("withheld_index", null=True),
    Index(
        "embargoes_sealed",
        "publish_by",
        "leaf_index",
        sqlite_where=text("disclosed_index IS NULL"),
        postgresql_where=text("disclosed_index IS NULL"),
    ),
    Index("embargoes_by_job", "job_id"),
)
Table(
    "author_keys",
    metadata,
    _text("key_id", key=True),
    _big("since", key=True),
    _big("until"),
    _text("name"),
    _text("role"),
    _text("title"),
    _text("vkey"),
)


def upgrade() -> None:
    """Create everything, then the triggers."""
    metadata.create_all(op.get_bind())
    if op.get_bind().dialect.name == "sqlite":
        _sqlite_triggers()
    else:
        _postgresql_triggers()


def _sqlite_triggers() -> None:
    for table, key in APPEND_ONLY.items():
        for verb in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{table} is append-only: no {verb}'); END"
            )
        # INSERT OR REPLACE would delete the old row without any DELETE trigger firing on a
        # connection that has not set recursive_triggers; by any unique column, not the key alone.
        same = " AND ".join(f"{column} = NEW.{column}" for column in key)
        same += "".join(f" OR {column} = NEW.{column}" for column in UNIQUE.get(table, ()))
        op.execute(
            f"CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table} "  # noqa: S608 - names are ours
            f"WHEN EXISTS (SELECT 1 FROM {table} WHERE {same}) "
            f"BEGIN SELECT RAISE(ABORT, '{table} is append-only: this row exists'); END"
        )
    op.execute(
        "CREATE TRIGGER embargoes_no_delay BEFORE UPDATE OF publish_by ON embargoes "
        "BEGIN SELECT RAISE(ABORT, 'a publication date never moves'); END"
    )
    op.execute(
        "CREATE TRIGGER embargoes_no_replace BEFORE INSERT ON embargoes "
        "WHEN EXISTS (SELECT 1 FROM embargoes WHERE leaf_index = NEW.leaf_index) "
        "BEGIN SELECT RAISE(ABORT, 'a publication date never moves'); END"
    )


def _postgresql_triggers() -> None:
    op.execute(
        "CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$ "
        "BEGIN RAISE EXCEPTION '% is append-only: no %', TG_TABLE_NAME, TG_OP; END $$"
    )
    for table in APPEND_ONLY:
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            f"FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
    op.execute(
        "CREATE FUNCTION refuse_delay() RETURNS trigger LANGUAGE plpgsql AS $$ "
        "BEGIN RAISE EXCEPTION 'a publication date never moves'; END $$"
    )
    op.execute(
        "CREATE TRIGGER embargoes_no_delay BEFORE UPDATE OF publish_by ON embargoes "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_delay()"
    )


def downgrade() -> None:
    """Refuse: the ledger only grows."""
    raise RuntimeError("the ledger only grows: there is no way back from a migration")
