"""Whether Kubernetes may start a pod: the decision behind a validating admission webhook.

``judge`` takes an ``AdmissionReview`` of admission.k8s.io/v1 and gives the answer to it. A pod with
GPUs needs the receipt of an admission in its annotation ``ledger.apsci/receipt``; it may not take
more GPUs, together with the other pods of its run, nor say other things of itself than were
admitted, nor run without an end, nor be able to write to a model. Objects that make pods are held
to the same by their template, so that who creates one is told at once. Nothing is changed in an
object, ever. Whatever cannot be understood is not allowed.

The run is what controls the pod, as its owner reference says, where one of the cluster's own
controllers makes the pod; in all other hands an owner reference is a claim, and the run is the pod.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import msgspec

from ledger.admission.pod_gpus import gpus_of
from ledger.admission.pod_shapes import Metadata, Owning, Pod, Request, Review
from ledger.admission.pod_volumes import check_volumes
from ledger.admission.pods_of_jobs import PodsOfJobs
from ledger.admission.receipt import VALID_HOURS, Admission
from ledger.admission.refusal import AdmissionRefused
from ledger.admission.register import Register
from ledger.admission.reporting import Refusal
from ledger.admission.started import check_member, check_started, declared_in, prove, receipt_in
from ledger.errors import FormatError
from ledger.records.charter import Code
from ledger.tlog.policy import Policy
from schemas.orchestrators import (
    GRADIENT_SCOPE,
    MODEL_VOLUMES,
    OPTIMIZER_TARGETS,
    OUTPUT_VOLUMES,
    PREFIX,
    RECEIPT,
    WORKLOAD_TYPE,
)

SYSTEM: Final = "kubernetes"
API_VERSION: Final = "admission.k8s.io/v1"
KIND: Final = "AdmissionReview"
CONTROLLERS: Final = frozenset(
    {
        "system:kube-controller-manager",
        *(
            f"system:serviceaccount:kube-system:{name}-controller"
            for name in ("job", "replicaset", "replication", "statefulset", "daemon-set")
        ),
    }
)
"""Who makes pods for others: as Kubernetes names its own controllers, with and without accounts."""
WATCHING: Final = CONTROLLERS | {
    f"system:serviceaccount:kube-system:{name}"
    for name in ("pod-garbage-collector", "generic-garbage-collector", "node-controller")
}
"""Whose word on how far a pod is counts, beside the nodes': controllers of the cluster itself."""
NODES: Final = "system:nodes"
JOB: Final = ("batch/v1", "Job")
OWNING: Final = frozenset({"Job", "Deployment", "StatefulSet", "ReplicaSet"})
WHOLE: Final = ("", "ephemeralcontainers", "resize")
"""Subresources of a pod whose updates carry the whole pod."""
_ANNOTATIONS: Final = (
    RECEIPT, WORKLOAD_TYPE, GRADIENT_SCOPE, OPTIMIZER_TARGETS, MODEL_VOLUMES, OUTPUT_VOLUMES,
)  # fmt: skip

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Cluster:
    """What one cluster believes and remembers.

    ``members`` maps namespaces to the members whose jobs run there; empty: any receipt counts in
    any namespace. ``host_paths`` are those that pods with GPUs may mount. ``clock`` gives unix
    seconds.
    """

    policy: Policy
    register: Register
    pods: PodsOfJobs
    clock: Callable[[], int]
    valid_hours: int = VALID_HOURS
    further_gpus: frozenset[str] = frozenset()
    controllers: frozenset[str] = CONTROLLERS
    members: Mapping[str, str] = field(default_factory=dict)
    host_paths: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Judged:
    """The answer to a review, and the refusal in it where there is one to be said in the log."""

    answer: dict[str, Any]
    refusal: Refusal | None = None


def parse_review(body: bytes) -> Request:
    """What an API server asks. Raises FormatError for what is no AdmissionReview of version v1."""
    try:
        review = msgspec.json.decode(body, type=Review)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise FormatError(f"this is not an {KIND} with a request") from None
    if (review.api_version, review.kind) != (API_VERSION, KIND):
        raise FormatError(f"an {KIND} of {API_VERSION} is answered here, and nothing else")
    return review.request


def judge(request: Request, cluster: Cluster) -> Judged:
    """Answer whether what is asked may be done. Never raises: what goes wrong is not allowed."""
    asked = _Asked(request.uid)
    try:
        _judge(request, cluster, asked)
    except AdmissionRefused as refused:
        refusal = None
        if not request.dry_run:
            refusal = replace(asked.refusal, code=refused.code)
        return Judged(_answer(request, refused), refusal)
    except Exception as error:
        # A fault of ours lets nothing through.
        log.error("a review could not be judged: %s", type(error).__name__)  # noqa: TRY400 - a trace could show what the pod says
        log.debug("where it failed", exc_info=True)
        fault = AdmissionRefused(
            Code.Q_MALFORMED,
            "The admission check failed in itself; nothing starts until that is mended.",
        )
        return Judged(_answer(request, fault, code=500, reason="InternalError"))
    return Judged(_answer(request))


def judge_ended(request: Request, cluster: Cluster) -> Judged:
    """Note the end of a pod, where the review proves one; always allows, being no gate.

    A pod has ended when a node or a controller of the cluster says so by its phase, when a node
    takes its object away, and when it is deleted before it had a node. What anyone else says of its
    phase proves nothing, and a deletion that anyone else asks for only begins to end it.
    """
    try:
        pod = _ended(request)
        if pod is not None and not request.dry_run:
            cluster.pods.ended(pod, cluster.clock())
    except AdmissionRefused as refused:
        # The pod then holds its GPUs until lists are compared.
        log.error("the end of a pod was not noted: %s", refused)  # noqa: TRY400 - it says it all
    return Judged(_answer(request))


@dataclass(slots=True)
class _Asked:
    """What is known of a start while it is judged; the log hears of it if it is refused."""

    run: str
    gpus: int | None = None
    admission: Admission | None = None

    @property
    def refusal(self) -> Refusal:
        known = self.admission
        return Refusal(
            system=SYSTEM,
            run=self.run,
            code=Code.Q_MALFORMED,
            gpu_count=self.gpus,
            job_id=None if known is None else known.job_id,
            member=None if known is None else known.author,
        )


def _judge(request: Request, cluster: Cluster, asked: _Asked) -> None:
    kind = request.kind.kind
    if request.operation not in ("CREATE", "UPDATE"):
        raise AdmissionRefused(
            Code.Q_MALFORMED,
            f"This check answers CREATE and UPDATE, not {request.operation!a:.30}.",
        )
    if kind == "Pod" and request.kind.group == "" and request.sub_resource in WHOLE:
        pod = _decode(request.object, Pod)
        if request.operation == "UPDATE" and _same(pod, _old(request, Pod)):
            return
        asked.run = _run(request, pod.metadata, cluster)
        # A Job's own limit was looked at when the Job was let in, and it ends the Job's pods.
        by_job = asked.run.startswith("Job/")
        deadlines = [pod.spec.active_deadline_seconds]
        _check_pod(request, pod, cluster, asked, pods=1, deadlines=deadlines, limited=by_job)
    elif kind in OWNING and request.sub_resource == "":
        owning = _decode(request.object, Owning)
        if request.operation == "UPDATE":
            old = _old(request, Owning)
            if (
                owning.spec.pods <= old.spec.pods
                and owning.spec.active_deadline_seconds == old.spec.active_deadline_seconds
                and _same(owning.spec.template, old.spec.template)
            ):
                return
        asked.run = f"{kind}/{owning.metadata.uid or request.uid}"
        if owning.spec.pods:
            template = owning.spec.template
            deadlines = [template.spec.active_deadline_seconds]
            if kind == "Job":
                deadlines.append(owning.spec.active_deadline_seconds)
            _check_pod(
                request,
                template,
                cluster,
                asked,
                pods=owning.spec.pods,
                deadlines=deadlines,
                template=True,
            )
    else:
        raise AdmissionRefused(
            Code.Q_MALFORMED, f"This check does not know objects of the kind {kind!a:.60}."
        )


def _check_pod(
    request: Request,
    pod: Pod,
    cluster: Cluster,
    asked: _Asked,
    *,
    pods: int,
    deadlines: Sequence[int | None],
    limited: bool = False,
    template: bool = False,
) -> None:
    """``limited``: something else than the ``deadlines`` is known to end the pod."""
    gpus = gpus_of(pod.spec, further=cluster.further_gpus) * pods
    if not gpus:
        return
    asked.gpus = gpus
    text = receipt_in(pod.metadata.annotations or {})
    proved, submitted = prove(text, policy=cluster.policy, valid_hours=cluster.valid_hours)
    # Receipts are public: a job that is not this namespace's is not named in what the log hears.
    check_member(request.namespace, proved, cluster.members)
    asked.admission = proved
    now = cluster.clock()
    admission = check_started(
        text,
        submitted,
        declared_in(pod.metadata),
        policy=cluster.policy,
        now=now,
        gpu_count=gpus,
        valid_hours=cluster.valid_hours,
        wall_seconds=min((each for each in deadlines if each is not None), default=None),
    )
    if not limited and all(each is None for each in deadlines):
        raise AdmissionRefused(
            Code.Q_QUOTA,
            f"Nothing ends this {request.kind.kind}: with GPUs, start a Pod or a Job with"
            f" activeDeadlineSeconds of at most {admission.wall_limit_seconds}, which job"
            f" {admission.job_id} was admitted with; Deployments and the like cannot have one.",
        )
    check_volumes(pod.metadata, pod.spec, host_paths=cluster.host_paths)
    if template or request.dry_run:
        return
    if not pod.metadata.uid:
        raise AdmissionRefused(Code.Q_MALFORMED, "The pod has no uid: it cannot be told apart.")
    if cluster.register.run_of(admission.job_id) is None:
        # A refusal by what comes after would use the receipt up.
        cluster.pods.check(
            admission.job_id,
            gpus=gpus,
            admitted=admission.gpu_count,
            wall_limit_seconds=admission.wall_limit_seconds,
            at=now,
        )
    cluster.register.take(admission.job_id, asked.run, now)
    cluster.pods.hold(
        pod.metadata.uid,
        run=asked.run,
        job_id=admission.job_id,
        gpus=gpus,
        admitted=admission.gpu_count,
        wall_limit_seconds=admission.wall_limit_seconds,
        at=now,
    )


def _run(request: Request, metadata: Metadata, cluster: Cluster) -> str:
    """The run that a pod belongs to: what was noted when it was let in, or by its maker."""
    if request.operation == "UPDATE" and metadata.uid:
        known = cluster.pods.run_of(metadata.uid)
        if known is not None:
            return known
    if request.user_info.username in cluster.controllers:
        for each in metadata.owner_references or ():
            if each.controller:
                # Others than Kubernetes may call an object of theirs a Job.
                foreign = each.kind == JOB[1] and each.api_version != JOB[0]
                return f"{'Other' if foreign else ''}{each.kind}/{each.uid}"[:200]
    return f"Pod/{metadata.uid or request.uid}"


def _same(new: Pod, old: Pod) -> bool:
    """Whether an update leaves everything alone that a creation is judged by."""
    return _claim(new) == _claim(old)


def _claim(pod: Pod) -> tuple[object, ...]:
    # The scheduler fills in the node.
    spec = msgspec.structs.replace(pod.spec, node_name=None)
    return [pod.metadata.said(name) for name in _ANNOTATIONS], spec


def _ended(request: Request) -> str | None:
    """The uid of the pod that has ended, None where it may still run."""
    if request.kind.kind != "Pod" or request.kind.group != "":
        return None
    if request.operation == "UPDATE":
        raw = request.object
    elif request.operation == "DELETE":
        raw = request.old_object
    else:
        return None
    pod = _decode(raw, Pod)
    by_node = NODES in (request.user_info.groups or ())
    over = pod.status.phase in ("Succeeded", "Failed") and (
        by_node or request.user_info.username in WATCHING
    )
    if request.operation == "DELETE":
        options = request.options or {}
        grace = options.get("gracePeriodSeconds")
        taken_away = by_node and grace == 0
        over = over or taken_away or not pod.spec.node_name
    return pod.metadata.uid if over and pod.metadata.uid else None


def _old(request: Request, shape: type[Any]) -> Any:  # noqa: ANN401 - of the type that is asked for
    return _decode(request.old_object, shape)


def _decode(raw: msgspec.Raw, shape: type[Any]) -> Any:  # noqa: ANN401 - of the type that is asked for
    try:
        return msgspec.json.decode(raw, type=shape)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        # The place is the decoder's, and the value stays where it is.
        where = str(error).rpartition(" - at ")[2][:120]
        raise AdmissionRefused(
            Code.Q_MALFORMED, f"The object cannot be read as what it says it is: {where}."
        ) from None


def _answer(
    request: Request,
    refused: AdmissionRefused | None = None,
    *,
    code: int = 403,
    reason: str = "Forbidden",
) -> dict[str, Any]:
    response: dict[str, Any] = {"uid": request.uid, "allowed": refused is None}
    if refused is not None:
        message = f"{PREFIX.rstrip('/')}: {refused}"
        response["status"] = {"code": code, "reason": reason, "message": message}
    return {"apiVersion": API_VERSION, "kind": KIND, "response": response}
