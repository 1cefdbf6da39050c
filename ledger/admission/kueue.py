"""What Kueue is told about a Workload: the decision of an AdmissionCheck, and its status patch.

``decide`` reads a Workload, v1beta1 or v1beta2: Ready, Rejected or Retry, with a message for
its owner; ``patch`` is what to send to the API server. Rejected is for good, until somebody changes
the workload; Retry is for what can mend itself, and gives the quota back meanwhile. Nothing is used
up here: that a receipt starts one run is for the check that stands before its pods.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from ledger.admission.kubernetes import Cluster
from ledger.admission.pod_gpus import gpus_of
from ledger.admission.pod_shapes import Many, Metadata, Pod, Read
from ledger.admission.pod_volumes import check_volumes
from ledger.admission.receipt import MAX_SKEW_S, Admission
from ledger.admission.refusal import AdmissionRefused
from ledger.admission.reporting import Refusal
from ledger.admission.started import (
    check_member,
    check_started,
    declared_in,
    prove,
    receipt_in,
)
from ledger.errors import FormatError
from ledger.records.charter import Code
from ledger.records.deadline import format_time
from schemas.orchestrators import RECEIPT

SYSTEM: Final = "kueue"
GROUP: Final = "kueue.x-k8s.io"
VERSIONS: Final = ("v1beta1", "v1beta2")
MAX_BYTES: Final = 3 << 20
"""What an API server takes itself of one object."""
RETRY_AFTER_S: Final = 60
"""How long Kueue waits with a workload that is to be asked about again."""

log = logging.getLogger(__name__)


class State(StrEnum):
    """States of an admission check that a controller sets."""

    READY = "Ready"
    RETRY = "Retry"
    REJECTED = "Rejected"


class _PodSet(Read, frozen=True):
    name: str
    template: Pod
    count: Annotated[int, Meta(ge=0)] = 1


class _Assignment(Read, frozen=True):
    name: str
    count: Annotated[int, Meta(ge=0)] | None = None


class _Admission(Read, frozen=True):
    pod_set_assignments: Annotated[list[_Assignment], Many] | None = None


class _Spec(Read, frozen=True):
    pod_sets: Annotated[list[_PodSet], Many] | None = None
    maximum_execution_time_seconds: int | None = None


class _Status(Read, frozen=True):
    admission: _Admission | None = None
    admission_checks: Annotated[list[dict[str, Any]], Many] | None = None


class _Metadata(Metadata, frozen=True):
    resource_version: str | None = None


class Workload(Read, frozen=True):
    """A Kueue Workload, as far as it is read."""

    api_version: str
    kind: str
    metadata: _Metadata
    spec: _Spec
    status: _Status = _Status()


@dataclass(frozen=True, slots=True)
class Decided:
    """What Kueue is told; ``refusal`` is what the log is told where the state is Rejected."""

    state: State
    message: str
    refusal: Refusal | None = None


class _NotNow(AdmissionRefused):
    """What cannot be decided yet, and may be later."""


def parse_workload(text: bytes) -> Workload:
    """The workload in a JSON text of at most 3 MiB. Raises FormatError, naming the field."""
    if len(text) > MAX_BYTES:
        raise FormatError(f"a workload of more than {MAX_BYTES} bytes")
    try:
        found = msgspec.json.decode(text, type=Workload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        said = str(error)[:200] if isinstance(error, msgspec.MsgspecError) else "not JSON"
        raise FormatError(f"this is not a Workload of {GROUP}: {said}") from None
    if found.kind != "Workload" or found.api_version not in [f"{GROUP}/{v}" for v in VERSIONS]:
        raise FormatError(f"a Workload of {GROUP}/{' or '.join(VERSIONS)} is needed")
    return found


def decide(workload: Workload, cluster: Cluster) -> Decided:
    """Say whether the workload may start. Never raises: what goes wrong is Retry, never Ready."""
    known: dict[str, Any] = {}
    try:
        return _decide(workload, cluster, known)
    except _NotNow as refused:
        return Decided(State.RETRY, str(refused))
    except AdmissionRefused as refused:
        refusal = Refusal(
            system=SYSTEM, run=f"Workload/{workload.metadata.uid}", code=refused.code, **known
        )
        return Decided(State.REJECTED, str(refused), refusal)
    except Exception as error:  # noqa: BLE001 - a fault of ours lets nothing through
        log.error("a workload could not be judged: %s", type(error).__name__)  # noqa: TRY400 - a trace could show what it says
        return Decided(State.RETRY, "The admission check failed in itself, and will try again.")


def patch(
    workload: Workload, decided: Decided, *, check: str, clock: Callable[[], int], merge: bool
) -> dict[str, Any]:
    """The change of ``status.admissionChecks`` that tells Kueue what was decided.

    For server-side apply: the one check ``check``, which is merged by its name. With ``merge``, for
    a JSON merge patch: every check, and the resource version that they were read at, so that a
    change in between is a conflict. Raises FormatError where the workload does not wait for
    ``check``.
    """
    checks = workload.status.admission_checks or []
    before = next((each for each in checks if each.get("name") == check), None)
    if before is None:
        raise FormatError(f"the workload does not wait for the admission check {check[:80]!a}")
    since = before.get("lastTransitionTime") if before.get("state") == decided.state else None
    told: dict[str, Any] = {
        "name": check,
        "state": decided.state.value,
        "lastTransitionTime": since or format_time(clock()),
        "message": decided.message,
    }
    if decided.state is State.RETRY:
        told["requeueAfterSeconds"] = RETRY_AFTER_S
    metadata = workload.metadata
    named = {"name": metadata.name, "namespace": metadata.namespace}
    if merge:
        if metadata.resource_version is None:
            raise FormatError("the workload has no metadata.resourceVersion")
        named["resourceVersion"] = metadata.resource_version
    all_of_them = [told if each is before else each for each in checks]
    return {
        "apiVersion": workload.api_version,
        "kind": workload.kind,
        "metadata": named,
        "status": {"admissionChecks": all_of_them if merge else [told]},
    }


def _decide(workload: Workload, cluster: Cluster, known: dict[str, Any]) -> Decided:
    assigned = {
        each.name: each.count
        for each in (workload.status.admission or _Admission()).pod_set_assignments or ()
        if each.count is not None
    }
    total, with_gpus = 0, []
    for each in workload.spec.pod_sets or ():
        gpus = gpus_of(each.template.spec, further=cluster.further_gpus)
        # What Kueue has assigned can be fewer pods than were asked for.
        total += gpus * assigned.get(each.name, each.count)
        if gpus:
            with_gpus.append(each.template)
    if not total:
        return Decided(State.READY, "The workload asks for no GPUs.")
    known["gpu_count"] = total
    metadata = [workload.metadata, *(each.metadata for each in with_gpus)]
    receipts = {receipt_in({RECEIPT: text}) for text in _receipts(metadata)}
    if len(receipts) > 1:
        raise AdmissionRefused(Code.Q_MALFORMED, "The workload has more than one receipt.")
    text = receipts.pop() if receipts else receipt_in({})
    proved, submitted = prove(text, policy=cluster.policy, valid_hours=cluster.valid_hours)
    # Receipts are public: a job that is not this namespace's is not named in what the log hears.
    check_member(workload.metadata.namespace, proved, cluster.members)
    known |= {"job_id": proved.job_id, "member": proved.author}
    now = cluster.clock()
    _check_clock(proved, now)
    admission = check_started(
        text,
        submitted,
        declared_in(*metadata),
        policy=cluster.policy,
        now=now,
        gpu_count=total,
        valid_hours=cluster.valid_hours,
        wall_seconds=workload.spec.maximum_execution_time_seconds,
    )
    for template in with_gpus:
        # Which folders of the host are let through, the check before the pods knows.
        check_volumes(template.metadata, template.spec, host_paths=None)
    return Decided(
        State.READY,
        f"Admitted by the ledger as job {admission.job_id} with {admission.gpu_count} GPUs.",
    )


def _receipts(metadata: list[Metadata]) -> list[str]:
    found = [(each.annotations or {}).get(RECEIPT) for each in metadata]
    return [each for each in found if each is not None]


def _check_clock(admission: Admission, now: int) -> None:
    if now < admission.decided_at - MAX_SKEW_S:
        raise _NotNow(
            Code.R3_MISSING_RECORD,
            f"The clock of this cluster is before the admission of job {admission.job_id}.",
        )
