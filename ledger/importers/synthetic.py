"""An invented history: 150 days of a safety cluster, for the demonstration ledger.

Everything is drawn from the history's first second and the jobs' numbers, so the same history can
be made again, byte for byte, with the same keys and secret. It goes on past its end for as long as
jobs that run then still have something to say.
"""

from typing import Any, Final

from ledger.importers.draw import Draw
from ledger.importers.signing import Desk
from ledger.importers.simulation import Event
from ledger.importers.synthetic_job import SyntheticJob
from ledger.records.charter import EGRESS_CEILING_BYTES, GPU_TOTAL
from ledger.records.deadline import DAY_S
from schemas.statements import (
    FORBIDDEN_WORKLOADS,
    GradientScope,
    OptimizerTarget,
    Role,
    Workload,
)

DAYS: Final = 150
JOBS: Final = 3_000
MINUTE_S: Final = 60
HOUR_S: Final = 3_600
REJECTED_PERMILLE: Final = 25
EARLY_PERMILLE: Final = 45
CORRECTED_PERMILLE: Final = 12
FATES: Final = {
    "completed": 870,
    "failed": 62,
    "interrupted": 32,
    "cancelled": 20,
    "cancelled before it started": 11,
    "terminated by policy": 5,
}
LIVE_EVERY_S: Final = 60
"""A live job is submitted every minute; its four statements come a quarter of it apart."""


def history_events(desk: Desk, *, start: int, days: int = DAYS, jobs: int = JOBS) -> list[Event]:
    """What was said in ``days`` from ``start`` on about ``jobs`` jobs, in the order of its times.

    Events after ``start + days`` are those of jobs that had not ended by then.
    """
    apart_s = days * DAY_S // jobs
    withhold_from = jobs // 5
    events: list[Event] = []
    for number in range(jobs):
        name = f"history/{start}/{number}"
        jitter_s = Draw(name + "/when").below(apart_s)
        job = SyntheticJob(desk, name, start + number * apart_s + jitter_s)
        # One record of a long history has fields that the committee keeps closed.
        withheld = number >= withhold_from and job.work.workload is Workload.RED_TEAM_PROMPTING
        if withheld:
            withhold_from = jobs
        _live_through(job, withheld=withheld)
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


def _live_through(job: SyntheticJob, *, withheld: bool) -> None:
    draw = job.draw
    wall_s = draw.between(4 * MINUTE_S, HOUR_S) * draw.pick((1, 1, 1, 2, 4, 8, 24, 48))
    if draw.permille(REJECTED_PERMILLE) and not withheld:
        job.submit(wall_s=wall_s, **_mistake(job))
        return
    submission = job.submit(wall_s=wall_s)
    started_at = job.submitted_at + draw.between(5, HOUR_S)
    outcome = _run(job, started_at, wall_s, "completed" if withheld else draw.weigh(FATES))
    if withheld:
        at = outcome.at + 20 * DAY_S
        job.withhold(at, submission, paths=["prompts", "protocol"], review_by=at + 170 * DAY_S)
    elif draw.permille(EARLY_PERMILLE):
        at = outcome.at + draw.between(HOUR_S, 30 * DAY_S)
        if draw.permille(700):
            job.open_early(at, submission, author=job.member)
        else:
            job.open_early(at, outcome, author=Role.ORCHESTRATOR.value)
    if outcome.kind == "completed" and draw.permille(CORRECTED_PERMILLE):
        at = outcome.at + draw.between(HOUR_S, 10 * DAY_S)
        value = str(wall_s * job.gpu_count - draw.between(1, 60) * job.gpu_count)
        job.correct(at, outcome, field_name="gpu_seconds", value=value)


def _run(job: SyntheticJob, started_at: int, wall_s: int, fate: str) -> Event:
    """Run the job to its fate; the event that ends it."""
    draw = job.draw
    if fate == "cancelled before it started":
        return job.end(started_at, "cancelled", "cancelled", started_at=None, wall_s=0)
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
    kind, exit_status = {
        "failed": ("failed", draw.pick(("failed", "out_of_memory", "timeout", "node_fail"))),
        "cancelled": ("cancelled", "cancelled"),
        "terminated by policy": ("terminated_by_policy", "policy"),
    }.get(fate, ("completed", "completed"))
    return job.end(ended_at, kind, exit_status, started_at=first_at, wall_s=wall_s)


def _mistake(job: SyntheticJob) -> dict[str, Any]:
    """Public fields that the charter rejects, each of its findings in turn."""
    draw = job.draw
    mistakes: tuple[dict[str, Any], ...] = (
        {"workload_type": draw.pick(FORBIDDEN_WORKLOADS).value},
        {
            "optimizer_targets": [OptimizerTarget.UPLOADED_MODEL.value],
            "gradient_scope": GradientScope.AUXILIARY_ONLY.value,
        },
        {"egress_ceiling_bytes": EGRESS_CEILING_BYTES * draw.between(2, 50)},
        {"egress_ceiling_bytes": None},
        {"gpu_count": GPU_TOTAL + draw.between(1, GPU_TOTAL)},
        {
            "optimizer_targets": [OptimizerTarget.AUXILIARY_PROBE.value],
            "gradient_scope": GradientScope.NONE.value,
        },
    )
    return draw.pick(mistakes)
