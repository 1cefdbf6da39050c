"""One job as ``squeue --json`` shows it at its start: what it was given, not what it asked for.

``scontrol show job`` is not read: a comment with a line break can write any other line of it. The
numbers come plain or as ``{set, infinite, number}``, by Slurm's version; both are taken.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from ledger.errors import FormatError

MAX_QUEUE_BYTES: Final = 256 * 2**20
MINUTE_S: Final = 60
COMMENT: Final = re.compile(r"apsci:([0-7][0-9A-HJKMNP-TV-Z]{25})", re.ASCII)
SHARES: Final = frozenset({"shard", "mps"})
ENDED: Final = frozenset({
    "COMPLETED", "CANCELLED", "FAILED", "TIMEOUT", "NODE_FAIL", "PREEMPTED", "BOOT_FAIL",
    "DEADLINE", "OUT_OF_MEMORY", "LAUNCH_FAILED",
})  # fmt: skip
"""Slurm's states of a job that does not run any more."""
_REQUESTS: Final = ("tres_per_job", "tres_per_node", "tres_per_socket", "tres_per_task")
_NO_WCKEY: Final = ("", "*")


@dataclass(frozen=True, slots=True)
class SlurmJob:
    """What the controller has given a job. Times in unix seconds."""

    number: int
    comment: str
    account: str
    """Empty where the cluster has no accounts."""
    workload: str | None
    gpu_count: int
    gpu_type: str | None
    """The type of its GPUs in Slurm's words; None where it has none or several."""
    shares: bool
    """It has parts of GPUs (shard, mps)."""
    wall_limit_seconds: int | None
    """None: without limit."""
    submitted_at: int
    started_at: int
    restarts: int
    several: bool
    """It is a task of an array or a part of a heterogeneous job."""

    @property
    def job_id(self) -> str | None:
        """The ledger's number of the job, if the comment says one in its one spelling."""
        found = COMMENT.fullmatch(self.comment)
        return found[1] if found else None


def find_job(queue: bytes, number: int) -> SlurmJob:
    """The job with this number in what ``squeue --json`` printed. Raises FormatError."""
    try:
        return _read(_record(queue, number), number)
    except (KeyError, TypeError, AttributeError, ValueError):
        raise _unknown(number) from None


@dataclass(frozen=True, slots=True)
class Ending:
    """How and when a job ended; ``state`` in Slurm's words, times in unix seconds."""

    state: str
    started_at: int
    ended_at: int


def ending(queue: bytes, number: int) -> Ending | None:
    """How a job ended; None while it has not. Raises FormatError, also where it is not shown."""
    record = _record(queue, number)
    states = record.get("job_state")
    if isinstance(states, list):
        # Beside the state stand flags: one that is COMPLETING has not ended yet.
        states = None if "COMPLETING" in states else next(iter(states), None)
    try:
        times = _number(record["start_time"]), _number(record["end_time"])
    except (KeyError, TypeError, ValueError):
        raise _unknown(number) from None
    if states not in ENDED or not all(times):
        return None
    return Ending(states, times[0] or 0, times[1] or 0)


def _record(queue: bytes, number: int) -> dict[str, Any]:
    try:
        jobs = msgspec.json.decode(queue)["jobs"]
        [record] = [each for each in jobs if _number(each.get("job_id")) == number]
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise FormatError("squeue did not print JSON") from None
    except (KeyError, TypeError, AttributeError, ValueError):
        raise _unknown(number) from None
    found: dict[str, Any] = record
    return found


def _unknown(number: int) -> FormatError:
    return FormatError(f"squeue does not show job {number} in a form that is known")


def waits(queue: bytes, number: int) -> bool:
    """Whether the job is to start again: it is pending. Raises FormatError as ``find_job`` does."""
    state = _record(queue, number).get("job_state")
    states = state if isinstance(state, list) else [state]
    return "PENDING" in states or "REQUEUED" in states


def requeued_at(queue: bytes, number: int) -> int | None:
    """Since when a job waits, in unix seconds: Slurm gives it a new submit time as it requeues it.

    None where it does not wait, or is completing still. Raises FormatError as ``find_job`` does.
    """
    record = _record(queue, number)
    state = record.get("job_state")
    states = state if isinstance(state, list) else [state]
    if "PENDING" not in states or "COMPLETING" in states:
        return None
    try:
        since = _number(record["submit_time"])
    except (KeyError, TypeError, ValueError):
        since = None
    if not since:
        raise _unknown(number)
    return since


def _read(record: dict[str, Any], number: int) -> SlurmJob:
    given = list(_gres(record.get("gres_detail") or []))
    gpus = [(kind, count) for name, kind, count in given if name == "gpu"]
    gpu_count = max(sum(count for _, count in gpus), _tracked(record.get("tres_alloc_str") or ""))
    if not gpu_count and any("gpu" in (record.get(each) or "") for each in _REQUESTS):
        raise ValueError
    kinds = {kind for kind, _ in gpus}
    comment, workload = record.get("comment") or "", record.get("wckey") or ""
    account = record.get("account") or ""
    submitted_at, started_at = (_number(record[f"{each}_time"]) for each in ("submit", "start"))
    minutes = _number(record["time_limit"])
    if (
        not submitted_at
        or not started_at
        or not isinstance(comment, str)
        or not isinstance(account, str)
    ):
        raise ValueError
    return SlurmJob(
        number=number,
        comment=comment,
        account=account,
        workload=None if workload in _NO_WCKEY else workload.removeprefix("*"),
        gpu_count=gpu_count,
        gpu_type=kinds.pop() if len(kinds) == 1 else None,
        shares=any(name in SHARES for name, _, _ in given),
        wall_limit_seconds=minutes * MINUTE_S if minutes else None,
        submitted_at=submitted_at,
        started_at=started_at,
        restarts=_number(record.get("restart_cnt")) or 0,
        several=bool(_number(record.get("array_job_id")) or _number(record.get("het_job_id"))),
    )


def _gres(details: list[str]) -> Iterator[tuple[str, str | None, int]]:
    """(name, type, count) of what a job has, from ``gpu:h200:2(IDX:0-1)``, a text for each node."""
    for detail in details:
        for each in re.sub(r"\([^)]*\)", "", detail).split(","):
            if each:
                name, *kind, count = each.split(":")
                if len(kind) > 1 or not re.fullmatch(r"[0-9]{1,9}", count, re.ASCII):
                    raise ValueError
                yield name, kind[0] if kind else None, int(count)


def _tracked(allocated: str) -> int:
    """The GPUs in ``cpu=8,gres/gpu=2,gres/gpu:h200=2``, where the cluster tracks them."""
    found = re.findall(r"(?:^|,)gres/gpu=([0-9]{1,9})(?=,|$)", allocated, re.ASCII)
    return int(found[0]) if found else 0


def _number(value: object) -> int | None:
    """A number in either shape; None for unset, null and infinite."""
    if isinstance(value, dict):
        value = value["number"] if value["set"] and not value["infinite"] else None
    if value is None or value == "Infinity":
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**53:
        raise ValueError
    return value
