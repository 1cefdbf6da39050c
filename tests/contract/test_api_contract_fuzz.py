"""Schemathesis, all checks, over a running server; CONTRACT_SECONDS makes it search longer.

CONTRACT_REPORT names a file for the figures of a run, as web/runs keeps them.

It asks what the OpenAPI document allows and what it does not, with every method, and follows what
it finds. No answer may be a server's error, have a status or a form that the document does not
name, take what it forbids, or refuse what it allows.
"""

import json
import os
import platform
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest
from ledger_world import World, with_history
from ports import free_port

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
USUAL_S = 15
SECONDS = int(os.environ.get("CONTRACT_SECONDS", USUAL_S))
"""How long one run searches at random. What it tries by rule comes on top: every parameter at and
beyond its bounds, and every method. As long as nobody asks for more, each engine has half of the
addresses tried like that.
"""


REPORT = os.environ.get("CONTRACT_REPORT")


@contextmanager
def _served(settings: Any, now: int) -> Iterator[str]:
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    own = {
        "LEDGER_DATA_DIR": str(settings.data_dir),
        "LEDGER_DATABASE_URL": settings.database_url,
        "LEDGER_PUBLIC_URL": address,
        "LEDGER_LOG_LEVEL": "warning",
        "WORLD_CLOCK": str(now),
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(HERE)]),
    }
    server = subprocess.Popen(
        [sys.executable, HERE / "serve_for_writing.py", str(port)],
        env=os.environ | own,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        patience = time.monotonic() + 120
        while True:
            try:
                with urllib.request.urlopen(f"{address}/log/checkpoint", timeout=120):
                    break
            except (URLError, OSError):
                assert server.poll() is None, f"the server ended with {server.returncode}"
                assert time.monotonic() < patience, "the server does not answer"
                time.sleep(0.05)
        yield address
    finally:
        server.terminate()
        try:
            server.wait(120)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()


def _with_examples(document: dict[str, Any], values: dict[str, list[Any]]) -> dict[str, Any]:
    """The document with things that are there as examples of what stands in addresses."""
    for path in document["paths"].values():
        for operation in path.values():
            for parameter in operation["parameters"]:
                if parameter["in"] == "path" and parameter["name"] in values:
                    parameter["examples"] = {
                        f"one{number}": {"value": value}
                        for number, value in enumerate(values[parameter["name"]])
                    }
    return document


def _each(option: str, values: list[str]) -> list[str]:
    return [part for value in values for part in (option, value)]


def _explored(folder: Path, address: str, phases: str, *more: str) -> int:
    """One run of Schemathesis that finds nothing to complain of; how many requests it made."""
    run = subprocess.run(
        [
            *(Path(sys.executable).with_name("schemathesis"), "--no-color"),
            *("--config-file", HERE / "contract.toml", "run", "openapi.json", "--url", address),
            *("--checks", "all", "--phases", phases, "--seed", "20261122"),
            *("--continue-on-failure", "--request-timeout", "120", *more),
        ],
        cwd=folder,
        env=os.environ | {"SCHEMATHESIS_HOOKS": "contract_hooks", "PYTHONPATH": str(HERE)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-12_000:] + run.stderr[-2_000:]
    tried = re.search(r"([0-9]+) generated", run.stdout)
    assert tried, run.stdout[-2_000:]
    return int(tried[1])


def _report(path: Path, engine: str, figures: dict[str, int]) -> None:
    """What a long run tried, as web/runs keeps it."""
    report = {
        "run": path.stem,
        "engine": engine,
        "made_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": {"cpus": os.cpu_count(), "python": platform.python_version()},
        "figures": figures,
    }
    path.write_text(json.dumps(report, indent=1) + "\n", "utf-8")


@pytest.mark.timeout(SECONDS + 1_200)
def test_the_server_keeps_to_the_document_whatever_it_is_asked(
    tmp_path: Path, database_url: str
) -> None:
    with World(tmp_path / "ledger", database_url) as world:
        with_history(world)
        with world.reader.at() as view:
            values: dict[str, list[Any]] = {
                "job_id": [world.job_id(name) for name in ("opened", "sealed", "rejected")],
                "index": [0, 1, world.reader.tree_size() - 1],
                "name": ["alpha", "council"],
                "model": [f"sha256:{each.digest}" for each in view.models(limit=2)],
                "artifact": [f"sha256:{each.digest}" for each in view.artifacts(limit=2)],
            }
        settings, now = world.ledger.settings, world.clock.now
    with _served(settings, now) as address:
        with urllib.request.urlopen(f"{address}/api/v1/openapi.json") as reply:
            document = _with_examples(json.load(reply), values)
        tmp_path.joinpath("openapi.json").write_text(json.dumps(document))
        paths = sorted(document["paths"])
        if SECONDS <= USUAL_S:
            paths = paths[0 if settings.sqlite_file else 1 :: 2]
        begun = time.monotonic()
        tried = _explored(tmp_path, address, "examples,coverage", *_each("--include-path", paths))
        longer = (
            "--max-time",
            str(SECONDS),
            "--max-examples",
            "8" if SECONDS <= USUAL_S else "500",
        )
        tried += _explored(tmp_path, address, "fuzzing,stateful", *longer)
        if REPORT is not None:
            operations = sum(len(each) for each in document["paths"].values())
            figures = {"operations": operations, "inputs": tried, "broken": 0}
            figures["seconds"] = round(time.monotonic() - begun)
            engine = "sqlite" if settings.sqlite_file else "postgresql"
            _report(Path(REPORT), engine, figures)
        with urllib.request.urlopen(f"{address}/api/v1/status") as reply:
            assert json.load(reply)["data"]["entries"] >= values["index"][-1] + 1
