"""What a Kubernetes Job, or a pod of its own, says of its run: when it started, and how it ended.

``read_runs`` takes what ``kubectl get jobs -o json`` prints, ``statements`` makes of each run what
the orchestrator has to say: ``started``, ``interrupted`` when a Job is suspended, and the ending
with its usage. The job is the one that the receipt on the pods proves, and only the run that used
this receipt up, by the register, is reported under it: receipts are public, and anybody can write
one on a Job. A pod that a controller made is left to its Job. Nothing is estimated: what is not
known is not said. ``missing`` says which runs should have been there.

GPUs are those of all pods at once, from the plan. This is run while Jobs run: a suspended Job
forgets when it started, and a pause that nobody saw counts as running.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Annotated, Any, Final

import msgspec
from msgspec import Raw

from ledger.admission.kubernetes import Cluster
from ledger.admission.pod_gpus import gpus_of
from ledger.admission.pod_shapes import Many, Metadata, Pod, PodSpec, Read, Template
from ledger.admission.pod_volumes import check_volumes
from ledger.admission.pods_of_jobs import YOUNG_S
from ledger.admission.refusal import AdmissionRefused
from ledger.admission.started import check_member, prove, receipt_in
from ledger.errors import FormatError
from ledger.records.deadline import format_time
from schemas.statements import ExitStatus, WeightsCheck

MAX_BYTES: Final = 512 << 20
JOB: Final = "kubernetes_job"
POD: Final = "kubernetes_pod"
_BY_REASON: Final = {
    "DeadlineExceeded": ExitStatus.TIMEOUT,
    "Evicted": ExitStatus.PREEMPTED,
    "Preempting": ExitStatus.PREEMPTED,
    "PreemptionByScheduler": ExitStatus.PREEMPTED,
    "NodeLost": ExitStatus.NODE_FAIL,
    "NodeShutdown": ExitStatus.NODE_FAIL,
    "Terminated": ExitStatus.NODE_FAIL,
    "OOMKilled": ExitStatus.OUT_OF_MEMORY,
}
_UID: Final = re.compile(r"[0-9a-z-]{1,64}", re.ASCII)
_KINDS: Final = {
    ExitStatus.COMPLETED: "completed",
    ExitStatus.CANCELLED: "cancelled",
    ExitStatus.POLICY: "terminated_by_policy",
}


class _Condition(Read, frozen=True):
    type: str
    status: str
    reason: str | None = None
    last_transition_time: str | None = None


class _Ended(Read, frozen=True):
    reason: str | None = None
    finished_at: str | None = None


class _ContainerState(Read, frozen=True):
    terminated: _Ended | None = None


class _ContainerStatus(Read, frozen=True):
    state: _ContainerState | None = None


class _Status(Read, frozen=True):
    start_time: str | None = None
    completion_time: str | None = None
    phase: str = ""
    reason: str | None = None
    conditions: Annotated[list[_Condition], Many] | None = None
    container_statuses: Annotated[list[_ContainerStatus], Many] | None = None


class _Job(Read, frozen=True):
    metadata: Metadata
    spec: Template
    status: _Status = _Status()


class _Pod(Read, frozen=True):
    metadata: Metadata
    spec: PodSpec
    status: _Status = _Status()


class _Named(Read, frozen=True):
    kind: str = ""
    api_version: str = ""


class _Known(_Named, frozen=True):
    metadata: Metadata = Metadata()


class _List(Read, frozen=True):
    items: list[Raw]
    metadata: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """One run. Times are unix seconds; None: not yet, or never."""

    uid: str
    system: str
    digest: str
    """SHA-256 of the record as it stands in the file, hex."""
    job_id: str
    accelerator: str
    gpu_count: int
    read_only: bool
    """Whether its pods could not write to a model."""
    started_at: int | None
    suspended_at: int | None
    ended_at: int | None
    exit_status: ExitStatus | None


@dataclass(frozen=True, slots=True)
class Usage:
    """What the cluster adds to a run's ending: the worth of its GPUs, and the state of weights.

    ``milli_h200`` is what one GPU is worth, in thousandths of an H200, by ``basis``.
    """

    basis: str
    milli_h200: int
    weights_unchanged: bool
    weights_check: WeightsCheck


def split(text: bytes) -> list[Raw]:
    """The objects of a List, or the one object. Raises FormatError, also for part of a list."""
    if len(text) > MAX_BYTES:
        raise FormatError(f"more than {MAX_BYTES} bytes")
    try:
        named = msgspec.json.decode(text, type=_Named)
        if not named.kind.endswith("List"):
            return [Raw(text)]
        found = msgspec.json.decode(text, type=_List)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise FormatError("this is no object and no list of Kubernetes") from None
    if (found.metadata or {}).get("continue"):
        raise FormatError("this is a part of a list: the rest of it is not here")
    return found.items


def living(text: bytes) -> set[str]:
    """The uids of the pods in a list that have not ended. Raises FormatError."""
    found = set()
    for raw in split(text):
        if _decode(raw, _Named).kind != "Pod":
            raise FormatError("a list of pods is needed, and this has something else in it")
        pod = _decode(raw, Pod)
        if not pod.metadata.uid:
            raise FormatError("a pod without a uid")
        if pod.status.phase not in ("Succeeded", "Failed"):
            found.add(pod.metadata.uid)
    return found


def read_runs(text: bytes, cluster: Cluster) -> Iterator[Run | FormatError]:
    """The runs with GPUs in what was printed; what cannot be read is an error in its place.

    A run that has not used the receipt it shows is passed over: nothing of it has started. Raises
    FormatError where the whole is no list and no object.
    """
    for raw in split(text):
        try:
            run = _run(raw, cluster)
        except AdmissionRefused as refused:
            yield FormatError(f"whose run an object is cannot be said: {refused.finding}")
        except FormatError as error:
            yield error
        else:
            if run is not None:
                yield run


def missing(text: bytes, cluster: Cluster, ended: Callable[[str], bool]) -> list[FormatError]:
    """An error for each run that was let in and is not in what was printed, nor has ``ended``.

    ``ended`` says of a uid whether the end of its run was reported. Runs of the last five minutes
    may not be in the list yet. Raises FormatError and AdmissionRefused.
    """
    listed = set()
    for raw in split(text):
        try:
            known: _Known = _decode(raw, _Known)
        except FormatError:
            continue  # it has an error of its own
        listed.add(f"{known.kind}/{known.metadata.uid}")
    before = cluster.clock() - YOUNG_S
    return [
        FormatError(
            f"the run {run} of job {job_id} was let in at {format_time(at)}, and is not in the list"
        )
        for job_id, run, at in cluster.register.runs()
        if at <= before and run not in listed and not ended(run.rpartition("/")[2])
    ]


def statements(
    run: Run, said: Sequence[str], usage: Usage | None
) -> Iterator[dict[str, Any] | FormatError]:
    """What there is to say of a run, as arguments of ``Reporter.say``; an error where some lacks.

    ``said`` are the keys that begin with the run's uid, in their order: what was said before.
    """
    done = [_period(key) for key in said]
    begun = [at for what, at in done if what == "started"]
    stopped = [at for what, at in done if what == "stopped"]
    open_since = begun[-1] if len(begun) > len(stopped) else None
    if run.started_at is not None and run.started_at not in begun and open_since is None:
        public = {"started_at": format_time(run.started_at), "gpu_count": run.gpu_count}
        yield _statement(run, "started", "job-started/1", f"started-{run.started_at}", public)
        open_since = run.started_at
        begun = [*begun, run.started_at]
    if run.suspended_at is not None and open_since is not None and run.exit_status is None:
        at = max(run.suspended_at, open_since)
        public = {"ended_at": format_time(at), "exit_status": ExitStatus.PREEMPTED.value}
        yield _statement(run, "interrupted", "job-interrupted/1", f"stopped-{at}", public)
    if run.exit_status is None or run.ended_at is None:
        return
    if usage is None:
        yield FormatError(
            f"job {run.job_id} has ended, and what its {run.accelerator} are worth, or how the"
            " weights stayed as they were, is not known here"
        )
        return
    wall = sum(end - start for start, end in zip(begun, stopped, strict=False))
    if open_since is not None:
        wall += max(0, run.ended_at - open_since)
    yield _ending(run, usage, started_at=begun[0] if begun else None, wall=wall)


def _ending(run: Run, usage: Usage, *, started_at: int | None, wall: int) -> dict[str, Any]:
    assert run.ended_at is not None
    assert run.exit_status is not None
    gpu_seconds = wall * run.gpu_count
    status = run.exit_status
    if started_at is None:
        status = ExitStatus.CANCELLED  # what never started can only be called off
    public = {
        "started_at": None if started_at is None else format_time(started_at),
        "ended_at": format_time(run.ended_at),
        "wall_seconds": wall,
        "gpu_seconds": gpu_seconds,
        "h200e_seconds": -(-gpu_seconds * usage.milli_h200 // 1000),
        "h200e_basis": usage.basis,
        "exit_status": status.value,
        "weights_unchanged": usage.weights_unchanged,
        "weights_check": usage.weights_check.value,
    }
    source = {
        "system": run.system,
        "record_id": run.uid,
        "record_digest": {"sha256": run.digest},
    }
    kind = _KINDS.get(status, "failed")
    said = _statement(run, kind, "job-ended/1", "ended", public)
    return said | {"sealed": {"source": source}, "seals": True}


def _statement(
    run: Run, kind: str, schema: str, key: str, public: dict[str, Any]
) -> dict[str, Any]:
    return {
        "key": f"{run.uid}-{key}",
        "about": run.job_id,
        "kind": kind,
        "schema": schema,
        "public": public,
        "job_id": run.job_id,
    }


def _period(key: str) -> tuple[str, int]:
    """What a key says of a period, and when."""
    rest, _, at = key.rpartition("-")
    return (rest.rpartition("-")[2], int(at)) if at.isdigit() else ("", 0)


def _run(raw: Raw, cluster: Cluster) -> Run | None:
    named = _decode(raw, _Named)
    if (named.api_version, named.kind) == ("batch/v1", "Job"):
        job: _Job = _decode(raw, _Job)
        pods, template, system = job.spec.pods, job.spec.template, JOB
        metadata, status = job.metadata, job.status
        ended_at, exit_status = _end_of_job(status)
    elif (named.api_version, named.kind) == ("v1", "Pod"):
        pod: _Pod = _decode(raw, _Pod)
        metadata, status = pod.metadata, pod.status
        if any(each.controller for each in metadata.owner_references or ()):
            return None
        pods, template, system = 1, Pod(metadata=metadata, spec=pod.spec), POD
        ended_at, exit_status = _end_of_pod(status)
    else:
        raise FormatError("a Job of batch/v1 or a Pod of v1 is needed")
    gpus = gpus_of(template.spec, further=cluster.further_gpus) * pods
    if not gpus:
        return None
    # The template's are the pods' own: those of the Job can be changed by whoever has started it.
    text = receipt_in(template.metadata.annotations or {})
    admission, submitted = prove(text, policy=cluster.policy, valid_hours=cluster.valid_hours)
    if not _UID.fullmatch(metadata.uid):
        raise FormatError("an object without a uid as Kubernetes gives it")
    if cluster.register.run_of(admission.job_id) != f"{named.kind}/{metadata.uid}":
        return None
    check_member(metadata.namespace, admission, cluster.members)
    return Run(
        uid=metadata.uid,
        system=system,
        digest=sha256(raw).hexdigest(),
        job_id=admission.job_id,
        accelerator=submitted.accelerator,
        gpu_count=gpus,
        read_only=_is_read_only(template, cluster),
        started_at=_time(status.start_time),
        suspended_at=_suspended(status),
        ended_at=ended_at,
        exit_status=exit_status,
    )


def _is_read_only(template: Pod, cluster: Cluster) -> bool:
    try:
        check_volumes(template.metadata, template.spec, host_paths=cluster.host_paths)
    except AdmissionRefused:
        return False
    return True


def _end_of_job(status: _Status) -> tuple[int | None, ExitStatus | None]:
    for each in status.conditions or ():
        if each.status == "True" and each.type in ("Complete", "Failed"):
            at = _time(status.completion_time) or _time(each.last_transition_time)
            if each.type == "Complete":
                return at, ExitStatus.COMPLETED
            return at, _BY_REASON.get(each.reason or "", ExitStatus.FAILED)
    return None, None


def _end_of_pod(status: _Status) -> tuple[int | None, ExitStatus | None]:
    if status.phase not in ("Succeeded", "Failed"):
        return None, None
    over = [
        each.state.terminated
        for each in status.container_statuses or ()
        if each.state is not None and each.state.terminated is not None
    ]
    times = [at for each in over if (at := _time(each.finished_at)) is not None]
    times += [
        at
        for each in status.conditions or ()
        if (at := _time(each.last_transition_time)) is not None
    ]
    if status.phase == "Succeeded":
        return max(times, default=None), ExitStatus.COMPLETED
    reasons = [status.reason, *(each.reason for each in over)]
    reasons += [each.reason for each in status.conditions or () if each.type == "DisruptionTarget"]
    known = [_BY_REASON[each] for each in reasons if each in _BY_REASON]
    return max(times, default=None), known[0] if known else ExitStatus.FAILED


def _suspended(status: _Status) -> int | None:
    for each in status.conditions or ():
        if each.type == "Suspended" and each.status == "True":
            return _time(each.last_transition_time)
    return None


def _time(text: str | None) -> int | None:
    """Unix seconds of an RFC 3339 time; fractions are cut off, and zones are taken into account."""
    if text is None:
        return None
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        when = None
    if when is None or when.tzinfo is None or not text.isascii() or not 2000 <= when.year < 9999:
        raise FormatError("a time is not one of RFC 3339, of this century")
    return int(when.astimezone(UTC).timestamp())


def _decode(raw: Raw, shape: type[Any]) -> Any:  # noqa: ANN401 - of the type that is asked for
    try:
        return msgspec.json.decode(raw, type=shape)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        where = str(error).rpartition(" - at ")[2][:120]
        raise FormatError(f"an object cannot be read as what it says it is: {where}") from None
