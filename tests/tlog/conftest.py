"""Fixtures of the tlog tests."""

import pytest
from golden_vectors import Golden, read_golden


@pytest.fixture(scope="session")
def golden() -> Golden:
    return read_golden()
