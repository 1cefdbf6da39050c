"""One invented job: what its member, the orchestrator and the gateway would have said.

Everything here is invented and says so in the sealed texts; the public side is labelled by the
log's origin and by the authors' titles. Values are drawn from the job's name and are of a
plausible size, nothing more.
"""

from typing import Any, Final

from ledger.importers import synthetic_results
from ledger.importers.draw import Draw
from ledger.importers.signing import Desk
from ledger.importers.simulation import Event
from ledger.importers.synthetic_models import (
    ACCELERATORS,
    H200E_BASIS,
    MEMBER_WEIGHTS,
    Model,
    digest,
    draw_model,
)
from ledger.importers.synthetic_words import CHINESE_MEMBERS, REASONS, words
from ledger.importers.ulid import RANDOM_BYTES, ulid
from ledger.importers.work import WORK, Work
from ledger.records.deadline import format_time
from schemas.charter import Workload
from schemas.statements import Role

EGRESS_CEILINGS: Final = (10**7, 10**8, 10**9)
LARGE_CEILINGS: Final = (10**10, 10**11, 5 * 10**11)
LARGE: Final = frozenset({Workload.ACTIVATION_CAPTURE, Workload.SAE_TRAINING})
"""Kinds of work that put out gigabytes."""
NEAR_CEILING_PERMILLE: Final = 90
WALL_LIMITS_S: Final = (1_800, 3_600, 14_400, 43_200, 86_400, 259_200, 604_800)
GPU_WEIGHTS: Final = {
    1: 16, 2: 8, 4: 12, 8: 26, 16: 12, 32: 9, 64: 7, 128: 5, 256: 3, 512: 1, 1_024: 1,
}  # fmt: skip
CHECKS: Final = {"oms_root": 60, "readonly_mount": 28, "tee_attestation": 12}


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
        self.model: Model = draw_model(draw, self.member)
        is_large = self.work.workload in LARGE
        self.ceiling: int = draw.pick(LARGE_CEILINGS if is_large else EGRESS_CEILINGS)
        self.job_id = ulid(self.submitted_at * 1_000, draw.bytes()[:RANDOM_BYTES])
        self._put_out: list[dict[str, Any]] = []

    def limit_s(self, wall_s: int) -> int:
        """The time limit that is asked for where a run of ``wall_s`` is expected."""
        limits = [limit for limit in WALL_LIMITS_S if limit >= wall_s]
        return limits[0] if limits else wall_s

    def submit(self, *, wall_s: int, **changed: Any) -> Event:  # noqa: ANN401 - public fields of any kind
        """The member's submission; ``changed`` replaces public fields, which is how it errs."""
        public = {
            "workload_type": self.work.workload.value,
            "gradient_scope": self.work.gradient_scope.value,
            "optimizer_targets": [target.value for target in self.work.optimizer_targets],
            "accelerator": self.accelerator,
            "gpu_count": self.gpu_count,
            "wall_limit_seconds": self.limit_s(wall_s),
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
        """The gateway's figures, within what was allowed, and now and then just within."""
        draw = self.draw
        permille = draw.between(880, 998) if draw.permille(NEAR_CEILING_PERMILLE) else None
        let_out = draw.below(self.ceiling) if permille is None else self.ceiling * permille // 1_000
        self._put_out = synthetic_results.artifacts(
            draw,
            self.work.workload,
            name=self.name,
            member=self.member,
            let_out=let_out,
            is_chinese=self.member in CHINESE_MEMBERS,
        )
        public = {"egress_bytes": let_out, "artifact_count": len(self._put_out)}
        return self._say(Role.GATEWAY, "egress", "job-egress/1", at, public)

    def end(
        self,
        at: int,
        kind: str,
        exit_status: str,
        *,
        started_at: int | None,
        wall_s: int,
        weights_changed: bool = False,
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
            "weights_unchanged": not weights_changed,
            "weights_check": "oms_root" if weights_changed else self.draw.weigh(CHECKS),
        }
        sealed = synthetic_results.outcome(
            self.draw,
            self.work.workload,
            self.model,
            gpu_seconds=gpu_s,
            whole=kind == "completed",
            put_out=self._put_out,
            weights_after=digest(f"other weights of {self.name}") if weights_changed else None,
        )
        return self._say(Role.ORCHESTRATOR, kind, "job-ended/1", at, public, sealed)

    def open_early(self, at: int, about: Event, *, author: str) -> Event:
        """The author of a sealed entry opens it before its deadline."""
        return self._say(author, "open", "job-open/1", at, {}, None, about, "discloses")

    def correct(self, at: int, about: Event, *, author: str, field_name: str, value: str) -> Event:
        """The author of an entry says what a figure of its own should have been."""
        public = {"field": field_name, "value": value, "reason": REASONS[field_name]}
        return self._say(
            author, "corrected", "job-corrected/1", at, public, None, about, "corrects"
        )

    def withhold(
        self, at: int, about: Event, *, paths: list[str], basis: str, review_by: int
    ) -> Event:
        """The committee keeps fields of one entry closed past its deadline."""
        public = {"paths": paths, "basis": basis, "review_by": format_time(review_by)}
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
        draw, model = self.draw, self.model
        told = words(draw, self.work.workload, member=self.member, model=model.name)
        count = draw.between(100, 50_000)
        workload = self.work.workload
        return {
            "title": told.title,
            "purpose": told.purpose,
            "protocol": told.protocol,
            "model.name": model.name,
            "model.revision": model.revision,
            "model.parameter_count": model.parameters,
            "model.dtype": model.dtype,
            "model.weights_digest": model.digest,
            "code": {"digest": digest(f"code of {workload}"), "name": f"{workload}.py"},
            "container": {
                "digest": digest(f"container of {workload}"),
                "name": "safety-tools",
                "media_type": "application/vnd.oci.image.manifest.v1+json",
            },
            "prompts": {
                "descriptor": {
                    "digest": digest(f"prompts of {self.name}"),
                    "name": "prompts.jsonl",
                    "media_type": "application/jsonl",
                },
                "count": count,
                "distinct_count": count - draw.below(count // 10),
                "content_access": draw.pick(("public", "on_request", "closed")),
            },
        }
