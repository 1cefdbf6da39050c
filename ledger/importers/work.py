"""The classes of work that a replay assigns, how often, and what each says about gradients."""

from dataclasses import dataclass
from typing import Final

from schemas.charter import Workload
from schemas.statements import GradientScope, OptimizerTarget


@dataclass(frozen=True, slots=True)
class Work:
    """One allowed workload: ``weight`` is how often it is drawn, out of the sum of all."""

    workload: Workload
    weight: int
    title: str
    gradient_scope: GradientScope = GradientScope.NONE
    optimizer_targets: tuple[OptimizerTarget, ...] = ()


_SAE: Final = (GradientScope.AUXILIARY_ONLY, (OptimizerTarget.AUXILIARY_SAE,))
_PROBE: Final = (GradientScope.AUXILIARY_ONLY, (OptimizerTarget.AUXILIARY_PROBE,))
_INPUTS: Final = GradientScope.INPUTS
_ACTIVATIONS: Final = GradientScope.ACTIVATIONS

WORK: Final = (
    Work(Workload.FORWARD_PASS, 6, "Log-probabilities on a held-out corpus"),
    Work(Workload.ACTIVATION_CAPTURE, 12, "Residual stream activations of every fourth layer"),
    Work(Workload.ACTIVATION_PATCHING, 7, "Attribution patching of refusals", _ACTIVATIONS),
    Work(Workload.ACTIVATION_STEERING, 7, "Steering along a sycophancy direction"),
    Work(Workload.ATTENTION_PROBE, 4, "Induction heads under paraphrase"),
    Work(Workload.LINEAR_PROBE, 10, "Linear probes for deception", *_PROBE),
    Work(Workload.SAE_TRAINING, 8, "Sparse autoencoder on one layer's residuals", *_SAE),
    Work(Workload.SAE_ANALYSIS, 9, "Features that fire on evaluation awareness"),
    Work(Workload.RED_TEAM_PROMPTING, 11, "Adversarial suffixes against refusals", _INPUTS),
    Work(Workload.EVAL_SUITE, 14, "Safety evaluation suite, full run"),
    Work(Workload.CAPABILITY_ELICITATION_PROMPTING, 5, "Elicitation of hidden capabilities"),
    Work(Workload.MONITOR_EVALUATION, 4, "Chain-of-thought monitor on agent transcripts"),
    Work(Workload.REPRODUCTION, 3, "Reproduction of another member's published result"),
)
"""Every allowed workload."""
