"""The consortium's rules, as what they find wrong with a submission: findings, never booleans.

The charter in force stands in the log. Each rule looks at the public fields of a submission and
says in one sentence what it met and what it allows. An empty list of findings admits the job.
This module never decides on anything that the public cannot see, and never refuses to log.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from ledger.errors import ValueRefused
from ledger.records import wire
from ledger.records.deadline import MAX_EMBARGO_DAYS, check_embargo_days
from schemas.statements import (
    ALLOWED_WORKLOADS,
    FORBIDDEN_WORKLOADS,
    GradientScope,
    JobSubmitted,
    OptimizerTarget,
    Workload,
)
from schemas.values import Count, Positive, Wire

GPU_TOTAL = 25_000
EGRESS_CEILING_BYTES = 10**12
"""What the first charter lets one job carry out: 1 TB."""


class Code(StrEnum):
    """Why a submission is rejected: the rule, then what was found (record.md). Never renamed."""

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


class _CharterObject(Wire, frozen=True):
    """The ``charter`` object of an entry."""

    version: Literal["charter/1"]
    embargo_days: Annotated[int, Meta(ge=1, le=MAX_EMBARGO_DAYS)]
    egress_ceiling_bytes: Count
    gpu_total: Positive
    allowed_workloads: tuple[Workload, ...]
    forbidden_workloads: tuple[Workload, ...]


@dataclass(frozen=True, slots=True)
class Charter:
    """The rules in force. Raises ValueRefused for an embargo that is not of 1 to 90 days."""

    embargo_days: int
    egress_ceiling_bytes: int
    gpu_total: int
    allowed_workloads: tuple[Workload, ...]
    forbidden_workloads: tuple[Workload, ...]
    version: str = "charter/1"

    def __post_init__(self) -> None:
        check_embargo_days(self.embargo_days)
        for workload in self.allowed_workloads:
            if workload in self.forbidden_workloads:
                raise ValueRefused(
                    f"{workload} is both allowed and forbidden", field="charter.allowed_workloads"
                )

    def to_dict(self) -> dict[str, Any]:
        """Return the charter as it stands in an entry."""
        return asdict(self) | {
            "allowed_workloads": [workload.value for workload in self.allowed_workloads],
            "forbidden_workloads": [workload.value for workload in self.forbidden_workloads],
        }


def parse_charter(value: dict[str, Any]) -> Charter:
    """Return the charter that the ``charter`` object of an entry holds.

    Raises ValueRefused, naming the field.
    """
    return Charter(**msgspec.structs.asdict(wire.convert(value, _CharterObject, at="charter")))


def default_charter() -> Charter:
    """Return the charter that a new ledger begins with."""
    return Charter(
        embargo_days=MAX_EMBARGO_DAYS,
        egress_ceiling_bytes=EGRESS_CEILING_BYTES,
        gpu_total=GPU_TOTAL,
        allowed_workloads=ALLOWED_WORKLOADS,
        forbidden_workloads=FORBIDDEN_WORKLOADS,
    )


def judge(submission: JobSubmitted, charter: Charter) -> tuple[Finding, ...]:
    """Return everything that the charter has against a submission; nothing: it is admitted."""
    return tuple(_findings(submission, charter))


def _findings(submission: JobSubmitted, charter: Charter) -> Iterator[Finding]:
    workload = submission.workload_type
    if workload in charter.forbidden_workloads:
        yield _finding(
            Code.R1_FORBIDDEN_WORKLOAD,
            f"The workload {workload} changes the uploaded model or carries it away; the charter"
            f" allows {', '.join(charter.allowed_workloads)}.",
        )
    if OptimizerTarget.UPLOADED_MODEL in submission.optimizer_targets:
        allowed = [t for t in OptimizerTarget if t is not OptimizerTarget.UPLOADED_MODEL]
        yield _finding(
            Code.R1_OPTIMIZER_ON_UPLOADED_MODEL,
            f"The optimizer targets name uploaded_model; the charter allows {', '.join(allowed)}.",
        )
    ceiling = submission.egress_ceiling_bytes
    if ceiling is None:
        yield _finding(
            Code.R2_UNMETERED_EGRESS,
            "The submission gives no egress ceiling; the charter asks for one of at most"
            f" {charter.egress_ceiling_bytes} bytes.",
        )
    elif ceiling > charter.egress_ceiling_bytes:
        yield _finding(
            Code.R2_EGRESS_CEILING,
            f"The egress ceiling is {ceiling} bytes; the charter allows at most"
            f" {charter.egress_ceiling_bytes} bytes.",
        )
    if submission.gpu_count > charter.gpu_total:
        yield _finding(
            Code.Q_QUOTA,
            f"The submission asks for {submission.gpu_count} GPUs; the cluster has"
            f" {charter.gpu_total}.",
        )
    if workload not in charter.allowed_workloads + charter.forbidden_workloads:
        yield _finding(
            Code.Q_MALFORMED,
            f"The charter neither allows nor forbids the workload {workload}; it allows"
            f" {', '.join(charter.allowed_workloads)}.",
        )
    if submission.optimizer_targets and submission.gradient_scope is GradientScope.NONE:
        yield _finding(
            Code.Q_MALFORMED,
            f"The optimizer targets are {', '.join(submission.optimizer_targets)}, but the gradient"
            " scope is none; an optimizer needs gradients.",
        )


def _finding(code: Code, finding: str) -> Finding:
    return Finding(rule_of(code), code, finding)
