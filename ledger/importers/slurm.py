"""Reads jobs as Slurm's accounting prints them: ``sacct --json``, data_parser v0.0.41 to v0.0.46.

Taken: job_id and sluid, wckey, comment/job, state, exit times, time limit, allocated and requested
GPUs, restarts, energy. Nothing else: no user, no host, no path, no script, no command line.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from ledger.importers.accelerators import accelerator_of, is_slice
from ledger.importers.facts import Facts, Period
from ledger.importers.looking import At
from ledger.importers.red_flags import look_for_flags, take_flags, take_workload
from schemas.statements import ExitStatus

SYSTEM: Final = "slurm_sacct"
MINUTE_S: Final = 60
MAX_TITLE: Final = 120
INFINITE: Final = "Infinity"
_ENDED: Final = {
    "COMPLETED": ExitStatus.COMPLETED,
    "CANCELLED": ExitStatus.CANCELLED,
    "FAILED": ExitStatus.FAILED,
    "BOOT_FAIL": ExitStatus.NODE_FAIL,
    "LAUNCH_FAILED": ExitStatus.FAILED,
    "DEADLINE": ExitStatus.TIMEOUT,
    "TIMEOUT": ExitStatus.TIMEOUT,
    "NODE_FAIL": ExitStatus.NODE_FAIL,
    "PREEMPTED": ExitStatus.PREEMPTED,
    "OUT_OF_MEMORY": ExitStatus.OUT_OF_MEMORY,
}
_GOES_ON: Final = frozenset({
    "PENDING", "RUNNING", "SUSPENDED", "CONFIGURING", "COMPLETING", "STOPPED", "RESIZING",
})  # fmt: skip
_AGAIN: Final = frozenset({"REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT"})


def read_job(record: At, digest: str, names: Mapping[str, str]) -> Facts | str:
    """What one element of ``jobs`` says, or why it becomes no draft.

    ``names`` maps GPU types to the ledger's. Raises ImportRefused, naming the place.
    """
    facts = Facts(SYSTEM, record.place, digest)
    number = record("job_id")
    sluid = record("sluid").word()
    job_id = _number(number)
    if not isinstance(job_id, int):
        raise number.refused("the job's number is needed")
    facts.record_id = f"{job_id}" if sluid is None else f"{job_id} {sluid}"
    _read_work(facts, record)
    if not _read_gpus(facts, record, names):
        return "no_gpu"
    _read_limit(facts, record("time", "limit"))
    facts.submitted_at = record("time", "submission").unix()
    if not _read_run(facts, record):
        return "times_out_of_order"
    energy = sum(_energy(step) for step in record("steps"))
    if energy:
        facts.outcome["energy_joules"] = energy
    look_for_flags(facts, record.value, record.place)
    return facts


def merge(earlier: Facts, later: Facts) -> bool:
    """Put a later record of a job that was requeued into the first; False: it does not follow."""
    if not earlier.periods or not later.periods:
        return False
    end = earlier.periods[-1].ended_at
    if end is None or later.periods[0].started_at < end:
        return False
    last = earlier.periods[-1]
    earlier.periods[-1] = Period(
        last.started_at, end, last.exit_status or earlier.exit_status or ExitStatus.PREEMPTED
    )
    earlier.wall_seconds = _plus(earlier.wall_seconds, later.wall_seconds)
    earlier.periods += later.periods
    take_flags(earlier, later)
    earlier.ended_at, earlier.exit_status = later.ended_at, later.exit_status
    dropped = ("several_periods", "still_running", "state_unknown")
    earlier.findings = [each for each in earlier.findings if each.code not in dropped]
    for finding in later.findings:
        if finding.code != "several_periods":
            earlier.found(finding.code, finding.place, finding.about)
    return True


def _plus(first: int | None, second: int | None) -> int | None:
    return None if first is None or second is None else first + second


def _number(at: At) -> int | str | None:
    """A number in either shape: plain, null, "Infinity"; or {set, infinite, number}."""
    if isinstance(at.value, dict):
        if at("infinite").flag():
            return INFINITE
        return at("number").count() if at("set").flag() else None
    if at.value == INFINITE:
        return INFINITE
    return at.count()


def _read_work(facts: Facts, record: At) -> None:
    key = record("wckey")
    if isinstance(key.value, dict):
        if "ASSIGNED_DEFAULT" not in [flag.text() for flag in key("flags")]:
            take_workload(facts, key("wckey").text(), key.place)
    else:
        text = key.text()
        take_workload(facts, None if text is None or text.startswith("*") else text, key.place)
    comment = record("comment", "job")
    title = comment.text()
    if title is not None:
        if len(title) <= MAX_TITLE and title.isprintable():
            facts.submission["title"] = title
            facts.found("free_text", comment.place, "sealed.title")
        else:
            facts.found("left_out", comment.place, "sealed.title")


def _read_gpus(facts: Facts, record: At, names: Mapping[str, str]) -> bool:
    """Take what was allocated, else what was asked for; whether there is a GPU at all."""
    for which in ("allocated", "requested"):
        tres = record("tres", which)
        gpus = list(_gpus(tres))
        if any(is_slice(name) for name, _ in gpus):
            facts.found("gpu_slice", tres.place, "public.gpu_count")
            return True
        # gres/gpu counts all of them, gres/gpu:h100 those of a kind: they are not added.
        total = sum(count for name, count in gpus if name == "gpu")
        typed = sum(count for name, count in gpus if name != "gpu")
        if not (total or typed):
            continue
        if total and typed and total != typed:
            facts.found("gpus_disagree", tres.place, "public.gpu_count")
        facts.gpu_count = max(total, typed)
        kinds = {accelerator_of(name.partition(":")[2], names) for name, _ in gpus if name != "gpu"}
        if len(kinds) == 1:
            facts.accelerator = kinds.pop()
        if typed and facts.accelerator is None:
            facts.found("left_out", tres.place, "public.accelerator")
        return True
    return False


def _gpus(tres: At) -> Iterator[tuple[str, int]]:
    """(name, count) of every kind of GPU in a list of resources."""
    for each in tres:
        name = each("name").text() or ""
        if each("type").text() != "gres" or name.partition(":")[0] != "gpu":
            continue
        count = _number(each("count"))
        if not isinstance(count, int):
            raise each("count").refused("how many GPUs is needed")
        yield name, count


def _read_limit(facts: Facts, at: At) -> None:
    minutes = _number(at)
    if isinstance(minutes, int) and minutes:
        facts.wall_limit_seconds = minutes * MINUTE_S


def _read_run(facts: Facts, record: At) -> bool:
    """Take the last period and how it ended; False: it ends before it starts."""
    states = _states(record("state", "current"))
    start, end = record("time", "start").unix(), record("time", "end").unix()
    ended = next((_ENDED[state] for state in reversed(_ENDED) if state in states), None)
    if start is not None and end is not None and end < start:
        return False
    if states & _AGAIN:
        ended = ended or ExitStatus.PREEMPTED
    if ended is None:
        end = None
        known = states & _GOES_ON
        facts.found("still_running" if known else "state_unknown", record("state").place)
    elif end is None:
        facts.found("state_unknown", record("time", "end").place)
        ended = None
    if start is not None:
        facts.periods = [Period(start, end, ended)]
        elapsed = _number(record("time", "elapsed"))
        if isinstance(elapsed, int) and end is not None and elapsed <= end - start:
            facts.wall_seconds = elapsed
    facts.ended_at, facts.exit_status = end, ended
    if record("restart_cnt").count():
        facts.found("several_periods", record("restart_cnt").place)
    return True


def _states(current: At) -> set[str]:
    if isinstance(current.value, str):
        return {current.value.split()[0]} if current.value.strip() else set()
    return {text for each in current if (text := each.text()) is not None}


def _energy(step: At) -> int:
    joules = _number(step("statistics", "energy", "consumed"))
    return joules if isinstance(joules, int) else 0
