"""The TOML file that says what a trace's columns mean, and what is assigned where it is silent.

``alibaba_gpu_2023.toml`` beside this module is the documented example. Unknown keys are refused.
"""

import tomllib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from ledger.errors import FormatError, LedgerError
from ledger.records.deadline import parse_time
from schemas.values import Count, Line, Positive, Slug, Wire

DEFAULT: Final = "alibaba_gpu_2023"
MAX_MAPPING_BYTES: Final = 1 << 20


class ImportRefused(LedgerError):
    """An import that cannot begin or go on: the file, what is wrong with it, what would do."""


class Columns(Wire, frozen=True):
    """The header of each column that is read; all others are ignored."""

    name: str
    gpu_count: str
    gpu_milli: str
    accelerator: str
    phase: str
    created: str
    scheduled: str
    deleted: str


class Equivalence(Wire, frozen=True):
    """On what the H200 equivalents rest, in one line: it stands in every record."""

    basis: Annotated[Line, Meta(min_length=1)]


class Accelerator(Wire, frozen=True):
    """One kind of GPU: its worth in thousandths of an H200, how many there were, how many a node.

    ``gpus = 0``: it is never assigned.
    """

    milli_h200: Positive
    gpus: Count
    per_node: Positive


class TraceMapping(Wire, frozen=True):
    """A whole mapping file."""

    system: Slug
    trace: Annotated[str, Meta(min_length=1, max_length=120)]
    start: str
    columns: Columns
    phases: Mapping[str, Literal["completed", "failed", "cancelled"]]
    h200e: Equivalence
    accelerators: Mapping[Slug, Accelerator]
    still_running: tuple[str, ...] = ()
    """Phases of tasks that may have no end: without one, or with ``cut_at_s``, they go on."""
    accelerator_names: Mapping[str, Slug] = {}
    cut_at_s: Count | None = None


def load_mapping(name_or_path: str = DEFAULT) -> TraceMapping:
    """The mapping that comes with the ledger under this name, or the one in a file.

    Raises ImportRefused, naming the file and the field.
    """
    data = _read(name_or_path)
    try:
        raw = tomllib.loads(data.decode("utf-8"))
        mapping = msgspec.convert(raw, TraceMapping)
        parse_time(mapping.start)
    except (ValueError, RecursionError) as error:
        raise ImportRefused(f"the mapping {name_or_path} is not TOML: {error}") from None
    except (msgspec.ValidationError, FormatError) as error:
        raise ImportRefused(f"the mapping {name_or_path}: {error}") from None
    if not any(kind.gpus for kind in mapping.accelerators.values()):
        raise ImportRefused(f"the mapping {name_or_path}: no accelerator has gpus to assign")
    unknown = sorted(set(mapping.accelerator_names.values()) - mapping.accelerators.keys())
    if unknown:
        raise ImportRefused(
            f"the mapping {name_or_path}: accelerator_names has {unknown[0]}, which [accelerators] "
            f"does not have"
        )
    return mapping


def _read(name_or_path: str) -> bytes:
    known = {
        each.name.removesuffix(".toml"): each
        for each in resources.files("ledger.importers").iterdir()
        if each.name.endswith(".toml")
    }
    if name_or_path in known:
        return known[name_or_path].read_bytes()
    try:
        with Path(name_or_path).open("rb") as file:
            data = file.read(MAX_MAPPING_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ImportRefused(
            f"cannot read the mapping {name_or_path}: {reason}; it is a file's path or one of "
            f"{', '.join(sorted(known))}"
        ) from None
    if len(data) > MAX_MAPPING_BYTES:
        raise ImportRefused(f"the mapping {name_or_path} is over {MAX_MAPPING_BYTES} bytes")
    return data
