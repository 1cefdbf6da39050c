"""A ledger with one job that runs; a browser that speaks ASGI lies with the site's tests."""

import sys
from collections.abc import Iterator
from pathlib import Path

import kit
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "web"))
sys.path.insert(0, str(Path(__file__).parents[1] / "mirrors"))
sys.path.insert(0, str(Path(__file__).parents[1] / "reader"))
sys.path.insert(0, str(Path(__file__).parents[1] / "cli"))

from artifact_world import JOB, founded, opened, run_job

from ledger.assembly import Ledger
from ledger.settings import Settings


@pytest.fixture
def clock() -> kit.Clock:
    return kit.Clock()


@pytest.fixture
def settings(database_url: str, tmp_path: Path, clock: kit.Clock) -> Settings:
    return founded(database_url, tmp_path, clock)


@pytest.fixture
def ledger(settings: Settings, clock: kit.Clock) -> Iterator[Ledger]:
    with opened(settings, clock) as found:
        run_job(found, JOB)
        yield found
