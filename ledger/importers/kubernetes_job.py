"""Reads a Kubernetes Job (batch/v1), as ``kubectl get jobs -o json`` prints one or a list.

Taken: metadata.uid and creationTimestamp, three labels or annotations of the ledger's own,
parallelism, GPUs of the pods, activeDeadlineSeconds, status times and conditions. Nothing else.
"""

from collections.abc import Mapping
from typing import Final

from ledger.importers.facts import Facts, Period
from ledger.importers.looking import At
from ledger.importers.pods import gpus_of_pod, look_at_volumes, take_accelerator, take_declared
from ledger.importers.red_flags import look_for_flags
from schemas.statements import ExitStatus

SYSTEM: Final = "kubernetes_job"
API_VERSIONS: Final = ("batch/v1",)
_FAILED: Final = {"DeadlineExceeded": ExitStatus.TIMEOUT}


def read_job(record: At, digest: str, names: Mapping[str, str]) -> Facts | str:
    """What one Job says, or why it becomes no draft. Raises ImportRefused, naming the place."""
    facts = Facts(SYSTEM, record.place, digest)
    metadata, spec, status = record("metadata"), record("spec"), record("status")
    template = spec("template")
    facts.record_id = metadata("uid").word()
    facts.submitted_at = metadata("creationTimestamp").time()
    take_declared(facts, (metadata, template("metadata")))
    pods = spec("parallelism").count()
    gpus = gpus_of_pod(template("spec"), facts) * (1 if pods is None else pods)
    if gpus:
        facts.gpu_count = gpus
    elif not any(finding.code == "gpu_slice" for finding in facts.findings):
        return "no_gpu"
    take_accelerator(facts, template("spec"), names)
    facts.wall_limit_seconds = spec("activeDeadlineSeconds").count() or None
    start = status("startTime").time()
    end, ended = status("completionTime").time(), None
    for condition in status("conditions"):
        kind = condition("type").text()
        if condition("status").text() != "True" or kind not in ("Complete", "Failed"):
            continue
        end = end or condition("lastTransitionTime").time()
        reason = condition("reason").text() or ""
        ended = (
            ExitStatus.COMPLETED if kind == "Complete" else _FAILED.get(reason, ExitStatus.FAILED)
        )
    if start is not None and end is not None and end < start:
        return "times_out_of_order"
    if ended is None or end is None:
        facts.found("still_running", status("conditions").place)
        ended = end = None
    if start is not None:
        facts.periods = [Period(start, end, ended)]
    facts.ended_at, facts.exit_status = end, ended
    look_at_volumes(facts, template("spec"))
    look_for_flags(facts, record.value, record.place)
    return facts
