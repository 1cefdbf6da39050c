"""One task of a trace as what its member, the orchestrator and the gateway said about the job.

Who the member was, which model and which class of work it ran, on which kind of GPU, for how long
it was allowed to and what it carried out are drawn from the task's name, and said to be.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from ledger.importers.draw import Draw
from ledger.importers.mapping import TraceMapping
from ledger.importers.signing import MEMBERS, Desk
from ledger.importers.simulation import Event
from ledger.importers.trace import WHOLE_GPU, Task
from ledger.importers.ulid import RANDOM_BYTES, ulid
from ledger.importers.work import WORK, Work
from ledger.records.deadline import format_time
from schemas.statements import Role

WALL_LIMITS_S: Final = (3_600, 21_600, 86_400, 604_800, 2_592_000, 15_552_000, 31_536_000)
"""What a job may have asked for: an hour to a year. A job is given the least that it fitted in."""
EGRESS_CEILING_BYTES: Final = 10**9
MOST_EGRESS_BYTES: Final = 10**7
_ULID_CONTEXT: Final = b"apsci-ledger/import/1\x00"


@dataclass(frozen=True, slots=True)
class Assigned:
    """What the trace does not say and the replay does, by draws from the task's name."""

    member: str
    work: Work
    accelerator: str
    model: str
    egress_bytes: int


def assign(task: Task, mapping: TraceMapping) -> Assigned:
    """The same for a task of the same name, whatever else the file holds.

    Draws in this order: member, workload, accelerator, model (one of three of the member), egress.
    The accelerator is drawn with the weight of ``gpus`` among the kinds with at least as many a
    node as the task uses, or among those that the trace names.
    """
    draw = Draw(f"{mapping.system}/{task.name}")
    member = draw.pick(tuple(MEMBERS))
    work = draw.weigh({each: each.weight for each in WORK})
    named = {slug: max(1, mapping.accelerators[slug].gpus) for slug in task.accelerators}
    fitting = {
        slug: kind.gpus
        for slug, kind in mapping.accelerators.items()
        if kind.gpus and kind.per_node >= task.gpu_count
    }
    accelerator = draw.weigh(named or fitting)
    model = f"{member}-assigned-{draw.pick('abc')}"
    return Assigned(member, work, accelerator, model, draw.below(MOST_EGRESS_BYTES))


def job_id_of(task: Task, mapping: TraceMapping, *, start: int) -> str:
    """The job's ULID: its time of submission, then a digest of the trace's and the task's name."""
    name = f"{mapping.system}/{task.name}".encode()
    digest = sha256(_ULID_CONTEXT + name).digest()
    return ulid((start + task.created_s) * 1_000, digest[:RANDOM_BYTES])


def task_events(task: Task, mapping: TraceMapping, desk: Desk, *, start: int) -> list[Event]:
    """What was said about the task, in the order of its times: at most four statements."""
    assigned = assign(task, mapping)
    job_id = job_id_of(task, mapping, start=start)
    source = {
        "system": mapping.system,
        "record_id": task.name,
        "record_digest": {"sha256": task.digest},
    }
    events = [
        desk.event(
            author=assigned.member,
            kind="submitted",
            schema="job-submitted/1",
            job_id=job_id,
            at=start + task.created_s,
            public=_submission(task, assigned),
            sealed=_sealed_submission(task, assigned, mapping, source),
        ),
        desk.event(
            author=Role.ORCHESTRATOR.value,
            kind="started",
            schema="job-started/1",
            job_id=job_id,
            at=start + task.scheduled_s,
            public={
                "started_at": format_time(start + task.scheduled_s),
                "gpu_count": task.gpu_count,
            },
        ),
    ]
    if task.ended_s is not None:
        ended_at = start + task.ended_s
        events += [
            desk.event(
                author=Role.GATEWAY.value,
                kind="egress",
                schema="job-egress/1",
                job_id=job_id,
                at=ended_at,
                public={"egress_bytes": assigned.egress_bytes, "artifact_count": 1},
            ),
            desk.event(
                author=Role.ORCHESTRATOR.value,
                kind=task.ending,
                schema="job-ended/1",
                job_id=job_id,
                at=ended_at,
                public=_ending(task, assigned, mapping, start=start, ended_s=task.ended_s),
                sealed={"source": source, "model.weights_digest_after": _weights(assigned.model)},
            ),
        ]
    return events


def _submission(task: Task, assigned: Assigned) -> dict[str, Any]:
    wall_s = (task.ended_s or WALL_LIMITS_S[-1]) - task.scheduled_s
    limits = [limit for limit in WALL_LIMITS_S if limit >= wall_s]
    return {
        "workload_type": assigned.work.workload.value,
        "gradient_scope": assigned.work.gradient_scope.value,
        "optimizer_targets": [target.value for target in assigned.work.optimizer_targets],
        "accelerator": assigned.accelerator,
        "gpu_count": task.gpu_count,
        "wall_limit_seconds": limits[0] if limits else wall_s,
        "egress_ceiling_bytes": EGRESS_CEILING_BYTES,
    }


def _sealed_submission(
    task: Task, assigned: Assigned, mapping: TraceMapping, source: Mapping[str, Any]
) -> dict[str, Any]:
    kind = "" if task.accelerators else " kind of GPU,"
    return {
        "title": f"Replay of {task.name}"[:120],
        "purpose": (
            f"Task {task.name} of {mapping.trace}, replayed: its times, its outcome and its GPUs"
            f" ({task.gpu_count} at {task.gpu_milli / WHOLE_GPU:.0%}) are the trace's. Member,"
            f" model, workload,{kind} limits and egress are assigned for this replay; the trace"
            f" has none."
        ),
        "model.name": assigned.model,
        "model.weights_digest": _weights(assigned.model),
        "source": source,
    }


def _ending(
    task: Task, assigned: Assigned, mapping: TraceMapping, *, start: int, ended_s: int
) -> dict[str, Any]:
    wall_s = ended_s - task.scheduled_s
    gpu_milliseconds = wall_s * task.gpu_count * task.gpu_milli
    worth = mapping.accelerators[assigned.accelerator].milli_h200
    return {
        "started_at": format_time(start + task.scheduled_s),
        "ended_at": format_time(start + ended_s),
        "wall_seconds": wall_s,
        # Rounded up: no run counts for less than it used.
        "gpu_seconds": -(-gpu_milliseconds // 1_000),
        "h200e_seconds": -(-gpu_milliseconds * worth // 1_000_000),
        "h200e_basis": mapping.h200e.basis,
        "exit_status": task.ending,
        "weights_unchanged": True,
        "weights_check": "readonly_mount",
    }


def _weights(model: str) -> dict[str, str]:
    return {"sha256": sha256(f"weights of {model}, which does not exist".encode()).hexdigest()}
