"""A Kubernetes cluster as its webhooks see it: objects by the official client, reviews as sent.

Every object is built from the models of the official Python client and serialised by it, so that a
field that Kubernetes does not have cannot be in a test. Reviews have the fields that the API
server's documentation shows.
"""

import base64
import copy
import itertools
from pathlib import Path
from typing import Any

from admission_world import DECIDED, POLICY, paper
from kubernetes import client

from ledger.admission.kubernetes import Cluster
from ledger.admission.pods_of_jobs import PodsOfJobs
from ledger.admission.register import Register

JOB_CONTROLLER = "system:serviceaccount:kube-system:job-controller"
RECEIPT = paper().receipt()
IN_BASE64 = base64.b64encode(RECEIPT).decode()
_API = client.ApiClient()
_numbers = itertools.count(1)


class Clock:
    """Unix seconds, as told: an hour after the decision."""

    def __init__(self) -> None:
        self.now = DECIDED + 3_600

    def __call__(self) -> int:
        return self.now


def cluster(folder: Path, **changed: Any) -> Cluster:
    """What a cluster believes and remembers, in a folder."""
    given: dict[str, Any] = {
        "policy": POLICY,
        "register": Register(folder / "register.db"),
        "pods": PodsOfJobs(folder / "register.db.pods"),
        "clock": Clock(),
    }
    return Cluster(**(given | changed))


def uid() -> str:
    """A new object's uid."""
    return f"00000000-0000-4000-8000-{next(_numbers):012d}"


def plain(thing: object) -> Any:
    """An object of the client's models as JSON has it."""
    return _API.sanitize_for_serialization(thing)


def container(
    gpus: int | str | None = 8, *, name: str = "eval", resource: str = "nvidia.com/gpu", **more: Any
) -> client.V1Container:
    """A container that mounts the model read-only."""
    given: dict[str, Any] = {
        "name": name,
        "image": "registry.example/eval@sha256:" + "0" * 64,
        "resources": None
        if gpus is None
        else client.V1ResourceRequirements(limits={resource: str(gpus)}),
        "volume_mounts": [
            client.V1VolumeMount(name="weights", mount_path="/model", read_only=True)
        ],
    }
    return client.V1Container(**(given | more))


def claim(name: str = "weights", *, claim: str = "model-pvc", ro: bool | None = True) -> Any:
    """A volume of a persistent claim."""
    source = client.V1PersistentVolumeClaimVolumeSource(claim_name=claim, read_only=ro)
    return client.V1Volume(name=name, persistent_volume_claim=source)


def spec(*containers: client.V1Container, **more: Any) -> client.V1PodSpec:
    """A pod's plan; one container of eight GPUs where none is given."""
    given: dict[str, Any] = {
        "containers": list(containers) or [container()],
        "volumes": [claim()],
        "restart_policy": "Never",
        "active_deadline_seconds": 3_600,
    }
    return client.V1PodSpec(**(given | more))


def annotations(receipt: str | None = IN_BASE64, **more: str) -> dict[str, str]:
    """What a pod with GPUs says; names in ``more`` have dashes for underscores."""
    said = {"model-volume": "weights"} | {key.replace("_", "-"): v for key, v in more.items()}
    if receipt is not None:
        said["receipt"] = receipt
    return {f"ledger.apsci/{key}": value for key, value in said.items()}


def owner(owner_uid: str, *, kind: str = "Job") -> client.V1OwnerReference:
    """A controlling owner."""
    return client.V1OwnerReference(
        api_version="batch/v1", kind=kind, name="eval", uid=owner_uid, controller=True
    )


def pod(
    plan: client.V1PodSpec | None = None,
    *,
    said: dict[str, str] | None = None,
    labels: dict[str, str] | None = None,
    owners: list[client.V1OwnerReference] | None = None,
    phase: str = "Pending",
) -> dict[str, Any]:
    """A pod as an API server shows it to a webhook."""
    metadata = client.V1ObjectMeta(
        name="eval-0",
        namespace="deepseek",
        uid=uid(),
        annotations=annotations() if said is None else said,
        labels=labels,
        owner_references=owners,
    )
    made: dict[str, Any] = plain(
        client.V1Pod(
            api_version="v1",
            kind="Pod",
            metadata=metadata,
            spec=plan or spec(),
            status=client.V1PodStatus(phase=phase),
        )
    )
    return made


def job(
    parallelism: int | None = 1,
    plan: client.V1PodSpec | None = None,
    *,
    said: dict[str, str] | None = None,
) -> dict[str, Any]:
    """A Job of batch/v1."""
    template = client.V1PodTemplateSpec(
        metadata=client.V1ObjectMeta(annotations=annotations() if said is None else said),
        spec=plan or spec(),
    )
    made: dict[str, Any] = plain(
        client.V1Job(
            api_version="batch/v1",
            kind="Job",
            metadata=client.V1ObjectMeta(name="eval", namespace="deepseek", uid=uid()),
            spec=client.V1JobSpec(parallelism=parallelism, template=template),
        )
    )
    return made


def review(
    thing: dict[str, Any] | None,
    *,
    operation: str = "CREATE",
    old: dict[str, Any] | None = None,
    user: str = "alice@example.org",
    groups: tuple[str, ...] = ("system:authenticated",),
    dry_run: bool = False,
    sub_resource: str | None = None,
    options: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """An AdmissionReview with the fields that Kubernetes documents."""
    shown = thing if thing is not None else old
    assert shown is not None
    group, _, version = shown["apiVersion"].rpartition("/")
    kind = {"group": group, "version": version, "kind": shown["kind"]}
    resource = {"group": group, "version": version, "resource": shown["kind"].lower() + "s"}
    request: dict[str, Any] = {
        "uid": uid(),
        "kind": kind,
        "resource": resource,
        "requestKind": kind,
        "requestResource": resource,
        "name": shown["metadata"]["name"],
        "namespace": shown["metadata"]["namespace"],
        "operation": operation,
        "userInfo": {"username": user, "uid": "014fbff9a07c", "groups": list(groups)},
        "object": copy.deepcopy(thing),
        "oldObject": copy.deepcopy(old),
        "dryRun": dry_run,
        "options": options or {"apiVersion": "meta.k8s.io/v1", "kind": "CreateOptions"},
    }
    if sub_resource is not None:
        request |= {"subResource": sub_resource, "requestSubResource": sub_resource}
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
