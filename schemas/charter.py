"""The consortium's rules as they stand in the log: what may run, and how much may leave.

Two versions of the shape are valid for ever: the one that the first ledgers began with, and the one
that has ceilings by class of artifact, quotas and the council's threshold.
"""

from enum import StrEnum
from typing import Annotated, Literal

from msgspec import Meta

from schemas.values import Count, Positive, Wire

MAX_EMBARGO_DAYS = 90
"""No charter may keep a record closed for longer."""


class Workload(StrEnum):
    """The class of work (record.md). Codes never change; their labels are translated."""

    FORWARD_PASS = "forward_pass"  # noqa: S105 - a pass through a model, not a password
    ACTIVATION_CAPTURE = "activation_capture"
    ACTIVATION_PATCHING = "activation_patching"
    ACTIVATION_STEERING = "activation_steering"
    ATTENTION_PROBE = "attention_probe"
    LINEAR_PROBE = "linear_probe"
    SAE_TRAINING = "sae_training"
    SAE_ANALYSIS = "sae_analysis"
    RED_TEAM_PROMPTING = "red_team_prompting"
    EVAL_SUITE = "eval_suite"
    CAPABILITY_ELICITATION_PROMPTING = "capability_elicitation_prompting"
    MONITOR_EVALUATION = "monitor_evaluation"
    REPRODUCTION = "reproduction"
    SFT = "sft"
    DPO = "dpo"
    RLHF = "rlhf"
    RLAIF = "rlaif"
    LORA = "lora"
    QLORA = "qlora"
    ADAPTER_TRAINING = "adapter_training"
    SOFT_PROMPT_TRAINING = "soft_prompt_training"
    CONTINUED_PRETRAINING = "continued_pretraining"
    WEIGHT_EDIT = "weight_edit"
    QUANTIZE_AND_EXPORT = "quantize_and_export"
    OTHER_OPTIMIZER_STEP = "other_optimizer_step"


FORBIDDEN_WORKLOADS = tuple(Workload)[13:]
"""Logged and rejected: each of them changes the uploaded model or carries it away."""
ALLOWED_WORKLOADS = tuple(Workload)[:13]


class ArtifactCeilings(Wire, frozen=True):
    """How many bytes one job may let out in artifacts of each class."""

    document: Count
    table: Count
    image: Count
    opaque: Count
    tensor: Count


class Quotas(Wire, frozen=True):
    """What a job and a member may take up; null is no limit.

    ``job_wall_seconds`` is the longest wall limit of a job, ``member_gpus`` how many GPUs the jobs
    of one member may hold that are admitted and have not ended. Bytes: of one member in any 30
    days, and of one member from one model for ever.
    """

    job_wall_seconds: Positive | None
    member_gpus: Positive | None
    member_egress_bytes: Count
    member_model_egress_bytes: Count


class FirstRules(Wire, frozen=True):
    """The ``charter`` object of version ``charter/1``."""

    version: Literal["charter/1"]
    embargo_days: Annotated[int, Meta(ge=1, le=MAX_EMBARGO_DAYS)]
    egress_ceiling_bytes: Count
    gpu_total: Positive
    allowed_workloads: tuple[Workload, ...]
    forbidden_workloads: tuple[Workload, ...]


class CharterRules(Wire, frozen=True):
    """The ``charter`` object of version ``charter/2``.

    ``admission_hours``: for how long after its admission a job may start. ``council_threshold``:
    how many council authors have to sign a change of the charter or of the council.
    """

    version: Literal["charter/2"]
    embargo_days: Annotated[int, Meta(ge=1, le=MAX_EMBARGO_DAYS)]
    egress_ceiling_bytes: Count
    gpu_total: Positive
    allowed_workloads: Annotated[tuple[Workload, ...], Meta(max_length=64)]
    forbidden_workloads: Annotated[tuple[Workload, ...], Meta(max_length=64)]
    artifact_ceilings: ArtifactCeilings
    quotas: Quotas
    admission_hours: Annotated[int, Meta(ge=1, le=8784)]
    council_threshold: Annotated[int, Meta(ge=1, le=33)]
