"""What the cellar hands up and takes down: plain frozen values, never rows.

Those that every statement needs are msgspec Structs, which are made ten times faster than frozen
dataclasses.
"""

from dataclasses import dataclass, field
from typing import Any

from msgspec import Struct

from ledger.records.egress import Book, Debit
from ledger.storage.projections import Fact


@dataclass(frozen=True, slots=True)
class Head:
    """The tree as stored: its size, root, right edge, and the last entry's ``logged_at``."""

    size: int
    root: bytes
    edge: bytes
    logged_at: int


class StoredEntry(Struct, frozen=True):
    """One leaf with its bytes. ``leaf_hash`` was computed when the entry was sequenced."""

    index: int
    kind: str
    job_id: str | None
    logged_at: int
    publish_by: int | None
    leaf_hash: bytes
    statement_digest: bytes | None
    data: bytes


class StoredLeaf(Struct, frozen=True):
    """What a proof says of an entry beside its place."""

    kind: str
    leaf_hash: bytes


@dataclass(frozen=True, slots=True)
class StoredCheckpoint:
    """One published checkpoint; ``note`` is the signed note, verbatim."""

    size: int
    root: bytes
    logged_at: int
    note: bytes


@dataclass(frozen=True, slots=True)
class StoredEmbargo:
    """One sealed entry and the index of the entry that opened or withheld it, if any has."""

    index: int
    job_id: str
    author: str
    publish_by: int
    disclosed_index: int | None
    withheld_index: int | None


@dataclass(frozen=True, slots=True)
class StoredCosignature:
    """What a witness, ``name+hex8``, said of the checkpoint of ``size``; see the table."""

    size: int
    witness: str
    first_at: int
    first_line: str
    newest_at: int
    newest_line: str


@dataclass(frozen=True, slots=True)
class StoredWitness:
    """How a witness is getting on; the fields are those of ``tables.WitnessRow``."""

    witness: str
    size: int = 0
    cosigned_at: int | None = None
    pace_ms: int = 0
    failures: int = 0
    retry_at: int = 0
    error: str | None = None
    error_at: int | None = None


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A registered author key, valid for entries ``since`` < index < ``until``."""

    key_id: str
    since: int
    until: int
    name: str
    role: str
    title: str
    vkey: str


@dataclass(frozen=True, slots=True)
class StoredJob:
    """One version of what is public about a job; the fields are those of ``tables.JobRow``."""

    job_id: str
    since: int
    until: int
    submitted_index: int
    author: str
    state: str
    workload_type: str
    gradient_scope: str
    optimizer_targets: str
    accelerator: str
    gpu_count: int
    wall_limit_seconds: int
    egress_ceiling_bytes: int | None
    submitted_at: int
    publish_by: int
    disclosed_index: int | None
    rejection_code: str | None
    started_at: int | None
    ended_at: int | None
    wall_seconds: int | None
    gpu_seconds: int | None
    h200e_seconds: int | None
    exit_status: str | None
    weights_unchanged: bool | None
    weights_check: str | None
    egress_bytes: int
    artifact_count: int
    title: str | None
    model_name: str | None
    disclosed_at: int | None = None
    model_digest: str | None = None
    charter_index: int = 0
    finding_code: str | None = None


@dataclass(frozen=True, slots=True)
class StoredTags:
    """The tags of one sealed entry's opening (``records.proposal.Tags``)."""

    weights: bytes | None
    model: bytes | None


@dataclass(frozen=True, slots=True)
class StoredModel:
    """What one opened submission says of a model; ``digest`` is its weights' SHA-256, in hex."""

    disclosed_index: int
    digest: str
    name: str | None
    revision: str | None
    dtype: str | None
    parameter_count: int | None


@dataclass(frozen=True, slots=True)
class StoredArtifact:
    """The ``n``-th artifact that one disclosure names; ``author`` is the job's."""

    disclosed_index: int
    n: int
    disclosed_at: int
    job_id: str
    author: str
    digest: str
    name: str
    kind: str
    bytes: int
    content_access: str
    uri: str | None


@dataclass(frozen=True, slots=True)
class StoredCorrection:
    """What an author says that a field of the entry ``corrects`` should have been."""

    index: int
    logged_at: int
    job_id: str
    author: str
    corrects: int
    field: str
    value: str
    reason: str


@dataclass(frozen=True, slots=True)
class Term:
    """One word of a search, as ``ledger.records.words`` spells it.

    A job matches where a text of it that is open holds a word beginning so, or where its workload
    or its author is among those named here.
    """

    word: str
    workloads: frozenset[str] = frozenset()
    authors: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Which jobs a list holds; a field that is None filters nothing, and every term must match.

    ``month`` is "2026-11" and ``first_day`` to ``last_day`` (inclusive) are "2026-11-21": the
    submission's, in UTC. ``decision`` is "admitted" or "rejected". ``model`` is the SHA-256 of
    weights, in hex, as an opened submission names it. ``finding`` is the code of what was found
    about the run.
    """

    author: str | None = None
    workload_type: str | None = None
    state: str | None = None
    accelerator: str | None = None
    month: str | None = None
    decision: str | None = None
    rejection_code: str | None = None
    model: str | None = None
    first_day: str | None = None
    last_day: str | None = None
    finding: str | None = None
    terms: tuple[Term, ...] = ()


@dataclass(slots=True)
class NewBatch:
    """Everything that one append writes, in one transaction.

    ``entries``: rows of the table, in log order. ``tiles``: (level, n, hashes, root) of every
    tile that the batch has filled. ``nodes``: (level, n, hash), see ``tree.new_nodes``.
    ``openings``: (leaf_index, ciphertext, weights tag, model tag). ``disclosures``: (discloses,
    disclosed_index).
    """

    head: Head
    entries: list[StoredEntry] = field(default_factory=list)
    tiles: list[tuple[int, int, bytes, bytes]] = field(default_factory=list)
    nodes: list[tuple[int, int, bytes]] = field(default_factory=list)
    openings: list[tuple[int, bytes, bytes | None, bytes | None]] = field(default_factory=list)
    disclosures: list[tuple[int, int]] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    held: dict[str, int] | None = None
    """By how many GPUs what each author's jobs hold has changed; None where nobody counted."""
    book: Book = field(default_factory=Book)
    """The counters, with what ``debits`` took from them."""
    debits: list[Debit] = field(default_factory=list)
