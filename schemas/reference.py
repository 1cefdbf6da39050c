"""What the ledger answers about itself: members in full, kinds of work, rules, words, freshness.

Public by construction, like ``schemas.answers``: made from entries of the log and from the schemas
themselves. Words come in every language of the site, by its tag; a code never changes.
"""

from msgspec import UNSET, UnsetType

from schemas.answers import Facet, KeyShown, Published, SealedShown, Shape, Tally


class RuleCount(Shape, frozen=True):
    """How many jobs were rejected by one code of a rule."""

    rule: int
    code: str
    jobs: int


class CodeCount(Shape, frozen=True):
    """How often one code of a rule was found.

    ``jobs``: submissions that were rejected by it; ``starts``: starts that were refused by it;
    ``runs``: findings about runs that name it first.
    """

    rule: int
    code: str
    jobs: int
    starts: int
    runs: int


class MemberDetail(Shape, frozen=True):
    """An author of the registry, and what it ran as of a tree size.

    ``gpu_seconds_of_all`` is what all members together have run, so that a share can be had without
    a rounded figure. ``plans_sealed`` counts the overdue ones too. ``first_at`` and ``latest_at``
    are the times of its first and newest submission.
    """

    name: str
    role: str
    title: str
    keys: tuple[KeyShown, ...]
    jobs: int
    gpu_seconds: int
    gpu_seconds_of_all: int
    rejected: int
    plans_sealed: int
    plans_opened: int
    plans_overdue: int
    first_at: str | None
    latest_at: str | None
    workloads: tuple[Tally, ...]
    states: tuple[Facet, ...]
    rejections: tuple[RuleCount, ...]


class WorkloadShown(Shape, frozen=True):
    """One code of the taxonomy, whether the charter allows it, and what was run under it."""

    code: str
    allowed: bool
    label: dict[str, str]
    meaning: dict[str, str]
    jobs: int
    gpu_seconds: int


class Rejection(Shape, frozen=True):
    """A job that the charter's rules rejected; ``code`` is the first thing that they found."""

    job_id: str
    member: str
    workload_type: str
    rule: int
    code: str
    gpu_count: int
    submitted_index: int
    submitted_at: str
    title: str | None


class Rejections(Shape, frozen=True):
    """How many of all jobs were rejected, and by what: each by the first thing that was found."""

    jobs: int
    rejected: int
    codes: tuple[RuleCount, ...]


class WithheldShown(Shape, frozen=True):
    """An entry of the committee, that keeps ``paths`` of the entry ``withholds`` closed.

    ``disclosed_index`` is the entry that has opened the rest of it, if one has.
    """

    index: int
    logged_at: str
    job_id: str
    author: str
    withholds: int
    paths: tuple[str, ...]
    basis: str
    review_by: str
    disclosed_index: int | None


class Word(Shape, frozen=True):
    """A code, and what it is called and means in each language; what it has no words for is not."""

    code: str
    label: dict[str, str]
    meaning: dict[str, str]


class Vocabulary(Shape, frozen=True):
    """The codes that a field of the records may have."""

    name: str
    title: dict[str, str]
    codes: tuple[Word, ...]


class FieldShown(Shape, frozen=True):
    """One field of a kind of record.

    ``when`` is ``at_once``, ``sealed`` or ``derived`` (made from the entries, in none of them).
    ``vocabulary`` is where its codes are listed, under /api/v1/vocab.
    """

    record: str
    field: str
    when: str
    type: dict[str, str]
    unit: dict[str, str] | None
    optional: bool
    vocabulary: str | None
    codes: tuple[str, ...]
    label: dict[str, str]
    meaning: dict[str, str]


class WitnessShown(Shape, frozen=True):
    """A witness of the policy: the largest tree that it cosigned, when, and its last trouble.

    ``key`` is ``name+hex8``, as its signature lines begin. ``cosigned_at`` is the witness's own
    time. ``error`` is the code of the last trouble, which may be over; ``failures`` counts the
    attempts that failed since it last answered well, 0 where all is well.
    """

    name: str
    key: str
    size: int
    cosigned_at: str | None
    failures: int
    error: str | None
    error_at: str | None


class WitnessingShown(Shape, frozen=True):
    """What the witnesses say, and what the ledger does without them.

    ``mode`` is open (the site shows the newest signed tree all the same), closed (nothing newer
    than ``cosigned_size``, the newest tree that met the policy) or strict (and no receipt either).
    ``quorum_met`` says whether that is the newest signed tree. ``quorum`` is a name of the policy,
    or none.
    """

    mode: str
    quorum: str
    quorum_met: bool
    signed_size: int
    cosigned_size: int | None
    cosigned_at: str | None
    witnesses: tuple[WitnessShown, ...]


class Status(Shape, frozen=True):
    """How fresh the ledger is, and whether its deadlines are kept. Ages are seconds at ``now``.

    ``witnessing`` is absent without a witness policy, and as of an older tree: what witnesses say
    is of now.
    """

    now: str
    entries: int
    entries_last_day: int
    last_entry_at: str
    last_entry_age_seconds: int
    checkpoint_size: int
    checkpoint_at: str
    checkpoint_age_seconds: int
    jobs: int
    sealed: int
    overdue: int
    opened: int
    next_deadline: SealedShown | None
    last_disclosure: Published | None
    origin: str
    vkey: str
    versions: dict[str, str]
    witnessing: WitnessingShown | UnsetType = UNSET
