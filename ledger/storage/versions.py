"""The versions of jobs in bulk, as columns are loaded from them."""

from collections.abc import Iterator
from typing import Final

from ledger.storage.driver import Driver, Row

VERSION_FIELDS: Final = (
    "since",
    "submitted_index",
    "submitted_at",
    "author",
    "workload_type",
    "accelerator",
    "rejection_code",
    "egress_ceiling_bytes",
    "ended_at",
    "gpu_seconds",
    "disclosed_index",
    "model_digest",
    "state",
    "egress_bytes",
    "finding_code",
)
"""What ``read_versions`` reads of ``tables.JobRow``, in this order."""

ENTRIES_AT_ONCE: Final = 16_384
_VERSIONS: Final = (
    f"SELECT {', '.join(VERSION_FIELDS)} FROM jobs "  # noqa: S608 - names are ours
    "WHERE since >= ? AND since < ? ORDER BY since"
)


def read_versions(driver: Driver, start: int, stop: int) -> Iterator[list[Row]]:
    """The versions that the entries ``start`` <= index < ``stop`` made, in that order.

    In portions, so that nobody holds a whole ledger in memory.
    """
    for first in range(start, stop, ENTRIES_AT_ONCE):
        rows = driver.fetch(_VERSIONS, (first, min(first + ENTRIES_AT_ONCE, stop)))
        if rows:
            yield rows
