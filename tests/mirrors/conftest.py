"""A ledger of the test's own, on each engine; ledger_world lies beside the reader's tests."""

import logging
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "reader"))
sys.path.insert(0, str(Path(__file__).parents[1] / "cli"))
sys.path.insert(0, str(Path(__file__).parents[1] / "servers"))

from ledger_world import World
from mirror_children import SECRET, serve_s3
from mirror_world import START
from processes import running


@pytest.fixture(autouse=True)
def _log_as_before() -> Iterator[None]:
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    yield
    root.setLevel(level)
    root.handlers[:] = handlers


@pytest.fixture
def world(tmp_path: Path, database_url: str) -> Iterator[World]:
    with World(tmp_path / "ledger", database_url, start=START) as made:
        yield made


@pytest.fixture
def small(tmp_path: Path) -> Iterator[World]:
    """A ledger of 41 entries, on SQLite."""
    with World(tmp_path / "ledger", start=START) as made:
        made.log(*[made.submission(f"first{n}") for n in range(20)])
        yield made


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    """The address of an S3-compatible server: moto's, in a process of its own."""
    with running(serve_s3) as (_, pipe):
        assert pipe.poll(120)
        yield pipe.recv()


@pytest.fixture
def bucket(s3: str, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Makes a bucket that everybody may read. The environment leads there, as for other tools."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)

    def make(name: str) -> str:
        assert httpx.put(f"{s3}/{name}", trust_env=False, timeout=120).status_code == 200
        everybody = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject"}
        read = {**everybody, "Resource": f"arn:aws:s3:::{name}/*"}
        policy = {"Version": "2012-10-17", "Statement": [read]}
        done = httpx.put(f"{s3}/{name}?policy", json=policy, trust_env=False, timeout=120)
        assert done.is_success
        return f"s3://{name}"

    return make
