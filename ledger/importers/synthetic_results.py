"""What invented runs come to: metrics, answers, and the files that leave the cluster.

The sizes of a run's artifacts add up to what the gateway says that it let out.
"""

from collections.abc import Mapping
from typing import Any, Final

from ledger.importers.draw import Draw
from ledger.importers.synthetic_models import Model, digest
from schemas.charter import Workload

JOULES_PER_GPU_SECOND: Final = 600
_METRICS: Final[Mapping[Workload, tuple[str, ...]]] = {
    Workload.FORWARD_PASS: ("perplexity",),
    Workload.ACTIVATION_CAPTURE: ("activations_stored",),
    Workload.ACTIVATION_PATCHING: ("logit_difference_recovered", "heads_above_threshold"),
    Workload.ACTIVATION_STEERING: ("behaviour_rate_before", "behaviour_rate_after", "mmlu_change"),
    Workload.ATTENTION_PROBE: ("induction_score",),
    Workload.LINEAR_PROBE: ("auroc", "accuracy", "auroc_out_of_distribution"),
    Workload.SAE_TRAINING: ("explained_variance", "l0", "dead_features"),
    Workload.SAE_ANALYSIS: ("features_found", "auroc_of_best_feature"),
    Workload.RED_TEAM_PROMPTING: ("attack_success_rate", "tries_to_first_success"),
    Workload.EVAL_SUITE: ("score", "refusal_rate", "harmful_answer_rate"),
    Workload.CAPABILITY_ELICITATION_PROMPTING: ("best_of_64", "pass_at_1"),
    Workload.MONITOR_EVALUATION: ("recall", "false_positive_rate"),
    Workload.REPRODUCTION: ("auroc", "difference_from_published"),
}
_CHANGES: Final = frozenset({"mmlu_change", "difference_from_published"})
_COUNTED: Final = frozenset(
    {"activations_stored", "heads_above_threshold", "l0", "dead_features", "features_found",
     "tries_to_first_success"}
)  # fmt: skip
_FILES: Final[Mapping[Workload, tuple[tuple[str, str], ...]]] = {
    Workload.FORWARD_PASS: (("logprobs.parquet", "results"),),
    Workload.ACTIVATION_CAPTURE: (
        ("activations-layer-08.safetensors", "activations"),
        ("activations-layer-24.safetensors", "activations"),
        ("activations-layer-40.safetensors", "activations"),
    ),
    Workload.ACTIVATION_PATCHING: (("patching.parquet", "results"), ("heads.svg", "figure")),
    Workload.ACTIVATION_STEERING: (("steering-vector.safetensors", "vector"),),
    Workload.ATTENTION_PROBE: (("attention-maps.parquet", "results"),),
    Workload.LINEAR_PROBE: (("probe.safetensors", "probe"), ("roc.svg", "figure")),
    Workload.SAE_TRAINING: (
        ("sae-131k.safetensors", "sae_weights"),
        ("training-curve.csv", "curve"),
    ),
    Workload.SAE_ANALYSIS: (("features.parquet", "results"), ("dashboard.html", "report")),
    Workload.RED_TEAM_PROMPTING: (("transcripts.jsonl.zst", "transcripts"),),
    Workload.EVAL_SUITE: (("results.jsonl", "results"), ("report.pdf", "report")),
    Workload.CAPABILITY_ELICITATION_PROMPTING: (("samples.jsonl.zst", "transcripts"),),
    Workload.MONITOR_EVALUATION: (("verdicts.jsonl", "results"),),
    Workload.REPRODUCTION: (("comparison.parquet", "results"), ("report.pdf", "report")),
}
_SMALL: Final = frozenset({"curve", "figure", "report"})
"""Kinds of files that stay small however much a job puts out."""
_CHINESE_REPORT: Final = "安全评测报告.pdf"
_SHARED: Final = ("environment.lock", "environment", 48_211)
"""A file that every job of a lab puts out with the same bytes."""
_ANSWERING: Final = frozenset(
    {Workload.RED_TEAM_PROMPTING, Workload.EVAL_SUITE, Workload.MONITOR_EVALUATION,
     Workload.CAPABILITY_ELICITATION_PROMPTING}
)  # fmt: skip


def artifacts(
    draw: Draw, workload: Workload, *, name: str, member: str, let_out: int, is_chinese: bool
) -> list[dict[str, Any]]:
    """The files of a job whose sizes make ``let_out`` bytes together."""
    files = list(_FILES[workload])
    if is_chinese:
        files = [(_CHINESE_REPORT if kind == "report" else file, kind) for file, kind in files]
    found: list[dict[str, Any]] = []
    left = let_out
    shared, kind, size = _SHARED
    if left > 2 * size and draw.permille(500):
        found.append(_artifact(shared, kind, size, digest(f"{shared} of {member}"), "public"))
        left -= size
    large = [each for each in files if each[1] not in _SMALL]
    for file, kind in files:
        if kind in _SMALL:
            size = min(left // 20, draw.between(20_000, 20_000_000))
            left -= size
            found.append(_artifact(file, kind, size, digest(f"{file} of {name}"), _access(draw)))
    for at, (file, kind) in enumerate(large):
        size = left if at == len(large) - 1 else left * draw.between(25, 45) // 100
        left -= size
        found.append(_artifact(file, kind, size, digest(f"{file} of {name}"), _access(draw)))
    return found


def _access(draw: Draw) -> str:
    return draw.pick(("public", "public", "on_request", "closed"))


def _artifact(name: str, kind: str, size: int, of: dict[str, str], access: str) -> dict[str, Any]:
    return {"digest": of, "name": name, "kind": kind, "bytes": size, "content_access": access}


def outcome(
    draw: Draw,
    workload: Workload,
    model: Model,
    *,
    gpu_seconds: int,
    whole: bool,
    put_out: list[dict[str, Any]] | None,
    weights_after: dict[str, str] | None = None,
) -> dict[str, Any]:
    """The sealed fields of the end of a run; ``whole``: it came to its end.

    ``weights_after`` is the digest of weights that are not what they were.
    """
    total = draw.between(500, 40_000)
    samples = total if whole else draw.below(total)
    tokens = samples * draw.between(200, 3_000)
    found: dict[str, Any] = {
        "energy_joules": gpu_seconds * JOULES_PER_GPU_SECOND,
        "model.weights_digest_after": weights_after or model.digest,
        "samples.completed": samples,
        "samples.total": total,
        "tokens.input": tokens,
        "tokens.output": tokens // draw.between(2, 9),
    }
    if whole:
        found["metrics"] = [_metric(draw, name, samples) for name in _METRICS[workload]]
        if workload in _ANSWERING:
            found["completions"] = _completions(draw, samples)
    if put_out:
        found["artifacts"] = put_out
    return found


def _metric(draw: Draw, name: str, samples: int) -> dict[str, Any]:
    if name in _COUNTED:
        return {"name": name, "value": str(draw.between(12, 4_000))}
    whole = draw.between(3, 14) if name == "perplexity" else 0
    sign = draw.pick(("", "-")) if name in _CHANGES else ""
    hundredths = f"00{draw.between(10, 99)}" if name in _CHANGES else draw.between(1_000, 9_999)
    return {
        "name": name,
        "value": f"{sign}{whole}.{hundredths}",
        "stderr": f"0.00{draw.between(10, 99)}",
        "n": samples,
    }


def _completions(draw: Draw, prompts: int) -> dict[str, Any]:
    several = prompts // draw.between(4, 20)
    bins = [{"completions": 1, "prompts": prompts - several}]
    if several:
        bins.append({"completions": 5, "prompts": several})
    return {
        "count": sum(each["completions"] * each["prompts"] for each in bins),
        "output_type": draw.pick(("none", "scalar", "scalar", "pairwise", "ranking")),
        "per_prompt_histogram": bins,
    }
