"""What was measured on: enough to judge the figures by, and nothing that names the machine."""

import os
import platform
import sqlite3
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

PACKAGES: Final = (
    "apsci-ledger",
    "granian",
    "litestar",
    "msgspec",
    "psycopg",
    "pynacl",
    "sqlalchemy",
)


def facts(*, engine: str) -> dict[str, Any]:
    """Processors, memory and versions; no host name, no path, no address."""
    return {
        "cpus": os.cpu_count(),
        "cpu": _cpu(),
        "memory_bytes": _memory(),
        "load_1min": round(os.getloadavg()[0], 2),
        "system": platform.system(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "implementation": sys.implementation.name,
        "sqlite": sqlite3.sqlite_version,
        "engine": engine,
        "packages": {name: version(name) for name in PACKAGES},
    }


def _cpu() -> str | None:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return None
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else None


def _memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return None
