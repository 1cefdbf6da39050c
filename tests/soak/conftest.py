"""scripts/soak imports its modules as neighbours; so do its tests.

Those that mount a disk are left out, and not passed, where none can be mounted.
"""

import os
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
if str(SCRIPTS) not in sys.path:
    sys.path.insert(0, str(SCRIPTS))

import _mounting  # noqa: E402 - beside the project's scripts, which are no package


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect them; scripts/test has said why by then."""
    out = [each for each in items if any(map(os.environ.get, _disks(each)))]
    if out:
        config.hook.pytest_deselected(items=out)
        items[:] = [each for each in items if each not in out]


def _disks(item: pytest.Item) -> list[str]:
    """The variables that say why the disk of a test is not there."""
    variables = {"small_disk": _mounting.SMALL, "loop_disk": _mounting.LOOP}
    return [variable for mark, variable in variables.items() if item.get_closest_marker(mark)]
