"""What an importer learns of one job, and what it found on the way: other tools' words left behind.

A finding has a code, a place in the file and fixed words. It never repeats what stands there.
"""

from dataclasses import dataclass, field
from typing import Any, Final

from ledger.records.charter import Code
from schemas.charter import Workload
from schemas.statements import ExitStatus, GradientScope, OptimizerTarget


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a finding's code means and what to do; ``rule``: what the charter will say to it."""

    means: str
    do: str
    rule: Code | None = None
    red: bool = False


_IF_WRONG: Final = "if that is wrong, put the true value into the draft before you sign it"
MEANINGS: Final[dict[str, Meaning]] = {
    "peft_loaded": Meaning(
        "an adapter was loaded on the model: the draft says adapter_training",
        _IF_WRONG, Code.R1_FORBIDDEN_WORKLOAD, red=True,
    ),
    "delta_loaded": Meaning(
        "a weight delta was added to the model: the draft says weight_edit",
        _IF_WRONG, Code.R1_FORBIDDEN_WORKLOAD, red=True,
    ),
    "lora_settings": Meaning(
        "settings of LoRA training are given: the draft says lora",
        _IF_WRONG, Code.R1_FORBIDDEN_WORKLOAD, red=True,
    ),
    "optimizer_settings": Meaning(
        "settings of an optimizer are given, and nothing names an auxiliary model that it updates: "
        "the draft's optimizer targets name uploaded_model",
        "if it updates a probe or an SAE, say so in optimizer_targets before you sign",
        Code.R1_OPTIMIZER_ON_UPLOADED_MODEL, red=True,
    ),
    "optimizer_on_model": Meaning(
        "an optimizer target is not an auxiliary model: the draft names uploaded_model",
        _IF_WRONG, Code.R1_OPTIMIZER_ON_UPLOADED_MODEL, red=True,
    ),
    "gradients_of_weights": Meaning(
        "the gradient scope is none that the ledger knows: the draft says other_optimizer_step",
        "use none, inputs, activations or auxiliary_only, " + _IF_WRONG,
        Code.R1_FORBIDDEN_WORKLOAD, red=True,
    ),
    "forbidden_workload": Meaning(
        "the job says itself that it does what the charter forbids",
        "sign it as it is: it will be logged and rejected",
        Code.R1_FORBIDDEN_WORKLOAD, red=True,
    ),
    "writable_model_volume": Meaning(
        "a volume with a model is mounted writable: the draft says nothing of unchanged weights",
        "mount it readOnly; or compare digests before and after, and fill in weights_unchanged and "
        "weights_check = oms_root yourself",
        Code.R1_DIGEST_MISMATCH, red=True,
    ),
    "check_rejected": Meaning("an admission check rejected the workload", "see why it did"),
    "missing": Meaning(
        "the file does not say it, and the draft lacks it", "put it into --defaults or the draft"
    ),
    "assumed": Meaning("this comes from --defaults or the tool's nature", "see that it is true"),
    "free_text": Meaning(
        "people wrote this, and the draft has it", "take out names and paths before you sign"
    ),
    "left_out": Meaning(
        "not in a form that is taken: a path, or another name than the ledger's",
        "fill in the draft's field by hand",
    ),
    "gpu_slice": Meaning("a slice of a GPU is not a GPU", "fill in gpu_count by hand"),
    "gpus_disagree": Meaning("two counts of the GPUs differ; the draft has the larger", "look"),
    "several_periods": Meaning(
        "the job ran in several periods and the file has the last one alone",
        "import what knows them all (sacct --duplicates), or add the drafts by hand",
    ),
    "still_running": Meaning("the job had not ended", "import it again when it has"),
    "state_unknown": Meaning("how it ended is not said in a way that is known", "add the ending"),
}  # fmt: skip
SKIPPED: Final[dict[str, str]] = {
    "no_gpu": "a job without a GPU is not in the ledger's scope",
    "seen_before": "this job stands in the file before",
    "times_out_of_order": "it ended before it started",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to know about a job: ``about`` is a field of a draft, or empty."""

    code: str
    place: str
    about: str = ""

    @property
    def meaning(self) -> Meaning:
        """What the code means and what to do."""
        return MEANINGS[self.code]


@dataclass(frozen=True, slots=True)
class Skipped:
    """One record that becomes no draft."""

    reason: str
    place: str


@dataclass(frozen=True, slots=True)
class Period:
    """One period of running, in seconds since 1970; no end: it still runs."""

    started_at: int
    ended_at: int | None = None
    exit_status: ExitStatus | None = None


@dataclass(slots=True)
class Facts:
    """One job. None: the record does not say it."""

    system: str
    place: str
    digest: str
    """SHA-256 of the record as it stands in the file, hex."""
    record_id: str | None = None
    submitted_at: int | None = None
    workload: Workload | None = None
    gradient_scope: GradientScope | None = None
    optimizer_targets: tuple[OptimizerTarget, ...] | None = None
    accelerator: str | None = None
    gpu_count: int | None = None
    wall_limit_seconds: int | None = None
    periods: list[Period] = field(default_factory=list)
    ended_at: int | None = None
    """Also of a job that never started."""
    exit_status: ExitStatus | None = None
    """None: it has not ended, or nobody knows how."""
    wall_seconds: int | None = None
    """Where the tool says it; else what the periods add up to."""
    asks_only: bool = False
    """The tool asks a model and scores its answers: no gradients, no optimizer."""
    weights_in_doubt: bool = False
    submission: dict[str, Any] = field(default_factory=dict)
    """Sealed paths of job-submitted/1."""
    outcome: dict[str, Any] = field(default_factory=dict)
    """Sealed paths of job-ended/1."""
    findings: list[Finding] = field(default_factory=list)

    def found(self, code: str, place: str, about: str = "") -> None:
        """Add a finding, once."""
        finding = Finding(code, place, about)
        if finding not in self.findings:
            self.findings.append(finding)
