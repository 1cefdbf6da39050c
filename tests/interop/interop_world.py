"""A ledger, a witness of ours and one of others, as real processes that speak HTTP."""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import kit
import pytest
from ports import free_port

from ledger.assembly import Ledger, create
from ledger.client.tree import Tree
from ledger.settings import Settings
from ledger.tlog.checkpoint import open_checkpoint
from ledger.tlog.note import VerifierKey, parse_note

ROOT = Path(__file__).resolve().parents[2]
OTHERS = Path(__file__).parent / "others"
SIZE = 300
PATIENCE_S = 200.0

sys.path.insert(0, str(ROOT / "scripts"))

import _interop  # noqa: E402 - beside the project's scripts, which are no package


def tool(name: str) -> Path:
    """The folder of somebody else's tool. Where it cannot be had, the test says so by name."""
    try:
        return _interop.get(name)
    except _interop.ToolMissing as missing:
        if os.environ.get("CI") == "true":
            pytest.fail(f"CI needs every tool: {missing}")
        pytest.skip(str(missing))


def version(name: str, package: str) -> str:
    """The version of an installed package of a tool, as its lock pins it."""
    [found] = _interop.packages(name).glob(f"{package.replace('-', '_')}-*.dist-info")
    return found.name.removesuffix(".dist-info").rsplit("-", 1)[1]


def ran(*command: object, stdin: str = "") -> dict[str, Any]:
    """What a command that has to succeed says last, as JSON."""
    done = subprocess.run(
        list(map(str, command)),
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


@contextmanager
def started(
    command: Sequence[object], *, wait_for: str, talks: bool = False, **environment: str
) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """A process once it has said ``wait_for`` (a regular expression), and what it matched.

    Unless it ``talks`` with the caller, what it says afterwards is read and dropped.
    """
    with subprocess.Popen(
        list(map(str, command)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
    ) as running:
        assert running.stdout is not None
        heard = ""
        try:
            while not (found := re.search(wait_for, heard)):
                line = running.stdout.readline()
                assert line, f"it ended: {heard}"
                heard += line
            if not talks:
                threading.Thread(target=running.stdout.read, daemon=True).start()
            yield running, found[1] if found.groups() else found[0]
        finally:
            running.terminate()
            try:
                running.wait(120)
            except subprocess.TimeoutExpired:
                running.kill()


def ledger_command(*arguments: object) -> list[object]:
    return [sys.executable, "-m", "ledger", *arguments]


@contextmanager
def our_witness(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """``ledger witness`` with both its keys: its address and its vkeys."""
    port = free_port()
    command = ledger_command(
        *("witness", "--data", folder, "--listen", f"127.0.0.1:{port}"),
        *("--name", "witness.example/ours", "--mldsa"),
    )
    with started(command, wait_for="listening on (.*),", PYTHONPATH=str(ROOT)) as (_, address):
        yield address, httpx.get(f"{address}/vkey", timeout=120).text.split()


def follow(folder: Path, vkey: str) -> None:
    """Have our witness follow a log."""
    subprocess.run(
        list(map(str, ledger_command("witness", "--data", folder, "add-log", vkey))),
        check=True,
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=PATIENCE_S,
    )


@contextmanager
def their_witness(folder: Path, log_vkey: str) -> Iterator[tuple[str, str]]:
    """aics-witness: its address and its vkey."""
    program = tool("aics") / "bin" / "aics-witness"
    folder.mkdir()
    config, port = folder / "witness.json", free_port()
    made = subprocess.run(
        [program, "init", "--config", config, "--name", "witness.example/aics"],
        check=True,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    found = re.search(r"witness\.example/aics\+[0-9a-f]{8}\+\S+", made.stdout + made.stderr)
    assert found is not None
    subprocess.run(
        [program, "add-log", "--config", config, "--origin", kit.ORIGIN, "--vkey", log_vkey],
        check=True,
        capture_output=True,
        timeout=PATIENCE_S,
    )
    address = f"127.0.0.1:{port}"
    command = [program, "serve", "--config", config, "--listen", address]
    with started(command, wait_for=r"(?i)listening|serving"):
        yield f"http://{address}", found[0]


@dataclass(frozen=True)
class World:
    """Where everything is, and under which keys."""

    url: str
    vkey: str
    mldsa_vkey: str
    old_note: Path
    witness: str
    witness_folder: Path
    witness_vkeys: list[str]
    aics_vkey: str

    def get(self, path: str) -> bytes:
        answer = httpx.get(self.url + path, timeout=120)
        answer.raise_for_status()
        return answer.content


@contextmanager
def world_in(folder: Path) -> Iterator[World]:
    """A ledger of 300 entries, dual-signed, whose checkpoint two witnesses have cosigned."""
    settings = Settings(data_dir=folder / "data", mldsa=True)
    vkey = create(settings, origin=kit.ORIGIN, authors=kit.AUTHORS, clock=kit.Clock())
    ledger = Ledger(settings, clock=kit.Clock())
    try:
        mldsa_vkey = ledger.mldsa_vkey
        assert mldsa_vkey is not None
        old_note = folder / "old.note"
        old_note.write_bytes(ledger.reader.newest().note)
        kit.filled(ledger, size=SIZE)
    finally:
        ledger.close()
    with ExitStack() as processes:
        ours, vkeys = processes.enter_context(our_witness(folder / "ours"))
        follow(folder / "ours", vkey)
        theirs, aics_vkey = processes.enter_context(their_witness(folder / "theirs", vkey))
        policy = folder / "policy"
        policy.write_text(
            f"log {vkey}\nwitness ours {vkeys[0]} {ours}\nwitness theirs {aics_vkey} {theirs}\n"
            "group both all ours theirs\nquorum both\n"
        )
        port = free_port()
        environment = {
            "LEDGER_DATA_DIR": str(settings.data_dir),
            "LEDGER_PORT": str(port),
            "LEDGER_POLICY": str(policy),
            "LEDGER_MLDSA": "true",
            "PYTHONPATH": str(ROOT),
        }
        processes.enter_context(
            started(ledger_command("serve"), wait_for="serving ", **environment)
        )
        world = World(
            url=f"http://127.0.0.1:{port}",
            vkey=vkey,
            mldsa_vkey=mldsa_vkey,
            old_note=old_note,
            witness=ours,
            witness_folder=folder / "ours",
            witness_vkeys=vkeys,
            aics_vkey=aics_vkey,
        )
        give_up = time.monotonic() + PATIENCE_S
        while len(parse_note(world.get("/log/checkpoint")).signatures) < 4:
            assert time.monotonic() < give_up, world.get("/log/checkpoint")
            time.sleep(0.2)
        yield world


class Files:
    """A log's files below ``url``, for our own reader."""

    def __init__(self, url: str) -> None:
        self.url = url

    def get(self, path: str, *, limit: int) -> bytes:
        answer = httpx.get(self.url + path, timeout=120)
        answer.raise_for_status()
        assert len(answer.content) <= limit
        return answer.content


def read_by_us(url: str, keys: Sequence[VerifierKey]) -> tuple[Tree, list[bytes]]:
    """Somebody else's log, every entry proved by our reader under its checkpoint."""
    files = Files(url)
    note = files.get("/log/checkpoint", limit=100_000)
    checkpoint = open_checkpoint(note, keys)
    tree = Tree(files, checkpoint, note, verify=True)
    bundles = range(-(-checkpoint.size // 256))
    return tree, [entry for number in bundles for entry in tree.bundle(number)]


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """A folder of files over HTTP; a log lies in its ``log``."""
    command = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "-d", folder, "0"]
    with started(command, wait_for=r"port (\d+)") as (_, port):
        yield f"http://127.0.0.1:{port}"


def peer(folder: Path) -> Path:
    """Go's side, built from others/peer.go and from what the toolchain carries."""
    goroot = _interop.packages("go") / "go" if tool("go") else Path()
    module = folder / "module"
    for package in ("note", "tlog"):
        source = goroot / "src/cmd/vendor/golang.org/x/mod/sumdb" / package
        shutil.copytree(source, module / package)
    module.joinpath("go.mod").write_text("module interop.test\n\ngo 1.23\n")
    shutil.copy(OTHERS / "peer.go", module / "main.go")
    program = folder / "peer"
    built = subprocess.run(
        [goroot / "bin" / "go", "build", "-o", program, "."],
        cwd=module,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "GOROOT": str(goroot),
            "GOPATH": str(folder / "gopath"),
            "GOCACHE": str(_interop.FOLDER / "go-cache"),
            "GOPROXY": "off",
            "GOFLAGS": "-mod=mod",
            "GOTOOLCHAIN": "local",
            "GOENV": "off",
            "CGO_ENABLED": "0",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
    assert built.returncode == 0, built.stderr
    return program
