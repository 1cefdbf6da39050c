"""Plain words for every code. The codes never change; the words are translated."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from web.i18n import gettext, noted
from web.telling.plain import shown

_CODES: Final[Mapping[str, str]] = {
    # states and kinds of entries
    "genesis": noted("Beginning of the log"),
    "registry": noted("Registry"),
    "charter": noted("Charter"),
    "submitted": noted("Submitted"),
    "admitted": noted("Admitted"),
    "rejected": noted("Rejected"),
    "started": noted("Running"),
    "interrupted": noted("Interrupted"),
    "completed": noted("Completed"),
    "failed": noted("Failed"),
    "cancelled": noted("Cancelled"),
    "terminated_by_policy": noted("Stopped by policy"),
    "egress": noted("Egress"),
    "open": noted("Early opening"),
    "disclosed": noted("Opened"),
    "manifest": noted("Bulk files"),
    "log_key": noted("A new key of the log"),
    "withheld": noted("Withheld"),
    "corrected": noted("Corrected"),
    "refused": noted("Start refused"),
    "finding": noted("Finding about a run"),
    "quarantined": noted("Quarantined"),
    # workloads
    "forward_pass": noted("Forward pass"),
    "activation_capture": noted("Activation capture"),
    "activation_patching": noted("Activation patching"),
    "activation_steering": noted("Activation steering"),
    "attention_probe": noted("Attention probe"),
    "linear_probe": noted("Linear probe"),
    "sae_training": noted("Sparse autoencoder training"),
    "sae_analysis": noted("Sparse autoencoder analysis"),
    "red_team_prompting": noted("Red-team prompting"),
    "eval_suite": noted("Evaluation suite"),
    "capability_elicitation_prompting": noted("Capability elicitation"),
    "monitor_evaluation": noted("Monitor evaluation"),
    "reproduction": noted("Reproduction"),
    "sft": noted("Supervised fine-tuning"),
    "dpo": noted("Preference optimisation (DPO)"),
    "rlhf": noted("Reinforcement learning from human feedback"),
    "rlaif": noted("Reinforcement learning from AI feedback"),
    "lora": noted("LoRA fine-tuning"),
    "qlora": noted("QLoRA fine-tuning"),
    "adapter_training": noted("Adapter training"),
    "soft_prompt_training": noted("Soft-prompt training"),
    "continued_pretraining": noted("Continued pretraining"),
    "weight_edit": noted("Weight editing"),
    "quantize_and_export": noted("Quantising and exporting weights"),
    "other_optimizer_step": noted("Other training of the uploaded model"),
    # gradients and optimizers
    "none": noted("None"),
    "inputs": noted("With respect to inputs"),
    "activations": noted("With respect to activations"),
    "auxiliary_only": noted("In an auxiliary model only"),
    "auxiliary_probe": noted("A separate probe"),
    "auxiliary_sae": noted("A separate sparse autoencoder"),
    "auxiliary_other": noted("Another separate model"),
    "uploaded_model": noted("The uploaded model"),
    # how runs end, and how weights were checked
    "timeout": noted("Ran out of time"),
    "node_fail": noted("A machine failed"),
    "out_of_memory": noted("Ran out of memory"),
    "preempted": noted("Preempted"),
    "policy": noted("Stopped by policy"),
    "oms_root": noted("digest of the weights before and after (OpenSSF Model Signing)"),
    "readonly_mount": noted("weights mounted read-only"),
    "tee_attestation": noted("attestation by trusted hardware"),
    # roles
    "member": noted("Member lab"),
    "orchestrator": noted("Orchestrator"),
    "gateway": noted("Egress gateway"),
    "committee": noted("Safeguards committee"),
    "council": noted("Council"),
    "operator": noted("Operator"),
    # what is public of prompts, answers and artifacts
    "public": noted("Public"),
    "on_request": noted("On request"),
    "closed": noted("Closed"),
    "scalar": noted("One number each"),
    "pairwise": noted("Comparisons of two"),
    "ranking": noted("Rankings"),
    # classes of artifacts
    "document": noted("Document"),
    "table": noted("Table"),
    "image": noted("Picture"),
    "opaque": noted("File of unknown form"),
    "tensor": noted("Tensor"),
    # why the committee keeps something closed
    "hazard_biological": noted("It could help to do biological harm"),
    "hazard_cyber": noted("It could help to attack computers"),
    "hazard_other": noted("It could help to do harm"),
    "unpatched_vulnerability": noted("It describes a weakness that is not mended yet"),
    # what the council does to a key
    "add": noted("A key is added"),
    "retire": noted("A key is retired"),
    # reasons
    "deadline": noted("at its deadline"),
    "early": noted("early, by its author"),
    "sealed": noted("Sealed"),
    "overdue": noted("Overdue"),
    "published": noted("Published"),
    # rejection codes
    "R1_weight_delta": noted("The weights could be changed"),
    "R1_optimizer_on_uploaded_model": noted("An optimizer on the uploaded model"),
    "R1_forbidden_workload": noted("A forbidden kind of work"),
    "R1_digest_mismatch": noted("The weights are not what they were"),
    "R2_egress_ceiling": noted("Above an egress ceiling"),
    "R2_unmetered_egress": noted("Egress that nobody meters"),
    "R3_missing_record": noted("No record, or no valid receipt"),
    "R3_private_run_requested": noted("A private run was asked for"),
    "Q_quota": noted("More than a quota allows"),
    "Q_malformed": noted("It contradicts itself"),
}

_KINDS: Final[Mapping[str, str]] = {
    "started": noted("Started"),
    "open": noted("Request to open early"),
    "charter": noted("Version of the charter"),
}
"""Kinds of entries that are called otherwise than the state they lead to."""

_MAKERS: Final[Mapping[str, str]] = {"nvidia": "NVIDIA", "amd": "AMD", "intel": "Intel"}
"""Makers of accelerators as they spell themselves; their codes begin with the same in small."""

RULES: Final[Mapping[int, str]] = {
    1: noted("Rule 1: no job changes the uploaded model"),
    2: noted("Rule 2: nothing leaves unmetered"),
    3: noted("Rule 3: no run without a record"),
    4: noted("Quota and form"),
}


@dataclass(frozen=True, slots=True)
class FieldWords:
    """What a field of a record is called, and what it means."""

    label: str
    meaning: str


_FIELDS: Final[Mapping[str, FieldWords]] = {
    # public at once
    "accelerator": FieldWords(
        noted("Kind of GPU"), noted("The chip that the job runs on; its number is beside it.")
    ),
    "artifact_count": FieldWords(
        noted("Number of artifacts"), noted("How many files the gateway let out.")
    ),
    "egress_bytes": FieldWords(
        noted("Let out"), noted("The bytes that left the cluster, as the gateway counted them.")
    ),
    "egress_ceiling_bytes": FieldWords(
        noted("Egress ceiling"),
        noted("The most that may leave the cluster for this job. Its author sets it beforehand."),
    ),
    "ended_at": FieldWords(
        noted("Time of the end"), noted("When the last machine had stopped working on it.")
    ),
    "exit_status": FieldWords(noted("How it ended"), noted("What the cluster itself reported.")),
    "gpu_count": FieldWords(noted("GPUs"), noted("How many GPUs work on it at the same time.")),
    "gpu_seconds": FieldWords(
        noted("GPU-hours"),
        noted("GPUs times the time that they worked: what the job took away from others."),
    ),
    "gradient_scope": FieldWords(
        noted("Gradients"),
        noted("What the job takes derivatives of. To look at them changes nothing."),
    ),
    "h200e_basis": FieldWords(
        noted("Basis of the H200 hours"), noted("How other GPUs are converted into H200s.")
    ),
    "h200e_seconds": FieldWords(
        noted("In H200 hours"),
        noted("The same as the time of one NVIDIA H200, so that jobs on different GPUs compare."),
    ),
    "job_id": FieldWords(noted("Job number"), noted("Its name for ever, in every address.")),
    "member": FieldWords(noted("Member"), noted("The laboratory whose job it is.")),
    "optimizer_targets": FieldWords(
        noted("Optimizers update"),
        noted("What the job trains, if anything. The uploaded model is never allowed."),
    ),
    "started_at": FieldWords(
        noted("Time of the start"), noted("When the first machine began to work on it.")
    ),
    "submitted_at": FieldWords(
        noted("Time of submission"), noted("When the log took in the submission.")
    ),
    "wall_limit_seconds": FieldWords(
        noted("Time limit"), noted("The cluster stops the job after this time.")
    ),
    "wall_seconds": FieldWords(
        noted("Ran for"), noted("The time from start to end, without interruptions.")
    ),
    "weights_check": FieldWords(
        noted("How that was checked"), noted("By what means the weights were compared.")
    ),
    "weights_unchanged": FieldWords(
        noted("Model weights"),
        noted("Whether the uploaded model was the same before and after the job."),
    ),
    "workload_type": FieldWords(
        noted("Kind of work"), noted("One of the kinds that the charter names.")
    ),
    # sealed until the deadline
    "artifacts": FieldWords(noted("Artifacts"), noted("What the job put out, by digest.")),
    "code": FieldWords(noted("Code"), noted("The code that ran, by digest.")),
    "completions": FieldWords(
        noted("Completions"), noted("How many answers the model gave, and what was kept.")
    ),
    "container": FieldWords(noted("Container"), noted("The image it ran in, by digest.")),
    "energy_joules": FieldWords(noted("Energy"), noted("Joules that the run used.")),
    "metrics": FieldWords(noted("Metrics"), noted("What was measured.")),
    "model.dtype": FieldWords(noted("Model number format"), noted("How its numbers are stored.")),
    "model.name": FieldWords(noted("Model"), noted("The model that was studied.")),
    "model.parameter_count": FieldWords(noted("Model parameters"), noted("How large it is.")),
    "model.revision": FieldWords(noted("Model revision"), noted("Which version of it.")),
    "model.weights_digest": FieldWords(
        noted("Weights digest before"), noted("Identifies the weights when the job began.")
    ),
    "model.weights_digest_after": FieldWords(
        noted("Weights digest after"), noted("Identifies the weights when the job ended.")
    ),
    "model.weights_evidence": FieldWords(
        noted("Evidence about the weights"),
        noted("What the orchestrator has to show for its word on the weights, by digest."),
    ),
    "prompts": FieldWords(
        noted("Prompts"), noted("What the model was asked, by digest and count.")
    ),
    "prompts.sketch": FieldWords(
        noted("Sketch of the prompts"),
        noted("A sample of hashes of the prompts: it shows how much two sets have in common."),
    ),
    "protocol": FieldWords(noted("Protocol"), noted("How the work was to be done.")),
    "purpose": FieldWords(noted("Purpose"), noted("Why the work was done.")),
    "samples.completed": FieldWords(noted("Samples completed"), noted("How many were finished.")),
    "samples.total": FieldWords(noted("Samples in all"), noted("How many there were to do.")),
    "source": FieldWords(noted("Source record"), noted("The raw record this was made from.")),
    "title": FieldWords(noted("Title"), noted("What its author calls it.")),
    "tokens.input": FieldWords(noted("Tokens in"), noted("Tokens that went into the model.")),
    "tokens.output": FieldWords(noted("Tokens out"), noted("Tokens that the model produced.")),
}


_PARTS: Final[Mapping[str, str]] = {
    "bytes": noted("Bytes"),
    "completions": noted("Completions"),
    "content_access": noted("Access to the content"),
    "count": noted("Number"),
    "descriptor": noted("Content"),
    "digest": noted("Digest"),
    "distinct_count": noted("Number of different ones"),
    "hashes": noted("Hashes"),
    "kind": noted("Kind"),
    "media_type": noted("Media type"),
    "n": noted("Sample size"),
    "name": noted("Name"),
    "output_type": noted("Form of the answers"),
    "per_prompt_histogram": noted("Answers per prompt"),
    "prompts": noted("Prompts"),
    "record_digest": noted("Digest of the record"),
    "record_id": noted("Number of the record"),
    "scale": noted("One in so many"),
    "sha256": noted("SHA-256"),
    "stderr": noted("Standard error"),
    "system": noted("System"),
    "uri": noted("Address"),
    "value": noted("Value"),
}
"""Keys inside of the values of fields."""

CODED: Final = frozenset({"content_access", "output_type"})
"""Those whose values are codes."""


def label(code: str) -> str:
    """The words for a code in the language in use; the code itself where it has none."""
    words = _CODES.get(code)
    return gettext(words) if words else code.replace("_", " ")


def accelerator(code: str) -> str:
    """What a kind of GPU is called, by its maker: NVIDIA H200; the code itself for others."""
    maker, _, name = code.partition("_")
    known = _MAKERS.get(maker)
    return f"{known} {name.replace('_', ' ').upper()}" if known and name else code


def kind_label(kind: str) -> str:
    """The words for a kind of entry."""
    words = _KINDS.get(kind)
    return gettext(words) if words else label(kind)


def rule(number: int) -> str:
    """What a rule of the charter says, in a few words."""
    words = RULES.get(number)
    return gettext(words) if words else str(number)


def field_label(path: str) -> str:
    """What a field is called."""
    words = _FIELDS.get(path)
    # A correction names a field in its author's own words.
    return gettext(words.label) if words else shown(path)


def part_label(key: str) -> str:
    """What a part of a field's value is called; its key in plain form where it has no words."""
    words = _PARTS.get(key)
    return gettext(words) if words else key.replace("_", " ")


def field_meaning(path: str) -> str:
    """What a field means; empty where that is not known."""
    words = _FIELDS.get(path)
    return gettext(words.meaning) if words else ""
