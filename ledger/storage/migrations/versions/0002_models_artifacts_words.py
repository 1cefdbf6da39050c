"""What opened records name: models, artifacts, words to search; corrections; jobs by version."""

from alembic import context, op
from sqlalchemy import BigInteger, Column, Index, Integer, MetaData, Table, Text, text

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

BIG = BigInteger().with_variant(Integer, "sqlite")

# A revision is a snapshot: it spells the schema of its day and never imports the living tables.
metadata = MetaData()


def _big(name: str, *, key: bool = False, null: bool = False) -> Column[int]:
    return Column(name, BIG, primary_key=key, nullable=null, autoincrement=False)


def _text(name: str, *, null: bool = False) -> Column[str]:
    return Column(name, Text, nullable=null)


Table(
    "models",
    metadata,
    _big("disclosed_index", key=True),
    _text("digest"),
    _text("name", null=True),
    _text("revision", null=True),
    _text("dtype", null=True),
    _big("parameter_count", null=True),
    Index("models_by_digest", "digest", "disclosed_index"),
)
Table(
    "artifacts",
    metadata,
    _big("disclosed_index", key=True),
    _big("n", key=True),
    _big("disclosed_at"),
    _text("job_id"),
    _text("author"),
    _text("digest"),
    _text("name"),
    _text("kind"),
    _big("bytes"),
    _text("content_access"),
    _text("uri", null=True),
    Index("artifacts_by_digest", "digest", "disclosed_index", "n"),
)
Table(
    "corrections",
    metadata,
    _big("leaf_index", key=True),
    _big("logged_at"),
    _text("job_id"),
    _text("author"),
    _big("corrects"),
    _text("field"),
    _text("value"),
    _text("reason"),
    Index("corrections_by_job", "job_id", "leaf_index"),
)
Table(
    "job_texts",
    metadata,
    _big("disclosed_index", key=True),
    _text("words"),
)


def upgrade() -> None:
    """Add everything empty; ``migrate`` folds the entries anew once the last revision has run."""
    op.add_column("jobs", _big("disclosed_at", null=True))
    op.add_column("jobs", _text("model_digest", null=True))
    op.create_index("jobs_by_version", "jobs", ["since"])
    # Lists are chosen and counted in memory, from all versions: no filter asks the database.
    op.drop_index("jobs_by_author", "jobs")
    op.drop_index("jobs_by_state", "jobs")
    op.create_index(
        "embargoes_withheld",
        "embargoes",
        ["withheld_index"],
        sqlite_where=text("withheld_index IS NOT NULL"),
        postgresql_where=text("withheld_index IS NOT NULL"),
    )
    metadata.create_all(op.get_bind())
    if op.get_bind().dialect.name == "sqlite":
        _sqlite_words()
    else:
        _postgresql_words()
    context.config.attributes["refold"] = True


def _sqlite_words() -> None:
    # The words are folded and told apart before they come here: of all tokenizers, ascii is the
    # one that splits them at spaces and nowhere else. Neither positions nor the words themselves
    # are kept a second time.
    op.execute(
        "CREATE VIRTUAL TABLE job_words USING fts5(words, content='job_texts', "
        "content_rowid='disclosed_index', tokenize='ascii', detail=none, columnsize=0, "
        "prefix='1 2')"
    )
    put = "INSERT INTO job_words (rowid, words) VALUES (NEW.disclosed_index, NEW.words);"
    take = (
        "INSERT INTO job_words (job_words, rowid, words) "
        "VALUES ('delete', OLD.disclosed_index, OLD.words);"
    )
    for verb, does in (("insert", put), ("delete", take), ("update", f"{take} {put}")):
        op.execute(
            f"CREATE TRIGGER job_texts_after_{verb} AFTER {verb.upper()} ON job_texts "
            f"BEGIN {does} END"
        )


def _postgresql_words() -> None:
    # To the planner every built-in function costs as much as a comparison, and it would rather
    # take each text apart than ask the index. What it is told here it does not look behind.
    op.execute(
        "CREATE FUNCTION words_in(words text) RETURNS tsvector LANGUAGE plpgsql "
        "IMMUTABLE STRICT PARALLEL SAFE COST 1000 AS $$ "
        "BEGIN RETURN array_to_tsvector(string_to_array(words, ' ')); END $$"
    )
    op.execute("CREATE INDEX job_texts_by_word ON job_texts USING gin (words_in(words))")


def downgrade() -> None:
    """Refuse: the ledger only grows."""
    raise RuntimeError("the ledger only grows: there is no way back from a migration")
