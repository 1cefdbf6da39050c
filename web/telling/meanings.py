"""What the codes mean, in a sentence or two for somebody who reads them for the first time.

The words for a code are in ``labels``; here is what stands behind it, for the vocabulary that has
it (``vocabulary.code_meaning``). Marked for the catalogue, translated where they are shown. This
module judges no job and knows no count and no ledger.
"""

from collections.abc import Mapping
from typing import Final

from web.i18n import noted

WORKLOADS: Final[Mapping[str, str]] = {
    "forward_pass": noted(
        "The model reads inputs and answers, and nothing else is done with it. Every other kind of"
        " work begins with this."
    ),
    "activation_capture": noted(
        "While the model works, the numbers inside it are recorded, so that they can be studied"
        " afterwards."
    ),
    "activation_patching": noted(
        "Numbers from one run are put into another one, to find out which part of the model is"
        " responsible for an answer."
    ),
    "activation_steering": noted(
        "The numbers inside the model are pushed in one direction while it works, and the change"
        " in its answers is watched. The weights stay as they are."
    ),
    "attention_probe": noted(
        "Looks at which parts of its input the model attends to when it forms an answer."
    ),
    "linear_probe": noted(
        "Trains a small, separate classifier to read from the numbers inside the model whether it"
        " holds some piece of knowledge."
    ),
    "sae_training": noted(
        "Trains a separate small model that takes the numbers inside the large one apart into"
        " pieces that people can name. It stays on the cluster."
    ),
    "sae_analysis": noted(
        "Uses a sparse autoencoder that was trained before to see what the model is thinking of."
    ),
    "red_team_prompting": noted(
        "Attacks the model with prompts: can it be talked into what it should refuse?"
    ),
    "eval_suite": noted(
        "Puts a fixed set of questions or tasks to the model and scores the answers."
    ),
    "capability_elicitation_prompting": noted(
        "Tries by prompting alone how much the model can do at its best, dangerous skills included."
    ),
    "monitor_evaluation": noted(
        "Tests the watchman: does a system that watches over the model notice when it misbehaves?"
    ),
    "reproduction": noted("Repeats work that somebody has reported, to see if it comes out again."),
    "sft": noted("Trains the model on examples of the answers that are wanted."),
    "dpo": noted("Trains the model on pairs of answers of which one was preferred."),
    "rlhf": noted("Trains the model by reward, where people say which answers are good."),
    "rlaif": noted("Trains the model by reward, where another model says which answers are good."),
    "lora": noted("Trains small matrices that are added to the weights: the model changes."),
    "qlora": noted("The same on weights that are stored with fewer digits."),
    "adapter_training": noted("Trains small layers that are put between those of the model."),
    "soft_prompt_training": noted("Trains numbers that stand before every prompt and steer it."),
    "continued_pretraining": noted("Goes on with the model's first training, on more text."),
    "weight_edit": noted("Changes chosen weights directly, for example to replace a fact."),
    "quantize_and_export": noted(
        "Stores the weights with fewer digits and carries them away: a copy leaves the cluster."
    ),
    "other_optimizer_step": noted("Any other training that changes the uploaded model."),
}

STATES: Final[Mapping[str, str]] = {
    "submitted": noted("In the log, and not judged yet."),
    "admitted": noted("Judged and free to run; it has not begun."),
    "rejected": noted("A rule of the charter found something, so it never runs."),
    "started": noted("Running now."),
    "interrupted": noted("Stopped for the moment; it is to go on."),
    "completed": noted("Ran to its end."),
    "failed": noted("Ended with an error."),
    "cancelled": noted("Called off before its end."),
    "terminated_by_policy": noted("Stopped because it broke a rule while it ran."),
}

ROLES: Final[Mapping[str, str]] = {
    "member": noted(
        "A laboratory of the consortium. It submits jobs, and may open its own records early."
    ),
    "orchestrator": noted(
        "The system that gives jobs their machines. It signs when a run began, how it ended and"
        " whether the weights were the same afterwards."
    ),
    "gateway": noted("The only way out of the cluster. It signs how many bytes a job let out."),
    "committee": noted(
        "May keep single dangerous fields closed past their deadline, in public, with a reason"
        " and a day of review."
    ),
    "council": noted(
        "Decides who may speak in the log, and what the charter says: it adds keys and retires"
        " them, and signs each version of the rules."
    ),
    "operator": noted("Runs the machines and this log."),
}

CHECKS: Final[Mapping[str, str]] = {
    "oms_root": noted(
        "The cluster hashed every file of the model before the job and again after it, and put"
        " each set of hashes under one digest in the manner of OpenSSF Model Signing. Equal digests"
        " mean equal weights, down to the last bit."
    ),
    "readonly_mount": noted(
        "The weights lay on a disk that the job could read and not write. The cluster attests that"
        " it stayed so from start to end."
    ),
    "tee_attestation": noted(
        "The job ran inside hardware that measures what is loaded into it and signs the measurement"
        " with a key of its maker. The signed measurements before and after name the same weights."
    ),
}
"""How it was established that the weights are what they were, by ``weights_check``."""

FINDINGS: Final[Mapping[str, str]] = {
    "R1_weight_delta": noted(
        "What was to run could have written to the weights, or was to carry a change of them."
        " On this cluster models are studied, never changed."
    ),
    "R1_optimizer_on_uploaded_model": noted(
        "The submission asks to train the uploaded model itself. Separate probes and autoencoders"
        " may be trained beside it; the model may not."
    ),
    "R1_forbidden_workload": noted(
        "This kind of work ends in a changed model or carries one away. The charter lists such"
        " kinds by name and allows none of them."
    ),
    "R1_digest_mismatch": noted(
        "The weights after the run were not those from before it. The job is quarantined: nothing"
        " that it made is handed out."
    ),
    "R2_egress_ceiling": noted(
        "More was to leave than a ceiling allows: in the submission already, or when the bytes"
        " came to the door. A ceiling keeps weights from being carried away in pieces."
    ),
    "R2_unmetered_egress": noted(
        "Something was to leave that nobody would have counted: the submission sets no ceiling, or"
        " what came to the door had no size or form that can be metered."
    ),
    "R3_missing_record": noted(
        "What was to start showed no receipt, one that had been used or had expired, or one of"
        " another job. Without a record there is no run."
    ),
    "R3_private_run_requested": noted(
        "The submission asks to run without a public record. There is no such run on this cluster."
    ),
    "Q_quota": noted(
        "It asks for more than there is, or than the charter lets one job or one member have."
    ),
    "Q_malformed": noted(
        "What it says in one place does not go with what it says in another, or it names something"
        " that the charter does not know."
    ),
}
"""Why a submission is rejected, a start refused, or a run objected to, by the code."""
