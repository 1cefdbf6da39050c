"""The names that a scheduler's objects carry for the ledger: annotations, labels, GPU resources.

Read by who lets runs start and by who imports what ran, so that both mean the same.
"""

from typing import Final

PREFIX: Final = "ledger.apsci/"
RECEIPT: Final = f"{PREFIX}receipt"
"""The admission receipt, as it is or in base64: an annotation."""
WORKLOAD_TYPE: Final = f"{PREFIX}workload-type"
GRADIENT_SCOPE: Final = f"{PREFIX}gradient-scope"
OPTIMIZER_TARGETS: Final = f"{PREFIX}optimizer-targets"
MODEL_VOLUMES: Final = f"{PREFIX}model-volume"
"""The pod's volumes that hold a model, by name, separated by commas: an annotation."""
OUTPUT_VOLUMES: Final = f"{PREFIX}output-volume"
"""The pod's lasting volumes that it may write to, by name: an annotation."""

GPU_RESOURCES: Final = ("nvidia.com/gpu", "amd.com/gpu")
SLICE_PREFIX: Final = "nvidia.com/mig-"
"""Resources that are a part of a GPU each (NVIDIA MIG)."""
