"""The tests that need a real Slurm are left out, and not passed, where there is none."""

import os

import pytest
from slurm_world import _slurm

REAL = "test_slurm_real.py"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect them; scripts/test has said why by then."""
    reason = os.environ.get(_slurm.MISSING) or ", ".join(_slurm.absent())
    if not reason:
        return
    out = [each for each in items if each.path.name == REAL]
    if out:
        config.hook.pytest_deselected(items=out)
        items[:] = [each for each in items if each not in out]
