"""What the ledger answers: the shapes of the API's JSON and of what the pages show.

Everything here is public by construction: a shape is filled from the bytes of log entries and from
projections of them, and none has a place for an opening that the log does not hold. Hashes are
lower-case hex, times RFC 3339 with ``Z``, amounts integers in the unit that the name ends in.
"""

from typing import Any, Generic, TypeVar

from msgspec import Raw, Struct

T = TypeVar("T")


class Shape(Struct, frozen=True):
    """The base of everything that goes out: nothing can be changed once it is made."""


# --- the envelope -----------------------------------------------------------------------------


class LedgerState(Shape, frozen=True):
    """The tree that an answer was made from; ``root`` is its RFC 6962 root hash.

    ``checkpoint`` is the signed note of exactly this size, or null where none was published: the
    log publishes one for every batch, not for every entry. ``logged_at`` is the last entry's time.
    """

    tree_size: int
    root: str
    logged_at: str
    checkpoint: str | None


class Page(Shape, frozen=True):
    """Where a list goes on: ``next`` is an address, ``cursor`` what it asks with.

    ``count`` is the exact length of the whole list; null where ``count=none`` was asked for.
    """

    next: str | None
    cursor: str | None
    count: int | None


class Listed(Shape, Generic[T], frozen=True):
    """One page of a list."""

    data: tuple[T, ...]
    page: Page
    ledger: LedgerState


class Shown(Shape, Generic[T], frozen=True):
    """One thing."""

    data: T
    ledger: LedgerState


# --- entries and proofs -----------------------------------------------------------------------


class EntryShown(Shape, frozen=True):
    """One leaf. ``entry`` are its canonical bytes, which hash to ``leaf_hash``."""

    index: int
    kind: str
    job_id: str | None
    logged_at: str
    leaf_hash: str
    entry: Raw


class InclusionProof(Shape, frozen=True):
    """That ``leaf_hash`` is entry ``index`` of the tree: RFC 6962's audit path, lowest first."""

    index: int
    kind: str
    tree_size: int
    root: str
    leaf_hash: str
    hashes: tuple[str, ...]
    receipt: str | None
    """Where the same proof stands as one ``.tlog-proof`` file; null without a checkpoint."""


class ConsistencyProof(Shape, frozen=True):
    """That the tree of ``new_size`` entries begins with all of the tree of ``old_size``."""

    old_size: int
    old_root: str
    old_checkpoint: str | None
    new_size: int
    new_root: str
    new_checkpoint: str | None
    hashes: tuple[str, ...]


class CheckpointShown(Shape, frozen=True):
    """One published checkpoint; ``note`` is the signed note, verbatim."""

    tree_size: int
    root: str
    logged_at: str
    note: str


# --- jobs -------------------------------------------------------------------------------------


class FindingShown(Shape, frozen=True):
    """One thing that a rule of the charter found: rules 1 to 3, and 4 for quota and form."""

    rule: int
    code: str
    finding: str


class Decision(Shape, frozen=True):
    """The ledger's judgement of a submission: ``admitted`` or ``rejected``, and why."""

    index: int
    kind: str
    findings: tuple[FindingShown, ...]


class JobShown(Shape, frozen=True):
    """What is public about one job.

    ``title``, ``model_name`` and ``model_digest`` (the SHA-256 of the weights) are null until its
    submission is opened, at ``disclosed_at``. ``finding_code`` is what was found about its run, if
    anything was; a job whose weights were found changed is ``quarantined`` for ever.
    """

    job_id: str
    member: str
    state: str
    workload_type: str
    gradient_scope: str
    optimizer_targets: tuple[str, ...]
    accelerator: str
    gpu_count: int
    wall_limit_seconds: int
    egress_ceiling_bytes: int | None
    submitted_index: int
    submitted_at: str
    publish_by: str
    disclosed_index: int | None
    rejection_code: str | None
    started_at: str | None
    ended_at: str | None
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
    disclosed_at: str | None = None
    model_digest: str | None = None
    quarantined: bool = False
    finding_code: str | None = None


class Commitment(Shape, frozen=True):
    """What stands in the log for sealed fields: how many, and the root of their salted tree."""

    fields: int
    root: str


class Event(Shape, frozen=True, omit_defaults=True):
    """One entry about a job, as a step of its history. What a kind does not have is left out."""

    index: int
    kind: str
    logged_at: str
    author: str | None = None
    made_at: str | None = None
    public: dict[str, Any] | None = None
    sealed: Commitment | None = None
    publish_by: str | None = None
    refers_to: int | None = None
    findings: tuple[FindingShown, ...] | None = None
    discloses: int | None = None
    reason: str | None = None
    opened_by: int | None = None
    withheld_by: int | None = None
    charter: int | None = None


class Disclosure(Shape, frozen=True):
    """The entry that opened a sealed one, and what it says.

    ``fields`` is what the log itself shows by now. ``closed`` lists the paths that stay closed by
    the ``withheld`` entry at ``withheld_by``.
    """

    index: int
    logged_at: str
    reason: str
    fields: dict[str, Any]
    closed: tuple[str, ...]
    opened_by: int | None
    withheld_by: int | None


class SealedPart(Shape, frozen=True):
    """One entry with a sealed part: its commitment, its deadline, and what opened it, if it is.

    ``paths`` are the field paths of the schema, all of which are committed to.
    """

    index: int
    kind: str
    author: str
    commitment: Commitment
    paths: tuple[str, ...]
    publish_by: str
    disclosure: Disclosure | None


class JobDetail(Shape, frozen=True):
    """Everything public about one job."""

    job: JobShown
    decision: Decision | None
    sealed: tuple[SealedPart, ...]
    events: tuple[Event, ...]


class Published(Shape, frozen=True):
    """One disclosure, with the entry that it opened and the job that both are about."""

    disclosure: Disclosure
    discloses: int
    kind: str
    author: str
    job: JobShown


# --- the embargo, members, counts -------------------------------------------------------------


class SealedShown(Shape, frozen=True):
    """One sealed entry and the second from which it may not be sealed any more."""

    index: int
    job_id: str
    author: str
    publish_by: str


class Overdue(Shape, frozen=True):
    """A sealed entry whose deadline has passed; a begun day late counts whole."""

    index: int
    job_id: str
    author: str
    publish_by: str
    days_late: int


class Day(Shape, frozen=True):
    """How many entries open on one day, in UTC."""

    day: str
    entries: int


class Embargo(Shape, frozen=True):
    """What is sealed at this tree size, what opens when, and what is late at ``now``."""

    now: str
    sealed: int
    disclosed: int
    overdue_count: int
    overdue: tuple[Overdue, ...]
    next: tuple[SealedShown, ...]
    days: tuple[Day, ...]


class KeyShown(Shape, frozen=True):
    """A registered key, valid for entries ``since`` < index < ``until`` (null: still valid)."""

    key_id: str
    vkey: str
    since: int
    until: int | None


class Member(Shape, frozen=True):
    """An author in the registry, its keys in the order of registration."""

    name: str
    role: str
    title: str
    keys: tuple[KeyShown, ...]
    jobs: int
    gpu_seconds: int


class Tally(Shape, frozen=True):
    """How many jobs have one value of a field, and their GPU-seconds so far."""

    value: str
    jobs: int
    gpu_seconds: int


class Overview(Shape, frozen=True):
    """The ledger in a few numbers."""

    jobs: int
    gpu_seconds: int
    sealed: int
    disclosed: int
    states: tuple[Tally, ...]
    members: tuple[Tally, ...]
    workloads: tuple[Tally, ...]


class Facet(Shape, frozen=True):
    """How many jobs of a list have one value of a field."""

    value: str
    jobs: int


class Facets(Shape, frozen=True):
    """What a list can be narrowed to, each field counted with all other filters on.

    The most jobs first, then by value; months the newest first.
    """

    member: tuple[Facet, ...]
    workload: tuple[Facet, ...]
    state: tuple[Facet, ...]
    accelerator: tuple[Facet, ...]
    month: tuple[Facet, ...]
    decision: tuple[Facet, ...]


# --- what opened records name ------------------------------------------------------------------


class ModelShown(Shape, frozen=True):
    """A model that opened submissions name, by the SHA-256 of its weights.

    ``names`` are all that were given to these weights, the newest first; ``revision``, ``dtype``
    and ``parameter_count`` are what the newest opened submission says. ``jobs`` counts those whose
    submission is opened, and ``gpu_seconds`` adds up theirs.
    """

    digest: str
    names: tuple[str, ...]
    revision: str | None
    dtype: str | None
    parameter_count: int | None
    jobs: int
    gpu_seconds: int
    first_disclosed_index: int
    members: tuple[str, ...]


class ArtifactShown(Shape, frozen=True):
    """An output of a job, as the opened record of its end names it.

    ``place`` orders all artifacts of the log: 64 times the disclosure's index, plus which one of
    the disclosure it is; lists go on below a place. ``member`` is the job's. ``uri`` is where its
    author says that the bytes are.
    """

    digest: str
    name: str
    kind: str
    bytes: int
    content_access: str
    uri: str | None
    job_id: str
    member: str
    disclosed_index: int
    disclosed_at: str
    place: int


class CorrectionShown(Shape, frozen=True):
    """What an author says that a field of its own entry ``corrects`` should have been."""

    index: int
    logged_at: str
    job_id: str
    author: str
    corrects: int
    corrected_kind: str
    field: str
    value: str
    reason: str
