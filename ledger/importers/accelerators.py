"""What a kind of GPU is called in the ledger, from the names that other tools have for it."""

import re
from collections.abc import Mapping
from typing import Final

_KNOWN: Final = {
    **{name: f"nvidia_{name}" for name in (
        "a10", "a30", "a40", "a100", "b100", "b200", "b300", "gb200", "gb300", "gh200", "h20",
        "h100", "h200", "h800", "l4", "l40", "l40s", "p100", "t4", "v100",
    )},
    **{name: f"amd_{name}" for name in ("mi210", "mi250", "mi250x", "mi300a", "mi300x", "mi325x",
                                        "mi350x", "mi355x")},
}  # fmt: skip
_SLICE: Final = re.compile(r"(?:^|[^0-9])[1-9]g\.[0-9]{1,3}gb", re.ASCII)


def accelerator_of(text: str, names: Mapping[str, str]) -> str | None:
    """The ledger's name for ``NVIDIA-H100-80GB-HBM3`` or ``h100``; None where it is not one kind.

    ``names`` comes first: whole texts to slugs.
    """
    if text in names:
        return names[text]
    words = re.split(r"[^a-z0-9]+", text.lower())
    found = {_KNOWN[word] for word in words if word in _KNOWN}
    return found.pop() if len(found) == 1 else None


def is_slice(text: str) -> bool:
    """Whether this names a part of a GPU (NVIDIA MIG): ``a100_3g.20gb``."""
    return _SLICE.search(text.lower()) is not None
