"""The consortium's rules, as what they find wrong with a submission: findings, never booleans.

The charter in force stands in the log. Each rule looks at the public fields of a submission, and
one at how many GPUs the member holds already, and says in one sentence what it met and what it
allows. An empty list of findings admits the job. This module never decides on anything that the
public cannot see, and never refuses to log.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from ledger.errors import ValueRefused
from ledger.records import wire
from ledger.records.deadline import check_embargo_days
from schemas.charter import (
    ALLOWED_WORKLOADS,
    FORBIDDEN_WORKLOADS,
    MAX_EMBARGO_DAYS,
    ArtifactCeilings,
    CharterRules,
    FirstRules,
    Quotas,
    Workload,
)
from schemas.statements import Code, GradientScope, JobSubmitted, OptimizerTarget
from schemas.values import Wire

__all__ = [
    "ARTIFACT_CEILINGS",
    "QUOTAS",
    "Charter",
    "Code",
    "Finding",
    "default_charter",
    "judge",
    "parse_charter",
    "rule_of",
]

GPU_TOTAL = 25_000
EGRESS_CEILING_BYTES = 10**12
"""What the first charter lets one job carry out: 1 TB."""
ARTIFACT_CEILINGS: Final = ArtifactCeilings(
    document=10**9, table=10**10, image=10**9, opaque=10**8, tensor=0
)
"""What a charter of version ``charter/1``, which names none, lets one job carry out by class."""
QUOTAS: Final = Quotas(
    job_wall_seconds=None,
    member_gpus=None,
    member_egress_bytes=10**13,
    member_model_egress_bytes=10**13,
)
ADMISSION_HOURS: Final = 168
_FIRST: Final = "charter/1"

_RULES = {"R1": 1, "R2": 2, "R3": 3}


def rule_of(code: str) -> int:
    """The rule that a code belongs to, by how it begins; 4 is quota and form."""
    return _RULES.get(code[:2], 4)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a rule found: ``rule`` 1 to 3 of the charter, 4 for quota and form."""

    rule: int
    code: Code
    finding: str

    def to_dict(self) -> dict[str, Any]:
        """Return the finding as it stands in an entry."""
        return {"rule": self.rule, "code": self.code.value, "finding": self.finding}


@dataclass(frozen=True, slots=True)
class Charter:
    """One version of the rules; what ``charter/1`` does not name has the values of these defaults.

    ``council_threshold`` is how many council authors sign a change; None, in ``charter/1``, is a
    majority of them.

    Raises ValueRefused for an embargo that is not of 1 to 90 days and for contradictions.
    """

    embargo_days: int
    egress_ceiling_bytes: int
    gpu_total: int
    allowed_workloads: tuple[Workload, ...]
    forbidden_workloads: tuple[Workload, ...]
    artifact_ceilings: ArtifactCeilings = ARTIFACT_CEILINGS
    quotas: Quotas = QUOTAS
    admission_hours: int = ADMISSION_HOURS
    council_threshold: int | None = None
    version: str = _FIRST

    def __post_init__(self) -> None:
        check_embargo_days(self.embargo_days)
        for workload in self.allowed_workloads:
            if workload in self.forbidden_workloads:
                raise ValueRefused(
                    f"{workload} is both allowed and forbidden", field="charter.allowed_workloads"
                )

    def to_dict(self) -> dict[str, Any]:
        """Return the charter as it stands in an entry, in the shape of its version."""
        shape: type[Wire] = FirstRules if self.version == _FIRST else CharterRules
        rules = {each.name: getattr(self, each.name) for each in msgspec.structs.fields(shape)}
        found: dict[str, Any] = msgspec.to_builtins(rules)
        for name in ("allowed_workloads", "forbidden_workloads"):
            found[name] = list(found[name])
        return found

    def signers_needed(self, council: int) -> int:
        """How many of ``council`` council authors have to sign a change."""
        if self.council_threshold is None:
            return council // 2 + 1
        return self.council_threshold


def parse_charter(value: dict[str, Any], *, at: str = "charter") -> Charter:
    """Return the charter that the ``charter`` object of an entry, found at ``at``, holds.

    Raises ValueRefused, naming the field.
    """
    shape: type[Wire] = FirstRules if value.get("version") == _FIRST else CharterRules
    return charter_of(wire.convert(value, shape, at=at))


def charter_of(rules: Wire) -> Charter:
    """The charter that one of the two shapes of rules spells. Raises ValueRefused."""
    return Charter(**msgspec.structs.asdict(rules))


def default_charter() -> Charter:
    """Return the charter that a new ledger begins with: one signature changes it."""
    return Charter(
        version="charter/2",
        embargo_days=MAX_EMBARGO_DAYS,
        egress_ceiling_bytes=EGRESS_CEILING_BYTES,
        gpu_total=GPU_TOTAL,
        allowed_workloads=ALLOWED_WORKLOADS,
        forbidden_workloads=FORBIDDEN_WORKLOADS,
        council_threshold=1,
    )


def judge(submission: JobSubmitted, charter: Charter, *, held_gpus: int = 0) -> tuple[Finding, ...]:
    """Return everything that the charter has against a submission; nothing: it is admitted.

    ``held_gpus``: GPUs of the member's jobs that are admitted and have not ended.
    """
    return tuple(_findings(submission, charter, held_gpus))


def _findings(submission: JobSubmitted, charter: Charter, held_gpus: int) -> Iterator[Finding]:
    workload = submission.workload_type
    if workload in charter.forbidden_workloads:
        yield found(
            Code.R1_FORBIDDEN_WORKLOAD,
            f"The workload {workload} changes the uploaded model or carries it away; the charter"
            f" allows {', '.join(charter.allowed_workloads)}.",
        )
    if OptimizerTarget.UPLOADED_MODEL in submission.optimizer_targets:
        allowed = [t for t in OptimizerTarget if t is not OptimizerTarget.UPLOADED_MODEL]
        yield found(
            Code.R1_OPTIMIZER_ON_UPLOADED_MODEL,
            f"The optimizer targets name uploaded_model; the charter allows {', '.join(allowed)}.",
        )
    ceiling = submission.egress_ceiling_bytes
    if ceiling is None:
        yield found(
            Code.R2_UNMETERED_EGRESS,
            "The submission gives no egress ceiling; the charter asks for one of at most"
            f" {charter.egress_ceiling_bytes} bytes.",
        )
    elif ceiling > charter.egress_ceiling_bytes:
        yield found(
            Code.R2_EGRESS_CEILING,
            f"The egress ceiling is {ceiling} bytes; the charter allows at most"
            f" {charter.egress_ceiling_bytes} bytes.",
        )
    yield from _over_quota(submission, charter, held_gpus)
    if workload not in charter.allowed_workloads + charter.forbidden_workloads:
        yield found(
            Code.Q_MALFORMED,
            f"The charter neither allows nor forbids the workload {workload}; it allows"
            f" {', '.join(charter.allowed_workloads)}.",
        )
    if submission.optimizer_targets and submission.gradient_scope is GradientScope.NONE:
        yield found(
            Code.Q_MALFORMED,
            f"The optimizer targets are {', '.join(submission.optimizer_targets)}, but the gradient"
            " scope is none; an optimizer needs gradients.",
        )


def _over_quota(submission: JobSubmitted, charter: Charter, held_gpus: int) -> Iterator[Finding]:
    gpus, quotas = submission.gpu_count, charter.quotas
    if gpus > charter.gpu_total:
        yield found(
            Code.Q_QUOTA,
            f"The submission asks for {gpus} GPUs; the cluster has {charter.gpu_total}.",
        )
    wall = quotas.job_wall_seconds
    if wall is not None and submission.wall_limit_seconds > wall:
        yield found(
            Code.Q_QUOTA,
            f"The wall limit is {submission.wall_limit_seconds} seconds; the charter allows at most"
            f" {wall} seconds.",
        )
    if quotas.member_gpus is not None and held_gpus + gpus > quotas.member_gpus:
        yield found(
            Code.Q_QUOTA,
            f"The submission asks for {gpus} GPUs, and the member's jobs hold {held_gpus}; the"
            f" charter allows {quotas.member_gpus} together.",
        )


def found(code: Code, finding: str) -> Finding:
    """A finding under the rule that its code belongs to."""
    return Finding(rule_of(code), code, finding)
