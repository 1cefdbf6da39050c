"""Whether a pod could write to the weights. Fails closed: a volume does not say what it holds.

Every lasting volume of a GPU pod is taken for a model's, and has to be mounted readOnly, unless the
annotation ``ledger.apsci/output-volume`` names it. The model's own volumes are named too, in
``ledger.apsci/model-volume``, and have to be read-only at their source as well. What looks like a
model by name or claim cannot be an output, nor can a second volume with a model's source. A path of
the host is there only where the cluster lists it: through a socket or a device that is mounted
read-only, the host can be had all the same.
"""

import json
import re
from collections.abc import Collection, Mapping
from typing import Any, Final

from ledger.admission.pod_gpus import named
from ledger.admission.pod_shapes import Metadata, PodSpec
from ledger.admission.refusal import AdmissionRefused
from ledger.records.charter import Code
from schemas.orchestrators import MODEL_VOLUMES, OUTPUT_VOLUMES

KUBELET: Final = frozenset({"configMap", "secret", "downwardAPI", "projected"})
"""Kinds that the kubelet alone writes."""
SCRATCH: Final = KUBELET | {"emptyDir", "ephemeral"}
"""Kinds that begin anew with each pod."""
MODEL_KINDS: Final = frozenset({"persistentVolumeClaim", "csi", "nfs", "image"})
"""Kinds whose source a cluster keeps read-only; an image cannot be written at all."""
HOST: Final = "hostPath"
MIGHTY: Final = frozenset({"ALL", "SYS_ADMIN", "CAP_SYS_ADMIN"})
"""Capabilities with which a process makes a read-only mount writable."""
_NAMES: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
_LOOKS: Final = re.compile(r"(?:model|weight)s?(?:[-_.].*)?", re.ASCII)


def check_volumes(
    metadata: Metadata, spec: PodSpec, *, host_paths: Collection[str] | None = ()
) -> None:
    """Raise AdmissionRefused where the pod could write to a model, or does not say which it has.

    ``host_paths`` are the paths of the host that a pod with GPUs may have, each as it is spelled
    in the pod; None leaves that to another check.
    """
    _check_powers(spec)
    models = _named(metadata, MODEL_VOLUMES)
    outputs = _named(metadata, OUTPUT_VOLUMES)
    volumes = _volumes(spec)
    if not models:
        raise _writable(
            f"A pod with GPUs has to name the volumes that hold its model, in the annotation"
            f" {MODEL_VOLUMES}."
        )
    if host_paths is not None:
        _check_host(volumes, host_paths)
    for name in sorted((models | outputs) - volumes.keys()):
        raise _writable(f"The pod names the volume {name!a}, which it does not have.")
    for name in sorted(models):
        _check_model(name, *volumes[name])
    sources = {_source(*volumes[name]) for name in models}
    for name in sorted(outputs):
        kind, source = volumes[name]
        if name in models or _source(kind, source) in sources or _looks(name, kind, source):
            raise _writable(f"The volume {name!a} is a model's, and cannot be an output.")
        if kind == HOST:
            raise _writable(
                f"The volume {name!a} is a folder of the host, and cannot be an output."
            )
    for name, (kind, source) in volumes.items():
        if name not in models and kind not in KUBELET and _looks(name, kind, source):
            raise _writable(
                f"The volume {name!a} looks like a model's: name it in {MODEL_VOLUMES}."
            )
    free = outputs | {name for name, (kind, _) in volumes.items() if kind in SCRATCH}
    _check_mounts(spec, volumes.keys(), free)


def _check_host(
    volumes: Mapping[str, tuple[str, Mapping[str, Any]]], host_paths: Collection[str]
) -> None:
    for name, (kind, source) in volumes.items():
        if kind == HOST and source.get("path") not in host_paths:
            raise _writable(
                f"The volume {name[:63]!a} is a path of the host ({HOST}), which this cluster does"
                " not let pods with GPUs have."
            )


def _check_mounts(spec: PodSpec, known: Collection[str], free: Collection[str]) -> None:
    for container in spec.every_container():
        for mount in container.volume_mounts or ():
            if mount.name not in known:
                raise _writable(f"The {named(container)} mounts a volume that the pod lacks.")
            if mount.name not in free and not mount.read_only:
                raise _writable(
                    f"The {named(container)} can write to the volume {mount.name[:63]!a}: mount it"
                    f" readOnly, or name it in {OUTPUT_VOLUMES} if it holds no model."
                )
        for device in container.volume_devices or ():
            if device.name not in free:
                raise _writable(
                    f"The {named(container)} has the volume {device.name[:63]!a} as a device, which"
                    " cannot be kept from being written."
                )


def _check_powers(spec: PodSpec) -> None:
    for container in spec.every_container():
        security = container.security_context
        if security is None:
            continue
        added = (security.capabilities and security.capabilities.add) or ()
        if security.privileged or MIGHTY.intersection(each.upper() for each in added):
            raise _writable(
                f"The {named(container)} is privileged, and could make a read-only volume writable."
            )
    if spec.host_pid:
        raise _writable("The pod sees the host's processes (hostPID), and their volumes with them.")


def _check_model(name: str, kind: str, source: Mapping[str, Any]) -> None:
    if kind not in MODEL_KINDS:
        raise _writable(
            f"The model's volume {name!a} is of the kind {kind[:63]!a}; a model is mounted from"
            f" {', '.join(sorted(MODEL_KINDS))}."
        )
    if kind != "image" and source.get("readOnly") is not True:
        raise _writable(
            f"The model's volume {name!a} is writable at its source: set {kind}.readOnly to true."
        )


def _volumes(spec: PodSpec) -> dict[str, tuple[str, Mapping[str, Any]]]:
    """Kind and source by name. A volume of two kinds is of one that nobody knows."""
    found: dict[str, tuple[str, Mapping[str, Any]]] = {}
    for each in spec.volumes or ():
        name = each.get("name")
        kinds = [key for key, value in each.items() if key != "name" and value is not None]
        if not isinstance(name, str) or name in found:
            raise _writable("The pod's volumes do not have one name each.")
        source = each[kinds[0]] if len(kinds) == 1 else None
        # A volume without a kind is an emptyDir; nothing else is taken to be one.
        kind = "emptyDir" if not kinds else kinds[0] if isinstance(source, dict) else "unknown"
        found[name] = kind, source if isinstance(source, dict) else {}
    return found


def _source(kind: str, source: Mapping[str, Any]) -> tuple[str, str]:
    """What two volumes share that lead to the same files, or might."""
    match kind:
        case "persistentVolumeClaim":
            return kind, str(source.get("claimName"))
        case "nfs":
            return kind, str(source.get("server"))  # a path may lie below the other
        case "csi":
            return kind, str(source.get("driver"))  # what its attributes mean, the driver knows
    return kind, json.dumps(source, sort_keys=True)


def _looks(name: str, kind: str, source: Mapping[str, Any]) -> bool:
    claim = str(source.get("claimName", "")) if kind == "persistentVolumeClaim" else ""
    return any(_LOOKS.fullmatch(each.lower()) for each in (name, claim))


def _named(metadata: Metadata, annotation: str) -> set[str]:
    text = (metadata.annotations or {}).get(annotation)
    if text is None:
        return set()
    names = [each.strip() for each in text.split(",")]
    if len(text) > 10_000 or not all(_NAMES.fullmatch(each) for each in names):
        raise _writable(f"The annotation {annotation} is not a list of volumes: name[,name].")
    return set(names)


def _writable(finding: str) -> AdmissionRefused:
    return AdmissionRefused(Code.R1_WEIGHT_DELTA, finding)
