"""What an author may say: the public fields and the sealed paths of every schema of statement.

A statement names its schema, and the schema fixes both. A new version is a new name; the old ones
stay valid for ever, because entries that use them do.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

from schemas.charter import CharterRules, Workload
from schemas.values import (
    Artifact,
    ArtifactClass,
    AuthorName,
    Base64Seed,
    Base64Signature,
    Completions,
    Count,
    DigestSet,
    Index,
    KeyId,
    Line,
    Metric,
    Positive,
    Prompts,
    PromptSketch,
    ResourceDescriptor,
    Sha256Hex,
    Slug,
    Source,
    Text,
    Time,
    Title,
    Ulid,
    Vkey,
    Wire,
)


class Role(StrEnum):
    """What an author is, and so what it may say."""

    MEMBER = "member"
    ORCHESTRATOR = "orchestrator"
    GATEWAY = "gateway"
    COMMITTEE = "committee"
    COUNCIL = "council"
    OPERATOR = "operator"


class GradientScope(StrEnum):
    """What gradients are taken with respect to. None of them is an optimizer step on the model."""

    NONE = "none"
    INPUTS = "inputs"
    ACTIVATIONS = "activations"
    AUXILIARY_ONLY = "auxiliary_only"


class OptimizerTarget(StrEnum):
    """What an optimizer updates. Naming the uploaded model is how a submission gets rejected."""

    AUXILIARY_PROBE = "auxiliary_probe"
    AUXILIARY_SAE = "auxiliary_sae"
    AUXILIARY_OTHER = "auxiliary_other"
    UPLOADED_MODEL = "uploaded_model"


class ExitStatus(StrEnum):
    """How a run ended, in Slurm's base states."""

    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMEOUT = "timeout"
    NODE_FAIL = "node_fail"
    OUT_OF_MEMORY = "out_of_memory"
    PREEMPTED = "preempted"
    POLICY = "policy"


class WeightsCheck(StrEnum):
    """How it was established that the weights are what they were."""

    OMS_ROOT = "oms_root"
    READONLY_MOUNT = "readonly_mount"
    TEE_ATTESTATION = "tee_attestation"


class WeightsEvidence(Wire, frozen=True, omit_defaults=True):
    """What ``weights_unchanged`` rests on. Which members there are, ``kind`` fixes.

    ``oms_root`` has ``before`` and ``after``, the root digests of OpenSSF Model Signing;
    ``readonly_mount`` has ``report``, the digest of what the node said of the mount;
    ``tee_attestation`` has ``format`` and ``report``, the digest of the quote.
    """

    kind: WeightsCheck
    before: DigestSet | None = None
    after: DigestSet | None = None
    format: Slug | None = None
    report: DigestSet | None = None


class WithholdBasis(StrEnum):
    """Why the safeguards committee keeps a field closed past the deadline."""

    HAZARD_BIOLOGICAL = "hazard_biological"
    HAZARD_CYBER = "hazard_cyber"
    HAZARD_OTHER = "hazard_other"
    UNPATCHED_VULNERABILITY = "unpatched_vulnerability"


class Code(StrEnum):
    """What a rule of the charter found: the rule, then what (record.md). Never renamed."""

    R1_WEIGHT_DELTA = "R1_weight_delta"
    R1_OPTIMIZER_ON_UPLOADED_MODEL = "R1_optimizer_on_uploaded_model"
    R1_FORBIDDEN_WORKLOAD = "R1_forbidden_workload"
    R1_DIGEST_MISMATCH = "R1_digest_mismatch"
    R2_EGRESS_CEILING = "R2_egress_ceiling"
    R2_UNMETERED_EGRESS = "R2_unmetered_egress"
    R3_MISSING_RECORD = "R3_missing_record"
    R3_PRIVATE_RUN_REQUESTED = "R3_private_run_requested"
    Q_QUOTA = "Q_quota"
    Q_MALFORMED = "Q_malformed"


class RegistryAction(StrEnum):
    """What a registry statement does to a key."""

    ADD = "add"
    RETIRE = "retire"


# --- public fields, by schema ---------------------------------------------------------------


class JobSubmitted(Wire, frozen=True):
    """``job-submitted/1``: what a member asks to run."""

    workload_type: Workload
    gradient_scope: GradientScope
    optimizer_targets: Annotated[tuple[OptimizerTarget, ...], Meta(max_length=8)]
    accelerator: Slug
    gpu_count: Positive
    wall_limit_seconds: Positive
    egress_ceiling_bytes: Count | None


class JobStarted(Wire, frozen=True):
    """``job-started/1``: the orchestrator began a period of running."""

    started_at: Time
    gpu_count: Positive


class JobInterrupted(Wire, frozen=True):
    """``job-interrupted/1``: a period of running ended and another is to follow."""

    ended_at: Time
    exit_status: ExitStatus


class JobEnded(Wire, frozen=True):
    """``job-ended/1``: the run is over. ``started_at`` is null where it never started."""

    started_at: Time | None
    ended_at: Time
    wall_seconds: Count
    gpu_seconds: Count
    h200e_seconds: Count
    h200e_basis: Line
    exit_status: ExitStatus
    weights_unchanged: bool
    weights_check: WeightsCheck


class JobEgress(Wire, frozen=True):
    """``job-egress/1``: bytes and artifacts that the gateway let out since its last such event."""

    egress_bytes: Count
    artifact_count: Count


class ArtifactWrite(Wire, frozen=True):
    """``artifact-write/1``: the gateway takes one artifact of exactly so many bytes."""

    artifact_id: Ulid
    artifact_class: ArtifactClass
    egress_bytes: Positive
    artifact_count: Literal[1]


class ArtifactRead(Wire, frozen=True):
    """``artifact-read/1``: a member reads bytes of an artifact of its own before it is public."""

    artifact_id: Ulid
    offset: Count
    egress_bytes: Positive
    artifact_count: Literal[0]


class StartRefused(Wire, frozen=True):
    """``start-refused/1``: the orchestrator did not start what somebody asked it to."""

    code: Code
    finding: Annotated[str, Meta(min_length=1, max_length=500)]
    gpu_count: Count | None
    member: AuthorName | None
    system: Slug


class JobOpen(Wire, frozen=True):
    """``job-open/1``: an author opens its own sealed entry before the deadline."""

    discloses: Index


class JobWithheld(Wire, frozen=True):
    """``job-withheld/1``: the committee keeps named fields of one entry closed until a review."""

    withholds: Index
    paths: Annotated[tuple[Line, ...], Meta(min_length=1, max_length=32)]
    basis: WithholdBasis
    review_by: Time


class JobCorrected(Wire, frozen=True):
    """``job-corrected/1``: the author of an entry says what one of its fields should have been."""

    corrects: Index
    field: Line
    value: Line
    reason: Annotated[str, Meta(min_length=1, max_length=500)]


class CharterVersion(Wire, frozen=True):
    """``charter-version/1``: the council sets the charter that counts from a time on.

    ``replaces`` is the index of the newest charter entry before this one, in force yet or not;
    0 is genesis.
    """

    charter: CharterRules
    in_force_from: Time
    replaces: Index


class Registry(Wire, frozen=True):
    """``registry/1``: the council adds an author's key, or retires one."""

    action: RegistryAction
    name: AuthorName
    role: Role
    title: Title
    vkey: Vkey


# --- sealed fields, by schema: the attribute's encoded name is the path ----------------------


class SubmissionSealed(Wire, frozen=True):
    """The sealed paths of ``job-submitted/1``. An absent field is null."""

    code: ResourceDescriptor | None = None
    container: ResourceDescriptor | None = None
    model_dtype: Slug | None = field(name="model.dtype", default=None)
    model_name: Line | None = field(name="model.name", default=None)
    model_parameter_count: Count | None = field(name="model.parameter_count", default=None)
    model_revision: Line | None = field(name="model.revision", default=None)
    model_weights_digest: DigestSet | None = field(name="model.weights_digest", default=None)
    prompts: Prompts | None = None
    protocol: Text | None = None
    purpose: Text | None = None
    source: Source | None = None
    title: Title | None = None


class OutcomeSealed(Wire, frozen=True):
    """The sealed paths of ``job-ended/1``. An absent field is null."""

    artifacts: Annotated[tuple[Artifact, ...], Meta(max_length=64)] | None = None
    completions: Completions | None = None
    energy_joules: Count | None = None
    metrics: Annotated[tuple[Metric, ...], Meta(max_length=64)] | None = None
    model_weights_digest_after: DigestSet | None = field(
        name="model.weights_digest_after", default=None
    )
    samples_completed: Count | None = field(name="samples.completed", default=None)
    samples_total: Count | None = field(name="samples.total", default=None)
    source: Source | None = None
    tokens_input: Count | None = field(name="tokens.input", default=None)
    tokens_output: Count | None = field(name="tokens.output", default=None)


class OutcomeEvidencedSealed(OutcomeSealed, frozen=True):
    """The sealed paths of ``job-ended/2``: those of ``job-ended/1`` and two more."""

    model_weights_evidence: Annotated[tuple[WeightsEvidence, ...], Meta(max_length=8)] | None = (
        field(name="model.weights_evidence", default=None)
    )
    prompts_sketch: PromptSketch | None = field(name="prompts.sketch", default=None)


class AboutJob(StrEnum):
    """Whether the statements of a schema name a job."""

    ALWAYS = "always"
    NEVER = "never"
    PERHAPS = "perhaps"


class Schema(Struct, frozen=True):
    """One schema of statement: who may use it, for which kinds, and what it holds."""

    name: str
    kinds: tuple[str, ...]
    roles: tuple[Role, ...]
    public: type[Wire]
    sealed: type[Wire] | None = None
    job: AboutJob = AboutJob.ALWAYS


ENDINGS = ("completed", "failed", "cancelled", "terminated_by_policy")
ANY_JOB_AUTHOR = (Role.MEMBER, Role.ORCHESTRATOR, Role.GATEWAY)
SCHEMAS: Mapping[str, Schema] = {
    schema.name: schema
    for schema in (
        Schema("job-submitted/1", ("submitted",), (Role.MEMBER,), JobSubmitted, SubmissionSealed),
        Schema("job-started/1", ("started",), (Role.ORCHESTRATOR,), JobStarted),
        Schema("job-interrupted/1", ("interrupted",), (Role.ORCHESTRATOR,), JobInterrupted),
        Schema(
            "job-ended/1",
            ENDINGS,
            (Role.ORCHESTRATOR,),
            JobEnded,
            OutcomeSealed,
        ),
        Schema("job-ended/2", ENDINGS, (Role.ORCHESTRATOR,), JobEnded, OutcomeEvidencedSealed),
        Schema("job-egress/1", ("egress",), (Role.GATEWAY,), JobEgress),
        Schema("artifact-write/1", ("egress",), (Role.GATEWAY,), ArtifactWrite),
        Schema("artifact-read/1", ("egress",), (Role.MEMBER,), ArtifactRead),
        Schema(
            "start-refused/1",
            ("refused",),
            (Role.ORCHESTRATOR,),
            StartRefused,
            job=AboutJob.PERHAPS,
        ),
        Schema("job-open/1", ("open",), ANY_JOB_AUTHOR, JobOpen),
        Schema("job-corrected/1", ("corrected",), ANY_JOB_AUTHOR, JobCorrected),
        Schema("job-withheld/1", ("withheld",), (Role.COMMITTEE,), JobWithheld),
        Schema("registry/1", ("registry",), (Role.COUNCIL,), Registry, job=AboutJob.NEVER),
        Schema(
            "charter-version/1",
            ("charter",),
            (Role.COUNCIL,),
            CharterVersion,
            job=AboutJob.NEVER,
        ),
    )
}


# --- the envelope -----------------------------------------------------------------------------


class Sealed(Wire, frozen=True):
    """The commitment to the sealed fields: how many paths, and the root of their salted tree."""

    fields: Annotated[int, Meta(ge=1, le=64)]
    root: Sha256Hex


class Statement(Wire, frozen=True):
    """What an author signs (formats.md section 8). ``public`` is decoded by ``schema``."""

    author: AuthorName
    kind: Slug
    made_at: Time
    schema: Annotated[str, Meta(max_length=64)]
    public: dict[str, Any]
    job_id: Ulid | UnsetType = UNSET
    sealed: Sealed | UnsetType = UNSET


class Signature(Wire, frozen=True):
    """An Ed25519 signature over the statement's DSSE pre-authentication encoding."""

    key_id: KeyId
    value: Base64Signature


class Endorsement(Wire, frozen=True):
    """A further council author's signature over the same statement as ``Signature``'s."""

    author: AuthorName
    signature: Signature


Endorsements = Annotated[tuple[Endorsement, ...], Meta(min_length=1, max_length=32)]
"""By author, ascending; each author once, and none of them the statement's own."""


class Opening(Wire, frozen=True):
    """What opens a commitment: the seed that salts every field, and the fields by path."""

    seed: Base64Seed
    fields: dict[str, Any]


class SignedStatement(Wire, frozen=True):
    """The body of ``POST /api/v1/statements``: canonical JSON, one spelling."""

    statement: Statement
    signature: Signature
    opening: Opening | UnsetType = UNSET
    endorsements: Endorsements | UnsetType = UNSET
