"""Where the helpers of the neighbouring folders lie, and one honest past for all cheats."""

import sys
from pathlib import Path

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS / "reader"), str(TESTS / "verify")]  # ledger_world, verify_runner

import pytest  # noqa: E402 - the path first
from honest_past import Past, honest_past  # noqa: E402 - the same


@pytest.fixture(scope="session")
def past(tmp_path_factory: pytest.TempPathFactory) -> Past:
    """The history that every operator begins with."""
    return honest_past(tmp_path_factory.mktemp("honest"))
