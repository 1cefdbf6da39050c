"""A ledger that is served, a Slurm that asks it, and a member who submits to both."""

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx

from ledger import keys
from ledger.cli.client import Client
from ledger.importers.ulid import RANDOM_BYTES, ulid
from ledger.records.authoring import author_statement
from ledger.records.deadline import format_time
from ledger.tlog.note import parse_vkey

T = TypeVar("T")

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 120.0
sys.path.insert(0, str(ROOT / "scripts"))
sys.path.insert(0, str(ROOT / "tests" / "admission"))  # admission_world lies there

import _slurm  # noqa: E402 - beside the project's scripts, which are no package

ORIGIN = "ledger.example/slurm"
PLAN: dict[str, Any] = {
    "workload_type": "eval_suite",
    "gradient_scope": "none",
    "optimizer_targets": [],
    "accelerator": "nvidia_h200",
    "gpu_count": 2,
    "wall_limit_seconds": 600,
    "egress_ceiling_bytes": 1_000_000,
}
SITE = """cluster = "apsci"
ledger = "{ledger}"
policy = "{folder}/policy"
key = "{folder}/data/keys/authors/orchestrator.key"
state = "{folder}/state"
slurm_bin = "{slurm_bin}"
slurm_conf = "{conf}"
patience_s = {patience}

[members]
lab-one = "deepseek"
lab_2 = "mistral"

[usage]
weights_unchanged = true
weights_check = "oms_root"
h200e = {{ basis = "one H200 is one H200" }}
milli_h200 = {{ nvidia_h200 = 1000 }}
"""


@dataclass
class LedgerWorld:
    """A served ledger in ``folder``, and a cluster's file that names it."""

    folder: Path
    url: str
    slurm_bin: str = "/usr/bin"

    @property
    def site(self) -> Path:
        """The cluster's file."""
        return self.folder / "site.toml"

    @property
    def program(self) -> Path:
        """What the hooks run: the checkout's own code, by the Python that runs the tests."""
        return self.folder / "ledger"

    def write_site(self, *, conf: str = "/etc/slurm/slurm.conf", away: bool = False) -> None:
        """The cluster's file; ``away``: with an address at which no ledger is."""
        [closed] = _slurm._free_ports(1)
        text = SITE.format(
            folder=self.folder,
            ledger=f"http://127.0.0.1:{closed}" if away else self.url,
            patience=1 if away else 60,
            conf=conf,
            slurm_bin=self.slurm_bin,
        )
        self.site.write_text(text, "utf-8")

    def admitted(self, **plan: object) -> str:
        """Submit a job as a member; its number once the ledger has admitted it."""
        job = ulid(int(time.time() * 1000), secrets.token_bytes(RANDOM_BYTES))
        body = author_statement(
            signer=keys.read_signer(self.folder / "data/keys/authors/deepseek.key"),
            kind="submitted",
            schema="job-submitted/1",
            public=PLAN | plan,
            made_at=format_time(int(time.time())),
            job_id=job,
            seed=bytes(32),
        )
        with Client(self.url) as client:
            answered = client.post(body, log_key=client.vkey())
        assert answered.accepted.decision is not None
        assert answered.accepted.decision.kind == "admitted"
        return job

    def kinds(self, job: str) -> list[str]:
        """The kinds of a job's entries, in the log's order."""
        return [each["kind"] for each in self.events(job)]

    def events(self, job: str) -> list[dict[str, Any]]:
        """A job's entries as the API tells them."""
        answer = httpx.get(f"{self.url}/api/v1/jobs/{job}", trust_env=False, timeout=120)
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["data"]["events"]
        return found

    def refused(self) -> list[dict[str, Any]]:
        """The refused starts in the log, in its order."""
        return [each["statement"] for each in self.entries() if each["kind"] == "refused"]

    def entries(self) -> list[dict[str, Any]]:
        """Every entry of the log, by its tiles."""
        size = int(
            httpx.get(f"{self.url}/log/checkpoint", trust_env=False, timeout=120).text.splitlines()[
                1
            ]
        )
        assert size < 256, "one partial bundle holds this test's log"
        data = httpx.get(
            f"{self.url}/log/tile/entries/000.p/{size}", trust_env=False, timeout=120
        ).content
        found = []
        while data:
            length = int.from_bytes(data[:2], "big")
            found.append(json.loads(data[2 : 2 + length]))
            data = data[2 + length :]
        return found

    def ledger(self, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        """Run ``ledger`` as the hooks do: with next to no environment."""
        return subprocess.run(
            [str(self.program), *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )


@contextmanager
def served(folder: Path) -> Iterator[LedgerWorld]:
    """A new ledger in ``folder``, served until the block is left."""
    program = folder / "ledger"
    program.write_text(
        f"#!/bin/sh\nPYTHONPATH='{ROOT}' exec '{sys.executable}' -m ledger \"$@\"\n", "utf-8"
    )
    program.chmod(0o755)
    [port] = _slurm._free_ports(1)
    url = f"http://127.0.0.1:{port}"
    outer = {name: value for name, value in os.environ.items() if not name.startswith("LEDGER_")}
    environment = outer | {
        "LEDGER_DATA_DIR": str(folder / "data"),
        "LEDGER_PORT": str(port),
        "LEDGER_PUBLIC_URL": url,
    }
    subprocess.run(
        [str(program), "init", "--origin", ORIGIN, "--demo"],
        env=environment, check=True, capture_output=True, timeout=PATIENCE_S,
    )  # fmt: skip
    world = LedgerWorld(folder, url)
    vkey = keys.read_signer(folder / "data/keys/log.key").vkey
    assert parse_vkey(vkey).name == ORIGIN
    (folder / "policy").write_text(f"log {vkey}\nquorum none\n", "utf-8")
    with (folder / "serve.log").open("wb") as log:
        serving = subprocess.Popen(
            [str(program), "serve"], env=environment, stdout=log, stderr=log, cwd=folder
        )
    try:
        eventually(lambda: b"serving " in (folder / "serve.log").read_bytes(), "the ledger serves")
        world.write_site()
        yield world
    finally:
        serving.send_signal(signal.SIGTERM)
        try:
            serving.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            serving.kill()
            serving.wait()


def eventually(look: Callable[[], T], what: str) -> T:
    """What ``look`` finds, once it finds something."""
    until = time.monotonic() + PATIENCE_S
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < until, f"not in time: {what}"
        time.sleep(0.1)
