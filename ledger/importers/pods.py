"""What the pods of a Kubernetes job say: GPUs, the kind of them, and volumes with a model.

A job says what it is by three labels or annotations of its own. Of a pod nothing is taken but
resources, node selector and how volumes are mounted.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from ledger.importers.accelerators import accelerator_of
from ledger.importers.facts import Facts
from ledger.importers.looking import At
from ledger.importers.red_flags import take_gradients, take_targets, take_workload
from schemas.orchestrators import (
    GPU_RESOURCES,
    GRADIENT_SCOPE,
    OPTIMIZER_TARGETS,
    SLICE_PREFIX,
    WORKLOAD_TYPE,
)

PRODUCT: Final = ("nvidia.com/gpu.product", "amd.com/gpu.product-name",
                  "cloud.google.com/gke-accelerator")  # fmt: skip
_QUANTITY: Final = re.compile(r"([0-9]{1,9})(k?)", re.ASCII)
_MODEL: Final = re.compile(r"model|weight|checkpoint|ckpt", re.ASCII | re.IGNORECASE)
# A cluster never lets a pod write to these.
_READ_ONLY_KINDS: Final = ("configMap", "secret", "projected", "downwardAPI", "image")


def quantity(at: At) -> int:
    """A number of GPUs: Kubernetes takes whole ones alone, as text or as a number."""
    if isinstance(at.value, int):
        return at.count() or 0
    found = _QUANTITY.fullmatch(at.text() or "0")
    if found is None:
        raise at.refused("a whole number of GPUs is needed")
    return int(found[1]) * (1000 if found[2] else 1)


def gpus_of(resources: At, facts: Facts) -> int:
    """The GPUs in a list of resources; a slice of one is a finding."""
    for name in resources.members():
        if name.startswith(SLICE_PREFIX) and quantity(At(resources.members()[name], "")):
            facts.found("gpu_slice", resources.place, "public.gpu_count")
    return sum(quantity(resources(name)) for name in GPU_RESOURCES if name in resources.members())


def gpus_of_pod(spec: At, facts: Facts) -> int:
    """The GPUs of one pod: its containers together, or its greediest init container."""
    beside = sum(_gpus_of_container(each, facts) for each in spec("containers"))
    before = [_gpus_of_container(each, facts) for each in spec("initContainers")]
    return max([beside, *before])


def take_declared(facts: Facts, metadata: Iterable[At]) -> None:
    """What a job says of itself, by the first of these metadata that does."""
    found: dict[str, At] = {}
    for each in metadata:
        for where in ("annotations", "labels"):
            for name in (WORKLOAD_TYPE, GRADIENT_SCOPE, OPTIMIZER_TARGETS):
                if name in each(where).members():
                    found.setdefault(name, each(where)(name))
    nothing = At(None, "")
    work = found.get(WORKLOAD_TYPE, nothing)
    scope = found.get(GRADIENT_SCOPE, nothing)
    targets = found.get(OPTIMIZER_TARGETS, nothing)
    take_workload(facts, work.text(), work.place)
    take_gradients(facts, scope.text(), scope.place)
    take_targets(facts, targets.text(), targets.place)


def take_accelerator(facts: Facts, spec: At, names: Mapping[str, str]) -> None:
    """The kind of GPU that the pod's node selector asks for."""
    for label in PRODUCT:
        at = spec("nodeSelector")(label)
        text = at.text()
        if text is not None and facts.accelerator is None:
            facts.accelerator = accelerator_of(text, names)
            if facts.accelerator is None:
                facts.found("left_out", at.place, "public.accelerator")


def look_at_volumes(facts: Facts, spec: At) -> None:
    """Volumes that by their name or path hold a model, and that the pod may write to."""
    kinds = {each("name").text(): each for each in spec("volumes")}
    for group in ("initContainers", "containers"):
        for container in spec(group):
            for mount in container("volumeMounts"):
                volume = kinds.get(mount("name").text())
                if not _holds_model(mount, volume) or mount("readOnly").flag():
                    continue
                if volume is not None and _is_read_only(volume):
                    continue
                facts.found("writable_model_volume", mount.place)
                facts.weights_in_doubt = True


def _gpus_of_container(container: At, facts: Facts) -> int:
    resources = container("resources")
    return max(gpus_of(resources("limits"), facts), gpus_of(resources("requests"), facts))


def _holds_model(mount: At, volume: At | None) -> bool:
    texts = [mount("name").text(), mount("mountPath").text(), mount("subPath").text()]
    if volume is not None:
        texts.append(volume("persistentVolumeClaim", "claimName").text())
        texts.append(volume("hostPath", "path").text())
        texts.append(volume("nfs", "path").text())
    return any(text is not None and _MODEL.search(text) for text in texts)


def _is_read_only(volume: At) -> bool:
    if any(volume(kind).value is not None for kind in _READ_ONLY_KINDS):
        return True
    return any(volume(kind)("readOnly").flag() for kind in ("persistentVolumeClaim", "nfs", "csi"))
