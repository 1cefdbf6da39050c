"""An invented history: 150 days of a safety cluster, for the demonstration ledger.

Everything is drawn from the history's first second and the jobs' numbers, so the same history can
be made again, byte for byte, with the same keys and secret. It goes on past its end for as long as
jobs that run then still have something to say.
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Final

from ledger.importers.draw import Draw
from ledger.importers.signing import MEMBERS, Desk
from ledger.importers.simulation import Event
from ledger.importers.synthetic_job import SyntheticJob
from ledger.importers.work import WORK
from ledger.records.charter import EGRESS_CEILING_BYTES, GPU_TOTAL
from ledger.records.deadline import DAY_S
from schemas.charter import FORBIDDEN_WORKLOADS, Workload
from schemas.statements import GradientScope, OptimizerTarget, RegistryAction, Role, WithholdBasis

DAYS: Final = 150
JOBS: Final = 3_000
MINUTE_S: Final = 60
HOUR_S: Final = 3_600
REJECTED_PERMILLE: Final = 28
EARLY_PERMILLE: Final = 60
CORRECTED_PERMILLE: Final = 18
FATES: Final = {
    "completed": 862,
    "failed": 66,
    "interrupted": 34,
    "cancelled": 21,
    "cancelled before it started": 11,
    "terminated by policy": 6,
}
WITHHELD: Final = (
    (50, WithholdBasis.UNPATCHED_VULNERABILITY, ("prompts", "protocol")),
    (110, WithholdBasis.HAZARD_CYBER, ("prompts",)),
    (180, WithholdBasis.HAZARD_BIOLOGICAL, ("prompts", "purpose")),
    (450, WithholdBasis.UNPATCHED_VULNERABILITY, ("protocol",)),
    (650, WithholdBasis.HAZARD_OTHER, ("prompts",)),
)
"""What the committee keeps closed of some jobs that attack a model: of the first such one after so
many thousandths of all jobs."""
WITHHELD_KINDS: Final = frozenset(
    {Workload.RED_TEAM_PROMPTING, Workload.CAPABILITY_ELICITATION_PROMPTING}
)
RENEWED: Final = "zhipu"
"""The member whose key is replaced on the way."""
RENEWED_AFTER_S: Final = 62 * DAY_S
CHANGED: Final = next(each for each in WORK if each.workload is Workload.SAE_TRAINING)
"""The kind of work of the one job after which the weights were not what they had been."""
LIVE_EVERY_S: Final = 60
"""A live job is submitted every minute; its four statements come a quarter of it apart."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """What happens to one job beside what is drawn."""

    withheld: tuple[WithholdBasis, tuple[str, ...]] | None = None
    weights_changed: bool = False


def renewing(desk: Desk, *, start: int) -> Desk:
    """The desk of a history that begins at ``start``: one member gets a new key on the way."""
    return desk.replacing(RENEWED, since=start + RENEWED_AFTER_S + DAY_S)


def history_events(desk: Desk, *, start: int, days: int = DAYS, jobs: int = JOBS) -> list[Event]:
    """What was said in ``days`` from ``start`` on about ``jobs`` jobs, in the order of its times.

    Events after ``start + days`` are those of jobs that had not ended by then.
    """
    desk = renewing(desk, start=start)
    events = list(_renewal(desk, start=start))
    times = _times(start, days=days, jobs=jobs)
    coming = list(WITHHELD)
    next_changed: int | None = jobs // 4
    for number, at in enumerate(times):
        job = SyntheticJob(desk, f"history/{start}/{number}", at)
        plan = _Plan()
        is_next = bool(coming) and number >= jobs * coming[0][0] // 1_000
        if is_next and job.work.workload in WITHHELD_KINDS:
            _, basis, paths = coming.pop(0)
            plan = _Plan(withheld=(basis, paths))
        elif next_changed is not None and number >= next_changed and job.work == CHANGED:
            plan = _Plan(weights_changed=True)
            next_changed = None
        _live_through(job, plan)
        events += job.events
    return sorted(events, key=lambda event: event.at)


def live_events(desk: Desk, *, number: int) -> list[Event]:
    """A small job that runs within a minute, the one beginning at ``number * 60`` Unix seconds."""
    at = number * LIVE_EVERY_S
    job = SyntheticJob(desk, f"live/{number}", at)
    step_s = LIVE_EVERY_S // 4
    job.submit(wall_s=step_s)
    job.start(at + step_s)
    job.carry_out(at + 2 * step_s)
    job.end(at + 3 * step_s, "completed", "completed", started_at=at + step_s, wall_s=2 * step_s)
    return job.events


def _times(start: int, *, days: int, jobs: int) -> Iterator[int]:
    """When each job is submitted: more and more of them, and fewer on the days off."""
    weekday = start // DAY_S + 3
    weights = [
        (2 * days + 3 * day) * (4 if (weekday + day) % 7 >= 5 else 10) for day in range(days)
    ]
    ends = list(accumulate(weights))
    for number in range(jobs):
        jitter = Draw(f"history/{start}/{number}/when").below(1_000)
        place = (number * 1_000 + jitter) * ends[-1] // (jobs * 1_000)
        day = bisect_right(ends, place)
        begun = ends[day] - weights[day]
        yield start + day * DAY_S + (place - begun) * DAY_S // weights[day]


def _renewal(desk: Desk, *, start: int) -> Iterator[Event]:
    """A member gets a new key, and two days later its old one is retired."""
    old, new = desk.signers[RENEWED], desk.replaced[RENEWED]
    for action, vkey, at in (
        (RegistryAction.ADD, new.vkey, start + RENEWED_AFTER_S),
        (RegistryAction.RETIRE, old.vkey, start + RENEWED_AFTER_S + 2 * DAY_S),
    ):
        public = {
            "action": action.value,
            "name": RENEWED,
            "role": Role.MEMBER.value,
            "title": f"{MEMBERS[RENEWED]} (synthetic)",
            "vkey": vkey,
        }
        yield desk.event(
            author=Role.COUNCIL.value,
            kind="registry",
            schema="registry/1",
            job_id=None,
            at=at,
            public=public,
        )


def _live_through(job: SyntheticJob, plan: _Plan) -> None:
    draw = job.draw
    wall_s = draw.between(4 * MINUTE_S, HOUR_S) * draw.pick((1, 1, 1, 2, 4, 8, 24, 48))
    is_drawn = plan == _Plan()
    if is_drawn and draw.permille(REJECTED_PERMILLE):
        job.submit(wall_s=wall_s, **_mistake(job))
        return
    submission = job.submit(wall_s=wall_s)
    started_at = job.submitted_at + draw.between(5, HOUR_S)
    if plan.weights_changed:
        _find_the_weights_changed(job, submission, started_at, wall_s)
        return
    outcome = _run(job, started_at, wall_s, draw.weigh(FATES) if is_drawn else "completed")
    if plan.withheld is not None:
        basis, paths = plan.withheld
        at = outcome.at + draw.between(12, 24) * DAY_S
        review_by = at + 170 * DAY_S
        job.withhold(at, submission, paths=list(paths), basis=basis.value, review_by=review_by)
    elif draw.permille(EARLY_PERMILLE):
        at = outcome.at + draw.between(HOUR_S, draw.pick((2, 10, 30, 70)) * DAY_S)
        job.open_early(at, submission, author=job.member)
        if draw.permille(400):
            job.open_early(at + HOUR_S, outcome, author=Role.ORCHESTRATOR.value)
    if outcome.kind == "completed" and draw.permille(CORRECTED_PERMILLE):
        _correct(job, submission, outcome, wall_s)


def _find_the_weights_changed(
    job: SyntheticJob, submission: Event, started_at: int, wall_s: int
) -> None:
    """The one incident: the check after the run finds other weights, and both sides open all."""
    ended_at = started_at + wall_s
    job.start(started_at)
    job.carry_out(ended_at)
    outcome = job.end(
        ended_at,
        "terminated_by_policy",
        "policy",
        started_at=started_at,
        wall_s=wall_s,
        weights_changed=True,
    )
    job.open_early(ended_at + 2 * HOUR_S, outcome, author=Role.ORCHESTRATOR.value)
    job.open_early(ended_at + DAY_S, submission, author=job.member)


def _run(job: SyntheticJob, started_at: int, wall_s: int, fate: str) -> Event:
    """Run the job to its fate; the event that ends it."""
    draw = job.draw
    if fate == "cancelled before it started":
        return job.end(started_at, "cancelled", "cancelled", started_at=None, wall_s=0)
    kind, exit_status = {
        "failed": ("failed", draw.pick(("failed", "out_of_memory", "timeout", "node_fail"))),
        "cancelled": ("cancelled", "cancelled"),
        "terminated by policy": ("terminated_by_policy", "policy"),
    }.get(fate, ("completed", "completed"))
    if exit_status == "timeout":
        wall_s = job.limit_s(wall_s)
    job.start(started_at)
    first_at, run_s = started_at, wall_s
    if fate == "interrupted":
        run_s = wall_s // 2
        job.interrupt(started_at + run_s, draw.pick(("node_fail", "preempted")))
        started_at += run_s + draw.between(MINUTE_S, HOUR_S)
        job.start(started_at)
        run_s = wall_s - run_s
    ended_at = started_at + run_s
    job.carry_out(ended_at)
    return job.end(ended_at, kind, exit_status, started_at=first_at, wall_s=wall_s)


def _correct(job: SyntheticJob, submission: Event, outcome: Event, wall_s: int) -> None:
    """Each of those who speak about a job has something to correct now and then."""
    draw = job.draw
    at = outcome.at + draw.between(HOUR_S, 10 * DAY_S)
    gpu_s = wall_s * job.gpu_count
    (egress,) = [event for event in job.events if event.kind == "egress"]
    orchestrator, gateway = Role.ORCHESTRATOR.value, Role.GATEWAY.value
    author, about, field, value = draw.pick(
        (
            (orchestrator, outcome, "gpu_seconds", gpu_s - draw.between(1, 60) * job.gpu_count),
            (orchestrator, outcome, "h200e_seconds", gpu_s * draw.between(70, 130) // 100),
            (orchestrator, outcome, "samples.total", draw.between(500, 40_000)),
            (gateway, egress, "egress_bytes", draw.below(job.ceiling)),
            (gateway, egress, "artifact_count", draw.between(1, 6)),
            (job.member, submission, "gpu_count", job.gpu_count * 2),
            (job.member, submission, "wall_limit_seconds", job.limit_s(wall_s) * 2),
        )
    )
    job.correct(at, about, author=author, field_name=field, value=str(value))


def _mistake(job: SyntheticJob) -> dict[str, Any]:
    """Public fields that the charter rejects: each of its findings in turn, or two at once."""
    draw = job.draw
    forbidden = {"workload_type": draw.pick(FORBIDDEN_WORKLOADS).value}
    trains_the_model: Mapping[str, Any] = {
        "optimizer_targets": [OptimizerTarget.UPLOADED_MODEL.value],
        "gradient_scope": GradientScope.AUXILIARY_ONLY.value,
    }
    mistakes: tuple[Mapping[str, Any], ...] = (
        forbidden,
        trains_the_model,
        {**forbidden, **trains_the_model},
        {"egress_ceiling_bytes": EGRESS_CEILING_BYTES * draw.between(2, 50)},
        {"egress_ceiling_bytes": None},
        {**forbidden, "egress_ceiling_bytes": None},
        {"gpu_count": GPU_TOTAL + draw.between(1, GPU_TOTAL)},
        {
            "optimizer_targets": [OptimizerTarget.AUXILIARY_PROBE.value],
            "gradient_scope": GradientScope.NONE.value,
        },
    )
    return dict(draw.pick(mistakes))
