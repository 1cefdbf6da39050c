"""The rows. Nothing outside this storey sees them, and none of them is ever serialised.

Append-only by trigger (see the migrations): ``entries``, ``tiles``, ``checkpoints``,
``disclosures``, ``openings``. One mutable row: ``log_head``, whose lock makes its holder the one
writer. What witnesses said (``cosignatures``, ``policies``, ``quorums``, ``witnesses``) changes;
lines can be asked for again. ``webhook_cursors`` and ``webhook_deliveries`` say what webhooks were
told, ``stored_artifacts`` which object holds which artifact, ``held_gpus`` sums over jobs.
``nodes`` follow from the tiles. Everything else is a projection that can be dropped and rebuilt
from the entries.

Times are Unix seconds. ``leaf_index`` counts from 0.
"""

from typing import cast

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    text,
)
from sqlmodel import Field, SQLModel

FOREVER = 2**62
"""``until`` of a row that nothing has superseded yet."""

HOLDING = f"until = {FOREVER} AND state IN ('admitted', 'started', 'interrupted')"
"""Where the newest version of a job says that it holds GPUs, or is about to."""

UNVERSIONED = (
    "kind <> 'admitted' AND kind <> 'submitted' AND kind <> 'started' AND kind <> 'completed'"
    " AND kind <> 'interrupted' AND kind <> 'egress'"
)
"""Entries that make no version of a job by themselves, and a few that do: the others, which are
nearly all there are, are found by their version. No IN: SQLite sorts its list for every row.

On SQLite the index of a job's entries holds these alone: a step of a run is in ``jobs`` anyway. On
PostgreSQL it holds them all, as servers of the version before expect it.
"""

OBJECTIONS = "kind IN ('finding', 'refused')"
"""Entries that object to a run, or to the start of one."""

BIG = BigInteger().with_variant(Integer, "sqlite")
"""64 bits. On SQLite an INTEGER primary key is the row's own address."""


def _big(*, primary_key: bool = False, nullable: bool = False) -> Column[int]:
    return Column(BIG, primary_key=primary_key, nullable=nullable, autoincrement=False)


class EntryRow(SQLModel, table=True):
    """One leaf. ``data`` are the entry's bytes, ``leaf_hash`` their RFC 6962 leaf hash."""

    __tablename__ = "entries"
    __table_args__ = (
        Index("entries_by_job", "job_id", "leaf_index", sqlite_where=text(UNVERSIONED)),
        Index("entries_by_digest", "statement_digest", unique=True),
        Index(
            "entries_objecting",
            "kind",
            "leaf_index",
            sqlite_where=text(OBJECTIONS),
            postgresql_where=text(OBJECTIONS),
        ),
    )
    leaf_index: int = Field(sa_column=_big(primary_key=True))
    kind: str = Field(sa_column=Column(Text, nullable=False))
    job_id: str | None = Field(sa_column=Column(Text, nullable=True))
    logged_at: int = Field(sa_column=_big())
    publish_by: int | None = Field(sa_column=_big(nullable=True))
    leaf_hash: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    statement_digest: bytes | None = Field(sa_column=Column(LargeBinary, nullable=True))
    data: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class TileRow(SQLModel, table=True):
    """One full hash tile: 256 hashes, and the hash of the subtree that they make."""

    __tablename__ = "tiles"
    level: int = Field(sa_column=_big(primary_key=True))
    n: int = Field(sa_column=_big(primary_key=True))
    hashes: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    root: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class NodeRow(SQLModel, table=True):
    """Derived: the complete node ``n`` of a level of the tree, which is a multiple of 4.

    A proof reads 16 of them at a time. Where one is missing it is computed from the tiles.
    """

    __tablename__ = "nodes"
    __table_args__ = {"sqlite_with_rowid": False}
    level: int = Field(sa_column=_big(primary_key=True))
    n: int = Field(sa_column=_big(primary_key=True))
    hash: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class CheckpointRow(SQLModel, table=True):
    """One published checkpoint: the signed note, once per tree size."""

    __tablename__ = "checkpoints"
    size: int = Field(sa_column=_big(primary_key=True))
    root: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    logged_at: int = Field(sa_column=_big())
    note: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class DisclosureRow(SQLModel, table=True):
    """Which entry opened which. The primary key is why nothing is opened twice."""

    __tablename__ = "disclosures"
    __table_args__ = (Index("disclosures_in_order", "disclosed_index", unique=True),)
    discloses: int = Field(sa_column=_big(primary_key=True))
    disclosed_index: int = Field(sa_column=_big())


class OpeningRow(SQLModel, table=True):
    """A sealed entry's opening, encrypted under a key that the database never sees.

    The tags are ``records.proposal.Tags``: null where there is nothing to tell apart, and in rows
    that are older than they are.
    """

    __tablename__ = "openings"
    leaf_index: int = Field(sa_column=_big(primary_key=True))
    ciphertext: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    weights_tag: bytes | None = Field(sa_column=Column(LargeBinary, nullable=True))
    model_tag: bytes | None = Field(sa_column=Column(LargeBinary, nullable=True))


class HeadRow(SQLModel, table=True):
    """The tree's size, root and right edge; exactly one row, ``id`` = 1."""

    __tablename__ = "log_head"
    id: int = Field(sa_column=_big(primary_key=True))
    size: int = Field(sa_column=_big())
    root: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    edge: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    logged_at: int = Field(sa_column=_big())
    held_at: int = Field(sa_column=Column(BIG, nullable=False, server_default="-1"))
    """The size up to which ``held_gpus`` was kept."""


class HeldGpusRow(SQLModel, table=True):
    """GPUs that one member's jobs hold, where the head's ``held_at`` is its size: ``held``."""

    __tablename__ = "held_gpus"
    author: str = Field(sa_column=Column(Text, primary_key=True))
    gpus: int = Field(sa_column=_big())


class JobRow(SQLModel, table=True):
    """Projection: one version of what is public about a job.

    A version holds for the tree sizes ``since`` < size <= ``until``, so that any list can be had as
    of any tree size. ``since`` is the index of the entry that made it, ``until`` that of the entry
    which made the next. Quantities follow record.md.
    """

    __tablename__ = "jobs"
    __table_args__ = (
        Index("jobs_in_order", "submitted_index"),
        Index("jobs_by_version", "since"),
    )
    job_id: str = Field(sa_column=Column(Text, primary_key=True))
    since: int = Field(sa_column=_big(primary_key=True))
    until: int = Field(sa_column=_big())
    submitted_index: int = Field(sa_column=_big())
    author: str = Field(sa_column=Column(Text, nullable=False))
    state: str = Field(sa_column=Column(Text, nullable=False))
    workload_type: str = Field(sa_column=Column(Text, nullable=False))
    gradient_scope: str = Field(sa_column=Column(Text, nullable=False))
    optimizer_targets: str = Field(sa_column=Column(Text, nullable=False))
    accelerator: str = Field(sa_column=Column(Text, nullable=False))
    gpu_count: int = Field(sa_column=_big())
    wall_limit_seconds: int = Field(sa_column=_big())
    egress_ceiling_bytes: int | None = Field(sa_column=_big(nullable=True))
    submitted_at: int = Field(sa_column=_big())
    publish_by: int = Field(sa_column=_big())
    disclosed_index: int | None = Field(sa_column=_big(nullable=True))
    rejection_code: str | None = Field(sa_column=Column(Text, nullable=True))
    started_at: int | None = Field(sa_column=_big(nullable=True))
    ended_at: int | None = Field(sa_column=_big(nullable=True))
    wall_seconds: int | None = Field(sa_column=_big(nullable=True))
    gpu_seconds: int | None = Field(sa_column=_big(nullable=True))
    h200e_seconds: int | None = Field(sa_column=_big(nullable=True))
    exit_status: str | None = Field(sa_column=Column(Text, nullable=True))
    weights_unchanged: int | None = Field(sa_column=_big(nullable=True))
    weights_check: str | None = Field(sa_column=Column(Text, nullable=True))
    egress_bytes: int = Field(sa_column=_big())
    artifact_count: int = Field(sa_column=_big())
    title: str | None = Field(sa_column=Column(Text, nullable=True))
    model_name: str | None = Field(sa_column=Column(Text, nullable=True))
    disclosed_at: int | None = Field(sa_column=_big(nullable=True))
    model_digest: str | None = Field(sa_column=Column(Text, nullable=True))
    charter_index: int = Field(sa_column=Column(BIG, nullable=False, server_default="0"))
    finding_code: str | None = Field(sa_column=Column(Text, nullable=True))


class CharterRow(SQLModel, table=True):
    """Projection: one version of the charter; ``rules`` is canonical JSON.

    ``in_force_from`` is in Unix seconds; that of genesis is its ``logged_at``.
    """

    __tablename__ = "charters"
    leaf_index: int = Field(sa_column=_big(primary_key=True))
    in_force_from: int = Field(sa_column=_big())
    rules: str = Field(sa_column=Column(Text, nullable=False))


class EmbargoRow(SQLModel, table=True):
    """Projection: one sealed entry, its deadline, and the entry that opened it, if any has.

    There is no state here to forget: what is due is what has a passed ``publish_by`` and no
    ``disclosed_index``. A trigger refuses any change of ``publish_by``.
    """

    __tablename__ = "embargoes"
    __table_args__ = (
        Index(
            "embargoes_sealed",
            "publish_by",
            "leaf_index",
            sqlite_where=text("disclosed_index IS NULL"),
            postgresql_where=text("disclosed_index IS NULL"),
        ),
        Index(
            "embargoes_withheld",
            "withheld_index",
            sqlite_where=text("withheld_index IS NOT NULL"),
            postgresql_where=text("withheld_index IS NOT NULL"),
        ),
    )
    leaf_index: int = Field(sa_column=_big(primary_key=True))
    job_id: str = Field(sa_column=Column(Text, nullable=False))
    author: str = Field(sa_column=Column(Text, nullable=False))
    publish_by: int = Field(sa_column=_big())
    disclosed_index: int | None = Field(sa_column=_big(nullable=True))
    withheld_index: int | None = Field(sa_column=_big(nullable=True))


LOG_ROLE = "log"
"""The role, which no author has, of the keys that followed the log's first one."""


class AuthorKeyRow(SQLModel, table=True):
    """Projection: a registered key, valid for entries ``since`` < index < ``until``.

    Those of the role ``log`` are the log's own: each signs the trees from its entry on.
    """

    __tablename__ = "author_keys"
    key_id: str = Field(sa_column=Column(Text, primary_key=True))
    since: int = Field(sa_column=_big(primary_key=True))
    until: int = Field(sa_column=_big())
    name: str = Field(sa_column=Column(Text, nullable=False))
    role: str = Field(sa_column=Column(Text, nullable=False))
    title: str = Field(sa_column=Column(Text, nullable=False))
    vkey: str = Field(sa_column=Column(Text, nullable=False))


class ModelRow(SQLModel, table=True):
    """Projection: a model as one opened submission names it; ``digest`` is its weights' SHA-256."""

    __tablename__ = "models"
    __table_args__ = (Index("models_by_digest", "digest", "disclosed_index"),)
    disclosed_index: int = Field(sa_column=_big(primary_key=True))
    digest: str = Field(sa_column=Column(Text, nullable=False))
    name: str | None = Field(sa_column=Column(Text, nullable=True))
    revision: str | None = Field(sa_column=Column(Text, nullable=True))
    dtype: str | None = Field(sa_column=Column(Text, nullable=True))
    parameter_count: int | None = Field(sa_column=_big(nullable=True))


class ArtifactRow(SQLModel, table=True):
    """Projection: the ``n``-th artifact, from 0, that one disclosure names.

    ``author`` is the job's, ``bytes`` the size that it states.
    """

    __tablename__ = "artifacts"
    __table_args__ = (Index("artifacts_by_digest", "digest", "disclosed_index", "n"),)
    disclosed_index: int = Field(sa_column=_big(primary_key=True))
    n: int = Field(sa_column=_big(primary_key=True))
    disclosed_at: int = Field(sa_column=_big())
    job_id: str = Field(sa_column=Column(Text, nullable=False))
    author: str = Field(sa_column=Column(Text, nullable=False))
    digest: str = Field(sa_column=Column(Text, nullable=False))
    name: str = Field(sa_column=Column(Text, nullable=False))
    kind: str = Field(sa_column=Column(Text, nullable=False))
    bytes: int = Field(sa_column=_big())
    content_access: str = Field(sa_column=Column(Text, nullable=False))
    uri: str | None = Field(sa_column=Column(Text, nullable=True))


class CorrectionRow(SQLModel, table=True):
    """Projection: what an author says that a field of the entry ``corrects`` should have been."""

    __tablename__ = "corrections"
    __table_args__ = (Index("corrections_by_job", "job_id", "leaf_index"),)
    leaf_index: int = Field(sa_column=_big(primary_key=True))
    logged_at: int = Field(sa_column=_big())
    job_id: str = Field(sa_column=Column(Text, nullable=False))
    author: str = Field(sa_column=Column(Text, nullable=False))
    corrects: int = Field(sa_column=_big())
    field: str = Field(sa_column=Column(Text, nullable=False))
    value: str = Field(sa_column=Column(Text, nullable=False))
    reason: str = Field(sa_column=Column(Text, nullable=False))


class JobTextRow(SQLModel, table=True):
    """Projection: the words of the texts that one disclosure opened.

    ``words`` are those of ``ledger.records.words``, sorted, with single spaces between them. The
    index of them is the database's own: a table of FTS5 on SQLite, kept by triggers; a GIN index
    on PostgreSQL (see the migrations).
    """

    __tablename__ = "job_texts"
    disclosed_index: int = Field(sa_column=_big(primary_key=True))
    words: str = Field(sa_column=Column(Text, nullable=False))


class CosignatureRow(SQLModel, table=True):
    """What one witness, ``name+hex8``, said of the checkpoint of one size; every line verified.

    The first line is kept beside the newest: the first bounds when the tree existed, the newest
    shows that it is still the newest tree of which the witness knows. Times are the witness's.
    """

    __tablename__ = "cosignatures"
    size: int = Field(sa_column=_big(primary_key=True))
    witness: str = Field(sa_column=Column(Text, primary_key=True))
    first_at: int = Field(sa_column=_big())
    first_line: str = Field(sa_column=Column(Text, nullable=False))
    newest_at: int = Field(sa_column=_big())
    newest_line: str = Field(sa_column=Column(Text, nullable=False))


class PolicyRow(SQLModel, table=True):
    """A policy, named by its digest, and the newest signed size when this ledger first read it.

    What was public before stays public: ``/log/checkpoint`` never goes back below this size.
    """

    __tablename__ = "policies"
    policy: str = Field(sa_column=Column(Text, primary_key=True))
    size: int = Field(sa_column=_big())


class QuorumRow(SQLModel, table=True):
    """A size whose cosignatures met a policy, named by its digest, and when that was noticed."""

    __tablename__ = "quorums"
    policy: str = Field(sa_column=Column(Text, primary_key=True))
    size: int = Field(sa_column=_big(primary_key=True))
    met_at: int = Field(sa_column=_big())


class WitnessRow(SQLModel, table=True):
    """How one witness is getting on: the largest size that it cosigned, and what went wrong last.

    ``pace_ms`` is when all requests so far would have been made at the even pace of a daily quota,
    in Unix milliseconds. ``failures`` in a row put off the next request until ``retry_at``.
    ``error`` is a code, never an address or an answer.
    """

    __tablename__ = "witnesses"
    witness: str = Field(sa_column=Column(Text, primary_key=True))
    size: int = Field(sa_column=_big())
    cosigned_at: int | None = Field(sa_column=_big(nullable=True))
    pace_ms: int = Field(sa_column=_big())
    failures: int = Field(sa_column=_big())
    retry_at: int = Field(sa_column=_big())
    error: str | None = Field(sa_column=Column(Text, nullable=True))
    error_at: int | None = Field(sa_column=_big(nullable=True))


class WebhookCursorRow(SQLModel, table=True):
    """How far one webhook was told of the log, and how its receiver is getting on.

    What stands before event ``next_event`` (``ledger.webhooks.events.Event``) of ``next_index`` was
    delivered or stands in ``webhook_deliveries``. ``failures`` in a row give the receiver rest
    until ``rests_until``. ``disabled`` says why nothing is sent. Who sends for it holds the lease.
    ``failure`` names no address.
    """

    __tablename__ = "webhook_cursors"
    webhook: str = Field(sa_column=Column(Text, primary_key=True))
    next_index: int = Field(sa_column=_big())
    next_event: int = Field(sa_column=_big())
    failures: int = Field(sa_column=_big())
    rests_until: int = Field(sa_column=_big())
    disabled: str | None = Field(sa_column=Column(Text, nullable=True))
    succeeded_at: int | None = Field(sa_column=_big(nullable=True))
    failed_at: int | None = Field(sa_column=_big(nullable=True))
    failure: str | None = Field(sa_column=Column(Text, nullable=True))
    lease_by: str | None = Field(sa_column=Column(Text, nullable=True))
    lease_until: int = Field(sa_column=_big())


class WebhookDeliveryRow(SQLModel, table=True):
    """A message that failed: tried again at ``next_at``, or given up, a dead letter, where null."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (Index("webhook_deliveries_due", "webhook", "next_at", "leaf_index"),)
    message_id: str = Field(sa_column=Column(Text, primary_key=True))
    webhook: str = Field(sa_column=Column(Text, nullable=False))
    leaf_index: int = Field(sa_column=_big())
    event: int = Field(sa_column=_big())
    attempts: int = Field(sa_column=_big())
    next_at: int | None = Field(sa_column=_big(nullable=True))
    failed_at: int = Field(sa_column=_big())
    failure: str = Field(sa_column=Column(Text, nullable=False))


class EgressCounterRow(SQLModel, table=True):
    """Projection: how many bytes one scope has let out, and how many it may.

    The CHECK is what nobody can talk round: no row ever says more than its ceiling. Keys: ``job`` a
    job, ``job_class`` a job and a class, ``member_30d`` a member, ``member_model`` a MAC that tells
    neither member nor model.
    """

    __tablename__ = "egress_counters"
    __table_args__ = (
        CheckConstraint(
            "used_bytes >= 0 AND used_bytes <= ceiling_bytes", name="egress_counters_ceiling"
        ),
    )
    scope: str = Field(sa_column=Column(Text, primary_key=True))
    key: str = Field(sa_column=Column(Text, primary_key=True))
    used_bytes: int = Field(sa_column=_big())
    ceiling_bytes: int = Field(sa_column=_big())


class EgressDayRow(SQLModel, table=True):
    """Projection: what a member let out on one day (since 1970) that still counts for 30 days."""

    __tablename__ = "egress_days"
    member: str = Field(sa_column=Column(Text, primary_key=True))
    day: int = Field(sa_column=_big(primary_key=True))
    used_bytes: int = Field(sa_column=_big())


class StoredArtifactRow(SQLModel, table=True):
    """One artifact that was debited, and what came of it: ``open``, ``stored`` or ``failed``.

    The row comes with the debit's entry, ``leaf_index``; an upload may end until ``open_until`` and
    has failed afterwards, whatever the row says. ``name_tag`` keeps names apart within a job,
    ``address`` is the object's, ``details`` are encrypted: none of them tells name or digest.
    """

    __tablename__ = "stored_artifacts"
    __table_args__ = (
        Index("stored_artifacts_by_job", "job_id", "leaf_index"),
        Index("stored_artifacts_by_entry", "leaf_index", unique=True),
        Index("stored_artifacts_by_name", "name_tag", unique=True),
        Index("stored_artifacts_by_address", "address"),
    )
    artifact_id: str = Field(sa_column=Column(Text, primary_key=True))
    job_id: str = Field(sa_column=Column(Text, nullable=False))
    leaf_index: int = Field(sa_column=_big())
    artifact_class: str = Field(sa_column=Column(Text, nullable=False))
    debited_bytes: int = Field(sa_column=_big())
    open_until: int = Field(sa_column=_big())
    state: str = Field(sa_column=Column(Text, nullable=False))
    name_tag: bytes | None = Field(sa_column=Column(LargeBinary, nullable=True))
    address: str | None = Field(sa_column=Column(Text, nullable=True))
    details: bytes | None = Field(sa_column=Column(LargeBinary, nullable=True))


def _table(row: type[SQLModel]) -> Table:
    return cast("Table", row.__table__)  # type: ignore[attr-defined]


ENTRIES = _table(EntryRow)
TILES = _table(TileRow)
NODES = _table(NodeRow)
CHECKPOINTS = _table(CheckpointRow)
DISCLOSURES = _table(DisclosureRow)
OPENINGS = _table(OpeningRow)
HEAD = _table(HeadRow)
JOBS = _table(JobRow)
EMBARGOES = _table(EmbargoRow)
AUTHOR_KEYS = _table(AuthorKeyRow)
MODELS = _table(ModelRow)
ARTIFACTS = _table(ArtifactRow)
CHARTERS = _table(CharterRow)
CORRECTIONS = _table(CorrectionRow)
JOB_TEXTS = _table(JobTextRow)
COSIGNATURES = _table(CosignatureRow)
QUORUMS = _table(QuorumRow)
WITNESSES = _table(WitnessRow)
WEBHOOK_CURSORS = _table(WebhookCursorRow)
WEBHOOK_DELIVERIES = _table(WebhookDeliveryRow)
EGRESS_COUNTERS = _table(EgressCounterRow)
EGRESS_DAYS = _table(EgressDayRow)
STORED_ARTIFACTS = _table(StoredArtifactRow)

APPEND_ONLY = (ENTRIES, TILES, CHECKPOINTS, DISCLOSURES, OPENINGS)
PROJECTIONS = (
    JOBS,
    EMBARGOES,
    AUTHOR_KEYS,
    CHARTERS,
    MODELS,
    ARTIFACTS,
    CORRECTIONS,
    JOB_TEXTS,
)
