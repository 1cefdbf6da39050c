"""What a long run found, as the page ``docs/reliability`` reads it: ``web/runs/<run>.json``.

Figures only, numbers by name; nothing that names a machine, a path or a person.
"""

import datetime as dt
import json
import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def record(
    folder: Path, run: str, engine: str, figures: Mapping[str, float], *, at: dt.datetime
) -> Path:
    """Write one run's figures; the file it is. A run on several engines has a file for each."""
    said = {
        "run": run,
        "engine": engine,
        "made_at": f"{at.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%SZ}",
        "machine": {
            "cpus": len(os.sched_getaffinity(0)),
            "python": platform.python_version(),
        },
        "figures": dict(figures),
    }
    path = folder / f"{run}.json"
    path.write_text(json.dumps(said, indent=1) + "\n", "utf-8")
    return path


def figures_of(report: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of a report, by name; of a list, how long it is; of endings, how many of each."""
    figures: dict[str, float] = {}
    for name, value in report.items():
        if isinstance(value, int | float):
            figures[name] = round(value) if name == "seconds" else value
        elif isinstance(value, list):
            figures[name] = len(value)
        elif name == "endings":
            figures |= {each.replace(" ", "_"): count for each, count in value.items()}
    return figures
