"""Reads a Kueue Workload, v1beta1 or v1beta2, as ``kubectl get workloads -o json`` prints it.

Taken: metadata.uid and creationTimestamp, three labels or annotations of the ledger's own, pod
counts and GPUs, flavors, maximumExecutionTimeSeconds, the conditions' types, states, reasons and
times, what admission checks answered, and the time of earlier executions. Nothing else.
"""

from collections.abc import Mapping
from typing import Final

from ledger.importers.accelerators import accelerator_of
from ledger.importers.facts import Facts, Period
from ledger.importers.looking import At
from ledger.importers.pods import (
    gpus_of,
    gpus_of_pod,
    look_at_volumes,
    take_accelerator,
    take_declared,
)
from ledger.importers.red_flags import look_for_flags
from schemas.orchestrators import GPU_RESOURCES
from schemas.statements import ExitStatus

SYSTEM: Final = "kueue_workload"
API_VERSIONS: Final = ("kueue.x-k8s.io/v1beta1", "kueue.x-k8s.io/v1beta2")
# v1beta1 has it with a slip of the pen, which is its name for ever.
PAST: Final = ("accumulatedPastExecutionTimeSeconds", "accumulatedPastExexcutionTimeSeconds")
_FINISHED: Final = {"Succeeded": ExitStatus.COMPLETED, "Failed": ExitStatus.FAILED}
_TIMEOUT: Final = "MaximumExecutionTimeExceeded"


def read_workload(record: At, digest: str, names: Mapping[str, str]) -> Facts | str:
    """What one Workload says, or why it becomes no draft. Raises ImportRefused with the place."""
    facts = Facts(SYSTEM, record.place, digest)
    metadata, spec, status = record("metadata"), record("spec"), record("status")
    pod_sets = list(spec("podSets"))
    facts.record_id = metadata("uid").word()
    facts.submitted_at = metadata("creationTimestamp").time()
    take_declared(facts, (metadata, *(each("template", "metadata") for each in pod_sets)))
    _read_gpus(facts, pod_sets, status("admission", "podSetAssignments"), names)
    if not facts.gpu_count and not any(each.code == "gpu_slice" for each in facts.findings):
        return "no_gpu"
    facts.wall_limit_seconds = spec("maximumExecutionTimeSeconds").count() or None
    if not _read_run(facts, status):
        return "times_out_of_order"
    for check in status("admissionChecks"):
        if check("state").text() == "Rejected":
            facts.found("check_rejected", check.place)
    for each in pod_sets:
        look_at_volumes(facts, each("template", "spec"))
    look_for_flags(facts, record.value, record.place)
    return facts


def _read_gpus(facts: Facts, pod_sets: list[At], assignments: At, names: Mapping[str, str]) -> None:
    """What was assigned, for all pods of a set together; else what the pods ask for."""
    assigned = list(assignments)
    if assigned:
        # Kueue counts a set's usage over all of its pods.
        facts.gpu_count = sum(gpus_of(each("resourceUsage"), facts) for each in assigned) or None
    else:
        wanted = 0
        for each in pod_sets:
            count = each("count").count()
            pods = 1 if count is None else count
            wanted += gpus_of_pod(each("template", "spec"), facts) * pods
        facts.gpu_count = wanted or None
    for each in pod_sets:
        take_accelerator(facts, each("template", "spec"), names)
    for each in assigned:
        for resource in GPU_RESOURCES:
            flavor = each("flavors")(resource)
            text = flavor.text()
            if text is not None and facts.accelerator is None:
                facts.accelerator = accelerator_of(text, names)
                if facts.accelerator is None:
                    facts.found("left_out", flavor.place, "public.accelerator")


def _read_run(facts: Facts, status: At) -> bool:
    """Take the last execution and how it ended; False: it ends before it starts."""
    conditions = {
        each("type").text(): each
        for each in status("conditions")
        if each("status").text() == "True"
    }
    admitted, finished = conditions.get("Admitted"), conditions.get("Finished")
    start = None if admitted is None else admitted("lastTransitionTime").time()
    end = None if finished is None else finished("lastTransitionTime").time()
    ended = None
    if finished is not None:
        ended = _FINISHED.get(finished("reason").text() or "")
        if ended is None:
            facts.found("state_unknown", finished.place)
            end = None
    elif _TIMEOUT in _reasons(conditions):
        at = conditions["Evicted"] if "Evicted" in conditions else conditions["DeactivationTarget"]
        end, ended = at("lastTransitionTime").time(), ExitStatus.TIMEOUT
    else:
        facts.found("still_running", status("conditions").place)
    if start is not None and end is not None and end < start:
        return False
    if start is not None:
        facts.periods = [Period(start, end, ended if end is not None else None)]
    facts.ended_at, facts.exit_status = end, ended if end is not None else None
    past = next((at.count() for name in PAST if (at := status(name)).value is not None), None)
    if past:
        facts.found("several_periods", status("conditions").place)
        if start is not None and end is not None:
            facts.wall_seconds = past + end - start
    return True


def _reasons(conditions: Mapping[str | None, At]) -> set[str | None]:
    return {
        conditions[kind]("reason").text()
        for kind in ("Evicted", "DeactivationTarget")
        if kind in conditions
    }
