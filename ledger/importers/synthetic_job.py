"""One invented job: what its member, the orchestrator and the gateway would have said.

Everything here is invented and says so in the sealed texts; the public side is labelled by the
log's origin and by the authors' titles. Values are drawn from the job's name and are of a
plausible size, nothing more.
"""

from hashlib import sha256
from typing import Any, Final

from ledger.importers.draw import Draw
from ledger.importers.signing import Desk
from ledger.importers.simulation import Event
from ledger.importers.ulid import RANDOM_BYTES, ulid
from ledger.importers.work import WORK, Work
from ledger.records.deadline import format_time
from schemas.statements import Role

LABEL: Final = "Synthetic demonstration record: no such job ran, no such model exists."
EGRESS_CEILINGS: Final = (10**7, 10**8, 10**9, 10**10, 10**11)
WALL_LIMITS_S: Final = (1_800, 3_600, 14_400, 43_200, 86_400, 259_200, 604_800)
MEMBER_WEIGHTS: Final = {
    "deepseek": 20,
    "qwen": 17,
    "anthropic": 16,
    "google-deepmind": 15,
    "openai": 14,
    "zhipu": 10,
    "moonshot": 8,
}
GPU_WEIGHTS: Final = {
    1: 16, 2: 8, 4: 12, 8: 26, 16: 12, 32: 9, 64: 7, 128: 5, 256: 3, 512: 1, 1_024: 1,
}  # fmt: skip
ACCELERATORS: Final = {
    "nvidia_h200": (60, 1_000),
    "nvidia_h100": (25, 1_000),
    "nvidia_b200": (10, 2_275),
    "nvidia_a100_80gb": (5, 315),
}
"""Slug: how often it is drawn, and its worth in thousandths of an H200."""
H200E_BASIS: Final = "h200e/1: dense FP16 peak by data sheet, H200 SXM = 1 (H100 1, B200 2.275)"
MODEL_SIZES: Final = {"8b": 8 * 10**9, "70b": 70 * 10**9, "600b": 600 * 10**9}
JOULES_PER_GPU_SECOND: Final = 600


class SyntheticJob:
    """Builds the statements of one job, each at the time it is given; ``events`` collects them."""

    def __init__(self, desk: Desk, name: str, submitted_at: int) -> None:
        self.desk = desk
        self.name = name
        self.submitted_at = submitted_at
        self.events: list[Event] = []
        draw = self.draw = Draw(name)
        self.member: str = draw.weigh(MEMBER_WEIGHTS)
        self.work: Work = draw.weigh({each: each.weight for each in WORK})
        self.gpu_count: int = draw.weigh(GPU_WEIGHTS)
        weights = {slug: weight for slug, (weight, _worth) in ACCELERATORS.items()}
        self.accelerator: str = draw.weigh(weights)
        self.size: str = draw.pick(tuple(MODEL_SIZES))
        self.ceiling: int = draw.pick(EGRESS_CEILINGS)
        self.job_id = ulid(self.submitted_at * 1_000, draw.bytes()[:RANDOM_BYTES])

    def submit(self, *, wall_s: int, **changed: Any) -> Event:  # noqa: ANN401 - public fields of any kind
        """The member's submission; ``changed`` replaces public fields, which is how it errs."""
        limits = [limit for limit in WALL_LIMITS_S if limit >= wall_s]
        public = {
            "workload_type": self.work.workload.value,
            "gradient_scope": self.work.gradient_scope.value,
            "optimizer_targets": [target.value for target in self.work.optimizer_targets],
            "accelerator": self.accelerator,
            "gpu_count": self.gpu_count,
            "wall_limit_seconds": limits[0] if limits else wall_s,
            "egress_ceiling_bytes": self.ceiling,
        }
        sealed = self._sealed_submission()
        return self._say(
            self.member, "submitted", "job-submitted/1", self.submitted_at, public | changed, sealed
        )

    def start(self, at: int) -> Event:
        """The orchestrator began a period of running."""
        public = {"started_at": format_time(at), "gpu_count": self.gpu_count}
        return self._say(Role.ORCHESTRATOR, "started", "job-started/1", at, public)

    def interrupt(self, at: int, exit_status: str) -> Event:
        """A period of running ended and another is to follow."""
        public = {"ended_at": format_time(at), "exit_status": exit_status}
        return self._say(Role.ORCHESTRATOR, "interrupted", "job-interrupted/1", at, public)

    def carry_out(self, at: int) -> Event:
        """The gateway's figures, within what was allowed."""
        public = {
            "egress_bytes": self.draw.below(self.ceiling),
            "artifact_count": self.draw.between(1, 6),
        }
        return self._say(Role.GATEWAY, "egress", "job-egress/1", at, public)

    def end(
        self, at: int, kind: str, exit_status: str, *, started_at: int | None, wall_s: int
    ) -> Event:
        """The run is over; ``wall_s`` is the sum of its periods, 0 where it never started."""
        gpu_s = wall_s * self.gpu_count
        public = {
            "started_at": None if started_at is None else format_time(started_at),
            "ended_at": format_time(at),
            "wall_seconds": wall_s,
            "gpu_seconds": gpu_s,
            "h200e_seconds": -(-gpu_s * ACCELERATORS[self.accelerator][1] // 1_000),
            "h200e_basis": H200E_BASIS,
            "exit_status": exit_status,
            "weights_unchanged": True,
            "weights_check": self.draw.pick(("oms_root", "readonly_mount", "tee_attestation")),
        }
        sealed = self._sealed_outcome(gpu_s, whole=kind == "completed")
        return self._say(Role.ORCHESTRATOR, kind, "job-ended/1", at, public, sealed)

    def open_early(self, at: int, about: Event, *, author: str) -> Event:
        """The author of a sealed entry opens it before its deadline."""
        return self._say(author, "open", "job-open/1", at, {}, None, about, "discloses")

    def correct(self, at: int, about: Event, *, field_name: str, value: str) -> Event:
        """The orchestrator says what a figure of its own should have been."""
        public = {
            "field": field_name,
            "value": value,
            "reason": "The meter was read twice for one node (synthetic).",
        }
        orchestrator = Role.ORCHESTRATOR.value
        return self._say(
            orchestrator, "corrected", "job-corrected/1", at, public, None, about, "corrects"
        )

    def withhold(self, at: int, about: Event, *, paths: list[str], review_by: int) -> Event:
        """The committee keeps fields of one entry closed past its deadline."""
        public = {
            "paths": paths,
            "basis": "unpatched_vulnerability",
            "review_by": format_time(review_by),
        }
        committee = Role.COMMITTEE.value
        return self._say(
            committee, "withheld", "job-withheld/1", at, public, None, about, "withholds"
        )

    def _say(  # noqa: PLR0917 - one line a statement above is what keeps them readable
        self,
        author: str,
        kind: str,
        schema: str,
        at: int,
        public: dict[str, Any],
        sealed: dict[str, Any] | None = None,
        about: Event | None = None,
        reference: str | None = None,
    ) -> Event:
        event = self.desk.event(
            author=str(author),
            kind=kind,
            schema=schema,
            job_id=self.job_id,
            at=at,
            public=public,
            sealed=sealed,
            about=about,
            reference=reference,
        )
        self.events.append(event)
        return event

    def _sealed_submission(self) -> dict[str, Any]:
        model = f"{self.member}-synthetic-{self.size}"
        count = self.draw.between(100, 50_000)
        return {
            "title": self.work.title,
            "purpose": f"{LABEL} {self.work.title}, on {model}.",
            "protocol": f"{LABEL} Weights mounted read-only; outputs leave through the gateway.",
            "model.name": model,
            "model.revision": f"r{self.draw.between(1, 40)}",
            "model.parameter_count": MODEL_SIZES[self.size],
            "model.dtype": self.draw.pick(("bf16", "fp8")),
            "model.weights_digest": _digest(f"weights of {model}"),
            "code": {"digest": _digest(f"code of {self.work.workload}"), "name": "run.py"},
            "container": {"digest": _digest(f"container of {self.work.workload}")},
            "prompts": {
                "descriptor": {"digest": _digest(f"prompts of {self.name}")},
                "count": count,
                "distinct_count": count - self.draw.below(count // 10),
                "content_access": self.draw.pick(("public", "on_request", "closed")),
            },
        }

    def _sealed_outcome(self, gpu_s: int, *, whole: bool) -> dict[str, Any]:
        total = self.draw.between(500, 40_000)
        samples = total if whole else self.draw.below(total)
        tokens = samples * self.draw.between(200, 3_000)
        model = f"{self.member}-synthetic-{self.size}"
        outcome: dict[str, Any] = {
            "energy_joules": gpu_s * JOULES_PER_GPU_SECOND,
            "model.weights_digest_after": _digest(f"weights of {model}"),
            "samples.completed": samples,
            "samples.total": total,
            "tokens.input": tokens,
            "tokens.output": tokens // self.draw.between(2, 9),
        }
        if whole:
            outcome["metrics"] = [
                {
                    "name": "synthetic_score",
                    "value": f"0.{self.draw.between(1_000, 9_999)}",
                    "stderr": f"0.0{self.draw.between(100, 999)}",
                    "n": samples,
                }
            ]
            outcome["artifacts"] = [
                {
                    "digest": _digest(f"results of {self.name}"),
                    "name": "results.jsonl",
                    "kind": "results",
                    "bytes": self.draw.between(10**4, 10**7),
                    "content_access": "on_request",
                }
            ]
        return outcome


def _digest(text: str) -> dict[str, str]:
    return {"sha256": sha256(f"synthetic: {text}".encode()).hexdigest()}
