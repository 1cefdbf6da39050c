"""How many GPUs a pod takes, counted as Kubernetes reserves them.

A slice of a GPU counts as a whole one: what was admitted is whole GPUs. What cannot be counted is
refused, never taken as none.
"""

import re
from collections import Counter
from typing import Final

from ledger.admission.pod_shapes import Container, PodSpec, Resources
from ledger.admission.refusal import AdmissionRefused
from ledger.records.charter import Code
from schemas.orchestrators import GPU_RESOURCES, SLICE_PREFIX

SHARED: Final = ".shared"
"""How NVIDIA's device plugin names a GPU that several containers take turns on."""
ALWAYS: Final = "Always"
_QUANTITY: Final = re.compile(r"([0-9]{1,9})(?:(k)|(Ki)|e([0-6]))?", re.ASCII)


def gpus_of(spec: PodSpec, *, further: frozenset[str] = frozenset()) -> int:
    """The GPUs that the pod holds at its greediest; 0 where it asks for none.

    Containers run together, and with them every init container that is restarted always; the other
    init containers run one after another before them, beside those that were started by then
    (Kubernetes, "Sidecar containers", resource sharing). ``further`` are resources of this cluster
    that are GPUs too. Raises AdmissionRefused for a quantity that cannot be read, and for a pod
    that gets devices by resource claims, which do not say how many.
    """
    containers = spec.every_container()
    if spec.resource_claims or any(
        each.resources is not None and each.resources.claims for each in containers
    ):
        raise AdmissionRefused(
            Code.Q_MALFORMED,
            "The pod asks for devices by resource claims, which do not say how many GPUs they are;"
            " ask for GPUs in the containers' resources.",
        )
    beside: Counter[str] = Counter()
    greediest: Counter[str] = Counter()
    for each in spec.init_containers or ():
        own = _asked(each.resources, further)
        if each.restart_policy == ALWAYS:
            beside += own
            greediest |= beside
        else:
            greediest |= beside + own
    together = beside.copy()
    for each in (*(spec.containers or ()), *(spec.ephemeral_containers or ())):
        together += _asked(each.resources, further)
    whole = _asked(spec.resources, further)
    return (greediest | together | whole).total()


def _asked(resources: Resources | None, further: frozenset[str]) -> Counter[str]:
    """GPUs by resource; a limit stands for the request that is left away."""
    found: Counter[str] = Counter()
    for each in () if resources is None else (resources.limits, resources.requests):
        for name, quantity in (each or {}).items():
            if is_gpu(name, further):
                found |= Counter({name: _count(quantity)})
    return found


def is_gpu(name: str, further: frozenset[str] = frozenset()) -> bool:
    """Whether a resource of this name is a GPU, or a part of one."""
    known = name.removesuffix(SHARED)
    return known in GPU_RESOURCES or name.startswith(SLICE_PREFIX) or name in further


def _count(quantity: str | int) -> int:
    found = _QUANTITY.fullmatch(str(quantity))
    if found is None:
        raise AdmissionRefused(
            Code.Q_MALFORMED, "A container asks for GPUs in a number that is not a whole one."
        )
    number, thousands, binary, exponent = found.groups()
    factor = 1000 if thousands else 1024 if binary else 10 ** int(exponent or 0)
    return int(number) * factor


def named(container: Container) -> str:
    """A container as a message names it."""
    return f"container {container.name[:63]!a}"
