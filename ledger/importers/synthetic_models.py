"""The invented models and the real kinds of GPUs of the demonstration.

No such model exists: each name says so. A revision has one weights digest, so that jobs of several
members meet at the same model.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from ledger.importers.draw import Draw

MEMBER_WEIGHTS: Final = {
    "deepseek": 20,
    "qwen": 17,
    "anthropic": 16,
    "google-deepmind": 15,
    "openai": 14,
    "zhipu": 10,
    "moonshot": 8,
}
ACCELERATORS: Final = {
    "nvidia_h200": (56, 1_000),
    "nvidia_h100": (22, 1_000),
    "nvidia_b200": (10, 2_275),
    "nvidia_a100_80gb": (5, 315),
    "amd_mi300x": (4, 1_321),
    "nvidia_h20": (3, 150),
}
"""Slug: how often it is drawn, and its worth in thousandths of an H200."""
H200E_BASIS: Final = (
    "h200e/1: dense FP16 peak by data sheet, H200 SXM = 1 (H100 1, B200 2.275, A100 0.315,"
    " MI300X 1.321, H20 0.15)"
)
_OWN_PERMILLE: Final = 720
"""How often a member studies a model of its own."""


@dataclass(frozen=True, slots=True)
class Model:
    """One revision of one invented model."""

    name: str
    owner: str
    parameters: int
    dtype: str
    revision: str

    @property
    def digest(self) -> dict[str, str]:
        """What its weights are known by, in the form that a statement has it."""
        return digest(f"weights of {self.name} {self.revision}")


@dataclass(frozen=True, slots=True)
class _Family:
    owner: str
    sizes: tuple[tuple[str, int, str], ...]
    revisions: int


_B: Final = 10**9
_FAMILIES: Final = (
    _Family("deepseek", (("671b", 671 * _B, "fp8"), ("32b", 32 * _B, "bf16")), 3),
    _Family("qwen", (("235b", 235 * _B, "bf16"), ("72b", 72 * _B, "bf16")), 2),
    _Family("anthropic", (("large", 400 * _B, "bf16"), ("small", 20 * _B, "bf16")), 2),
    _Family("google-deepmind", (("ultra", 540 * _B, "bf16"), ("27b", 27 * _B, "bf16")), 2),
    _Family("openai", (("120b", 117 * _B, "mxfp4"), ("20b", 21 * _B, "mxfp4")), 2),
    _Family("zhipu", (("355b", 355 * _B, "fp8"), ("9b", 9 * _B, "bf16")), 2),
    _Family("moonshot", (("1t", 1_000 * _B, "fp8"), ("48b", 48 * _B, "bf16")), 2),
)
MODELS: Final[Mapping[str, tuple[Model, ...]]] = {
    family.owner: tuple(
        Model(
            name=f"{family.owner}-synthetic-{size}",
            owner=family.owner,
            parameters=parameters,
            dtype=dtype,
            revision=f"r{number}",
        )
        for size, parameters, dtype in family.sizes
        for number in range(1, family.revisions + 1)
    )
    for family in _FAMILIES
}
"""Every model there is, by the member that made it."""


def draw_model(draw: Draw, member: str) -> Model:
    """The model that a job of ``member`` studies: mostly its own, else one of another's."""
    owner = member if draw.permille(_OWN_PERMILLE) else draw.pick(tuple(MODELS))
    return draw.pick(MODELS[owner])


def digest(text: str) -> dict[str, str]:
    """A digest that belongs to no file that exists."""
    return {"sha256": sha256(f"synthetic: {text}".encode()).hexdigest()}
